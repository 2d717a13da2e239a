"""`track-*` and `create-group`: section 4 of PromptLayer's contract, and what Helicone's calls make of it."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from heliscore.store.connections.pool import Connection

from tests.api.envelope import ids, post, read, scores_of
from tests.api.promptlayer import done, error_response, make_client, track
from tests.conftest import Service, StartService
from tests.ways_out import MULTIPLY

FAMILIES = ("/rest/track-", "/library-track-")
MAX = 2**63 - 1
INTEGER = f"expected an integer from {{}} to {MAX} or a string of its digits, got {{}}"


@pytest.fixture
async def sdk(shared: Service, organization: str) -> httpx.AsyncClient:
    """A client of the same organization as `client`, with PromptLayer's header."""
    return await make_client(shared, organization)


# Scores


@pytest.mark.parametrize("family", FAMILIES)
async def test_score_is_stored_under_default(
    sdk: httpx.AsyncClient, client: httpx.AsyncClient, family: str
) -> None:
    response = await sdk.post(f"{family}score", json={"request_id": 123, "score": 88})
    assert (response.status_code, response.json()) == (200, done("the score is stored"))
    assert await scores_of(client, "123") == {"default": 88}


@pytest.mark.parametrize(
    ("names", "stored"),
    [
        ({"name": "summarization"}, "summarization"),
        ({"name": None}, "default"),
        ({"name": ""}, "default"),
        ({"score_name": "tone"}, "tone"),
        ({"name": "tone", "score_name": "other"}, "tone"),
        ({"score_name": ""}, "default"),
        ({"name": "x" * 255}, "x" * 255),
        ({"user": "ignored", "label": 5}, "default"),
    ],
)
async def test_score_has_the_name_that_was_sent(
    sdk: httpx.AsyncClient, client: httpx.AsyncClient, names: dict[str, object], stored: str
) -> None:
    response = await track(sdk, "score", request_id=123, score=100, **names)
    assert response.status_code == 200
    assert await scores_of(client, "123") == {stored: 100}


@pytest.mark.parametrize(
    ("sent", "got"),
    [
        ("101", "101"),
        ("-1", "-1"),
        ("true", "true"),
        ("87.5", "87.5"),
        ("0.85", f"0.85; {MULTIPLY}"),
        ("1.0", f"1.0; {MULTIPLY}"),
        ("88.0", "88.0"),
        ('"88"', '"88"'),
        ("null", "null"),
        ("[]", "an array"),
    ],
)
async def test_score_that_is_no_integer_up_to_100_is_refused(
    sdk: httpx.AsyncClient, client: httpx.AsyncClient, sent: str, got: str
) -> None:
    response = await sdk.post("/library-track-score", content=f'{{"request_id": 1, "score": {sent}}}')
    assert (response.status_code, response.json()) == (
        400,
        error_response(f"score: expected an integer from 0 to 100, got {got}"),
    )
    assert await ids(client) == []


async def test_every_fault_is_named(sdk: httpx.AsyncClient) -> None:
    response = await track(sdk, "score", request_id=True, name="a\nb")
    assert (response.status_code, response.json()) == (
        400,
        error_response(
            f"request_id: {INTEGER.format(0, 'true')}; score: missing; "
            "name: must not contain control characters"
        ),
    )


@pytest.mark.parametrize("key", ["name", "score_name"])
@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("a\nb", "must not contain control characters"),
        ("x" * 256, "must have at most 255 characters, got 256"),
        ("-hcone-bool", "must not be empty"),
        (5, "expected a string, got 5"),
    ],
)
async def test_name_at_fault_is_called_as_it_was_sent(
    sdk: httpx.AsyncClient, client: httpx.AsyncClient, key: str, name: object, error: str
) -> None:
    response = await track(sdk, "score", request_id=7, score=1, **{key: name})
    assert (response.status_code, response.json()) == (400, error_response(f"{key}: {error}"))
    assert await ids(client) == []


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("123", "123"),
        ('"123"', "123"),
        ('"007"', "7"),
        ("0", "0"),
        (str(MAX), str(MAX)),
        (f'"{MAX}"', str(MAX)),
    ],
)
async def test_request_id_is_kept_as_decimal_text(
    sdk: httpx.AsyncClient, client: httpx.AsyncClient, sent: str, stored: str
) -> None:
    response = await sdk.post("/rest/track-score", content=f'{{"request_id": {sent}, "score": 5}}')
    assert response.status_code == 200
    assert await scores_of(client, stored) == {"default": 5}


@pytest.mark.parametrize(
    ("sent", "got"),
    [
        ("true", "true"),
        ("null", "null"),
        ('"req_1"', '"req_1"'),
        ('""', '""'),
        ('" 1"', '" 1"'),
        ('"\u0661"', '"\u0661"'),
        ("1.0", "1.0"),
        ("-1", "-1"),
        (str(MAX + 1), "an integer of more than 64 bits"),
        ("[1]", "an array"),
    ],
)
async def test_request_id_that_is_none_is_refused(sdk: httpx.AsyncClient, sent: str, got: str) -> None:
    body = f'{{"request_id": {sent}, "score": 5}}'.encode()
    response = await sdk.post("/library-track-score", content=body)
    assert (response.status_code, response.json()) == (
        400,
        error_response(f"request_id: {INTEGER.format(0, got)}"),
    )


async def test_score_replaces_its_own_name_only(sdk: httpx.AsyncClient, client: httpx.AsyncClient) -> None:
    await post(client, "7", {"accuracy": 95, "default": True})
    for score in (10, 20, 20):
        assert (await track(sdk, "score", request_id="7", score=score)).status_code == 200
    assert await scores_of(client, "7") == {"accuracy": 95, "default": 20}


async def test_feedback_is_a_score_of_0_or_1(sdk: httpx.AsyncClient, client: httpx.AsyncClient) -> None:
    response = await track(sdk, "score", request_id=7, score=2, name="helicone-score-feedback")
    assert (response.status_code, response.json()) == (
        400,
        error_response("score: expected 0 or 1 under the name helicone-score-feedback, got 2"),
    )
    response = await track(sdk, "score", request_id=7, score=1, name="helicone-score-feedback")
    assert response.status_code == 200
    row = await read(client, "7")
    assert row
    assert row["feedback_rating"] is True


async def test_name_with_the_ending_of_booleans_is_the_boolean_without_it(
    sdk: httpx.AsyncClient, client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    for score in (2, 0, 1):
        response = await track(sdk, "score", request_id=7, score=score, name="cited-hcone-bool")
        if score == 2:
            assert (response.status_code, response.json()) == (
                400,
                error_response("score: expected 0 or 1 under the name cited-hcone-bool, got 2"),
            )
        else:
            assert response.status_code == 200
            assert await scores_of(client, "7") == {"cited": score}
    booleans = "SELECT is_boolean FROM score WHERE organization_id = $1"
    assert [tuple(row) for row in await connection.fetch(booleans, organization_id)] == [(True,)]


async def test_scores_of_both_dialects_at_once_all_stay(
    sdk: httpx.AsyncClient, client: httpx.AsyncClient
) -> None:
    theirs = [track(sdk, "score", request_id=9, score=n, name=f"p{n}") for n in range(20)]
    ours = [post(client, "9", {f"h{n}": n}) for n in range(20)]
    await asyncio.gather(*theirs, *ours)
    assert await scores_of(client, "9") == {f"{dialect}{n}": n for dialect in "ph" for n in range(20)}


# Prompts


def prompt_of(row: dict[str, Any] | None) -> tuple[object, object]:
    assert row
    return row["prompt_id"], row["prompt_version"]


async def ids_by_value(client: httpx.AsyncClient, key: str, value: str) -> list[str]:
    return await ids(client, {"values": {key: {"equals": value}}})


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    ("sent", "version"),
    [
        ({"version": 2}, "2"),
        ({"version": "2"}, "2"),
        ({"label": "prod"}, "prod"),
        ({"version": 2, "label": None}, "2"),
        ({"version": None, "label": None}, None),
        ({}, None),
    ],
)
async def test_prompt_is_shown_and_filtered_by_helicones_calls(
    sdk: httpx.AsyncClient,
    client: httpx.AsyncClient,
    family: str,
    sent: dict[str, object],
    version: str | None,
) -> None:
    variables = {"topic": "dogs", "n": 1.50, "deep": {"a": [1]}}
    response = await sdk.post(
        f"{family}prompt",
        json={"request_id": 5, "prompt_name": "my_template", "prompt_input_variables": variables, **sent},
    )
    assert (response.status_code, response.json()) == (200, done("the prompt is stored"))
    assert prompt_of(await read(client, "5")) == ("my_template", version)
    for key, value in (("topic", "dogs"), ("n", "1.5"), ("deep", '{"a": [1]}')):
        assert await ids_by_value(client, key, value) == ["5"]
    assert await ids(client, {"request_response_rmt": {"prompt_id": {"equals": "my_template"}}}) == ["5"]
    condition = {"equals": version} if version else {"exists": False}
    assert await ids(client, {"request_response_rmt": {"prompt_version": condition}}) == ["5"]


async def test_prompt_tracked_again_replaces_all_of_it(
    sdk: httpx.AsyncClient, client: httpx.AsyncClient
) -> None:
    first = {"prompt_name": "a", "prompt_input_variables": {"x": "1"}, "version": 3}
    assert (await track(sdk, "prompt", request_id=5, **first)).status_code == 200
    assert (await track(sdk, "prompt", request_id=5, prompt_name="b")).status_code == 200
    assert prompt_of(await read(client, "5")) == ("b", None)
    assert await ids_by_value(client, "x", "1") == []


async def test_prompt_tracked_before_the_log_stays(sdk: httpx.AsyncClient, client: httpx.AsyncClient) -> None:
    fields = {"prompt_name": "a", "prompt_input_variables": {"x": "1"}, "label": "prod"}
    assert (await track(sdk, "prompt", request_id=5, **fields)).status_code == 200
    logged = {
        "providerRequest": {"json": {}, "meta": {"Helicone-Request-Id": "5"}},
        "providerResponse": {"json": {}, "status": 200},
    }
    assert (await client.post("/custom/v1/log", json=logged)).status_code == 200
    assert prompt_of(await read(client, "5")) == ("a", "prod")
    assert await ids_by_value(client, "x", "1") == ["5"]


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        ({"version": 1, "label": "prod"}, "label: cannot be combined with a version"),
        ({"prompt_name": ""}, "prompt_name: expected 1 to 512 characters, got 0"),
        ({"prompt_name": "x" * 513}, "prompt_name: expected 1 to 512 characters, got 513"),
        ({"prompt_name": None}, "prompt_name: expected a string, got null"),
        ({"prompt_name": 5}, "prompt_name: expected a string, got 5"),
        ({"prompt_input_variables": []}, "prompt_input_variables: expected an object, got an array"),
        ({"version": 0}, f"version: {INTEGER.format(1, 0)}"),
        ({"version": True}, f"version: {INTEGER.format(1, 'true')}"),
        ({"version": "2a"}, "version: " + INTEGER.format(1, '"2a"')),
        ({"label": ""}, "label: expected 1 to 512 characters, got 0"),
        ({"label": 5}, "label: expected a string, got 5"),
    ],
)
async def test_prompt_at_fault_is_refused(
    sdk: httpx.AsyncClient, client: httpx.AsyncClient, sent: dict[str, object], message: str
) -> None:
    response = await track(sdk, "prompt", **{"request_id": 5, "prompt_name": "a", **sent})
    assert (response.status_code, response.json()) == (400, error_response(message))
    assert await ids(client) == []


@pytest.mark.parametrize("request_id", [5, "5"])
@pytest.mark.parametrize("version", [2, "2", None])
@pytest.mark.parametrize("throws", [True, False])
async def test_shifted_call_of_the_async_sdk_is_repaired(
    sdk: httpx.AsyncClient, client: httpx.AsyncClient, request_id: object, version: object, throws: bool
) -> None:
    shifted = {"request_id": throws, "prompt_name": request_id, "prompt_input_variables": "a"}
    response = await track(sdk, "prompt", **shifted, version={"topic": "dogs"}, label=version)
    assert (response.status_code, response.json()) == (200, done("the prompt is stored"))
    assert prompt_of(await read(client, "5")) == ("a", None if version is None else "2")
    assert await ids_by_value(client, "topic", "dogs") == ["5"]


@pytest.mark.parametrize(
    "sent",
    [
        {"prompt_name": "a", "prompt_input_variables": {}},
        {"prompt_name": 5, "prompt_input_variables": {}, "version": {}},
        {"prompt_name": "a", "prompt_input_variables": "b", "version": {}},
        {"prompt_name": 5, "prompt_input_variables": "b", "version": 2},
        {"prompt_name": 5, "prompt_input_variables": "b", "version": {}, "label": []},
    ],
)
async def test_boolean_request_id_of_any_other_shape_is_refused(
    sdk: httpx.AsyncClient, sent: dict[str, object]
) -> None:
    response = await track(sdk, "prompt", request_id=True, **sent)
    assert response.status_code == 400
    assert response.json()["message"].startswith(f"request_id: {INTEGER.format(0, 'true')}")


# Metadata


@pytest.mark.parametrize("family", FAMILIES)
async def test_metadata_is_merged_into_the_properties(
    sdk: httpx.AsyncClient, client: httpx.AsyncClient, family: str
) -> None:
    for metadata in ({"user_id": "u1", "env": "dev"}, {"env": "prod", "n": 1.5, "on": True, "none": None}):
        response = await sdk.post(f"{family}metadata", json={"request_id": 5, "metadata": metadata})
        assert (response.status_code, response.json()) == (200, done("the metadata is stored"))
    response = await client.put("/v1/request/5/property", json={"key": "ours", "value": "x"})
    assert response.status_code == 200
    row = await read(client, "5")
    assert row
    assert row["properties"] == {
        "user_id": "u1",
        "env": "prod",
        "n": "1.5",
        "on": "true",
        "none": "null",
        "ours": "x",
    }
    assert await ids(client, {"properties": {"env": {"equals": "prod"}}}) == ["5"]


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        (None, "metadata: expected an object, got null"),
        ([], "metadata: expected an object, got an array"),
        ({"": "x"}, "metadata.: the key must not be empty"),
        ({"a\nb": "x"}, "metadata.a\\u000ab: the key must not contain control characters"),
    ],
)
async def test_metadata_at_fault_is_refused(sdk: httpx.AsyncClient, metadata: object, message: str) -> None:
    response = await track(sdk, "metadata", request_id=5, metadata=metadata)
    assert (response.status_code, response.json()) == (400, error_response(message))


async def test_nul_is_replaced_wherever_a_text_is_kept(
    sdk: httpx.AsyncClient, client: httpx.AsyncClient
) -> None:
    response = await track(sdk, "metadata", request_id=5, metadata={"a\0b": "c\0d", "e": ["f\0"]})
    assert response.status_code == 200
    response = await track(
        sdk, "prompt", request_id=5, prompt_name="p\0", prompt_input_variables={"v": "w\0"}, label="l\0"
    )
    assert response.status_code == 200
    row = await read(client, "5")
    assert row
    assert row["properties"] == {"a\ufffdb": "c\ufffdd", "e": '["f\\u0000"]'}
    assert prompt_of(row) == ("p\ufffd", "l\ufffd")
    assert await ids_by_value(client, "v", "w\ufffd") == ["5"]


# Groups


async def test_request_is_put_into_a_group(sdk: httpx.AsyncClient, client: httpx.AsyncClient) -> None:
    response = await sdk.post("/create-group", json={})
    group_id = response.json()["id"]
    assert (response.status_code, response.json()) == (200, done("the group is made", id=group_id))
    assert isinstance(group_id, int)
    assert 0 < group_id < 2**53
    for path, sent in (("/track-group", group_id), ("/rest/track-group", str(group_id))):
        response = await track(sdk, path, request_id=5, group_id=sent)
        assert (response.status_code, response.json()) == (200, done("the group is stored"))
    assert await ids(client, {"properties": {"promptlayer_group_id": {"equals": str(group_id)}}}) == ["5"]


async def test_groups_have_ids_of_their_own(sdk: httpx.AsyncClient) -> None:
    made = [(await sdk.post("/create-group", json={})).json()["id"] for _ in range(3)]
    assert len(set(made)) == 3


async def test_group_of_nobody_or_another_organization_is_refused(
    sdk: httpx.AsyncClient, client: httpx.AsyncClient, shared: Service, organization: str
) -> None:
    stranger = await make_client(shared, f"not {organization}")
    theirs = (await stranger.post("/create-group", json={})).json()["id"]
    for group_id in (theirs, 2**53 - 1):
        response = await track(sdk, "/track-group", request_id=5, group_id=group_id)
        assert (response.status_code, response.json()) == (
            400,
            error_response(f"group_id: there is no group {group_id}"),
        )
    assert await ids(client) == []


# Unknown requests


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/library-track-score", {"score": 5}),
        ("/library-track-prompt", {"prompt_name": "a"}),
        ("/library-track-metadata", {"metadata": {"a": "b"}}),
        ("/track-group", {"group_id": None}),
    ],
)
async def test_unknown_request_is_refused_where_the_setting_says_so(
    start_service: StartService, path: str, fields: dict[str, object]
) -> None:
    service = await start_service(unknown_requests="reject")
    sdk = await make_client(service)
    if "group_id" in fields:
        fields = {"group_id": (await sdk.post("/create-group", json={})).json()["id"]}
    response = await track(sdk, path, request_id=404, **fields)
    assert (response.status_code, response.json()) == (404, error_response("there is no request 404"))
    assert await ids(await service.client()) == []
