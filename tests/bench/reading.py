"""Searches and evaluations over HTTP, one client, beside the SQL that they send, in turns."""

from __future__ import annotations

import time

import msgspec

from .client import Answer, Client
from .databases import KEY, connected
from .plan import Plan, progress
from .processes import Server
from .quantiles import Spread, spread
from .shapes import EVALUATIONS, SEARCHES, Shape
from .statements import recorded, run_pgbench

_MAX_CALLS = 300
_WARM_UP = 2


class Reading(msgspec.Struct, frozen=True):
    """One shape in a database of `size` requests. `http` is None when the service refused."""

    shape: Shape
    size: int
    found: int | None
    """Rows of the answer, or the number that it is."""

    http: Spread | None
    sql: Spread


def measure(dsn: str, running: Server, size: int, plan: Plan) -> list[Reading]:
    """Time every shape in one database."""
    return [_measure(dsn, running, size, shape, plan) for shape in (*SEARCHES, *EVALUATIONS)]


def _measure(dsn: str, running: Server, size: int, shape: Shape, plan: Plan) -> Reading:
    progress(f"{size:,} requests: {shape.name}")
    statements = connected(dsn, lambda connection: recorded(connection, shape))
    http: list[float] = []
    sql: list[float] = []
    for _ in range(plan.search_rounds):
        # A client for each round: while the other side is slow, the service closes one that is idle.
        with Client(running.port, KEY) as client:
            for _ in range(_WARM_UP):
                answer = client.post(shape.path, shape.body)
            calls = call(client, shape.path, shape.body, plan.search_s)
        http += calls
        sql += run_pgbench(dsn, statements, len(calls))
    if answer.status != 200:
        progress(f"answered {answer.status}: {answer.body[:200]!r}")
        return Reading(shape, size, None, None, spread(sql))
    return Reading(shape, size, _found(answer), spread(http), spread(sql))


def call(client: Client, path: str, body: bytes, seconds: float) -> list[float]:
    """Call until the time is over; returns the milliseconds of each call."""
    times_ms: list[float] = []
    end = time.perf_counter() + seconds
    while not times_ms or (len(times_ms) < _MAX_CALLS and time.perf_counter() < end):
        times_ms.append(client.post(path, body).ms)
    return times_ms


def _found(answer: Answer) -> int:
    data = msgspec.json.decode(answer.body)["data"]
    return data if isinstance(data, int) else len(data)
