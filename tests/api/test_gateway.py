"""The gateway: calls are forwarded to a provider, answered as it answers, and logged."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from heliscore.domain.api_key import mint_key
from heliscore.store.connections.pool import Connection

from tests.api.calls import logged
from tests.conftest import Service, StartService
from tests.provider import (
    ANSWER,
    ERROR,
    LONG,
    SENT_HEADERS,
    SERVER_KEY,
    Json,
    Provider,
    anthropic_message,
    chat_chunks,
    chat_completion,
)
from tests.servers import NO_CERTIFICATES

CHAT = "/v1/chat/completions"
KEY = "sk-proj-of-the-caller-4711"
ASKED: Json = {"model": "gpt-4", "messages": [{"role": "user", "content": "Explain quantum computing"}]}
OFF = "the gateway is off: HELISCORE_GATEWAY_TARGETS names no provider"


async def read_row(client: httpx.AsyncClient, request_id: str) -> Json:
    """The row of a call as soon as it is logged."""
    await logged(client)
    response = await client.get(f"/v1/request/{request_id}")
    assert response.status_code == 200
    row: Json = response.json()["data"]
    return row


def parts(row: Json, *keys: str) -> Json:
    return {key: row[key] for key in keys}


def error(message: str, type_: str = "invalid_request_error", code: str = "invalid_input") -> Json:
    return {"error": {"message": message, "type": type_, "code": code}}


def assert_refused(response: httpx.Response, status: int, body: Json) -> None:
    assert (response.status_code, response.json()) == (status, body)
    assert response.headers["helicone-status"] == "failed"
    assert "helicone-id" not in response.headers


@pytest.fixture
async def caller(client: httpx.AsyncClient, shared: Service) -> AsyncIterator[httpx.AsyncClient]:
    """A client as a provider's SDK is set up: the provider's key in Authorization, ours beside it."""
    own = client.headers["authorization"]
    headers = {"Authorization": f"Bearer {KEY}", "Helicone-Auth": own}
    async with httpx.AsyncClient(
        base_url=shared.address, headers=headers, timeout=30, verify=NO_CERTIFICATES
    ) as caller:
        yield caller


# Answers and rows


async def test_answer_is_the_providers(caller: httpx.AsyncClient, provider: Provider) -> None:
    id_ = b"ticket-1 \xc3\xbc"
    response = await caller.post(CHAT, json=ASKED, headers={b"Helicone-Request-Id": id_})
    assert (response.status_code, response.json()) == (200, chat_completion(ASKED))
    assert {name: response.headers[name] for name in SENT_HEADERS} == SENT_HEADERS
    assert response.headers.get_list("x-request-id") == ["req_of_the_provider"]
    assert response.headers.get_list("date") != []
    assert response.headers["helicone-status"] == "success"
    assert (b"helicone-id", id_) in response.headers.raw
    assert len(provider.got) == 1


async def test_call_arrives_as_it_was_sent(caller: httpx.AsyncClient, provider: Provider) -> None:
    body = b'{"model": "gpt-4",  "n": 1.0, "big": 123456789012345678901234567890}'
    await caller.post(
        "/v1/gateway/oai/v1/a%2Fb/c?x=%20y&z",
        content=body,
        headers={
            "Content-Type": "application/json",
            "Accept-Encoding": "gzip, br",
            "Cookie": "session=ours",
            "Helicone-Property-Env": "prod",
            "Heliscore-Author": "human:ada",
            "Idempotency-Key": "once",
            "OpenAI-Organization": "org-1",
            "Connection": "keep-alive, X-Hop",
            "X-Hop": "1",
            "User-Agent": "OpenAI/Python",
        },
    )
    got = provider.last
    assert (got.method, got.target, got.body) == ("POST", "/v1/a%2Fb/c?x=%20y&z", body)
    assert got.headers == {
        "host": provider.address.removeprefix("http://"),
        "accept": "*/*",
        "accept-encoding": "identity",
        "authorization": f"Bearer {KEY}",
        "content-length": str(len(body)),
        "content-type": "application/json",
        "idempotency-key": "once",
        "openai-organization": "org-1",
        "user-agent": "OpenAI/Python",
    }


async def test_row_is_that_of_a_log_call(
    caller: httpx.AsyncClient, client: httpx.AsyncClient, provider: Provider
) -> None:
    headers = {
        "Helicone-Property-Variant": "A",
        "Helicone-User-Id": "alice",
        "Helicone-Session-Id": "s1",
        "Helicone-Session-Path": "/a",
        "Helicone-Session-Name": "chat",
        "Helicone-Prompt-Id": "greeting",
        "Helicone-Model-Override": "gpt-4o",
    }
    response = await caller.post(CHAT, json=ASKED, headers=headers)
    row = await read_row(client, response.headers["helicone-id"])
    said = {
        "providerRequest": {"url": provider.address + CHAT, "json": ASKED},
        "providerResponse": {"json": chat_completion(ASKED), "status": 200, "headers": {}},
        "timing": {"startTime": row["request_created_at"], "endTime": row["response_created_at"]},
    }
    log = await client.post("/oai/v1/log", json=said, headers=headers)
    twin = await read_row(client, log.headers["helicone-id"])
    own = ("request_id", "response_id", "signed_body_url", "delay_ms", "updated_at")
    assert {k: v for k, v in row.items() if k not in own} == {k: v for k, v in twin.items() if k not in own}
    assert row["delay_ms"] >= 0
    assert parts(row, "request_user_id", "prompt_tokens", "total_tokens", "time_to_first_token") == {
        "request_user_id": "alice",
        "prompt_tokens": 9,
        "total_tokens": 21,
        "time_to_first_token": None,
    }
    assert row["properties"] == {
        "variant": "A",
        "Helicone-Session-Id": "s1",
        "Helicone-Session-Path": "/a",
        "Helicone-Session-Name": "chat",
        "Helicone-Prompt-Id": "greeting",
    }


async def test_what_headers_do_not_say_comes_from_the_body(
    caller: httpx.AsyncClient, client: httpx.AsyncClient, connection: Connection
) -> None:
    response = await caller.post(
        CHAT,
        json={**ASKED, "user": "bob"},
        headers={"Helicone-Omit-Request": "true", "Helicone-Omit-Response": "true"},
    )
    row = await read_row(client, response.headers["helicone-id"])
    assert parts(row, "request_user_id", "completion_tokens") == {
        "request_user_id": "bob",
        "completion_tokens": 12,
    }
    bodies = await connection.fetchrow(
        "SELECT request_body, response_body FROM request WHERE request_id = $1", row["request_id"]
    )
    assert tuple(bodies or ()) == (None, None)


async def test_stream_is_passed_on_and_logged_whole(
    caller: httpx.AsyncClient, client: httpx.AsyncClient
) -> None:
    asked = {**ASKED, "stream": True}
    async with caller.stream("POST", CHAT, json=asked) as response:
        text = "".join([piece async for piece in response.aiter_text()])
    assert (response.status_code, text) == (200, "".join(chat_chunks(asked)))
    assert response.headers["content-type"] == "text/event-stream"
    row = await read_row(client, response.headers["helicone-id"])
    assert row["response_body"]["choices"] == [
        {"index": 0, "message": {"role": "assistant", "content": ANSWER}, "finish_reason": "stop"}
    ]
    assert row["response_body"]["streamed"] == {"chunks": 4}
    assert row["total_tokens"] is None  # nobody asked for them
    assert 0 <= row["time_to_first_token"] <= row["delay_ms"]


async def test_stream_comes_as_it_is_sent(
    caller: httpx.AsyncClient, client: httpx.AsyncClient, provider: Provider
) -> None:
    asked = {"model": "waits", "stream": True}
    async with caller.stream("POST", CHAT, json=asked) as response:
        pieces = response.aiter_text()
        first = await anext(pieces)
        provider.release()  # not before the first chunk is here
        rest = "".join([piece async for piece in pieces])
    assert first == "".join(chat_chunks(asked)[:2])
    assert rest == "".join(chat_chunks(asked)[2:])
    assert (await read_row(client, response.headers["helicone-id"]))["response_status"] == 200


@pytest.mark.parametrize("asks", [{}, {"Helicone-Stream-Usage": "true"}], ids=["plain", "usage"])
async def test_usage_of_a_stream_is_asked_for_where_the_caller_says_so(
    caller: httpx.AsyncClient, client: httpx.AsyncClient, provider: Provider, asks: dict[str, str]
) -> None:
    asked = {**ASKED, "stream": True, "stream_options": {"a": 1}}
    response = await caller.post(CHAT, json=asked, headers=asks)
    usage = {"include_usage": True} if asks else {}
    assert provider.last.json == {**asked, "stream_options": {"a": 1, **usage}}
    row = await read_row(client, response.headers["helicone-id"])
    assert row["total_tokens"] == (14 if asks else None)
    assert row["request_body"] == asked


async def test_tool_calls_of_a_stream_are_put_together(
    caller: httpx.AsyncClient, client: httpx.AsyncClient
) -> None:
    response = await caller.post(CHAT, json={**ASKED, "stream": True, "tools": [{"type": "function"}]})
    row = await read_row(client, response.headers["helicone-id"])
    [choice] = row["response_body"]["choices"]
    [tool] = choice["message"]["tool_calls"]
    assert (tool["id"], tool["function"]) == ("call_1", {"name": "f", "arguments": '{"a": 1}'})


@pytest.mark.parametrize("stream", [False, True])
async def test_anthropic(
    caller: httpx.AsyncClient, client: httpx.AsyncClient, provider: Provider, stream: bool
) -> None:
    response = await caller.post(
        "/v1/gateway/anthropic/v1/messages",
        json={"model": "claude-sonnet-4-5", "max_tokens": 9, "messages": [], "stream": stream},
        headers={"X-Api-Key": "sk-ant-1", "anthropic-version": "2023-06-01"},
    )
    assert (provider.last.target, provider.last.headers["x-api-key"]) == ("/v1/messages", "sk-ant-1")
    row = await read_row(client, response.headers["helicone-id"])
    assert parts(row, "provider", "model", "prompt_tokens", "completion_tokens", "target_url") == {
        "provider": "ANTHROPIC",
        "model": "claude-sonnet-4-5",
        "prompt_tokens": 9,
        "completion_tokens": 12,
        "target_url": f"{provider.address}/v1/messages",
    }
    said = anthropic_message()
    del said["stop_sequence"]  # null
    assert {key: row["response_body"][key] for key in said} == said


@pytest.mark.parametrize(("model", "status"), [("bad", 400), ("busy", 429)])
async def test_errors_of_the_provider_are_passed_on_and_logged(
    caller: httpx.AsyncClient, client: httpx.AsyncClient, model: str, status: int
) -> None:
    response = await caller.post(CHAT, json={"model": model})
    assert (response.status_code, response.json()) == (status, ERROR)
    assert response.headers["helicone-status"] == "success"
    assert response.headers.get("retry-after") == ("7" if status == 429 else None)
    row = await read_row(client, response.headers["helicone-id"])
    assert parts(row, "response_status", "response_body") == {
        "response_status": status,
        "response_body": ERROR,
    }


async def test_redirect_is_passed_on_and_not_followed(caller: httpx.AsyncClient, provider: Provider) -> None:
    response = await caller.post(CHAT, json={"model": "moved"})
    assert (response.status_code, response.headers["location"]) == (307, "http://127.0.0.1:9/elsewhere")
    assert len(provider.got) == 1


async def test_gzip_is_passed_on_and_read_for_the_log(
    caller: httpx.AsyncClient, client: httpx.AsyncClient
) -> None:
    response = await caller.post(CHAT, json={"model": "zipped"})
    assert response.headers["content-encoding"] == "gzip"
    assert response.json() == chat_completion({})
    row = await read_row(client, response.headers["helicone-id"])
    assert row["response_body"] == chat_completion({})


async def test_what_is_no_text_is_passed_on_and_logged_without_body(
    caller: httpx.AsyncClient, client: httpx.AsyncClient, provider: Provider
) -> None:
    response = await caller.post(CHAT, json={"model": "sound"})
    assert response.content == b"\xff\xfb\x00" * 10
    row = await read_row(client, response.headers["helicone-id"])
    assert row["response_body"] is None

    response = await caller.post(
        "/v1/gateway/oai/v1/audio/transcriptions", files={"file": ("a.mp3", b"\xff\xfb")}
    )
    assert b"\xff\xfb" in provider.last.body
    row = await read_row(client, response.headers["helicone-id"])
    assert parts(row, "request_body", "request_path") == {
        "request_body": None,
        "request_path": "/v1/audio/transcriptions",
    }


async def test_body_that_is_no_json_is_logged_as_it_is(
    caller: httpx.AsyncClient, client: httpx.AsyncClient
) -> None:
    response = await caller.post(
        CHAT, content=b'{"model": \x00', headers={"Content-Type": "application/json"}
    )
    row = await read_row(client, response.headers["helicone-id"])
    assert row["request_body"] == '{"model": \ufffd'


async def test_what_speaks_for_the_providers_host_is_left_out(caller: httpx.AsyncClient) -> None:
    response = await caller.post(CHAT, json={"model": "cookies"})
    assert response.status_code == 200
    assert {"set-cookie", "strict-transport-security"}.isdisjoint(response.headers)


async def test_models_are_listed(
    caller: httpx.AsyncClient, client: httpx.AsyncClient, provider: Provider
) -> None:
    for path, target in {
        "/v1/models": "/v1/models",
        "/v1/models/gpt%2F4": "/v1/models/gpt%2F4",
        "/v1/gateway/oai/openai/v1/models": "/openai/v1/models",
    }.items():
        response = await caller.get(path)
        assert (response.status_code, provider.last.method, provider.last.target) == (200, "GET", target)
        row = await read_row(client, response.headers["helicone-id"])
        assert parts(row, "request_body", "target_url") == {
            "request_body": None,
            "target_url": provider.address + target,
        }


async def test_score_of_a_call_may_come_before_its_log(
    caller: httpx.AsyncClient, client: httpx.AsyncClient, provider: Provider
) -> None:
    asked = {"model": "waits", "stream": True}
    async with caller.stream("POST", CHAT, json=asked) as response:
        id_ = response.headers["helicone-id"]
        scored = await client.post(f"/v1/request/{id_}/score", json={"scores": {"accuracy": 95}})
        assert scored.status_code == 200
        provider.release()
        await response.aread()
    row = await read_row(client, id_)
    assert parts(row, "scores", "response_status") == {"scores": {"accuracy": 95}, "response_status": 200}


# Keys


async def test_both_keys_may_be_in_one_header(
    shared: Service, client: httpx.AsyncClient, provider: Provider
) -> None:
    own = client.headers["authorization"].removeprefix("Bearer ")
    nobody = await shared.client(key="")
    for sent in (f"Bearer {KEY}, Bearer {own}", f"Bearer {own}, Bearer {KEY}"):
        response = await nobody.post(CHAT, json=ASKED, headers={"Authorization": sent})
        assert response.status_code == 200
        assert provider.last.headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("header", ["Authorization", "Helicone-Auth", "X-Api-Key"])
async def test_servers_key_is_used_where_the_caller_has_none(
    shared: Service, client: httpx.AsyncClient, provider: Provider, header: str
) -> None:
    own = client.headers["authorization"]
    nobody = await shared.client(key="")
    sent = own.removeprefix("Bearer ") if header == "X-Api-Key" else own
    response = await nobody.post(CHAT, json=ASKED, headers={header: sent})
    assert response.status_code == 200
    assert provider.last.headers["authorization"] == f"Bearer {SERVER_KEY}"
    assert own.removeprefix("Bearer ") not in str(provider.last.headers)
    await nobody.post("/v1/gateway/anthropic/v1/messages", json=ASKED, headers={header: sent})
    assert provider.last.headers["x-api-key"] == SERVER_KEY
    assert "authorization" not in provider.last.headers


async def test_nothing_is_forwarded_without_a_good_key(
    shared: Service, client: httpx.AsyncClient, organization: str, provider: Provider
) -> None:
    own = client.headers["authorization"]
    nobody = await shared.client(key="")
    wrong = "the API key is not valid"
    once = "expected our key once: in Helicone-Auth, or beside the provider's key"
    for headers, message in (
        ({}, "an API key is needed: Helicone-Auth: Bearer <key>"),
        ({"Authorization": f"Bearer {KEY}"}, wrong),
        ({"Authorization": f"Bearer {KEY}", "Helicone-Auth": f"Bearer {mint_key()}"}, wrong),
        (
            {"Authorization": f"Bearer {KEY}", "Helicone-Auth": own.removeprefix("Bearer ")},
            "expected Authorization: Bearer <key>",
        ),
        ({"Authorization": f"Bearer {KEY}, {own}", "Helicone-Auth": own}, once),
        (
            {"Authorization": f"{own}, Bearer {KEY}, Bearer b"},
            "expected at most two keys in Authorization: the provider's and ours",
        ),
        ({"Api-Key": KEY}, "an API key is needed: Helicone-Auth: Bearer <key>"),
    ):
        response = await nobody.post(CHAT, json=ASKED, headers=headers)
        assert_refused(response, 401, error(message, "authentication_error", "unauthenticated"))
    reader = await shared.client(organization, "r")
    response = await reader.post(CHAT, json=ASKED)
    message = "the API key has permissions 'r', this needs 'w'"
    assert_refused(response, 403, error(message, "permission_error", "forbidden"))
    assert provider.got == []


# What is refused


async def test_gateway_is_off_without_targets(service: Service) -> None:
    client = await service.client()
    for path in (CHAT, "/v1/gateway/oai/v1/chat/completions"):
        assert_refused(await client.post(path, json=ASKED), 404, error(OFF, code="not_found"))


async def test_what_protects_is_not_skipped(caller: httpx.AsyncClient, provider: Provider) -> None:
    for name in (
        "Helicone-Moderations-Enabled",
        "Helicone-LLM-Security-Enabled",
        "Helicone-LLM-Security-Advanced",
        "Helicone-RateLimit-Policy",
        "Helicone-Fallbacks",
        "Helicone-Cache-Enabled",
    ):
        response = await caller.post(CHAT, json=ASKED, headers={name: "true"})
        shown = name.replace("LLM", "Llm").replace("RateLimit", "Ratelimit")
        assert_refused(response, 400, error(f"{shown}: not served here: the call was not forwarded"))
    assert provider.got == []
    response = await caller.post(CHAT, json=ASKED, headers={"Helicone-Cache-Enabled": "false"})
    assert response.status_code == 200


async def test_every_error_of_the_headers_is_named(caller: httpx.AsyncClient) -> None:
    response = await caller.post(
        CHAT,
        json=ASKED,
        headers={
            "Helicone-Request-Id": "x" * 256,
            "Helicone-Retry-Enabled": "true",
            "Helicone-Retry-Num": "11",
            "Helicone-Retry-Factor": "1.5",
        },
    )
    assert_refused(
        response,
        400,
        error(
            "Helicone-Request-Id: must have at most 255 characters, got 256; "
            "Helicone-Retry-Num: expected a whole number up to 10; "
            "Helicone-Retry-Factor: expected a whole number up to 10"
        ),
    )


async def test_other_providers_are_refused(caller: httpx.AsyncClient) -> None:
    for path in ("/v1/gateway/google/v1/x", "/v1/gateway/", "/v1/gateway/x"):
        assert_refused(await caller.post(path, json=ASKED), 400, error("Invalid provider"))
    response = await caller.put("/v1/gateway/oai/v1/x", json=ASKED)
    message = "method not allowed here, use GET, HEAD, POST"
    assert_refused(response, 405, error(message, code="method_not_allowed"))


async def test_key_in_a_path_is_not_repeated(caller: httpx.AsyncClient) -> None:
    key = mint_key()
    response = await caller.post(f"/{key}/v1/chat/completions", json=ASKED)
    assert response.status_code == 404
    assert key not in response.text


async def test_target_must_be_on_the_list(caller: httpx.AsyncClient, provider: Provider) -> None:
    listed = "HELISCORE_GATEWAY_TARGETS does not list this origin"
    invalid = "expected a URL such as https://api.openai.com"
    for sent, message in (
        ("http://127.0.0.1:1", listed),
        (f"{provider.address}0", invalid),
        ("https://api.openai.com", listed),
        (provider.address.replace("127.0.0.1", "localhost"), listed),
        (provider.address.replace("http://", "http://a@"), invalid),
        ("file:///etc/passwd", invalid),
        ("http://[", invalid),
        ("127.0.0.1", invalid),
    ):
        response = await caller.post(CHAT, json=ASKED, headers={"Helicone-Target-URL": sent})
        assert_refused(response, 400, error(f"Helicone-Target-URL: {message}"))
    assert provider.got == []


async def test_second_targets_header_wins_and_its_path_is_dropped(
    caller: httpx.AsyncClient, client: httpx.AsyncClient, provider: Provider
) -> None:
    headers = {
        "Helicone-Target-URL": "http://127.0.0.1:1",
        "Helicone-OpenAI-Api-Base": f"{provider.address.upper().replace('HTTP', 'http')}/openai/v1?x",
    }
    response = await caller.post("/v1/gateway/oai/v1/x", json=ASKED, headers=headers)
    assert (response.status_code, provider.last.target) == (200, "/v1/x")
    row = await read_row(client, response.headers["helicone-id"])
    assert row["target_url"] == f"{provider.address}/v1/x"


async def test_limit_is_for_bodies_and_for_what_is_stored_of_answers(
    start_service: StartService, provider: Provider
) -> None:
    service = await start_service(gateway_targets=provider.address, max_body_bytes=1024)
    client = await service.client()
    client.headers["X-Api-Key"] = KEY
    response = await client.post(CHAT, json={**ASKED, "user": "x" * 1024})
    message = "the body is larger than the limit of 1024 bytes"
    assert_refused(response, 413, error(message, code="body_too_large"))
    assert provider.got == []

    response = await client.post(CHAT, json={"model": "long", "stream": True})
    assert response.text == "".join(chat_chunks({"pieces": LONG}))
    row = await read_row(client, response.headers["helicone-id"])
    assert row["properties"] == {"Heliscore-Response-Cut": "true"}
    [choice] = row["response_body"]["choices"]
    assert choice["message"]["content"] == "01234"
    assert row["response_body"]["streamed"] == {"chunks": 5, "broken_off": True}


async def test_server_without_a_key_has_none_for_callers(
    start_service: StartService, provider: Provider
) -> None:
    client = await (await start_service(gateway_targets=provider.address)).client()
    response = await client.post(CHAT, json=ASKED)
    message = "the call has no provider's key, and HELISCORE_GATEWAY_KEYS has none for it"
    assert_refused(response, 401, error(message, "authentication_error", "unauthenticated"))
    assert provider.got == []


# Repeated calls


async def test_call_is_repeated_where_the_caller_says_so(
    caller: httpx.AsyncClient, client: httpx.AsyncClient, provider: Provider
) -> None:
    asked = {"model": "fails-first"}
    headers = {"Helicone-Retry-Enabled": "true", "Helicone-Retry-Min-Timeout": "1"}
    provider.failures = 2
    response = await caller.post(CHAT, json=asked, headers=headers)
    assert (response.status_code, len(provider.got)) == (200, 3)
    assert (await read_row(client, response.headers["helicone-id"]))["response_status"] == 200

    provider.failures = 2
    response = await caller.post(CHAT, json=asked, headers=headers | {"Helicone-Retry-Num": "1"})
    assert (response.status_code, response.json(), len(provider.got)) == (500, ERROR, 5)

    provider.failures = 1
    response = await caller.post(CHAT, json=asked)
    assert (response.status_code, len(provider.got)) == (500, 6)


async def test_many_streams_at_once_are_each_logged_once(
    caller: httpx.AsyncClient, client: httpx.AsyncClient, provider: Provider, connection: Connection
) -> None:
    async def ask(number: int) -> str:
        asked = {"model": "waits", "stream": True, "user": str(number)}
        async with caller.stream("POST", CHAT, json=asked) as response:
            pieces = response.aiter_text()
            await anext(pieces)
            started.release()
            assert "".join([piece async for piece in pieces]) == "".join(chat_chunks(asked)[2:])
        return response.headers["helicone-id"]

    started = asyncio.Semaphore(0)
    asking = [asyncio.create_task(ask(number)) for number in range(80)]
    for _ in asking:
        await started.acquire()
    provider.release()
    ids = await asyncio.gather(*asking)
    await logged(client)
    rows = await connection.fetch("SELECT user_id, status FROM request WHERE request_id = ANY($1)", ids)
    assert sorted((int(user), status) for user, status in rows) == [(number, 200) for number in range(80)]
