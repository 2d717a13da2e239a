"""Real parts for every test: a PostgreSQL (embedded, or the one of TEST_DATABASE_URL), a database of its own
for each test, copied from a migrated template, and the service behind a real uvicorn."""

from __future__ import annotations

import asyncio
import os
import tempfile
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import httpx
import hypothesis
import msgspec
import pytest
from heliscore import pools
from heliscore.domain.api_key import Permissions, mint_key
from heliscore.jobs import counting
from heliscore.postgres.embedded import EmbeddedPostgres
from heliscore.settings import Settings
from heliscore.store import keys, organizations
from heliscore.store.cluster import distribution
from heliscore.store.connections import database_identity, pool, sessions
from heliscore.store.connections.carrying import CarryingConnection, find_cluster
from heliscore.store.connections.json_columns import JsonReader
from heliscore.store.connections.pool import Connection, Database, open_database
from heliscore.store.schema import bootstrap
from heliscore.store.scores import ScoreIds
from hypothesis import HealthCheck

from tests.servers import MEMORY, NO_CERTIFICATES, has_room, listening_socket, make_server, temporary_server

# The machine serves others too: how long an example takes says nothing. `make fuzz` tries new ones.
hypothesis.settings.register_profile(
    "tests",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
hypothesis.settings.load_profile("tests")

TEMPLATE = f"test_{uuid.uuid4().hex[:16]}"
"""The name of the template, and the beginning of the names of other databases that a test process keeps until
its end: several processes may use one server."""

DISTRIBUTED = os.environ.get("TEST_DISTRIBUTED") == "true"
"""Whether the tables of the template are distributed: TEST_DATABASE_URL then leads to a server with Citus."""

if DISTRIBUTED:
    _connect = asyncpg.connect

    async def _connect_carrying(*arguments: Any, **options: Any) -> Any:
        """Connect as the service does: the tests' own connections run its statements too."""
        options.setdefault("connection_class", CarryingConnection)
        connection = await _connect(*arguments, **options)
        if isinstance(connection, CarryingConnection):
            connection.carries = await find_cluster(connection, even_unfinished=True)
        return connection

    asyncpg.connect = _connect_carrying

MAX_JSON_BYTES = 64 * 1024 * 1024


def at_database(dsn: str, name: str) -> str:
    """The same server, another database."""
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{name}"))


async def _execute(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def _copy_database(server: str, template: str, name: str) -> None:
    """Copy a database file by file: the other way, block by block through the log, takes six times as much of
    a processor, 180 ms a copy. It is the only one that PostgreSQL 14 has."""
    connection = await asyncpg.connect(server)
    try:
        strategy = "STRATEGY file_copy" if connection.get_server_version() >= (15,) else ""
        await connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} {strategy}")
    finally:
        await connection.close()


async def _make_template(server: str) -> None:
    await _execute(server, f"CREATE DATABASE {TEMPLATE}")
    connection = await bootstrap.connect(at_database(server, TEMPLATE))
    await bootstrap.migrate(connection)
    if DISTRIBUTED:
        await _distribute(connection)
    await connection.close()
    if DISTRIBUTED:
        # Citus has a session of its own in each database, and what is in use cannot be copied.
        await _execute(server, f"ALTER DATABASE {TEMPLATE} ALLOW_CONNECTIONS false")
        sessions = f"FROM pg_stat_activity WHERE datname = '{TEMPLATE}'"
        await _execute(server, f"SELECT pg_terminate_backend(pid, 5000::bigint) {sessions}")


async def _distribute(connection: Connection) -> None:
    """Make a cluster of one node."""
    await connection.execute("CREATE EXTENSION citus")
    port = await connection.fetchval("SELECT current_setting('port')::integer")
    await connection.execute("SELECT citus_set_coordinator_host('127.0.0.1', $1)", port)
    await connection.execute(
        "SELECT citus_set_node_property('127.0.0.1', $1, 'shouldhaveshards', true)", port
    )
    await distribution.distribute(connection, lambda _: None, shards=1)


def pytest_configure() -> None:
    """Put what tests write and throw away into memory: the files of their databases are most of it."""
    if has_room(MEMORY) and "TMPDIR" not in os.environ:
        os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Take the first file of each folder, then the second of each, and so on, as processes do with xdist's
    `--no-loadscope-reorder`: all wait for a long file that is begun last, and two that provoke faults at once
    disturb each other."""
    files: dict[Path, dict[Path, int]] = {}
    for item in items:
        folder = files.setdefault(item.path.parent, {})
        folder.setdefault(item.path, len(folder))
    items.sort(key=lambda item: files[item.path.parent][item.path])


async def _drop_kept(server: str) -> None:
    connection = await asyncpg.connect(server)
    names = await connection.fetch("SELECT datname FROM pg_database WHERE starts_with(datname, $1)", TEMPLATE)
    for (name,) in names:
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await connection.close()


@pytest.fixture(scope="session", autouse=True)
def patience() -> Iterator[None]:
    """Services in this process wait longer for a connection than they would: the machine may stand still for
    some seconds, and what is refused then would be no fault. And they count no scores: tests that compare all
    tables would find that changed."""
    with pytest.MonkeyPatch.context() as patch:
        for module, name in (
            (pools, "_QUICK_MAX_EXPECTED_WAIT_S"),
            (pool, "_ACQUIRE_TIMEOUT_S"),
            (sessions, "_CONNECT_TIMEOUT_S"),
            (database_identity, "_TIMEOUT_S"),
        ):
            patch.setattr(module, name, 30)
        patch.setattr(counting, "_PAUSE_S", 3600.0)
        yield


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The address of a PostgreSQL server with a migrated template database."""
    configured = os.environ.get("TEST_DATABASE_URL")
    if configured:
        asyncio.run(_make_template(configured))
        yield configured
        asyncio.run(_drop_kept(configured))
        return
    with temporary_server() as dsn:
        asyncio.run(_make_template(dsn))
        yield dsn


@pytest.fixture(scope="session")
def cluster() -> Iterator[Path]:
    """A cluster of an embedded server to copy, because initdb takes a processor for most of a second."""
    with tempfile.TemporaryDirectory() as made:
        with EmbeddedPostgres(Path(made)):
            pass
        yield Path(made, "pgdata")


@pytest.fixture
async def empty_dsn(server: str) -> AsyncIterator[str]:
    """An empty database of the test's own."""
    async for dsn in _own_database(server, "template1"):
        yield dsn


@pytest.fixture
async def dsn(server: str) -> AsyncIterator[str]:
    """A migrated database of the test's own."""
    async for dsn in _own_database(server, TEMPLATE):
        yield dsn


@contextmanager
def filled_database(server: str, fill: Callable[[str], Coroutine[Any, Any, None]]) -> Iterator[str]:
    """The address of a migrated database that is filled once, for many tests that only read it."""
    name = f"test_{uuid.uuid4().hex}"
    asyncio.run(_copy_database(server, TEMPLATE, name))
    try:
        dsn = at_database(server, name)
        asyncio.run(fill(dsn))
        yield dsn
    finally:
        asyncio.run(_execute(server, f"DROP DATABASE {name} WITH (FORCE)"))


async def _own_database(server: str, template: str) -> AsyncIterator[str]:
    name = f"test_{uuid.uuid4().hex}"
    await _copy_database(server, template, name)
    try:
        yield at_database(server, name)
    finally:
        await _execute(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def connection(dsn: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """A connection that reads JSON as the service's do."""
    connection = await bootstrap.connect(dsn)
    json = JsonReader()
    json.begin(MAX_JSON_BYTES)
    await json.attach(connection)
    try:
        yield connection
    finally:
        await connection.close()


@pytest.fixture
async def database(dsn: str) -> AsyncIterator[Database]:
    database = await open_database(Settings(database_url=dsn))
    try:
        yield database
    finally:
        await database.close()


@pytest.fixture
async def organization_id(connection: asyncpg.Connection[asyncpg.Record]) -> int:
    return await organizations.ensure(connection)


@pytest.fixture
def ids() -> ScoreIds:
    return ScoreIds()


async def register_key(connection: Connection, organization: str, permissions: Permissions) -> str:
    """Make a key of the organization, which is made where there is none."""
    key = mint_key()
    id_ = await organizations.ensure(connection, organization)
    await keys.register(connection, id_, key, name="test", permissions=permissions)
    return key


class Service:
    """A running service and clients with keys."""

    def __init__(self, address: str, dsn: str) -> None:
        self.address = address
        self.dsn = dsn
        self._clients = AsyncExitStack()

    async def make_key(self, organization: str = "default", permissions: Permissions = "rw") -> str:
        connection = await asyncpg.connect(self.dsn)
        try:
            return await register_key(connection, organization, permissions)
        finally:
            await connection.close()

    async def client(
        self, organization: str = "default", permissions: Permissions = "rw", *, key: str | None = None
    ) -> httpx.AsyncClient:
        """A client with a good key of the organization, or with the given one (empty: none)."""
        if key is None:
            key = await self.make_key(organization, permissions)
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        client = httpx.AsyncClient(
            base_url=self.address, headers=headers, timeout=30, verify=NO_CERTIFICATES, trust_env=False
        )
        return await self._clients.enter_async_context(client)

    async def close(self) -> None:
        await self._clients.aclose()


StartService = Callable[..., Awaitable[Service]]


@pytest.fixture
async def start_service(dsn: str) -> AsyncIterator[StartService]:
    """Start the service on the test's database, with settings of the test's choice."""
    async with AsyncExitStack() as stack:

        async def start(**settings: object) -> Service:
            configured = msgspec.structs.replace(Settings(database_url=dsn, log_level="warning"), **settings)
            listener = listening_socket()
            server = make_server(configured)
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            while not server.started:
                await asyncio.sleep(0.001)
                assert not serving.done()
            service = Service("http://{}:{}".format(*listener.getsockname()), dsn)

            async def stop() -> None:
                await service.close()
                server.should_exit = True
                await serving

            stack.push_async_callback(stop)
            return service

        yield start


@pytest.fixture
async def service(start_service: StartService) -> Service:
    """The service with its default settings."""
    return await start_service()


@pytest.fixture
async def client(service: Service) -> httpx.AsyncClient:
    """A client of the default organization, allowed to read and write."""
    return await service.client()
