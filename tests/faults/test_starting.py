"""A start in a bad moment: the service waits for its database, or says in one line why it does not."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress

import asyncpg
import pytest
from heliscore.cli.database import run, run_when_back
from heliscore.domain.errors import DatabaseAway, StartError
from heliscore.settings import Settings
from heliscore.store.connections import outages
from heliscore.store.connections.pool import Connection
from heliscore.store.schema import bootstrap

from tests.conftest import at_database
from tests.faults.conftest import KEY, External
from tests.faults.proxy import Proxy
from tests.servers import CROWDED_S
from tests.test_cli import TIMEOUT_S, assert_fails, run_with

GOES_ON = "the database is available, going on"
NO_SERVER = "postgresql://u@127.0.0.1:1/db"
END_BLOCKED = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"


async def prepare(dsn: str) -> None:
    """Make a database ready as a starting service does."""
    settings = Settings(api_key=KEY)
    await asyncio.to_thread(run_when_back, dsn, settings, lambda one: bootstrap.prepare(one, settings))


async def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


async def wait_until_blocked(connection: Connection) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not await connection.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    ):
        assert time.monotonic() < deadline


async def set_read_only(connection: Connection) -> None:
    name = await connection.fetchval("SELECT current_database()")
    await connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")


def assert_waited(caplog: pytest.LogCaptureFixture, reason: str) -> None:
    """It has logged that it waited and that it went on, nothing else."""
    waits, goes_on = (record.message for record in caplog.records if record.module == "database")
    assert re.fullmatch(f"{reason}; waiting up to 60 s for it", waits), waits
    assert goes_on == GOES_ON


async def test_start_waits_for_a_server_that_does_not_listen_yet(
    external: External, proxy: Proxy, caplog: pytest.LogCaptureFixture
) -> None:
    proxy.cut()
    starting = asyncio.create_task(prepare(external.dsn_through(proxy.port)))
    await until(lambda: caplog.records)
    await proxy.restore()
    await starting
    assert_waited(caplog, r"cannot connect to the database: .*Connection refused.*")


async def test_start_waits_for_a_free_connection(
    external: External, caplog: pytest.LogCaptureFixture
) -> None:
    async with AsyncExitStack() as taken:
        with suppress(asyncpg.TooManyConnectionsError):
            while True:
                taken.push_async_callback((await asyncpg.connect(external.dsn)).close)
        starting = asyncio.create_task(prepare(external.dsn))
        await until(lambda: caplog.records)
    await starting
    assert_waited(caplog, "cannot connect to the database: .*too many clients already")


@pytest.mark.parametrize("fault", ["terminated session", "restarted server"])
async def test_start_goes_on_when_it_is_interrupted_while_it_migrates(
    external: External, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    async with external.connected() as connection:
        blocking = connection.transaction()
        await blocking.start()
        await connection.execute("CREATE TABLE organization ()")  # the first migration waits for this
        starting = asyncio.create_task(prepare(external.dsn))
        async with external.connected() as other:
            await wait_until_blocked(other)
            if fault == "terminated session":
                await other.execute(END_BLOCKED)
                await blocking.rollback()
            else:
                external.end_server()
                other.terminate()  # closing would write to the server that has ended
                connection.terminate()
    await starting
    assert_waited(caplog, "the database is not available: .+")


async def test_start_gives_up_after_its_timeout_in_one_line(external: External) -> None:
    """A read-only database without a schema could be a standby that takes over soon."""
    async with external.connected() as connection:
        await set_read_only(connection)
    finished = await asyncio.to_thread(
        run_with, "serve", "--port", "0", DATABASE_URL=external.dsn, START_TIMEOUT_S="1", LOG_LEVEL="critical"
    )
    assert_fails(
        finished,
        "the database is not available: cannot execute CREATE TABLE in a read-only transaction "
        "(after waiting 1 s for it)",
    )


@pytest.mark.parametrize("lacking", ["database", "role"])
async def test_start_with_a_wrong_address_ends_at_once(external: External, lacking: str) -> None:
    dsn = {
        "database": at_database(external.dsn, "nowhere"),
        "role": external.dsn.replace("postgres@", "nowhere@"),
    }[lacking]
    begun = time.monotonic()
    with pytest.raises(StartError) as raised:
        await prepare(dsn)
    assert str(raised.value) == f'cannot connect to the database: {lacking} "nowhere" does not exist'
    assert time.monotonic() - begun < CROWDED_S


def test_wrong_password_is_not_waited_for() -> None:
    assert not outages.passes(asyncpg.InvalidPasswordError("password authentication failed"))


async def test_command_does_not_wait() -> None:
    begun = time.monotonic()
    with pytest.raises(DatabaseAway, match=r"^cannot connect to the database: .*Connection refused"):
        await asyncio.to_thread(run, NO_SERVER, Settings(), bootstrap.migrate)
    assert time.monotonic() - begun < CROWDED_S


async def test_command_whose_session_is_ended_is_one_line(external: External) -> None:
    async with external.connected() as connection, connection.transaction():
        await connection.execute("CREATE TABLE organization ()")
        running = asyncio.create_task(asyncio.to_thread(run_with, "keys", "list", DATABASE_URL=external.dsn))
        async with external.connected() as other:
            await wait_until_blocked(other)
            await other.execute(END_BLOCKED)
        finished = await running
    assert_fails(finished, re.compile("the database is not available: .*administrator command"))
