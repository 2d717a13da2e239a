"""One service for the tests that need no more than an organization of their own: as empty as a database of
their own, and much cheaper. Tests that change the service or its database start one (`start_service`)."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import Future
from typing import Any, TypeVar

import asyncpg
import httpx
import pytest
from heliscore.domain.api_key import Permissions
from heliscore.settings import Settings
from heliscore.store import organizations
from heliscore.store.connections.pool import Connection

from tests.conftest import TEMPLATE, Service, at_database, register_key
from tests.provider import SERVER_KEY, Provider
from tests.servers import listening_socket, make_server

T = TypeVar("T")

SHARED = f"{TEMPLATE}_shared"


@pytest.fixture(scope="session")
def shared_provider() -> Iterator[Provider]:
    """The provider to which the shared service forwards calls."""
    with Provider() as provider:
        yield provider


@pytest.fixture
def provider(shared_provider: Provider) -> Provider:
    """The same, with nothing of earlier tests in it."""
    shared_provider.begin()
    return shared_provider


@pytest.fixture(scope="session")
def shared_address(server: str, shared_provider: Provider) -> Iterator[str]:
    """The address of the shared service, which runs in a thread, and so outlives the tests' event loops."""

    async def make_database() -> None:
        connection = await asyncpg.connect(server)
        await connection.execute(f"CREATE DATABASE {SHARED} TEMPLATE {TEMPLATE}")
        await connection.close()

    asyncio.run(make_database())
    settings = Settings(
        database_url=at_database(server, SHARED),
        log_level="warning",
        gateway_targets=shared_provider.address,
        gateway_keys=f"{shared_provider.address}={SERVER_KEY}",
    )
    listener = listening_socket()
    service = make_server(settings)
    thread = threading.Thread(target=service.run, args=([listener],))
    thread.start()
    yield "http://{}:{}".format(*listener.getsockname())
    service.should_exit = True
    thread.join()


class KeyMaker:
    """Makes keys on one connection, which is kept in the loop of a thread: a connection for each takes
    14 ms of a processor, a key on it 1 ms."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._pool = self._call(self._open()).result()

    async def make(self, organization: str, permissions: Permissions) -> str:
        return await asyncio.wrap_future(self._call(self._make(organization, permissions)))

    def close(self) -> None:
        self._call(self._pool.close()).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def _open(self) -> asyncpg.Pool[asyncpg.Record]:
        return await asyncpg.create_pool(self._dsn, min_size=1, max_size=1)

    async def _make(self, organization: str, permissions: Permissions) -> str:
        async with self._pool.acquire() as connection:
            return await register_key(connection, organization, permissions)


class SharedService(Service):
    """A service that many tests share, with a connection that makes their keys."""

    def __init__(self, address: str, dsn: str, key_maker: KeyMaker) -> None:
        super().__init__(address, dsn)
        self._key_maker = key_maker

    async def make_key(self, organization: str = "default", permissions: Permissions = "rw") -> str:
        return await self._key_maker.make(organization, permissions)


@pytest.fixture(scope="session")
def key_maker(shared_address: str, server: str) -> Iterator[KeyMaker]:  # noqa: ARG001
    maker = KeyMaker(at_database(server, SHARED))
    yield maker
    maker.close()


@pytest.fixture
async def shared(shared_address: str, server: str, key_maker: KeyMaker) -> AsyncIterator[Service]:
    """The shared service and clients of it for one test."""
    service = SharedService(shared_address, at_database(server, SHARED), key_maker)
    yield service
    await service.close()


@pytest.fixture
def organization() -> str:
    """The name of the test's own organization."""
    return f"organization {uuid.uuid4()}"


@pytest.fixture
async def client(shared: Service, organization: str) -> httpx.AsyncClient:
    """A client of the test's own organization, allowed to read and write."""
    return await shared.client(organization)


@pytest.fixture
async def connection(shared: Service) -> AsyncIterator[Connection]:
    """A connection to the shared service's database."""
    connection = await asyncpg.connect(shared.dsn)
    yield connection
    await connection.close()


@pytest.fixture
async def organization_id(connection: Connection, organization: str) -> int:
    return await organizations.ensure(connection, organization)


@pytest.fixture
async def own(dsn: str) -> AsyncIterator[Connection]:
    """A connection to the database of the test's own service."""
    own = await asyncpg.connect(dsn)
    yield own
    await own.close()
