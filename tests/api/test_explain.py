"""Why a search finds what it finds: `explain` beside the answer of queries and counts."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import httpx
import pytest
from heliscore.domain.filter_tree import AllOf, Column, Exists, Filter, Property
from heliscore.store.connections.pool import Connection
from heliscore.store.scores import ScoreNames
from heliscore.store.search import request_search, search_explanation
from heliscore.store.search.search_explanation import Condition, explain_count

from tests.api.envelope import COUNT, QUERY, RMT, faulty, ids, log, post, scores

Json = dict[str, Any]


@pytest.fixture
async def searched(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> httpx.AsyncClient:
    """A client of an organization with four requests."""
    for name, model, accuracy in (
        ("a", "gpt", 95),
        ("b", "gpt", 80),
        ("c", "claude", 92),
        ("d", "gpt", None),
    ):
        properties = f'{{"variant": "{"B" if name == "c" else "A"}"}}'
        await log(
            connection,
            organization_id,
            name,
            "2026-03-01T12:00:00Z",
            response_model=model,
            properties=properties,
        )
        if accuracy is not None:
            await post(client, name, {"accuracy": accuracy})
    return client


async def explain(client: httpx.AsyncClient, filter_: object, path: str = QUERY, **body: object) -> Json:
    """The explanation without PostgreSQL's plan, after a look at that."""
    response = await client.post(path, json={"filter": filter_, "explain": True, **body})
    assert response.status_code == 200, response.text
    explained: Json = response.json()["explain"]
    plan, cost, rows = (explained.pop(key) for key in ("plan", "cost", "rows"))
    assert 0 <= len(plan) <= 20
    assert (cost > 0) is bool(plan)
    assert isinstance(rows, int)
    if plan:
        assert f"..{cost:.2f} rows={rows} " in plan[0]
    return explained


def both(left: object, right: object, operator: str = "and") -> Json:
    return {"left": left, "operator": operator, "right": right}


GOOD = scores(accuracy={"gte": 90})
GPT = {RMT: {"model": {"equals": "gpt"}}}
IS_B = {RMT: {"properties": {"variant": {"equals": "B"}}}}


async def test_conditions_are_counted_alone_and_together(searched: httpx.AsyncClient) -> None:
    expected = {
        "filter": "accuracy is at least 90 and model is gpt and variant is B",
        "matches": 0,
        "conditions": [
            {"words": "accuracy is at least 90", "matches": 2, "together": 2},
            {"words": "model is gpt", "matches": 3, "together": 1},
            {"words": "variant is B", "matches": 1, "together": 0},
        ],
    }
    filter_ = both(both(GOOD, GPT), IS_B)
    for path in (QUERY, "/v1/request/query-clickhouse", COUNT):
        assert await explain(searched, filter_, path) == expected
    assert await explain(searched, filter_, sort={"scores": {"accuracy": "desc"}}) == expected
    assert await explain(searched, filter_, sort={"latency": "asc"}, limit=1, offset=1) == expected
    assert await explain(searched, filter_, sort={"random": True}, include=["scoreDetails"]) == expected


async def test_an_or_is_one_condition_with_its_alternatives(searched: httpx.AsyncClient) -> None:
    assert await explain(searched, both(both(GOOD, GPT), IS_B, "or")) == {
        "filter": "accuracy is at least 90 and model is gpt, or variant is B",
        "matches": 2,
        "conditions": [
            {
                "words": "accuracy is at least 90 and model is gpt, or variant is B",
                "matches": 2,
                "together": 2,
                "alternatives": [
                    {"words": "accuracy is at least 90 and model is gpt", "matches": 1},
                    {"words": "variant is B", "matches": 1},
                ],
            }
        ],
    }


async def test_score_that_does_not_exist_is_named(searched: httpx.AsyncClient) -> None:
    unknown = scores(acuracy={"gte": 90})
    missing = {"words": "acuracy is at least 90", "matches": 0}
    note = {"note": "no score has this name"}
    response = await searched.post(QUERY, json={"filter": unknown, "explain": True})
    assert response.json() == {
        "data": [],
        "error": None,
        "explain": {
            "filter": "acuracy is at least 90",
            "matches": 0,
            "conditions": [{**missing, "together": 0, **note}],
            "plan": [],
            "cost": 0,
            "rows": 0,
        },
    }
    explained = await explain(searched, both(GPT, both(unknown, GOOD, "or")))
    assert explained["conditions"][1] == {
        "words": "acuracy is at least 90 or accuracy is at least 90",
        "matches": 2,
        "together": 1,
        "note": "no score has the name acuracy",
        "alternatives": [{**missing, **note}, {"words": "accuracy is at least 90", "matches": 2}],
    }


async def test_without_a_filter_there_are_no_conditions(searched: httpx.AsyncClient) -> None:
    assert await explain(searched, "all") == {"filter": "all requests", "matches": 4, "conditions": []}
    assert await explain(searched, "all", isScored=False, limit=0) == {
        "filter": "no score is present",
        "matches": 1,
        "conditions": [{"words": "no score is present", "matches": 1, "together": 1}],
    }


async def test_of_many_conditions_the_last_one_stands_for_the_rest(searched: httpx.AsyncClient) -> None:
    many: object = GPT
    for number in range(30):
        many = both(
            many, {RMT: {"latency": {"exists": False}, "user_id": {"not-equals": f"u{number}"}}}, "and"
        )
    explained = await explain(searched, many)
    assert len(explained["conditions"]) == 20
    assert explained["conditions"][0] == {"words": "model is gpt", "matches": 3, "together": 3}
    last = explained["conditions"][-1]
    assert (last["matches"], last["together"], explained["matches"]) == (0, 0, 0)
    assert last["words"].count(" and ") == 20


async def test_what_takes_too_long_is_null(
    searched: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_explanation, "_BUDGET_S", -1)
    note = {"note": "took too long"}
    alternatives = [{"words": words, "matches": None, **note} for words in ("model is gpt", "variant is B")]
    assert await explain(searched, both(GPT, IS_B, "or")) == {
        "filter": "model is gpt or variant is B",
        "matches": None,
        "conditions": [
            {
                "words": "model is gpt or variant is B",
                "matches": None,
                "together": None,
                "alternatives": alternatives,
                **note,
            }
        ],
    }


@pytest.mark.parametrize(
    ("budget_s", "timeout", "is_counted"),
    [(10.0, "100ms", True), (0.2, "10s", False)],
    ids=["statement", "budget"],
)
async def test_count_that_is_ended_leaves_the_others_alone(
    searched: httpx.AsyncClient,
    connection: Connection,
    organization_id: int,
    monkeypatch: pytest.MonkeyPatch,
    budget_s: float,
    timeout: str,  # noqa: ASYNC109
    is_counted: bool,
) -> None:
    """The second condition takes longer than a statement may, or longer than all of them may."""
    variant, slow, model = Exists(Property("variant")), Exists(Property("slow")), Exists(Column("model"))

    async def count(connection: Connection, names: ScoreNames, organization_id: int, tree: Filter) -> int:
        if tree == slow:
            await connection.fetch("SELECT pg_sleep(20)")
        return await request_search.count(connection, names, organization_id, tree)

    monkeypatch.setattr(search_explanation, "count", count)
    monkeypatch.setattr(search_explanation, "_BUDGET_S", budget_s)
    await connection.execute(f"SET statement_timeout = '{timeout}'")
    tree = AllOf((variant, slow, model))
    explained = await explain_count(connection, ScoreNames(), organization_id, tree)
    zero, four, notes = (0, 4, ()) if is_counted else (None, None, ("took too long",))
    assert explained.conditions == (
        Condition("variant is present", 4, 4),
        Condition("slow is present", None, zero, notes=("took too long",)),
        Condition("model is present", four, 0, notes=notes),
    )
    assert await connection.fetchval("SELECT 1") == 1
    assert await ids(searched, GPT) != []


async def test_without_explain_the_answer_is_as_it_was(searched: httpx.AsyncClient) -> None:
    for body in ({}, {"explain": False}, {"explain": None}):
        response = await searched.post(COUNT, json={"filter": GPT, **body})
        assert response.json() == {"data": 3, "error": None}
    assert await ids(searched, GPT, explain=True) == await ids(searched, GPT)
    page = await searched.post(QUERY, json={"filter": GPT, "explain": True, "limit": 2})
    assert page.json().keys() == {"data", "error", "nextCursor", "explain"}
    cursor = page.json()["nextCursor"]
    page = await searched.post(QUERY, json={"filter": GPT, "explain": True, "limit": 2, "cursor": cursor})
    assert page.json().keys() == {"data", "error", "explain"}
    assert page.json()["explain"]["matches"] == 3


async def test_explain_is_true_or_false(client: httpx.AsyncClient) -> None:
    response = await client.post(COUNT, json={"filter": "all", "explain": "yes"})
    assert (response.status_code, response.json()) == (
        400,
        faulty(("explain", 'expected true or false, got "yes"')),
    )


async def test_another_organizations_requests_do_not_count(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    at = datetime.fromisoformat("2026-03-01T12:00:00Z").isoformat()
    await log(connection, organization_id, "mine", at, response_model="gpt")
    assert (await explain(client, GPT))["matches"] == 1
