"""A database with scores of known values, and monitors that are evaluated at times of the test's choice."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from heliscore.api.native.monitor_definitions import encode_definition, read_definition
from heliscore.api.native.monitor_fields import BODY
from heliscore.domain.author import Author, Origin
from heliscore.domain.score import Score
from heliscore.jobs.monitor_evaluation import Evaluator
from heliscore.store import monitors as store
from heliscore.store.connections.pool import Connection, Database
from heliscore.store.definition_cache import DefinitionCache
from heliscore.store.monitors import StoredMonitor
from heliscore.store.scores import ScoreIds, ScoreWrite, record

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)

_ORIGIN = Origin(Author("judge", "j"), "score")


def make_evaluator(database: Database) -> Evaluator:
    return Evaluator(database, ScoreIds().names, DefinitionCache(database))


async def put_scores(
    connection: Connection,
    organization_id: int,
    at: datetime,
    scores: Sequence[dict[str, int | bool]],
    model: str | None = None,
    step: timedelta = timedelta(seconds=1),
) -> None:
    """Log a request for each score map, from that time on."""
    prefix = f"{at.isoformat()} {model}"
    times = [at + number * step for number in range(len(scores))]
    await connection.executemany(
        """INSERT INTO request (organization_id, request_id, created_at, updated_at, response_model)
        VALUES ($1, $2, $3, $3, $4)""",
        [(organization_id, f"{prefix} {number}", time, model) for number, time in enumerate(times)],
    )
    writes = [
        ScoreWrite(
            organization_id,
            f"{prefix} {number}",
            {name: Score(int(value), isinstance(value, bool)) for name, value in one.items()},
            at,
            _ORIGIN,
        )
        for number, one in enumerate(scores)
        if one
    ]
    if writes:
        await record(connection, ScoreIds(), writes)


async def add(
    connection: Connection, organization_id: int, until: datetime = NOON - HOUR, **fields: Any
) -> str:
    """Add a monitor whose last evaluated period ended then: of an average, below 70, every hour."""
    usual = {
        "name": f"monitor {json.dumps(fields)}",
        "score": "relevance",
        "statistic": "average",
        "condition": {"below": 70},
        "windowMinutes": 60,
        "everyMinutes": 60,
    }
    definition, _ = read_definition(BODY, msgspec.json.encode(usual | fields))
    id_ = await store.add_monitor(connection, organization_id, definition, encode_definition(definition))
    await connection.execute(
        """UPDATE monitor
        SET evaluated_until = $2,
            next_at = CASE WHEN next_at IS NOT NULL THEN $2::timestamptz + $3::interval END
        WHERE id = $1::text::uuid""",
        id_,
        until,
        definition.every,
    )
    return id_


async def evaluate(database: Database, now: datetime) -> int:
    """Evaluate all monitors that are due at that time; return of how many something was stored."""
    async with database.connection() as connection:
        claimed = await store.claim(connection, 1000, now)
    return len(await make_evaluator(database).evaluate(claimed))


async def find(connection: Connection, organization_id: int, id_: str) -> StoredMonitor:
    monitor = await store.find_monitor(connection, organization_id, id_)
    assert monitor is not None
    return monitor


async def states_of(connection: Connection, organization_id: int, id_: str) -> dict[str | None, Any]:
    """By group: state, value and count."""
    monitor = await find(connection, organization_id, id_)
    return {state.group: (state.state, state.value, state.count) for state in monitor.stand.states}


async def history_of(connection: Connection, organization_id: int, id_: str) -> list[tuple[Any, ...]]:
    """Oldest first: when, which group, and what it became; and why, where no state changed."""
    changes = await store.list_changes(connection, organization_id, id_, None, 1000)
    return [
        (change.at, change.group, change.state) if change.state else (change.at, change.reason)
        for change in reversed(changes)
    ]


async def alerts_of(connection: Connection) -> list[tuple[str, dict[str, Any]]]:
    """The events, with their bodies."""
    rows = await connection.fetch("SELECT type, body::text FROM event ORDER BY id")
    return [(type_, json.loads(body)) for type_, body in rows]
