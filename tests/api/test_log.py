"""Logging requests without a proxy: section 6 of the contract."""

from __future__ import annotations

import asyncio
import copy
import gzip
import json
import time
import uuid
from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from heliscore.domain.api_key import mint_key
from heliscore.store.connections.pool import Connection

from tests.api.envelope import DONE, encoded, faulty, ids, post, read
from tests.conftest import Service, StartService

PATH = "/custom/v1/log"
URL = "https://api.example.com/v1/chat/completions?stream=true"

Json = dict[str, Any]

BODY: Json = {
    "providerRequest": {
        "url": URL,
        "json": {"model": "asked-for", "messages": [{"role": "user", "content": "Hi"}]},
        "meta": {"Helicone-Request-Id": "r"},
    },
    "providerResponse": {
        "json": {"id": "answer-1", "model": "answered", "text": "Hello"},
        "status": 200,
        "headers": {"x-ratelimit": "5"},
    },
    "timing": {
        "startTime": {"seconds": 1767225600, "milliseconds": 5},
        "endTime": {"seconds": 1767225601, "milliseconds": 250},
    },
}

ROW: Json = {
    "response_id": "answer-1",
    "response_created_at": "2026-01-01T00:00:01.250Z",
    "response_body": {"id": "answer-1", "model": "answered", "text": "Hello"},
    "response_status": 200,
    "response_model": "answered",
    "request_id": "r",
    "request_created_at": "2026-01-01T00:00:00.005Z",
    "request_body": {"model": "asked-for", "messages": [{"role": "user", "content": "Hi"}]},
    "request_path": "/v1/chat/completions",
    "request_user_id": None,
    "request_properties": {},
    "request_model": "asked-for",
    "model_override": None,
    "helicone_user": None,
    "provider": "CUSTOM",
    "delay_ms": 1245,
    "time_to_first_token": None,
    "total_tokens": None,
    "prompt_tokens": None,
    "prompt_cache_write_tokens": None,
    "prompt_cache_read_tokens": None,
    "completion_tokens": None,
    "reasoning_tokens": None,
    "prompt_audio_tokens": None,
    "completion_audio_tokens": None,
    "cost": None,
    "costUSD": None,
    "prompt_id": None,
    "prompt_version": None,
    "feedback_created_at": None,
    "feedback_id": None,
    "feedback_rating": None,
    "llmSchema": None,
    "country_code": None,
    "asset_ids": [],
    "asset_urls": None,
    "scores": {},
    "properties": {},
    "assets": [],
    "target_url": URL,
    "model": "answered",
    "cache_reference_id": None,
    "cache_enabled": False,
    "request_referrer": None,
    "ai_gateway_body_mapping": None,
    "storage_location": None,
}
"""What BODY becomes, without `updated_at`."""

MISSING = object()


def changed(*changes: tuple[str, object]) -> Json:
    """BODY with other values at dotted paths; MISSING takes one away."""
    body = copy.deepcopy(BODY)
    for path, value in changes:
        *parents, key = path.split(".")
        at = body
        for parent in parents:
            at = at[parent]
        if value is MISSING:
            del at[key]
        else:
            at[key] = value
    return body


async def log(
    client: httpx.AsyncClient,
    body: object = BODY,
    *,
    path: str = PATH,
    headers: Mapping[str, str] | None = None,
) -> str:
    """Log a request that must be taken and return its id."""
    response = await client.post(path, json=body, headers=headers)
    assert (response.status_code, response.text) == (200, "ok"), response.text
    return response.headers["helicone-id"]


async def row_of(client: httpx.AsyncClient, request_id: str = "r") -> Json:
    """The request's row without `updated_at`, the time at which the test ran."""
    row = await read(client, request_id)
    assert row is not None
    del row["updated_at"]
    return row


async def properties_of(client: httpx.AsyncClient, request_id: str = "r") -> Any:
    return (await row_of(client, request_id))["properties"]


# The whole of it


async def test_logged_request_is_read_whole(client: httpx.AsyncClient) -> None:
    assert await log(client) == "r"
    assert await row_of(client) == ROW


async def test_answer_is_plain_text(client: httpx.AsyncClient) -> None:
    response = await client.post(PATH, json=BODY)
    assert response.headers["content-type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    ("path", "sent", "provider"),
    [
        ("/custom/v1/log", MISSING, "CUSTOM"),
        ("/oai/v1/log", MISSING, "OPENAI"),
        ("/anthropic/v1/log", MISSING, "ANTHROPIC"),
        ("/googleapis/v1/log", MISSING, "GOOGLE"),
        ("/v1/trace/custom/v1/log", MISSING, "OPENAI"),
        ("/v1/trace/custom/log", MISSING, "OPENAI"),
        ("/v1/trace/custom/v1/log", "MISTRAL", "MISTRAL"),
        ("/v1/trace/custom/log", "MISTRAL", "MISTRAL"),
        ("/v1/trace/custom/log", None, "OPENAI"),
        ("/v1/trace/custom/log", "", "OPENAI"),
        ("/custom/v1/log", "MISTRAL", "CUSTOM"),
        ("/anthropic/v1/log", "MISTRAL", "ANTHROPIC"),
    ],
)
async def test_path_or_body_tells_the_provider(
    client: httpx.AsyncClient, path: str, sent: object, provider: str
) -> None:
    body = BODY if sent is MISSING else changed(("provider", sent))
    assert await log(client, body, path=path) == "r"
    assert await row_of(client) == ROW | {"provider": provider}


async def test_unknown_keys_are_ignored(client: httpx.AsyncClient) -> None:
    body = changed(
        ("more", 1), ("providerRequest.more", 1), ("providerResponse.more", 1), ("timing.more", {"a": 1})
    )
    await log(client, body)
    assert await row_of(client) == ROW


async def test_half_of_a_character_in_a_text_is_replaced(client: httpx.AsyncClient) -> None:
    """As JavaScript escapes what it has cut off."""
    request = {"model": "m", "said": ["cut \ud83d", "\ude00", "\U0001f600"]}
    response = await client.post(PATH, content=json.dumps(changed(("providerRequest.json", request))))
    assert (response.status_code, response.text) == (200, "ok")
    assert await row_of(client) == ROW | {
        "request_body": {"model": "m", "said": ["cut \ufffd", "\ufffd", "\U0001f600"]},
        "request_model": "m",
    }


async def test_optional_fields_may_be_null(client: httpx.AsyncClient) -> None:
    body = changed(
        ("providerRequest.url", None),
        ("providerResponse.json", None),
        ("providerResponse.textBody", None),
        ("providerResponse.headers", None),
        ("providerResponse.cost", None),
        ("timing.timeToFirstToken", None),
        ("provider", None),
    )
    await log(client, body)
    assert await row_of(client) == ROW | {
        "response_id": None,
        "response_body": None,
        "response_model": None,
        "request_path": None,
        "target_url": None,
        "model": "asked-for",
    }


# Metadata

METADATA = [
    ("Helicone-User-Id", "alice", {"request_user_id": "alice", "helicone_user": "alice"}),
    ("Helicone-Model-Override", "mine", {"model_override": "mine", "model": "mine"}),
    ("Helicone-Omit-Request", "true", {"request_body": None}),
    ("Helicone-Omit-Request", "True", {"request_body": None}),
    ("Helicone-Omit-Request", "false", {}),
    ("Helicone-Omit-Response", "true", {"response_body": None}),
    ("Helicone-Omit-Response", "false", {}),
    ("Helicone-Prompt-Id", "p", {"prompt_id": "p"}),
    ("Helicone-Cache-Enabled", "true", {"cache_enabled": True}),
    ("Helicone-Cache-Enabled", "TRUE", {"cache_enabled": True}),
    ("Helicone-Cache-Enabled", "False", {}),
    ("Helicone-Cache-Enabled", "yes", {}),
    ("Helicone-Unknown", "x", {}),
]

PROPERTIES = ["Helicone-Session-Id", "Helicone-Session-Path", "Helicone-Session-Name", "Helicone-Prompt-Id"]


def set_property(name: str, value: str) -> Json:
    return {"properties": {name: value}, "request_properties": {name: value}}


def effect(name: str, value: str, row: Json) -> Json:
    return ROW | row | (set_property(name, value) if name in PROPERTIES else {})


@pytest.mark.parametrize(
    ("name", "value", "row"), [*METADATA, *((name, "x/y", {}) for name in PROPERTIES[:3])]
)
@pytest.mark.parametrize("case", [str, str.lower, str.upper])
async def test_metadata_is_taken_from_meta(
    client: httpx.AsyncClient, name: str, value: str, row: Json, case: Any
) -> None:
    await log(client, changed((f"providerRequest.meta.{case(name)}", value)))
    assert await row_of(client) == effect(name, value, row)


@pytest.mark.parametrize(
    ("name", "value", "row"), [*METADATA, *((name, "x/y", {}) for name in PROPERTIES[:3])]
)
async def test_metadata_is_taken_from_headers(
    client: httpx.AsyncClient, name: str, value: str, row: Json
) -> None:
    await log(client, headers={name: value})
    assert await row_of(client) == effect(name, value, row)


async def test_headers_win_over_meta(client: httpx.AsyncClient) -> None:
    names = {
        "Helicone-Request-Id": "request_id",
        "Helicone-User-Id": "request_user_id",
        "Helicone-Model-Override": "model_override",
        "Helicone-Prompt-Id": "prompt_id",
    }
    meta = dict.fromkeys([*names, *PROPERTIES, "Helicone-Property-Env"], "from meta")
    headers = dict.fromkeys(meta, "from headers")
    request_id = await log(client, changed(("providerRequest.meta", meta)), headers=headers)
    row = await row_of(client, request_id)
    assert {row[key] for key in names.values()} == {"from headers"}
    assert row["properties"] == dict.fromkeys([*PROPERTIES, "env"], "from headers")


@pytest.mark.parametrize("sent", [b"Z\xc3\xbcrich", b"Z\xfcrich"], ids=["UTF-8", "Latin-1"])
async def test_header_is_read_in_the_encoding_in_which_it_was_sent(
    client: httpx.AsyncClient, sent: bytes
) -> None:
    response = await client.post(PATH, json=BODY, headers={b"Helicone-User-Id": sent})
    assert response.status_code == 200
    assert (await row_of(client))["request_user_id"] == "Zürich"


async def test_properties_of_headers_and_meta_come_together(client: httpx.AsyncClient) -> None:
    body = changed(("providerRequest.meta.Helicone-Property-Variant", "A"))
    await log(client, body, headers={"Helicone-Property-Temperature": "0.7"})
    assert await properties_of(client) == {"Variant": "A", "temperature": "0.7"}


async def test_key_in_meta_is_not_kept(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    """LiteLLM puts its key there."""
    key = client.headers["Authorization"]
    meta = {"Helicone-Auth": key, "helicone-auth": key, "Authorization": key, "Helicone-Property-Env": "prod"}
    await log(client, changed(("providerRequest.meta", meta)))
    [kept] = await connection.fetch(
        "SELECT each::text FROM request AS each WHERE organization_id = $1", organization_id
    )
    assert "prod" in kept[0]
    assert "sk-helicone" not in kept[0]
    assert "auth" not in kept[0].lower()


async def test_property_of_meta_keeps_its_case(client: httpx.AsyncClient) -> None:
    meta = {
        "Helicone-Request-Id": "r",
        "Helicone-Property-Env": "1",
        "Helicone-Property-env": "2",
        "helicone-property-ENV": "3",
        "Helicone-Property-a b.c/d-é🎯": "4",
        "Helicone-Property-Helicone-Property-x": "5",
        "Helicone-Property-": "nameless",
    }
    await log(client, changed(("providerRequest.meta", meta)))
    assert await properties_of(client) == {
        "Env": "1",
        "env": "2",
        "ENV": "3",
        "a b.c/d-é🎯": "4",
        "Helicone-Property-x": "5",
    }


async def test_empty_property_is_kept(client: httpx.AsyncClient) -> None:
    await log(client, changed(("providerRequest.meta.Helicone-Property-Env", "")))
    assert await properties_of(client) == {"Env": ""}


async def test_10_000_properties_are_kept_and_found(client: httpx.AsyncClient) -> None:
    properties = {f"key {number}": f"value {number}" for number in range(10_000)}
    meta = {f"Helicone-Property-{key}": value for key, value in properties.items()}
    await log(client, changed(("providerRequest.meta", meta | {"Helicone-Request-Id": "r"})))
    assert await properties_of(client) == properties
    condition = {"request_response_rmt": {"properties": {"key 9999": {"equals": "value 9999"}}}}
    assert await ids(client, condition) == ["r"]


@pytest.mark.parametrize("request_id", ["req_abc123def456", "a/b?c#d", "🎯 1", "x" * 255])
async def test_given_id_is_kept(client: httpx.AsyncClient, request_id: str) -> None:
    response = await client.post(PATH, json=changed(("providerRequest.meta.Helicone-Request-Id", request_id)))
    assert response.status_code == 200
    assert await row_of(client, request_id) == ROW | {"request_id": request_id}


@pytest.mark.parametrize("meta", [MISSING, None, {}, {"Helicone-Request-Id": ""}])
async def test_request_without_an_id_gets_a_uuid7(client: httpx.AsyncClient, meta: object) -> None:
    before = time.time_ns() // 1_000_000
    made = [await log(client, changed(("providerRequest.meta", meta))) for _ in range(2)]
    after = time.time_ns() // 1_000_000
    for text in made:
        id_ = uuid.UUID(text)
        assert (id_.version, id_.variant, str(id_)) == (7, uuid.RFC_4122, text)
        assert before <= id_.int >> 80 <= after
        assert await row_of(client, text) == ROW | {"request_id": text}
    assert len({*made}) == 2


# Tokens, models, cost, status


@pytest.mark.parametrize(
    ("response", "row"),
    [
        pytest.param(
            {"usage": {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}},
            {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8},
            id="OpenAI",
        ),
        pytest.param(
            {
                "usage": {
                    "prompt_tokens": 30,
                    "completion_tokens": 50,
                    "total_tokens": 80,
                    "prompt_tokens_details": {"cached_tokens": 20, "audio_tokens": 1},
                    "completion_tokens_details": {"reasoning_tokens": 40, "audio_tokens": 2},
                }
            },
            {
                "prompt_tokens": 30,
                "completion_tokens": 50,
                "total_tokens": 80,
                "prompt_cache_read_tokens": 20,
                "reasoning_tokens": 40,
                "prompt_audio_tokens": 1,
                "completion_audio_tokens": 2,
            },
            id="OpenAI in detail",
        ),
        pytest.param(
            {
                "usage": {
                    "input_tokens": 10,
                    "output_tokens": 7,
                    "cache_creation_input_tokens": 2,
                    "cache_read_input_tokens": 4,
                }
            },
            {
                "prompt_tokens": 10,
                "completion_tokens": 7,
                "total_tokens": 23,
                "prompt_cache_write_tokens": 2,
                "prompt_cache_read_tokens": 4,
            },
            id="Anthropic",
        ),
        pytest.param(
            {
                "usageMetadata": {
                    "promptTokenCount": 6,
                    "candidatesTokenCount": 9,
                    "thoughtsTokenCount": 4,
                    "cachedContentTokenCount": 1,
                    "totalTokenCount": 19,
                }
            },
            {
                "prompt_tokens": 6,
                "completion_tokens": 13,
                "total_tokens": 19,
                "prompt_cache_read_tokens": 1,
                "reasoning_tokens": 4,
            },
            id="Google",
        ),
        pytest.param(
            {"usage": {"prompt_tokens": 0, "completion_tokens": 0}},
            {},
            id="zeros that mean not said",
        ),
        pytest.param({"usage": {"prompt_tokens": 3}}, {"prompt_tokens": 3}, id="half of it"),
        pytest.param(
            {"usage": {"prompt_tokens": "3", "completion_tokens": -1, "total_tokens": 2**70}},
            {},
            id="no counts",
        ),
        pytest.param({"usage": {"prompt_tokens": True, "total_tokens": 1.5}}, {}, id="no integers"),
        pytest.param({"usage": [3, 5]}, {}, id="no object"),
    ],
)
async def test_tokens_are_read_from_the_response(
    client: httpx.AsyncClient, response: Json, row: Json
) -> None:
    await log(client, changed(("providerResponse.json", response)))
    unnamed = {"response_id": None, "response_model": None, "model": "asked-for", "response_body": response}
    assert await row_of(client) == ROW | unnamed | row


@pytest.mark.parametrize(
    ("request_json", "response_json", "row"),
    [
        (
            {"model": "gpt-4o"},
            {"model": "gpt-4o-2024"},
            {"request_model": "gpt-4o", "response_model": "gpt-4o-2024", "model": "gpt-4o-2024"},
        ),
        ({"model": "gpt-4o"}, {}, {"request_model": "gpt-4o", "response_model": None, "model": "gpt-4o"}),
        (
            {},
            {"modelVersion": "gemini-2.5-pro"},
            {"request_model": None, "response_model": "gemini-2.5-pro", "model": "gemini-2.5-pro"},
        ),
        ({}, {}, {"request_model": None, "response_model": None, "model": None}),
        ({"model": 4}, {"model": ["x"]}, {"request_model": None, "response_model": None, "model": None}),
    ],
)
async def test_model_is_the_response_s_else_the_request_s(
    client: httpx.AsyncClient, request_json: Json, response_json: Json, row: Json
) -> None:
    await log(
        client, changed(("providerRequest.json", request_json), ("providerResponse.json", response_json))
    )
    bodies = {"request_body": request_json, "response_body": response_json, "response_id": None}
    assert await row_of(client) == ROW | bodies | row


@pytest.mark.parametrize("cost", [0, 0.00125, 3, 1e-9])
async def test_cost_is_kept(client: httpx.AsyncClient, cost: float) -> None:
    await log(client, changed(("providerResponse.cost", cost)))
    assert await row_of(client) == ROW | {"cost": cost, "costUSD": cost}


@pytest.mark.parametrize("status", [0, 200, 429, 500, -3, 2**31 - 1, -(2**31) + 1])
async def test_status_is_any_integer(client: httpx.AsyncClient, status: int) -> None:
    await log(client, changed(("providerResponse.status", status)))
    assert await row_of(client) == ROW | {"response_status": status}
    assert await ids(client, {"request_response_rmt": {"status": {"equals": status}}}) == ["r"]


@pytest.mark.parametrize(
    ("url", "row"),
    [
        ("custom-model-nopath", {"target_url": "custom-model-nopath", "request_path": "custom-model-nopath"}),
        ("https://example.com", {"target_url": "https://example.com", "request_path": ""}),
        ("http://[::1", {"target_url": "http://[::1", "request_path": None}),
        (MISSING, {"target_url": None, "request_path": None}),
    ],
)
async def test_path_is_taken_from_the_url(client: httpx.AsyncClient, url: object, row: Json) -> None:
    await log(client, changed(("providerRequest.url", url)))
    assert await row_of(client) == ROW | row


# Times


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ({"seconds": 1767225600, "milliseconds": 0}, "2026-01-01T00:00:00.000Z"),
        ({"seconds": 1767225600, "milliseconds": 999}, "2026-01-01T00:00:00.999Z"),
        ({"seconds": 1767225600, "milliseconds": 250.75}, "2026-01-01T00:00:00.250Z"),
        ({"seconds": 1767225600, "milliseconds": 1500}, "2026-01-01T00:00:01.500Z"),
        ("2026-01-01T00:00:00.005Z", "2026-01-01T00:00:00.005Z"),
        ("2026-01-01T02:00:00.0056789+02:00", "2026-01-01T00:00:00.005Z"),
        ("2026-01-01T00:00:00", "2026-01-01T00:00:00.000Z"),
        ("2026-01-01", "2026-01-01T00:00:00.000Z"),
        ("1767225600", "2026-01-01T00:00:00.000Z"),
        ("1767225600005", "2026-01-01T00:00:00.005Z"),
        ("4102444799", "2099-12-31T23:59:59.000Z"),
        ("4102444800", "1970-02-17T11:34:04.800Z"),
        ("0", "1970-01-01T00:00:00.000Z"),
        pytest.param({"seconds": -1, "milliseconds": 500}, "1969-12-31T23:59:59.500Z", id="before 1970"),
        pytest.param({"seconds": -1, "milliseconds": -500}, "1969-12-31T23:59:58.500Z", id="as JavaScript"),
        pytest.param("1903-12-17T10:35:00Z", "1903-12-17T10:35:00.000Z", id="first flight"),
        pytest.param("1000-01-01T00:00:00Z", "1000-01-01T00:00:00.000Z", id="first year"),
        pytest.param({"seconds": 7258118400, "milliseconds": 1}, "2200-01-01T00:00:00.001Z", id="future"),
        pytest.param("9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z", id="last millisecond"),
        pytest.param("253402300799999", "9999-12-31T23:59:59.999Z", id="last millisecond in digits"),
    ],
)
async def test_time_is_read(client: httpx.AsyncClient, sent: object, stored: str) -> None:
    await log(client, changed(("timing", {"startTime": sent, "endTime": sent})))
    assert await row_of(client) == ROW | {
        "request_created_at": stored,
        "response_created_at": stored,
        "delay_ms": 0,
    }


async def test_forms_of_time_may_be_mixed(client: httpx.AsyncClient) -> None:
    times = {"startTime": "1969-12-31T23:59:59Z", "endTime": {"seconds": 1, "milliseconds": 1}}
    await log(client, changed(("timing", times)))
    assert await row_of(client) == ROW | {
        "request_created_at": "1969-12-31T23:59:59.000Z",
        "response_created_at": "1970-01-01T00:00:01.001Z",
        "delay_ms": 2001,
    }


async def test_odd_times_sort_and_filter_as_times(client: httpx.AsyncClient) -> None:
    for time_ in ("2200-01-01", "1903-12-17", "2026-01-01"):
        meta = {"Helicone-Request-Id": time_}
        await log(client, changed(("providerRequest.meta", meta), ("timing", {"startTime": time_})))
    assert await ids(client) == ["2200-01-01", "2026-01-01", "1903-12-17"]
    condition = {"request_response_rmt": {"request_created_at": {"lt": "1970-01-01"}}}
    assert await ids(client, condition) == ["1903-12-17"]


@pytest.mark.parametrize("timing", [MISSING, None, {}, {"startTime": None, "endTime": None}])
async def test_request_without_times_is_logged_as_of_now(client: httpx.AsyncClient, timing: object) -> None:
    await log(client, changed(("timing", timing)))
    row = await read(client, "r")
    assert row is not None
    now = row.pop("updated_at")
    assert row["request_created_at"] <= now
    assert row == ROW | {
        "request_created_at": row["request_created_at"],
        "response_created_at": row["request_created_at"],
        "delay_ms": 0,
    }
    condition = {"request_response_rmt": {"request_created_at": {"gte": row["request_created_at"][:10]}}}
    assert await ids(client, condition) == ["r"]


@pytest.mark.parametrize(("sent", "stored"), [(0, 0), (120, 120), (120.4, 120), (120.6, 121)])
async def test_time_to_first_token_is_kept_in_milliseconds(
    client: httpx.AsyncClient, sent: float, stored: int
) -> None:
    await log(client, changed(("timing.timeToFirstToken", sent)))
    assert await row_of(client) == ROW | {"time_to_first_token": stored}


async def test_request_that_ended_before_it_began_took_no_time(client: httpx.AsyncClient) -> None:
    await log(client, changed(("timing.endTime", {"seconds": 1767225600, "milliseconds": 4})))
    row = await row_of(client)
    assert (row["delay_ms"], row["response_created_at"]) == (0, row["request_created_at"])


# Bodies


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("", {"id": "answer-1", "model": "answered", "text": "Hello"}),
        ('{"text": "from the text"}', {"text": "from the text"}),
        ("  [1, 2.50]\n", [1, 2.5]),
        ('"quoted"', "quoted"),
        ("Hello", "Hello"),
        (" ", " "),
        ('{"cut": "off', '{"cut": "off'),
        ('{"a": 1}\n{"b": 2}\n', '{"a": 1}\n{"b": 2}\n'),
        ('data: {"a": 1}\n\ndata: [DONE]\n\n', 'data: {"a": 1}\n\ndata: [DONE]\n\n'),
        ("NaN", "NaN"),
        ("[" * 5000, "[" * 5000),
        pytest.param('{"a": "\\ud800"}', '{"a": "\\ud800"}', id="half a character"),
        pytest.param("1e999999", "1e999999", id="number too large for the database"),
        pytest.param("1e-20000", "1e-20000", id="number too small for the database"),
        pytest.param('{"a": "\x01"}', '{"a": "\x01"}', id="raw control character"),
    ],
)
async def test_text_is_stored_as_json_or_as_a_string(
    client: httpx.AsyncClient, text: str, stored: object
) -> None:
    await log(client, changed(("providerResponse.textBody", text)))
    assert (await row_of(client))["response_body"] == stored


async def test_text_that_is_a_json_response_is_read_like_one(client: httpx.AsyncClient) -> None:
    answer = {"id": "answer-2", "model": "m", "usage": {"prompt_tokens": 3, "completion_tokens": 5}}
    body = changed(("providerResponse.json", {}), ("providerResponse.textBody", json.dumps(answer)))
    await log(client, body)
    assert await row_of(client) == ROW | {
        "response_body": answer,
        "response_id": "answer-2",
        "response_model": "m",
        "model": "m",
        "prompt_tokens": 3,
        "completion_tokens": 5,
        "total_tokens": 8,
    }


async def test_body_is_found_by_its_text(client: httpx.AsyncClient) -> None:
    await log(client, changed(("providerResponse.textBody", "a text that is not JSON")))
    for column, text in (("response_body", "text that is not"), ("request_body", "asked-for")):
        condition = {"request_response_rmt": {column: {"contains": text}}}
        assert await ids(client, condition) == ["r"]


async def test_body_of_1_mib_is_kept(client: httpx.AsyncClient) -> None:
    large = {"text": "é" * 2**19}
    await log(client, changed(("providerRequest.json", large), ("providerResponse.json", large)))
    row = await row_of(client)
    assert (row["request_body"], row["response_body"]) == (large, large)


async def test_numbers_of_bodies_keep_every_digit(client: httpx.AsyncClient) -> None:
    numbers = '{"long":123456789012345678901234567890,"exact":0.12345678901234567890123}'
    sent = json.dumps(BODY).replace(json.dumps(BODY["providerRequest"]["json"]), numbers)
    response = await client.post(PATH, content=sent)
    assert response.status_code == 200
    answer = await client.get("/v1/request/r")
    assert f'"request_body":{numbers}' in answer.text.replace(": ", ":").replace(", ", ",")


async def test_body_with_a_number_that_the_database_cannot_hold_is_kept_as_a_string(
    client: httpx.AsyncClient,
) -> None:
    sent = json.dumps(BODY).replace(json.dumps(BODY["providerRequest"]["json"]), '{"a": 1e-20000}')
    response = await client.post(PATH, content=sent)
    message = "a number is too large, or has too many digits: the bodies are stored as strings"
    assert (response.status_code, response.json()) == (200, warned(("", message)))
    assert (await row_of(client))["request_body"] == '{"a": 1e-20000}'


async def test_nul_becomes_a_replacement_character(client: httpx.AsyncClient) -> None:
    meta = {"Helicone-Request-Id": "r", "Helicone-User-Id": "a\0", "Helicone-Property-b\0": "c\0"}
    body = changed(
        ("providerRequest.url", "https://example.com/\0"),
        ("providerRequest.json", {"model": "m\0", "k\0": ["\0\0", "\\u0000", "\\\0"]}),
        ("providerRequest.meta", meta),
        ("providerResponse.json", {"model": "n\0", "id": "i\0"}),
        ("provider", "p\0"),
    )
    await log(client, body, path="/v1/trace/custom/log")
    assert await row_of(client) == ROW | set_property("b\ufffd", "c\ufffd") | {
        "target_url": "https://example.com/\ufffd",
        "request_path": "/\ufffd",
        "request_user_id": "a\ufffd",
        "helicone_user": "a\ufffd",
        "request_model": "m\ufffd",
        "request_body": {"model": "m\ufffd", "k\ufffd": ["\ufffd\ufffd", "\\u0000", "\\\ufffd"]},
        "response_model": "n\ufffd",
        "model": "n\ufffd",
        "response_id": "i\ufffd",
        "response_body": {"model": "n\ufffd", "id": "i\ufffd"},
        "provider": "p\ufffd",
    }


@pytest.mark.parametrize(
    ("text", "stored"), [("a\0b", "a\ufffdb"), ('{"a": "\\u0000"}', {"a": "\ufffd"}), ('"\0"', '"\ufffd"')]
)
async def test_nul_in_a_text_becomes_a_replacement_character(
    client: httpx.AsyncClient, text: str, stored: object
) -> None:
    await log(client, changed(("providerResponse.textBody", text)))
    assert (await row_of(client))["response_body"] == stored


# Compressed bodies

GZIP = {"Content-Encoding": "gzip"}


@pytest.mark.parametrize("encoding", ["gzip", "GZIP"])
async def test_gzip_body_is_taken(client: httpx.AsyncClient, encoding: str) -> None:
    content = gzip.compress(json.dumps(BODY).encode())
    response = await client.post(PATH, content=content, headers={"Content-Encoding": encoding})
    assert (response.status_code, response.text) == (200, "ok")
    assert await row_of(client) == ROW


async def test_gzip_of_several_members_is_taken(client: httpx.AsyncClient) -> None:
    plain = json.dumps(BODY).encode()
    content = gzip.compress(plain[:50]) + gzip.compress(plain[50:])
    response = await client.post(PATH, content=content, headers=GZIP)
    assert (response.status_code, response.text) == (200, "ok")
    assert await row_of(client) == ROW


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the body is not valid JSON: the body is empty"),
        (b"{}", "the body is not valid gzip"),
        (gzip.compress(json.dumps(BODY).encode())[:-1], "the body is not valid gzip: it ends too early"),
        (gzip.compress(json.dumps(BODY).encode())[:-8] + b"\0" * 8, "the body is not valid gzip"),
        (gzip.compress(json.dumps(BODY).encode()) + b"more", "the body is not valid gzip"),
    ],
    ids=["empty", "plain", "cut off", "wrong checksum", "something behind it"],
)
async def test_broken_gzip_is_refused(client: httpx.AsyncClient, content: bytes, message: str) -> None:
    response = await client.post(PATH, content=content, headers=GZIP)
    assert (response.status_code, response.json()) == (400, faulty(("", message)))
    assert await ids(client) == []


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip"])
async def test_other_encoding_is_refused(client: httpx.AsyncClient, encoding: str) -> None:
    response = await client.post(PATH, json=BODY, headers={"Content-Encoding": encoding})
    message = f'expected gzip or none, got "{encoding}"'
    assert (response.status_code, response.json()) == (400, faulty(("Content-Encoding", message)))
    assert await ids(client) == []


@pytest.fixture
async def small(start_service: StartService) -> httpx.AsyncClient:
    """A client of a service that takes bodies of up to 2048 bytes."""
    return await (await start_service(max_body_bytes=2048)).client()


async def test_gzip_bomb_is_refused(small: httpx.AsyncClient) -> None:
    content = gzip.compress(json.dumps(BODY).encode().ljust(10**6))
    assert len(content) < 2048
    response = await small.post(PATH, content=content, headers=GZIP)
    error = "the body is larger than the limit of 2048 bytes"
    assert (response.status_code, response.json()) == (413, {"data": None, "error": error})
    assert await ids(small) == []


@pytest.mark.parametrize(("size", "status"), [(2048, 200), (2049, 413)])
@pytest.mark.parametrize("headers", [{}, GZIP], ids=["plain", "gzip"])
async def test_limit_counts_decompressed_bytes(
    small: httpx.AsyncClient, headers: Mapping[str, str], size: int, status: int
) -> None:
    plain = json.dumps(BODY).encode().ljust(size)
    response = await small.post(PATH, content=gzip.compress(plain) if headers else plain, headers=headers)
    assert response.status_code == status


# Again, and joined up with scores


async def test_log_again_replaces_what_was_logged(client: httpx.AsyncClient) -> None:
    meta = dict.fromkeys(
        ["Helicone-User-Id", "Helicone-Model-Override", "Helicone-Property-Old", *PROPERTIES], "old"
    )
    old = changed(
        ("providerRequest", {"url": "https://old.example.com/", "json": {"old": 1}, "meta": meta}),
        ("providerRequest.meta.Helicone-Request-Id", "r"),
        (
            "providerResponse",
            {"json": {"usage": {"prompt_tokens": 1, "completion_tokens": 2}}, "status": 500},
        ),
        ("providerResponse.cost", 1.5),
        ("timing", {"startTime": "2020-01-01", "endTime": "2020-01-02", "timeToFirstToken": 5}),
    )
    await log(client, old, path="/oai/v1/log")
    await log(client)
    assert await row_of(client) == ROW
    assert await ids(client) == ["r"]


async def add_scores_feedback_and_property(client: httpx.AsyncClient) -> None:
    await post(client, "r", {"accuracy": 95, "cited": True})
    for method, path, body in (
        ("POST", "feedback", {"rating": False}),
        ("PUT", "property", {"key": "Variant", "value": "set"}),
    ):
        response = await client.request(method, f"/v1/request/r/{path}", json=body)
        assert (response.status_code, response.json()) == (200, DONE)


@pytest.mark.parametrize("logged_before", [True, False], ids=["logged again", "logged later"])
async def test_log_keeps_scores_feedback_and_set_properties(
    client: httpx.AsyncClient, logged_before: bool
) -> None:
    if logged_before:
        await log(client, changed(("providerRequest.meta.Helicone-Property-Gone", "x")))
    await add_scores_feedback_and_property(client)
    before = await row_of(client)
    meta = {"Helicone-Request-Id": "r", "Helicone-Property-Variant": "logged", "Helicone-Property-New": "y"}
    await log(client, changed(("providerRequest.meta", meta)))
    properties = {"Variant": "set", "New": "y"}
    assert await row_of(client) == ROW | {
        "scores": {"accuracy": 95, "cited": 1, "helicone-score-feedback": 0},
        "feedback_rating": False,
        "feedback_created_at": before["feedback_created_at"],
        "properties": properties,
        "request_properties": properties,
    }


async def test_scores_move_to_the_time_at_which_the_request_is_logged(client: httpx.AsyncClient) -> None:
    for year in ("2019", "2020", "2021"):
        await post(client, year, {"accuracy": 95})
    for year in ("2021", "2019", "2020"):
        meta = {"Helicone-Request-Id": year}
        await log(client, changed(("providerRequest.meta", meta), ("timing", {"startTime": f"{year}-06-01"})))
    good = {"request_response_rmt": {"scores": {"accuracy": {"gte": 90}}}}
    assert await ids(client, good, sort={"created_at": "desc"}) == ["2021", "2020", "2019"]
    assert await ids(client, good, sort={"created_at": "asc"}, limit=2) == ["2019", "2020"]
    times = {"start": "2020-01-01", "end": "2021-01-01"}
    response = await client.post("/v1/evals/query", json={"filter": "all", "timeFilter": times})
    assert [evaluation["count"] for evaluation in response.json()["data"]] == [1]


ASTRAY = """
SELECT count(*) FILTER (WHERE s.request_created_at IS DISTINCT FROM r.created_at), count(*)
FROM score AS s LEFT JOIN request AS r USING (organization_id, request_no)
WHERE s.organization_id = $1
"""


async def test_scores_and_logs_of_one_request_at_once_agree_on_its_time(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    async def log_at(request_id: str, number: int) -> None:
        meta, start = {"Helicone-Request-Id": request_id}, {"seconds": 10**9 + number, "milliseconds": 7}
        await log(client, changed(("providerRequest.meta", meta), ("timing", {"startTime": start})))

    requests = [f"request {number}" for number in range(4)]
    await asyncio.gather(
        *(
            action
            for number in range(10)
            for request_id in requests
            for action in (
                post(client, request_id, {f"score {number}": number, "common": number}),
                log_at(request_id, number),
            )
        )
    )
    assert tuple(await connection.fetchrow(ASTRAY, organization_id) or ()) == (0, 4 * 11)
    for request_id in requests:
        row = await row_of(client, request_id)
        assert {name: value for name, value in row["scores"].items() if name != "common"} == {
            f"score {number}": number for number in range(10)
        }


# Bad input


def warned(*warnings: tuple[str, str]) -> Json:
    """The answer of a log call that was taken without what could not be understood."""
    listed = [{"path": path, "message": message} for path, message in warnings]
    return {"data": None, "error": None, "warnings": listed}


STATUS = "expected an integer from -2147483647 to 2147483647"
TIME = "expected {seconds, milliseconds} or an ISO 8601 time of the years 1000 to 9999"


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("providerRequest", MISSING, "missing"),
        ("providerRequest", None, "expected an object, got null"),
        ("providerRequest", [], "expected an object, got an array"),
        ("providerRequest.url", 5, "expected a string, got 5"),
        ("providerRequest.meta", "x", 'expected an object, got "x"'),
        (
            "providerRequest.meta.Helicone-User-Id",
            [],
            "expected a string, a number or a boolean, got an array",
        ),
        ("providerResponse", MISSING, "missing"),
        ("providerResponse", 200, "expected an object, got 200"),
        ("providerResponse.textBody", {}, "expected a string, got an object"),
        ("providerResponse.status", "200", f'{STATUS}, got "200"'),
        ("providerResponse.status", 200.0, f"{STATUS}, got 200.0"),
        ("providerResponse.status", True, f"{STATUS}, got true"),
        ("providerResponse.status", 2**31, f"{STATUS}, got 2147483648"),
        ("providerResponse.status", 2**64, f"{STATUS}, got an integer of more than 64 bits"),
        ("providerResponse.cost", "0.1", 'expected a number, got "0.1"'),
        ("providerResponse.cost", True, "expected a number, got true"),
        ("providerResponse.cost", 1e300, "expected a number up to 1e+15, got 1e300"),
        ("timing", "now", 'expected an object, got "now"'),
        ("timing.startTime", 1767225600, f"{TIME}, got 1767225600"),
        ("timing.startTime", True, f"{TIME}, got true"),
        ("timing.startTime", "", f'{TIME}, got ""'),
        ("timing.startTime", "yesterday", f'{TIME}, got "yesterday"'),
        ("timing.startTime", "-1", f'{TIME}, got "-1"'),
        ("timing.startTime", "0999-12-31T23:59:59Z", f'{TIME}, got "0999-12-31T23:59:59Z"'),
        ("timing.startTime", "9" * 15, f'{TIME}, got "{"9" * 15}"'),
        pytest.param("timing.startTime", "9" * 100, f'{TIME}, got "{"9" * 80}…"', id="100 digits"),
        ("timing.startTime", {}, f"{TIME}, got {{}}"),
        ("timing.startTime", {"seconds": 1}, f'{TIME}, got {{"seconds":1}}'),
        (
            "timing.startTime",
            {"seconds": "1", "milliseconds": 0},
            f'{TIME}, got {{"seconds":"1","milliseconds":0}}',
        ),
        (
            "timing.startTime",
            {"seconds": True, "milliseconds": 0},
            f'{TIME}, got {{"seconds":true,"milliseconds":0}}',
        ),
        (
            "timing.startTime",
            {"seconds": 1, "milliseconds": False},
            f'{TIME}, got {{"seconds":1,"milliseconds":false}}',
        ),
        (
            "timing.startTime",
            {"seconds": 10**30, "milliseconds": 0},
            f'{TIME}, got {{"seconds":1000000000000000000000000000000,"milliseconds":0}}',
        ),
        (
            "timing.startTime",
            {"seconds": 0, "milliseconds": 1e300},
            f'{TIME}, got {{"seconds":0,"milliseconds":1e300}}',
        ),
        ("timing.endTime", [], f"{TIME}, got an array"),
        ("timing.timeToFirstToken", "5", 'expected a number, got "5"'),
        ("provider", 5, "expected a string, got 5"),
    ],
)
async def test_value_that_cannot_be_understood_is_left_out_and_named(
    client: httpx.AsyncClient, path: str, value: object, message: str
) -> None:
    response = await client.post("/v1/trace/custom/v1/log", json=changed((path, value)))
    assert (response.status_code, response.json()) == (200, warned((path, message)))
    assert await ids(client) == [response.headers["helicone-id"]]


async def test_every_value_that_is_left_out_is_named(client: httpx.AsyncClient) -> None:
    body = {
        "providerRequest": {"json": 1, "url": 2},
        "providerResponse": {"json": [], "status": "ok", "cost": "free"},
        "timing": {"startTime": "then", "timeToFirstToken": "soon"},
    }
    response = await client.post(PATH, json=body)
    assert response.status_code == 200
    assert {warning["path"] for warning in response.json()["warnings"]} == {
        "providerRequest.url",
        "providerResponse.status",
        "providerResponse.cost",
        "timing.startTime",
        "timing.timeToFirstToken",
    }
    row = await row_of(client, response.headers["helicone-id"])
    assert (row["request_body"], row["response_body"]) == (1, [])


async def test_log_without_request_and_response_is_an_error(client: httpx.AsyncClient) -> None:
    response = await client.post(PATH, json={"timing": {}})
    errors = faulty(("providerRequest", "missing"), ("providerResponse", "missing"))
    assert (response.status_code, response.json()) == (400, errors)
    assert await ids(client) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[]", "expected a JSON object, got an array"),
        (b"", "the body is not valid JSON: the body is empty"),
        (b'{"providerRequest":', "the body is not valid JSON: Input data was truncated"),
    ],
)
async def test_body_that_is_no_json_object_is_refused(
    client: httpx.AsyncClient, content: bytes, message: str
) -> None:
    response = await client.post(PATH, content=content)
    assert (response.status_code, response.json()) == (400, faulty(("", message)))


@pytest.mark.parametrize(
    ("request_id", "message"),
    [
        ("x" * 256, "must have at most 255 characters, got 256"),
        ("a\nb", "must not contain control characters"),
    ],
)
async def test_id_that_no_path_could_name_is_replaced(
    client: httpx.AsyncClient, request_id: str, message: str
) -> None:
    response = await client.post(PATH, json=changed(("providerRequest.meta.Helicone-Request-Id", request_id)))
    assert (response.status_code, response.json()) == (200, warned(("Helicone-Request-Id", message)))
    assert uuid.UUID(response.headers["helicone-id"]).version == 7
    assert await ids(client) == [response.headers["helicone-id"]]


@pytest.mark.parametrize("key", ["", mint_key()], ids=["none", "unknown"])
async def test_log_without_a_good_key_is_refused(
    client: httpx.AsyncClient, shared: Service, key: str
) -> None:
    response = await (await shared.client(key=key)).post(PATH, json=BODY)
    assert response.status_code == 401
    assert await ids(client) == []


async def test_organizations_log_the_same_id_apart(
    client: httpx.AsyncClient, shared: Service, organization: str
) -> None:
    stranger = await shared.client(f"not {organization}")
    await log(client)
    await log(stranger, changed(("providerRequest.json", {"model": "theirs"})))
    assert await row_of(client) == ROW
    assert (await row_of(stranger))["request_body"] == {"model": "theirs"}


async def test_logged_id_is_answered_as_it_is_used_in_paths(client: httpx.AsyncClient) -> None:
    request_id = await log(client, changed(("providerRequest.meta", {})))
    response = await client.post(f"/v1/request/{encoded(request_id)}/score", json={"scores": {"a": 1}})
    assert (response.status_code, response.json()) == (200, DONE)
    assert (await row_of(client, request_id))["scores"] == {"a": 1}
