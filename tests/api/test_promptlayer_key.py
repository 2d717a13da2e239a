"""PromptLayer's calls as HTTP: keys, permissions, wrong methods and paths, bodies that are none."""

from __future__ import annotations

import gzip
import json
import logging
from typing import Final

import asyncpg
import httpx
import pytest
from heliscore.api.http.endpoints import Endpoint
from heliscore.api.promptlayer import ENDPOINTS
from heliscore.domain.api_key import mint_key
from heliscore.store.connections.pool import Connection

from tests.api.calls import name_of
from tests.api.envelope import ids, scores_of
from tests.api.promptlayer import LOG, done, error_response, log, make_client, track
from tests.conftest import Service, StartService

SCORE = {"request_id": 7, "score": 5}
NEEDED = error_response("an API key is needed: the header X-API-KEY, or api_key in the body")
NOT_VALID = error_response("the API key is not valid")

POSTED = [endpoint for endpoint in ENDPOINTS if endpoint.method == "POST"]

every_endpoint = pytest.mark.parametrize("endpoint", POSTED, ids=name_of)
ONE: Final = "/api/public/v2/requests/7"


def test_one_call_is_a_get() -> None:
    """Those of the others that concern it are below."""
    assert [name_of(endpoint) for endpoint in ENDPOINTS if endpoint not in POSTED] == [
        "GET /api/public/v2/requests/{request_id}"
    ]


async def test_reading_one_request_needs_a_key_that_may(
    shared: Service, anonymous: httpx.AsyncClient, organization: str
) -> None:
    writing = await shared.make_key(organization, "w")
    lacking = error_response("the API key has permissions 'w', this needs 'r'")
    for key, status, answer in ((None, 401, NEEDED), (mint_key(), 401, NOT_VALID), (writing, 403, lacking)):
        response = await anonymous.get(ONE, headers={} if key is None else {"X-API-KEY": key})
        assert (response.status_code, response.json()) == (status, answer)


async def test_reading_one_request_with_another_method_is_refused(client: httpx.AsyncClient) -> None:
    response = await client.post(ONE)
    assert (response.status_code, response.json()) == (
        405,
        error_response("method not allowed here, use GET, HEAD"),
    )


@pytest.fixture
async def anonymous(shared: Service) -> httpx.AsyncClient:
    """A client without a key."""
    return await shared.client(key="")


@pytest.fixture
async def key(shared: Service, organization: str) -> str:
    return await shared.make_key(organization)


@every_endpoint
async def test_key_is_taken_from_the_body(anonymous: httpx.AsyncClient, key: str, endpoint: Endpoint) -> None:
    assert endpoint.body
    example = endpoint.body.example
    assert isinstance(example, dict)
    if "group_id" in example:
        made = await anonymous.post("/create-group", json={"api_key": key})
        example = example | {"group_id": made.json()["id"]}
    response = await anonymous.post(endpoint.path, json=example | {"api_key": key})
    assert (response.status_code, response.json()["success"]) == (endpoint.success, True)


@every_endpoint
async def test_call_without_a_good_key_is_refused(anonymous: httpx.AsyncClient, endpoint: Endpoint) -> None:
    bad = mint_key()
    for body, headers, answer in (
        ({}, {}, NEEDED),
        ({"api_key": ""}, {}, NEEDED),
        ({"api_key": None}, {"X-API-KEY": ""}, NEEDED),
        ({"api_key": 5}, {}, NEEDED),
        ({"api_key": bad}, {}, NOT_VALID),
        ({}, {"X-API-KEY": bad}, NOT_VALID),
    ):
        response = await anonymous.post(endpoint.path, json=body, headers=headers)
        assert (response.status_code, response.json()) == (401, answer)


@pytest.mark.parametrize("form", ["plain", "gzip"])
async def test_large_body_is_not_read_for_the_key(anonymous: httpx.AsyncClient, key: str, form: str) -> None:
    """Neither unpacked nor decoded: the error comes before that of the JSON."""
    body, headers = b'{"api_key": "%b", "a": "%b' % (key.encode(), b" " * 65_536), {}
    if form == "gzip":
        body, headers = gzip.compress(body), {"Content-Encoding": "gzip"}
    response = await anonymous.post("/rest/track-score", content=body, headers=headers)
    assert (response.status_code, response.json()) == (
        401,
        error_response(
            "an API key is needed: the header X-API-KEY; api_key in the body counts in one of at most "
            "65536 bytes"
        ),
    )
    response = await anonymous.post("/rest/track-score", content=body, headers=headers | {"X-API-KEY": key})
    assert response.status_code == 400


@every_endpoint
async def test_key_without_the_permission_is_refused(
    shared: Service, organization: str, endpoint: Endpoint
) -> None:
    has = "r" if endpoint.permission == "w" else "w"
    key = await shared.make_key(organization, has)  # type: ignore[arg-type]
    response = await (await make_client(shared, key=key)).post(endpoint.path, json={})
    assert (response.status_code, response.json()) == (
        403,
        error_response(f"the API key has permissions '{has}', this needs '{endpoint.permission}'"),
    )


@pytest.mark.parametrize("body", ["", "[]", '"text"', "5"])
async def test_body_without_an_object_holds_no_key(anonymous: httpx.AsyncClient, body: str) -> None:
    response = await anonymous.post("/rest/track-score", content=body)
    assert (response.status_code, response.json()) == (401, NEEDED)


@pytest.mark.parametrize(
    ("body", "has_header"),
    [
        ("{", True),
        ("{", False),
        ('{"a": 1,}', False),
        ("[" * 100_000, True),
        ("[" * 60_000, False),
        (b'{"a": "\xff"}', True),
    ],
)
async def test_body_that_is_no_json_is_refused(
    anonymous: httpx.AsyncClient, key: str, body: str | bytes, has_header: bool
) -> None:
    headers = {"X-API-KEY": key} if has_header else {}
    response = await anonymous.post("/rest/track-score", content=body, headers=headers)
    assert response.status_code == 400
    assert response.json().keys() == {"success", "message", "error"}
    assert response.json()["message"].startswith("the body is not valid JSON: ")


async def test_header_counts_where_both_are_sent(
    anonymous: httpx.AsyncClient, client: httpx.AsyncClient, key: str
) -> None:
    response = await anonymous.post(
        "/track-group",
        json={"api_key": key, "request_id": 1, "group_id": 1},
        headers={"X-API-KEY": mint_key()},
    )
    assert (response.status_code, response.json()) == (401, NOT_VALID)
    response = await anonymous.post(
        "/library-track-score", json=SCORE | {"api_key": mint_key()}, headers={"X-API-KEY": key}
    )
    assert (response.status_code, response.json()) == (200, done("the score is stored"))
    assert await scores_of(client, "7") == {"default": 5}


async def test_key_in_the_body_is_kept_nowhere_and_told_to_nobody(
    start_service: StartService, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    service = await start_service(log_level="debug")
    key = await service.make_key()
    anonymous = await service.client(key="")
    answers = [
        await anonymous.post("/library-track-score", json=SCORE | {"api_key": key}),
        await anonymous.post("/library-track-score", json={"api_key": key, "score": "x", "name": "\n"}),
        await anonymous.post("/log-request", json=LOG | {"api_key": key}),
        await anonymous.post(
            "/track-request", json={"api_key": key, "function_name": "f", "kwargs": {"a": 1}}
        ),
        await anonymous.post("/track-request", content=f'{{"api_key": "{key}", '),
        await anonymous.post("/log-request", json={"api_key": key}),
        await anonymous.post("/api/public/v2/requests/search", json={"api_key": key, "page": 0}),
    ]
    assert [answer.status_code for answer in answers] == [200, 400, 201, 200, 400, 400, 400]
    connection = await asyncpg.connect(service.dsn)
    tables = [
        name
        for (name,) in await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    ]
    kept = [await connection.fetch(f"SELECT t::text FROM {table} AS t") for table in tables]
    await connection.close()
    told = "".join(answer.text for answer in answers) + caplog.text + repr(kept)
    assert "gpt-4o" in told
    assert key not in told


@every_endpoint
async def test_wrong_method_is_refused_in_the_dialect(client: httpx.AsyncClient, endpoint: Endpoint) -> None:
    # A GET of the search's path asks for a request of that name.
    method = "PUT" if endpoint.path.endswith("/search") else "GET"
    response = await client.request(method, endpoint.path)
    assert (response.status_code, response.json()) == (
        405,
        error_response("method not allowed here, use POST"),
    )
    assert response.headers["allow"] == "POST"


@pytest.mark.parametrize(
    "path", ["/rest/track-scores", "/library-track-", "/prompt-templates/a", "/api/public/v2/request/1"]
)
async def test_wrong_path_is_refused_in_the_dialect(client: httpx.AsyncClient, path: str) -> None:
    response = await client.post(path)
    assert (response.status_code, response.json()) == (404, error_response(f"no such endpoint: {path}"))


async def test_slashes_at_the_beginning_count_as_one(shared: Service, organization: str) -> None:
    client = await make_client(shared, organization)
    response = await client.post(f"{shared.address}//library-track-score", json=SCORE)
    assert (response.status_code, response.json()) == (200, done("the score is stored"))


async def test_body_that_is_too_large_is_refused(start_service: StartService) -> None:
    service = await start_service(max_body_bytes=2000)
    key = await service.make_key()
    answer = error_response("the body is larger than the limit of 2000 bytes")
    for client, body in (
        (await service.client(key=""), {"api_key": key, "a": "x" * 2000}),
        (await make_client(service, key=key), {"a": "x" * 2000}),
    ):
        response = await client.post("/log-request", json=body)
        assert (response.status_code, response.json()) == (413, answer)


async def test_database_that_is_away_is_told_in_the_dialect(start_service: StartService) -> None:
    service = await start_service(statement_timeout_ms=1000)
    client = await make_client(service)
    request_id = await log(client)
    connection = await asyncpg.connect(service.dsn)
    async with connection.transaction():
        await connection.execute("LOCK TABLE request")
        response = await track(client, "metadata", request_id=request_id, metadata={"a": "b"})
    await connection.close()
    assert response.status_code == 503
    assert response.json().keys() == {"success", "message", "error"}
    assert response.headers["retry-after"] == "1"


async def test_defect_is_told_in_the_dialect(
    start_service: StartService, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = await start_service()
    client = await make_client(service)

    async def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("heliscore.store.prompt_tracking.create_group", fail)
    response = await client.post("/create-group", json={})
    assert (response.status_code, response.json()) == (
        500,
        error_response("internal error: please report it"),
    )


async def test_body_may_be_compressed(anonymous: httpx.AsyncClient, key: str) -> None:
    body = gzip.compress(json.dumps(SCORE | {"api_key": key}).encode())
    response = await anonymous.post("/rest/track-score", content=body, headers={"Content-Encoding": "gzip"})
    assert (response.status_code, response.json()) == (200, done("the score is stored"))


async def test_stranger_neither_finds_nor_changes_the_request(
    client: httpx.AsyncClient,
    shared: Service,
    organization: str,
    connection: Connection,
    organization_id: int,
) -> None:
    owner = await make_client(shared, organization)
    stranger = await make_client(shared, f"not {organization}")
    request_id = await log(owner, score=50)
    statement = "SELECT r::text FROM request AS r WHERE organization_id = $1"
    before = await connection.fetch(statement, organization_id)
    for what, fields in (
        ("score", {"score": 1}),
        ("prompt", {"prompt_name": "theirs"}),
        ("metadata", {"metadata": {"theirs": "x"}}),
    ):
        assert (await track(stranger, what, request_id=request_id, **fields)).status_code == 200
    assert await connection.fetch(statement, organization_id) == before
    assert await scores_of(client, str(request_id)) == {"default": 50}
    assert await ids(client) == [str(request_id)]
