"""Values by which requests can be grouped: all of few requests, some from every part of the time of many."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from heliscore.store import facets
from heliscore.store.connections.pool import Connection
from heliscore.store.facets import Facets, find_facets

START = datetime(2026, 3, 1, tzinfo=UTC)
END = START + timedelta(days=7)

INSERT = """
INSERT INTO request (organization_id, request_id, created_at, updated_at, model_override, properties)
SELECT $1, $2::text || n, $3::timestamptz + n * interval '1 second', $3, $4, jsonb_build_object('variant', $2)
FROM generate_series(1, $5) AS n
"""


async def log(
    connection: Connection, organization_id: int, variant: str, at: datetime, model: str | None, count: int
) -> None:
    await connection.execute(INSERT, organization_id, variant, at, model, count)


async def test_without_requests_there_is_nothing(connection: Connection, organization_id: int) -> None:
    assert await find_facets(connection, organization_id, START, END) == Facets({}, is_whole=True)
    await log(connection, organization_id, "late", END, "m", 1)
    assert await find_facets(connection, organization_id, START, END) == Facets({}, is_whole=True)


async def test_requests_without_anything_to_group_by(connection: Connection, organization_id: int) -> None:
    await log(connection, organization_id, "", START, None, 3)
    assert await find_facets(connection, organization_id, START, END) == Facets({}, is_whole=True)


async def test_finished_experiment_is_found_behind_newer_traffic(
    connection: Connection, organization_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facets, "_REQUESTS", 60)
    await log(connection, organization_id, "B", START + timedelta(hours=1), "old", 20)
    await log(connection, organization_id, "A", END - timedelta(hours=1), "new", 40)
    whole = await find_facets(connection, organization_id, START, END)
    assert whole == Facets({"model": ["new", "old"], "property:variant": ["A", "B"]}, is_whole=True)
    await log(connection, organization_id, "rare", END - timedelta(hours=2), "rare", 1)
    some = await find_facets(connection, organization_id, START, END)
    assert some == Facets({"model": ["new", "old"], "property:variant": ["A", "B"]}, is_whole=False)


async def test_every_request_is_in_a_part_of_the_time(
    connection: Connection, organization_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parts that divide the time with a remainder leave neither its start nor its end out."""
    monkeypatch.setattr(facets, "_REQUESTS", 20)
    end = START + timedelta(seconds=101, milliseconds=1)
    middles = [START + (number + 0.5) * (end - START) / 20 for number in range(1, 19)]
    times = [START, *middles, middles[5] - timedelta(seconds=1), end - timedelta(milliseconds=1)]
    for number, at in enumerate(times):
        await log(connection, organization_id, f"v{number}", at - timedelta(seconds=1), None, 1)
    found = await find_facets(connection, organization_id, START, end)
    assert not found.is_whole
    assert sorted(found.of("property:variant")) == sorted(f"v{n}" for n in range(21) if n != 19)
