"""Who may call: keys in headers, their permissions, and their end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import asyncpg
import httpx
import pytest
from heliscore.api.helicone import signed_bodies
from heliscore.api.http import auth
from heliscore.api.http.endpoints import Endpoint
from heliscore.api.opentelemetry.otlp_endpoints import ENDPOINTS as OPENTELEMETRY
from heliscore.api.promptlayer import ENDPOINTS as PROMPTLAYER
from heliscore.api.shared import envelope
from heliscore.domain.api_key import Permissions, Principal, hash_key, mint_key
from heliscore.endpoint_table import ENDPOINTS
from heliscore.store import keys, organizations
from heliscore.store.connections.pool import Connection

from tests.api import raw
from tests.api.calls import (
    PROTECTED,
    call,
    name_of,
    prepare,
)
from tests.api.envelope import ids, one, post, scores_of
from tests.conftest import Service, StartService

ENVELOPED = [endpoint for endpoint in PROTECTED if endpoint.render_error is envelope.render_error]
"""Helicone's calls and our own. PromptLayer's have the key in other places and words of their own."""

FORWARDED = [endpoint for endpoint in PROTECTED if endpoint.is_forwarded]

QUERY = "/v1/request/query"
ALL = {"filter": "all"}

NEEDED = {"data": None, "error": "an API key is needed: Authorization: Bearer <key>"}
MALFORMED = {"data": None, "error": "expected Authorization: Bearer <key>"}
NOT_VALID = {"data": None, "error": "the API key is not valid"}


def assert_unauthenticated(response: httpx.Response, body: object) -> None:
    assert (response.status_code, response.json()) == (401, body)
    assert response.headers["www-authenticate"] == "Bearer"
    assert response.headers["content-type"] == "application/json"


async def revoke(dsn: str, key: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute("UPDATE api_key SET revoked_at = now() WHERE key_hash = $1", hash_key(key))
    await connection.close()


async def register(
    connection: Connection, organization_id: int, key: str, expires_at: datetime | None = None
) -> None:
    await keys.register(connection, organization_id, key, name="test", expires_at=expires_at)


# The headers


@pytest.fixture
async def anonymous(shared: Service) -> httpx.AsyncClient:
    """A client without a key."""
    return await shared.client(key="")


@pytest.fixture
async def key(shared: Service, organization: str) -> str:
    return await shared.make_key(organization)


@pytest.mark.parametrize("endpoint", ENVELOPED, ids=name_of)
async def test_call_without_a_key_is_refused(anonymous: httpx.AsyncClient, endpoint: Endpoint) -> None:
    assert_unauthenticated(await call(anonymous, endpoint), NEEDED)


@pytest.mark.parametrize(
    "path", [e.path for e in ENDPOINTS if e.permission is None and e.path != signed_bodies.PATH]
)
async def test_public_endpoint_needs_no_key(anonymous: httpx.AsyncClient, path: str) -> None:
    response = await anonymous.get(path)
    assert response.status_code == 200


@pytest.mark.parametrize(
    "header",
    [
        "Bearer {key}",
        "bearer {key}",
        "BEARER {key}",
        "bEaReR {key}",
        "Bearer   {key}",
    ],
)
@pytest.mark.parametrize("name", ["Authorization", "authorization", "Helicone-Auth", "helicone-auth"])
async def test_bearer_key_is_taken(anonymous: httpx.AsyncClient, key: str, name: str, header: str) -> None:
    response = await anonymous.post(QUERY, json=ALL, headers={name: header.format(key=key)})
    assert (response.status_code, response.json()) == (200, {"data": [], "error": None})


@pytest.mark.parametrize(
    "header",
    [
        "{key}",
        "Basic {key}",
        "Token {key}",
        "Bearer",
        "Bearer{key}",
        "Bearer:{key}",
        "x Bearer {key}",
    ],
)
@pytest.mark.parametrize("name", ["Authorization", "Helicone-Auth"])
async def test_other_scheme_is_refused(
    anonymous: httpx.AsyncClient, key: str, name: str, header: str
) -> None:
    response = await anonymous.post(QUERY, json=ALL, headers={name: header.format(key=key)})
    assert_unauthenticated(response, MALFORMED)


async def test_blanks_around_the_header_do_not_matter(shared: Service, key: str) -> None:
    sent = raw.request("GET", "/v1/request/nope", key, Authorization=f"  Bearer  {key}  ")
    answer = await raw.send(shared.address, sent)
    assert (answer.status, answer.json()) == (404, {"data": None, "error": "there is no request nope"})


async def test_helicone_auth_counts_where_both_are_sent(anonymous: httpx.AsyncClient, key: str) -> None:
    headers = {"Helicone-Auth": f"Bearer {key}", "Authorization": "Bearer sk-of-the-model-provider"}
    response = await anonymous.post(QUERY, json=ALL, headers=headers)
    assert response.status_code == 200
    headers = {"Helicone-Auth": f"Bearer {mint_key()}", "Authorization": f"Bearer {key}"}
    assert_unauthenticated(await anonymous.post(QUERY, json=ALL, headers=headers), NOT_VALID)


@pytest.mark.parametrize("header", [b"Bearer \xff\xfe", b"Bearer \xc3\xa9", b"Bearer " + b"x" * 60_000])
async def test_odd_key_is_refused(anonymous: httpx.AsyncClient, header: bytes) -> None:
    response = await anonymous.post(QUERY, json=ALL, headers={b"Authorization": header})
    assert_unauthenticated(response, NOT_VALID)


@pytest.mark.parametrize("key", ["0123456789abcdef", "sk-" + "x" * 197, 'old:key/with=+~!"#,;'])
async def test_registered_key_of_any_form_is_taken(
    anonymous: httpx.AsyncClient, connection: Connection, organization_id: int, key: str
) -> None:
    await register(connection, organization_id, key)
    response = await anonymous.post(QUERY, json=ALL, headers={"Authorization": f"Bearer {key}"})
    assert response.status_code == 200


async def test_key_is_checked_before_the_body(shared: Service) -> None:
    sent = raw.request("POST", "/v1/request/%zz/score", mint_key(), Content_Length="1000000000")
    answer = await raw.send(shared.address, sent)
    assert (answer.status, answer.json()) == (401, NOT_VALID)


# The end of a key


async def test_unknown_revoked_and_expired_keys_get_the_same_answer(
    shared: Service, connection: Connection, organization: str, organization_id: int
) -> None:
    revoked, expired = await shared.make_key(organization), mint_key()
    await revoke(shared.dsn, revoked)
    await register(connection, organization_id, expired, datetime.now(UTC) - timedelta(seconds=1))
    answers = []
    for bad in (mint_key(), revoked, expired):
        client = await shared.client(key=bad)
        answers.append(await client.post(QUERY, json=ALL))
        assert_unauthenticated(answers[-1], NOT_VALID)
    assert len({answer.content for answer in answers}) == 1
    names = [[name for name in answer.headers if name != "date"] for answer in answers]
    assert names == [names[0]] * 3


async def test_address_with_too_many_bad_keys_waits_and_good_keys_go_on(
    start_service: StartService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "MAX_FAILURES", 5)
    service = await start_service()
    client, stranger = await service.client(), await service.client(key=mint_key())
    await post(client, "r", {"a": 1})
    unused = await service.client("another")
    for _ in range(5):
        assert_unauthenticated(await stranger.get("/v1/request/r"), NOT_VALID)
    for refused in stranger, unused:  # nobody knows yet that the second is good
        response = await refused.get("/v1/request/r")
        assert (response.status_code, response.json()["data"]) == (429, None)
        assert response.json()["error"].startswith("more than 5 calls from this address in a minute")
        assert 1 <= int(response.headers["retry-after"]) <= 60
    monkeypatch.setattr(auth, "_REMEMBERED_S", 0.0)
    for _ in range(2):
        assert await scores_of(client, "r") == {"a": 1}


async def test_key_stops_at_its_expiry(shared: Service, connection: Connection, organization_id: int) -> None:
    key = mint_key()
    client = await shared.client(key=key)
    expires_at = datetime.now(UTC) + timedelta(seconds=3)
    await register(connection, organization_id, key, expires_at)
    assert (await client.post(QUERY, json=ALL)).status_code == 200
    await asyncio.sleep((expires_at - datetime.now(UTC)).total_seconds() + 0.01)
    assert_unauthenticated(await client.post(QUERY, json=ALL), NOT_VALID)


async def test_revoked_key_stops_within_5_seconds_in_every_process(start_service: StartService) -> None:
    first, second = await start_service(), await start_service()
    key = await first.make_key()
    clients = [await service.client(key=key) for service in (first, second)]
    for client in clients:
        assert (await client.post(QUERY, json=ALL)).status_code == 200
    await revoke(first.dsn, key)
    deadline = time.monotonic() + 10
    for client in clients:
        while (response := await client.post(QUERY, json=ALL)).status_code == 200:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        assert_unauthenticated(response, NOT_VALID)


async def test_revoked_key_takes_nobody_else_along(
    shared: Service, client: httpx.AsyncClient, organization: str
) -> None:
    key = await shared.make_key(organization)
    await revoke(shared.dsn, key)
    revoked = await shared.client(key=key)
    assert (await revoked.post(QUERY, json=ALL)).status_code == 401
    assert (await client.post(QUERY, json=ALL)).status_code == 200


async def test_new_key_works_at_once_even_after_it_was_refused(
    shared: Service, connection: Connection, organization_id: int
) -> None:
    key = mint_key()
    client = await shared.client(key=key)
    assert_unauthenticated(await client.post(QUERY, json=ALL), NOT_VALID)
    await register(connection, organization_id, key)
    assert (await client.post(QUERY, json=ALL)).status_code == 200


class SlowLookUps:
    """Keys are looked up as ever, but what was found is told only when it may be."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.needed = self.begun = self.found = 0
        self.may_be_told = asyncio.Event()
        monkeypatch.setattr(auth, "hash_key", self._hash_key)
        self._look_up = keys.find
        monkeypatch.setattr(keys, "find", self._find)

    def _hash_key(self, key: str) -> bytes:
        self.needed += 1
        return hash_key(key)

    async def _find(self, connection: Connection, key_hash: bytes) -> Principal | None:
        self.begun += 1
        principal = await self._look_up(connection, key_hash)
        self.found += 1
        await self.may_be_told.wait()
        return principal

    async def until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not is_so():  # noqa: ASYNC110
                await asyncio.sleep(0.005)


@pytest.mark.parametrize(("is_good", "status"), [(True, 200), (False, 401)])
async def test_key_of_many_calls_is_looked_up_together(
    service: Service, monkeypatch: pytest.MonkeyPatch, is_good: bool, status: int
) -> None:
    client = await service.client(key=await service.make_key() if is_good else mint_key())
    look_ups = SlowLookUps(monkeypatch)
    # Fewer than wait long for the database on a busy machine, which would be 503.
    calls = [asyncio.create_task(client.post(QUERY, json=ALL)) for _ in range(30)]
    await look_ups.until(lambda: look_ups.needed == 30)
    look_ups.may_be_told.set()
    assert [(await call).status_code for call in calls] == [status] * 30
    # Two at work, which is as many as there are connections, and one that waits for a connection.
    assert look_ups.begun <= 3


async def test_key_made_while_it_is_looked_up_works_at_once(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = mint_key()
    client = await service.client(key=key)
    look_ups = SlowLookUps(monkeypatch)
    early = asyncio.create_task(client.post(QUERY, json=ALL))
    await look_ups.until(lambda: look_ups.found == 1)
    connection = await asyncpg.connect(service.dsn)
    await register(connection, await organizations.ensure(connection), key)
    await connection.close()
    late = asyncio.create_task(client.post(QUERY, json=ALL))
    await look_ups.until(lambda: look_ups.found == 2)
    look_ups.may_be_told.set()
    assert_unauthenticated(await early, NOT_VALID)
    assert (await late).status_code == 200


# Permissions


GRANTED: dict[Permissions, str] = {"r": "r", "w": "wf", "rw": "rwf", "f": "f"}
"""What a key may do: whoever writes may rate."""

LACKING: list[tuple[Endpoint, Permissions]] = [
    (endpoint, permissions)
    for endpoint in (*ENVELOPED, *FORWARDED)
    for permissions in ("r", "w")
    if not set(endpoint.permission or "") <= set(GRANTED[permissions])
]


@pytest.mark.parametrize(
    ("endpoint", "permissions"), LACKING, ids=[f"{name_of(endpoint)} {have}" for endpoint, have in LACKING]
)
async def test_key_without_the_permission_is_refused(
    shared: Service,
    client: httpx.AsyncClient,
    organization: str,
    endpoint: Endpoint,
    permissions: Permissions,
) -> None:
    limited = await shared.client(organization, permissions)
    response = await call(limited, endpoint)
    needed = endpoint.permission
    assert response.status_code == 403
    assert response.headers["content-type"] == "application/json"
    message = f"the API key has permissions '{permissions}', this needs '{needed}'"
    if endpoint.is_forwarded:
        error = {"message": message, "type": "permission_error", "code": "forbidden"}
        assert response.json() == {"error": error}
    else:
        assert response.json() == {"data": None, "error": message}
    assert "www-authenticate" not in response.headers
    assert await ids(client) == []


ENOUGH: list[tuple[Endpoint, Permissions]] = [
    (endpoint, permissions)
    for endpoint in PROTECTED
    for permissions, granted in GRANTED.items()
    if set(endpoint.permission or "") <= set(granted)
]


@pytest.mark.parametrize(
    ("endpoint", "permissions"), ENOUGH, ids=[f"{name_of(endpoint)} {have}" for endpoint, have in ENOUGH]
)
async def test_key_with_the_permission_is_enough(
    shared: Service,
    client: httpx.AsyncClient,
    connection: Connection,
    organization: str,
    organization_id: int,
    endpoint: Endpoint,
    permissions: Permissions,
) -> None:
    await prepare(client, connection, organization_id)
    key_id = await keys.register(connection, organization_id, mint_key(), name="test")
    response = await call(await shared.client(organization, permissions), endpoint, key_id)
    assert response.status_code == endpoint.success


def test_every_endpoint_is_public_or_refuses_a_key_without_the_permission() -> None:
    """Each endpoint is named here or met by one of the tests of permissions: those above, or the dialect's
    own in test_promptlayer_key.py and test_opentelemetry.py."""
    public = {"/healthz", "/readyz", "/healthcheck", "/metrics", "/openapi.json"}
    public.add(signed_bodies.PATH)  # the address is signed: test_signed_bodies.py
    assert {endpoint.path for endpoint in ENDPOINTS if endpoint.permission is None} == public
    tested = [*{name_of(endpoint) for endpoint, _ in LACKING}, *map(name_of, (*PROMPTLAYER, *OPENTELEMETRY))]
    assert sorted(tested) == sorted(map(name_of, PROTECTED))


async def test_reading_key_queries_and_reads(
    shared: Service, client: httpx.AsyncClient, organization: str
) -> None:
    await post(client, "r", {"accuracy": 95})
    assert await scores_of(await shared.client(organization, "r"), "r") == {"accuracy": 95}


async def test_feedback_key_rates_and_does_nothing_else(
    shared: Service, client: httpx.AsyncClient, organization: str
) -> None:
    await post(client, "r", {"accuracy": 95})
    rater = await shared.client(organization, "f")
    assert (await rater.post("/v1/request/r/feedback", json={"rating": True})).status_code == 200
    named = {"helicone-id": "r", "rating": "negative"}
    assert (await rater.post("/v1/feedback", json=named)).status_code == 200
    assert await scores_of(client, "r") == {"accuracy": 95, "helicone-score-feedback": 0}
    others = [endpoint for endpoint in PROTECTED if "feedback" not in endpoint.path]
    assert len(others) == len(PROTECTED) - 3
    for endpoint in others:
        response = await call(rater, endpoint)
        assert (response.status_code, "has permissions 'f'" in response.text) == (403, True), name_of(
            endpoint
        )
    assert (await rater.delete("/v1/request/r/feedback")).status_code == 403
    assert await scores_of(client, "r") == {"accuracy": 95, "helicone-score-feedback": 0}


async def test_writing_key_writes(shared: Service, client: httpx.AsyncClient, organization: str) -> None:
    await post(await shared.client(organization, "w"), "r", {"accuracy": 95})
    assert await ids(client, one("r")) == ["r"]
