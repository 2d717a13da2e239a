"""`Idempotency-Key`: a call with one is carried out once, whenever it is repeated, and whatever breaks."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Collection
from datetime import timedelta
from typing import Any, Final

import asyncpg
import httpx
import pytest
from heliscore.api.helicone import score_endpoints
from heliscore.api.http.endpoints import ApiCall, Endpoint
from heliscore.api.shared.score_commands import record_scores
from heliscore.domain.api_key import mint_key
from heliscore.domain.score import Score
from heliscore.store import idempotent_calls, keyed_posts, keys, organizations
from heliscore.store.connections.pool import Connection
from heliscore.store.idempotent_calls import AnsweredCall, IdempotentCall

from tests.api import promptlayer, raw
from tests.api.calls import (
    PROTECTED,
    call,
    name_of,
    prepare,
)
from tests.api.envelope import DONE, faulty, ids, post, scores_of
from tests.api.test_batch import LINES, PATH, line, taken
from tests.api.test_isolation import belongings
from tests.conftest import Service, StartService

HEADER: Final = "Idempotency-Key"
REPLAYED: Final = "Idempotent-Replayed"
KEY: Final = {HEADER: "5b2c7a"}

WRITING = [endpoint for endpoint in PROTECTED if endpoint.writes]
READING = [endpoint for endpoint in PROTECTED if endpoint.permission == "r"]

OTHER_CALL = {
    "data": None,
    "error": "the Idempotency-Key was sent with another call in the last 24 hours: send another one",
}
SECRET = {
    "data": None,
    "error": "the call with this Idempotency-Key was carried out; its answer is not kept, because it showed "
    "a secret",
}
IN_PROGRESS = {
    "data": None,
    "error": "a call with the same Idempotency-Key is in progress, please try again",
}
AWAY = {"data": None, "error": "the database is not available just now, please try again"}

AGE = "UPDATE idempotent_call SET began_at = began_at - $2::interval WHERE organization_id = $1"

FIND_NAME = "SELECT id FROM score_name WHERE organization_id = $1 AND name = 'new'"
LOCK = "SELECT FROM request WHERE organization_id = $1 AND request_id = 'held' FOR UPDATE"


def got(response: httpx.Response) -> tuple[int, Any, bool]:
    """The status and body, and whether it is the answer of an earlier call."""
    return response.status_code, response.json(), response.headers.get(REPLAYED) == "true"


async def score(
    client: httpx.AsyncClient, request_id: str, headers: dict[str, str] = KEY, **scores: object
) -> tuple[int, Any, bool]:
    path = f"/v1/request/{request_id}/score"
    return got(await client.post(path, json={"scores": scores}, headers=headers))


# Every endpoint


@pytest.fixture
async def key_id(client: httpx.AsyncClient, connection: Connection, organization_id: int) -> int:
    """The id of a key, beside a request that every example call has something to say about."""
    await prepare(client, connection, organization_id)
    return await keys.register(connection, organization_id, mint_key(), name="test")


@pytest.mark.parametrize("endpoint", WRITING, ids=name_of)
async def test_writing_call_is_carried_out_once(
    client: httpx.AsyncClient, connection: Connection, organization_id: int, key_id: int, endpoint: Endpoint
) -> None:
    client.headers.update(KEY)
    before = await belongings(connection, organization_id)
    first = await call(client, endpoint, key_id)
    assert first.status_code == endpoint.success
    assert REPLAYED not in first.headers
    written = await belongings(connection, organization_id)
    assert len(written["idempotent_call"]) == 1
    assert written | {"idempotent_call": []} != before

    second = await call(client, endpoint, key_id)
    assert await belongings(connection, organization_id) == written
    if endpoint.answer_is_secret:
        assert got(second) == (409, SECRET, False)
        # A secret that signs stays where it is used; an API key stays nowhere.
        data = first.json().get("data", {})
        key = first.json().get("apiKey") or data.get("apiKey")
        secret = data.get("secret") or data.get("hmac_key")
        assert (key or secret) not in str(written if key else written["idempotent_call"])
    else:
        assert (second.status_code, second.content) == (first.status_code, first.content)
        for header in ("content-type", "content-length", "helicone-id"):
            assert second.headers.get(header) == first.headers.get(header)
        assert second.headers[REPLAYED] == "true"


@pytest.mark.parametrize("endpoint", READING, ids=name_of)
async def test_reading_call_ignores_the_header(
    client: httpx.AsyncClient, connection: Connection, organization_id: int, key_id: int, endpoint: Endpoint
) -> None:
    client.headers[HEADER] = ""
    for _ in range(2):
        response = await call(client, endpoint, key_id)
        assert response.status_code == endpoint.success
        assert REPLAYED not in response.headers
    assert (await belongings(connection, organization_id))["idempotent_call"] == []


# Which calls are the same


async def test_late_duplicate_does_not_bring_an_old_value_back(client: httpx.AsyncClient) -> None:
    assert await score(client, "r", accuracy=50) == (200, DONE, False)
    await post(client, "r", {"accuracy": 95})
    assert await score(client, "r", accuracy=50) == (200, DONE, True)
    assert await scores_of(client, "r") == {"accuracy": 95}


async def test_late_duplicate_does_not_bring_a_removed_request_back(client: httpx.AsyncClient) -> None:
    assert await score(client, "r", accuracy=50) == (200, DONE, False)
    assert (await client.delete("/v1/request/r")).status_code == 200
    assert await score(client, "r", accuracy=50) == (200, DONE, True)
    assert await ids(client) == []


async def test_another_call_with_the_key_is_refused(client: httpx.AsyncClient) -> None:
    await post(client, "r", {"accuracy": 1, "cited": True})
    await post(client, "s", {"accuracy": 1})
    assert await score(client, "r", accuracy=50) == (200, DONE, False)
    assert await score(client, "r", accuracy=51) == (409, OTHER_CALL, False)
    assert await score(client, "s", accuracy=50) == (409, OTHER_CALL, False)
    response = await client.delete("/v1/request/r/score/cited", headers=KEY)
    assert got(response) == (409, OTHER_CALL, False)
    response = await client.post("/v1/request/r/score?x", json={"scores": {"accuracy": 50}}, headers=KEY)
    assert got(response) == (409, OTHER_CALL, False)
    assert await score(client, "r", accuracy=50) == (200, DONE, True)
    assert await scores_of(client, "r") == {"accuracy": 50, "cited": 1}
    assert await scores_of(client, "s") == {"accuracy": 1}


async def test_another_key_is_another_call(client: httpx.AsyncClient) -> None:
    assert await score(client, "r", accuracy=50) == (200, DONE, False)
    await post(client, "r", {"accuracy": 95})
    assert await score(client, "r", {HEADER: "another"}, accuracy=50) == (200, DONE, False)
    assert await scores_of(client, "r") == {"accuracy": 50}


async def test_key_of_another_organization_is_another(
    shared: Service, client: httpx.AsyncClient, organization: str
) -> None:
    stranger = await shared.client(f"not {organization}")
    assert await score(client, "r", accuracy=50) == (200, DONE, False)
    assert await score(stranger, "r", accuracy=51) == (200, DONE, False)
    assert await score(client, "r", accuracy=50) == (200, DONE, True)
    assert await scores_of(client, "r") == {"accuracy": 50}
    assert await scores_of(stranger, "r") == {"accuracy": 51}


async def test_another_api_key_of_the_organization_may_repeat_the_call(
    shared: Service, client: httpx.AsyncClient, organization: str
) -> None:
    assert await score(client, "r", accuracy=50) == (200, DONE, False)
    assert await score(await shared.client(organization, "w"), "r", accuracy=50) == (200, DONE, True)
    reader = await shared.client(organization, "r")
    assert (await score(reader, "r", accuracy=50))[0] == 403


async def test_key_counts_for_a_day(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    assert await score(client, "r", accuracy=50) == (200, DONE, False)
    await connection.execute(AGE, organization_id, timedelta(hours=23, minutes=59))
    assert await score(client, "r", accuracy=50) == (200, DONE, True)
    await connection.execute(AGE, organization_id, timedelta(minutes=1))
    assert await score(client, "r", accuracy=60) == (200, DONE, False)
    assert await scores_of(client, "r") == {"accuracy": 60}
    assert await score(client, "r", accuracy=60) == (200, DONE, True)


async def test_call_that_writes_nothing_has_its_key_too(client: httpx.AsyncClient) -> None:
    assert await score(client, "r") == (200, DONE, False)
    assert await score(client, "r") == (200, DONE, True)
    assert await score(client, "r", accuracy=50) == (409, OTHER_CALL, False)
    assert await ids(client) == []


# The header


@pytest.mark.parametrize(
    "key", ["x", "x" * 255, '"8e03978e-40d5-43dd-bc93-6894a57f9324"', "~ a/b:c"], ids=len
)
async def test_printable_key_is_taken(client: httpx.AsyncClient, key: str) -> None:
    assert await score(client, "r", {HEADER: key}, accuracy=50) == (200, DONE, False)
    assert await score(client, "r", {HEADER: key}, accuracy=50) == (200, DONE, True)


@pytest.mark.parametrize("key", [b"", b"x" * 256, b"a\tb", b"\xc3\xa9"], ids=repr)
async def test_other_key_is_refused(client: httpx.AsyncClient, key: bytes) -> None:
    body = {"scores": {"accuracy": 50}}
    response = await client.post("/v1/request/r/score", json=body, headers={HEADER.encode(): key})
    expected = faulty((HEADER, "expected 1 to 255 printable ASCII characters"))
    assert got(response) == (400, expected, False)
    assert await ids(client) == []


async def test_two_keys_are_refused(client: httpx.AsyncClient) -> None:
    headers = [(HEADER, "a"), (HEADER, "a")]
    response = await client.post("/v1/request/r/score", json={"scores": {"accuracy": 50}}, headers=headers)
    assert got(response) == (400, faulty((HEADER, "sent more than once")), False)
    assert await ids(client) == []


async def test_promptlayer_answers_in_its_own_words(shared: Service, organization: str) -> None:
    """With the API key in the body, which is a part of the call."""
    client = await shared.client(key="")
    body = {"api_key": await shared.make_key(organization), "request_id": 7, "score": 50}
    for replayed in (False, True):
        response = await client.post("/rest/track-score", json=body, headers=KEY)
        assert got(response) == (200, promptlayer.done("the score is stored"), replayed)
    response = await client.post("/rest/track-score", json={**body, "score": 51}, headers=KEY)
    assert got(response) == (409, promptlayer.error_response(OTHER_CALL["error"] or ""), False)
    response = await client.post("/rest/track-score", json=body, headers={HEADER: "x" * 256})
    message = f"{HEADER}: expected 1 to 255 printable ASCII characters"
    assert got(response) == (400, promptlayer.error_response(message), False)


# Calls that fail


async def test_invalid_call_leaves_its_key_free(client: httpx.AsyncClient) -> None:
    status, body, replayed = await score(client, "r", accuracy=0.5)
    assert (status, body["details"][0]["path"], replayed) == (400, "scores.accuracy", False)
    assert await score(client, "r", accuracy=50) == (200, DONE, False)
    assert await scores_of(client, "r") == {"accuracy": 50}


async def test_call_that_finds_nothing_leaves_its_key_free(client: httpx.AsyncClient) -> None:
    path = "/v1/request/r/score/accuracy"
    missing = {"data": None, "error": "request r has no score accuracy"}
    for _ in range(2):
        assert got(await client.delete(path, headers=KEY)) == (404, missing, False)
    await post(client, "r", {"accuracy": 50})
    assert got(await client.delete(path, headers=KEY)) == (200, DONE, False)
    assert got(await client.delete(path, headers=KEY)) == (200, DONE, True)


async def test_call_for_an_unknown_request_leaves_its_key_free(start_service: StartService) -> None:
    client = await (await start_service(unknown_requests="reject")).client()
    missing = {"data": None, "error": "there is no request r"}
    assert await score(client, "r", accuracy=50) == (404, missing, False)
    log = {
        "providerRequest": {"url": "https://x", "json": {}, "meta": {"Helicone-Request-Id": "r"}},
        "providerResponse": {"json": {}, "status": 200, "headers": {}},
    }
    assert (await client.post("/custom/v1/log", json=log)).status_code == 200
    assert await score(client, "r", accuracy=50) == (200, DONE, False)
    assert await scores_of(client, "r") == {"accuracy": 50}


async def test_call_that_is_cut_off_writes_nothing(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When its work is done, and its answer not yet kept: the service stops, or PostgreSQL is killed."""
    complete = idempotent_calls.complete

    async def cancelled(*_: object) -> None:
        raise asyncio.CancelledError

    async def killed(connection: Connection, answered: AnsweredCall) -> None:
        await complete(connection, answered)
        await connection.execute("SELECT pg_terminate_backend(pg_backend_pid(), 5000)")

    body = line("r", accuracy=50)
    stopping = {"data": None, "error": "the service is shutting down, please try again"}
    for cut_off, error in ((cancelled, stopping), (killed, AWAY)):
        with monkeypatch.context() as patch:
            patch.setattr(idempotent_calls, "complete", cut_off)
            assert await upload(client, body, "atomic") == (503, error, False)
        assert await ids(client) == []
    assert await upload(client, body, "atomic") == (200, taken(1), False)
    assert await upload(client, body, "atomic") == (200, taken(1), True)
    assert await scores_of(client, "r") == {"accuracy": 50}


async def test_post_that_is_cut_off_writes_nothing(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When PostgreSQL is killed between the statements for its key and for its scores."""
    claim_all = idempotent_calls.claim_all

    async def killed(
        connection: Connection, answered: Collection[AnsweredCall], lock_timeout_ms: int
    ) -> object:
        claimed = await claim_all(connection, answered, lock_timeout_ms)
        await connection.execute("SELECT pg_terminate_backend(pg_backend_pid(), 5000)")
        return claimed

    with monkeypatch.context() as patch:
        patch.setattr(keyed_posts, "claim_all", killed)
        assert await score(client, "r", accuracy=50) == (503, AWAY, False)
    assert await ids(client) == []
    # Nor does the service remember names that were not written.
    await post(client, "s", {"accuracy": 1})
    assert await score(client, "r", accuracy=50) == (200, DONE, False)
    assert await score(client, "r", accuracy=50) == (200, DONE, True)
    assert await scores_of(client, "r") == {"accuracy": 50}


async def test_call_whose_answer_was_lost_is_not_carried_out_again(
    shared: Service, client: httpx.AsyncClient, organization: str
) -> None:
    """The client goes away before the answer."""
    body = b'{"scores": {"accuracy": 50}}'
    key = await shared.make_key(organization)
    sent = raw.request("POST", "/v1/request/r/score", key, body, Idempotency_Key="5b2c7a")
    url = httpx.URL(shared.address)
    _, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(sent)
    await writer.drain()
    writer.close()
    async with asyncio.timeout(30):
        found: list[str] = []
        while not found:
            found = await ids(client)
    await post(client, "r", {"accuracy": 95})
    response = await client.post("/v1/request/r/score", content=body, headers=KEY)
    assert got(response) == (200, DONE, True)
    assert await scores_of(client, "r") == {"accuracy": 95}


# Calls at the same time


async def test_duplicates_at_the_same_time_write_once(
    start_service: StartService, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through two services on one database."""
    monkeypatch.setattr(idempotent_calls, "_WAIT_MS", 30_000)
    first, second = await start_service(), await start_service()
    clients = [await service.client() for service in (first, second)]
    async with asyncio.TaskGroup() as group:
        calls = [
            group.create_task(client.post("/create-group", json={}, headers=KEY))
            for _ in range(10)
            for client in clients
        ]
    answers = [got(one.result()) for one in calls]
    connection = await asyncpg.connect(dsn)
    [(group_id,)] = await connection.fetch("SELECT id FROM promptlayer_group")
    await connection.close()
    made = 200, promptlayer.done("the group is made", id=group_id)
    assert sorted(answers, key=lambda answer: answer[2]) == [(*made, False), *[(*made, True)] * 19]


async def test_duplicate_of_a_call_in_progress_has_to_come_again(
    client: httpx.AsyncClient,
    connection: Connection,
    organization_id: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(idempotent_calls, "_WAIT_MS", 20)
    transaction = connection.transaction()
    await transaction.start()
    await idempotent_calls.claim(connection, IdempotentCall(organization_id, KEY[HEADER], bytes(32)))
    response = await client.put("/v1/request/r/property", json={"key": "k", "value": "v"}, headers=KEY)
    assert got(response) == (503, IN_PROGRESS, False)
    assert response.headers["Retry-After"] == "1"
    # A score waits longer, and keeps nobody from posting others.
    waiting = asyncio.create_task(score(client, "r", accuracy=50))
    await post(client, "s", {"accuracy": 1})
    assert not waiting.done()
    await transaction.rollback()
    assert await waiting == (200, DONE, False)


async def test_score_is_written_in_the_transaction_where_that_has_begun(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a handler has read something before."""

    async def read_and_record(
        call: ApiCall, request_id: str, scores: dict[str, Score], name: str
    ) -> list[str]:
        async with call.services.database.connection() as connection:
            assert await connection.fetchval("SELECT 1") == 1
        return await record_scores(call, request_id, scores, name)

    monkeypatch.setattr(score_endpoints, "record_scores", read_and_record)
    assert await score(client, "r", accuracy=50) == (200, DONE, False)
    await post(client, "r", {"accuracy": 95})
    assert await score(client, "r", accuracy=50) == (200, DONE, True)
    assert await score(client, "r", accuracy=51) == (409, OTHER_CALL, False)
    assert await scores_of(client, "r") == {"accuracy": 95}


async def test_duplicates_in_one_batch_write_once(client: httpx.AsyncClient) -> None:
    """Among them another call with the key, to another request."""
    await post(client, "r", {"accuracy": 1})
    async with asyncio.TaskGroup() as group:
        same = [group.create_task(score(client, "r", accuracy=50)) for _ in range(20)]
        others = [group.create_task(score(client, f"other {n}", accuracy=50)) for n in range(20)]
    answers = [task.result() for task in (*same, *others)]
    written, same_again = answers.count((200, DONE, False)), answers.count((200, DONE, True))
    assert (written, same_again + answers.count((409, OTHER_CALL, False))) == (1, 39)
    assert len(await ids(client)) == (1 if same_again == 19 else 2)


async def test_nobody_waits_for_a_name_that_a_call_with_a_key_adds(
    shared: Service, client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    await post(client, "held", {"a": 1})
    async with connection.transaction():
        await connection.execute(LOCK, organization_id)
        waiting = asyncio.create_task(upload(client, line("held", new=1), "atomic"))
        other = await asyncpg.connect(shared.dsn)
        async with asyncio.timeout(30):
            while not await other.fetchval(FIND_NAME, organization_id):
                pass
        await other.close()
        await post(client, "free", {"new": 2})
        assert not waiting.done()
    assert await waiting == (200, taken(1), False)
    assert await scores_of(client, "held") == {"a": 1, "new": 1}


# Uploads


async def upload(
    client: httpx.AsyncClient, body: bytes, mode: str, headers: dict[str, str] = LINES
) -> tuple[int, Any, bool]:
    response = await client.post(PATH, content=body, params={"mode": mode}, headers={**headers, **KEY})
    return got(response)


@pytest.mark.parametrize("mode", ["atomic", "partial"])
async def test_upload_of_lines_is_carried_out_once(client: httpx.AsyncClient, mode: str) -> None:
    """Also where the lines are too many to be hashed or kept at once, and zipped the second time."""
    lines = [line("r", accuracy=50), line("s", accuracy=1), b" " * 2**20, line("r", accuracy=51)]
    body = b"\n".join(lines)
    assert await upload(client, body, mode) == (200, taken(3), False)
    await post(client, "r", {"accuracy": 95})
    assert await upload(client, body, mode) == (200, taken(3), True)
    zipped = {**LINES, "Content-Encoding": "gzip"}
    assert await upload(client, gzip.compress(body), mode, zipped) == (200, taken(3), True)
    assert await upload(client, body + b"\n" + line("t", a=1), mode) == (409, OTHER_CALL, False)
    assert await scores_of(client, "r") == {"accuracy": 95}
    assert sorted(await ids(client)) == ["r", "s"]


async def test_large_upload_of_json_is_carried_out_once(client: httpx.AsyncClient) -> None:
    items = [{"requestId": "r", "scores": {"accuracy": 50}}]
    body = json.dumps({"items": items}).encode() + b" " * 2**20
    headers = {"Content-Type": "application/json"}
    assert await upload(client, body, "atomic", headers) == (200, taken(1), False)
    await post(client, "r", {"accuracy": 95})
    assert await upload(client, body, "atomic", headers) == (200, taken(1), True)
    assert await upload(client, body[:-1], "atomic", headers) == (409, OTHER_CALL, False)
    assert await scores_of(client, "r") == {"accuracy": 95}


async def test_partial_upload_answers_its_errors_again(client: httpx.AsyncClient) -> None:
    body = b"\n".join([line("r", accuracy=50), b"{", line("s", accuracy=1)])
    status, first, replayed = await upload(client, body, "partial")
    assert (status, first["data"]["accepted"], replayed) == (200, 2, False)
    assert [error["index"] for error in first["data"]["errors"]] == [1]
    assert await upload(client, body, "partial") == (200, first, True)
    unkeyed = await client.post(PATH, content=body, params={"mode": "partial"}, headers=LINES)
    assert got(unkeyed) == (200, first, False)


async def test_partial_upload_that_breaks_stores_nothing(client: httpx.AsyncClient) -> None:
    body = b"\n".join(line(f"r{number}", accuracy=50) for number in range(10_000))
    zipped, headers = gzip.compress(body), {**LINES, "Content-Encoding": "gzip"}
    expected = faulty(("", "the body is not valid gzip: it ends too early"))
    assert await upload(client, zipped[:-1000], "partial", headers) == (400, expected, False)
    assert await ids(client) == []
    assert await upload(client, zipped, "partial", headers) == (200, taken(10_000), False)


async def test_atomic_upload_with_an_error_leaves_its_key_free(client: httpx.AsyncClient) -> None:
    assert (await upload(client, line("r", accuracy=0.5), "atomic"))[0] == 400
    assert await upload(client, line("r", accuracy=50), "atomic") == (200, taken(1), False)


async def test_long_answer_is_kept_whole(client: httpx.AsyncClient) -> None:
    body = b"\n".join(line("r" * 200, **{"x" * 200: 0.5}) for _ in range(1001))
    status, first, _ = await upload(client, body, "partial")
    assert (status, len(first["data"]["errors"])) == (200, 1000)
    assert await upload(client, body, "partial") == (200, first, True)


# Their end


async def test_calls_go_with_their_organization(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    assert await score(client, "r", accuracy=50) == (200, DONE, False)
    assert await organizations.remove_requests(connection, organization_id) == 1
    await organizations.remove(connection, organization_id)
    left = await belongings(connection, organization_id)
    assert left == {table: [] for table in left}
