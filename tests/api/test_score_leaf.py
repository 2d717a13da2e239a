"""Filters that ask who gave a score, when and why, and whether it was another one before."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from heliscore.store.connections.pool import Connection

from tests.api.envelope import COUNT, DONE, QUERY, faulty, ids, log, post, scores

JUDGE_1, JUDGE_2, ADA = "judge:relevance@1", "judge:relevance@2", "human:ada"

GIVEN: list[tuple[str, str, dict[str, Any]]] = [
    ("a", JUDGE_1, {"accuracy": {"value": 40, "comment": "Rude."}, "tone": 1}),
    ("a", ADA, {"accuracy": 90}),
    ("b", JUDGE_1, {"accuracy": {"value": 40, "comment": "So rude!"}}),
    ("b", ADA, {"tone": {"value": 7, "comment": "fine"}}),
    ("c", JUDGE_2, {"accuracy": {"value": 60, "comment": "fine"}}),
]
"""Request, author and scores, in order. Beside them, `d` has a score from before authors were kept."""


async def score(client: httpx.AsyncClient, request_id: str, author: str, given: dict[str, Any]) -> None:
    body = {"requestId": request_id, "author": author, "scores": given}
    answer = await client.post("/v1/scores", json=body)
    assert (answer.status_code, answer.json()) == (200, DONE)


@pytest.fixture
async def scored(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> httpx.AsyncClient:
    for minute, request_id in enumerate("abcde"):
        await log(connection, organization_id, request_id, f"2026-01-01T00:{minute:02}:00Z")
    for request_id, author, given in GIVEN:
        await score(client, request_id, author, given)
    await post(client, "d", {"accuracy": 50})
    labels = {"type": "integer", "labels": {"40": "wrong", "90": "right"}}
    assert (await client.put("/v1/score-definitions/accuracy", json=labels)).status_code == 200
    async with connection.transaction():
        await connection.execute("SET LOCAL session_replication_role = replica")  # without the trigger
        await connection.execute(
            "UPDATE score SET origin_id = NULL WHERE organization_id = $1 AND value = 50", organization_id
        )
    return client


def leaf(**parts: object) -> dict[str, Any]:
    """Conditions on the parts of the score accuracy."""
    return {"score": {"accuracy": parts}}


LEAVES: list[tuple[Any, str]] = [
    (leaf(value={"lt": 50}), "b"),
    (leaf(value={"exists": True}), "dcba"),
    (leaf(label={"equals": "wrong"}), "b"),
    (leaf(label={"not-equals": "wrong"}), "a"),
    (leaf(label={"exists": False}), "edc"),
    ({"score": {"tone": {"label": {"equals": "wrong"}}}}, ""),
    (leaf(author={"equals": JUDGE_1}), "b"),
    (leaf(author={"equals": "judge:relevance"}), ""),
    (leaf(author={"not-equals": JUDGE_1}), "ca"),
    (leaf(author={"contains": "RELEVANCE"}), "cb"),
    (leaf(author={"not-contains": "relevance"}), "a"),
    (leaf(author={"starts-with": "judge:rel"}), "cb"),
    (leaf(author={"in": [ADA, JUDGE_2]}), "ca"),
    (leaf(author={"exists": False}), "ed"),
    (leaf(kind={"equals": "judge"}), "cb"),
    (leaf(kind={"not-equals": "judge"}), "a"),
    (leaf(kind={"in": ["human", "code"]}), "a"),
    (leaf(version={"equals": "2"}), "c"),
    (leaf(version={"exists": True}), "cb"),
    (leaf(scored_at={"gte": "2026-01-01", "lt": "2999-01-01T00:00:00Z"}), "dcba"),
    (leaf(scored_at={"lt": "2026-01-01"}), ""),
    (leaf(comment={"contains": "rude"}), "b"),
    (leaf(comment={"not-contains": "rude"}), "c"),
    (leaf(comment={"exists": True}), "cb"),
    (leaf(changed={"equals": True}), "a"),
    (leaf(changed={"equals": False}), "dcb"),
    # all conditions meet on one score, as it is now
    (
        leaf(value={"lt": 50}, author={"equals": JUDGE_1}, kind={"equals": "judge"}, version={"equals": "1"}),
        "b",
    ),
    (leaf(value={"gte": 50}, author={"equals": JUDGE_1}), ""),
    (leaf(comment={"exists": True}, changed={"equals": True}), ""),
    ({"score": {"accuracy": {"kind": {"equals": "human"}}, "tone": {"kind": {"equals": "judge"}}}}, "a"),
    ({"score": {"accuracy-hcone-bool": {"kind": {"equals": "human"}}}}, "a"),
    ({"score": {"never": {"author": {"not-equals": ADA}}}}, ""),
    ({"not": leaf(kind={"equals": "judge"}, comment={"contains": "rude"})}, "edca"),
    (
        {"left": leaf(changed={"equals": True}), "operator": "or", "right": leaf(version={"equals": "2"})},
        "ca",
    ),
    ({**leaf(kind={"equals": "judge"}), **scores(accuracy={"gte": 60})}, "c"),
]


async def test_leaf_finds_what_matches(scored: httpx.AsyncClient) -> None:
    for filter_, found in LEAVES:
        count = await scored.post(COUNT, json={"filter": filter_})
        sorted_ = await ids(scored, filter_, sort={"scores": {"accuracy": "desc"}})
        assert (await ids(scored, filter_), count.json(), sorted(sorted_)) == (
            list(found),
            {"data": len(found), "error": None},
            sorted(found),
        ), filter_


async def test_leaf_chooses_scores_of_statistics(scored: httpx.AsyncClient) -> None:
    body = {"scores": ["accuracy"], "groupBy": "model", "filter": leaf(kind={"equals": "judge"})}
    answer = await scored.post("/v1/evals/compare", json=body)
    [group] = answer.json()["data"]
    assert (group["scores"]["accuracy"]["count"], group["scores"]["accuracy"]["average"]) == (2, 50)


async def test_time_of_a_score_is_compared_as_it_is_shown(scored: httpx.AsyncClient) -> None:
    shown = (await scored.get("/v1/request/b/scores")).json()["data"]["scores"]["accuracy"]["at"]
    assert await ids(scored, leaf(scored_at={"equals": shown})) == ["b"]


async def test_every_wrong_condition_is_named(client: httpx.AsyncClient) -> None:
    parts = {"by": {}, "kind": {"equals": "robot"}, "value": {"contains": "9"}, "changed": {"equals": "yes"}}
    answer = await client.post(QUERY, json={"filter": {"not": {"score": {"accuracy": parts}}}})
    at = "filter.not.score.accuracy"
    assert (answer.status_code, answer.json()) == (
        400,
        faulty(
            (
                f"{at}.by",
                "unknown; expected value, label, author, kind, version, scored_at, comment or changed",
            ),
            (f"{at}.kind.equals", 'expected human, judge, code or api, got "robot"'),
            (
                f"{at}.value.contains",
                "unknown operator; known are equals, not-equals, gt, gte, lt, lte, in, exists",
            ),
            (f"{at}.changed.equals", 'expected true or false, got "yes"'),
        ),
    )


async def test_rows_have_details_of_scores_where_asked_for(scored: httpx.AsyncClient) -> None:
    body = {"filter": "all", "limit": 4, "sort": {"created_at": "asc"}}
    plain = await scored.post(QUERY, json=body)
    found = await scored.post("/v1/request/query-clickhouse", json={**body, "include": ["scoreDetails"]})
    times = [
        {name: one["at"] for name, one in shown.json()["data"]["scores"].items()}
        for shown in [await scored.get(f"/v1/request/{request_id}/scores") for request_id in "abcd"]
    ]
    answer = found.json()
    details = [row.pop("score_details") for row in answer["data"]]
    assert details == [
        {
            "accuracy": detail(90, ADA, times[0]["accuracy"], changed=True),
            "tone": detail(1, JUDGE_1, times[0]["tone"]),
        },
        {
            "accuracy": detail(40, JUDGE_1, times[1]["accuracy"], "So rude!"),
            "tone": detail(7, ADA, times[1]["tone"], "fine"),
        },
        {"accuracy": detail(60, JUDGE_2, times[2]["accuracy"], "fine")},
        {"accuracy": detail(50, None, times[3]["accuracy"])},
    ]
    assert answer == plain.json()


def detail(
    value: int, author: str | None, at: str, comment: str | None = None, *, changed: bool = False
) -> dict[str, Any]:
    return {"value": value, "author": author, "at": at, "comment": comment, "changed": changed}


@pytest.mark.parametrize(
    ("sort", "found"),
    [({"scores": {"accuracy": "desc"}}, "acdbe"), ({"latency": "asc"}, "edcba"), ({}, "edcba")],
)
async def test_details_come_with_every_sort_and_page(
    scored: httpx.AsyncClient, sort: dict[str, Any], found: str
) -> None:
    body: dict[str, Any] = {"filter": "all", "sort": sort, "include": ["scoreDetails"], "limit": 3}
    first = (await scored.post(QUERY, json=body)).json()
    second = (await scored.post(QUERY, json={**body, "cursor": first["nextCursor"]})).json()
    rows = [*first["data"], *second["data"]]
    assert "".join(row["request_id"] for row in rows) == found
    for row in rows:
        assert row["scores"] == {name: one["value"] for name, one in row["score_details"].items()}


async def test_unknown_detail_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post(QUERY, json={"filter": "all", "include": ["scores"]})
    assert (answer.status_code, answer.json()) == (
        400,
        faulty(("include[0]", 'expected "scoreDetails", got "scores"')),
    )
