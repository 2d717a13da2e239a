"""Turns others' values into scores, which are integers and booleans, by one rule for each name.

A rule is chosen when all values of a name were seen, and shown before anything is sent: numbers are taken as
they are where all are whole, and multiplied by 100 where they lie between 0 and 1. What no rule fits is not
taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec

from heliscore.domain.exact_numbers import scaled
from heliscore.imports.fields import Unfit, as_decimal
from heliscore.imports.row_formats import GivenScore

_SHARE_SCALE: Final = 100
_MAX_LABELS: Final = 10
_TRUTHS: Final = {"true": True, "false": False}


class Seen(msgspec.Struct):
    """The values of one name."""

    count: int = 0
    low: Decimal | None = None
    high: Decimal | None = None
    has_fractions: bool = False
    has_booleans: bool = False
    labels: set[str] = msgspec.field(default_factory=set)

    def add(self, score: GivenScore) -> None:
        self.count += 1
        if score.error:
            return
        value = _as_truth(score.value)
        if isinstance(value, bool):
            self.has_booleans = True
        elif value is None:
            if score.label is not None and len(self.labels) <= _MAX_LABELS:
                self.labels.add(score.label)
        else:
            try:
                number = as_decimal(value)
            except Unfit:
                return
            self.low = number if self.low is None else min(self.low, number)
            self.high = number if self.high is None else max(self.high, number)
            self.has_fractions = self.has_fractions or number != number.to_integral_value()


class Rule(msgspec.Struct, frozen=True):
    """How the values of one name become scores."""

    scale: int | None = None
    is_boolean: bool = False
    """Whether 1 and 0 are booleans."""

    values: Mapping[str, int] = {}
    """By label."""

    def apply(self, score: GivenScore) -> int | bool:
        """Raises Unfit."""
        value = _as_truth(score.value)
        if isinstance(value, bool):
            return value
        if value is None:
            return self._by_label(score.label)
        number = as_decimal(value)
        if self.is_boolean and number in (0, 1):
            return number == 1
        whole = scaled(number, self.scale or 1)
        if whole is None:
            raise Unfit(f"{number} is beyond ±2^53")
        if self.scale is None and whole != number:
            raise Unfit(f"{number} is no whole number: say by how much it is multiplied, --scale NAME=100")
        return whole

    def _by_label(self, label: str | None) -> int:
        if label is None:
            raise Unfit("there is neither a number nor a label")
        if label not in self.values:
            raise Unfit(f'no definition says which value the label "{label}" has')
        return self.values[label]


def choose_rule(seen: Seen, scale: int | None, definition: Mapping[str, Any] | None) -> Rule:
    """The rule of a name; `scale` is what was asked for, and `definition` the service's."""
    given = definition or {}
    if scale is None and seen.has_fractions and _is_share(seen):
        scale = _SHARE_SCALE
    labels = {label: int(value) for value, label in given.get("labels", {}).items()}
    return Rule(scale, given.get("type") == "boolean", labels)


def _is_share(seen: Seen) -> bool:
    return seen.low is not None and seen.high is not None and seen.low >= 0 and seen.high <= 1


def describe(rule: Rule, seen: Seen) -> str:
    """Say what a rule does with the values that were seen."""
    parts = []
    if seen.has_booleans:
        parts.append("true and false as they are")
    if seen.low is not None:
        parts.append(f"{seen.low} to {seen.high} {_describe_numbers(rule, seen)}")
    if seen.labels:
        shown = sorted(seen.labels)[:_MAX_LABELS]
        parts.append(", ".join(f"{label} = {rule.values.get(label, 'no value')}" for label in shown))
    return "; ".join(parts) or "no value"


def _describe_numbers(rule: Rule, seen: Seen) -> str:
    if rule.scale is not None:
        return f"times {rule.scale}, rounded"
    if rule.is_boolean:
        return "as true and false"
    if seen.has_fractions:
        return "as they are, without those that are not whole"
    return "as they are: --scale if these are fractions" if _is_share(seen) else "as they are"


def _as_truth(value: Any) -> Any:
    return _TRUTHS.get(value.strip().lower(), value) if isinstance(value, str) else value
