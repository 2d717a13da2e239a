"""Live events: what a client that listens hears, and what it hears when it comes back."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import httpx
import msgspec
import pytest
from heliscore import main
from heliscore.api.http import live_events
from heliscore.api.http.listener import TOO_SLOW
from heliscore.api.http.live_events import LiveEvents
from heliscore.api.native import event_stream
from heliscore.domain.event_position import decode_position
from heliscore.store import events
from heliscore.store.connections.pool import Connection

from tests.api.envelope import faulty, post
from tests.api.event_reading import EventClient, Frame, listening
from tests.api.test_event_log import LOG
from tests.conftest import Service, StartService

ALERTS = {"types": "alert.firing,alert.resolved"}


@pytest.fixture
def quick_heartbeats() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(main, "LiveEvents", partial(LiveEvents, poll_s=0.1, heartbeat_s=0.2))
        yield


async def test_listener_hears_what_is_written_from_ready_on(client: httpx.AsyncClient) -> None:
    await post(client, "before", {"a": 0})
    async with listening(client) as listener:
        assert listener.response.headers["content-type"] == "text/event-stream"
        assert listener.response.headers["cache-control"] == "no-store"
        assert listener.retry_ms == 2000
        for value in (1, True, 7):
            await post(client, "r", {"a": value})
        assert await listener.scores(3) == [("r", "a", 1), ("r", "a", True), ("r", "a", 7)]


async def test_frame_is_the_whole_event(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    async with listening(client, types="request.logged,alert.firing") as listener:
        assert (await client.post("/custom/v1/log", json=LOG)).is_success
        await post(client, "r", {"a": 1})
        await events.publish_alert(
            connection, organization_id, "alert.firing", {"monitor": "m", "destinations": []}
        )
        logged, alert = await listener.next(), await listener.next()
    assert logged is not None
    assert (logged.event, set(logged.data)) == ("request.logged", {"id", "type", "timestamp", "data"})
    assert logged.data["data"]["requestId"] == "r"
    assert alert is not None
    number, at = alert.data.pop("id"), alert.data.pop("timestamp")
    assert number.startswith("evt_")
    assert datetime.fromisoformat(at) > datetime.now(UTC) - timedelta(minutes=1)
    assert alert == Frame("alert.firing", {"type": "alert.firing", "data": {"monitor": "m"}})


async def test_listeners_hear_their_own_organization_only(
    shared: Service, client: httpx.AsyncClient, organization: str
) -> None:
    other = await shared.client(f"not {organization}")
    async with listening(client) as one, listening(other) as another:
        await post(other, "theirs", {"a": 1})
        await post(client, "ours", {"a": 2})
        assert await one.scores(1) == [("ours", "a", 2)]
        assert await another.scores(1) == [("theirs", "a", 1)]
        # An id of the one opens nothing to the other.
        assert one.last_id is not None
    async with listening(other, one.last_id) as another:
        await post(other, "again", {"a": 3})
        found = await another.scores(1)
        assert all(request_id != "ours" for request_id, _, _ in found)


async def test_client_resumes_where_it_was(client: httpx.AsyncClient) -> None:
    async with listening(client) as listener:
        await post(client, "r", {"a": 1})
        await listener.scores(1)
        last_id = listener.last_id
    await post(client, "r", {"a": 2, "b": 2})
    await post(client, "r", {"a": 3})
    async with listening(client, last_id) as listener:
        assert listener.last_id == last_id  # until something was sent
        assert sorted(await listener.scores(3)) == [("r", "a", 2), ("r", "a", 3), ("r", "b", 2)]
        await post(client, "r", {"a": 4})
        assert await listener.scores(1) == [("r", "a", 4)]
        assert listener.comments == ["up to date"]
        last_id = listener.last_id
    async with listening(client, lastEventId=last_id or "") as listener:
        await post(client, "r", {"a": 5})
        assert await listener.scores(1) == [("r", "a", 5)]


async def test_client_that_is_cut_off_amid_missed_events_resumes_there(client: httpx.AsyncClient) -> None:
    async with listening(client) as listener:
        last_id = listener.last_id
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(event_stream, "_PAGE", 3)
        for number in range(8):
            await post(client, f"r{number}", {"a": number})
        heard: list[tuple[str, str, Any]] = []
        while len(heard) < 8:
            async with listening(client, last_id) as listener:
                heard += await listener.scores(min(3, 8 - len(heard)))
                last_id = listener.last_id
    assert heard == [(f"r{number}", "a", number) for number in range(8)]


@pytest.mark.usefixtures("quick_heartbeats")
async def test_quiet_listener_gets_heartbeats_with_ids(start_service: StartService) -> None:
    service = await start_service()
    client = await service.client()
    async with listening(client, **ALERTS) as listener:
        first = decode_position(listener.last_id or "")
        await post(client, "r", {"a": 1})
        await post(await service.client("other"), "r", {"a": 1})
        reading = asyncio.create_task(listener.next())
        while len(listener.comments) < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        reading.cancel()
        assert set(listener.comments) == {"heartbeat"}
        last = decode_position(listener.last_id or "")
    assert first is not None
    assert last is not None
    assert last.at > first.at


@pytest.mark.parametrize(
    "last_id", ["x", "/", "é", "Zm9v", "A" * 9000, "YWJjZGVmMDEvMS8xOjA6LzA6LzA"], ids=range(6)
)
async def test_id_that_is_none_is_an_error(client: httpx.AsyncClient, last_id: str) -> None:
    answer = await client.get("/v1/events", params={"lastEventId": last_id})
    expected = faulty(("lastEventId", "this is not an id of /v1/events"))
    assert (answer.status_code, answer.json()) == (400, expected)
    if last_id.isascii():
        answer = await client.get("/v1/events", headers={"Last-Event-ID": last_id})
        expected = faulty(("Last-Event-ID", "this is not an id of /v1/events"))
        assert (answer.status_code, answer.json()) == (400, expected)


async def test_type_that_is_none_is_an_error(client: httpx.AsyncClient) -> None:
    for types in ("score.recorded,score", "", ","):
        answer = await client.get("/v1/events", params={"types": types})
        assert answer.status_code == 400
        assert [detail["path"] for detail in answer.json()["details"]] == ["types"]


async def position_of(client: httpx.AsyncClient, **query: str) -> Any:
    async with listening(client, **query) as listener:
        return decode_position(listener.last_id or "")


async def missed(client: httpx.AsyncClient, last_id: str, **query: str) -> datetime | None:
    """Since when events are there, where a client that resumes is told so."""
    async with listening(client, last_id, **query) as listener:
        await post(client, "r", {"a": datetime.now(UTC).microsecond})
        frame = await listener.next()
    assert frame is not None
    return datetime.fromisoformat(frame.data["since"]) if frame.event == "missed" else None


async def test_client_is_told_what_it_may_have_missed(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    position = await position_of(client)
    assert await missed(client, position.encode()) is None
    hour_ago = datetime.now(UTC) - timedelta(hours=1)
    interest = "UPDATE event_interest SET since = since - interval '3 hours' WHERE organization_id = $1"
    await connection.execute(interest, organization_id)
    old = msgspec.structs.replace(position, at=position.at - timedelta(minutes=61))
    since = await missed(client, old.encode())
    assert since is not None
    assert abs(since - hour_ago) < timedelta(seconds=30)
    younger = msgspec.structs.replace(position, at=position.at - timedelta(minutes=59))
    assert await missed(client, younger.encode()) is None
    # Nobody wanted requests before.
    assert await missed(client, younger.encode(), types="score.recorded,request.logged") is not None
    # Of another database, and from the future of this one.
    for other in (
        msgspec.structs.replace(position, database="00000000"),
        msgspec.structs.replace(position, seen="4000000000:4000000001:"),
    ):
        assert await missed(client, other.encode()) is not None


async def test_two_services_and_a_client_that_changes_between_them(start_service: StartService) -> None:
    one, other = await start_service(), await start_service()
    key = await one.make_key()
    ours, theirs = await one.client(key=key), await other.client(key=key)
    async with listening(ours) as first, listening(theirs) as second:
        for number in range(3):
            await post(ours, "r", {"a": number})
            await post(theirs, "r", {"b": number})
        expected = sorted(("r", name, number) for name in "ab" for number in range(3))
        assert sorted(await first.scores(6)) == sorted(await second.scores(6)) == expected
        last_id = first.last_id
    await post(ours, "r", {"c": 1})
    async with listening(theirs, last_id) as second:
        assert await second.scores(1) == [("r", "c", 1)]


async def test_database_that_is_away_makes_listeners_wait_and_miss_nothing(
    start_service: StartService, own: Connection
) -> None:
    service, other = await start_service(), await start_service()
    client, writer = await service.client(), await other.client()
    with pytest.MonkeyPatch.context() as patch:
        async with listening(client) as listener:
            await post(writer, "r", {"a": 1})
            assert await listener.scores(1) == [("r", "a", 1)]
            fails = partial(fail, patch)
            patch.setattr(events, "read_between", fails(2))
            await post(writer, "r", {"a": 2})
            await own.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'heliscore' AND datname = current_database()"
            )
            assert await listener.scores(1) == [("r", "a", 2)]
            await post(writer, "r", {"a": 3})
            assert await listener.scores(1) == [("r", "a", 3)]


def fail(patch: pytest.MonkeyPatch, times: int) -> Any:
    """A function that finds the database away so many times, and then reads."""
    read, left = events.read_between, [times]

    async def read_or_fail(*arguments: Any, **options: Any) -> Any:
        if left[0]:
            left[0] -= 1
            raise ConnectionError("away")
        patch.setattr(events, "read_between", read)
        return await read(*arguments, **options)

    return read_or_fail


@pytest.mark.usefixtures("quick_heartbeats")
async def test_slow_reader_is_dropped_and_told_and_resumes(
    start_service: StartService, own: Connection
) -> None:
    client = await (await start_service()).client()
    async with listening(client, **ALERTS) as slow, listening(client, **ALERTS) as quick:
        for begin in range(0, COUNT, 10):  # more than the buffers between the two take
            for number in range(begin, begin + 10):
                body = {"n": number, "text": "x" * 50_000}
                await events.publish_alert(own, 1, "alert.firing", body)
            assert await numbers(quick, 10) == list(range(begin, begin + 10))
        heard = []
        while (frame := await slow.next()) is not None and frame.event != "dropped":
            heard.append(frame.data["data"]["n"])
        assert frame == Frame("dropped", {"reason": TOO_SLOW})
        assert await slow.next() is None
        assert heard == list(range(len(heard)))
        assert len(heard) < COUNT
    async with listening(client, slow.last_id, **ALERTS) as again:
        rest = await numbers(again, 1)
        rest += await numbers(again, COUNT - 1 - rest[0])
    assert rest == list(range(rest[0], COUNT))
    assert rest[0] <= len(heard)


COUNT = 300


async def numbers(listener: EventClient, count: int) -> list[int]:
    frames = [await listener.next() for _ in range(count)]
    return [frame.data["data"]["n"] for frame in frames if frame is not None]


async def test_revoked_key_stops_listening(start_service: StartService, own: Connection) -> None:
    client = await (await start_service()).client()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(event_stream, "_CHECKED_EVERY_S", 0.1)
        async with listening(client) as listener:
            await post(client, "r", {"a": 1})
            assert await listener.scores(1) == [("r", "a", 1)]
            await own.execute("UPDATE api_key SET revoked_at = now()")
            await events.publish_alert(own, 1, "alert.firing", {})
            async with asyncio.timeout(10):
                while (frame := await listener.next()) is not None and frame.event != "dropped":
                    await events.publish_alert(own, 1, "alert.firing", {})
            assert frame == Frame("dropped", {"reason": "the API key is not valid"})
            assert await listener.next() is None


async def test_listeners_are_counted_and_limited(start_service: StartService) -> None:
    service = await start_service()
    client, other = await service.client(), await service.client("other")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(live_events, "MAX_OF_ORGANIZATION", 1)
        patch.setattr(live_events, "MAX_LISTENERS", 2)
        async with listening(client), listening(other):
            answer = await client.get("/v1/events")
            error = "more than 1 clients of this organization listen to events here, please try again in 10 s"
            assert (answer.status_code, answer.json()) == (429, {"data": None, "error": error})
            assert answer.headers["retry-after"] == "10"
            answer = await (await service.client("third")).get("/v1/events")
            error = "too many clients listen to events, please try again"
            assert (answer.status_code, answer.json()) == (503, {"data": None, "error": error})
            assert "heliscore_event_listeners 2.0" in (await client.get("/metrics")).text
        async with asyncio.timeout(10):  # those who have left are not counted, at once
            while "heliscore_event_listeners 0.0" not in (await client.get("/metrics")).text:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    # How long they stayed is no time that the service took, and that they left no failure.
    ended = [line for line in (await client.get("/metrics")).text.splitlines() if '"/v1/events"' in line]
    assert not [line for line in ended if 'status="499"' in line]
    [took] = [line for line in ended if "duration_seconds_sum" in line and 'status="200"' in line]
    assert float(took.split()[-1]) < float(
        next(line for line in ended if "duration_seconds_count" in line and 'status="200"' in line).split()[
            -1
        ]
    )


async def test_head_ends_at_once(client: httpx.AsyncClient) -> None:
    answer = await client.head("/v1/events")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")


async def test_nothing_is_asked_without_listeners(start_service: StartService, own: Connection) -> None:
    client = await (await start_service()).client()
    interest = "SELECT until - now() FROM event_interest WHERE source = 'live'"
    assert await own.fetch(interest) == []
    async with listening(client):
        [(left,)] = await own.fetch(interest)
        assert timedelta(minutes=65) < left < timedelta(minutes=71)
    with pytest.MonkeyPatch.context() as patch:

        async def look(_: object) -> None:
            raise AssertionError

        await asyncio.sleep(0.7)
        patch.setattr(events, "look", look)
        await asyncio.sleep(0.7)
    await post(client, "r", {"a": 1})
