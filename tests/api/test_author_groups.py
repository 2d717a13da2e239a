"""Scores compared by who gave them: authors, their kinds and versions, over scores and over opinions."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from heliscore.store import score_scan
from heliscore.store.connections.pool import Connection
from heliscore.store.search import selectivity

from tests.api.envelope import DONE, faulty, log, post

COMPARE = "/v1/evals/compare"
JUDGE_1, JUDGE_2, ADA = "judge:relevance@1", "judge:relevance@2", "human:ada"

GIVEN: list[tuple[str, str, dict[str, int]]] = [
    ("a", JUDGE_1, {"accuracy": 40, "tone": 1}),
    ("a", ADA, {"accuracy": 90}),
    ("b", JUDGE_1, {"accuracy": 45}),
    ("b", JUDGE_1, {"accuracy": 50}),
    ("b", JUDGE_2, {"accuracy": 60}),
    ("b", JUDGE_2, {"tone": 3}),
    ("c", JUDGE_1, {"accuracy": 70}),
    ("c", ADA, {"tone": 5}),
    ("d", ADA, {"tone": 7}),
]
"""Request, author and scores, in order."""

Found = dict[str | None, dict[str, tuple[int, float]]]


@pytest.fixture
async def scored(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> httpx.AsyncClient:
    for day, request_id in enumerate("abcd", 1):
        await log(connection, organization_id, request_id, f"2026-01-{day:02}T00:00:00Z")
    for request_id, author, scores in GIVEN:
        body = {"requestId": request_id, "author": author, "scores": scores}
        answer = await client.post("/v1/scores", json=body)
        assert (answer.status_code, answer.json()) == (200, DONE)
    return client


async def compare(client: httpx.AsyncClient, group_by: object, **body: object) -> Found:
    """The count and average of each group and score."""
    asked = {"filter": "all", "scores": ["accuracy"], "groupBy": group_by, **body}
    answer = await client.post(COMPARE, json=asked)
    assert answer.status_code == 200, answer.text
    return {
        group["group"]: {name: (one["count"], one["average"]) for name, one in group["scores"].items()}
        for group in answer.json()["data"]
    }


ACCURATE = {"request_response_rmt": {"scores": {"accuracy": {"gte": 60}}}}
FIRST_TWO = {"start": "2026-01-01T00:00:00Z", "end": "2026-01-03T00:00:00Z"}
OPINIONS = {"over": "opinions"}


@pytest.mark.parametrize(
    ("group_by", "body", "found"),
    [
        (
            {"author": "accuracy"},
            {},
            {ADA: {"accuracy": (1, 90)}, JUDGE_1: {"accuracy": (1, 70)}, JUDGE_2: {"accuracy": (1, 60)}},
        ),
        ({"kind": "accuracy"}, {}, {"human": {"accuracy": (1, 90)}, "judge": {"accuracy": (2, 65)}}),
        (
            {"version": "accuracy"},
            {"over": "current"},
            {None: {"accuracy": (1, 90)}, "1": {"accuracy": (1, 70)}, "2": {"accuracy": (1, 60)}},
        ),
        # other scores are in the group of their request
        (
            {"kind": "accuracy"},
            {"scores": ["accuracy", "tone"]},
            {
                "human": {"accuracy": (1, 90), "tone": (1, 1)},
                "judge": {"accuracy": (2, 65), "tone": (2, 4)},
                None: {"tone": (1, 7)},
            },
        ),
        (
            {"author": "tone-hcone-bool"},
            {"filter": ACCURATE, "timeFilter": FIRST_TWO},
            {JUDGE_1: {"accuracy": (1, 90)}, JUDGE_2: {"accuracy": (1, 60)}},
        ),
        ({"author": "tone"}, {"filter": {"not": ACCURATE}, "scores": ["tone"]}, {ADA: {"tone": (1, 7)}}),
        ({"author": "never"}, {}, {None: {"accuracy": (3, 220 / 3)}}),
        (
            {"author": "accuracy"},
            OPINIONS,
            {
                JUDGE_1: {"accuracy": (3, 160 / 3)},
                ADA: {"accuracy": (1, 90)},
                JUDGE_2: {"accuracy": (1, 60)},
            },
        ),
        ({"kind": "accuracy"}, OPINIONS, {"judge": {"accuracy": (4, 55)}, "human": {"accuracy": (1, 90)}}),
        (
            {"version": "accuracy"},
            {**OPINIONS, "filter": ACCURATE, "timeFilter": FIRST_TWO},
            {"1": {"accuracy": (2, 45)}, "2": {"accuracy": (1, 60)}, None: {"accuracy": (1, 90)}},
        ),
        ({"version": "never"}, {**OPINIONS, "scores": ["never"]}, {}),
    ],
)
async def test_scores_are_compared_by_who_gave_them(
    scored: httpx.AsyncClient, group_by: object, body: dict[str, Any], found: Found
) -> None:
    assert await compare(scored, group_by, **body) == found


async def test_scores_of_many_requests_are_compared_alike(
    scored: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Joined by hash."""
    monkeypatch.setattr(score_scan, "_MAX_LOOKUPS", 0)
    monkeypatch.setattr(selectivity, "MIN_THRESHOLD", 1)
    monkeypatch.setattr(selectivity, "MAX_THRESHOLD", 1)
    body = {"filter": ACCURATE, "scores": ["accuracy", "tone"]}
    assert await compare(scored, {"kind": "tone"}, **body) == {
        "judge": {"accuracy": (2, 75), "tone": (2, 2)},
        "human": {"accuracy": (1, 70), "tone": (1, 5)},
    }
    assert await compare(scored, {"author": "accuracy"}, filter=ACCURATE, over="opinions") == {
        JUDGE_1: {"accuracy": (3, 160 / 3)},
        ADA: {"accuracy": (1, 90)},
        JUDGE_2: {"accuracy": (1, 60)},
    }
    either = {"left": ACCURATE, "operator": "or", "right": {"score": {"tone": {"kind": {"equals": "judge"}}}}}
    found = await compare(scored, {"kind": "accuracy"}, filter={"not": either}, over="opinions")
    assert found == {}
    assert await compare(scored, {"kind": "accuracy"}, filter=either, over="opinions") == {
        "judge": {"accuracy": (4, 55)},
        "human": {"accuracy": (1, 90)},
    }


async def test_removed_and_taken_back_values_are_no_opinions(
    scored: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    headers = {"Heliscore-Author": JUDGE_2}
    removed = await scored.delete("/v1/request/b/score/accuracy", headers=headers)
    assert (removed.status_code, removed.json()) == (200, DONE)
    await post(scored, "c", {"accuracy": 1})
    await connection.execute(
        "UPDATE score_history SET taken_back_at = now() WHERE organization_id = $1 AND value = 70",
        organization_id,
    )
    found = await compare(scored, {"kind": "accuracy"}, over="opinions")
    assert found == {
        "judge": {"accuracy": (2, 45)},
        "human": {"accuracy": (1, 90)},
        "api": {"accuracy": (1, 1)},
    }


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"groupBy": "model"}, ("over", "opinions can be grouped by author, kind or version only")),
        (
            {"scores": ["accuracy", "tone"]},
            ("scores", "expected only the score whose opinions are compared"),
        ),
        ({"over": "all"}, ("over", 'expected "current" or "opinions", got "all"')),
    ],
)
async def test_wrong_use_of_opinions_is_named(
    client: httpx.AsyncClient, body: dict[str, Any], error: tuple[str, str]
) -> None:
    asked = {"filter": "all", "scores": ["accuracy"], "groupBy": {"kind": "accuracy"}, **OPINIONS, **body}
    answer = await client.post(COMPARE, json=asked)
    assert (answer.status_code, answer.json()) == (400, faulty(error))
