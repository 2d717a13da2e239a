"""What an author wrote in some time is taken back: scores go back to what stood before, opinions go."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from heliscore.api.native import timed_work
from heliscore.store import request_steps, score_reverts
from heliscore.store.connections.pool import Connection

from tests.api.envelope import faulty, one, scores
from tests.conftest import Service

JUDGE = "judge:relevance-judge@1"
NEXT_JUDGE = "judge:relevance-judge@2"
HUMAN = "human:ann@example.com"
CALLER = "api:test"
"""The author of the tests' key."""


async def give(client: httpx.AsyncClient, request_id: str, author: str, /, **given: object) -> None:
    body = {"requestId": request_id, "scores": given, "author": author}
    response = await client.post("/v1/scores", json=body)
    assert response.status_code == 200, response.text


async def remove(client: httpx.AsyncClient, request_id: str, name: str, author: str) -> None:
    response = await client.delete(
        f"/v1/request/{request_id}/score/{name}", headers={"Heliscore-Author": author}
    )
    assert response.status_code == 200, response.text


async def revert(client: httpx.AsyncClient, author: str = JUDGE, /, **body: object) -> dict[str, Any]:
    response = await client.post("/v1/scores/revert", json={"author": author, **body})
    assert response.status_code == 200, response.text
    assert response.json()["error"] is None
    data: dict[str, Any] = response.json()["data"]
    return data


def reverted(requests: int, scores: int, taken_back: int) -> dict[str, Any]:
    return {"requests": requests, "scores": scores, "takenBack": taken_back, "done": True, "next": None}


async def show(
    client: httpx.AsyncClient, request_id: str, name: str = "a", as_of: str | None = None
) -> dict[str, Any]:
    params = {} if as_of is None else {"asOf": as_of}
    response = await client.get(f"/v1/request/{request_id}/scores", params=params)
    assert response.status_code == 200, response.text
    shown: dict[str, Any] = response.json()["data"]["scores"][name]
    return shown


async def stands(client: httpx.AsyncClient, request_id: str, name: str = "a") -> tuple[Any, Any]:
    """The score's value and author."""
    score = await show(client, request_id, name)
    return score["value"], score["author"]


async def opinions(client: httpx.AsyncClient, request_id: str, as_of: str | None = None) -> dict[str, int]:
    shown = await show(client, request_id, as_of=as_of)
    return {opinion["author"]: opinion["value"] for opinion in shown["opinions"]}


async def history(client: httpx.AsyncClient, request_id: str, name: str = "a") -> list[tuple[Any, ...]]:
    """The changes, the newest first: value, author, action, by whom restored, whether it was taken back."""
    return [
        (
            change["value"],
            change["author"],
            change["action"],
            change["restoredBy"],
            change["takenBackAt"] is not None,
        )
        for change in (await show(client, request_id, name))["history"]
    ]


async def time_of(client: httpx.AsyncClient, request_id: str, place: int, name: str = "a") -> datetime:
    """The time of one of the changes, the newest first."""
    changes = (await show(client, request_id, name))["history"]
    return datetime.fromisoformat(changes[place]["at"])


# What scores go back to


async def test_score_goes_back_to_what_stood_before_and_first_values_go_away(
    client: httpx.AsyncClient,
) -> None:
    await give(client, "r", HUMAN, a=1)
    await give(client, "r", JUDGE, a=2, b=True)
    await give(client, "other", JUDGE, a=3)
    assert await revert(client) == reverted(2, 3, 3)
    assert await history(client, "r") == [
        (1, HUMAN, "taken back", CALLER, False),
        (2, JUDGE, "replaced", None, True),
        (1, HUMAN, "set", None, False),
    ]
    assert await history(client, "r", "b") == [
        (None, CALLER, "taken back", None, False),
        (1, JUDGE, "set", None, True),
    ]
    assert await stands(client, "other") == (None, CALLER)
    assert await opinions(client, "r") == {HUMAN: 1}


async def test_all_values_of_the_author_in_a_row_are_taken_back(client: httpx.AsyncClient) -> None:
    await give(client, "r", HUMAN, a=1)
    for value in (2, 3, 4):
        await give(client, "r", JUDGE, a=value)
    assert await revert(client) == reverted(1, 1, 3)
    assert await stands(client, "r") == (1, HUMAN)


async def test_values_of_the_author_between_those_of_others_are_taken_back(client: httpx.AsyncClient) -> None:
    for author, value in ((HUMAN, 1), (JUDGE, 2), (NEXT_JUDGE, 3), (JUDGE, 4)):
        await give(client, "r", author, a=value)
    assert await revert(client) == reverted(1, 1, 2)
    assert await stands(client, "r") == (3, NEXT_JUDGE)
    assert await opinions(client, "r") == {HUMAN: 1, NEXT_JUDGE: 3}


async def test_value_of_another_author_stays_and_the_opinion_goes(client: httpx.AsyncClient) -> None:
    await give(client, "r", JUDGE, a=2)
    await give(client, "r", HUMAN, a=1)
    before = await time_of(client, "r", 0)
    assert await revert(client) == reverted(1, 0, 1)
    assert await history(client, "r") == [
        (1, HUMAN, "replaced", None, False),
        (2, JUDGE, "set", None, True),
    ]
    assert await opinions(client, "r") == {HUMAN: 1}
    assert await opinions(client, "r", before.isoformat()) == {HUMAN: 1, JUDGE: 2}


async def test_removal_by_the_author_is_taken_back_too(client: httpx.AsyncClient) -> None:
    await give(client, "r", HUMAN, a=1)
    await remove(client, "r", "a", JUDGE)
    assert await revert(client) == reverted(1, 1, 1)
    assert await stands(client, "r") == (1, HUMAN)


async def test_removal_by_another_author_stays(client: httpx.AsyncClient) -> None:
    await give(client, "r", JUDGE, a=1)
    await remove(client, "r", "a", HUMAN)
    assert await revert(client) == reverted(1, 0, 1)
    assert await stands(client, "r") == (None, HUMAN)
    await give(client, "r", JUDGE, a=2)
    assert await revert(client) == reverted(1, 1, 1)
    assert await stands(client, "r") == (None, CALLER)


async def test_opinion_beside_a_humans_value_goes_and_does_not_become_the_score(
    client: httpx.AsyncClient,
) -> None:
    definition = {"type": "integer", "precedence": "human"}
    assert (await client.put("/v1/score-definitions/a", json=definition)).status_code == 200
    for request_id in ("r", "other"):
        await give(client, request_id, HUMAN, a=1)
        await give(client, request_id, JUDGE, a=2)
    assert await revert(client, filter=one("r")) == reverted(1, 0, 1)
    assert (await stands(client, "r"), await opinions(client, "r")) == ((1, HUMAN), {HUMAN: 1})
    assert await revert(client, HUMAN) == reverted(2, 2, 2)
    assert (await stands(client, "other"), await opinions(client, "other")) == ((None, CALLER), {JUDGE: 2})


async def test_comment_comes_back_with_its_value(client: httpx.AsyncClient) -> None:
    await give(client, "r", HUMAN, a={"value": 1, "comment": "seen by two"})
    await give(client, "r", JUDGE, a={"value": 2, "comment": "likely"})
    await revert(client)
    shown = await show(client, "r")
    assert (shown["value"], shown["comment"]) == (1, "seen by two")
    assert [change["comment"] for change in shown["history"]] == ["seen by two", "likely", "seen by two"]


async def test_scores_as_of_a_time_before_are_as_they_were(client: httpx.AsyncClient) -> None:
    await give(client, "r", HUMAN, a=1)
    await give(client, "r", JUDGE, a=2)
    then = (await time_of(client, "r", 0)).isoformat()
    shown = await show(client, "r", as_of=then)
    await revert(client)
    assert await show(client, "r", as_of=then) == shown


# Values that were restored


async def test_value_that_came_back_in_the_time_but_is_older_stays(client: httpx.AsyncClient) -> None:
    await give(client, "r", JUDGE, a=1)
    await give(client, "r", NEXT_JUDGE, a=2)
    since = await time_of(client, "r", 0)
    await revert(client, NEXT_JUDGE)
    assert await revert(client, since=since.isoformat()) == reverted(0, 0, 0)
    assert await stands(client, "r") == (1, JUDGE)


async def test_value_goes_with_the_change_that_it_came_back_from(client: httpx.AsyncClient) -> None:
    await give(client, "r", JUDGE, a=1)
    await give(client, "r", NEXT_JUDGE, a=2)
    until = await time_of(client, "r", 0)
    await revert(client, NEXT_JUDGE)
    assert await revert(client, until=until.isoformat()) == reverted(1, 1, 2)
    assert await stands(client, "r") == (None, CALLER)


async def test_value_that_somebody_restored_after_it_was_taken_back_stays(client: httpx.AsyncClient) -> None:
    await give(client, "r", JUDGE, a=1)
    number = (await show(client, "r"))["change"]
    await revert(client)
    response = await client.post("/v1/request/r/score/a/restore", json={"change": number})
    assert response.status_code == 200
    assert await revert(client) == reverted(0, 0, 0)
    assert await stands(client, "r") == (1, JUDGE)


# Which changes


async def test_version_counts_unless_all_are_asked_for(client: httpx.AsyncClient) -> None:
    await give(client, "r", HUMAN, a=1)
    await give(client, "r", JUDGE, a=2)
    await give(client, "r", NEXT_JUDGE, a=3)
    assert await revert(client, "judge:relevance-judge") == reverted(0, 0, 0)
    assert await revert(client, "judge:relevance-judge", allVersions=True) == reverted(1, 1, 2)
    assert await stands(client, "r") == (1, HUMAN)


async def test_only_scores_of_the_names_go_back(client: httpx.AsyncClient) -> None:
    await give(client, "r", JUDGE, a=1, b=2)
    assert await revert(client, names=["unknown"]) == reverted(0, 0, 0)
    assert await revert(client, names=[]) == reverted(0, 0, 0)
    assert await revert(client, names=["b", "unknown"]) == reverted(1, 1, 1)
    assert await stands(client, "r") == (1, JUDGE)
    assert await stands(client, "r", "b") == (None, CALLER)


async def test_only_changes_of_the_time_go_back_both_ends_included(client: httpx.AsyncClient) -> None:
    for value in (1, 2, 3, 4):
        await give(client, "r", JUDGE, a=value)
    since, until = await time_of(client, "r", 2), await time_of(client, "r", 1)
    assert await revert(client, since=since.isoformat(), until=until.isoformat()) == reverted(1, 0, 2)
    assert await stands(client, "r") == (4, JUDGE)
    later = (until + timedelta(microseconds=1)).isoformat()
    assert await revert(client, since=later) == reverted(1, 1, 1)
    assert await stands(client, "r") == (1, JUDGE)


async def test_only_scores_of_requests_that_the_filter_finds_go_back(client: httpx.AsyncClient) -> None:
    for request_id, value in (("low", 10), ("high", 90)):
        await give(client, request_id, HUMAN, a=value)
        await give(client, request_id, JUDGE, b=value)
    assert await revert(client, filter=scores(a={"lt": 50})) == reverted(1, 1, 1)
    assert await stands(client, "low", "b") == (None, CALLER)
    assert await stands(client, "high", "b") == (90, JUDGE)


async def test_filter_may_ask_who_gave_the_present_value(client: httpx.AsyncClient) -> None:
    for request_id in ("kept", "corrected"):
        await give(client, request_id, JUDGE, a=1)
    await give(client, "corrected", HUMAN, a=2)
    corrected = {"score": {"a": {"kind": {"equals": "human"}}}}
    assert await revert(client, filter=corrected) == reverted(1, 0, 1)
    assert await opinions(client, "corrected") == {HUMAN: 2}
    assert await stands(client, "kept") == (1, JUDGE)


async def test_scores_of_other_organizations_stay(shared: Service, client: httpx.AsyncClient) -> None:
    stranger = await shared.client("another organization of the revert")
    for each in (client, stranger):
        await give(each, "r", JUDGE, a=1)
    assert await revert(client) == reverted(1, 1, 1)
    assert await stands(stranger, "r") == (1, JUDGE)
    assert await revert(stranger) == reverted(1, 1, 1)


# How it goes


async def test_dry_run_counts_and_changes_nothing(client: httpx.AsyncClient) -> None:
    await give(client, "r", HUMAN, a=1)
    await give(client, "r", JUDGE, a=2, b=3)
    shown = await show(client, "r")
    for _ in range(2):
        assert await revert(client, dryRun=True) == reverted(1, 2, 2)
    assert await show(client, "r") == shown


async def test_second_revert_finds_nothing(client: httpx.AsyncClient) -> None:
    await give(client, "r", JUDGE, a=2)
    assert await revert(client) == reverted(1, 1, 1)
    for _ in range(2):
        assert await revert(client) == reverted(0, 0, 0)
        # With a key of the author, too: removals of a revert are nobody's writing.
        response = await client.post(
            "/v1/scores/revert", json={"author": JUDGE}, headers={"Heliscore-Author": JUDGE}
        )
        assert response.json()["data"] == reverted(0, 0, 0)
        await give(client, "r", JUDGE, a=3)
        response = await client.post(
            "/v1/scores/revert", json={"author": JUDGE}, headers={"Heliscore-Author": JUDGE}
        )
        assert response.json()["data"] == reverted(1, 1, 1)


async def test_two_reverts_at_once_take_back_everything_once(client: httpx.AsyncClient) -> None:
    items = [{"requestId": f"r{n}", "scores": {"a": n}, "author": JUDGE} for n in range(300)]
    assert (await client.post("/v1/scores/batch", json={"items": items})).status_code == 200
    parts = await asyncio.gather(*(revert(client) for _ in range(3)))
    assert sum(part["takenBack"] for part in parts) == 300
    assert sum(part["scores"] for part in parts) == 300
    assert await history(client, "r7") == [
        (None, CALLER, "taken back", None, False),
        (7, JUDGE, "set", None, True),
    ]


async def test_long_revert_goes_on_at_next_and_leaves_what_came_meanwhile(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timed_work, "_WORK_S", 0)
    monkeypatch.setattr(score_reverts, "BATCH", 2)
    for number in range(5):
        await give(client, f"r{number}", JUDGE, a=number)
    part = await revert(client)
    while part["requests"] == 0:  # it walks through other tests' requests first
        part = await revert(client, next=part["next"])
    assert (part["requests"], part["done"]) == (2, False)
    await give(client, "r4", JUDGE, a=99)
    total = part["requests"]
    while not part["done"]:
        part = await revert(client, next=part["next"])
        total += part["requests"]
    assert total == 5
    assert await stands(client, "r4") == (99, JUDGE)
    assert await stands(client, "r3") == (None, CALLER)


async def test_call_ends_early_at_a_request_that_is_locked_and_goes_on_there(
    client: httpx.AsyncClient,
    connection: Connection,
    organization_id: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(score_reverts, "BATCH", 1)
    monkeypatch.setitem(request_steps._SQL, "limit_wait", "SET LOCAL lock_timeout = '50ms'")
    for request_id in ("free", "locked"):
        await give(client, request_id, JUDGE, a=1)
    async with connection.transaction():
        await connection.execute(
            "SELECT FROM request WHERE organization_id = $1 AND request_id = 'locked' FOR UPDATE",
            organization_id,
        )
        part = await revert(client)
        assert {**part, "next": None} == {**reverted(1, 1, 1), "done": False}
        response = await client.post("/v1/scores/revert", json={"author": JUDGE, "next": part["next"]})
        assert response.status_code == 503
    assert await revert(client, next=part["next"]) == reverted(1, 1, 1)


async def test_errors_are_listed(client: httpx.AsyncClient) -> None:
    body = {"author": "nobody", "since": "yesterday", "next": "eA==", "dryRun": 1}
    response = await client.post("/v1/scores/revert", json=body)
    assert response.status_code == 400
    assert response.json() == faulty(
        (
            "author",
            'expected KIND:NAME or KIND:NAME@VERSION, where KIND is human, judge, code or api, got "nobody"',
        ),
        ("since", 'expected an ISO 8601 date or date-time, got "yesterday"'),
        ("dryRun", "expected true or false, got 1"),
        ("next", "expected what the call before answered as next"),
    )


async def test_key_that_only_reads_may_not(shared: Service, organization: str) -> None:
    reader = await shared.client(organization, "r")
    response = await reader.post("/v1/scores/revert", json={"author": JUDGE})
    assert response.status_code == 403
