"""Review queues over HTTP: made, filled, reviewed by several, and by keys that may do no more."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from heliscore.store.connections.pool import Connection

from tests.api.calls import BODIES, PROTECTED, QUEUE, call, name_of, prepare
from tests.api.envelope import log, post
from tests.conftest import Service

QUEUES = "/v1/queues"
ANN, BOB, CAT = ({"Heliscore-Author": f"human:{name}"} for name in ("Ann", "Bob", "Cat"))
TERMS = {"name": "bad answers", "scores": ["accuracy", "tone"]}
GIVEN = {"scores": {"accuracy": 20, "tone": {"value": 3, "comment": "curt"}}}

Json = dict[str, Any]


async def ask(client: httpx.AsyncClient, method: str, path: str, body: object = None, **headers: str) -> Any:
    content = None if body is None else json.dumps(body)
    sent = {key.replace("_", "-"): value for key, value in headers.items()}
    answer = await client.request(method, path, content=content, headers=sent)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


async def errors(client: httpx.AsyncClient, path: str, body: object) -> list[tuple[str, str]]:
    answer = await client.post(path, content=json.dumps(body))
    assert answer.status_code == 400, answer.text
    return [(one["path"], one["message"]) for one in answer.json()["details"]]


async def make(client: httpx.AsyncClient, ids: str = "abc", **terms: object) -> str:
    """Make a queue of requests that are logged nowhere but have a score; returns its path."""
    for number, id_ in enumerate(ids):
        await post(client, id_, {"quality": number})
    made = await ask(client, "POST", QUEUES, {**TERMS, "requestIds": list(ids), **terms})
    return f"{QUEUES}/{made['id']}"


async def take(client: httpx.AsyncClient, path: str, reviewer: Json) -> Any:
    found = await ask(client, "POST", f"{path}/next", **reviewer)
    return None if found is None else found["requestId"]


async def finish(client: httpx.AsyncClient, path: str, id_: str, reviewer: Json, **scores: Any) -> int:
    body = {"scores": scores or GIVEN["scores"]}
    answer = await client.post(f"{path}/items/{id_}/done", json=body, headers=reviewer)
    return answer.status_code


async def limited(shared: Service, client: httpx.AsyncClient, path: str) -> httpx.AsyncClient:
    """A client with a reviewer's key of that queue."""
    link = await ask(client, "POST", f"{path}/links", {"name": "for Ann"})
    return await shared.client(key=link["apiKey"])


def without(answer: Json, *keys: str) -> Json:
    return {key: value for key, value in answer.items() if key not in keys}


# Made and filled


async def test_queue_is_made_shown_changed_and_removed(client: httpx.AsyncClient) -> None:
    definition = {"type": "integer", "min": 0, "max": 100}
    await ask(client, "PUT", "/v1/score-definitions/accuracy", definition)
    path = await make(client)
    expected: Json = {
        "name": "bad answers",
        "instructions": "",
        "scores": ["accuracy", "tone"],
        "reviewersPerItem": 1,
        "blind": False,
        "reservationMinutes": 30,
        "closedAt": None,
        "items": {"all": 3, "done": 0, "inWork": 0, "left": 3},
        "reviews": {"wanted": 3, "done": 0},
    }
    [listed] = await ask(client, "GET", QUEUES)
    assert without(listed, "id", "createdAt") == expected
    shown = await ask(client, "GET", path)
    assert without(shown, "definitions") == {**listed, "reviewers": [], "links": []}
    assert [(one["name"], one["max"]) for one in shown["definitions"]] == [("accuracy", 100)]
    changed = await ask(client, "PATCH", path, {"name": "worse", "instructions": "Be kind."})
    assert changed == {**shown, "name": "worse", "instructions": "Be kind."}
    assert (await ask(client, "PATCH", path, {"closed": True}))["closedAt"] is not None
    assert (await client.post(f"{path}/next")).json()["error"] == "the queue worse is closed"
    assert (await ask(client, "PATCH", path, {"closed": False}))["closedAt"] is None
    await ask(client, "DELETE", path)
    assert await ask(client, "GET", QUEUES) == []
    assert (await client.get(path)).status_code == 404


async def test_requests_are_chosen_by_a_list_a_filter_or_a_sample(client: httpx.AsyncClient) -> None:
    path = await make(client, "abcdef", name="list")

    async def items(path: str) -> list[str]:
        return [one["requestId"] for one in await ask(client, "GET", f"{path}/items")]

    assert await items(path) == list("abcdef")
    high = {"request_response_rmt": {"scores": {"quality": {"gte": 2}}}}
    worst = {"scores": {"quality": "asc"}}
    body = {**TERMS, "filter": high, "sort": worst, "size": 3}
    by_filter = f"{QUEUES}/{(await ask(client, 'POST', QUEUES, body))['id']}"
    assert await items(by_filter) == ["c", "d", "e"]
    assert await ask(client, "POST", f"{by_filter}/items", {"filter": high, "sort": worst}) == {"added": 1}
    assert await ask(client, "POST", f"{by_filter}/items", {"requestIds": ["a", "no", "a"]}) == {"added": 1}
    assert await items(by_filter) == ["c", "d", "e", "f", "a"]
    await ask(client, "DELETE", f"{by_filter}/items/e")
    assert await items(by_filter) == ["c", "d", "f", "a"]
    assert (await client.delete(f"{by_filter}/items/e")).status_code == 404
    sample = {"filter": "all", "by": "threshold", "score": "quality", "threshold": 3, "size": 2, "seed": 1}
    drawn = await ask(client, "POST", "/v1/evals/sample", sample)
    by_sample = await ask(client, "POST", QUEUES, {**TERMS, "name": "sample", "sample": sample})
    assert await items(f"{QUEUES}/{by_sample['id']}") == [one["requestId"] for one in drawn["requests"]]
    keyed = {
        **TERMS,
        "name": "keyed",
        "sample": {**sample, "by": "random"} | {"score": None, "threshold": None},
    }
    once = {"Idempotency_Key": "once"}
    made = [await ask(client, "POST", QUEUES, keyed, **once) for _ in range(2)]
    assert made[0] == made[1]
    assert made[0]["items"]["all"] == 2


async def test_what_is_not_understood_is_refused(client: httpx.AsyncClient) -> None:
    await make(client, "")
    assert await errors(client, QUEUES, TERMS) == [("name", "there is a queue of that name")]
    both = {**TERMS, "name": "x", "requestIds": ["a"], "filter": "all", "size": 0}
    assert await errors(client, QUEUES, {"name": "x", "scores": [], "reviewersPerItem": 11}) == [
        ("scores", "expected a list of 1 to 20 names"),
        ("reviewersPerItem", "expected an integer from 1 to 10, got 11"),
    ]
    assert await errors(client, QUEUES, both) == [("size", "expected an integer from 1 to 10000, got 0")]
    assert await errors(client, QUEUES, {**both, "size": 1}) == [
        ("filter", "cannot be combined with requestIds")
    ]
    assert await errors(client, QUEUES, {**TERMS, "size": 1}) == [("size", "belongs to a filter")]
    random = {**TERMS, "filter": "all", "sort": {"random": True}}
    message = 'a random order has no beginning: draw a sample by "random"'
    assert await errors(client, QUEUES, random) == [("sort", message)]
    path = f"{QUEUES}/{(await ask(client, 'GET', QUEUES))[0]['id']}"
    assert await errors(client, f"{path}/items", {}) == [
        ("requestIds", "missing, and so are filter and sample")
    ]
    assert len(await ask(client, "GET", QUEUES)) == 1


# Reviewed


async def test_reviewer_takes_scores_and_finishes(client: httpx.AsyncClient) -> None:
    path = await make(client)
    first = await ask(client, "POST", f"{path}/next", **ANN)
    assert without(first, "createdAt", "reservedUntil") == {
        "requestId": "a",
        "number": 1,
        "of": 3,
        "reviewer": "human:Ann",
        "doneAt": None,
        "skipped": False,
        "model": None,
        "requestBody": None,
        "responseBody": None,
        "given": [],
        "others": [],
    }
    assert await take(client, path, ANN) == "a"
    assert await take(client, path, BOB) == "b"
    done = f"{path}/items/a/done"
    assert await errors(client, done, {"scores": {"accuracy": 1, "other": 1}}) == [
        ("scores.other", "not a score of this queue, which asks for accuracy, tone")
    ]
    assert await finish(client, path, "a", ANN, accuracy=20) == 400
    assert (await ask(client, "GET", "/v1/request/a"))["scores"] == {"quality": 0}
    assert await finish(client, path, "a", BOB) == 409  # Ann has it
    assert await finish(client, path, "a", ANN) == 200
    shown = await ask(client, "GET", f"{path}/items/a", **ANN)
    given = [without(one, "at") for one in shown["given"]]
    assert given == [
        {"name": "accuracy", "author": "human:Ann", "value": 20, "comment": None},
        {"name": "tone", "author": "human:Ann", "value": 3, "comment": "curt"},
    ]
    assert shown["doneAt"] is not None
    assert (await ask(client, "GET", "/v1/request/a"))["scores"] == {"quality": 0, "accuracy": 20, "tone": 3}
    assert await finish(client, path, "a", ANN, accuracy=30) == 200  # the other one is there
    # Bob gives his back, and it is handed out to Ann.
    assert (await client.post(f"{path}/items/b/skip", headers=BOB)).status_code == 200
    assert [await take(client, path, one) for one in (BOB, ANN)] == ["c", "b"]
    assert (await client.post(f"{path}/items/a/skip", headers=ANN)).status_code == 409
    queue = await ask(client, "GET", path)
    assert queue["items"] == {"all": 3, "done": 1, "inWork": 2, "left": 0}
    assert [without(one, "lastDoneAt") for one in queue["reviewers"]] == [
        {"author": "human:Ann", "done": 1, "skipped": 0, "atWork": True},
        {"author": "human:Bob", "done": 0, "skipped": 1, "atWork": True},
    ]
    listed = await ask(client, "GET", f"{path}/items?after=1&limit=1")
    assert without(listed[0], "createdAt") == {
        "position": 2,
        "requestId": "b",
        "state": "inWork",
        "doneBy": [],
        "reservedBy": ["human:Ann"],
        "skippedBy": ["human:Bob"],
    }


async def test_blind_queue_hides_others_until_one_s_own_is_given(
    shared: Service, client: httpx.AsyncClient
) -> None:
    path = await make(client, "a", reviewersPerItem=2, blind=True)
    key = await limited(shared, client, path)
    await take(client, path, ANN)
    await finish(client, path, "a", ANN)
    hidden = await ask(key, "POST", f"{path}/next", **BOB)
    assert (hidden["given"], hidden["others"]) == ([], None)
    assert (await ask(key, "GET", path))["reviewers"] == []
    await finish(key, path, "a", BOB, accuracy=80, tone=1)
    shown = await ask(key, "GET", f"{path}/items/a", **BOB)
    assert [(one["author"], one["value"]) for one in shown["others"]] == [("human:Ann", 20), ("human:Ann", 3)]
    assert await take(client, path, CAT) is None


async def test_agreement_and_opinions_are_those_of_who_is_done(client: httpx.AsyncClient) -> None:
    path = await make(client, "abcd", reviewersPerItem=2, scores=["ok"])
    assert await ask(client, "GET", f"{path}/agreement") == [{"score": "ok", "agreement": None}]
    for reviewer, values in ((ANN, (1, 1, 0, 0)), (BOB, (1, 1, 0, 1))):
        for id_, value in zip("abcd", values, strict=True):
            assert await finish(client, path, id_, reviewer, ok=bool(value)) == 200
    [study] = await ask(client, "GET", f"{path}/agreement")
    found = study["agreement"]
    assert (found["pairs"], found["observed"]) == (4, 0.75)
    assert found["raters"] == ["ok by human:Ann", "ok by human:Bob"]
    lines = (await client.get(f"{path}/opinions")).text.splitlines()
    assert len(lines) == 8
    assert without(json.loads(lines[0]), "scored_at", "done_at") == {
        "position": 1,
        "request_id": "a",
        "reviewer": "human:Ann",
        "score": "ok",
        "value": True,
        "comment": None,
    }
    table = (await client.get(f"{path}/opinions?format=csv")).text.splitlines()
    assert table[0] == "position,request_id,reviewer,score,value,comment,scored_at,done_at"
    assert [line.split(",")[:5] for line in table[-2:]] == [
        ["4", "d", "human:Ann", "ok", "false"],
        ["4", "d", "human:Bob", "ok", "true"],
    ]


@pytest.mark.parametrize("act", ["one", "filter"])
async def test_items_go_with_their_requests(client: httpx.AsyncClient, act: str) -> None:
    path = await make(client, "ab")
    await take(client, path, ANN)
    if act == "one":
        await ask(client, "DELETE", "/v1/request/a")
    else:
        chosen = {"request_response_rmt": {"request_id": {"equals": "a"}}}
        await ask(client, "POST", "/v1/requests/delete", {"filter": chosen, "expect": 1})
    assert await take(client, path, ANN) == "b"
    assert (await ask(client, "GET", path))["items"] == {"all": 1, "done": 0, "inWork": 1, "left": 0}
    assert await finish(client, path, "a", ANN) == 404


# Keys that may do no more


async def test_reviewer_s_key_reviews_its_queue_and_does_nothing_else(
    shared: Service, client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    await prepare(client, connection, organization_id)
    path = f"{QUEUES}/{QUEUE}"
    other = await make(client, "a")
    key = await limited(shared, client, path)
    allowed = [name_of(endpoint) for endpoint in PROTECTED if endpoint.for_reviewers]
    assert allowed == [
        "GET /v1/queues/{queueId}",
        "POST /v1/queues/{queueId}/next",
        "GET /v1/queues/{queueId}/items/{requestId}",
        "POST /v1/queues/{queueId}/items/{requestId}/done",
        "POST /v1/queues/{queueId}/items/{requestId}/skip",
    ]
    for endpoint in PROTECTED:
        if endpoint.for_reviewers:
            continue
        response = await call(key, endpoint)
        assert (response.status_code, "has permissions 'q'" in response.text) == (403, True), name_of(
            endpoint
        )
    for endpoint in PROTECTED:
        if endpoint.for_reviewers:
            elsewhere = endpoint.path.format(queueId=other.rpartition("/")[2], requestId="a")
            body = BODIES[endpoint.method, endpoint.path]
            assert (await key.request(endpoint.method, elsewhere, json=body)).status_code == 403
    judge = {"Heliscore-Author": "judge:j"}
    assert (await key.post(f"{path}/next", headers=judge)).status_code == 403
    assert (await ask(key, "GET", path))["links"] == []
    request_id = await take(key, path, ANN)
    assert await finish(key, path, request_id, ANN, accuracy=7) == 200
    [link] = (await ask(client, "GET", path))["links"]
    assert without(link, "id", "createdAt", "expiresAt", "hint") == {"name": "for Ann"}
    # Its key goes with the queue.
    await ask(client, "DELETE", path)
    listed = await ask(client, "GET", "/v1/api-keys")
    assert link["id"] not in [one["id"] for one in listed]


async def test_request_is_shown_with_its_bodies_and_definitions_refuse_scores(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    sent = {"messages": [{"role": "user", "content": "Hi"}]}
    body = json.dumps(sent)
    await log(connection, organization_id, "a", "2026-01-01T00:00:00Z", request_body=body)
    definition = {"type": "integer", "max": 10, "enforce": "on"}
    await ask(client, "PUT", "/v1/score-definitions/accuracy", definition)
    path = await make(client, "a")
    shown = await ask(client, "POST", f"{path}/next", **ANN)
    assert shown["requestBody"] == sent
    assert await finish(client, path, "a", ANN) == 400
    shown = await ask(client, "GET", f"{path}/items/a", **ANN)
    assert (shown["given"], shown["doneAt"]) == ([], None)
