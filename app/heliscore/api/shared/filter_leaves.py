"""Makes the filters in Helicone's JSON that answers give back: the caller's, narrowed to what was counted."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from heliscore.api.http.body_fields import ValueType, optional, required
from heliscore.api.http.field_errors import FieldErrors
from heliscore.api.shared.filter_columns import REQUEST_RESPONSE
from heliscore.api.shared.filter_language import decode_filter
from heliscore.api.shared.filter_schema import FILTER, FILTER_MISSING
from heliscore.domain.filter_tree import Column, Everything, Filter, Property
from heliscore.domain.score import MAX_VALUE, MIN_VALUE

Leaf = dict[str, Any]
"""Conditions by table and column. All of them must hold."""

_TABLE: Final = "request_response_rmt"
_ADDED_CONDITIONS: Final = 7
_MAX_FILTER_BYTES: Final = 32 * 1024 * 1024
"""Of the caller's filter in an answer, which each count repeats."""

_INT64: Final = range(-(2**63), 2**63)

_KEYS: Final = {target: key for key, target in REQUEST_RESPONSE.items() if isinstance(target, Column)}


class SentFilter(msgspec.Struct, frozen=True):
    """A filter as it was sent and as it is read."""

    raw: Any
    tree: Filter


def both(raw: Any, *leaves: Leaf) -> Any:
    """The requests that a filter finds and that meet the leaves. The leaves become one, so that a filter gets
    one level deeper; two must not have the same condition."""
    leaf: Leaf = {}
    for one in leaves:
        _merge(leaf, one)
    if raw in ("all", {}):
        return leaf or "all"
    return {"left": raw, "operator": "and", "right": leaf} if leaf else raw


def _merge(into: Leaf, leaf: Leaf) -> None:
    for key, value in leaf.items():
        if isinstance(held := into.get(key), dict):
            _merge(held, value)
        elif key in into:
            raise ValueError(f"{key} twice")
        else:
            into[key] = dict(value) if isinstance(value, dict) else value


def count_repetitions(sent: SentFilter) -> int:
    """How often an answer may give a filter back."""
    return _MAX_FILTER_BYTES // len(msgspec.json.encode(sent.raw))


def equals(subject: Column | Property, value: str | None) -> Leaf:
    """The requests whose column or property is that string; None: those without it.

    By `in`, since `equals` of a column takes "null" and "__empty__" for something else.
    """
    condition = {"exists": False} if value is None else {"in": [value]}
    match subject:
        case Column():
            return {_TABLE: {_KEYS[subject]: condition}}
        case Property(key):
            return {_TABLE: {"properties": {key: condition}}}


def has(subject: Column | Property) -> Leaf:
    """The requests that have the column or property."""
    match subject:
        case Column():
            return {_TABLE: {_KEYS[subject]: {"exists": True}}}
        case Property(key):
            return {_TABLE: {"properties": {key: {"exists": True}}}}


def lacks_score(name: str) -> Leaf:
    """The requests without that score."""
    return {_TABLE: {"scores": {name: {"exists": False}}}}


def unscored() -> Leaf:
    """The requests without any score."""
    return {_TABLE: {"scores_column": {"equals": "{}"}}}


def scored(name: str) -> Leaf:
    """The requests with that score."""
    return {_TABLE: {"scores": {name: {"exists": True}}}}


def has_score(name: str, value: int) -> Leaf:
    """The requests of which that score has that value."""
    return {_TABLE: {"scores": {name: {"equals": value}}}}


def scored_between(name: str, low: int, high: int) -> Leaf:
    """The requests of which that score is from `low` to `high`."""
    if low == high:
        return has_score(name, low)
    return {_TABLE: {"scores": {name: {"gte": max(low, MIN_VALUE), "lte": min(high, MAX_VALUE)}}}}


def between(start: datetime, end: datetime) -> Leaf:
    """The requests from `start` up to and without `end`."""
    return {_TABLE: {"request_created_at": {"gte": _exactly(start), "lt": _exactly(end)}}}


def of_ids(request_ids: Iterable[str]) -> Leaf:
    """Exactly these requests."""
    return {_TABLE: {"request_id": {"in": list(request_ids)}}}


def _exactly(time: datetime) -> str:
    """To the microsecond: a client's limits need not be whole milliseconds, as requests' times are."""
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _read_sent(raw: object, path: str, errors: FieldErrors) -> SentFilter:
    count = errors.count
    tree = decode_filter(raw, path, errors)
    if errors.count == count:
        raw = _encodable(raw)
        narrowed = FieldErrors()
        decode_filter(both(raw, _WIDEST), path, narrowed)
        if narrowed.count:
            errors.add(
                path,
                "too large to be given back: the answer's filters are one level deeper, with "
                f"{_ADDED_CONDITIONS} more conditions",
            )
    return SentFilter(raw, tree)


_WIDEST: Final = both("all", *(lacks_score(str(number)) for number in range(_ADDED_CONDITIONS)))


def _encodable(raw: Any) -> Any:
    """Integers of more than 64 bits, which JSON libraries do not take, as strings, which filters do."""
    match raw:
        case dict():
            return {key: _encodable(value) for key, value in raw.items()}
        case list():
            return [_encodable(value) for value in raw]
        case int() if raw not in _INT64:
            return str(raw)
    return raw


SENT_FILTER: Final = required(
    "filter", ValueType[SentFilter](FILTER.schema, _read_sent), missing=FILTER_MISSING
)
"""The filter of a call whose answer has filters."""

SENT_FILTER_OR_ALL: Final = optional(
    "filter",
    ValueType[SentFilter](FILTER.schema, _read_sent),
    default=SentFilter("all", Everything()),
    shown="all",
)
"""The same where there need not be one."""

GIVEN_BACK: Final = FILTER.schema
