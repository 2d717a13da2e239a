"""The service behind a PgBouncer in transaction mode: with its setting all is well, without it no start."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import httpx
import pytest
from heliscore.domain.errors import MigrationError, StartError
from heliscore.settings import Settings
from heliscore.store.schema import bootstrap
from heliscore.store.schema.migrations import Migration, migrate, read_migrations

from tests.conftest import StartService
from tests.test_cli import TIMEOUT_S, assert_fails, run_with

UNKNOWN_PARAMETER = (
    "the database's pooler refuses how the service connects "
    "(unsupported startup parameter: statement_timeout): for PgBouncer set HELISCORE_PGBOUNCER=true"
)

CONFIGURATION = """
[databases]
* = {target}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 10
logfile = {folder}/log
"""


@pytest.fixture(scope="module")
def pooler(server: str) -> Iterator[str]:
    """The host and port of a PgBouncer before the server of the tests."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail("no pgbouncer on the PATH: apt-get install pgbouncer")
        pytest.skip("no pgbouncer on the PATH")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="heliscore-test-") as folder:
        Path(folder).chmod(0o777)
        file = Path(folder, "pgbouncer.ini")
        file.write_text(CONFIGURATION.format(target=find_target(server), port=port, folder=folder))
        user = ["-u", find_user(server)] if os.geteuid() == 0 else []
        process = subprocess.Popen([program, "-q", *user, file], stderr=subprocess.DEVNULL)
        try:
            wait_until_listening(port, process)
            yield f"127.0.0.1:{port}"
        finally:
            process.kill()
            process.wait()


def find_target(dsn: str) -> str:
    """The server's address in the form of PgBouncer."""
    parts = urlsplit(dsn)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    host, port = query.get("host") or parts.hostname, query.get("port") or parts.port or 5432
    password = f" password={parts.password}" if parts.password else ""
    return f"host={host} port={port} user={parts.username}{password}"


def find_user(dsn: str) -> str:
    """The user that PgBouncer, which refuses root, runs as: one who may enter the folder of the socket."""
    host = parse_qs(urlsplit(dsn).query).get("host", [""])[0]
    return Path(host).owner() if host.startswith("/") else "nobody"


def wait_until_listening(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except ConnectionRefusedError:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)


def through(pooler: str, dsn: str) -> str:
    """The address of a database of the server, by way of the pooler."""
    return f"postgresql://postgres@{pooler}{urlsplit(dsn).path}"


def test_start_without_the_setting_names_it(pooler: str, dsn: str) -> None:
    finished = run_with("serve", "--port", "0", DATABASE_URL=through(pooler, dsn))
    assert_fails(finished, UNKNOWN_PARAMETER)


async def test_check_without_the_setting_fails_and_with_it_passes(pooler: str, dsn: str) -> None:
    address = through(pooler, dsn)
    with pytest.raises(StartError) as raised:
        await bootstrap.check_session(Settings(database_url=address))
    assert str(raised.value) == UNKNOWN_PARAMETER
    await bootstrap.check_session(Settings(database_url=address, pgbouncer=True))
    await bootstrap.check_session(Settings(database_url=dsn))


async def test_service_serves_through_it(pooler: str, dsn: str, start_service: StartService) -> None:
    service = await start_service(database_url=through(pooler, dsn), pgbouncer=True)
    key = await service.make_key()
    client = await service.client(key=key)
    assert (await client.get("/readyz")).json() == {"status": "ready"}
    for number in range(20):
        scores = {"scores": {"accuracy": number}}
        assert (await client.post(f"/v1/request/r{number}/score", json=scores)).status_code == 200
        row = (await client.get(f"/v1/request/r{number}")).json()["data"]
        assert row["scores"] == {"accuracy": number}
    lines = "".join(f'{{"requestId": "bulk{n}", "scores": {{"accuracy": 7}}}}\n' for n in range(2000))
    bulk = await client.post(
        "/v1/scores/batch", content=lines, headers={"Content-Type": "application/x-ndjson"}
    )
    assert bulk.status_code == 200, bulk.text
    counted = {"filter": {"request_response_rmt": {"scores": {"accuracy": {"equals": 7}}}}}
    assert (await client.post("/v1/request/count/query", json=counted)).json()["data"] == 2001
    exported = await client.post("/v1/export", json=counted)
    assert (exported.status_code, exported.text.count("\n")) == (200, 2001)
    async with httpx.AsyncClient(base_url=service.address, timeout=30) as browser:
        assert (await browser.post("/sign-in", data={"key": key})).status_code == 303
        for page in ("/", "/requests", "/requests/r7", "/compare"):
            assert (await browser.get(page)).status_code == 200


async def test_slow_statement_says_so(pooler: str, dsn: str, start_service: StartService) -> None:
    service = await start_service(database_url=through(pooler, dsn), pgbouncer=True, statement_timeout_ms=500)
    client = await service.client()
    assert (await client.post("/v1/request/r/score", json={"scores": {"accuracy": 1}})).status_code == 200
    connection = await asyncpg.connect(dsn)
    try:
        async with connection.transaction():
            await connection.execute("LOCK TABLE request, score IN ACCESS EXCLUSIVE MODE")
            read = await client.post("/v1/request/count/query", json={"filter": "all"})
            write = await client.post("/v1/request/r/score", json={"scores": {"accuracy": 2}})
    finally:
        await connection.close()
    assert (read.status_code, read.json()["error"]) == (
        503,
        "the database took longer than the limit of 500 ms; narrow the filter or the time range",
    )
    assert (write.status_code, write.json()["error"]) == (
        503,
        "the scores could not be written in time, please try again",
    )


async def test_migrations_run_through_it(pooler: str, empty_dsn: str) -> None:
    connection = await bootstrap.connect(through(pooler, empty_dsn), pgbouncer=True)
    try:
        assert await bootstrap.migrate(connection) == [one.name for one in read_migrations()]
        alone = Migration(9001, "9001_alone", "c", ("CREATE TABLE t ()",), in_transaction=False)
        with pytest.raises(MigrationError) as raised:
            await migrate(connection, [alone])
        assert str(raised.value) == (
            "migration 9001_alone needs a session of its own, which no PgBouncer gives: run heliscore "
            "migrate with the address of PostgreSQL itself, then start again"
        )
    finally:
        await connection.close()
