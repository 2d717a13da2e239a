"""`heliscore version`, `doctor` and the start: which PostgreSQL it is, and advice about its settings."""

from __future__ import annotations

import json
import os
import signal
import tempfile
from pathlib import Path

import asyncpg
import pytest
from heliscore import __version__
from heliscore.postgres.binaries import find_binaries, read_version
from heliscore.settings import Settings
from heliscore.store.connections.pool import Connection
from heliscore.store.connections.server_checks import Finding, check_server, check_setting
from heliscore.store.schema.migrations import read_migrations

from tests.test_cli import Run, Serve, assert_fails, run, run_program, run_with, serve

__all__ = ["run", "serve"]

NEWEST = read_migrations()[-1].name
DISK = "set it to 1.1 on solid-state disks; 4 is for spinning ones"
LOSS = "set it to on, or a crash can lose scores that were acknowledged"


@pytest.fixture
async def risky(connection: Connection) -> None:
    """A database with two settings that should be changed."""
    name = await connection.fetchval("SELECT current_database()")
    for setting in ("random_page_cost = 4", "synchronous_commit = off"):
        await connection.execute(f"ALTER DATABASE {name} SET {setting}")


async def version_of(connection: Connection) -> str:
    return str(await connection.fetchval("SHOW server_version")).split()[0]


def test_version_names_the_embedded_server() -> None:
    finished = run_program("version")
    expected = f"{__version__}\nPostgreSQL {read_version(find_binaries())} (embedded)\n"
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, expected, "")


async def test_version_names_the_configured_server(run: Run, connection: Connection) -> None:
    assert run("version").stdout == f"{__version__}\nPostgreSQL {await version_of(connection)}\n"


def test_version_is_printed_where_the_server_is_not_reached() -> None:
    finished = run_with("version", DATABASE_URL="postgresql://user:secret@127.0.0.1:1/db")
    first, second = finished.stdout.splitlines()
    assert (finished.returncode, first, finished.stderr) == (0, __version__, "")
    assert second.startswith("PostgreSQL not known: cannot connect to the database: ")
    assert "secret" not in second


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("fsync", "on", "off"),
        ("full_page_writes", "on", "off"),
        ("synchronous_commit", "local", "off"),
        ("autovacuum", "on", "off"),
        ("autovacuum_naptime", "15", "60"),
        ("random_page_cost", "1.1", "4"),
        ("shared_buffers", "16384", "16383"),
    ],
)
def test_setting_gets_advice_where_it_is_bad(name: str, good: str, bad: str) -> None:
    assert check_setting(name, good, good) == Finding(name, good, None)
    assert check_setting(name, bad, bad).advice is not None


@pytest.mark.skipif("TEST_DATABASE_URL" in os.environ, reason="other servers have other settings")
async def test_embedded_server_needs_no_advice(connection: Connection) -> None:
    assert await check_server(connection, Settings()) == [
        Finding("fsync", "on", None),
        Finding("full_page_writes", "on", None),
        Finding("synchronous_commit", "on", None),
        Finding("autovacuum", "on", None),
        Finding("autovacuum_naptime", "10s", None),
        Finding("random_page_cost", "1.1", None),
        Finding("shared_buffers", "128MB", None),
        Finding("connections", "97", None),
        Finding("encoding", "UTF8", None),
        Finding("role", "postgres", None),
    ]


async def test_pool_that_is_larger_than_the_server_allows_gets_advice(connection: Connection) -> None:
    findings = await check_server(connection, Settings(pool_size=1000))
    [advice] = [finding.advice for finding in findings if finding.setting == "connections"]
    assert advice == "allow 1023 for each service, or lower HELISCORE_POOL_SIZE"


@pytest.mark.usefixtures("risky")
async def test_doctor_describes_the_database_with_advice(run: Run, connection: Connection) -> None:
    name = await connection.fetchval("SELECT current_database()")
    first, second, third, *settings, last = run("doctor").stdout.splitlines()
    assert first == f"Heliscore {__version__}"
    assert second.startswith(f"PostgreSQL {await version_of(connection)}, database {name} at ")
    assert third == f"schema: up to date ({NEWEST})"
    assert f"random_page_cost: 4; {DISK}" in settings
    assert f"synchronous_commit: off; {LOSS}" in settings
    assert "encoding: UTF8" in settings
    assert last == "a service can start and serve"


def test_doctor_changes_nothing_and_makes_no_database(empty_dsn: str) -> None:
    for _ in range(2):
        finished = run_with("doctor", DATABASE_URL=empty_dsn)
        assert (finished.returncode, finished.stderr) == (0, "")
        missing = len(read_migrations())
        assert f"schema: {missing} migrations are missing, up to {NEWEST}" in finished.stdout
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent, "data")
        message = (
            f"there is no database in {folder}: HELISCORE_DATA_DIR must be the folder of the service, or "
            "HELISCORE_DATABASE_URL the address of its database"
        )
        assert_fails(run_with("doctor", DATA_DIR=str(folder)), message)
        assert not folder.exists()


async def test_doctor_fails_where_no_service_could_start(empty_dsn: str) -> None:
    connection = await asyncpg.connect(empty_dsn)
    name = await connection.fetchval("SELECT current_database()")
    await connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    await connection.close()
    finished = run_with("doctor", DATABASE_URL=empty_dsn)
    error = "heliscore: the schema is not up to date, and the database is read-only\n"
    assert (finished.returncode, finished.stderr) == (1, error)


@pytest.mark.usefixtures("risky")
async def test_start_names_the_server_and_logs_the_advice_once(
    serve: Serve, dsn: str, connection: Connection
) -> None:
    served = serve("--port", "0", DATABASE_URL=dsn)
    served.wait_until_ready()
    version = await version_of(connection)
    assert served.printed[0].startswith(f"Heliscore {__version__} on PostgreSQL {version} serves on ")
    lines = [json.loads(line) for line in served.stop(signal.SIGTERM).splitlines()]
    for name, value, advice in (("random_page_cost", "4", DISK), ("synchronous_commit", "off", LOSS)):
        text = f"PostgreSQL's {name} is {value}: {advice}"
        assert [line["level"] for line in lines if line["message"] == text] == ["warning"]
