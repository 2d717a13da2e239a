"""A job beside the requests ends with the service, and the service with a job that fails."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress

import asyncpg
import httpx
import pytest
from heliscore import pools
from heliscore.jobs.background import running
from heliscore.store.connections.pool import Database

from tests.conftest import StartService
from tests.test_cli import TIMEOUT_S, Serve, serving

OLD_REQUEST = """
INSERT INTO request (organization_id, request_id, created_at, updated_at)
SELECT id, 'old', now() - interval '9 days', now() FROM organization
"""

FAIL_TO_DELETE = """
CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$;
CREATE TRIGGER fail BEFORE DELETE ON request FOR EACH ROW EXECUTE FUNCTION fail()
"""

REPLACE_TABLE = """
ALTER TABLE schema_migration RENAME TO before;
CREATE TABLE schema_migration (LIKE before INCLUDING ALL);
INSERT INTO schema_migration SELECT * FROM before;
DROP TABLE before;
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid();
"""
"""What a restore does, as far as services see it."""


async def fail() -> None:
    raise RuntimeError("secret")


async def test_job_that_fails_is_logged_and_stops_the_service(caplog: pytest.LogCaptureFixture) -> None:
    stopped = asyncio.Event()
    async with running("the job", fail(), stopped.set):
        await stopped.wait()
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("CRITICAL", "the job has stopped")
    ]
    assert caplog.records[0].exc_info


async def test_job_is_cancelled_at_the_end_of_the_block(caplog: pytest.LogCaptureFixture) -> None:
    ended: list[str] = []

    async def job() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append("cleanly")

    async with running("the job", job(), pytest.fail):
        await asyncio.sleep(0)
    assert ended == ["cleanly"]
    assert caplog.records == []


async def test_job_that_takes_its_cancellation_for_an_error_ends_all_the_same() -> None:
    """As one does that gives a connection back to a database that hangs."""

    async def job() -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await asyncio.Event().wait()

    async with asyncio.timeout(10), running("the job", job(), pytest.fail):
        await asyncio.sleep(0)


async def test_renewal_after_a_restore_does_not_die_in_silence(
    start_service: StartService, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.CRITICAL, "heliscore")
    service = await start_service()
    client = await service.client()
    assert (await client.get("/readyz")).status_code == 200

    async def fail_to_open(*_: object, **__: object) -> Database:
        raise RuntimeError("secret")

    monkeypatch.setattr(pools, "open_database", fail_to_open)
    connection = await asyncpg.connect(service.dsn)
    await connection.execute(REPLACE_TABLE)
    await connection.close()
    async with asyncio.timeout(TIMEOUT_S):
        while not caplog.messages:
            await get_if_served(client.get)
    assert caplog.messages == ["renewal after a restore has stopped"]
    async with asyncio.timeout(TIMEOUT_S):
        while await get_if_served(client.get):
            pass


async def get_if_served(get: Callable[[str], Awaitable[httpx.Response]]) -> bool:
    """Whether the service still answers."""
    try:
        await get("/readyz")
    except httpx.TransportError:
        return False
    return True


@pytest.fixture
def serve() -> Iterator[Serve]:
    with serving() as start:
        yield start


async def test_process_ends_in_order_with_status_1(serve: Serve, dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute("INSERT INTO organization (name) VALUES ('default')")
    await connection.execute(OLD_REQUEST)
    await connection.execute(FAIL_TO_DELETE)
    await connection.close()
    served = serve(DATABASE_URL=dsn, PORT="0", RETENTION_DAYS="7")
    await asyncio.to_thread(served.process.communicate, timeout=TIMEOUT_S)
    assert served.process.returncode == 1
    *lines, last = served.errors().splitlines()
    assert last == "heliscore: the service ended because a part of it failed; the lines above say why"
    logged = [json.loads(line) for line in lines]
    [critical] = [line for line in logged if line["level"] == "critical"]
    assert critical["message"] == "retention has stopped"
    assert critical["traceback"].endswith("RaiseError (SQLSTATE P0001)")
    messages = [line["message"] for line in logged]
    assert messages.index("retention has stopped") < messages.index("Application shutdown complete.")
