"""Several services and versions on one database."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Callable

import pytest
from heliscore.store.schema.migrations import read_migrations

from tests.commands import Command
from tests.faults.conftest import External, Machine
from tests.test_cli import HELISCORE, TIMEOUT_S, Served, environment

LATER = """
ALTER TABLE request ADD COLUMN later_text text;
ALTER TABLE score ADD COLUMN later_number integer NOT NULL DEFAULT 7;
ALTER TABLE api_key ADD COLUMN later_flag boolean NOT NULL DEFAULT false;
ALTER TABLE organization ADD COLUMN later_text text;
CREATE INDEX later_index ON score (later_number);
CREATE TABLE later (id integer);
INSERT INTO schema_migration (number, name, checksum) VALUES (9999, '9999_later', 'x')
"""
"""What a migration of a later version may do while this one runs."""

REVOKED_WITHIN_S = 5


@pytest.fixture
async def two_services(start: Callable[..., Served], external: External) -> tuple[Machine, Machine]:
    machines = (
        Machine(start, DATABASE_URL=external.dsn),
        Machine(start, DATABASE_URL=external.dsn),
    )
    await asyncio.gather(*(machine.start() for machine in machines))
    return machines


async def test_services_see_each_others_scores_at_once(two_services: tuple[Machine, Machine]) -> None:
    one, other = two_services
    async with one.client() as writing, other.client() as reading:
        for n in range(50):
            answer = await writing.post("/v1/request/r/score", json={"scores": {"n": n, f"n{n}": n}})
            assert answer.status_code == 200
            row = (await reading.get("/v1/request/r")).json()["data"]
            assert row["scores"] == {"n": n} | {f"n{earlier}": earlier for earlier in range(n + 1)}
            writing, reading = reading, writing


async def test_key_revoked_in_one_service_stops_in_the_other(two_services: tuple[Machine, Machine]) -> None:
    one, other = two_services
    async with one.client() as owner, other.client() as user:
        made = (await owner.post("/v1/api-keys", json={"api_key_name": "to be revoked"})).json()
        user.headers["Authorization"] = f"Bearer {made['apiKey']}"
        assert (await user.get("/v1/api-keys")).status_code == 200
        assert (await owner.delete(f"/v1/api-keys/{made['id']}")).status_code == 200
        begun = asked_at = time.monotonic()
        while (await user.get("/v1/api-keys")).status_code != 401:
            assert asked_at - begun < REVOKED_WITHIN_S
            await asyncio.sleep(0.05)
            asked_at = time.monotonic()


async def test_restart_of_one_service_is_not_noticed_by_the_other(
    two_services: tuple[Machine, Machine],
) -> None:
    """The load is the first one's, while the second is restarted, and the other way round."""
    for suffering, restarted in (two_services, reversed(two_services)):
        async with suffering.suffering("restart of another service") as load:
            await restarted.stop()
            await restarted.start()
            await load.heal()
            assert load.statuses.keys() == {200}


def test_migrations_run_once_when_four_run_them(external: External) -> None:
    processes = [
        Command(
            [HELISCORE, "migrate"],
            env=environment(DATABASE_URL=external.dsn),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    printed = [process.communicate(timeout=TIMEOUT_S) for process in processes]
    assert [
        (process.returncode, errors) for process, (_, errors) in zip(processes, printed, strict=True)
    ] == [(0, "")] * 4
    applied = [line for output, _ in printed for line in output.splitlines() if line.startswith("applied ")]
    assert sorted(applied) == [f"applied {migration.name}" for migration in read_migrations()]


async def test_nothing_is_lost_when_a_later_version_migrates(external: External, machine: Machine) -> None:
    async with machine.suffering("migration of a later version") as load:
        async with external.connected() as connection:
            for statement in LATER.split(";\n"):
                await connection.execute(statement)
        await load.heal()
        assert load.statuses.keys() == {200}
    async with machine.client() as client:
        assert (await client.get("/readyz")).status_code == 200


async def test_service_starts_on_the_schema_of_a_later_version(external: External, machine: Machine) -> None:
    """What it would be if that version had to be taken back."""
    await machine.stop()
    async with external.connected() as connection:
        for statement in LATER.split(";\n"):
            await connection.execute(statement)
    await machine.start()
    async with machine.client() as client:
        answer = await client.post("/v1/request/r/score", json={"scores": {"a": 1}})
        assert answer.status_code == 200
        assert (await client.get("/v1/request/r")).json()["data"]["scores"] == {"a": 1}
        assert (await client.get("/readyz")).status_code == 200
