"""PromptLayer's search: which requests each condition finds, in which order, and how they are shown."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from heliscore.api.promptlayer import ENDPOINTS

from tests.api.envelope import post
from tests.api.promptlayer import LOG, error_response, log, make_client, search, track
from tests.conftest import Service
from tests.ways_out import MULTIPLY

PATH = "/api/public/v2/requests/search"
START = 1767225600.0

REQUESTS: dict[str, dict[str, Any]] = {
    "a": {
        "model": "gpt-4o",
        "tags": ["prod", "50%"],
        "metadata": {"env": "prod", "user": "ada"},
        "input": {"content": 'She said "Hi"', "role": "user"},
        "output": {"text": "refund policy", "list": ["first", "last"]},
        "prompt_name": "my_template",
        "prompt_version_number": 2,
        "input_tokens": 10,
        "output_tokens": 0,
        "price": 0.01,
        "score": 88,
        "status": "SUCCESS",
    },
    "b": {
        "model": "gpt-4o-mini",
        "provider": "azure",
        "tags": ["prod-eu"],
        "metadata": {"env": ""},
        "prompt_id": 17,
        "prompt_version_number": 10,
        "request_start_time": START + 10,
        "request_end_time": START + 15,
        "input_tokens": 200,
        "price": 0.5,
        "score": 40,
        "score_name": "tone",
        "status": "ERROR",
        "error_type": "PROVIDER_TIMEOUT",
        "error_message": "too slow",
    },
    "c": {
        "model": "claude_3",
        "provider": "anthropic",
        "tags": [],
        "request_start_time": START + 20,
        "request_end_time": START + 20,
        "status": "WARNING",
    },
}
"""Beside these, `d` was scored by Helicone's call and never logged."""


class Found:
    """The requests, by the letters of REQUESTS."""

    def __init__(self, client: httpx.AsyncClient, ids: dict[Any, str]) -> None:
        self.client = client
        self.ids = ids

    async def __call__(self, *conditions: object, **fields: object) -> str:
        """The letters of what a search finds, in its order."""
        return "".join(self.ids[id_] for id_ in await search(self.client, *conditions, **fields))


@pytest.fixture
async def found(shared: Service, organization: str) -> Found:
    sdk = await make_client(shared, organization)
    ids = {await log(sdk, **fields): letter for letter, fields in REQUESTS.items()}
    await track(sdk, "score", request_id=next(iter(ids)), score=95, name="tone")
    await post(await shared.client(organization), "req d", {"default": 200, "tone": -5})
    return Found(sdk, ids | {"req d": "d"})


def where(field: str, operator: str, value: object = None, **beside: object) -> dict[str, object]:
    return {"field": field, "operator": operator, "value": value, **beside}


CONDITIONS: list[tuple[dict[str, object], str]] = [
    (where("pl_id", "is", "req d"), "d"),
    (where("pl_id", "in", ["req d", "nothing"]), "d"),
    (where("pl_id", "not_in", ["req d"]), "abc"),
    (where("engine", "is", "gpt-4o"), "a"),
    (where("engine", "is", "gpt-4o", nested_key=None), "a"),
    (where("engine", "eq", "gpt-4o"), "a"),
    (where("engine", "is_not", "gpt-4o"), "bc"),
    (where("engine", "neq", "gpt-4o"), "bc"),
    (where("engine", "in", ["gpt-4o", "claude_3"]), "ac"),
    (where("engine", "in", []), ""),
    (where("engine", "not_in", ["gpt-4o", "claude_3"]), "b"),
    (where("engine", "contains", "GPT"), "ab"),
    (where("engine", "contains", "4_"), ""),
    (where("engine", "not_contains", "gpt"), "c"),
    (where("engine", "starts_with", "Gpt-"), "ab"),
    (where("engine", "starts_with", "claude_"), "c"),
    (where("engine", "starts_with", "claud__"), ""),
    (where("engine", "ends_with", "-MINI"), "b"),
    (where("engine", "is_null"), "d"),
    (where("engine", "is_empty"), "d"),
    (where("engine", "is_not_null"), "abc"),
    (where("engine", "is_not_empty"), "abc"),
    (where("provider_type", "is", "azure"), "b"),
    (where("prompt_id", "is", "my_template"), "a"),
    (where("prompt_id", "is", 17), "b"),
    (where("prompt_id", "in", [17, "my_template"]), "ab"),
    (where("prompt_version_number", "gt", 2), "b"),
    (where("prompt_version_number", "is", 2), "a"),
    (where("prompt_version_number", "is_null"), "cd"),
    (where("input_tokens", "gte", 10), "ab"),
    (where("input_tokens", "between", [11, 200]), "b"),
    (where("output_tokens", "is_not_null"), "a"),
    (where("cost", "lt", 0.5), "a"),
    (where("cost", "lte", "0.5"), "ab"),
    (where("cost", "neq", 0.01), "b"),
    (where("latency_ms", "eq", 1250), "a"),
    (where("latency_ms", "gt", 1250), "b"),
    (where("latency_ms", "in", [0, 5000]), "bc"),
    (where("request_start_time", "is", "2026-01-01T00:00:10Z"), "b"),
    (where("request_start_time", "before", "2026-01-01T00:00:10Z"), "a"),
    (where("request_start_time", "between", ["2026-01-01", "2026-01-01T00:00:10Z"]), "ab"),
    (where("request_end_time", "after", "2026-01-01T00:00:15"), "c"),
    (where("request_end_time", "is_null"), "d"),
    (where("status", "is", "error"), "b"),
    (where("status", "is", "ERROR"), "b"),
    (where("status", "in", ["success", "warning"]), "ac"),
    (where("status", "is_not", "error"), "ac"),
    (where("tags", "contains", "prod"), "a"),
    (where("tags", "is", "prod"), "a"),
    (where("tags", "is", "PROD"), ""),
    (where("tags", "is", "50%"), "a"),
    (where("tags", "is", "50_"), ""),
    (where("tags", "in", ["prod-eu", "50%"]), "ab"),
    (where("tags", "not_contains", "prod"), "bcd"),
    (where("tags", "is_not", "prod-eu"), "acd"),
    (where("tags", "not_in", ["prod", "prod-eu"]), "cd"),
    (where("tags", "is_empty"), "cd"),
    (where("tags", "is_not_empty"), "ab"),
    (where("metadata", "is", "prod", nested_key="env"), "a"),
    (where("metadata", "key_equals", "prod", nested_key="env"), "a"),
    (where("metadata", "is_not", "prod", nested_key="env"), "bcd"),
    (where("metadata", "key_not_equals", "", nested_key="env"), "a"),
    (where("metadata", "in", ["prod", ""], nested_key="env"), "ab"),
    (where("metadata", "not_in", ["prod"], nested_key="env"), "bcd"),
    (where("metadata", "not_in", [""], nested_key="env"), "a"),
    (where("metadata", "key_contains", "RO", nested_key="env"), "a"),
    (where("metadata", "starts_with", "p", nested_key="env"), "a"),
    (where("metadata", "is_empty", nested_key="env"), "bcd"),
    (where("metadata", "is_not_empty", nested_key="env"), "a"),
    (where("metadata", "is_null", nested_key="env"), "cd"),
    (where("metadata", "is_not_null", nested_key="env"), "ab"),
    (where("metadata_keys", "contains", "user"), "a"),
    (where("metadata_keys", "in", ["user", "env"]), "ab"),
    (where("metadata_keys", "not_contains", "user"), "bcd"),
    (where("metadata_keys", "is_empty"), "cd"),
    (where("metadata_keys", "is_not_empty"), "ab"),
    (where("score", "gte", 88), "ad"),
    (where("score", "is", 88, nested_key="default"), "a"),
    (where("score", "is", 88, nested_key=""), "a"),
    (where("score", "lt", 50, nested_key="tone"), "bd"),
    (where("score", "lt", 50, nested_key="tone-hcone-bool"), "bd"),
    (where("score", "between", [40, 95], nested_key="tone"), "ab"),
    (where("score", "in", [40, 200], nested_key="tone"), "b"),
    (where("score", "neq", 40, nested_key="tone"), "ad"),
    (where("score", "not_in", [40], nested_key="tone"), "ad"),
    (where("score", "is_null"), "bc"),
    (where("score", "is_not_empty", nested_key="tone"), "abd"),
    (where("score", "is_not_null", nested_key="never used"), ""),
    (where("input_text", "contains", 'said "hi"'), "a"),
    (where("input_text", "contains", '{"content"'), ""),
    (where("input_text", "starts_with", "she said"), "a"),
    (where("input_text", "starts_with", "said"), ""),
    (where("input_text", "starts_with", '"Hi'), ""),
    (where("input_text", "ends_with", '"hi"'), "a"),
    (where("input_text", "is_null"), "d"),
    (where("input_text", "is_empty"), "d"),
    (where("input_text", "is_not_empty"), "abc"),
    (where("output_text", "is", "refund policy"), "a"),
    (where("output_text", "is", "refund"), ""),
    (where("output_text", "in", ["first", "last"]), "a"),
    (where("output_text", "is", "last"), "a"),
    (where("output_text", "not_contains", "refund"), "bc"),
    (where("output_text", "not_in", ["first"]), "bc"),
]


@pytest.mark.parametrize(("condition", "letters"), CONDITIONS)
async def test_condition_finds(found: Found, condition: dict[str, object], letters: str) -> None:
    assert sorted(await found(condition)) == list(letters)


async def test_empty_text_is_empty_and_not_null(shared: Service, organization: str) -> None:
    sdk = await make_client(shared, organization)
    call = {"function_name": "f", "provider_type": "p", "kwargs": {"model": ""}, "request_response": ""}
    request_id = (await track(sdk, "/track-request", **call)).json()["request_id"]
    for field in ("engine", "output_text"):
        found = {
            operator: await search(sdk, where(field, operator))
            for operator in ("is_empty", "is_not_empty", "is_null", "is_not_null")
        }
        assert found == {
            "is_empty": [request_id],
            "is_not_empty": [],
            "is_null": [],
            "is_not_null": [request_id],
        }


async def test_groups_nest(found: Found) -> None:
    either = {"logic": "OR", "filters": [where("engine", "is", "gpt-4o"), where("status", "is", "error")]}
    assert sorted(await found(either)) == ["a", "b"]
    assert await found(either, where("score", "gt", 90, nested_key="tone")) == "a"
    both = {"filters": [either, {"logic": "AND", "filters": []}, where("tags", "is", "prod-eu")]}
    assert await found(both) == "b"


async def test_conditions_may_stand_beside_the_group(found: Found) -> None:
    assert await found(where("score", "is_not_null"), filters=[where("engine", "is", "gpt-4o")]) == "a"


@pytest.mark.parametrize(("q", "letters"), [("POLICY", "a"), ('"Hi"', "a"), ("Hi", "abc"), ("", "abcd")])
async def test_q_looks_at_request_and_response(found: Found, q: str, letters: str) -> None:
    assert sorted(await found(q=q)) == list(letters)


@pytest.mark.parametrize(
    ("sort_by", "ascending", "descending"),
    [
        ("score", "adcb", "dacb"),
        ("score.", "adcb", "dacb"),
        ("score.tone", "dbac", "abdc"),
        ("score.tone-hcone-bool", "dbac", "abdc"),
        ("score.never used", "dcba", "dcba"),
        ("cost", "abdc", "badc"),
        ("latency_ms", "cabd", "bacd"),
        ("request_start_time", "abcd", "dcba"),
        ("status", "bacd", "cabd"),
        (None, "abcd", "dcba"),
    ],
)
async def test_order(found: Found, sort_by: str | None, ascending: str, descending: str) -> None:
    assert await found(sort_by=sort_by, sort_order="asc") == ascending
    assert await found(sort_by=sort_by, sort_order="desc") == descending
    assert await found(sort_by=sort_by) == descending


async def test_ids_sort_as_numbers_and_others_last(shared: Service, organization: str) -> None:
    client = await shared.client(organization)
    for request_id in ("100", "9", "req b", "20", "12345678901234567890", "-1", "req a"):
        await post(client, request_id, {"default": 1})
    sdk = await make_client(shared, organization)
    numbers: list[object] = [9, 20, 100, "12345678901234567890"]
    others = ["req a", "-1", "req b"]  # newest first
    assert await search(sdk, sort_by="pl_id", sort_order="asc") == [*numbers, *others]
    assert await search(sdk, sort_by="pl_id") == [*reversed(numbers), *others]


async def test_pages(found: Found) -> None:
    pages = []
    for page in (1, 2, 3):
        body = {"page": page, "per_page": 3, "sort_order": "asc"}
        response = await found.client.post(PATH, json=body)
        assert response.status_code == 200
        answer = response.json()
        letters = "".join(found.ids[item["id"]] for item in answer.pop("items"))
        pages.append((letters, answer))
    common = {"success": True, "pages": 2, "per_page": 3, "total": 4}
    assert pages == [
        ("abc", common | {"page": 1, "has_next": True, "has_prev": False, "next_num": 2, "prev_num": None}),
        ("d", common | {"page": 2, "has_next": False, "has_prev": True, "next_num": None, "prev_num": 1}),
        ("", common | {"page": 3, "has_next": False, "has_prev": True, "next_num": None, "prev_num": 2}),
    ]


async def test_nothing_found_is_no_page(found: Found) -> None:
    body = {"filter_group": {"filters": [where("engine", "is", "none")]}, "include_prompt_name": True}
    response = await found.client.post(PATH, json=body)
    assert (response.status_code, response.json()) == (
        200,
        {
            "success": True,
            "items": [],
            "page": 1,
            "pages": 0,
            "per_page": 10,
            "total": 0,
            "has_next": False,
            "has_prev": False,
            "next_num": None,
            "prev_num": None,
        },
    )


def test_document_allows_the_nulls_that_are_taken() -> None:
    [endpoint] = [endpoint for endpoint in ENDPOINTS if endpoint.path == PATH]
    assert endpoint.body
    properties = endpoint.body.value_type.schema["properties"]
    assert properties["filter_group"]["anyOf"][-1] == {"type": "null"}
    assert properties["filters"]["type"] == ["array", "null"]


async def test_null_is_no_condition(found: Found) -> None:
    response = await found.client.post(PATH, json={"filter_group": None, "filters": None})
    assert (response.status_code, response.json()["total"]) == (200, 4)


async def test_request_is_shown_whole(found: Found) -> None:
    ids = {letter: id_ for id_, letter in found.ids.items()}
    response = await found.client.post(PATH, json={"sort_order": "asc"})
    a, b, c, d = response.json()["items"]
    assert a == {
        "id": ids["a"],
        "prompt_id": "my_template",
        "prompt_name": "my_template",
        "prompt_version_number": 2,
        "prompt_version": "2",
        "engine": "gpt-4o",
        "provider_type": "openai",
        "price": 0.01,
        "input_tokens": 10,
        "output_tokens": 0,
        "latency": 1.25,
        "request_start_time": "2026-01-01T00:00:00.000Z",
        "request_end_time": "2026-01-01T00:00:01.250Z",
        "status": "SUCCESS",
        "error_type": None,
        "error_message": None,
        "metadata": {"env": "prod", "user": "ada"},
        "tags_array": ["prod", "50%"],
        "scores": [{"name": "default", "score": 88}, {"name": "tone", "score": 95}],
    }
    assert (b["error_type"], b["error_message"]) == ("PROVIDER_TIMEOUT", "too slow")
    assert (c["tags_array"], c["scores"], c["metadata"], c["latency"]) == ([], [], {}, 0)
    moment = d.pop("request_start_time")
    assert moment.endswith("Z")
    assert d == dict.fromkeys(a.keys() - {"request_start_time"}) | {
        "id": "req d",
        "metadata": {},
        "tags_array": [],
        "scores": [{"name": "default", "score": 200}, {"name": "tone", "score": -5}],
    }


@pytest.mark.parametrize(
    ("request_id", "shown"),
    [("7", 7), ("0", 0), ("007", "007"), (str(2**53 - 1), 2**53 - 1), (str(2**53), str(2**53)), ("a", "a")],
)
async def test_id_is_an_integer_where_clients_can_hold_it(
    shared: Service, organization: str, request_id: str, shown: object
) -> None:
    await post(await shared.client(organization), request_id, {"default": 1})
    sdk = await make_client(shared, organization)
    assert await search(sdk) == [shown]
    assert await search(sdk, where("pl_id", "is", shown)) == [shown]


@pytest.mark.parametrize(
    ("status", "letters"), [(200, "success"), (304, "success"), (404, "error"), (500, "error"), (-3, "error")]
)
async def test_status_follows_from_http_where_helicones_client_logged(
    shared: Service, organization: str, client: httpx.AsyncClient, status: int, letters: str
) -> None:
    logged = {
        "providerRequest": {"json": {}, "meta": {"Helicone-Request-Id": "h"}},
        "providerResponse": {"json": {}, "status": status},
    }
    assert (await client.post("/custom/v1/log", json=logged)).status_code == 200
    sdk = await make_client(shared, organization)
    assert await search(sdk, where("status", "is", letters)) == ["h"]
    items = (await sdk.post(PATH, json={})).json()["items"]
    assert [item["status"] for item in items] == [letters.upper()]


FIELDS = (
    "pl_id, engine, provider_type, input_text, output_text, prompt_id, prompt_version_number, input_tokens, "
)
FIELDS += "output_tokens, cost, latency_ms, request_start_time, request_end_time, status"
ALL_FIELDS = f"{FIELDS}, metadata, score, tags, metadata_keys"
KEYED = "only metadata and score take one"
KNOWN = "known are field, operator, value, nested_key"
NUMERIC = "is, eq, is_not, neq, gt, gte, lt, lte, before, after, between, in, not_in, "
NUMERIC += "is_empty, is_null, is_not_empty, is_not_null"
LIST = "is, is_not, contains, not_contains, in, not_in, is_empty, is_null, is_not_empty, is_not_null"


def alone(*condition: object, **beside: object) -> dict[str, object]:
    """The body of a search with one condition."""
    return {"filters": [where(*condition, **beside)]}  # type: ignore[arg-type]


def group(**fields: object) -> dict[str, object]:
    return {"filter_group": fields}


BODY_KEYS = "api_key, filter_group, filters, include_prompt_name, page, per_page, q, sort_by, sort_order"
OUT_OF_PAGES = "page: expected an integer from 1 to 1000000, got"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"filter": {}}, f"filter: unknown key; known are {BODY_KEYS}"),
        ({"filter_group": []}, "filter_group: expected an object, got an array"),
        (group(), "filter_group.filters: missing"),
        (group(filters=None), "filter_group.filters: expected a list, got null"),
        ({"filters": {}}, "filters: expected a list, got an object"),
        (group(logic="OR", filters=[]), "filter_group.filters: empty: nothing could match"),
        (group(logic="or", filters=[]), 'filter_group.logic: expected "AND" or "OR", got "or"'),
        ({"filters": [5]}, "filters[0]: expected an object, got 5"),
        (group(filters=[], x=1), "filter_group.x: unknown key; known are logic, filters"),
        (
            {"filters": [{"filters": [{"filters": 1}]}]},
            "filters[0].filters[0].filters: expected a list, got 1",
        ),
        (alone("engine", "is", "a", extra=1), f"filters[0].extra: unknown key; {KNOWN}"),
        (
            alone("model", "is", "a"),
            f"filters[0].field: unknown; known are {ALL_FIELDS}",
        ),
        (group(operator="is", value="a"), f"filter_group.field: missing; known are {ALL_FIELDS}"),
        ({"filters": [{"value": "a"}]}, f"filters[0].field: missing; known are {ALL_FIELDS}"),
        (group(filters=[], operator="AND"), "filter_group.operator: unknown key; known are logic, filters"),
        (
            alone("cost", "contains", "a"),
            f"filters[0].operator: unknown for cost; known are {NUMERIC}",
        ),
        (alone("tags", "gt", 1), f"filters[0].operator: unknown for tags; known are {LIST}"),
        ({"filters": [{"field": "tags"}]}, f"filters[0].operator: missing; known are {LIST}"),
        (alone("engine", "is", "a", nested_key="b"), f"filters[0].nested_key: {KEYED}"),
        (alone("engine", "is", "a", nested_key=""), f"filters[0].nested_key: {KEYED}"),
        (alone("tags", "is_empty", nested_key=5), f"filters[0].nested_key: {KEYED}"),
        (alone("cost", "gt", "a"), 'filters[0].value: expected a number, got "a"'),
        (alone("cost", "between", [1]), "filters[0].value: expected [low, high], got an array"),
        (alone("cost", "between", [1, "a"]), 'filters[0].value[1]: expected a number, got "a"'),
        (alone("engine", "in", "a"), 'filters[0].value: expected a list, got "a"'),
        (alone("engine", "is"), "filters[0].value: expected a string, got null"),
        (alone("engine", "is", "a\0"), "filters[0].value: must not contain NUL"),
        (alone("tags", "is", ""), "filters[0].value: must not be empty"),
        (alone("tags", "is", "a\nb"), "filters[0].value: must not contain control characters"),
        (
            alone("score", "gt", 1.5),
            f"filters[0].value: expected an integer or a boolean, got 1.5; {MULTIPLY}",
        ),
        (alone("score", "gt", 1, nested_key=5), "filters[0].nested_key: expected a string, got 5"),
        (alone("metadata", "is", "a"), "filters[0].nested_key: expected a string, got null"),
        (
            alone("request_start_time", "after", 5),
            "filters[0].value: expected an ISO 8601 date or date-time, got 5",
        ),
        ({"q": 5}, "q: expected a string, got 5"),
        ({"q": "\0"}, "q: must not contain NUL"),
        ({"sort_by": "tags"}, f"sort_by: unknown; known are {FIELDS}, score and score.<name>"),
        ({"sort_by": "score.\0"}, "sort_by: must not contain NUL"),
        ({"sort_order": "up"}, 'sort_order: expected "asc" or "desc", got "up"'),
        ({"page": 0}, f"{OUT_OF_PAGES} 0"),
        ({"per_page": 26}, "per_page: expected an integer from 1 to 25, got 26"),
        ({"q": 5, "page": "a"}, f'q: expected a string, got 5; {OUT_OF_PAGES} "a"'),
    ],
)
async def test_search_that_is_not_understood_is_refused(
    shared: Service, organization: str, body: object, message: str
) -> None:
    sdk = await make_client(shared, organization)
    response = await sdk.post(PATH, json=body)
    assert (response.status_code, response.json()) == (400, error_response(message))


async def test_condition_is_not_lost_to_another_of_the_same_key(shared: Service, organization: str) -> None:
    client = await make_client(shared, organization)
    body = '{"q": "cats", "q": "dogs"}'
    response = await client.post("/api/public/v2/requests/search", content=body)
    assert (response.status_code, response.json()) == (400, error_response("q: given twice in one object"))


async def test_search_too_deep_or_too_long_is_refused(shared: Service, organization: str) -> None:
    sdk = await make_client(shared, organization)
    group: dict[str, object] = {"filters": []}
    for _ in range(50):
        group = {"filters": [group]}
    response = await sdk.post(PATH, json={"filter_group": group})
    assert response.status_code == 400
    assert response.json()["message"].endswith(": nested more than 50 levels deep")
    response = await sdk.post(PATH, json={"filters": [where("cost", "gt", 1)] * 501})
    assert (response.status_code, response.json()) == (
        400,
        error_response("filters[500]: more than 500 conditions"),
    )


async def test_requests_of_both_dialects_are_read_by_both(
    shared: Service, organization: str, client: httpx.AsyncClient
) -> None:
    sdk = await make_client(shared, organization)
    ours = await log(sdk, **LOG)
    await post(client, str(ours), {"accuracy": 95})
    await post(client, "5c5c1e4b-9d2d-4a53-9b6a-1c2a9f5f0d11", {"accuracy": 97})
    condition = where("score", "gte", 90, nested_key="accuracy")
    assert await search(sdk, condition, sort_by="score.accuracy") == [
        "5c5c1e4b-9d2d-4a53-9b6a-1c2a9f5f0d11",
        ours,
    ]
