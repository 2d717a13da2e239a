"""The field of bodies that chooses some requests in one of several ways: by a value, a filter or a time."""

from __future__ import annotations

from typing import Final

from heliscore.api.http.body_fields import Values, ValueType, object_of, required
from heliscore.api.http.field_errors import FieldErrors
from heliscore.api.http.json_schema import nullable
from heliscore.api.http.value_types import NAME, choice
from heliscore.api.shared.filter_schema import FILTER
from heliscore.api.shared.group_fields import GROUPABLE, Unit
from heliscore.api.shared.score_selection import TIME_RANGE, read_times
from heliscore.domain.filter_tree import AllOf, Column, Compare, Exists, Filter, Not, OneOf, Property

_CREATED_AT: Final = Column("created_at")


def _read_value(raw: object, path: str, errors: FieldErrors) -> str | None:
    return None if raw is None else NAME.read(raw, path, errors)


_EQUALS: Final = required(
    "equals", ValueType[str | None](nullable(NAME.schema), _read_value), description="null: without a value."
)
_PROPERTY: Final = required("property", NAME)
_COLUMN: Final = required("column", choice(GROUPABLE, name="GroupColumn"))
_FILTER: Final = required("filter", FILTER)
_TIMES: Final = required("times", TIME_RANGE)

_OF_PROPERTY: Final = object_of(_PROPERTY, _EQUALS, name="RequestsOfProperty")
_OF_COLUMN: Final = object_of(_COLUMN, _EQUALS, name="RequestsOfColumn")
_OF_FILTER: Final = object_of(_FILTER, name="RequestsOfFilter")
_OF_TIMES: Final = object_of(_TIMES, name="RequestsOfTimes")
_KINDS: Final = {
    _PROPERTY.key: _OF_PROPERTY,
    _COLUMN.key: _OF_COLUMN,
    _FILTER.key: _OF_FILTER,
    _TIMES.key: _OF_TIMES,
}


def _read_requests(raw: object, path: str, errors: FieldErrors) -> Filter:
    before = errors.count
    kind = next((key for key in _KINDS if isinstance(raw, dict) and key in raw), None)
    if kind is None:
        errors.add_unexpected(path, f"an object with one of {', '.join(_KINDS)}", raw)
        return AllOf(())
    values = _KINDS[kind].read(raw, path, errors)
    return AllOf(()) if errors.count > before else _make_filter(kind, values)


def _make_filter(kind: str, values: Values) -> Filter:
    if kind == _FILTER.key:
        return values[_FILTER]
    if kind == _TIMES.key:
        start, end = read_times(values[_TIMES])
        return AllOf((Compare(_CREATED_AT, ">=", start), Compare(_CREATED_AT, "<", end)))
    subject = Property(values[_PROPERTY]) if kind == _PROPERTY.key else Column(values[_COLUMN])
    return match_value(subject, values[_EQUALS])


def match_value(subject: Unit, value: str | None) -> Filter:
    """Match the requests of that value; None: those without one."""
    return Not(Exists(subject)) if value is None else OneOf(subject, (value,))


REQUESTS: Final = ValueType[Filter]({"oneOf": [one.schema for one in _KINDS.values()]}, _read_requests)
