"""Events on their way: made into deliveries exactly once, and sent in order, at least once."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from uuid import UUID

import pytest
from heliscore.domain.destination import Delivery, Destination, DestinationKind, mint_secret
from heliscore.domain.event import EventType
from heliscore.domain.score import Score
from heliscore.domain.times import now
from heliscore.jobs.deliveries import RENDERERS
from heliscore.jobs.dispatching import Dispatcher
from heliscore.jobs.sending import Sender
from heliscore.outbound.messages import Message
from heliscore.outbound.messenger import open_messenger
from heliscore.settings import Settings
from heliscore.store import destinations as store
from heliscore.store import event_cursor, organizations
from heliscore.store.connections.pool import Connection, Database, open_database
from heliscore.store.deliveries import remove_old_deliveries, resend
from heliscore.store.events import prune, publish_alert, take_snapshot
from heliscore.store.scores import ScoreIds, ScoreNames, ScoreWrite
from heliscore.store.scores import record as record_posts
from standardwebhooks import Webhook

from tests.api.envelope import log as log_request
from tests.origins import ORIGIN
from tests.outbound.receiver import Got, Receiver, answering

ALLOWED = "127.0.0.1"
KINDS: tuple[DestinationKind, ...] = ("webhook", "slack", "email", "helicone")


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver().listening() as receiver:
        yield receiver


Add = Callable[..., Awaitable[Destination]]


@pytest.fixture
def add(connection: Connection, organization_id: int, receiver: Receiver) -> Add:
    """Adds a destination."""

    async def add(
        *events: EventType, kind: DestinationKind = "webhook", address: str | None = None, **options: object
    ) -> Destination:
        added = await store.add_destination(
            connection,
            organization_id,
            kind=kind,
            name="ours",
            address=address or receiver.url,
            events=events or ("alert.firing",),
            options=options,
            secret=mint_secret(),
        )
        assert added is not None
        return added

    return add


async def record(
    connection: Connection, ids: ScoreIds, organization_id: int, request_id: str, values: dict[str, int]
) -> None:
    scores = {name: Score(value, False) for name, value in values.items()}
    await record_posts(connection, ids, [ScoreWrite(organization_id, request_id, scores, now(), ORIGIN)])


async def dispatch(database: Database, names: ScoreNames | None = None) -> None:
    dispatcher = Dispatcher(database, names or ScoreNames())
    while await dispatcher.dispatch():
        pass


async def has_events(connection: Connection) -> bool:
    """Whether there are some that have not become deliveries."""
    return bool(await event_cursor.find_places(connection, await event_cursor.look(connection)))


async def waiting(connection: Connection, destination: Destination) -> list[Any]:
    """The bodies of what waits, in order."""
    rows = await connection.fetch(
        "SELECT body FROM delivery WHERE destination_id = $1 AND state = 'waiting' ORDER BY number",
        destination.id,
    )
    return [json.loads(body) for (body,) in rows]


async def alert(connection: Connection, organization_id: int, number: int, **keys: object) -> None:
    await publish_alert(connection, organization_id, "alert.firing", {"sentence": f"alert {number}", **keys})


def numbers(bodies: list[Any]) -> list[int]:
    """Of the alerts."""
    return [int(body["data"]["sentence"].removeprefix("alert ")) for body in bodies]


def got_numbers(receiver: Receiver) -> list[int]:
    return numbers([json.loads(got.body) for got in receiver.got])


# Events become deliveries


async def test_alert_becomes_a_delivery_with_its_id(
    database: Database, connection: Connection, organization_id: int, add: Add
) -> None:
    destination = await add()
    await alert(connection, organization_id, 1, destinations=None)
    await dispatch(database)
    await dispatch(database)
    id_, at = await connection.fetchrow("SELECT id, happened_at FROM event")  # type: ignore[misc]
    assert await waiting(connection, destination) == [
        {
            "type": "alert.firing",
            "timestamp": at.isoformat(timespec="milliseconds")[:-6] + "Z",
            "data": {"id": f"evt_{id_}", "sentence": "alert 1"},
        }
    ]


async def test_scores_come_in_batches_of_a_hundred(
    database: Database, connection: Connection, organization_id: int, ids: ScoreIds, add: Add
) -> None:
    destination = await add("score.recorded")
    for number in range(250):
        await record(connection, ids, organization_id, f"r{number}", {"accuracy": number})
    await dispatch(database)
    bodies = await waiting(connection, destination)
    assert [len(body["data"]["events"]) for body in bodies] == [100, 100, 50]
    events = [event for body in bodies for event in body["data"]["events"]]
    assert [event["data"]["value"] for event in events] == list(range(250))
    assert events[0].keys() == {"id", "type", "timestamp", "data"}
    assert {event["type"] for event in events} == {"score.recorded"}
    assert bodies[0]["timestamp"] == bodies[0]["data"]["events"][-1]["timestamp"]


async def test_pieces_of_many_events_are_worked_through_in_turn(
    database: Database,
    connection: Connection,
    organization_id: int,
    add: Add,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("heliscore.jobs.dispatching._EVENTS_AT_ONCE", 3)
    destination = await add()
    for number in range(10):
        await alert(connection, organization_id, number)
    dispatcher = Dispatcher(database, ScoreNames())
    assert await dispatcher.dispatch()
    await alert(connection, organization_id, 10)  # while others are being worked through
    assert numbers(await waiting(connection, destination)) == [0, 1, 2]
    await dispatch(database)
    await dispatch(database)
    assert numbers(await waiting(connection, destination)) == list(range(11))


async def test_event_of_a_transaction_that_commits_late_is_not_lost(
    database: Database, connection: Connection, organization_id: int, add: Add
) -> None:
    destination = await add()
    async with database.connection() as late, late.transaction():
        await alert(late, organization_id, 1)
        await alert(connection, organization_id, 2)
        await dispatch(database)
        assert numbers(await waiting(connection, destination)) == [2]
        assert not await has_events(connection)
    assert await has_events(connection)
    await dispatch(database)
    assert numbers(await waiting(connection, destination)) == [2, 1]
    assert not await has_events(connection)


async def test_filter_scores_and_types_choose(
    database: Database, connection: Connection, organization_id: int, ids: ScoreIds, add: Add
) -> None:
    for id_, env in (("a", "prod"), ("b", "test")):
        properties = json.dumps({"env": env})
        await log_request(connection, organization_id, id_, "2026-01-01T00:00:00Z", properties=properties)
    prod = {"request_response_rmt": {"properties": {"env": {"equals": "prod"}}}}
    high = {"request_response_rmt": {"scores": {"accuracy": {"gte": 90}}}}
    destinations = {
        "all": await add("score.recorded"),
        "prod": await add("score.recorded", filter=prod),
        "high": await add("score.recorded", filter=high, scores=[]),
        "named": await add("score.recorded", scores=["accuracy"]),
        "alerts": await add("alert.firing", filter=prod),
    }
    await record(connection, ids, organization_id, "a", {"accuracy": 50, "other": 1})
    await record(connection, ids, organization_id, "b", {"accuracy": 95})
    await alert(connection, organization_id, 1)
    await dispatch(database)
    found = {
        name: [
            (event["data"]["requestId"], event["data"]["name"])
            for body in await waiting(connection, destination)
            for event in body["data"].get("events", [])
        ]
        for name, destination in destinations.items()
    }
    assert {name: sorted(chosen) for name, chosen in found.items()} == {
        "all": [("a", "accuracy"), ("a", "other"), ("b", "accuracy")],
        "prod": [("a", "accuracy"), ("a", "other")],
        "high": [("b", "accuracy")],
        "named": [("a", "accuracy"), ("b", "accuracy")],
        "alerts": [],
    }
    assert numbers(await waiting(connection, destinations["alerts"])) == [1]


async def test_alert_for_some_destinations_reaches_no_other(
    database: Database, connection: Connection, organization_id: int, add: Add
) -> None:
    first, second = await add(), await add()
    await alert(connection, organization_id, 1, destinations=[str(first.id)])
    await alert(connection, organization_id, 2, destinations=[])
    await alert(connection, organization_id, 3)
    await dispatch(database)
    assert numbers(await waiting(connection, first)) == [1, 3]
    assert numbers(await waiting(connection, second)) == [3]


async def test_destination_of_another_organization_gets_nothing(
    database: Database, connection: Connection, add: Add
) -> None:
    destination = await add()
    await alert(connection, await organizations.ensure(connection, "other"), 1)
    await dispatch(database)
    assert await waiting(connection, destination) == []


async def test_destination_gets_nothing_of_the_time_before_it_or_while_it_is_disabled(
    database: Database, connection: Connection, organization_id: int, add: Add
) -> None:
    await dispatch(database)  # begins
    await alert(connection, organization_id, 1)
    destination = await add()
    await alert(connection, organization_id, 2)
    await dispatch(database)
    await store.change_destination(connection, organization_id, destination.id, KINDS, is_enabled=False)
    await alert(connection, organization_id, 3)
    await dispatch(database)
    await store.change_destination(connection, organization_id, destination.id, KINDS, is_enabled=True)
    await alert(connection, organization_id, 4)
    await dispatch(database)
    assert numbers(await waiting(connection, destination)) == [2, 4]


async def test_logged_requests_become_a_delivery_each_in_helicones_format(
    database: Database, connection: Connection, organization_id: int, add: Add
) -> None:
    everything = await add("request.logged", kind="helicone")
    half = await add("request.logged", kind="helicone", sampleRate=50)
    prod = await add("request.logged", kind="helicone", propertyFilters=[{"key": "env", "value": "prod"}])
    for number in range(100):
        env = "prod" if number == 7 else "test"
        properties = json.dumps({"env": env})
        await log_request(
            connection, organization_id, f"r{number}", "2026-01-01T00:00:00Z", properties=properties
        )
    await connection.execute(
        "INSERT INTO event (organization_id, type, request_no) "
        "SELECT organization_id, 'request.logged', request_no FROM request ORDER BY request_no"
    )
    await dispatch(database)
    known = [number for (number,) in await connection.fetch("SELECT request_no FROM request ORDER BY 1")]
    assert await waiting(connection, everything) == [{"requestNo": number} for number in known]
    assert await waiting(connection, prod) == [{"requestNo": known[7]}]
    sampled = [body["requestNo"] for body in await waiting(connection, half)]
    assert 30 < len(sampled) < 70
    assert set(sampled) < set(known)


async def test_filter_that_cannot_be_read_disables_its_destination_and_no_other(
    database: Database, connection: Connection, organization_id: int, ids: ScoreIds, add: Add
) -> None:
    broken = await add("score.recorded", filter={"nonsense": {}})
    destination = await add("score.recorded")
    await record(connection, ids, organization_id, "r", {"accuracy": 1})
    await dispatch(database)
    assert len(await waiting(connection, destination)) == 1
    found = await store.find_destination(connection, organization_id, broken.id, KINDS)
    assert found is not None
    assert found.disabled_reason == "its filter cannot be read by this version of the service"


async def test_two_services_make_each_delivery_once(
    server_pools: list[Database], connection: Connection, organization_id: int, add: Add
) -> None:
    destination = await add()

    async def publish() -> None:
        for number in range(200):
            await alert(connection, organization_id, number)

    publishing = asyncio.create_task(publish())
    while not publishing.done():
        await asyncio.gather(*map(dispatch, server_pools))
    await dispatch(server_pools[0])
    assert numbers(await waiting(connection, destination)) == list(range(200))


async def test_dispatch_that_breaks_off_leaves_no_trace(
    database: Database,
    connection: Connection,
    organization_id: int,
    add: Add,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    destination = await add()
    await alert(connection, organization_id, 1)

    async def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(event_cursor, "finish", die)
        with pytest.raises(KeyboardInterrupt):
            await dispatch(database)
    assert await waiting(connection, destination) == []
    await dispatch(database)
    assert numbers(await waiting(connection, destination)) == [1]


async def test_cursor_of_another_cluster_begins_anew(
    database: Database, connection: Connection, organization_id: int, add: Add
) -> None:
    destination = await add()
    await dispatch(database)  # begins
    await connection.execute("UPDATE event_cursor SET from_snapshot = '4000000000:4000000000:'")
    await alert(connection, organization_id, 1)
    await connection.execute(
        "INSERT INTO event (transaction_id, organization_id, type, body) "
        "VALUES ('4100000000', $1, 'alert.firing', '{}')",
        organization_id,
    )
    assert await has_events(connection)
    await dispatch(database)
    assert await connection.fetchval("SELECT count(*) FROM event WHERE transaction_id = '4100000000'") == 0
    await alert(connection, organization_id, 2)
    await dispatch(database)
    assert numbers(await waiting(connection, destination)) == [2]


async def test_look_sees_events_and_what_is_due(
    database: Database, connection: Connection, organization_id: int, add: Add
) -> None:
    assert await has_events(connection)  # the cursor has not begun
    await dispatch(database)
    look = await event_cursor.look(connection)
    assert (await has_events(connection), look.is_due, look.waited_s) == (False, False, 0)
    await add()
    await alert(connection, organization_id, 1)
    assert await has_events(connection)
    await dispatch(database)
    look = await event_cursor.look(connection)
    assert (await has_events(connection), look.is_due) == (False, True)
    assert look.waited_s > 0
    await connection.execute("UPDATE destination SET claimed_until = now() + interval '1 minute'")
    assert not (await event_cursor.look(connection)).is_due


# Deliveries are sent


@pytest.fixture
async def server_pools(dsn: str) -> AsyncIterator[list[Database]]:
    """The connections of two services."""
    async with AsyncExitStack() as stack:
        pools = []
        for _ in range(2):
            pool = await open_database(
                Settings(database_url=dsn), size=3, max_expected_wait_s=10, is_fair=False
            )
            stack.push_async_callback(pool.close)
            pools.append(pool)
        yield pools


@asynccontextmanager
async def sending(*databases: Database, places: int = 16) -> AsyncIterator[Callable[[], None]]:
    """Have services send until the block ends; what it yields wakes them."""
    messenger = open_messenger(Settings(outbound_allow=ALLOWED))
    senders = [Sender(database, messenger, RENDERERS, places=places) for database in databases]
    tasks = [asyncio.create_task(sender.run()) for sender in senders]

    def wake() -> None:
        for sender in senders:
            sender.wake()

    wake()
    try:
        yield wake
        for task in tasks:
            assert not task.done() or task.result() is None
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await messenger.close()


async def until(is_so: Callable[[], Awaitable[bool]], wake: Callable[[], None] = lambda: None) -> None:
    async with asyncio.timeout(20):
        while not await is_so():
            wake()
            await asyncio.sleep(0.02)


async def states(connection: Connection, destination: Destination) -> list[str]:
    rows = await connection.fetch(
        "SELECT state FROM delivery WHERE destination_id = $1 ORDER BY number", destination.id
    )
    return [state for (state,) in rows]


async def fill(connection: Connection, destination: Destination, count: int) -> None:
    """Have some alerts wait."""
    for number in range(count):
        body = json.dumps({"type": "alert.firing", "data": {"sentence": f"alert {number}"}})
        await connection.execute(
            "INSERT INTO delivery (organization_id, destination_id, type, body) VALUES ($1, $2, $3, $4)",
            destination.organization_id,
            destination.id,
            "alert.firing",
            body,
        )


def all_are(connection: Connection, destination: Destination, *wanted: str) -> Callable[[], Awaitable[bool]]:
    async def check() -> bool:
        return await states(connection, destination) == list(wanted)

    return check


async def make_due(connection: Connection) -> None:
    """Let the pauses between attempts pass."""
    await connection.execute("UPDATE delivery SET next_attempt_at = now()")


async def test_deliveries_arrive_in_order_and_signed(
    database: Database, connection: Connection, add: Add, receiver: Receiver
) -> None:
    destination = await add()
    await fill(connection, destination, 20)
    async with sending(database):
        await until(all_are(connection, destination, *["delivered"] * 20))
    assert got_numbers(receiver) == list(range(20))
    assert destination.secret is not None
    for got in receiver.got:
        Webhook(destination.secret).verify(got.body, got.headers)
    sent = [UUID(got.headers["webhook-id"]) for got in receiver.got]
    kept = await connection.fetch(
        "SELECT id, attempts, last_status, last_error FROM delivery ORDER BY number"
    )
    assert [tuple(row) for row in kept] == [(id_, 1, 200, None) for id_ in sent]


async def test_failed_delivery_holds_back_those_after_it_and_is_repeated_under_its_id(
    database: Database, connection: Connection, add: Add, receiver: Receiver
) -> None:
    destination = await add()
    await fill(connection, destination, 3)
    receiver.behave = answering(503)
    async with sending(database) as wake:

        async def has_failed() -> bool:
            return bool(await connection.fetchval("SELECT count(*) FROM delivery WHERE attempts = 1"))

        await until(has_failed)
        [delay_s] = [
            row[0].total_seconds()
            for row in await connection.fetch(
                "SELECT next_attempt_at - last_attempt_at FROM delivery WHERE attempts = 1"
            )
        ]
        assert 2.5 <= delay_s <= 5
        for _ in range(5):
            wake()
            await asyncio.sleep(0.02)
        assert got_numbers(receiver) == [0]
        found = await store.find_destination(connection, destination.organization_id, destination.id, KINDS)
        assert found is not None
        assert found.failing_since is not None

        receiver.behave = answering(200)
        await make_due(connection)
        await until(all_are(connection, destination, *["delivered"] * 3), wake)
    assert got_numbers(receiver) == [0, 0, 1, 2]
    assert receiver.got[0].headers["webhook-id"] == receiver.got[1].headers["webhook-id"]
    found = await store.find_destination(connection, destination.organization_id, destination.id, KINDS)
    assert found is not None
    assert found.failing_since is None


async def test_delivery_is_parked_after_a_day_and_the_next_gets_its_turn(
    database: Database, connection: Connection, organization_id: int, add: Add, receiver: Receiver
) -> None:
    destination = await add()
    await fill(connection, destination, 2)
    first = await connection.fetchval("SELECT id FROM delivery ORDER BY number LIMIT 1")
    await connection.execute(
        "UPDATE delivery SET waiting_since = now() - interval '25 hours' WHERE id = $1", first
    )

    async def refuse_first(got: Got, writer: asyncio.StreamWriter) -> None:
        await answering(500 if got.headers["webhook-id"] == str(first) else 200)(got, writer)

    receiver.behave = refuse_first
    async with sending(database) as wake:
        await until(all_are(connection, destination, "parked", "delivered"))
        error = await connection.fetchval("SELECT last_error FROM delivery WHERE id = $1", first)
        assert error == "the receiver answered 500"

        receiver.behave = answering(200)
        assert await resend(connection, organization_id, destination.id, first)
        await until(all_are(connection, destination, "delivered", "delivered"), wake)
    assert got_numbers(receiver) == [0, 1, 0]
    assert receiver.got[2].headers["webhook-id"] == str(first)


async def test_gone_receiver_is_disabled_at_once(
    database: Database,
    connection: Connection,
    organization_id: int,
    add: Add,
    receiver: Receiver,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING, "heliscore")
    destination = await add("alert.firing", "score.recorded")
    await fill(connection, destination, 2)
    receiver.behave = answering(410)
    async with sending(database):
        await until(all_are(connection, destination, "parked", "parked"))

        async def is_disabled() -> bool:
            found = await store.find_destination(connection, organization_id, destination.id, KINDS)
            return found is not None and found.disabled_at is not None

        await until(is_disabled)
    assert got_numbers(receiver) == [0]
    found = await store.find_destination(connection, organization_id, destination.id, KINDS)
    assert found is not None
    assert found.disabled_reason == "the receiver answered 410: it is gone"
    errors = await connection.fetch("SELECT last_error FROM delivery ORDER BY number")
    assert [error for (error,) in errors] == [
        "the receiver answered 410",
        "its destination was disabled before it was sent",
    ]
    assert await connection.fetchval("SELECT count(*) FROM event_interest") == 0
    assert caplog.messages == [
        f"destination {destination.id} of organization {organization_id} was disabled: "
        "the receiver answered 410: it is gone"
    ]


async def test_delivery_that_cannot_be_made_is_parked_and_the_next_is_sent(
    database: Database,
    connection: Connection,
    add: Add,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A defect of ours must not keep others' events from being sent, nor end the service."""
    destination = await add("alert.firing")
    await fill(connection, destination, 2)
    render = RENDERERS["webhook"]

    async def break_on_first(pool: Database, to: Destination, delivery: Delivery) -> Message | None:
        if "alert 0" in delivery.body:
            raise KeyError("sentence")
        return await render(pool, to, delivery)

    monkeypatch.setitem(RENDERERS, "webhook", break_on_first)
    async with sending(database):
        await until(all_are(connection, destination, "parked", "delivered"))
    assert got_numbers(receiver) == [1]
    errors = await connection.fetch("SELECT last_error FROM delivery ORDER BY number")
    assert [error for (error,) in errors] == ["a defect of the service, which its log describes", None]
    assert [(entry.exc_text or "").splitlines()[-1] for entry in caplog.records] == ["KeyError: 'sentence'"]


@pytest.mark.parametrize(("failing", "is_disabled"), [("2 days 23 hours", False), ("3 days 1 hour", True)])
async def test_destination_whose_every_delivery_failed_for_days_is_disabled(
    database: Database, connection: Connection, add: Add, receiver: Receiver, failing: str, is_disabled: bool
) -> None:
    destination = await add()
    await fill(connection, destination, 2)
    await connection.execute(f"UPDATE destination SET failing_since = now() - interval '{failing}'")
    await connection.execute(
        "UPDATE delivery SET waiting_since = now() - interval '25 hours' WHERE number = 1"
    )
    receiver.behave = answering(500)
    async with sending(database):
        await until(all_are(connection, destination, "parked", "parked" if is_disabled else "waiting"))
    found = await connection.fetchval("SELECT disabled_reason FROM destination")
    assert found == ("every delivery has failed for three days" if is_disabled else None)


async def test_slow_destination_harms_no_other(database: Database, connection: Connection, add: Add) -> None:
    held = asyncio.Event()

    async def hold(_: Got, writer: asyncio.StreamWriter) -> None:
        await held.wait()
        await answering(200)(_, writer)

    async with Receiver().listening() as slow_receiver:
        slow_receiver.behave = hold
        slow = await add(address=slow_receiver.url)
        quick = await add()
        for destination in (slow, quick):
            await fill(connection, destination, 5)
        async with sending(database, places=2):
            await until(all_are(connection, quick, *["delivered"] * 5))
            assert await states(connection, slow) == ["waiting"] * 5
            held.set()
            await until(all_are(connection, slow, *["delivered"] * 5))


async def test_place_is_given_up_after_a_turn(
    database: Database,
    connection: Connection,
    add: Add,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("heliscore.jobs.sending._TURN_S", 0)
    destinations = [await add(address=f"{receiver.url}/{number}") for number in range(3)]
    for destination in destinations:
        await fill(connection, destination, 2)
    async with sending(database, places=1):
        for destination in destinations:
            await until(all_are(connection, destination, "delivered", "delivered"))
    assert sorted(got.path for got in receiver.got[:3]) == ["/hook/0", "/hook/1", "/hook/2"]
    assert sorted(got.path for got in receiver.got[3:]) == ["/hook/0", "/hook/1", "/hook/2"]


async def test_two_services_send_each_delivery_in_order(
    server_pools: list[Database], connection: Connection, add: Add, receiver: Receiver
) -> None:
    destinations = [await add(address=f"{receiver.url}/{number}") for number in range(4)]
    for destination in destinations:
        await fill(connection, destination, 15)
    async with sending(*server_pools) as wake:
        for destination in destinations:
            await until(all_are(connection, destination, *["delivered"] * 15), wake)
    for number in range(4):
        got = [json.loads(each.body) for each in receiver.got if each.path == f"/hook/{number}"]
        assert numbers(got) == list(range(15))


async def test_claim_of_a_service_that_was_killed_passes(
    server_pools: list[Database], connection: Connection, add: Add, receiver: Receiver
) -> None:
    """It is killed when the receiver has the delivery, and before that is noted."""
    destination = await add()
    await fill(connection, destination, 2)
    arrived = asyncio.Event()

    async def hold(_: Got, writer: asyncio.StreamWriter) -> None:
        arrived.set()
        await writer.wait_closed()

    receiver.behave = hold
    async with sending(server_pools[0]):
        await arrived.wait()
    receiver.behave = answering(200)
    async with sending(server_pools[1]) as wake:
        for _ in range(5):
            wake()
            await asyncio.sleep(0.02)
        assert len(receiver.got) == 1
        await connection.execute("UPDATE destination SET claimed_until = now() - interval '1 s'")
        await until(all_are(connection, destination, "delivered", "delivered"), wake)
    assert got_numbers(receiver) == [0, 0, 1]
    assert receiver.got[0].headers["webhook-id"] == receiver.got[1].headers["webhook-id"]


async def test_destination_that_is_removed_or_disabled_meanwhile_gets_nothing_more(
    database: Database, connection: Connection, organization_id: int, add: Add, receiver: Receiver
) -> None:
    destination = await add()
    await fill(connection, destination, 3)
    taken = asyncio.Event()

    async def disable(_: Got, writer: asyncio.StreamWriter) -> None:
        await store.change_destination(connection, organization_id, destination.id, KINDS, is_enabled=False)
        await answering(200)(_, writer)
        taken.set()

    receiver.behave = disable
    async with sending(database) as wake:
        await taken.wait()
        await until(all_are(connection, destination, "delivered", "waiting", "waiting"), wake)
        assert await store.remove_destination(connection, organization_id, destination.id, KINDS)
        wake()
    assert got_numbers(receiver) == [0]
    assert await connection.fetchval("SELECT count(*) FROM delivery") == 0


async def test_forbidden_address_is_refused_when_it_is_sent_too(
    database: Database, connection: Connection, add: Add
) -> None:
    destination = await add(address="https://127.0.0.2/hook")
    await fill(connection, destination, 1)

    async def has_error() -> bool:
        return await connection.fetchval("SELECT last_error FROM delivery") is not None

    async with sending(database):
        await until(has_error)
    assert "not public" in await connection.fetchval("SELECT last_error FROM delivery")


# What is kept


async def test_old_deliveries_are_removed(connection: Connection, add: Add) -> None:
    destination = await add()
    for state, days in (("delivered", 8), ("delivered", 6), ("parked", 31), ("parked", 29), ("waiting", 40)):
        await connection.execute(
            "INSERT INTO delivery (organization_id, destination_id, type, body, state, created_at) "
            "VALUES ($1, $2, 'alert.firing', '{}', $3, now() - make_interval(days => $4))",
            destination.organization_id,
            destination.id,
            state,
            days,
        )
    assert not await remove_old_deliveries(connection)
    assert await states(connection, destination) == ["delivered", "parked", "waiting"]


async def test_events_are_removed_an_hour_after_they_were_worked_through(
    database: Database, connection: Connection, organization_id: int
) -> None:
    await dispatch(database)  # begins
    for number in range(2):
        await alert(connection, organization_id, number)
    await connection.execute("UPDATE event SET happened_at = now() - interval '61 minutes' WHERE id = 1")
    await prune(connection, (await event_cursor.look(connection)).of(0), 100)
    assert await connection.fetchval("SELECT count(*) FROM event") == 2
    await dispatch(database)
    await prune(connection, (await event_cursor.look(connection)).of(0), 100)
    assert [id_ for (id_,) in await connection.fetch("SELECT id FROM event")] == [2]


async def test_interest_is_that_of_enabled_destinations(
    connection: Connection, organization_id: int, add: Add
) -> None:
    async def interest() -> list[str]:
        rows = await connection.fetch(
            "SELECT type FROM event_interest WHERE organization_id = $1 ORDER BY type",
            organization_id,
        )
        return [type_ for (type_,) in rows]

    assert await interest() == []
    first = await add("score.recorded", "alert.firing")
    second = await add("score.recorded", "request.logged")
    assert await interest() == ["request.logged", "score.recorded"]
    await store.change_destination(connection, organization_id, second.id, KINDS, is_enabled=False)
    assert await interest() == ["score.recorded"]
    await store.change_destination(connection, organization_id, first.id, KINDS, events=["alert.firing"])
    assert await interest() == []
    await store.change_destination(connection, organization_id, second.id, KINDS, is_enabled=True)
    assert await interest() == ["request.logged", "score.recorded"]
    await store.disable_destination(connection, organization_id, second.id, "reason")
    assert await interest() == []
    assert await take_snapshot(connection)
