"""Over the whole endpoint table: another organization's key sees and changes nothing."""

from __future__ import annotations

import json

import httpx
import pytest

from app.api.endpoints import Endpoint
from app.keys import mint_key
from app.store import keys
from app.store.pool import Connection
from tests.api.calls import BODIES, GROUP, MAKE_GROUP, PROPERTY, PROTECTED, REQUEST, SCORE, call, name_of
from tests.api.envelope import ids, log, post, scores_of
from tests.conftest import Service

MARK = "only for the owner"

OWNED_TABLES = """
SELECT table_name FROM information_schema.columns
WHERE table_schema = 'public' AND column_name = 'organization_id' ORDER BY table_name
"""


async def belongings(connection: Connection, organization_id: int) -> dict[str, list[str]]:
    """Every row of the organization, table by table, as text."""
    tables = [table for (table,) in await connection.fetch(OWNED_TABLES)]
    assert {"api_key", "request", "score", "score_name"} <= set(tables)
    statement = "SELECT t::text FROM {} AS t WHERE organization_id = $1 ORDER BY 1"
    return {
        table: [row for (row,) in await connection.fetch(statement.format(table), organization_id)]
        for table in tables
    }


@pytest.fixture
async def owner(client: httpx.AsyncClient, connection: Connection, organization_id: int) -> httpx.AsyncClient:
    """A client of the organization that has the request."""
    await log(
        connection,
        organization_id,
        REQUEST,
        "2026-01-01T00:00:00Z",
        user_id=MARK,
        properties=json.dumps({MARK: MARK, PROPERTY: MARK}),
        request_body=json.dumps(MARK),
    )
    await connection.execute(MAKE_GROUP, GROUP, organization_id)
    await post(client, REQUEST, {SCORE: 95, "helicone-score-feedback": True, MARK: 7})
    return client


@pytest.fixture
async def stranger(shared: Service, organization: str) -> httpx.AsyncClient:
    """A client of another organization, allowed to read and write."""
    return await shared.client(f"not {organization}")


@pytest.mark.parametrize("endpoint", PROTECTED, ids=name_of)
async def test_stranger_sees_and_changes_nothing(
    owner: httpx.AsyncClient,
    stranger: httpx.AsyncClient,
    connection: Connection,
    organization_id: int,
    endpoint: Endpoint,
) -> None:
    key_id = await keys.register(connection, organization_id, mint_key(), name=MARK)
    before = await belongings(connection, organization_id)
    answer = await call(stranger, endpoint, key_id)
    assert answer.status_code in (200, 201, 400, 404)
    assert MARK not in answer.text
    assert await belongings(connection, organization_id) == before

    # The same call says or does something for the owner: else the lines above would prove nothing.
    owners_answer = await call(owner, endpoint, key_id)
    assert owners_answer.status_code == endpoint.success
    changed = await belongings(connection, organization_id) != before
    assert changed if "w" in (endpoint.permission or "") else owners_answer.content != answer.content


def test_every_endpoint_has_an_example_call() -> None:
    assert {(endpoint.method, endpoint.path) for endpoint in PROTECTED} == BODIES.keys()


async def test_same_request_id_is_another_request_for_each_organization(
    owner: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    await post(stranger, REQUEST, {SCORE: 1, "theirs": False})
    assert await scores_of(stranger, REQUEST) == {SCORE: 1, "theirs": 0}
    assert await scores_of(owner, REQUEST) == {SCORE: 95, "helicone-score-feedback": 1, MARK: 7}


async def test_filter_on_the_organization_opens_no_other(
    owner: httpx.AsyncClient, stranger: httpx.AsyncClient, organization_id: int
) -> None:
    condition = {"request_response_rmt": {"organization_id": {"equals": str(organization_id)}}}
    everything = {"left": condition, "operator": "or", "right": "all"}
    for filter_, count in ((condition, 1), (everything, 1)):
        response = await owner.post("/v1/request/count/query", json={"filter": filter_})
        assert response.json() == {"data": count, "error": None}
        response = await stranger.post("/v1/request/count/query", json={"filter": filter_})
        assert response.json() == {"data": 0, "error": None}


async def test_cursor_of_another_organization_opens_nothing(
    owner: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    await post(owner, "newer", {SCORE: 1})
    response = await owner.post("/v1/request/query", json={"filter": "all", "limit": 1})
    body = {"filter": "all", "cursor": response.json()["nextCursor"]}
    response = await stranger.post("/v1/request/query", json=body)
    assert (response.status_code, response.json()) == (200, {"data": [], "error": None})


async def test_score_names_of_one_organization_mean_nothing_in_another(
    owner: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    await post(stranger, "theirs", {"else": 1})
    assert await ids(stranger, {"request_response_rmt": {"scores": {MARK: {"exists": False}}}}) == ["theirs"]
    assert await ids(owner, {"request_response_rmt": {"scores": {MARK: {"exists": False}}}}) == []
