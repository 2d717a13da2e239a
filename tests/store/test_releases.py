"""First uses of models, prompt versions and values of a property."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from heliscore.store import releases
from heliscore.store.connections.pool import Connection
from heliscore.store.releases import FirstUse, Uses, list_first_uses, refine

START = datetime(2026, 3, 1, tzinfo=UTC)
END = START + timedelta(days=40)
HOUR = timedelta(hours=1)

INSERT = """
INSERT INTO request (
    organization_id, request_id, created_at, updated_at, model_override, prompt_id, prompt_version, properties
)
SELECT
    $1, $2::text || n, $3::timestamptz + n * interval '1 minute', $3, $2, $4, $5,
    jsonb_build_object('env', $2)
FROM generate_series(0, $6 - 1) AS n
"""


async def log(
    connection: Connection,
    organization_id: int,
    model: str,
    at: datetime,
    count: int,
    version: str | None = None,
) -> None:
    prompt = None if version is None else "reply"
    await connection.execute(INSERT, organization_id, model, at, prompt, version, count)


async def test_first_uses_of_few_requests_are_exact(connection: Connection, organization_id: int) -> None:
    await log(connection, organization_id, "early", START - HOUR, 1)
    await log(connection, organization_id, "a", START, 3)
    await log(connection, organization_id, "b", START + HOUR, 2, "2")
    await log(connection, organization_id, "late", END, 1)
    uses = Uses(organization_id=organization_id, start=START, end=END)
    found = [
        FirstUse("model", "a", None, START, 3, True),
        FirstUse("prompt_version", "2", "reply", START + HOUR, 2, True),
        FirstUse("model", "b", None, START + HOUR, 2, True),
    ]
    assert await list_first_uses(connection, uses) == found
    assert await refine(connection, uses, found) == found
    of_env = Uses(organization_id=organization_id, start=START, end=END, key="env", version="2")
    assert await list_first_uses(connection, of_env) == [
        FirstUse("property", "b", None, START + HOUR, 2, True)
    ]
    other = Uses(organization_id=organization_id + 1, start=START, end=END)
    assert await list_first_uses(connection, other) == []


async def test_first_uses_among_many_requests_are_looked_for_again(
    connection: Connection, organization_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request is read of each part, a day long: the newest one, long after the first."""
    monkeypatch.setattr(releases, "_REQUESTS", 40)
    await log(connection, organization_id, "old", START, 60)
    released = START + timedelta(days=20, hours=3)
    await log(connection, organization_id, "new", released, 60, "5")
    uses = Uses(organization_id=organization_id, start=START, end=END)
    found = await list_first_uses(connection, uses)
    seen = released + timedelta(minutes=59)
    assert found == [
        FirstUse("model", "old", None, START + timedelta(minutes=59), 1, False),
        FirstUse("prompt_version", "5", "reply", seen, 1, False),
        FirstUse("model", "new", None, seen, 1, False),
    ]
    times = [use.first_at for use in await refine(connection, uses, found)]
    assert times == [START, released, released]
