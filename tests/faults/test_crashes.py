"""Processes of the service and of its own PostgreSQL are killed while clients post."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.conftest import External, Machine, main_process
from tests.faults.load import PATIENCE_S, ROUNDS
from tests.servers import children
from tests.test_cli import Served, wait_until_gone

Embedded = tuple[Machine, Path]

SLOW_WORKERS = """
import pathlib, sys, time
if pathlib.Path(__file__).with_name("slow").exists() and any("spawn_main" in a for a in sys.orig_argv):
    time.sleep(7)
"""

COMPLAINT = "unrecognized configuration parameter"

several_ways = pytest.mark.parametrize("embedded_machine", ["1", "2"], indirect=True, ids="{} workers".format)
with_workers = pytest.mark.parametrize("embedded_machine", ["2"], indirect=True, ids=["2 workers"])


def backends(folder: Path) -> list[int]:
    """The processes of PostgreSQL that serve connections."""
    ours = "postgres: postgres"
    return [child for child, command in children(main_process(folder)).items() if command.startswith(ours)]


@several_ways
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


@with_workers
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


async def test_killed_worker_is_replaced(two_workers: Machine) -> None:
    async with two_workers.suffering("kill -9 of a worker") as load:
        for _ in range(ROUNDS):
            await load.reach(100)
            before = two_workers.workers()
            assert len(before) == 2
            os.kill(before[0], signal.SIGKILL)
            await load.heal()
            async with asyncio.timeout(PATIENCE_S):
                while len(set(two_workers.workers()) - {before[0]}) < 2:  # noqa: ASYNC110
                    await asyncio.sleep(0.1)


async def test_replacement_that_is_slow_to_begin_is_waited_for(
    start: Callable[..., Served], external: External, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text(SLOW_WORKERS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    machine = Machine(start, DATABASE_URL=external.dsn, WORKERS="2")
    await machine.start()
    await asyncio.sleep(5)  # one worker answers; the other began with it
    (tmp_path / "slow").touch()
    os.kill(machine.workers()[0], signal.SIGKILL)
    await asyncio.sleep(10)
    assert machine.served is not None
    assert machine.served.errors().count("died; starting another") == 1
    assert len(machine.workers()) == 2


@several_ways
async def test_nobody_serves_on_when_the_supervisor_is_killed(embedded_machine: Embedded) -> None:
    machine, _ = embedded_machine
    assert machine.served is not None
    left = machine.served.descendants()
    os.kill(machine.pid, signal.SIGKILL)
    await asyncio.to_thread(wait_until_gone, left)
    await machine.start()
