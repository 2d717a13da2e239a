"""Two services that evaluate monitors, killed in turn: each period is evaluated once, each alert arrives."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import datetime
from typing import Any

import msgspec
import pytest
from heliscore.api.native.monitor_definitions import decode_definition
from heliscore.domain.monitors.monitor_periods import Change, Stand
from heliscore.domain.monitors.monitor_states import GroupState
from heliscore.settings import Settings
from heliscore.store import monitors as store
from heliscore.store import organizations
from heliscore.store.connections.pool import Connection, Database, open_database

from tests.faults.conftest import External, Machine
from tests.faults.killing import END_DESTINATION_CLAIMS, first_arrivals, kill, machines
from tests.faults.load import ROUNDS
from tests.faults.monitor_rules import judge_as_told, values_of
from tests.jobs.monitors import HOUR, add, alerts_of, find, put_scores
from tests.outbound.receiver import Behaviour, Got, Receiver, answering

__all__ = ["machines"]

PERIODS = 6
"""Of each monitor are due at once: fewer than are caught up with, so that none is skipped."""

QUIET = {"below": 0}
CONDITIONS = [*[{"below": 70}, {"above": 70}] * 40, *[QUIET] * 16]
"""Of the monitors that are added before each round of kills. The first ones change with every period, and
leave an entry in the history; the last ones never do, and their results are stored several at once."""

BATCHES = min(ROUNDS, store.MAX_MONITORS // len(CONDITIONS))
STORED_BY_ONE = 2
"""Results at a time, at most."""

PATIENCE_S = 240
"""For what takes seconds: the machine may be ten times slower."""

OBSERVE = """
CREATE TABLE evaluation (monitor_id uuid, after timestamptz, until timestamptz);
CREATE SEQUENCE evaluation_begun;
CREATE FUNCTION note_evaluation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM nextval('evaluation_begun');
    INSERT INTO evaluation VALUES (NEW.id, OLD.evaluated_until, NEW.evaluated_until);
    PERFORM pg_sleep(0.1);
    RETURN NULL;
END $$;
CREATE TRIGGER note_evaluation AFTER UPDATE ON monitor FOR EACH ROW
WHEN (OLD.evaluated_until <> NEW.evaluated_until AND OLD.stand <> NEW.stand)
EXECUTE FUNCTION note_evaluation()
"""
"""Notes each evaluation in the transaction that stores it, and has that last long enough to be cut off."""

LOOK = """
SELECT
    (SELECT count(*) FROM monitor WHERE evaluated_until < $1),
    (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep')
"""

END_CLAIMS = """
UPDATE monitor SET claimed_until = now() WHERE id IN (
    SELECT id FROM monitor WHERE claimed_until > now() AND claimed_until <= $1 FOR UPDATE SKIP LOCKED
)
"""
"""What 25 seconds do, which the test need not wait for after each kill. The service that lives loses claims,
too, and evaluates what the other then may. SKIP LOCKED: it stores several at once, in another order."""

PAUSE = "UPDATE monitor SET next_at = NULL, revision = revision + 1"
"""As one that is replaced: nothing more is stored, should an hour end just now."""


@pytest.fixture
async def database(external: External) -> AsyncIterator[Database]:
    database = await open_database(Settings(database_url=external.dsn), size=2)
    yield database
    await database.close()


@pytest.fixture
async def receivers() -> AsyncIterator[list[Receiver]]:
    async with AsyncExitStack() as stack:
        receivers = [await stack.enter_async_context(Receiver().listening()) for _ in range(2)]
        yield receivers


async def until(is_so: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not await is_so():  # noqa: ASYNC110 it is asked of the database
            await asyncio.sleep(0.02)


async def add_monitors(
    connection: Connection, organization_id: int, name: str, start: datetime
) -> dict[str, Stand]:
    """Add monitors of which the periods since then are due, all at once; return how they stand: some fire."""
    firing = GroupState(state="firing", since=start, at=start, notified_at=start)
    stands: dict[str, Stand] = {}
    async with connection.transaction():
        for number, condition in enumerate(CONDITIONS):
            id_ = await add(connection, organization_id, start, name=f"{name} {number}", condition=condition)
            stands[id_] = Stand(states=(firing,) if number % 4 < 2 and condition != QUIET else ())
            stored = msgspec.json.encode(stands[id_]).decode()
            query = "UPDATE monitor SET stand = $2::text::jsonb WHERE id = $1::text::uuid"
            await connection.execute(query, id_, stored)
    return stands


async def look(connection: Connection, end: datetime) -> tuple[int, int]:
    """How many monitors are not evaluated up to a time, and how many results are being stored."""
    [[due, storing]] = await connection.fetch(LOOK, end)
    return due, storing


def answering_after(released: asyncio.Event) -> Behaviour:
    async def answer(got: Got, writer: asyncio.StreamWriter) -> None:
        await released.wait()
        await answering(200)(got, writer)

    return answer


async def end_claims(connection: Connection) -> datetime:
    """Have the claims of services that were killed end; return until when they would have lasted."""
    last_claim: datetime = await connection.fetchval("SELECT now()") + store.CLAIM
    await connection.execute(END_CLAIMS, last_claim)
    await connection.execute(END_DESTINATION_CLAIMS)
    return last_claim


async def evaluate_amid_kills(
    machines: list[Machine],
    receivers: list[Receiver],
    connection: Connection,
    organization_id: int,
    end: datetime,
) -> tuple[int, dict[str, Stand]]:
    """Have monitors evaluated up to a time while the services are killed: one, the other, both, and so on.
    The one that sends is killed while it waits for an answer.
    Return how many kills that were, and how the monitors stood in the beginning."""
    kills, stands, last_claim, released = 0, dict[str, Stand](), end, asyncio.Event()
    for receiver in receivers:
        receiver.behave = answering_after(released)

    async def are_both_amid() -> bool:
        due, storing = await look(connection, end)
        is_sending = all(len(receiver.got) > got for receiver, got in zip(receivers, got_before, strict=True))
        is_late = due < len(CONDITIONS) // 2
        return (storing > STORED_BY_ONE and (is_sending or is_late)) or due == 0

    async def is_done() -> bool:
        await connection.execute(END_CLAIMS, last_claim)
        due, _ = await look(connection, end)
        return due == 0

    for number in range(BATCHES):
        released.clear()
        got_before = [len(receiver.got) for receiver in receivers]
        stands |= await add_monitors(connection, organization_id, f"{number}", end - PERIODS * HOUR)
        await until(are_both_amid)
        killed = [machines[:1], machines[1:], machines][number % 3]
        await asyncio.gather(*map(kill, killed))
        released.set()
        last_claim = await end_claims(connection)
        await asyncio.gather(*(machine.start() for machine in killed))
        kills += len(killed)
    await until(is_done)
    return kills, stands


async def history_of(connection: Connection, organization_id: int, id_: str) -> list[Change]:
    """Oldest first."""
    stored = await store.list_changes(connection, organization_id, id_, None, 1000)
    fields = Change.__struct_fields__
    return [Change(**{field: getattr(one, field) for field in fields}) for one in reversed(stored)]


async def check_periods(
    connection: Connection, organization_id: int, stands: dict[str, Stand], end: datetime
) -> dict[str, int]:
    """Each period was evaluated once, and led to what the rules say, and to nothing else."""
    runs: dict[str, list[list[datetime]]] = {id_: [] for id_ in stands}
    for id_, after, until_ in await connection.fetch(
        "SELECT monitor_id::text, after, until FROM evaluation ORDER BY after, until"
    ):
        runs[id_].append([after + HOUR * number for number in range(1, (until_ - after) // HOUR + 1)])
    wanted = {end - HOUR * number for number in range(PERIODS)}
    found = {id_: [period for ends in of_one for period in ends] for id_, of_one in runs.items()}
    histories = {id_: await history_of(connection, organization_id, id_) for id_ in stands}
    counts = {
        "periods": len(stands) * PERIODS,
        "evaluated": sum(map(len, found.values())),
        "missed": sum(len(wanted - set(periods)) for periods in found.values()),
        "twice": sum(len(periods) - len(set(periods)) for periods in found.values())
        + sum(len(changes) - len({change.at for change in changes}) for changes in histories.values()),
        "changes": sum(map(len, histories.values())),
    }
    assert (counts["missed"], counts["twice"]) == (0, 0), counts

    alerts: list[tuple[str, Any]] = []
    for id_, stand in stands.items():
        definition = decode_definition((await find(connection, organization_id, id_)).definition)
        judged = judge_as_told(id_, definition, stand, runs[id_])
        assert histories[id_] == judged.changes
        alerts += judged.alerts
    assert in_order(alerts) == in_order(await alerts_of(connection))
    return counts | {"alerts": len(alerts)}


def in_order(alerts: list[tuple[str, Any]]) -> list[str]:
    return sorted(json.dumps(alert, sort_keys=True) for alert in alerts)


async def check_deliveries(connection: Connection, destinations: dict[str, Receiver]) -> dict[str, int]:
    """Each alert came to each destination, in order; one that came again was the same delivery."""
    published = await connection.fetch("SELECT id FROM event ORDER BY id")
    counts = {"deliveries": 0, "duplicates": 0}
    for id_, receiver in destinations.items():
        made = await connection.fetch(
            "SELECT id::text FROM delivery WHERE destination_id = $1::text::uuid ORDER BY number", id_
        )
        arrived = first_arrivals(receiver)
        assert list(arrived) == [delivery for (delivery,) in made]
        told = [json.loads(body)["data"]["id"] for body in arrived.values()]
        assert sorted(told) == sorted(f"evt_{number}" for (number,) in published)
        counts["deliveries"] += len(made)
        counts["duplicates"] += len(receiver.got) - len(made)
    return counts


async def test_no_period_is_missed_and_no_alert_lost_when_services_are_killed(
    machines: list[Machine], database: Database, receivers: list[Receiver]
) -> None:
    destinations: dict[str, Receiver] = {}
    async with machines[0].client() as client:
        for number, receiver in enumerate(receivers):
            destination = {
                "kind": "webhook",
                "name": f"{number}",
                "address": receiver.url,
                "events": ["alert.firing", "alert.resolved"],
            }
            made = (await client.post("/v1/destinations", json=destination)).json()
            destinations[made["data"]["id"]] = receiver
    async with database.connection() as connection:
        organization_id = await organizations.ensure(connection)
        end = await connection.fetchval("SELECT date_trunc('hour', now())")
        for hour in range(-PERIODS, 2):
            values = values_of(at := end + hour * HOUR)
            await put_scores(connection, organization_id, at, [{"relevance": value} for value in values])
        await connection.execute(OBSERVE)
        kills, stands = await evaluate_amid_kills(machines, receivers, connection, organization_id, end)
        await connection.execute(PAUSE)

        async def are_all_delivered() -> bool:
            query = "SELECT count(*) FROM delivery WHERE state = 'delivered'"
            alerts = await connection.fetchval("SELECT count(*) FROM event")
            return bool(await connection.fetchval(query) == len(destinations) * alerts)

        await until(are_all_delivered)
        cut_off = await connection.fetchval(
            "SELECT (SELECT last_value FROM evaluation_begun) - count(*) FROM evaluation"
        )
        counts = {"kills": kills, "cut off": cut_off}
        counts |= await check_periods(connection, organization_id, stands, end)
        counts |= await check_deliveries(connection, destinations)
    print("\n| " + " | ".join(counts) + " |\n|" + " --- |" * len(counts))
    print("| " + " | ".join(f"{count:,}" for count in counts.values()) + " |")
    assert cut_off > 0  # else no kill was amid an evaluation
