"""Definitions of scores: which values a name may have, what they mean, and what happens to other values.

A definition may be there before the first score of its name. It changes no value that is stored.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, Literal, get_args

import msgspec

from heliscore.domain.errors import FieldError
from heliscore.domain.messages import find_name_error, shortened
from heliscore.domain.score import FEEDBACK, Score

ScoreType = Literal["integer", "boolean", "category"]
"""A category is an integer that has a label."""

Direction = Literal["higher", "lower"]
Enforcement = Literal["off", "warn", "on"]
Precedence = Literal["newest", "human"]

TYPES: Final[tuple[ScoreType, ...]] = get_args(ScoreType)
DIRECTIONS: Final[tuple[Direction, ...]] = get_args(Direction)
ENFORCEMENTS: Final[tuple[Enforcement, ...]] = get_args(Enforcement)
PRECEDENCES: Final[tuple[Precedence, ...]] = get_args(Precedence)

MAX_LABELS: Final = 100
MAX_UNIT_LENGTH: Final = 50
MAX_DESCRIPTION_LENGTH: Final = 2_000

_MAX_SHOWN_LABELS: Final = 10

BreachKind = Literal["too_low", "too_high", "not_a_label", "wrong_type"]
BREACH_KINDS: Final[tuple[BreachKind, ...]] = get_args(BreachKind)


class ScoreDefinition(msgspec.Struct, frozen=True):
    """What an organization says of one score name."""

    name: str
    type: ScoreType
    min: int | None = None
    max: int | None = None
    direction: Direction | None = None
    """Which values are better; None: neither."""

    unit: str | None = None
    description: str | None = None
    labels: Mapping[int, str] = {}
    """Words for values. A category may have no other values, an integer may."""

    enforce: Enforcement = "off"
    """Whether a value that breaks the definition is stored without a word, with a warning, or not at all."""

    precedence: Precedence = "newest"
    """Whose value counts: the newest, or a human's until a human changes it."""

    scale: int | None = None
    """What fractions are multiplied by to become whole numbers, where a call takes fractions."""


class Breach(msgspec.Struct, frozen=True):
    """A score that breaks its definition."""

    name: str
    kind: BreachKind
    message: str
    enforce: Enforcement


def find_breaches(
    definitions: Mapping[str, ScoreDefinition], scores: Mapping[str, Score]
) -> tuple[Breach, ...]:
    """Return those of the scores that break their definitions; a name without a definition takes all."""
    breaches = []
    for name, score in scores.items():
        definition = definitions.get(name)
        if definition is not None and (kind := find_breach(definition, score)) is not None:
            message = _describe(definition, score, kind)
            breaches.append(Breach(name, kind, message, definition.enforce))
    return tuple(breaches)


def find_value_error(definition: ScoreDefinition, score: Score) -> str | None:
    """The error of a score by its definition, `must be at most 100, got 140`; None if there is none."""
    kind = find_breach(definition, score)
    return None if kind is None else _describe(definition, score, kind)


def find_breach(definition: ScoreDefinition, score: Score) -> BreachKind | None:
    """Say how a score breaks its definition; None if it does not."""
    if score.is_boolean is not (definition.type == "boolean"):
        return "wrong_type"
    if definition.type == "category":
        return None if score.value in definition.labels else "not_a_label"
    if definition.min is not None and score.value < definition.min:
        return "too_low"
    if definition.max is not None and score.value > definition.max:
        return "too_high"
    return None


def _describe(definition: ScoreDefinition, score: Score, kind: BreachKind) -> str:
    got = ("false", "true")[score.value] if score.is_boolean else score.value
    return f"must be {_expected(definition, kind)}, got {got}"


def _expected(definition: ScoreDefinition, kind: BreachKind) -> str:
    if kind == "too_low":
        return f"at least {definition.min}"
    if kind == "too_high":
        return f"at most {definition.max}"
    if definition.type != "category":
        return "a boolean" if definition.type == "boolean" else "an integer"
    shown = [f"{value} ({shortened(label, 40)})" for value, label in definition.labels.items()]
    more = len(shown) - _MAX_SHOWN_LABELS
    return f"one of {', '.join(shown[:_MAX_SHOWN_LABELS])}{f' and {more} more' if more > 0 else ''}"


def find_definition_errors(definition: ScoreDefinition) -> list[FieldError]:
    """The errors of a definition by itself."""
    return [*_find_type_errors(definition), *_find_label_errors(definition), *_find_text_errors(definition)]


def _find_type_errors(definition: ScoreDefinition) -> Iterator[FieldError]:
    if definition.name == FEEDBACK and definition.type != "boolean":
        yield FieldError("type", f'must be "boolean" for {FEEDBACK}')
    if definition.type == "boolean":
        for field, bound in (("min", definition.min), ("max", definition.max)):
            if bound is not None:
                yield FieldError(field, "must be null: a boolean has no bounds")
        if definition.scale is not None:
            yield FieldError("scale", "must be null: a boolean is no number")
    elif definition.type == "category" and not definition.labels:
        yield FieldError("labels", "must not be empty: a category is one of its labels")
    if definition.min is not None and definition.max is not None and definition.min > definition.max:
        yield FieldError("min", f"must be at most max, which is {definition.max}, got {definition.min}")


def _find_label_errors(definition: ScoreDefinition) -> Iterator[FieldError]:
    if len(definition.labels) > MAX_LABELS:
        yield FieldError("labels", f"at most {MAX_LABELS} in a definition, got {len(definition.labels)}")
        return
    is_boolean = definition.type == "boolean"
    lowest, highest = (0, 1) if is_boolean else (definition.min, definition.max)
    first: dict[str, int] = {}
    for value, label in definition.labels.items():
        place = f"labels.{value}"
        if is_boolean and not 0 <= value <= 1:
            yield FieldError(place, "must be of 0 or 1: a boolean has no other values")
        elif (lowest is not None and value < lowest) or (highest is not None and value > highest):
            yield FieldError(place, "must be of a value between min and max")
        if error := find_name_error(label):
            yield FieldError(place, error)
        elif first.setdefault(label, value) != value:
            yield FieldError(place, f"must not be the label of {first[label]} too")


def _find_text_errors(definition: ScoreDefinition) -> Iterator[FieldError]:
    for field, text, length in (
        ("unit", definition.unit, MAX_UNIT_LENGTH),
        ("description", definition.description, MAX_DESCRIPTION_LENGTH),
    ):
        if text is not None and len(text) > length:
            yield FieldError(field, f"must have at most {length} characters, got {len(text)}")
