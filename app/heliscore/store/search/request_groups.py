"""Compile groups of requests: by a column, a property, or the one of several filters that matches."""

from __future__ import annotations

from collections.abc import Sequence

from heliscore.domain.filter_tree import SEVERAL, Cases, Column, Filter, Property
from heliscore.store.search.conditions import ConditionCompiler


def compile_group(conditions: ConditionCompiler, group_by: Column | Property | Cases | None) -> str | None:
    """The group of a request, as text."""
    match group_by:
        case None:
            return None
        case Cases(filters):
            return _compile_cases(conditions, filters)
        case Column() | Property() as subject:
            return conditions.expression(subject)


def compile_keys(conditions: ConditionCompiler, groups: Sequence[Column | Property]) -> str:
    """The groups of a request by several columns and properties, each as text."""
    return ", ".join(conditions.expression(subject) for subject in groups)


def _compile_cases(conditions: ConditionCompiler, filters: Sequence[Filter]) -> str:
    """The number of the filter that a request matches, as text."""
    bits = " + ".join(
        f"CASE WHEN {conditions.condition(tree)} THEN {1 << number} ELSE 0 END"
        for number, tree in enumerate(filters)
    )
    numbers = " ".join(f"WHEN {1 << number} THEN '{number}'" for number in range(len(filters)))
    return f"CASE {bits} WHEN 0 THEN NULL {numbers} ELSE '{SEVERAL}' END"
