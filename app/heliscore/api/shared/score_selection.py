"""The fields of bodies that select requests for evaluation: a filter and a time range."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from heliscore.api.http.body_fields import Values, object_of, required
from heliscore.api.http.value_types import TIME
from heliscore.api.shared.filter_schema import FILTER, FILTER_MISSING
from heliscore.domain.filter_tree import Filter
from heliscore.store.score_scan import ScoreSelection

_START: Final = required("start", TIME)
_END: Final = required("end", TIME)
_EVER: Final = (datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC))


def _check_order(values: Values) -> None:
    start, end = values.find(_START), values.find(_END)
    if start is not None and end is not None and start > end:
        values.errors.add(values.path, "start must not be after end")


TIME_RANGE: Final = object_of(_START, _END, name="TimeRange", check=_check_order)

FILTER_FIELD: Final = required("filter", FILTER, missing=FILTER_MISSING)
TIME_FIELD: Final = required("timeFilter", TIME_RANGE)

EXAMPLE_TIMES: Final = {"start": "2026-01-01T00:00:00Z", "end": "2026-02-01T00:00:00Z"}


def read_times(times: Values) -> tuple[datetime, datetime]:
    """Start and end."""
    return times[_START], times[_END]


def make_selection(organization_id: int, tree: Filter, times: Values | None) -> ScoreSelection:
    """Select requests by filter and time range (None: all time)."""
    start, end = _EVER if times is None else read_times(times)
    return ScoreSelection(organization_id, tree, start, end)
