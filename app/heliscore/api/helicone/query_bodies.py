"""The body of a query: filter, order and page; and the cursor that continues one."""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from heliscore.api.helicone.filter_columns import SORTABLE, SORTABLE_BY_KEY
from heliscore.api.helicone.filter_language import decode_filter
from heliscore.api.http.body_fields import FieldErrors, decode_object, step
from heliscore.api.shared.score_maps import plain_name
from heliscore.domain.filter_tree import NEWEST_FIRST, AllOf, Filter, Kind, Not, Scored, Sort, kind_of
from heliscore.domain.messages import described, find_name_error
from heliscore.domain.score import MAX_VALUE, MIN_VALUE
from heliscore.store.search.compiler import Position

MAX_LIMIT: Final = 1000
MAX_OFFSET: Final = 10_000
DEFAULT_LIMIT: Final = 10

_FLAGS: Final = ("isScored", "isCached", "includeInputs", "isPartOfExperiment")
_KEYS: Final = frozenset(("filter", "offset", "limit", "sort", "cursor", *_FLAGS))


class Query(msgspec.Struct, frozen=True):
    """What a query body asks for."""

    filter: Filter
    sort: Sort
    after: Position | None
    offset: int
    limit: int


def decode_query(body: bytes) -> Query:
    """Read the body of a query. Raises InvalidInput with every fault."""
    fields = decode_object(body, _KEYS, unique=True)
    raw, errors = fields.raw, fields.errors
    if "filter" in raw:
        tree = decode_filter(raw["filter"], "filter", errors)
    else:
        errors.add("filter", 'missing; "all" for every request')
        tree = AllOf(())
    is_scored, *_ = (fields.flag(flag) for flag in _FLAGS)
    if is_scored is not None:
        tree = AllOf((tree, Scored() if is_scored else Not(Scored())))
    sort = _decode_sort(raw.get("sort"), errors)
    offset = fields.count("offset", MAX_OFFSET, hint=" (beyond, use the cursor)") or 0
    limit = fields.count("limit", MAX_LIMIT)
    after = None
    if raw.get("cursor") is not None:
        after = _decode_cursor(raw["cursor"], sort)
        if after is None:
            errors.add("cursor", "not a cursor of a query with this sort")
        if offset:
            errors.add("offset", "cannot be combined with a cursor")
    errors.raise_any()
    return Query(tree, sort, after, offset, DEFAULT_LIMIT if limit is None else limit)


def decode_ids(body: bytes) -> list[str]:
    """Read `{"requestIds": [text, …]}`, at most as many as a page holds. Raises InvalidInput."""
    fields = decode_object(body, frozenset(("requestIds",)))
    raw, errors = fields.raw, fields.errors
    ids = raw.get("requestIds")
    if not isinstance(ids, list):
        errors.add("requestIds", f"expected a list of ids, got {described(ids)}" if ids else "missing")
    elif len(ids) > MAX_LIMIT:
        errors.add("requestIds", f"at most {MAX_LIMIT} ids, got {len(ids)}")
    else:
        for index, id_ in enumerate(ids):
            error = find_name_error(id_) if isinstance(id_, str) else f"expected a text, got {described(id_)}"
            if error:
                errors.add(f"requestIds[{index}]", error)
    errors.raise_any()
    return list(ids or ())


def _decode_sort(raw: object, errors: FieldErrors) -> Sort:
    """`{column: "asc" | "desc"}`, `{"scores": {name: …}}` and the like, or `{"random": true}`."""
    if raw is None or raw == {}:
        return NEWEST_FIRST
    if not isinstance(raw, dict) or len(raw) != 1:
        errors.add("sort", f"expected an object of one key, got {_shown(raw)}")
        return NEWEST_FIRST
    [(key, value)] = raw.items()
    path = step("sort", key)
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


class _Cursor(msgspec.Struct, array_like=True):
    """What a cursor holds: the order that it belongs to and where the page ended."""

    order: str
    value: Any
    created_at: datetime
    request_id: str


def encode_cursor(sort: Sort, position: Position) -> str:
    """Make the opaque text with which a client asks for the next page."""
    cursor = _Cursor(_order(sort), position.value, position.created_at, position.request_id)
    return base64.urlsafe_b64encode(msgspec.json.encode(cursor)).decode()


def _decode_cursor(text: object, sort: Sort) -> Position | None:
    if sort.subject is None:
        return None  # a random order has no next page
    try:
        cursor = msgspec.json.decode(base64.urlsafe_b64decode(str(text)), type=_Cursor)
        value = msgspec.convert(cursor.value, _VALUE_TYPES[kind_of(sort.subject)])
        created_at = _in_utc(cursor.created_at)
        value = _in_utc(value) if isinstance(value, datetime) else value
    except (binascii.Error, msgspec.MsgspecError, ValueError, OverflowError, RecursionError):
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
    Kind.BOOLEAN: bool | None,
    Kind.SCORE: int | None,
}


def _order(sort: Sort) -> str:
    return f"{sort.subject}{'-' if sort.descending else '+'}"
