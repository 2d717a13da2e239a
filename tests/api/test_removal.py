"""Taking back what was said of a request: 200 where there was something, 404 where there was nothing."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from heliscore.store.connections.pool import Connection

from tests.api.envelope import DONE, encoded, faulty, ids, log, post, read, scores_of
from tests.conftest import Service

OWNED = """
SELECT (SELECT count(*) FROM request WHERE organization_id = $1),
    (SELECT count(*) FROM score WHERE organization_id = $1)
"""

SCORES = {"accuracy": 95, "cited": True, "helicone-score-feedback": True}
STORED = {"accuracy": 95, "cited": 1, "helicone-score-feedback": 1}
PROPERTIES = {"env": "prod", "Env": "other"}


async def fill(client: httpx.AsyncClient, request_id: str) -> None:
    """Say something of every kind about a request."""
    await post(client, request_id, SCORES)
    for key, value in PROPERTIES.items():
        body = {"key": key, "value": value}
        response = await client.put(f"/v1/request/{encoded(request_id)}/property", json=body)
        assert response.status_code == 200


async def remove(client: httpx.AsyncClient, path: str) -> None:
    response = await client.delete(f"/v1/request/{path}")
    assert (response.status_code, response.json()) == (200, DONE)


async def assert_nothing_to_remove(client: httpx.AsyncClient, path: str, error: str) -> None:
    response = await client.delete(f"/v1/request/{path}")
    assert (response.status_code, response.json()) == (404, {"data": None, "error": error})


def without_time(row: dict[str, Any] | None) -> dict[str, Any]:
    assert row is not None
    return {key: value for key, value in row.items() if key != "updated_at"}


UNRATED = {"scores": {"accuracy": 95, "cited": 1}, "feedback_rating": None, "feedback_created_at": None}
OTHER = {"properties": {"Env": "other"}, "request_properties": {"Env": "other"}}

CHANGES: dict[str, dict[str, Any]] = {
    "score/accuracy": {"scores": {"cited": 1, "helicone-score-feedback": 1}},
    "score/cited-hcone-bool": {"scores": {"accuracy": 95, "helicone-score-feedback": 1}},
    "feedback": UNRATED,
    "score/helicone-score-feedback": UNRATED,
    "property/env": OTHER,
}
"""What becomes other in the row when a part is removed."""

ERRORS = {
    "score/accuracy": "request r has no score accuracy",
    "score/cited-hcone-bool": "request r has no score cited",
    "feedback": "request r has no score helicone-score-feedback",
    "score/helicone-score-feedback": "request r has no score helicone-score-feedback",
    "property/env": "request r has no property env",
}


@pytest.mark.parametrize(("path", "change"), CHANGES.items())
async def test_part_is_removed_and_the_rest_stays(
    client: httpx.AsyncClient, path: str, change: dict[str, Any]
) -> None:
    await fill(client, "r")
    await fill(client, "other")
    before, other = await read(client, "r"), await read(client, "other")
    await remove(client, f"r/{path}")
    assert without_time(await read(client, "r")) == without_time(before) | change
    assert await read(client, "other") == other


@pytest.mark.parametrize(("path", "error"), ERRORS.items())
async def test_removed_part_is_gone(client: httpx.AsyncClient, path: str, error: str) -> None:
    await fill(client, "r")
    await remove(client, f"r/{path}")
    before = await read(client, "r")
    await assert_nothing_to_remove(client, f"r/{path}", error)
    assert await read(client, "r") == before


@pytest.mark.parametrize(("path", "error"), ERRORS.items())
async def test_part_of_an_unknown_request_is_not_there(
    client: httpx.AsyncClient, path: str, error: str
) -> None:
    await fill(client, "other")
    await assert_nothing_to_remove(client, f"r/{path}", error)
    assert await ids(client) == ["other"]


@pytest.mark.parametrize(
    "path",
    ["", "/score/accuracy", "/feedback", "/property/env"],
    ids=["request", "score", "feedback", "property"],
)
async def test_removal_ends_at_the_organization(
    client: httpx.AsyncClient, shared: Service, organization: str, path: str
) -> None:
    stranger = await shared.client(f"not {organization}")
    await fill(client, "r")
    await fill(stranger, "r")
    theirs = await read(stranger, "r")
    await remove(client, f"r{path}")
    response = await client.delete(f"/v1/request/r{path}")
    assert response.status_code == 404
    assert await read(stranger, "r") == theirs


async def test_removed_score_is_found_no_more(client: httpx.AsyncClient) -> None:
    await post(client, "r", {"accuracy": 95})
    await post(client, "other", {"accuracy": 95})
    await remove(client, "r/score/accuracy")
    good = {"request_response_rmt": {"scores": {"accuracy": {"gte": 90}}}}
    assert await ids(client, good) == ["other"]
    assert await ids(client, isScored=False) == ["r"]


async def test_name_whose_last_score_is_removed_is_listed_no_more(client: httpx.AsyncClient) -> None:
    await post(client, "r", {"accuracy": 95, "tone": 3})
    await remove(client, "r/score/accuracy")
    response = await client.get("/v1/evals/scores")
    assert response.json() == {"data": ["tone"], "error": None}


async def test_removed_score_can_be_posted_again(client: httpx.AsyncClient) -> None:
    await post(client, "r", {"accuracy": 95})
    await remove(client, "r/score/accuracy")
    await post(client, "r", {"accuracy": 60})
    assert await scores_of(client, "r") == {"accuracy": 60}


@pytest.mark.parametrize("name", ["a/b", "100%", "é🎯", "..", "x" * 255])
async def test_name_of_any_form_is_removed(client: httpx.AsyncClient, name: str) -> None:
    await post(client, "a/b", {name: 1, "other": 2})
    await remove(client, f"a%2Fb/score/{encoded(name)}")
    assert await scores_of(client, "a/b") == {"other": 2}


async def test_removing_is_a_change(client: httpx.AsyncClient) -> None:
    await fill(client, "r")
    last = await read(client, "r")
    for path in ("score/accuracy", "property/env", "feedback"):
        await asyncio.sleep(0.002)
        await remove(client, f"r/{path}")
        row = await read(client, "r")
        assert row is not None
        assert last is not None
        assert row["updated_at"] > last["updated_at"]
        last = row


async def test_logged_property_is_removed(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    await log(
        connection, organization_id, "r", "2026-01-01T00:00:00Z", properties='{"env": "prod", "a": "b"}'
    )
    await remove(client, "r/property/env")
    row = await read(client, "r")
    assert row is not None
    assert row["properties"] == {"a": "b"}


# The whole request


async def test_request_is_removed_with_all_its_scores(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    await fill(client, "r")
    await fill(client, "other")
    await remove(client, "r")
    assert await read(client, "r") is None
    assert await scores_of(client, "other") == STORED
    assert tuple(await connection.fetchrow(OWNED, organization_id) or ()) == (1, 3)


async def test_removed_request_is_gone(client: httpx.AsyncClient) -> None:
    await fill(client, "r")
    await remove(client, "r")
    await assert_nothing_to_remove(client, "r", "there is no request r")


async def test_unknown_request_cannot_be_removed(client: httpx.AsyncClient) -> None:
    await assert_nothing_to_remove(client, "a%2Fb", "there is no request a/b")


async def test_removed_request_scored_again_is_new(client: httpx.AsyncClient) -> None:
    await fill(client, "r")
    await remove(client, "r")
    await post(client, "r", {"accuracy": 1})
    row = await read(client, "r")
    assert row is not None
    assert (row["scores"], row["properties"], row["feedback_rating"]) == ({"accuracy": 1}, {}, None)
    assert row["request_created_at"] == row["updated_at"]


@pytest.mark.parametrize(
    ("path", "place", "message"),
    [
        ("%00", "requestId", "must not contain control characters"),
        (f"{'x' * 256}/feedback", "requestId", "must have at most 255 characters, got 256"),
        ("r/score/%0A", "name", "must not contain control characters"),
        (f"r/property/{'x' * 256}", "key", "must have at most 255 characters, got 256"),
    ],
)
async def test_wrong_path_is_refused(client: httpx.AsyncClient, path: str, place: str, message: str) -> None:
    response = await client.delete(f"/v1/request/{path}")
    assert (response.status_code, response.json()) == (400, faulty((place, message)))
