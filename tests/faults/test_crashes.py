"""Processes of the service and of its own PostgreSQL are killed while clients post."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

from tests.faults.conftest import Machine, main_process
from tests.faults.load import PATIENCE_S, ROUNDS
from tests.servers import children
from tests.test_cli import wait_until_gone

Embedded = tuple[Machine, Path]

COMPLAINT = "unrecognized configuration parameter"


def backends(folder: Path) -> list[int]:
    """The processes of PostgreSQL that serve connections."""
    ours = "postgres: postgres"
    return [child for child, command in children(main_process(folder)).items() if command.startswith(ours)]


async def test_nothing_is_lost_when_the_service_is_killed(embedded_machine: Embedded) -> None:
    machine, _ = embedded_machine
    async with machine.suffering("kill -9 of the service") as load:
        for _ in range(ROUNDS):
            await load.reach(100)
            os.kill(machine.pid, signal.SIGKILL)
            started_at = time.monotonic()
            await machine.start()
            await load.heal(started_at)


async def test_nothing_is_lost_when_postgresql_is_killed(embedded_machine: Embedded) -> None:
    machine, folder = embedded_machine
    async with machine.suffering("kill -9 of the embedded PostgreSQL") as load:
        for _ in range(ROUNDS):
            await load.reach(100)
            killed_at = time.monotonic()
            os.kill(main_process(folder), signal.SIGKILL)
            await load.error_response()
            await load.heal(killed_at)
    assert machine.served is not None
    assert machine.served.errors().count("PostgreSQL died (SIGKILL") == ROUNDS


async def test_nothing_is_lost_when_a_connections_process_is_killed(embedded_machine: Embedded) -> None:
    machine, folder = embedded_machine
    async with machine.suffering("kill -9 of a backend") as load:
        for _ in range(ROUNDS):
            await load.reach(100)
            killed_at = time.monotonic()
            os.kill(backends(folder)[0], signal.SIGKILL)
            await load.error_response()
            await load.heal(killed_at)


async def test_postgresql_that_keeps_dying_is_started_again_and_again(embedded_machine: Embedded) -> None:
    machine, folder = embedded_machine
    settings = folder / "pgdata" / "postgresql.auto.conf"
    good = settings.read_bytes()
    async with machine.suffering("PostgreSQL cannot start") as load:
        settings.write_text("nonsense = 1\n")
        os.kill(main_process(folder), signal.SIGKILL)
        await asyncio.sleep(3)
        assert machine.served is not None
        assert machine.served.errors().count(COMPLAINT) < 10
        async with asyncio.timeout(PATIENCE_S):
            while machine.served.errors().count(COMPLAINT) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        settings.write_bytes(good)
        await load.heal()


async def test_no_process_stays_when_the_service_is_killed(embedded_machine: Embedded) -> None:
    machine, _ = embedded_machine
    assert machine.served is not None
    left = machine.served.descendants()
    os.kill(machine.pid, signal.SIGKILL)
    await asyncio.to_thread(wait_until_gone, left)
    await machine.start()
