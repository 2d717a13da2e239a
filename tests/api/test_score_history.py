"""Who gave a score, why, and what it was before: authors, comments, opinions, history, restoring."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from heliscore.domain.api_key import mint_key
from heliscore.domain.author import Author
from heliscore.store import keys
from heliscore.store.connections.pool import Connection

from tests.api.envelope import DONE, encoded, faulty, post, scores_of
from tests.conftest import Service
from tests.servers import NO_CERTIFICATES

JUDGE = "judge:relevance-judge@2026-11"
HUMAN = "human:ada@example.com"
KEY = "api:test"
"""The author of a call that says nothing, by the name of the tests' keys."""

EXPECTED = "expected KIND:NAME or KIND:NAME@VERSION, where KIND is human, judge, code or api"


async def give(client: httpx.AsyncClient, request_id: str, scores: object, author: str | None = None) -> None:
    """Post scores with an author; they must be taken."""
    body = {"requestId": request_id, "scores": scores} | ({"author": author} if author else {})
    response = await client.post("/v1/scores", json=body)
    assert (response.status_code, response.json()) == (200, DONE)


async def shown(client: httpx.AsyncClient, request_id: str, as_of: str | None = None) -> dict[str, Any]:
    """The scores of a request with all that is known of them."""
    response = await client.get(
        f"/v1/request/{encoded(request_id)}/scores", params={} if as_of is None else {"asOf": as_of}
    )
    assert response.status_code == 200
    data = response.json()["data"]
    assert data["requestId"] == request_id
    scores: dict[str, Any] = data["scores"]
    return scores


def brief(entry: dict[str, Any]) -> tuple[Any, ...]:
    """Value, author and comment of what is shown."""
    return entry["value"], entry["author"], entry["comment"]


def steps(score: dict[str, Any]) -> list[tuple[Any, ...]]:
    """The history of a score, the oldest change first: what was done, value and author."""
    return [(change["action"], change["value"], change["author"]) for change in reversed(score["history"])]


async def test_all_is_kept_of_a_score(client: httpx.AsyncClient) -> None:
    await give(client, "r", {"accuracy": {"value": 40, "comment": "off topic"}, "cited": True}, JUDGE)
    await give(client, "r", {"accuracy": 80}, HUMAN)
    scores = await shown(client, "r")
    accuracy, (second, first) = scores["accuracy"], scores["accuracy"]["history"]
    value = {"isBoolean": False, "value": 80, "author": HUMAN, "comment": None}
    earlier = {"isBoolean": False, "value": 40, "author": JUDGE, "comment": "off topic"}
    now, then = ({key: change[key] for key in ("at", "change")} for change in (second, first))
    kept = {"call": "scores", "restoredBy": None, "takenBackAt": None, "isAside": False}
    assert accuracy == {
        **value,
        **now,
        "opinions": [value | now, earlier | then],
        "history": [
            value | now | kept | {"action": "replaced"},
            earlier | then | kept | {"action": "set"},
        ],
    }
    assert first["change"] < second["change"]
    assert brief(scores["cited"]) == (1, JUDGE, None)
    assert scores["cited"]["isBoolean"] is True


async def test_vendors_calls_have_the_key_s_author(client: httpx.AsyncClient) -> None:
    await post(client, "r", {"accuracy": 1})
    await client.post("/v1/request/r/feedback", json={"rating": True})
    scores = await shown(client, "r")
    assert {name: score["author"] for name, score in scores.items()} == {
        "accuracy": KEY,
        "helicone-score-feedback": KEY,
    }
    assert {name: score["history"][0]["call"] for name, score in scores.items()} == {
        "accuracy": "score",
        "helicone-score-feedback": "feedback",
    }


async def test_key_s_own_author_and_the_header_come_before(
    client: httpx.AsyncClient, shared: Service, connection: Connection, organization_id: int
) -> None:
    key = mint_key()
    await keys.register(connection, organization_id, key, name="x", author=Author("judge", "tone", "3"))
    async with httpx.AsyncClient(
        base_url=shared.address, headers={"Authorization": f"Bearer {key}"}, verify=NO_CERTIFICATES
    ) as judge:
        await post(judge, "r", {"a": 1, "b": 1, "c": 1})
        response = await judge.post(
            "/v1/request/r/score", json={"scores": {"b": 2}}, headers={"Heliscore-Author": "code:regex"}
        )
        assert response.status_code == 200
        response = await judge.post(
            "/v1/scores",
            json={"requestId": "r", "scores": {"c": 2}, "author": "human:Zoë"},
            headers={"Heliscore-Author": "code:regex"},
        )
        assert response.status_code == 200
    scores = await shown(client, "r")
    assert {name: score["author"] for name, score in scores.items()} == {
        "a": "judge:tone@3",
        "b": "code:regex",
        "c": "human:Zoë",
    }


@pytest.mark.parametrize(
    ("author", "message"),
    [
        ("ada", f'{EXPECTED}, got "ada"'),
        ("robot:x", f'{EXPECTED}, got "robot:x"'),
        ("human:", "the name must not be empty"),
        ("judge:x@", "the version must not be empty"),
        (f"code:{'x' * 256}", "the name must have at most 255 characters, got 256"),
    ],
)
async def test_wrong_author_is_an_error(client: httpx.AsyncClient, author: str, message: str) -> None:
    body = {"requestId": "r", "scores": {"a": 1}, "author": author}
    response = await client.post("/v1/scores", json=body)
    assert (response.status_code, response.json()) == (400, faulty(("author", message)))
    response = await client.post(
        "/v1/request/r/score", json={"scores": {"a": 1}}, headers={"Heliscore-Author": author}
    )
    assert (response.status_code, response.json()) == (400, faulty(("Heliscore-Author", message)))
    assert await scores_of(client, "r") is None


@pytest.mark.parametrize(
    ("sent", "message"),
    [([b"human:a", b"human:a"], "sent more than once"), ([b"human:\xe9"], "must be UTF-8")],
)
async def test_odd_header_is_an_error(client: httpx.AsyncClient, sent: list[bytes], message: str) -> None:
    headers = [(b"Heliscore-Author", value) for value in sent]
    response = await client.post("/v1/request/r/score", json={"scores": {"a": 1}}, headers=headers)
    assert (response.status_code, response.json()) == (400, faulty(("Heliscore-Author", message)))
    assert await scores_of(client, "r") is None


async def test_time_that_is_given_twice_is_an_error(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/request/r/scores?asOf=2026-01-01&asOf=2026-01-02")
    message = "expected a string, got an array"
    assert (response.status_code, response.json()) == (400, faulty(("asOf", message)))


@pytest.mark.parametrize(
    ("value", "errors"),
    [
        ({"value": None}, [("scores.a", "expected an integer or a boolean, got null")]),
        ({"comment": "why"}, [("scores.a.value", "missing")]),
        ({"value": 1, "reason": "x"}, [("scores.a.reason", "unknown key; known are comment, value")]),
        ({"value": 1, "comment": 5}, [("scores.a.comment", "expected a string, got 5")]),
        (
            {"value": 1, "comment": "x" * 10_001},
            [("scores.a.comment", "must have at most 10000 characters, got 10001")],
        ),
        ({"value": 1, "comment": "a\0"}, [("scores.a.comment", "must not contain NUL")]),
    ],
)  # fmt: skip
async def test_wrong_value_or_comment_is_an_error(
    client: httpx.AsyncClient, value: object, errors: list[tuple[str, str]]
) -> None:
    response = await client.post("/v1/scores", json={"requestId": "r", "scores": {"a": value}})
    assert (response.status_code, response.json()) == (400, faulty(*errors))
    assert await scores_of(client, "r") is None


async def test_longest_comment_is_kept(client: httpx.AsyncClient) -> None:
    comment = "ß🎯" * 5_000
    await give(client, "r", {"a": {"value": 1, "comment": comment}})
    assert (await shown(client, "r"))["a"]["comment"] == comment


async def test_equal_value_of_the_same_author_changes_nothing(client: httpx.AsyncClient) -> None:
    for _ in range(2):
        await give(client, "r", {"a": {"value": 1, "comment": "why"}}, JUDGE)
    await give(client, "r", {"a": 1}, JUDGE)
    score = (await shown(client, "r"))["a"]
    assert steps(score) == [("set", 1, JUDGE)]
    assert score["comment"] == "why"


async def test_equal_value_of_another_author_is_an_opinion(client: httpx.AsyncClient) -> None:
    await give(client, "r", {"a": 1}, JUDGE)
    await give(client, "r", {"a": 1}, HUMAN)
    score = (await shown(client, "r"))["a"]
    assert [brief(opinion) for opinion in score["opinions"]] == [(1, HUMAN, None), (1, JUDGE, None)]


async def test_another_comment_is_a_change(client: httpx.AsyncClient) -> None:
    for comment in ("first", "second"):
        await give(client, "r", {"a": {"value": 1, "comment": comment}}, JUDGE)
    history = (await shown(client, "r"))["a"]["history"]
    assert [brief(change) for change in history] == [(1, JUDGE, "second"), (1, JUDGE, "first")]


async def test_removed_score_and_its_remover_stay_in_the_history(client: httpx.AsyncClient) -> None:
    await give(client, "r", {"a": 1, "b": 2}, JUDGE)
    response = await client.delete("/v1/request/r/score/a", headers={"Heliscore-Author": HUMAN})
    assert response.status_code == 200
    await give(client, "r", {"a": 3}, JUDGE)
    scores = await shown(client, "r")
    assert steps(scores["a"]) == [("set", 1, JUDGE), ("removed", None, HUMAN), ("set", 3, JUDGE)]
    assert [brief(opinion) for opinion in scores["a"]["opinions"]] == [(3, JUDGE, None)]


async def test_scores_are_shown_as_they_were_at_any_time(client: httpx.AsyncClient) -> None:
    await give(client, "r", {"a": 1}, JUDGE)
    await give(client, "r", {"a": 2}, HUMAN)
    await client.delete("/v1/request/r/score/a")
    await give(client, "r", {"a": 3}, JUDGE)
    history = (await shown(client, "r"))["a"]["history"]
    values = []
    for change in reversed(history):
        score = (await shown(client, "r", change["at"]))["a"]
        values.append((score["value"], [opinion["value"] for opinion in score["opinions"]]))
    assert values == [(1, [1]), (2, [2, 1]), (None, [2, 1]), (3, [3, 2])]
    assert await shown(client, "r", "2020-01-01T00:00:00Z") == {}


async def test_score_is_restored_with_its_author_and_comment(client: httpx.AsyncClient) -> None:
    await give(client, "r", {"a": {"value": 80, "comment": "right"}}, HUMAN)
    await give(client, "r", {"a": 10}, JUDGE)
    human = (await shown(client, "r"))["a"]["history"][1]["change"]
    for _ in range(2):
        response = await client.post("/v1/request/r/score/a/restore", json={"change": human})
        assert (response.status_code, response.json()) == (200, DONE)
        human = (await shown(client, "r"))["a"]["history"][0]["change"]  # of the present: changes nothing
    score = (await shown(client, "r"))["a"]
    assert brief(score) == (80, HUMAN, "right")
    assert steps(score) == [("set", 80, HUMAN), ("replaced", 10, JUDGE), ("restored", 80, HUMAN)]
    assert score["history"][0]["restoredBy"] == KEY
    assert await scores_of(client, "r") == {"a": 80}


async def test_removal_is_restored_and_taken_back(client: httpx.AsyncClient) -> None:
    await give(client, "r", {"a": 1}, JUDGE)
    await client.delete("/v1/request/r/score/a")
    removal, value = (await shown(client, "r"))["a"]["history"]
    response = await client.post("/v1/request/r/score/a/restore", json={"change": value["change"]})
    assert response.status_code == 200
    assert await scores_of(client, "r") == {"a": 1}
    response = await client.post("/v1/request/r/score/a/restore", json={"change": removal["change"]})
    assert response.status_code == 200
    assert await scores_of(client, "r") == {}


@pytest.mark.parametrize("path", ["r/score/a", "r/score/other", "other/score/a"])
async def test_unknown_change_is_not_found(client: httpx.AsyncClient, path: str) -> None:
    await give(client, "r", {"a": 1}, JUDGE)
    response = await client.post(f"/v1/request/{path}/restore", json={"change": 5})
    request_id, _, name = path.split("/")
    error = f"the score {name} of request {request_id} has no such change"
    assert (response.status_code, response.json()) == (404, {"data": None, "error": error})


async def test_request_without_scores_and_no_request_differ(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/request/none/scores")
    assert (response.status_code, response.json()["error"]) == (404, "there is no request none")
    await give(client, "r", {"a": 1})
    await client.delete("/v1/request/r/score/a")
    assert (await shown(client, "r"))["a"]["value"] is None


async def test_removed_request_takes_its_history_along(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    await give(client, "r", {"a": {"value": 1, "comment": "why"}}, JUDGE)
    await give(client, "r", {"a": {"value": 2, "comment": "why not"}}, HUMAN)
    assert (await client.delete("/v1/request/r")).status_code == 200
    await give(client, "r", {"a": 3}, JUDGE)
    assert steps((await shown(client, "r"))["a"]) == [("set", 3, JUDGE)]
    for table in ("score_history", "score_comment"):
        count = f"SELECT count(*) FROM {table} WHERE organization_id = $1"
        assert await connection.fetchval(count, organization_id) == 0


@pytest.mark.parametrize("mode", ["atomic", "partial"])
async def test_items_of_an_upload_have_authors_and_comments(client: httpx.AsyncClient, mode: str) -> None:
    items = [
        {"requestId": "r", "scores": {"a": {"value": 1, "comment": "low"}, "b": 1}, "author": JUDGE},
        {"requestId": "r", "scores": {"a": 2}, "author": HUMAN},
        {"requestId": "s", "scores": {"a": 3}},
        {"requestId": "r", "scores": {"a": 1}, "author": JUDGE},
    ]
    response = await client.post(
        "/v1/scores/batch", json={"items": items, "mode": mode}, headers={"Heliscore-Author": "code:loader"}
    )
    assert response.status_code == 200
    score = (await shown(client, "r"))["a"]
    assert steps(score) == [("set", 1, JUDGE), ("replaced", 2, HUMAN), ("replaced", 1, JUDGE)]
    assert [brief(opinion) for opinion in score["opinions"]] == [(1, JUDGE, None), (2, HUMAN, None)]
    assert brief((await shown(client, "s"))["a"]) == (3, "code:loader", None)


async def test_scaled_items_may_have_comments(client: httpx.AsyncClient) -> None:
    item = {"requestId": "r", "scores": {"a": {"value": 0.95, "comment": "well"}, "b": 0.5}}
    response = await client.post("/v1/scores/batch?scale=100", json={"items": [item]})
    assert response.status_code == 200
    scores = await shown(client, "r")
    assert [brief(scores["a"]), brief(scores["b"])] == [(95, KEY, "well"), (50, KEY, None)]


async def test_gathered_posts_of_two_authors_are_both_kept(client: httpx.AsyncClient) -> None:
    """Many at once: some are written by one statement."""
    authors = [f"judge:j@{number % 5}" for number in range(40)]
    await asyncio.gather(*(give(client, "r", {"a": number}, author) for number, author in enumerate(authors)))
    history = (await shown(client, "r"))["a"]["history"]
    assert sorted((change["value"], change["author"]) for change in history) == list(enumerate(authors))
    assert (await scores_of(client, "r")) == {"a": history[0]["value"]}
    assert [change["change"] for change in history] == sorted(
        {change["change"] for change in history}, reverse=True
    )
