"""The arms of an experiment: the groups of requests that are compared, of which the first is the base."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from heliscore.api.http.body_fields import Values, ValueType, object_of, required
from heliscore.api.http.field_errors import FieldErrors
from heliscore.api.http.json_schema import STRING, nullable
from heliscore.api.http.value_types import NAME, STORABLE_STRING, list_of
from heliscore.api.shared.filter_schema import FILTER
from heliscore.api.shared.group_fields import GROUP_BY, Group
from heliscore.api.shared.score_selection import TIME_RANGE, read_times
from heliscore.domain.filter_tree import (
    AllOf,
    AnyOf,
    Cases,
    Column,
    Compare,
    Exists,
    Filter,
    GroupBy,
    Not,
    OneOf,
)

MAX_OTHERS: Final = 10

_CREATED_AT: Final = Column("created_at")


class Arms(msgspec.Struct, frozen=True):
    """Groups of requests."""

    group_by: GroupBy
    labels: tuple[str | None, ...]
    """The base's first. None: the requests without a value."""

    keys: tuple[str | None, ...]
    """The groups as statements name them, in the same order."""

    filters: tuple[Filter, ...]
    """Each matches the requests of one group, in the same order."""

    @property
    def tree(self) -> Filter:
        """Matches the requests of all groups."""
        match self.group_by:
            case Cases(filters):
                return AnyOf(filters)
            case group_by:
                tree = OneOf(group_by, tuple(label for label in self.labels if label is not None))
                return AnyOf((tree, Not(Exists(group_by)))) if None in self.labels else tree


def make_arms(group_by: Group, values: list[str | None]) -> Arms:
    """The groups of some values of what requests are grouped by."""
    filters = (Not(Exists(group_by)) if value is None else OneOf(group_by, (value,)) for value in values)
    return Arms(group_by, tuple(values), tuple(values), tuple(filters))


def make_cases(labels: list[str], filters: list[Filter]) -> Arms:
    """The groups of the requests that match one of some filters; who matches several is in none."""
    keys = tuple(str(number) for number in range(len(filters)))
    return Arms(Cases(tuple(filters)), tuple(labels), keys, tuple(filters))


def _read_value(raw: object, path: str, errors: FieldErrors) -> str | None:
    return None if raw is None else STORABLE_STRING.read(raw, path, errors)


_ARM: Final = ValueType[str | None](nullable(STRING), _read_value)

_BY: Final = required("by", GROUP_BY)
_BASE: Final = required("base", _ARM)
_OTHERS: Final = required("others", list_of(_ARM, of="groups", maximum=MAX_OTHERS))


def _check_values(values: Values) -> None:
    others = values.find(_OTHERS)
    if others is None:
        return
    if not others:
        values.reject(_OTHERS, "expected at least one group")
    named = [values.find(_BASE), *others] if values.has(_BASE) else others
    if len(set(named)) < len(named):
        values.reject(_OTHERS, "the groups must differ from each other and from the base")


_VALUES_OF: Final = object_of(_BY, _BASE, _OTHERS, name="ArmsByValue", check=_check_values)

_LABEL: Final = required("name", NAME)
_FILTER: Final = required("filter", FILTER)
_FILTERS: Final = required(
    "filters", list_of(object_of(_LABEL, _FILTER, name="NamedFilter"), of="filters", maximum=MAX_OTHERS + 1)
)


def _check_filters(values: Values) -> None:
    filters = values.find(_FILTERS)
    if filters is None:
        return
    if len(filters) < 2:
        values.reject(_FILTERS, "expected two filters or more, the base first")
    labels = [one[_LABEL] for one in filters]
    if len(set(labels)) < len(labels):
        values.reject(_FILTERS, "the names must differ")


_BY_FILTERS: Final = object_of(_FILTERS, name="ArmsByFilter", check=_check_filters)

_TIMES: Final = required("times", list_of(TIME_RANGE, of="ranges of time", maximum=MAX_OTHERS + 1))


def _check_times(values: Values) -> None:
    times = values.find(_TIMES)
    if times is not None and len(times) < 2:
        values.reject(_TIMES, "expected two ranges of time or more, the base first")
    if times is not None and len({_label(*read_times(one)) for one in times}) < len(times):
        values.reject(_TIMES, "the ranges must differ")


_BY_TIMES: Final = object_of(_TIMES, name="ArmsByTime", check=_check_times)
_NO_ARMS: Final = Arms(_CREATED_AT, (), (), ())


def _read_arms(raw: object, path: str, errors: FieldErrors) -> Arms:
    before = errors.count
    if isinstance(raw, dict) and "filters" in raw:
        values = _BY_FILTERS.read(raw, path, errors)
        if errors.count == before:
            given = values[_FILTERS]
            return make_cases([one[_LABEL] for one in given], [one[_FILTER] for one in given])
    elif isinstance(raw, dict) and "times" in raw:
        values = _BY_TIMES.read(raw, path, errors)
        if errors.count == before:
            return _make_times(values[_TIMES])
    else:
        values = _VALUES_OF.read(raw, path, errors)
        if errors.count == before:
            return make_arms(values[_BY], [values[_BASE], *values[_OTHERS]])
    return _NO_ARMS


def _label(start: datetime, end: datetime) -> str:
    return " to ".join(time.isoformat().replace("+00:00", "Z") for time in (start, end))


def _make_times(times: list[Values]) -> Arms:
    ranges = [read_times(one) for one in times]
    labels = [_label(start, end) for start, end in ranges]
    filters = [
        AllOf((Compare(_CREATED_AT, ">=", start), Compare(_CREATED_AT, "<", end))) for start, end in ranges
    ]
    return make_cases(labels, [*filters])


ARMS: Final = ValueType[Arms](
    {"oneOf": [_VALUES_OF.schema, _BY_FILTERS.schema, _BY_TIMES.schema]}, _read_arms
)
