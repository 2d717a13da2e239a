from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import asyncpg
import msgspec
import pytest
from heliscore.api.native.monitor_definitions import decode_definition, encode_definition
from heliscore.demo import organization
from heliscore.demo.assignment import QUEUE
from heliscore.demo.bookmarks import VIEWS
from heliscore.demo.meanings import DEFINITIONS
from heliscore.demo.past_alarm import MONITOR, STORED
from heliscore.demo.traffic import DemoRequest, make_requests
from heliscore.domain.api_key import hash_key, mint_key
from heliscore.domain.errors import StartError
from heliscore.domain.score import Score
from heliscore.domain.times import format_time
from heliscore.store import (
    keys,
    monitors,
    organizations,
    review_queues,
    saved_views,
    score_definitions,
    scores,
)
from heliscore.store.connections.pool import Connection
from heliscore.store.organizations import RequestCount
from heliscore.store.scores import ScoreIds, ScoreWrite

from tests.api.calls import make_monitor
from tests.conftest import Service
from tests.origins import ORIGIN

NOW = datetime(2026, 3, 4, 15, 30, tzinfo=UTC)
COUNT = 120

TABLES = """
SELECT table_name, CASE table_name WHEN 'organization' THEN 'id' ELSE 'organization_id' END
FROM information_schema.columns
WHERE table_schema = 'public'
    AND (column_name = 'organization_id' OR table_name = 'organization' AND column_name = 'id')
ORDER BY table_name
"""


async def contents(connection: Connection, organization_id: int) -> dict[str, list[str]]:
    """Every row that belongs to an organization, by table."""
    tables = await connection.fetch(TABLES)
    assert len(tables) >= 7
    return {
        table: [
            row
            for (row,) in await connection.fetch(
                f"SELECT t::text FROM {table} AS t WHERE {column} = $1 ORDER BY 1", organization_id
            )
        ]
        for table, column in tables
    }


def demo_requests(organization_id: int, now: datetime = NOW) -> list[DemoRequest]:
    return list(make_requests(organization_id, count=COUNT, days=30, seed=1, now=now))


async def fill(connection: Connection, organization_id: int, now: datetime = NOW) -> list[int]:
    steps: list[int] = []
    await organization.fill(connection, iter(demo_requests(organization_id, now)), steps.append)
    return steps


@pytest.fixture
async def stranger(connection: asyncpg.Connection[asyncpg.Record]) -> AsyncIterator[int]:
    """Another organization with data of its own, which is the same in the end."""
    id_ = await organizations.ensure(connection, "stranger")
    await keys.register(connection, id_, mint_key(), name="heliscore demo")
    post = ScoreWrite(id_, "demo_1", {"accuracy": Score(1, False)}, NOW, ORIGIN)
    await scores.record(connection, ScoreIds(), [post])
    before = await contents(connection, id_)
    yield id_
    assert await contents(connection, id_) == before


async def test_made_organization_has_a_key(connection: Connection) -> None:
    id_, key = await organization.ensure(connection, "demo")
    assert key is not None
    principal = await keys.find(connection, hash_key(key))
    assert principal is not None
    assert (principal.organization_id, principal.permissions) == (id_, "rw")


async def test_key_is_made_once(connection: Connection) -> None:
    id_, key = await organization.ensure(connection, "demo")
    assert key is not None
    assert await organization.ensure(connection, "demo") == (id_, None)
    assert await organization.find(connection, "demo") == id_
    assert [known.name for known in await keys.list_keys(connection)] == ["heliscore demo"]


async def test_what_was_filled_in_is_there_through_a_running_service(
    connection: Connection, service: Service
) -> None:
    id_, key = await organization.ensure(connection, "demo")
    client = await service.client(key=key)
    assert await fill(connection, id_) == [50, 50, 20]
    query = {"filter": "all", "limit": 1000, "sort": {"created_at": "asc"}}
    rows = (await client.post("/v1/request/query", json=query)).json()["data"]
    expected = [
        (
            demo_request.logged.request_id,
            format_time(demo_request.logged.created_at),
            demo_request.logged.status,
            demo_request.logged.request_model,
            demo_request.logged.prompt_version,
            {name: score.value for name, score in demo_request.scores.items()},
        )
        for demo_request in demo_requests(id_)
    ]
    columns = (
        "request_id",
        "request_created_at",
        "response_status",
        "request_model",
        "prompt_version",
        "scores",
    )
    assert [tuple(row[column] for column in columns) for row in rows] == expected


async def test_filling_again_moves_what_is_there_and_keeps_scores_by_hand(
    connection: Connection, service: Service
) -> None:
    id_, key = await organization.ensure(connection, "demo")
    demo = await service.client(key=key)
    await fill(connection, id_)
    request = demo_requests(id_)[60].logged
    written = (await demo.get(f"/v1/request/{request.request_id}")).json()["data"]["scores"]
    given = {"accuracy": written["accuracy"] - 1, "by_hand": 3}
    await demo.post(f"/v1/request/{request.request_id}/score", json={"scores": given})
    assert (await demo.delete(f"/v1/request/{request.request_id}/score/relevance")).is_success
    del written["relevance"]
    later = datetime(2026, 3, 6, 15, 30, tzinfo=UTC)
    await fill(connection, id_, later)
    assert await organization.count(connection, id_) == RequestCount(requests=COUNT, others=0)
    row = (await demo.get(f"/v1/request/{request.request_id}")).json()["data"]
    assert row["scores"] == written | given
    assert row["request_created_at"] == format_time(demo_requests(id_, later)[60].logged.created_at)


async def test_history_of_what_was_filled_in_is_there_once(connection: Connection, service: Service) -> None:
    id_, key = await organization.ensure(connection, "demo")
    client = await service.client(key=key)
    await fill(connection, id_)
    await fill(connection, id_)
    corrected = next(
        one
        for one in demo_requests(id_)
        if one.posts and one.posts[-1].origin.author.kind == "human" and one.posts[-1].comments
    )
    *_, human = corrected.posts
    [name] = human.scores
    answer = await client.get(f"/v1/request/{corrected.logged.request_id}/scores")
    score = answer.json()["data"]["scores"][name]
    expected = [
        (post.scores[name].value, str(post.origin.author), post.comments.get(name))
        for post in reversed(corrected.posts)
        if name in post.scores
    ]
    columns = ("value", "author", "comment")
    assert [tuple(change[column] for column in columns) for change in score["history"]] == expected
    assert [opinion["author"] for opinion in score["opinions"]] == [author for _, author, _ in expected]
    assert len(expected) > 1


async def test_furniture_is_there_once_and_leaves_what_people_did(
    connection: Connection, service: Service
) -> None:
    id_, key = await organization.ensure(connection, "demo")
    client = await service.client(key=key)
    await fill(connection, id_)
    await organization.furnish(connection, id_, NOW)
    definition = {"type": "integer", "min": 0, "max": 10}
    assert (await client.put("/v1/score-definitions/accuracy", json=definition)).is_success
    request_id = next(one for one in demo_requests(id_) if "toxicity" in one.scores).logged.request_id
    history = (await client.get(f"/v1/request/{request_id}/scores")).json()["data"]["scores"]["toxicity"]
    assert (history["value"], history["history"][0]["author"]) == (None, "human:bob")
    given = {"scores": {"toxicity": 5}}
    assert (await client.post(f"/v1/request/{request_id}/score", json=given)).is_success
    before = await contents(connection, id_)
    await organization.furnish(connection, id_, NOW)
    after = await contents(connection, id_)
    # The service counts scores meanwhile, and evaluates the monitor.
    kept = (
        "request",
        "score",
        "score_history",
        "score_definition",
        "saved_view",
        "review_queue",
        "queue_review",
    )
    assert {table: after[table] for table in kept} == {table: before[table] for table in kept}
    assert all(before[table] for table in kept)
    assert len(after["monitor"]) == len(before["monitor"]) == 1
    definitions = await score_definitions.list_definitions(connection, id_)
    assert {one.name: one.direction for one in definitions} == {
        one.name: one.direction if one.name != "accuracy" else None for one in DEFINITIONS
    }
    views = await saved_views.list_views(connection, id_)
    assert {view.name: view.search for view in views} == VIEWS


async def test_monitor_fires_since_the_release_and_a_queue_is_half_done(connection: Connection) -> None:
    id_, _ = await organization.ensure(connection, "demo")
    await organization.fill(
        connection, make_requests(id_, count=400, days=30, seed=1, now=NOW), lambda _: None
    )
    await organization.furnish(connection, id_, NOW)
    [monitor] = await monitors.list_monitors(connection, id_)
    assert (monitor.state, decode_definition(monitor.definition)) == ("firing", MONITOR)
    assert msgspec.json.decode(STORED) == msgspec.json.decode(encode_definition(MONITOR))
    states = {state.group: state.state for state in monitor.stand.states}
    assert states == {"support-reply": "firing", "handbook-answer": "ok", "review-change": "ok"}
    [change] = await monitors.list_changes(connection, id_, monitor.id, None, 9)
    assert (change.group, change.previous_state, change.state) == ("support-reply", "ok", "firing")
    assert NOW - timedelta(days=6) < change.at < NOW - timedelta(days=3)
    [queue] = await review_queues.list_queues(connection, id_)
    assert (queue.name, queue.items, queue.items_done) == (QUEUE.name, 24, 10)
    reviewers = await review_queues.list_reviewers(connection, id_, queue.id)
    assert [(one.author, one.done, one.is_at_work) for one in reviewers] == [
        ("human:ada", 14, False),
        ("human:bob", 10, False),
    ]


async def test_organization_of_somebody_is_left_alone(connection: Connection, stranger: int) -> None:
    assert stranger
    message = "the organization stranger was not made by heliscore demo, and is left alone"
    with pytest.raises(StartError, match=message):
        await organization.ensure(connection, "stranger")
    with pytest.raises(StartError, match=message):
        await organization.find(connection, "stranger")


async def test_organization_that_is_not_there_is_not_found(connection: Connection) -> None:
    with pytest.raises(StartError, match="there is no organization demo"):
        await organization.find(connection, "demo")


async def test_requests_of_others_are_counted(connection: Connection) -> None:
    id_, _ = await organization.ensure(connection, "demo")
    await fill(connection, id_)
    await scores.record(
        connection, ScoreIds(), [ScoreWrite(id_, "mine", {"accuracy": Score(1, False)}, NOW, ORIGIN)]
    )
    assert await organization.count(connection, id_) == RequestCount(requests=COUNT + 1, others=1)


async def test_removal_leaves_nothing_behind_and_others_alone(
    connection: Connection, service: Service, stranger: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(organization, "_KEYS_STOP_S", 0.0)
    id_, key = await organization.ensure(connection, "demo")
    await fill(connection, id_)
    client = await service.client(key=key)
    assert (await client.post("/create-group", json={"api_key": key})).is_success
    body = {
        "provider": "openai", "model": "m", "api_key": key, "input": {"type": "chat", "messages": []},
        "output": {"type": "chat", "messages": []}, "request_start_time": 1, "request_end_time": 2,
    }  # fmt: skip
    assert (await client.post("/log-request", json=body)).is_success
    await make_monitor(connection, id_, "old")
    await organization.furnish(connection, id_, NOW)
    steps: list[int] = []
    await organization.remove(connection, id_, steps.append)
    assert sum(steps) == COUNT + 1
    assert {table: rows for table, rows in (await contents(connection, id_)).items() if rows} == {}
    assert stranger != id_


async def test_organization_that_was_removed_can_be_made_again(
    connection: Connection, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(organization, "_KEYS_STOP_S", 0.0)
    for _ in range(2):
        id_, key = await organization.ensure(connection, "demo")
        await fill(connection, id_)
        client = await service.client(key=key)
        query = {"filter": {"request_response_rmt": {"scores": {"accuracy": {"gte": 0}}}}, "limit": 1000}
        rows = (await client.post("/v1/request/query", json=query)).json()["data"]
        assert len(rows) == sum(bool(demo_request.scores) for demo_request in demo_requests(id_))
        await organization.remove(connection, id_, lambda _: None)
