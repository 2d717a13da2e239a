"""Score maps posted one by one, by the service and its rivals in turns: posts a second, latency, memory."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Final

import msgspec
from heliscore.store.connections.pool import Connection
from heliscore.store.scores import ScoreNames, array_literal
from heliscore.store.statements import load as load_sql

from . import load
from .databases import ORGANIZATION_ID, checkpoint, connected, create
from .load import Load
from .plan import SATURATION, Plan, progress
from .processes import Server, rival, service
from .quantiles import spread

OURS: Final = "Heliscore"
NAIVE: Final = "(a) Starlette + asyncpg, an upsert a call"
FASTAPI: Final = "(b) FastAPI + SQLAlchemy"
CEILING: Final = "(c) the route without a database"
ALONE: Final = "(d) PostgreSQL alone, 500 posts a statement"

_AT_ALL_CONNECTIONS: Final = (OURS, NAIVE)
_BATCH_POSTS: Final = 500
_SCORES: Final = {"accuracy": 95, "relevance": 87, "helpfulness": 92, "has_citations": 1, "is_factual": 0}
_BOOLEANS: Final = (False, False, False, True, True)


class Posts(msgspec.Struct):
    """Loads by rival and number of connections, and MiB of memory by rival."""

    loads: dict[tuple[str, int], Load]
    idle_mib: dict[str, float]
    peak_mib: dict[str, float]
    """At SATURATION connections."""


def measure(server: str, plan: Plan) -> Posts:
    """Let all rivals take turns, a round at a time."""
    with ExitStack() as stack:
        servers = {
            OURS: stack.enter_context(service(create(server, "bench_ours"))),
            NAIVE: stack.enter_context(rival("naive", create(server, "bench_naive"))),
            FASTAPI: stack.enter_context(rival("fastapi_sqlalchemy", create(server, "bench_fastapi"))),
            CEILING: stack.enter_context(rival("ceiling", "")),
        }
        alone = create(server, "bench_alone")
        idle_mib = {name: running.resident_mib() for name, running in servers.items()}
        turns: dict[tuple[str, int], Callable[[], Load]] = {
            (name, connections): _turn(running, connections, plan.post_s)
            for connections in plan.connections
            for name, running in servers.items()
            if connections == SATURATION or name in _AT_ALL_CONNECTIONS
        }
        turns[ALONE, 1] = lambda: connected(alone, lambda connection: _post_alone(connection, plan.post_s))
        peak_mib: dict[str, float] = {}
        loads: dict[tuple[str, int], list[Load]] = {turn: [] for turn in turns}
        for number, (name, connections) in itertools.product(range(plan.rounds), turns):
            progress(f"posts, round {number + 1} of {plan.rounds}: {name}, {connections} connections")
            checkpoint(server)
            if name in servers:
                servers[name].forget_peak()
            loads[name, connections].append(turns[name, connections]())
            if name in servers and connections == SATURATION:
                peak_mib[name] = max(peak_mib.get(name, 0), servers[name].peak_mib())
        return Posts({turn: load.median_load(found) for turn, found in loads.items()}, idle_mib, peak_mib)


def _turn(running: Server, connections: int, seconds: int) -> Callable[[], Load]:
    def turn() -> Load:
        load.post(running.url, connections, 1)
        return load.post(running.url, connections, seconds)

    return turn


async def _post_alone(connection: Connection, seconds: int) -> Load:
    """The service's own statement over one connection, batch after batch; only its time counts."""
    ids = await ScoreNames().ensure(connection, ORGANIZATION_ID, _SCORES.keys())
    statement = await connection.prepare(load_sql("score")["record"])
    prefix = f"{random.getrandbits(32):08x}"
    times_ms: list[float] = []
    warm_up = 3
    for number in itertools.count():
        at = datetime.now(UTC)
        arguments = (
            [ORGANIZATION_ID] * _BATCH_POSTS,
            [f"{prefix}-{number * _BATCH_POSTS + i}" for i in range(_BATCH_POSTS)],
            [at] * _BATCH_POSTS,
            array_literal([post for post in range(1, _BATCH_POSTS + 1) for _ in _SCORES]),
            array_literal([ids[name] for name in _SCORES] * _BATCH_POSTS),
            array_literal([*_SCORES.values()] * _BATCH_POSTS),
            array_literal([*_BOOLEANS] * _BATCH_POSTS),
            True,
            "0",
        )
        started = time.perf_counter()
        await statement.fetch(*arguments)
        times_ms.append((time.perf_counter() - started) * 1000)
        if sum(times_ms[warm_up:]) > seconds * 1000:
            break
    counted = times_ms[warm_up:]
    return Load(_BATCH_POSTS * len(counted) / (sum(counted) / 1000), spread(counted), 0)
