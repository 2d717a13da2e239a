"""The sort of a search of requests, and the cursor of the position from which it goes on."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from heliscore.api.http.body_fields import ValueType, optional
from heliscore.api.http.field_errors import FieldErrors, step
from heliscore.api.http.json_schema import closed_object, constant, named, one_of
from heliscore.api.http.opaque_strings import from_opaque, to_opaque
from heliscore.api.http.value_types import ANY, STRING
from heliscore.api.shared.filter_columns import SORTABLE, SORTABLE_BY_KEY
from heliscore.api.shared.score_maps import plain_name
from heliscore.domain.filter_tree import (
    NEWEST_FIRST,
    Column,
    Kind,
    Property,
    Score,
    Sort,
    Variable,
    kind_of,
)
from heliscore.domain.messages import described
from heliscore.domain.score import MAX_VALUE, MIN_VALUE
from heliscore.store.search.page_order import Position


def _read_sort(raw: object, path: str, errors: FieldErrors) -> Sort:
    """`{column: "asc" | "desc"}`, `{"scores": {name: …}}` and the like, or `{"random": true}`."""
    if raw == {}:
        return NEWEST_FIRST
    if not isinstance(raw, dict) or len(raw) != 1:
        errors.add(path, f"expected an object of one key, got {_shown(raw)}")
        return NEWEST_FIRST
    [(key, value)] = raw.items()
    path = step(path, key)
    if key == "random":
        if value is not True:
            errors.add(path, f"expected true, got {described(value)}")
        return Sort(None)
    if key in SORTABLE:
        return Sort(SORTABLE[key], _is_descending(value, path, errors))
    if key not in SORTABLE_BY_KEY:
        known = ", ".join((*SORTABLE, *SORTABLE_BY_KEY, "random"))
        errors.add(path, f"cannot be sorted by; known are {known}")
        return NEWEST_FIRST
    if not isinstance(value, dict) or len(value) != 1:
        errors.add(path, f'expected an object of one key and "asc" or "desc", got {_shown(value)}')
        return NEWEST_FIRST
    [(name, direction)] = value.items()
    path = step(path, name)
    if "\0" in name:
        errors.add(path, "must not contain NUL")
    subject = SORTABLE_BY_KEY[key].subject(plain_name(name) if key == "scores" else name)
    return Sort(subject, _is_descending(direction, path, errors))


def _shown(raw: object) -> str:
    return f"{len(raw)} keys" if isinstance(raw, dict) else described(raw)


def _is_descending(raw: object, path: str, errors: FieldErrors) -> bool:
    if raw not in ("asc", "desc"):
        errors.add(path, f'expected "asc" or "desc", got {described(raw)}')
    return raw == "desc"


_COLUMN_KEYS: Final = {column: key for key, column in SORTABLE.items()}
_KEYED_KEYS: Final = {keyed.value: key for key, keyed in SORTABLE_BY_KEY.items()}


def encode_sort(sort: Sort) -> dict[str, Any]:
    """The sort in the API's JSON, as `_read_sort` takes it."""
    direction = "desc" if sort.descending else "asc"
    match sort.subject:
        case None:
            return {"random": True}
        case Column():
            return {_COLUMN_KEYS[sort.subject]: direction}
        case Score(name):
            return {"scores": {name: direction}}
        case Property(key) | Variable(key):
            return {_KEYED_KEYS[type(sort.subject)]: {key: direction}}


class _Cursor(msgspec.Struct, array_like=True):
    """The content of a cursor: the sort it belongs to, and the position where the page ended."""

    order: str
    value: Any
    created_at: datetime
    request_id: str


def encode_cursor(sort: Sort, position: Position) -> str:
    """Make the opaque string with which a client asks for the next page."""
    return to_opaque(_Cursor(_order(sort), position.value, position.created_at, position.request_id))


def decode_cursor(text: object, sort: Sort) -> Position | None:
    if sort.subject is None:
        return None  # a random order has no next page
    if (cursor := from_opaque(text, _Cursor)) is None:
        return None
    try:
        value = msgspec.convert(cursor.value, _VALUE_TYPES[kind_of(sort.subject)])
        created_at = _in_utc(cursor.created_at)
        value = _in_utc(value) if isinstance(value, datetime) else value
    except (msgspec.ValidationError, ValueError, OverflowError):
        return None
    has_nul = "\0" in cursor.request_id or (isinstance(value, str) and "\0" in value)
    in_range = not isinstance(value, int) or MIN_VALUE <= value <= MAX_VALUE
    if cursor.order != _order(sort) or has_nul or not in_range:
        return None
    return Position(value, created_at, cursor.request_id)


def _in_utc(time: datetime) -> datetime:
    if time.tzinfo is None:
        raise ValueError("a time of ours has a zone")
    return time.astimezone(UTC)


_VALUE_TYPES: Final[dict[Kind, Any]] = {
    Kind.TEXT: str | None,
    Kind.NUMBER: int | float | None,
    Kind.TIMESTAMP: datetime | None,
    Kind.BOOLEAN: bool,
    Kind.SCORE: int | None,
}


def _order(sort: Sort) -> str:
    return f"{sort.subject}{'-' if sort.descending else '+'}"


_DIRECTION: Final = one_of(("asc", "desc"), "SortDirection")
_BY_KEY: Final = named(
    "SortByKey",
    {"type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": _DIRECTION},
)
_SORT_SCHEMA: Final = closed_object(
    {
        **dict.fromkeys(SORTABLE, _DIRECTION),
        **dict.fromkeys(SORTABLE_BY_KEY, _BY_KEY),
        "random": constant(True),
    }
) | {"maxProperties": 1}
SORT_TYPE: Final = ValueType[Sort](named("Sort", _SORT_SCHEMA), _read_sort)

SORT: Final = optional(
    "sort",
    SORT_TYPE,
    default=NEWEST_FIRST,
    shown={"created_at": "desc"},
    description="Missing values come last, ties are broken by time and id.",
)
CURSOR_TYPE: Final = ValueType[object](STRING.schema, ANY.read)
"""A cursor, which only `decode_cursor` can read: it belongs to a sort."""
