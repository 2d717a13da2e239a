"""Digests: one delivery for each destination and period."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from heliscore.api.shared.period_changes import find
from heliscore.domain.changes.change_words import show_since
from heliscore.domain.changes.period_scores import TwoPeriods
from heliscore.domain.destination import Destination, DestinationKind, mint_secret
from heliscore.domain.digest_schedule import last_due, next_due
from heliscore.domain.errors import Unavailable
from heliscore.domain.times import format_time
from heliscore.jobs import digesting
from heliscore.jobs.deliveries import kept_delivering
from heliscore.jobs.digesting import MAX_TRIES, Digester
from heliscore.outbound.messenger import open_messenger
from heliscore.settings import Settings
from heliscore.store import destinations as store
from heliscore.store import organizations
from heliscore.store.connections.pool import Connection, Database
from heliscore.store.definition_cache import DefinitionCache
from heliscore.store.digests import settle_digest
from heliscore.store.scores import ScoreNames
from standardwebhooks import Webhook

from tests.api.test_changes import DAY, fill, series
from tests.outbound.receiver import Receiver

HOUR = (datetime.now(UTC).hour - 2) % 24
"""It does not strike during a test."""

END = last_due("daily", HOUR, datetime.now(UTC))
WEBHOOK: tuple[DestinationKind, ...] = ("webhook",)

Add = Callable[..., Awaitable[Destination]]


def digester(database: Database) -> Digester:
    return Digester(database, ScoreNames(), DefinitionCache(database))


async def make_due(database: Database) -> None:
    while await digester(database).make_next():
        pass


@pytest.fixture
def add(connection: Connection, organization_id: int) -> Add:
    """Adds a destination whose digest has been due for days, unless `due` is false."""

    async def add(*, due: bool = True, organization_id: int = organization_id, **given: Any) -> Destination:
        arguments: dict[str, Any] = {
            "kind": "webhook",
            "address": "https://1.1.1.1/",
            "options": {},
            "secret": mint_secret(),
            "digest": "daily",
            "digest_hour": HOUR,
        }
        added = await store.add_destination(
            connection,
            organization_id,
            name="ours",
            events=(),
            **(arguments | given),
        )
        assert added is not None
        if due:
            await connection.execute(
                "UPDATE destination SET digest_at = digest_at - interval '21 days' WHERE id = $1", added.id
            )
        return added

    return add


async def delivered(connection: Connection, destination: Destination) -> list[Any]:
    rows = await connection.fetch(
        "SELECT type, body FROM delivery WHERE destination_id = $1 ORDER BY number", destination.id
    )
    assert {type_ for type_, _ in rows} <= {"digest"}
    return [json.loads(body) for _, body in rows]


async def state(connection: Connection, destination: Destination) -> tuple[object, ...]:
    row = await connection.fetchrow(
        "SELECT digest_at, digest_tries, digest_retry_at IS NULL FROM destination WHERE id = $1",
        destination.id,
    )
    return tuple(row or ())


async def test_digest_is_about_the_last_day_even_after_a_standstill(
    database: Database, connection: Connection, organization_id: int, add: Add
) -> None:
    later = END - timedelta(hours=1)
    rows = series(1, END - DAY, 80, response_model="x") + series(1, END, 60, response_model="x")
    left_out = [(END, {"response_model": "x"}, {"accuracy": 0}), (later, {"response_model": "y"}, {})]
    await fill(connection, organization_id, [*rows, *left_out, (later, {"response_model": "x"}, {})])
    filter_ = {"request_response_rmt": {"model": {"equals": "x"}}}
    destination = await add(options={"filter": filter_})
    await make_due(database)
    [body] = await delivered(connection, destination)
    start, [change] = END - DAY, body["data"]["changes"]
    since = show_since(start, TwoPeriods(start - DAY, start, start, END))
    sentence = f"accuracy fell 20 points, 40 answers, since {since}"
    times = {"gte": f"{start:%Y-%m-%dT%H:%M:%SZ}", "lt": f"{END:%Y-%m-%dT%H:%M:%SZ}"}
    conditions = {"scores": {"accuracy": {"exists": True}}, "request_created_at": times}
    assert body == {
        "type": "digest",
        "timestamp": body["timestamp"],
        "data": {
            "period": "daily",
            "start": format_time(start),
            "end": format_time(END),
            "against": "the day before",
            "sentence": sentence,
            "text": f"{start.day} {start:%b %Y, %H:%M} to {END.day} {END:%b %Y, %H:%M} UTC, "
            f"against the day before\n\nWorse:\n\n- {sentence}\n\n"
            "1 comparison; 41 requests, 40 scores; 2 % of the requests have no score.\n",
            "changes": [
                {
                    "score": "accuracy",
                    "groupBy": None,
                    "group": None,
                    "promptId": None,
                    "direction": "fell",
                    "verdict": "worse",
                    "measure": "mean",
                    "base": "before",
                    "before": {"n": 40, "mean": 80.975},
                    "now": {"n": 40, "mean": 60.975},
                    "difference": -20.0,
                    "interval": change["interval"],
                    "p": change["p"],
                    "since": format_time(start),
                    "wholeGroup": False,
                    "sentence": sentence,
                    "filter": {
                        "left": filter_,
                        "operator": "and",
                        "right": {"request_response_rmt": conditions},
                    },
                }
            ],
            "more": 0,
            "comparisons": 1,
            "requests": 41,
            "scores": 40,
            "unscored": 1,
        },
    }
    assert await state(connection, destination) == (END + DAY, 0, True)


async def test_digest_is_sent(database: Database, connection: Connection, add: Add) -> None:
    """As webhook and to Slack, by the job that a service runs."""
    messenger = open_messenger(Settings(outbound_allow="127.0.0.1"))
    async with Receiver().listening() as receiver:
        webhook = await add(address=receiver.url)
        slack = await add(kind="slack", address=receiver.url, secret=None)
        job = kept_delivering(
            database, ScoreNames(), DefinitionCache(database), messenger, pytest.fail, interval_s=0.05
        )
        async with job:
            await receiver.arrived(2)
    await messenger.close()
    signed, posted = sorted(receiver.got, key=lambda got: "webhook-id" not in got.headers)
    assert [Webhook(webhook.secret or "").verify(signed.body, signed.headers)] == await delivered(
        connection, webhook
    )
    assert json.loads(posted.body)["text"] == "Heliscore: nothing could be compared"
    assert len(await delivered(connection, slack)) == 1


async def test_quiet_week_says_so(
    database: Database, connection: Connection, organization_id: int, add: Add
) -> None:
    destination = await add(digest="weekly", options={"scores": ["accuracy"]})
    end = last_due("weekly", HOUR, datetime.now(UTC))
    rows = series(1, end - timedelta(days=8), 80, 40) + series(1, end - DAY, 80, 40)
    await fill(connection, organization_id, [*rows, (end - DAY, {}, {"tone": 1})])
    await make_due(database)
    [body] = await delivered(connection, destination)
    data = body["data"]
    assert (data["period"], data["against"]) == ("weekly", "the week before")
    assert (data["sentence"], data["changes"]) == ("no score moved beyond noise", [])
    assert (data["requests"], data["scores"], data["unscored"]) == (41, 40, 0)


async def test_digest_that_is_not_due_or_of_a_disabled_destination_is_not_made(
    database: Database, connection: Connection, organization_id: int, add: Add
) -> None:
    later, disabled = await add(due=False), await add()
    await store.change_destination(connection, organization_id, disabled.id, WEBHOOK, is_enabled=False)
    await make_due(database)
    await store.change_destination(connection, organization_id, disabled.id, WEBHOOK, is_enabled=True)
    await make_due(database)
    for destination in (later, disabled):
        assert await delivered(connection, destination) == []
        assert await state(connection, destination) == (END + DAY, 0, True)


async def test_two_services_make_one(
    database: Database, connection: Connection, add: Add, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where one took so long that the other one began as well."""
    destination = await add()
    both = asyncio.Barrier(2)

    async def settle_together(*arguments: Any) -> bool:
        await both.wait()
        return await settle_digest(*arguments)

    monkeypatch.setattr(digesting, "settle_digest", settle_together)
    async with asyncio.TaskGroup() as group:
        group.create_task(digester(database).make_next())
        while (await state(connection, destination))[1] == 0:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await forget_claim(connection)
        group.create_task(digester(database).make_next())
    assert len(await delivered(connection, destination)) == 1


async def forget_claim(connection: Connection) -> None:
    """As if ten minutes had passed."""
    await connection.execute("UPDATE destination SET digest_retry_at = now()")


async def test_digest_of_changed_settings_is_not_sent(
    database: Database,
    connection: Connection,
    organization_id: int,
    add: Add,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    destination = await add()

    async def change_and_settle(*arguments: Any) -> bool:
        await store.change_destination(connection, organization_id, destination.id, WEBHOOK, digest="weekly")
        return await settle_digest(*arguments)

    monkeypatch.setattr(digesting, "settle_digest", change_and_settle)
    await make_due(database)
    assert await delivered(connection, destination) == []
    assert await state(connection, destination) == (next_due("weekly", HOUR, datetime.now(UTC)), 0, True)


async def test_digest_that_fails_is_tried_again_and_given_up_while_others_go_on(
    database: Database,
    connection: Connection,
    organization_id: int,
    add: Add,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    failing = await add()
    other = await add(organization_id=await organizations.ensure(connection, "other"))

    async def fail(database: Database, names: Any, definitions: Any, question: Any) -> Any:
        if question.selection.organization_id == organization_id:
            raise Unavailable("the database took longer than the limit")
        return await find(database, names, definitions, question)

    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING, "heliscore"):
        patch.setattr(digesting, "find", fail)
        await make_due(database)
        assert len(await delivered(connection, other)) == 1
        assert await state(connection, failing) == (END + DAY - timedelta(days=21), 1, False)

        await forget_claim(connection)
        await connection.execute("UPDATE destination SET digest_tries = $1", MAX_TRIES - 2)
        await make_due(database)
        assert caplog.messages == []
        await forget_claim(connection)
        await make_due(database)
    assert caplog.messages == [
        f"the daily digest of destination {failing.id} of organization {organization_id} was given up: "
        "the database took longer than the limit"
    ]
    assert await state(connection, failing) == (END + DAY, 0, True)
    assert await delivered(connection, failing) == []

    await connection.execute("UPDATE destination SET digest_at = now() WHERE id = $1", failing.id)
    await make_due(database)
    assert len(await delivered(connection, failing)) == 1


async def test_filter_that_cannot_be_read_disables_the_destination(
    database: Database, connection: Connection, organization_id: int, add: Add
) -> None:
    broken = await add(options={"filter": {"nonsense": {}}})
    await make_due(database)
    found = await store.find_destination(connection, organization_id, broken.id, WEBHOOK)
    assert found is not None
    assert found.disabled_reason == "its filter cannot be read by this version of the service"
