"""One service for the tests that need no more than an organization of their own: as empty as a database of
their own, and much cheaper. Tests that change the service or its database start one (`start_service`)."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import AsyncIterator, Iterator

import asyncpg
import httpx
import pytest
from heliscore.settings import Settings
from heliscore.store import organizations
from heliscore.store.connections.pool import Connection

from tests.conftest import TEMPLATE, Service, at_database
from tests.servers import listening_socket, make_server

SHARED = f"{TEMPLATE}_shared"


@pytest.fixture(scope="session")
def shared_address(server: str) -> Iterator[str]:
    """The address of the shared service, which runs in a thread, and so outlives the tests' event loops."""

    async def make_database() -> None:
        connection = await asyncpg.connect(server)
        await connection.execute(f"CREATE DATABASE {SHARED} TEMPLATE {TEMPLATE}")
        await connection.close()

    asyncio.run(make_database())
    settings = Settings(database_url=at_database(server, SHARED), log_level="warning")
    listener = listening_socket()
    service = make_server(settings)
    thread = threading.Thread(target=service.run, args=([listener],))
    thread.start()
    yield "http://{}:{}".format(*listener.getsockname())
    service.should_exit = True
    thread.join()


@pytest.fixture
async def shared(shared_address: str, server: str) -> AsyncIterator[Service]:
    """The shared service and clients of it for one test."""
    service = Service(shared_address, at_database(server, SHARED))
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
