"""The network between service and database fails while clients post."""

from __future__ import annotations

import asyncio
import os
import signal
import socket

import httpx
import pytest
from heliscore.settings import Settings
from heliscore.store.connections.orphan_backends import WatchfulConnection
from heliscore.store.connections.pool import open_database

from tests.faults.conftest import External, Machine
from tests.faults.load import ROUNDS
from tests.faults.proxy import Proxy


async def test_nothing_is_lost_when_the_network_is_cut(proxy: Proxy, remote_machine: Machine) -> None:
    async with remote_machine.suffering("network cut") as load:
        for _ in range(ROUNDS):
            await load.reach(100)
            proxy.cut()
            await load.error_response()
            await proxy.restore()
            await load.heal()


async def test_nothing_is_lost_when_the_network_stalls(proxy: Proxy, remote_machine: Machine) -> None:
    async with remote_machine.suffering("network stalls, then delivers") as load:
        for _ in range(ROUNDS):
            await load.reach(100)
            proxy.stall()
            await asyncio.sleep(1)
            proxy.resume()
            await load.heal()


async def test_nothing_is_lost_when_the_network_swallows(proxy: Proxy, remote_machine: Machine) -> None:
    async with remote_machine.suffering("network swallows, connections lost") as load:
        proxy.stall()
        await asyncio.sleep(4)
        proxy.cut()
        proxy.resume()
        await proxy.restore()
        await load.heal()


async def test_server_that_is_gone_is_noticed_by_its_connections(external: External, proxy: Proxy) -> None:
    """The kernel gives a connection up whose packets are not confirmed any more. A proxy confirms them, so
    what is asked of the kernel is compared."""
    database = await open_database(Settings(database_url=external.dsn_through(proxy.port)))
    async with database.connection() as connection:
        assert isinstance(connection, WatchfulConnection)
        plug = connection.socket
        options = {
            name: plug.getsockopt(socket.IPPROTO_TCP, getattr(socket, name))
            for name in ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT")
        }
        assert plug.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    await database.close()
    assert options == {"TCP_KEEPIDLE": 2, "TCP_KEEPINTVL": 1, "TCP_KEEPCNT": 2, "TCP_USER_TIMEOUT": 3000}


async def test_statement_of_a_lost_connection_does_not_undo_a_later_one(
    external: External, proxy: Proxy, remote_machine: Machine
) -> None:
    """The database is at work on a post when the connection breaks, and does not hear of that."""
    async with remote_machine.client() as client, external.busy_with(post(client, 1)) as first:
        proxy.sever()
        assert (await first).status_code == 503
        assert (await post(client, 2)).status_code == 200
        await asyncio.sleep(3)
        assert (await client.get("/v1/request/r")).json()["data"]["scores"] == {"a": 2}


async def test_statement_of_a_killed_service_does_not_undo_a_later_one(
    external: External, machine: Machine
) -> None:
    """The database is at work on a post when the service is killed."""
    async with machine.client() as client, external.busy_with(post(client, 1)) as first:
        os.kill(machine.pid, signal.SIGKILL)
        with pytest.raises(httpx.TransportError):
            await first
    await machine.start()
    async with machine.client() as client:
        assert (await post(client, 2)).status_code == 200
        await asyncio.sleep(3)
        assert (await client.get("/v1/request/r")).json()["data"]["scores"] == {"a": 2}


async def post(client: httpx.AsyncClient, value: int) -> httpx.Response:
    return await client.post("/v1/request/r/score", json={"scores": {"a": value}})
