"""A database that is away, full, closed to writing or slow while clients post."""

from __future__ import annotations

import asyncio

import asyncpg

from tests.faults.conftest import External, Machine
from tests.faults.load import ROUNDS

SLOW = """
CREATE FUNCTION be_slow() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_sleep({}); RETURN NULL; END $$;
CREATE TRIGGER slow BEFORE INSERT ON score FOR EACH STATEMENT EXECUTE FUNCTION be_slow()
"""


async def test_nothing_is_lost_when_postgresql_is_restarted(external: External, machine: Machine) -> None:
    async with machine.suffering("restart of PostgreSQL") as load:
        for _ in range(ROUNDS):
            await load.reach(100)
            external.end_server()
            await load.error_response()
            await load.heal()


async def test_nothing_is_lost_when_connections_run_out(external: External, machine: Machine) -> None:
    taken: list[asyncpg.Connection[asyncpg.Record]] = []
    async with external.connected() as connection, machine.suffering("no connection left") as load:
        error_response = load.statuses[503]
        while load.statuses[503] < error_response + 20:
            try:
                taken.append(await asyncpg.connect(external.dsn))
            except asyncpg.TooManyConnectionsError:
                await external.end_services_connections(connection)
        for other in taken:
            await other.close()
        await load.heal()


async def test_nothing_is_lost_when_the_database_only_reads(external: External, machine: Machine) -> None:
    async with external.connected() as connection, machine.suffering("read-only database") as load:
        for _ in range(ROUNDS):
            await connection.execute("ALTER SYSTEM SET default_transaction_read_only = on")
            await connection.execute("SELECT pg_reload_conf()")
            await load.error_response()
            await connection.execute("SET default_transaction_read_only = off")
            await connection.execute("ALTER SYSTEM RESET default_transaction_read_only")
            await connection.execute("SELECT pg_reload_conf()")
            await load.heal()
            await load.reach(100)


async def test_nothing_is_lost_when_the_disk_is_full(external: External, machine: Machine) -> None:
    """The score table's free-space map, without which no page can be added, lies on /dev/full: the kernel
    says ENOSPC, as a full disk does, and PostgreSQL does with it what it does. This needs no rights. The map
    is asked for as soon as a page is full (about 50 posts), so the block begins well before."""
    async with external.connected() as connection:
        path = await connection.fetchval("SELECT pg_relation_filepath('score')")
        map_ = external.file(f"{path}_fsm")
        map_.symlink_to("/dev/full")
        async with machine.suffering("full disk", after=20) as load:
            for _ in range(11):
                await load.error_response()
            map_.unlink()
            await external.end_services_connections(connection)  # they hold the file open
            await load.heal()


async def test_nothing_is_lost_when_the_database_is_slow(external: External, machine: Machine) -> None:
    async with external.connected() as connection, machine.suffering("slow database, 0.3 s a write") as load:
        await connection.execute(SLOW.format(0.3))
        await asyncio.sleep(1.5)
        await connection.execute("DROP TRIGGER slow ON score")
        await load.heal()
        assert load.statuses.keys() == {200}


async def test_nothing_is_lost_when_writes_take_longer_than_they_may(
    external: External, hasty_machine: Machine
) -> None:
    async with (
        external.connected() as connection,
        hasty_machine.suffering("writes beyond the timeout") as load,
    ):
        await connection.execute(SLOW.format(30))
        await load.error_response()
        await connection.execute("DROP TRIGGER slow ON score")
        await load.heal()
