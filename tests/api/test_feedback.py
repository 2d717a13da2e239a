"""`POST /v1/request/{requestId}/feedback`: thumbs up and down."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.api.envelope import DONE, encoded, faulty, ids, post, read
from tests.conftest import StartService

FEEDBACK = "helicone-score-feedback"


async def rate(client: httpx.AsyncClient, request_id: str, rating: object) -> None:
    """Rate a request; the rating must be taken."""
    response = await client.post(f"/v1/request/{encoded(request_id)}/feedback", json={"rating": rating})
    assert (response.status_code, response.json()) == (200, DONE)


async def feedback_of(client: httpx.AsyncClient, request_id: str) -> tuple[Any, Any]:
    row = await read(client, request_id)
    assert row is not None
    return row["feedback_rating"], row["scores"]


@pytest.mark.parametrize(("rating", "score"), [(True, 1), (False, 0)])
async def test_rating_is_a_score_and_the_feedback(
    client: httpx.AsyncClient, rating: bool, score: int
) -> None:
    await rate(client, "a/b 🎯", rating)
    assert await feedback_of(client, "a/b 🎯") == (rating, {FEEDBACK: score})


async def test_rating_carries_its_time(client: httpx.AsyncClient) -> None:
    await rate(client, "r", True)
    row = await read(client, "r")
    assert row is not None
    assert row["feedback_created_at"] == row["request_created_at"] == row["updated_at"]


async def test_new_rating_replaces_the_former(client: httpx.AsyncClient) -> None:
    await rate(client, "r", True)
    await rate(client, "r", False)
    assert await feedback_of(client, "r") == (False, {FEEDBACK: 0})


async def test_scores_stay_beside_the_rating(client: httpx.AsyncClient) -> None:
    await post(client, "r", {"accuracy": 95})
    await rate(client, "r", True)
    await post(client, "r", {"tone": 3})
    assert await feedback_of(client, "r") == (True, {"accuracy": 95, "tone": 3, FEEDBACK: 1})


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ({"request_response_rmt": {FEEDBACK: {"equals": True}}}, ["up"]),
        ({"request_response_rmt": {FEEDBACK: {"equals": False}}}, ["down"]),
        ({"feedback": {"rating": {"equals": "false"}}}, ["down"]),
        ({"request_response_rmt": {"scores": {FEEDBACK: {"gte": 1}}}}, ["up"]),
        ({"request_response_rmt": {"scores_column": {"equals": "{}"}}}, ["unrated"]),
    ],
)
async def test_request_is_found_by_its_rating(
    client: httpx.AsyncClient, condition: object, found: list[str]
) -> None:
    await rate(client, "up", True)
    await rate(client, "down", False)
    await client.put("/v1/request/unrated/property", json={"key": "k", "value": "v"})
    assert await ids(client, condition) == found


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({}, [("rating", "missing")]),
        ({"rating": None}, [("rating", "expected true or false, got null")]),
        ({"rating": 1}, [("rating", "expected true or false, got 1")]),
        ({"rating": 0.0}, [("rating", "expected true or false, got 0.0")]),
        ({"rating": "true"}, [("rating", 'expected true or false, got "true"')]),
        ({"rating": [True]}, [("rating", "expected true or false, got an array")]),
        (
            {"rating": "up", "comment": "nice"},
            [("comment", "unknown key; known are rating"), ("rating", 'expected true or false, got "up"')],
        ),
        ([True], [("", "expected a JSON object, got an array")]),
        (True, [("", "expected a JSON object, got true")]),
    ],
)
async def test_wrong_body_is_refused(
    client: httpx.AsyncClient, body: object, errors: list[tuple[str, str]]
) -> None:
    response = await client.post("/v1/request/r/feedback", json=body)
    assert (response.status_code, response.json()) == (400, faulty(*errors))
    assert await ids(client) == []


async def test_rating_of_an_unknown_request_is_refused_where_the_operator_says_so(
    start_service: StartService,
) -> None:
    client = await (await start_service(unknown_requests="reject")).client()
    response = await client.post("/v1/request/r/feedback", json={"rating": True})
    assert (response.status_code, response.json()) == (404, {"data": None, "error": "there is no request r"})
    assert await ids(client) == []
