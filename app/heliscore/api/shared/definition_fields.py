"""Reads the definition of a score, from a body of the API or a form of the dashboard."""

from __future__ import annotations

import re
from typing import Any, Final

from heliscore.api.http.body_fields import Field, Values, ValueType, make_body, optional, required
from heliscore.api.http.field_errors import FieldErrors, step
from heliscore.api.http.json_schema import Schema, closed_object, named
from heliscore.api.http.value_types import NAME, OBJECT, STORABLE_STRING, choice, integer
from heliscore.domain.errors import FieldError, InvalidInput
from heliscore.domain.score import MAX_VALUE, MIN_VALUE
from heliscore.domain.score_definition import (
    DIRECTIONS,
    ENFORCEMENTS,
    MAX_DESCRIPTION_LENGTH,
    MAX_LABELS,
    MAX_UNIT_LENGTH,
    PRECEDENCES,
    TYPES,
    ScoreDefinition,
    find_definition_errors,
)

_VALUE: Final = "-?[1-9][0-9]{0,18}|0"
_IS_VALUE: Final = re.compile(_VALUE, re.ASCII)


def _read_labels(raw: object, path: str, errors: FieldErrors) -> dict[int, str]:
    labels = {}
    for key, label in OBJECT.read(raw, path, errors).items():
        place = step(path, key)
        if not _IS_VALUE.fullmatch(key) or not MIN_VALUE <= int(key) <= MAX_VALUE:
            errors.add(place, "expected an integer of at most 64 bits as the key")
        elif isinstance(label, str):
            labels[int(key)] = label  # domain.score_definition says which labels are good
        else:
            errors.add_unexpected(place, "a string", label)
    return dict(sorted(labels.items()))


def _short(maximum: int) -> ValueType[str]:
    return ValueType(STORABLE_STRING.schema | {"maxLength": maximum}, STORABLE_STRING.read)


_BOUND: Final = integer(MIN_VALUE, MAX_VALUE)
_LABELS: Final = ValueType[dict[int, str]](
    named(
        "ScoreLabels",
        {
            "type": "object",
            "maxProperties": MAX_LABELS,
            "propertyNames": {"pattern": f"^({_VALUE})$"},
            "additionalProperties": NAME.schema,
        },
    ),
    _read_labels,
)

TYPE: Final = required(
    "type",
    choice(TYPES, name="ScoreType"),
    description="A category is an integer that is one of the labels' values.",
)
MIN: Final = optional("min", _BOUND, description="The lowest value; null: any.")
MAX: Final = optional("max", _BOUND, description="The highest value; null: any.")
DIRECTION: Final = optional(
    "direction", choice(DIRECTIONS, name="ScoreDirection"), description="Which values are better."
)
UNIT: Final = optional("unit", _short(MAX_UNIT_LENGTH))
DESCRIPTION: Final = optional("description", _short(MAX_DESCRIPTION_LENGTH))
LABELS: Final = optional("labels", _LABELS, default={}, description="Words for values, each for one value.")
ENFORCE: Final = optional(
    "enforce",
    choice(ENFORCEMENTS, name="Enforcement"),
    default="off",
    description="Scores that break the definition are stored (off), stored with a warning, or refused (on).",
)
PRECEDENCE: Final = optional(
    "precedence",
    choice(PRECEDENCES, name="Precedence"),
    default="newest",
    description="Which value counts: the newest, or a human's until a human changes or removes it.",
)
SCALE: Final = optional(
    "scale",
    integer(1, 1_000_000),
    description="What fractions are multiplied by, where a call takes them (OpenTelemetry's evaluations); "
    "null: by 100 from 0 to 1, and others are errors.",
)

FIELDS: Final[tuple[Field[Any], ...]] = (
    TYPE,
    MIN,
    MAX,
    DIRECTION,
    UNIT,
    DESCRIPTION,
    LABELS,
    ENFORCE,
    PRECEDENCE,
    SCALE,
)

EXAMPLE: Final = {
    "type": "integer",
    "min": 0,
    "max": 100,
    "direction": "higher",
    "unit": "points",
    "description": "How much of the answer is right",
    "labels": {"0": "wrong", "100": "right"},
    "enforce": "on",
    "precedence": "newest",
    "scale": 100,
}

BODY: Final = make_body(*FIELDS, name="ScoreDefinitionFields", is_unique=True, example=EXAMPLE)

SCHEMA: Final[Schema] = named(
    "ScoreDefinition",
    closed_object(
        {"name": NAME.schema, **{field.key: field.schema for field in FIELDS}},
        ("name", *(field.key for field in FIELDS)),
    ),
)
"""Of a definition in an answer: with its name, and every key."""


def make_definition(name: str, values: Values, path: str = "") -> ScoreDefinition:
    """Make the definition of a name from fields that were read. Raises InvalidInput with every error."""
    definition = ScoreDefinition(
        name=name,
        type=values[TYPE],
        min=values[MIN],
        max=values[MAX],
        direction=values[DIRECTION],
        unit=values[UNIT] or None,
        description=values[DESCRIPTION] or None,
        labels=values[LABELS],
        enforce=values[ENFORCE],
        precedence=values[PRECEDENCE],
        scale=values[SCALE],
    )
    if errors := find_definition_errors(definition):
        raise InvalidInput([FieldError(f"{path}{error.path}", error.message) for error in errors])
    return definition
