"""The fields of bodies by which requests are grouped, paired or counted as one."""

from __future__ import annotations

from typing import Final

from heliscore.api.http.body_fields import ValueType, object_of, optional, required
from heliscore.api.http.field_errors import FieldErrors
from heliscore.api.http.json_schema import constant, one_of
from heliscore.api.http.value_types import NAME
from heliscore.api.shared.score_maps import plain_name
from heliscore.domain.filter_tree import Column, Property, ScorePart
from heliscore.domain.messages import find_name_error

GROUPABLE: Final = ("model", "provider", "prompt_id", "prompt_version", "user_id")
"""The columns by which requests can be grouped."""

Group = Column | Property | ScorePart

_KEYS: Final = {"property": "key", "author": "score", "kind": "score", "version": "score"}
_EXPECTED_GROUP: Final = ", ".join(
    ("one of " + ", ".join(GROUPABLE), *(f'{{"{key}": {value}}}' for key, value in _KEYS.items()))
)


def _read_group(raw: object, path: str, errors: FieldErrors) -> Group:
    match raw:
        case str() if raw in GROUPABLE:
            return Column(raw)
        case {"property": str() as key, **rest} if not rest and not find_name_error(key):
            return Property(key)
        case {"author": str() as name, **rest} if not rest and not find_name_error(name):
            return ScorePart(plain_name(name), "author")
        case {"kind": str() as name, **rest} if not rest and not find_name_error(name):
            return ScorePart(plain_name(name), "kind")
        case {"version": str() as name, **rest} if not rest and not find_name_error(name):
            return ScorePart(plain_name(name), "version")
    errors.add_unexpected(path, _EXPECTED_GROUP, raw)
    return Column("model")


_COLUMN: Final = one_of(GROUPABLE, "GroupColumn")
_OF: Final = {key: object_of(required(key, NAME), name=f"By{key.title()}").schema for key in _KEYS}

GROUP_BY: Final = ValueType[Group]({"anyOf": [_COLUMN, *_OF.values()]}, _read_group)

Unit = Column | Property
_REQUEST: Final = "request"


def _read_item(raw: object, path: str, errors: FieldErrors) -> Unit:
    match raw:
        case str() if raw in GROUPABLE:
            return Column(raw)
        case {"property": str() as key, **rest} if not rest and not find_name_error(key):
            return Property(key)
    errors.add_unexpected(path, _EXPECTED_ITEM, raw)
    return Column("model")


def _read_unit(raw: object, path: str, errors: FieldErrors) -> Unit | None:
    return None if raw == _REQUEST else _read_item(raw, path, errors)


_EXPECTED_ITEM: Final = f'one of {", ".join(GROUPABLE)} or {{"property": key}}'

ITEM: Final = ValueType[Unit]({"anyOf": [_COLUMN, _OF["property"]]}, _read_item)
"""What requests have in common."""

GROUP_FIELD: Final = optional(
    "groupBy", ITEM, description="A column or a property; requests without it are the group null."
)

UNIT: Final = ValueType[Unit | None]({"anyOf": [constant(_REQUEST), _COLUMN, _OF["property"]]}, _read_unit)
"""What counts as one case. None: each request."""
