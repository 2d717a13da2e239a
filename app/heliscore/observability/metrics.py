"""What the service counts of itself, for Prometheus: whoever does something counts it here.

Score values belong to an organization, which is told its own and nobody else's.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter as Tally
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample
from prometheus_client.utils import floatToGoString

from heliscore.domain.score import Score

MAX_NAMES: Final = 200
"""Score names of an organization whose values are told apart."""

MAX_SERIES: Final = 1_000
"""The same, of all organizations together."""

OTHER: Final = "_other"
"""The name under which the values of all further names are summed up."""

_NOBODY: Final = 0
"""No organization's number: what is counted for it is shown to none."""

disable_created_metrics()
_registry = CollectorRegistry()
ProcessCollector(registry=_registry)

_TOLD_DIFFERENTLY: Final = frozenset(
    ("heliscore_calls", "heliscore_calls_duration", "heliscore_scores_written", "heliscore_scores_sum")
)
"""Families that are kept one way and told another."""

_METHODS: Final = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))

_BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Of the buckets of durations, in seconds."""

_ERRORS: Final = Counter(
    "heliscore_refusals", "Calls that were refused, by cause.", ("cause",), registry=_registry
)
_WAITING_SCORES: Final = Gauge(
    "heliscore_writer_waiting_scores",
    "Scores that are waiting to be written or being written, as of the last moment.",
    registry=_registry,
)
_BATCH_SCORES: Final = Histogram(
    "heliscore_writer_batch_scores",
    "Scores that the writer wrote in one statement.",
    buckets=(1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000),
    registry=_registry,
)
_COMMIT: Final = Histogram(
    "heliscore_writer_commit_duration_seconds",
    "What such a statement took, with its commit.",
    buckets=_BOUNDS,
    registry=_registry,
)
_UPLOADS: Final = Counter(
    "heliscore_uploads", "Bulk uploads that were carried out.", ("mode",), registry=_registry
)
_UPLOAD_SCORES: Final = Counter(
    "heliscore_upload_scores", "Scores that bulk uploads wrote.", registry=_registry
)
_CONNECTIONS: Final = Gauge(
    "heliscore_pool_connections_in_use",
    "Connections to PostgreSQL that are lent, as of the last moment.",
    registry=_registry,
)
_WAITING_CALLS: Final = Gauge(
    "heliscore_pool_waiting_calls",
    "Calls that wait for a connection, as of the last moment.",
    registry=_registry,
)
_LOG_LINES_DROPPED: Final = Counter(
    "heliscore_log_lines_dropped",
    "Lines of the request log that nobody took in time.",
    registry=_registry,
)
# Told as a histogram and as a summary: prometheus-client's own take one value at a time, which for each call
# and each score is too dear.
_CALL: Final = ("route", "method", "status")
_CALLS: Final = Counter("heliscore_calls", "-", (*_CALL, "le"), registry=_registry)
_CALLS_S: Final = Counter("heliscore_calls_duration", "-", _CALL, registry=_registry)
_SCORES: Final = Counter("heliscore_scores_written", "-", ("organization", "name"), registry=_registry)
_SCORE_SUM: Final = Gauge("heliscore_scores_sum", "-", ("organization", "name"), registry=_registry)


class _Calls:
    """Calls of one kind that are still to be passed on."""

    __slots__ = ("_labels", "counts", "seconds")

    def __init__(self, *labels: str) -> None:
        self._labels = labels
        self._begin()

    def _begin(self) -> None:
        self.counts = [0] * (len(_BOUNDS) + 1)
        self.seconds = 0.0

    def pass_on(self) -> None:
        for le, count in zip((*_BOUNDS, math.inf), self.counts, strict=True):
            if count:
                _CALLS.labels(*self._labels, floatToGoString(le)).inc(count)
        _CALLS_S.labels(*self._labels).inc(self.seconds)
        self._begin()


_calls: dict[tuple[str | None, str, int], _Calls] = {}


def observe_request(route: str | None, method: str, status: int, seconds: float) -> None:
    """Count a call by its endpoint's path template (None: it had none), method and status; it is told after
    `pass_on_calls`."""
    calls = _calls.get((route, method, status))
    if calls is None:
        # Whoever calls chooses the method; the labels must not be as many as there are words.
        known = method if method in _METHODS else "other"
        calls = _calls[route, method, status] = _Calls(route or "none", known, str(status))
    calls.counts[bisect_left(_BOUNDS, seconds)] += 1
    calls.seconds += seconds


def pass_on_calls() -> None:
    """Let everybody know of the calls that were observed."""
    for calls in _calls.values():
        if calls.seconds:
            calls.pass_on()


@cache
def _errors(cause: str) -> Counter:
    return _ERRORS.labels(cause)


def count_error(cause: str) -> None:
    _errors(cause).inc()


def observe_batch(scores: int, seconds: float) -> None:
    """Count a statement of the writer."""
    _BATCH_SCORES.observe(scores)
    _COMMIT.observe(seconds)


def count_upload(mode: str) -> None:
    _UPLOADS.labels(mode).inc()


def count_upload_scores(scores: int) -> None:
    _UPLOAD_SCORES.inc(scores)


def set_waiting_scores(scores: int) -> None:
    _WAITING_SCORES.set(scores)


def set_pool(in_use: int, waiting: int) -> None:
    _CONNECTIONS.set(in_use)
    _WAITING_CALLS.set(waiting)


def count_dropped_lines(lines: int) -> None:
    _LOG_LINES_DROPPED.inc(lines)


_Series = tuple[int, str]
"""Organization and score name."""

_known: dict[_Series, tuple[Counter, Gauge]] = {}
_names_of: Tally[int] = Tally()


def _admit(series: _Series) -> _Series:
    """The series itself, where there is room for one more, or the one that stands for the rest."""
    organization_id, _ = series
    if _names_of[organization_id] < MAX_NAMES and sum(_names_of.values()) < MAX_SERIES:
        _names_of[organization_id] += 1
    else:
        series = (organization_id if len(_known) < 2 * MAX_SERIES else _NOBODY), OTHER
    if series not in _known:
        labels = str(series[0]), series[1]
        _known[series] = _SCORES.labels(*labels), _SCORE_SUM.labels(*labels)
    return series


class _Total:
    __slots__ = ("count", "sum")

    def __init__(self) -> None:
        self.count = self.sum = 0


class ScoreTotals:
    """The values of scores, added up while they are on their way and counted once they are written."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._by_name: dict[int, dict[str, _Total]] = {}
        self._by_series: dict[_Series, _Total] = {}

    def add(self, organization_id: int, scores: Mapping[str, Score]) -> None:
        totals = self._by_name.setdefault(organization_id, {})
        for name, score in scores.items():
            total = totals.get(name)
            if total is None:
                total = totals[name] = self._find(organization_id, name)
            total.count += 1
            total.sum += score.value

    def _find(self, organization_id: int, name: str) -> _Total:
        series = organization_id, name
        if series not in _known:
            series = _admit(series)
        return self._by_series.setdefault(series, _Total())

    def count(self) -> int:
        """Count what was added since the last time, and return how many scores that were."""
        totals = self._by_series
        self._begin()
        for series, total in totals.items():
            counter, gauge = _known[series]
            counter.inc(total.count)
            gauge.inc(total.sum)
        return sum(total.count for total in totals.values())


def expose(organization_id: int | None) -> bytes:
    """Tell everything in Prometheus' text format: of scores the organization's values only, or nobody's.

    Takes milliseconds: not for the event loop.
    """
    return generate_latest(_Snapshot(_told(_registry.collect(), organization_id)))


class _Snapshot(Collector):
    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def _told(families: Iterable[Metric], organization_id: int | None) -> Iterator[Metric]:
    ours: dict[str, Metric] = {}
    for family in families:
        if family.name in _TOLD_DIFFERENTLY:
            ours[family.name] = family
        else:
            yield family
    yield from _requests(ours["heliscore_calls"], ours["heliscore_calls_duration"])
    if organization_id is not None:
        yield _score_values(
            ours["heliscore_scores_written"], ours["heliscore_scores_sum"], str(organization_id)
        )


def _requests(calls: Metric, durations: Metric) -> Iterator[Metric]:
    counter = CounterMetricFamily("heliscore_requests", "Calls that were answered.", labels=_CALL)
    histogram = HistogramMetricFamily(
        "heliscore_request_duration_seconds",
        "From the head of a request to the end of its answer.",
        labels=_CALL,
    )
    counts: dict[tuple[str, ...], dict[str, float]] = {}
    for sample in calls.samples:
        counts.setdefault(_call(sample), {})[sample.labels["le"]] = sample.value
    seconds = {_call(sample): sample.value for sample in durations.samples}
    for labels, by_bound in counts.items():
        cumulative, buckets = 0.0, []
        for le in map(floatToGoString, (*_BOUNDS, math.inf)):
            cumulative += by_bound.get(le, 0.0)
            buckets.append((le, cumulative))
        histogram.add_metric(labels, buckets, seconds.get(labels, 0.0))
        counter.add_metric(labels, cumulative)
    yield counter
    yield histogram


def _call(sample: Sample) -> tuple[str, ...]:
    return tuple(sample.labels[name] for name in _CALL)


def _score_values(counts: Metric, sums: Metric, organization: str) -> Metric:
    family = SummaryMetricFamily(
        "heliscore_score_value", "The values of the scores that were written, by name.", labels=("name",)
    )
    own = {s.labels["name"]: s.value for s in sums.samples if s.labels["organization"] == organization}
    for sample in counts.samples:
        if sample.labels["organization"] == organization:
            name = sample.labels["name"]
            family.add_metric((name,), int(sample.value), own.get(name, 0.0))
    return family
