"""Counters, gauges and histograms for Prometheus: code that does something counts it here."""

from __future__ import annotations

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

disable_created_metrics()
_registry = CollectorRegistry()
ProcessCollector(registry=_registry)

_METHODS: Final = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))

_DURATION_BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

_REQUEST_LABELS: Final = ("route", "method", "status")

_REQUESTS: Final = Counter(
    "heliscore_requests", "Requests that got a response.", _REQUEST_LABELS, registry=_registry
)
_REQUEST_DURATION: Final = Histogram(
    "heliscore_request_duration_seconds",
    "Time from the head of a request to the end of its response.",
    _REQUEST_LABELS,
    buckets=_DURATION_BUCKETS_S,
    registry=_registry,
)
_ERRORS: Final = Counter(
    "heliscore_refusals", "Requests that got an error, by cause.", ("cause",), registry=_registry
)
_WAITING_SCORES: Final = Gauge(
    "heliscore_writer_waiting_scores",
    "Scores that wait to be written or are being written.",
    registry=_registry,
)
_BATCH_SCORES: Final = Histogram(
    "heliscore_writer_batch_scores",
    "Scores that the writer wrote in one statement.",
    buckets=(1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000),
    registry=_registry,
)
_COMMIT_DURATION: Final = Histogram(
    "heliscore_writer_commit_duration_seconds",
    "Time that a statement of the writer took, with its commit.",
    buckets=_DURATION_BUCKETS_S,
    registry=_registry,
)
_LANE: Final = ("lane",)

_LANE_WAITING_SCORES: Final = Gauge(
    "heliscore_writer_lane_waiting_scores",
    "Scores that wait for a node of the cluster, or are being written there.",
    _LANE,
    registry=_registry,
)
_LANE_BATCH_SCORES: Final = Histogram(
    "heliscore_writer_lane_batch_scores",
    "Scores that the writer wrote in one statement, by node of the cluster.",
    _LANE,
    buckets=(1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000),
    registry=_registry,
)
_LANE_COMMIT_DURATION: Final = Histogram(
    "heliscore_writer_lane_commit_duration_seconds",
    "Time that a statement of the writer took, with its commit, by node of the cluster.",
    _LANE,
    buckets=_DURATION_BUCKETS_S,
    registry=_registry,
)
_UPLOADS: Final = Counter(
    "heliscore_uploads", "Bulk uploads that were carried out.", ("mode",), registry=_registry
)
_UPLOAD_SCORES: Final = Counter(
    "heliscore_upload_scores", "Scores that bulk uploads wrote.", registry=_registry
)
_BREACHES: Final = Counter(
    "heliscore_definition_breaches",
    "Scores that broke their definitions: stored where those warn, not stored where they are on.",
    ("enforce", "kind"),
    registry=_registry,
)
_DELIVERIES: Final = Counter(
    "heliscore_deliveries",
    "Attempts to send a delivery to a destination, by how they ended.",
    ("outcome",),
    registry=_registry,
)
_DELIVERY_AGE: Final = Gauge(
    "heliscore_delivery_waiting_seconds",
    "How long the delivery has waited that has waited longest, of those that are next to be sent.",
    registry=_registry,
)
_CONNECTIONS: Final = Gauge(
    "heliscore_pool_connections_in_use", "Connections to PostgreSQL in use.", registry=_registry
)
_WAITING_CALLS: Final = Gauge(
    "heliscore_pool_waiting_calls", "Requests that wait for a connection to PostgreSQL.", registry=_registry
)
_EVENT_LISTENERS: Final = Gauge(
    "heliscore_event_listeners", "Clients that listen to live events.", registry=_registry
)
_LOG_LINES_DROPPED: Final = Counter(
    "heliscore_log_lines_dropped",
    "Lines of the request log that were dropped because nothing read them in time.",
    registry=_registry,
)
_GATEWAY_CALLS: Final = Gauge(
    "heliscore_gateway_calls", "Calls that are being forwarded to a provider.", registry=_registry
)
_WAITING_LOGS: Final = Gauge(
    "heliscore_gateway_waiting_logs", "Forwarded calls that wait to be logged.", registry=_registry
)
_UNLOGGED: Final = Counter(
    "heliscore_gateway_unlogged",
    "Forwarded calls that were not logged: the database was away for too long, or a defect.",
    registry=_registry,
)
_STALLS: Final = Histogram(
    "heliscore_event_loop_stall_seconds",
    "Times for which the event loop answered nobody, of 25 ms and more.",
    buckets=(0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
    registry=_registry,
)
_MIN_STALL_S: Final = 0.025


def observe_request(route: str | None, method: str, status: int, seconds: float) -> None:
    """Count a request by its endpoint's path template (None: it had none), method and status."""
    # A client chooses the method: as a label it must not have any number of values.
    requests, duration = _of_request(route, method if method in _METHODS else "other", status)
    requests.inc()
    duration.observe(seconds)


@cache
def _of_request(route: str | None, method: str, status: int) -> tuple[Counter, Histogram]:
    labels = route or "none", method, str(status)
    return _REQUESTS.labels(*labels), _REQUEST_DURATION.labels(*labels)


@cache
def _errors(cause: str) -> Counter:
    return _ERRORS.labels(cause)


def count_error(cause: str) -> None:
    _errors(cause).inc()


def observe_batch(scores: int, seconds: float, lane: int | None = None) -> None:
    """Count a statement of the writer; `lane`: that of a cluster's node, None on a single PostgreSQL."""
    _BATCH_SCORES.observe(scores)
    _COMMIT_DURATION.observe(seconds)
    if lane is not None:
        batch_scores, duration = _of_lane(lane)
        batch_scores.observe(scores)
        duration.observe(seconds)


@cache
def _of_lane(lane: int) -> tuple[Histogram, Histogram]:
    return _LANE_BATCH_SCORES.labels(lane), _LANE_COMMIT_DURATION.labels(lane)


def observe_stall(seconds: float) -> None:
    """Count a time for which the event loop was late, unless it is as short as every turn's."""
    if seconds >= _MIN_STALL_S:
        _STALLS.observe(seconds)


def count_upload(mode: str) -> None:
    _UPLOADS.labels(mode).inc()


def count_upload_scores(scores: int) -> None:
    _UPLOAD_SCORES.inc(scores)


def count_breach(enforce: str, kind: str) -> None:
    _BREACHES.labels(enforce, kind).inc()


def count_delivery(outcome: str) -> None:
    """Count an attempt: delivered, failed (it is repeated), or parked."""
    _DELIVERIES.labels(outcome).inc()


def set_delivery_age(seconds: float) -> None:
    _DELIVERY_AGE.set(seconds)


def set_waiting_scores(scores: int) -> None:
    _WAITING_SCORES.set(scores)


def set_lane_waiting_scores(lane: int, scores: int) -> None:
    _LANE_WAITING_SCORES.labels(lane).set(scores)


def set_pool(in_use: int, waiting: int) -> None:
    _CONNECTIONS.set(in_use)
    _WAITING_CALLS.set(waiting)


def set_event_listeners(listeners: int) -> None:
    _EVENT_LISTENERS.set(listeners)


def count_dropped_lines(lines: int) -> None:
    _LOG_LINES_DROPPED.inc(lines)


def add_gateway_calls(calls: int) -> None:
    """Count calls that begin, or (negative) that end."""
    _GATEWAY_CALLS.inc(calls)


def set_waiting_logs(calls: int) -> None:
    _WAITING_LOGS.set(calls)


def count_unlogged(calls: int) -> None:
    _UNLOGGED.inc(calls)


def render() -> bytes:
    """Render all metrics but the score values in Prometheus' text format. It takes milliseconds: call it in a
    thread."""
    return generate_latest(_registry)
