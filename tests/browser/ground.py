"""A service on a database of its own, in a thread: it answers while the event loop waits for the browser."""

from __future__ import annotations

import socket
import threading
import time
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import msgspec
from heliscore.api.native.monitor_definitions import encode_definition, read_definition
from heliscore.api.native.monitor_fields import BODY
from heliscore.demo import organization
from heliscore.demo.traffic import make_requests
from heliscore.domain.api_key import Permissions, hash_key, mint_key
from heliscore.domain.destination import Delivery
from heliscore.domain.review_queue import QueueTerms
from heliscore.server.http_server import HttpServer
from heliscore.settings import Settings
from heliscore.store import (
    deliveries,
    destinations,
    keys,
    monitors,
    organizations,
    queue_items,
    review_queues,
)
from heliscore.store.connections.pool import Connection
from heliscore.store.schema import bootstrap

from tests.conftest import TEMPLATE, at_database
from tests.servers import make_server

ORGANIZATION: Final = "demo"
MONITOR: Final = "3b0c4a52-5f3e-4a8e-9a52-6f1a0c9d7e11"
"""A monitor of the demo organization."""

_MONITOR: Final = {
    "name": "relevance of each prompt",
    "score": "relevance",
    "statistic": "average",
    "groupBy": "prompt_id",
    "windowMinutes": 7 * 24 * 60,
    "everyMinutes": 12 * 60,
    "condition": {"worseThan": "previous", "margin": 2},
    "atLeastScores": 20,
}

DESTINATION: Final = "5d0f6b3e-8a54-4c1e-9b7d-2f4f0e6c1a22"
DELIVERY: Final = "7c1b9f40-1d6a-4f0a-8f53-3a9d1c2e4b33"
"""A destination of the demo organization and a delivery to it, which was given up. It is paused: nothing is
sent."""

QUEUE: Final = "5e2f6a10-3c1b-4d0e-9f7a-2b8d4c6e0f11"
"""A review queue of the demo organization."""

_QUEUE: Final = QueueTerms(
    name="support answers of the week",
    instructions="Would the answer have helped the customer? Read the whole conversation first.",
    scores=("relevance", "has_citations"),
    reviewers_per_item=2,
    is_blind=True,
    reservation_minutes=30,
)

_WAIT_S: Final = 60


class Ground:
    """A service that can be stopped and started again at the same address."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self._port = 0
        self._server: HttpServer | None = None
        self._thread: threading.Thread | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def elsewhere(self) -> str:
        """Another origin, whose pages may call the service: it is the same, under another name."""
        return f"http://localhost:{self._port}"

    def start(self) -> None:
        listener = socket.create_server(("127.0.0.1", self._port))
        self._port = listener.getsockname()[1]
        self._server = make_server(Settings(database_url=self.dsn, cors_origins=self.elsewhere))
        self._thread = threading.Thread(target=self._server.run, args=([listener],))
        self._thread.start()
        deadline = time.monotonic() + _WAIT_S
        while not self._server.started:
            assert self._thread.is_alive()
            assert time.monotonic() < deadline
            time.sleep(0.005)

    def stop(self) -> None:
        """Stop the service, if it runs."""
        if self._server is None or self._thread is None:
            return
        self._server.should_exit = True
        self._thread.join(_WAIT_S)
        assert not self._thread.is_alive()
        self._server = self._thread = None

    async def make_key(self, permissions: Permissions = "rw", name: str = ORGANIZATION) -> str:
        """Make a key of an organization, which comes into being if need be."""
        connection = await bootstrap.connect(self.dsn)
        try:
            key = mint_key()
            id_ = await organizations.ensure(connection, name)
            await keys.register(connection, id_, key, name="test", permissions=permissions)
            return key
        finally:
            await connection.close()

    async def revoke(self, key: str) -> None:
        """End a key, and with it the sessions that it began."""
        connection = await bootstrap.connect(self.dsn)
        try:
            found = await keys.find(connection, hash_key(key))
            assert found is not None
            await keys.revoke(connection, found.key_id)
        finally:
            await connection.close()


async def make_database(server: str, name: str, requests: int, *, furnished: bool = False) -> str:
    """Make a migrated database, with that many requests of the demo if any, and return its address."""
    connection = await bootstrap.connect(server)
    await connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    await connection.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
    await connection.close()
    dsn = at_database(server, name)
    connection = await bootstrap.connect(dsn)
    await organizations.ensure(connection)
    if requests:
        await fill_demo(connection, requests, furnished=furnished)
    await connection.close()
    return dsn


async def fill_demo(connection: Connection, requests: int, *, furnished: bool) -> str:
    """Make the demo organization, with that many requests of 30 days, and return its key. It may be furnished
    with definitions of scores, views and what else the demo has."""
    id_, key = await organization.ensure(connection, ORGANIZATION)
    assert key is not None
    now = datetime.now(UTC)
    visits = make_requests(id_, count=requests, days=30, seed=1, now=now)
    await organization.fill(connection, visits, lambda _: None)
    if furnished:
        await organization.furnish(connection, id_, now)
    definition, _ = read_definition(BODY, msgspec.json.encode(_MONITOR))
    made = await monitors.add_monitor(connection, id_, definition, encode_definition(definition))
    await connection.execute("UPDATE monitor SET id = $1 WHERE id = $2", MONITOR, made)
    await _add_destination(connection, id_)
    await fill_queue(connection, id_)
    return key


async def _add_destination(connection: Connection, organization_id: int) -> None:
    added = await destinations.add_destination(
        connection,
        organization_id,
        kind="webhook",
        name="quality on call",
        address="https://hooks.example.org/heliscore",
        events=["alert.firing", "alert.resolved"],
        options={},
        secret=None,
        digest="weekly",
    )
    assert added is not None
    await connection.execute("UPDATE destination SET id = $1 WHERE id = $2", DESTINATION, added.id)
    await destinations.change_destination(
        connection, organization_id, UUID(DESTINATION), ["webhook"], is_enabled=False
    )
    body = b'{"type":"destination.test","data":{"destination":{"name":"quality on call"}}}'
    delivery = Delivery(id=UUID(DELIVERY), type="destination.test", body=body.decode())
    stored = msgspec.structs.replace(added, id=UUID(DESTINATION))
    await deliveries.note_test(connection, stored, delivery, 503, "the receiver answered 503")


async def fill_queue(connection: Connection, organization_id: int) -> None:
    """Make a queue that two reviewers have begun. Their scores are left out: other tests know the demo's."""
    made = await review_queues.add_queue(connection, organization_id, _QUEUE)
    await connection.execute("UPDATE review_queue SET id = $1 WHERE id = $2", QUEUE, made)
    numbers = [number for (number,) in await connection.fetch(_OLDEST, organization_id)]
    await queue_items.add_items(connection, organization_id, QUEUE, numbers)
    for person, place, count in (("human:Ann", 1, 9), ("human:Bob", 2, 7)):
        await connection.execute(_DONE, organization_id, QUEUE, place, person, count)


_OLDEST: Final = """
SELECT request_no FROM request WHERE organization_id = $1 ORDER BY created_at LIMIT 12
"""
_DONE: Final = """
UPDATE queue_review SET reviewer = $4, done_at = now()
WHERE organization_id = $1 AND queue_id = $2 AND place = $3 AND position <= $5
"""


async def drop_database(server: str, name: str) -> None:
    connection = await bootstrap.connect(server)
    await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await connection.close()
