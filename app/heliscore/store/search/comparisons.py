"""Compile a comparison of an SQL expression with values that a client sent."""

from __future__ import annotations

from typing import Final, assert_never

from heliscore.domain.filter_tree import (
    Compare,
    Exists,
    OneOf,
    Operator,
    Property,
    Variable,
    kind_of,
)
from heliscore.store.like_patterns import escape_like
from heliscore.store.search.arguments import Arguments

SubjectCondition = Compare | OneOf | Exists

_PATTERN_OPERATORS: Final[dict[Operator, str]] = {
    "like": "LIKE",
    "ilike": "ILIKE",
    "contains": "ILIKE",
    "not-contains": "NOT ILIKE",
    "starts-with": "ILIKE",
    "ends-with": "ILIKE",
}

_PATTERNS: Final[dict[Operator, str]] = {
    "contains": "%{}%",
    "not-contains": "%{}%",
    "starts-with": "{}%",
    "ends-with": "%{}",
}

_NEGATIVE: Final = ("<>", "not-contains")


def compare(expression: str, condition: SubjectCondition, arguments: Arguments) -> str:
    """Compile a condition on its subject, which is the expression."""
    kind = kind_of(condition.subject)
    match condition:
        case Exists():
            return f"{expression} IS NOT NULL"
        case OneOf(_, values):
            return f"{expression} = ANY({arguments.add_values(values, kind)})"
        case Compare(subject, operator, value):
            if operator in _NEGATIVE and isinstance(subject, Property | Variable):
                expression = f"coalesce({expression}, '')"
            if operator in _PATTERNS:
                value = _PATTERNS[operator].format(escape_like(str(value)))
            sql_operator = _PATTERN_OPERATORS.get(operator, operator)
            return f"{expression} {sql_operator} {arguments.add_value(value, kind)}"
        case _:
            assert_never(condition)
