"""Over the whole endpoint table: another organization's key sees and changes nothing."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest
from heliscore.api.http.endpoints import Endpoint
from heliscore.domain.api_key import mint_key
from heliscore.store import keys
from heliscore.store.connections.pool import Connection

from tests.api import promptlayer
from tests.api.calls import (
    BODIES,
    GROUP,
    MAKE_GROUP,
    PROPERTY,
    PROTECTED,
    REQUEST,
    RETIME,
    SCORE,
    call,
    make_destination,
    make_monitor,
    make_queue,
    make_view,
    name_of,
)
from tests.api.envelope import ids, log, post, scores_of
from tests.api.test_query_pages import SORTS
from tests.conftest import Service

MARK = "only for the owner"

CONFIRMED = ("/v1/requests/delete",)
"""They say how many requests the caller has, who has others."""

OWNED_TABLES = """
SELECT table_name FROM information_schema.columns
WHERE table_schema = 'public' AND column_name = 'organization_id' ORDER BY table_name
"""


async def belongings(connection: Connection, organization_id: int) -> dict[str, list[str]]:
    """Every row of the organization, table by table, as text."""
    tables = [table for (table,) in await connection.fetch(OWNED_TABLES)]
    assert {"api_key", "request", "score", "score_name"} <= set(tables)
    parts = [f"SELECT '{table}', t::text FROM {table} AS t WHERE organization_id = $1" for table in tables]
    found: dict[str, list[str]] = {table: [] for table in tables}
    for table, row in await connection.fetch(" UNION ALL ".join(parts) + " ORDER BY 1, 2", organization_id):
        found[table].append(row)
    return found


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
    await post(client, REQUEST, {SCORE: 94})
    await connection.execute(RETIME, organization_id)
    await post(client, REQUEST, {SCORE: 95, "helicone-score-feedback": True, MARK: 7})
    definition = {"type": "integer", "max": 99, "description": MARK}
    assert (await client.put(f"/v1/score-definitions/{SCORE}", json=definition)).is_success
    await make_destination(connection, organization_id, MARK)
    await make_monitor(connection, organization_id, MARK)
    await make_view(connection, organization_id, MARK)
    await make_queue(connection, organization_id, MARK)
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
    assert answer.status_code in (200, 201, 400, 404, *([409] if endpoint.path in CONFIRMED else []))
    assert MARK not in answer.text
    assert await belongings(connection, organization_id) == before

    # The same call says or does something for the owner: else the lines above would prove nothing.
    owners_answer = await call(owner, endpoint, key_id)
    assert owners_answer.status_code == endpoint.success
    changed = await belongings(connection, organization_id) != before
    assert changed if endpoint.permission != "r" else owners_answer.content != answer.content


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


@pytest.mark.parametrize("sort", SORTS, ids=str)
async def test_cursor_of_another_organization_leads_through_the_caller_s_own_rows(
    owner: httpx.AsyncClient, stranger: httpx.AsyncClient, sort: object
) -> None:
    for number in range(3):
        await post(owner, f"owner's {number}", {SCORE: number})
        await post(stranger, f"stranger's {number}", {SCORE: number})
    query = {"filter": "all", "sort": sort}
    page = await owner.post("/v1/request/query", json={**query, "limit": 1})
    response = await stranger.post("/v1/request/query", json={**query, "cursor": page.json()["nextCursor"]})
    assert response.status_code == 200
    found = [row["request_id"] for row in response.json()["data"]]
    own = await ids(stranger, sort=sort)
    assert len(own) == 3
    assert found == own[len(own) - len(found) :]


async def test_scores_written_together_stay_apart(
    owner: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    """They meet in one batch of the writer, under the same ids and names."""
    async with asyncio.TaskGroup() as group:
        for number in range(100):
            for client, value in ((owner, 1), (stranger, 2)):
                group.create_task(post(client, f"r{number % 10}", {SCORE: value, f"score {number}": value}))
    for number in range(10):
        names = [SCORE, *(f"score {n}" for n in range(number, 100, 10))]
        assert await scores_of(owner, f"r{number}") == dict.fromkeys(names, 1)
        assert await scores_of(stranger, f"r{number}") == dict.fromkeys(names, 2)


@pytest.mark.usefixtures("owner")
async def test_upload_of_a_stranger_leaves_requests_of_the_same_ids_alone(
    stranger: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    before = await belongings(connection, organization_id)
    for mode in ("atomic", "partial"):
        items = [{"requestId": id_, "scores": {SCORE: 1, MARK: 1}} for id_ in (REQUEST, "new", REQUEST)]
        response = await stranger.post("/v1/scores/batch", json={"items": items, "mode": mode})
        assert response.json()["data"]["accepted"] == 3
    assert await scores_of(stranger, REQUEST) == {SCORE: 1, MARK: 1}
    assert await belongings(connection, organization_id) == before


# PromptLayer's ids and groups


async def test_same_log_call_of_two_organizations_is_two_requests(
    shared: Service, organization: str, client: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    clients = [await promptlayer.make_client(shared, name) for name in (organization, f"not {organization}")]
    first, second = [await promptlayer.log(client, score=50) for client in clients]
    assert first != second
    assert await ids(client) == [str(first)]
    assert await ids(stranger) == [str(second)]


async def test_search_and_tracking_find_no_request_of_another_organization(
    shared: Service, organization: str
) -> None:
    owner = await promptlayer.make_client(shared, organization)
    stranger = await promptlayer.make_client(shared, f"not {organization}")
    id_ = await promptlayer.log(owner, score=50, tags=[MARK], metadata={PROPERTY: MARK})
    conditions = [
        {"field": "score", "operator": "gte", "value": 0},
        {"field": "tags", "operator": "in", "value": [MARK]},
        {"field": "metadata", "nested_key": PROPERTY, "operator": "is", "value": MARK},
    ]
    for condition in conditions:
        assert await promptlayer.search(owner, condition) == [id_]
        assert await promptlayer.search(stranger, condition) == []


async def test_group_of_another_organization_is_not_there(
    shared: Service, organization: str, connection: Connection, organization_id: int
) -> None:
    owner = await promptlayer.make_client(shared, organization)
    stranger = await promptlayer.make_client(shared, f"not {organization}")
    group_id = (await owner.post("/create-group", json={})).json()["id"]
    before = await belongings(connection, organization_id)
    id_ = await promptlayer.log(stranger)
    response = await promptlayer.track(stranger, "/track-group", request_id=id_, group_id=group_id)
    assert response.status_code in (400, 404)
    assert response.json() == promptlayer.error_response(response.json()["message"])
    missing = await promptlayer.track(stranger, "/track-group", request_id=id_, group_id=group_id + 1000)
    assert response.json()["message"] == missing.json()["message"].replace(
        str(group_id + 1000), str(group_id)
    )
    assert await belongings(connection, organization_id) == before


async def test_score_names_of_one_organization_mean_nothing_in_another(
    owner: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    await post(stranger, "theirs", {"else": 1})
    assert await ids(stranger, {"request_response_rmt": {"scores": {MARK: {"exists": False}}}}) == ["theirs"]
    assert await ids(owner, {"request_response_rmt": {"scores": {MARK: {"exists": False}}}}) == []
