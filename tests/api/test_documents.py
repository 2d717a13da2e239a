"""What the service says about itself: the OpenAPI document, the page made of it, and its health."""

from __future__ import annotations

import html
import json
import re
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

import asyncpg
import httpx
import jsonschema  # type: ignore[import-untyped]
import openapi_spec_validator
import pytest
from heliscore.api.helicone.signed_bodies import PATH as SIGNED
from heliscore.api.http.endpoints import GENERAL_ERRORS, Endpoint
from heliscore.domain.api_key import mint_key
from heliscore.domain.errors import Conflict, NotFound
from heliscore.domain.times import EPOCH
from heliscore.endpoint_table import ENDPOINTS
from heliscore.store import keys
from heliscore.store.connections.pool import Connection
from heliscore.store.schema.migrations import read_migrations

from tests.api.calls import (
    DESTINATION,
    GROUP,
    MAKE_DEFINITION,
    MAKE_GROUP,
    MONITOR,
    PROPERTY,
    PROTECTED,
    QUEUE,
    REQUEST,
    RETIME,
    SCORE,
    VIEW,
    call,
    make_destination,
    make_monitor,
    make_queue,
    make_view,
    name_of,
    send,
)
from tests.api.envelope import log, post
from tests.api.test_query_filters import FILTERS
from tests.api.test_query_pages import SORTS
from tests.conftest import Service, StartService

DESCRIBED = [endpoint for endpoint in ENDPOINTS if endpoint.tag != "Documentation"]


@pytest.fixture(scope="module")
def document(shared_address: str) -> Any:
    response = httpx.get(f"{shared_address}/openapi.json", timeout=30)
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    return response.json()


def operation(document: Any, endpoint: Endpoint) -> Any:
    return document["paths"][endpoint.path][endpoint.method.lower()]


def validate(document: Any, schema: Any, value: object) -> None:
    jsonschema.Draft202012Validator({**schema, "components": document["components"]}).validate(value)


# The document


def test_document_is_valid_openapi(document: Any) -> None:
    assert document["openapi"].startswith("3.1.")
    openapi_spec_validator.OpenAPIV31SpecValidator(document).validate()


def test_document_describes_every_endpoint_and_no_other(document: Any) -> None:
    described = {
        (method.upper(), path) for path, operations in document["paths"].items() for method in operations
    }
    assert described == {(endpoint.method, endpoint.path) for endpoint in DESCRIBED}


@pytest.mark.parametrize("endpoint", DESCRIBED, ids=name_of)
def test_operation_is_described(document: Any, endpoint: Endpoint) -> None:
    described = operation(document, endpoint)
    assert described["summary"].endswith(".")
    assert described["description"]
    errors = endpoint.errors + (GENERAL_ERRORS if endpoint.permission else ())
    errors += (Conflict,) if endpoint.writes else ()
    statuses = {str(endpoint.success), *(str(api_error.status) for api_error in errors)}
    assert described["responses"].keys() == statuses
    assert all(response["description"] for response in described["responses"].values())
    if "503" in statuses:
        assert described["responses"]["503"]["headers"].keys() == {"Retry-After"}
    if endpoint.permission:
        assert described["responses"]["429"]["headers"].keys() == {
            "Retry-After",
            "RateLimit-Limit",
            "RateLimit-Remaining",
            "RateLimit-Reset",
        }
    secured: Any = [{name: []} for name in endpoint.security] if endpoint.permission else None
    assert described.get("security") == secured


@pytest.mark.parametrize("endpoint", DESCRIBED, ids=name_of)
def test_writing_calls_take_an_idempotency_key(document: Any, endpoint: Endpoint) -> None:
    described = operation(document, endpoint)
    parameters = [one for one in described.get("parameters", []) if one["in"] == "header"]
    headers = described["responses"][str(endpoint.success)].get("headers", {})
    if not endpoint.writes:
        assert (parameters, headers) == ([], {})
        return
    [parameter] = parameters
    assert parameter["name"] == "Idempotency-Key"
    assert "required" not in parameter
    validate(document, parameter["schema"], "5b2c7a")
    for refused in ("", "x" * 256, "\u00e9"):
        with pytest.raises(jsonschema.ValidationError):
            validate(document, parameter["schema"], refused)
    assert headers.keys() == {"Idempotent-Replayed"}


def test_operation_ids_are_unique(document: Any) -> None:
    ids = [operation(document, endpoint)["operationId"] for endpoint in DESCRIBED]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("endpoint", [e for e in DESCRIBED if e.body is not None], ids=name_of)
def test_example_of_body_fits_its_schema(document: Any, endpoint: Endpoint) -> None:
    content = operation(document, endpoint)["requestBody"]["content"]["application/json"]
    validate(document, content["schema"], content["example"])


@pytest.mark.parametrize("endpoint", [e for e in DESCRIBED if e.answer_example is not None], ids=name_of)
def test_example_of_answer_fits_its_schema(document: Any, endpoint: Endpoint) -> None:
    content = operation(document, endpoint)["responses"][str(endpoint.success)]["content"][
        endpoint.answer_type
    ]
    validate(document, content["schema"], content["example"])


@pytest.mark.parametrize("endpoint", [e for e in PROTECTED if e.body is not None], ids=name_of)
async def test_example_of_body_is_accepted(
    client: httpx.AsyncClient, connection: Connection, organization_id: int, document: Any, endpoint: Endpoint
) -> None:
    key_id = await keys.register(connection, organization_id, mint_key(), name="test")
    content = operation(document, endpoint)["requestBody"]["content"]["application/json"]
    await make_destination(connection, organization_id, "ours")
    await make_monitor(connection, organization_id, "old")
    await make_view(connection, organization_id, "old")
    known = {
        "{id}": str(key_id),
        "{destinationId}": DESTINATION,
        "{monitorId}": MONITOR,
        "{viewId}": VIEW,
        "{queueId}": QUEUE,
    }
    if "{queueId}" in endpoint.path:
        await post(client, "x", {"x": 1})
        await make_queue(connection, organization_id, "old", "x")
    path = re.sub(r"{\w+}", lambda name: known.get(name[0], "x"), endpoint.path)
    if "group_id" in content["example"]:
        await connection.execute(MAKE_GROUP, content["example"]["group_id"], organization_id)
    if "change" in content["example"]:
        await post(client, "x", {"x": 1})
        at = EPOCH + timedelta(microseconds=content["example"]["change"])
        await connection.execute(
            "UPDATE score SET scored_at = $2 WHERE organization_id = $1", organization_id, at
        )
        await post(client, "x", {"x": 2})
    response = await send(client, endpoint, path, json.dumps(content["example"]).encode())
    assert response.status_code == endpoint.success


@pytest.mark.parametrize("filter_", [filter_ for filter_, _ in FILTERS], ids=lambda value: str(value)[-60:])
def test_accepted_filter_is_documented(document: Any, filter_: object) -> None:
    body = document["paths"]["/v1/request/query"]["post"]["requestBody"]["content"]["application/json"]
    validate(document, body["schema"], {"filter": filter_})


@pytest.mark.parametrize("sort", [*SORTS, {"random": True}, {}, None], ids=str)
def test_accepted_sort_is_documented(document: Any, sort: object) -> None:
    body = document["paths"]["/v1/request/query"]["post"]["requestBody"]["content"]["application/json"]
    validate(document, body["schema"], {"filter": "all", "sort": sort})


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"filter": None},
        {"filter": "everything"},
        {"filter": {"request_response_rmt": {"bogus": {"equals": 1}}}},
        {"filter": {"request_response_rmt": {"model": {"gte": "a"}}}},
        {"filter": {"request_response_rmt": {"scores": {"accuracy": {"gte": 90.5}}}}},
        {"filter": {"left": "all", "operator": "xor", "right": "all"}},
        {"filter": {"left": "all", "operator": "and"}},
        {"filter": "all", "limit": 1001},
        {"filter": "all", "sort": {"bogus": "asc"}},
        {"filter": "all", "order": "asc"},
    ],
    ids=str,
)
async def test_refused_query_is_not_documented(
    client: httpx.AsyncClient, document: Any, body: object
) -> None:
    assert (await client.post("/v1/request/query", json=body)).status_code == 400
    schema = document["paths"]["/v1/request/query"]["post"]["requestBody"]["content"]["application/json"]
    with pytest.raises(jsonschema.ValidationError):
        validate(document, schema["schema"], body)


# Real answers


@pytest.fixture
async def key_id(client: httpx.AsyncClient, connection: Connection, organization_id: int) -> int:
    """The id of a key, beside a request that every example call has something to say about."""
    await log(
        connection,
        organization_id,
        REQUEST,
        "2026-01-01T00:00:00Z",
        status=200,
        properties=json.dumps({PROPERTY: "prod"}),
    )
    await connection.execute(MAKE_GROUP, GROUP, organization_id)
    await connection.execute(MAKE_DEFINITION, organization_id, SCORE, "off")
    await make_destination(connection, organization_id, "ours")
    await make_monitor(connection, organization_id, "old")
    await make_view(connection, organization_id, "old")
    await post(client, REQUEST, {SCORE: 94})
    await connection.execute(RETIME, organization_id)
    await post(client, REQUEST, {SCORE: 95, "helicone-score-feedback": True})
    await make_queue(connection, organization_id, "old")
    return await keys.register(connection, organization_id, mint_key(), name="test")


def assert_documented(document: Any, endpoint: Endpoint, response: httpx.Response, status: int) -> None:
    assert response.status_code == status
    type_ = response.headers["content-type"].partition(";")[0]
    content = operation(document, endpoint)["responses"][str(status)]["content"][type_]
    value = response.json() if type_ == "application/json" else response.text
    validate(document, content["schema"], value)


@pytest.mark.parametrize("endpoint", PROTECTED, ids=name_of)
async def test_answer_is_as_documented(
    client: httpx.AsyncClient, document: Any, key_id: int, endpoint: Endpoint
) -> None:
    assert_documented(document, endpoint, await call(client, endpoint, key_id), endpoint.success)


SCORING = {"/v1/request/{requestId}/score", "/v1/evals/{requestId}", "/v1/scores/batch", "/rest/track-score"}


@pytest.mark.parametrize("endpoint", [e for e in PROTECTED if e.path in SCORING], ids=name_of)
async def test_answer_with_warnings_is_as_documented(
    client: httpx.AsyncClient, document: Any, endpoint: Endpoint
) -> None:
    definition = {"type": "integer", "max": 0, "enforce": "warn"}
    (await client.put(f"/v1/score-definitions/{SCORE}", json=definition)).raise_for_status()
    response = await call(client, endpoint)
    assert_documented(document, endpoint, response, 200)
    assert "must be at most 0, got 11" in response.text


@pytest.mark.parametrize(
    "endpoint", [e for e in DESCRIBED if e.permission is None and e.path != SIGNED], ids=name_of
)
async def test_health_is_as_documented(client: httpx.AsyncClient, document: Any, endpoint: Endpoint) -> None:
    assert_documented(document, endpoint, await client.get(endpoint.path), 200)


async def test_signed_address_is_as_documented(client: httpx.AsyncClient, document: Any) -> None:
    await post(client, "r", {"accuracy": 95})
    row = (await client.get("/v1/request/r")).json()["data"]
    [endpoint] = [endpoint for endpoint in DESCRIBED if endpoint.path == SIGNED]
    address: str = row["signed_body_url"]
    assert_documented(document, endpoint, await client.get(address), 200)
    assert_documented(document, endpoint, await client.get(address + "x"), 404)


@pytest.mark.parametrize("endpoint", [e for e in PROTECTED if e.body is not None], ids=name_of)
async def test_refusal_of_a_bad_body_is_as_documented(
    client: httpx.AsyncClient, document: Any, endpoint: Endpoint
) -> None:
    path = re.sub(r"{\w+}", "1", endpoint.path)
    assert_documented(document, endpoint, await send(client, endpoint, path, b"[]"), 400)


@pytest.mark.parametrize("endpoint", PROTECTED, ids=name_of)
async def test_refusal_of_a_bad_key_is_as_documented(
    shared: Service, document: Any, endpoint: Endpoint
) -> None:
    stranger = await shared.client(key=mint_key())
    assert_documented(document, endpoint, await call(stranger, endpoint), 401)


@pytest.mark.parametrize("endpoint", PROTECTED, ids=name_of)
async def test_refusal_without_the_permission_is_as_documented(
    shared: Service, organization: str, document: Any, endpoint: Endpoint
) -> None:
    limited = await shared.client(organization, "w" if endpoint.permission == "r" else "r")
    assert_documented(document, endpoint, await call(limited, endpoint), 403)


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("path", ["/v1/request/{requestId}"])
async def test_refusal_of_what_is_not_there_is_as_documented(
    client: httpx.AsyncClient, document: Any, method: str, path: str
) -> None:
    [endpoint] = [e for e in PROTECTED if (e.method, e.path) == (method, path)]
    assert NotFound in endpoint.errors
    assert_documented(document, endpoint, await call(client, endpoint), 404)


# The page


class Page(HTMLParser):
    """What a page refers to, and its texts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.references: list[str] = []
        self.elements: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.references += [
            value or "" for name, value in attrs if name in ("href", "src", "action", "srcset")
        ]


async def test_docs_show_every_operation(client: httpx.AsyncClient, document: Any) -> None:
    response = await client.get("/docs")
    assert (response.status_code, response.headers["content-type"]) == (200, "text/html; charset=utf-8")
    text = html.unescape(re.sub(r"<[^>]+>", " ", re.sub(r"</?code[^>]*>", "", response.text)))
    words = " ".join(text.split())
    for endpoint in DESCRIBED:
        described = operation(document, endpoint)
        summary = " ".join(described["summary"].replace("`", "").split())
        assert f"{endpoint.method} {endpoint.path} {summary}" in words
    for name in document["components"]["schemas"]:
        assert f'id="{name}"' in response.text


async def test_docs_refer_to_no_other_host(client: httpx.AsyncClient) -> None:
    response = await client.get("/docs")
    page = Page(response.text)
    ours = [reference for reference in page.references if reference.startswith("/static/")]
    others = {reference for reference in page.references if reference not in ours and reference[0] != "#"}
    assert others == {"/", "/sign-in", "openapi.json"}
    assert page.elements.isdisjoint({"iframe", "object", "embed", "base", "style"})
    assert not re.search(r"@import|url\(", response.text)
    assert response.headers["content-security-policy"].startswith("default-src 'none';")


# Health


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/healthz", {"status": "ok"}),
        ("/readyz", {"status": "ready"}),
        ("/healthcheck", {"status": "healthy :)"}),
    ],
)
async def test_health_is_answered_without_a_key(shared: Service, path: str, body: object) -> None:
    response = await (await shared.client(key="")).get(path)
    assert (response.status_code, response.json()) == (200, body)
    assert response.headers["content-type"] == "application/json"


def assert_missing(response: httpx.Response, count: int) -> None:
    error = f"{count} migrations are missing: run heliscore migrate"
    assert (response.status_code, response.json()) == (503, {"data": None, "error": error})
    assert int(response.headers["retry-after"]) >= 1


async def test_service_is_not_ready_without_a_schema(start_service: StartService, empty_dsn: str) -> None:
    client = await (await start_service(database_url=empty_dsn)).client(key="")
    assert_missing(await client.get("/readyz"), len(read_migrations()))
    for path in ("/healthz", "/healthcheck"):
        assert (await client.get(path)).status_code == 200


async def test_service_is_ready_once_the_last_migration_is_applied(
    start_service: StartService, dsn: str
) -> None:
    client = await (await start_service()).client(key="")
    connection = await asyncpg.connect(dsn)
    # Not the first one, by which connections that are opened meanwhile know the database.
    last = "number = (SELECT max(number) FROM schema_migration)"
    [row] = await connection.fetch(f"DELETE FROM schema_migration WHERE {last} RETURNING *")
    assert_missing(await client.get("/readyz"), 1)
    await connection.execute("INSERT INTO schema_migration VALUES ($1, $2, $3, $4)", *row)
    await connection.close()
    assert (await client.get("/readyz")).status_code == 200
