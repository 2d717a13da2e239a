"""Two services that send events, killed in turn: no event is lost, and what comes twice has the same id."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import httpx

from tests.faults.conftest import External, Machine
from tests.faults.killing import END_DESTINATION_CLAIMS, first_arrivals, kill, machines
from tests.faults.load import ROUNDS
from tests.outbound.receiver import Got, Receiver, answering

__all__ = ["machines"]

BATCHES_BETWEEN_KILLS = 1


async def post_until(done: asyncio.Event, client: httpx.AsyncClient) -> list[str]:
    """Post scores until then; returns the requests that were acknowledged."""
    acknowledged: list[str] = []
    number = 0
    while not done.is_set():
        number += 1
        request_id = f"r{number}"
        response = await client.post(f"/v1/request/{request_id}/score", json={"scores": {"n": number}})
        if response.status_code == 200:
            acknowledged.append(request_id)
    return acknowledged


async def test_no_event_is_lost_when_services_are_killed(machines: list[Machine], external: External) -> None:
    poster, killed = machines

    async def answer_slowly(got: Got, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.02)  # so that some are killed while they wait for the answer
        await answering(200)(got, writer)

    async with (
        Receiver().listening() as receiver,
        poster.client() as client,
        external.connected() as connection,
    ):
        receiver.behave = answer_slowly
        destination = {
            "kind": "webhook",
            "name": "ours",
            "address": receiver.url,
            "events": ["score.recorded"],
        }
        assert (await client.post("/v1/destinations", json=destination)).status_code == 200
        done = asyncio.Event()
        posting = asyncio.create_task(post_until(done, client))
        for _ in range(ROUNDS):
            await receiver.arrived(len(receiver.got) + BATCHES_BETWEEN_KILLS)
            await kill(killed)
            await connection.execute(END_DESTINATION_CLAIMS)
            await killed.start()
        done.set()
        acknowledged = await posting
        async with asyncio.timeout(30):
            while set(acknowledged) - set(requests_of(receiver)):
                await connection.execute(END_DESTINATION_CLAIMS)
                await asyncio.sleep(0.1)

    once = [request_id for body in first_arrivals(receiver).values() for request_id in requests_in(body)]
    assert len(once) == len(set(once))  # no event is in two deliveries
    assert [id_ for id_ in once if id_ in set(acknowledged)] == acknowledged  # first arrivals are in order


def requests_of(receiver: Receiver) -> Iterator[str]:
    for got in receiver.got:
        yield from requests_in(got.body)


def requests_in(body: bytes) -> list[str]:
    return [event["data"]["requestId"] for event in json.loads(body)["data"]["events"]]
