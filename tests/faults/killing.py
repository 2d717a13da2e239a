"""Two services that are killed in turn, and receivers of what they send."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tests.faults.conftest import External, Machine
from tests.outbound.receiver import Receiver
from tests.test_cli import Served

END_DESTINATION_CLAIMS = "UPDATE destination SET claimed_until = now() WHERE claimed_until > now()"
"""What half a minute does."""


@pytest.fixture
async def machines(start: Callable[..., Served], external: External) -> list[Machine]:
    """Two services on one database that may send to this machine."""
    allowed = {"DATABASE_URL": external.dsn, "OUTBOUND_ALLOW": "127.0.0.1"}
    machines = [Machine(start, **allowed), Machine(start, **allowed)]
    await asyncio.gather(*(machine.start() for machine in machines))
    return machines


async def kill(machine: Machine) -> None:
    assert machine.served is not None
    await asyncio.to_thread(machine.served.kill)


def first_arrivals(receiver: Receiver) -> dict[str, bytes]:
    """The deliveries in the order of their first arrivals, by id: what comes again is the same."""
    bodies: dict[str, bytes] = {}
    for got in receiver.got:
        assert bodies.setdefault(got.headers["webhook-id"], got.body) == got.body
    return bodies
