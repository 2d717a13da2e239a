"""npm promptlayer, unmodified: what it returns and raises, and what is stored."""

from __future__ import annotations

import httpx
from heliscore.domain.api_key import mint_key

from tests.conftest import Service
from tests.sdk.conftest import RunPromptLayer
from tests.sdk.told import DOGS, LOG, NEVER, assert_found, count, losing_answers

TRUE = {"returned": True}
FALSE = {"returned": False}


async def test_every_call_is_carried_out(client: httpx.AsyncClient, run_promptlayer: RunPromptLayer) -> None:
    logged, group = await run_promptlayer(["logRequest", LOG], ["group.create"])
    request_id, group_id = logged["returned"]["id"], group["returned"]
    assert logged["returned"] == {
        "success": True,
        "message": "the request is logged",
        "id": request_id,
        "request_id": request_id,
        "prompt_version": None,
        "status": "SUCCESS",
        "error_type": None,
        "error_message": None,
    }
    about = {"request_id": request_id}
    prompt = {"prompt_name": "my_template", "prompt_input_variables": DOGS, "version": 2}
    assert (
        await run_promptlayer(
            ["track.score", about | {"score": 88}],
            ["track.score", about | {"score": 100, "name": "summarization"}],
            ["track.metadata", about | {"metadata": {"user_id": "u1"}}],
            ["track.prompt", about | prompt],
            ["track.group", about | {"group_id": group_id}],
        )
        == [TRUE] * 5
    )
    await assert_found(client, request_id, group_id)


async def test_call_of_a_wrapped_package_is_tracked(
    client: httpx.AsyncClient, run_promptlayer: RunPromptLayer
) -> None:
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}]}
    [outcome] = await run_promptlayer(["wrapped", body | {"return_pl_id": True, "pl_tags": ["a"]}])
    completion, request_id = outcome["returned"]
    row = (await client.get(f"/v1/request/{request_id}")).json()["data"]
    expected = {
        "request_body": body["messages"],
        "response_body": completion,
        "provider": "openai",
        "request_model": "gpt-4o",
        "response_model": "gpt-4o-2024",
        "response_id": "chatcmpl-1",
        "total_tokens": 8,
    }
    assert {key: row[key] for key in expected} == expected


async def test_score_name_in_pythons_spelling_counts(
    client: httpx.AsyncClient, run_promptlayer: RunPromptLayer
) -> None:
    step = ["track.score", {"request_id": 5, "score": 7, "score_name": "tone"}]
    assert await run_promptlayer(step) == [TRUE]
    assert (await client.get("/v1/request/5")).json()["data"]["scores"] == {"tone": 7}


async def test_base_url_may_end_in_a_slash(service: Service, run_promptlayer: RunPromptLayer) -> None:
    step = ["track.score", {"request_id": 5, "score": 7}]
    assert await run_promptlayer(step, address=f"{service.address}/") == [TRUE]


async def test_refusals_are_raised_with_our_words(
    client: httpx.AsyncClient, run_promptlayer: RunPromptLayer
) -> None:
    assert await run_promptlayer(
        ["track.score", {"request_id": 5, "score": 87.5}],
        ["track.score", {"request_id": "req_1", "score": 5}],
        [
            "track.prompt",
            {"request_id": 5, "prompt_name": "a", "prompt_input_variables": {}, "version": 1, "label": "b"},
        ],
        ["track.group", {"request_id": 5, "group_id": 10**9}],
        ["logRequest", {"provider": "openai"}],
    ) == [
        {"raised": "score: expected an integer from 0 to 100, got 87.5"},
        {
            "raised": f"request_id: expected an integer from 0 to {2**63 - 1} or a string of its digits, "
            'got "req_1"'
        },
        {"raised": "label: cannot be combined with a version"},
        {"raised": "group_id: there is no group 1000000000"},
        {
            "raised": "input: missing; output: missing; request_start_time: missing; "
            "request_end_time: missing; model: missing"
        },
    ]
    assert await count(client) == 0


STEPS = (
    ["track.score", {"request_id": 5, "score": 5}],
    ["track.metadata", {"request_id": 5, "metadata": {"a": "b"}}],
    ["track.prompt", {"request_id": 5, "prompt_name": "a", "prompt_input_variables": DOGS}],
    ["track.group", {"request_id": 5, "group_id": 1}],
    ["group.create"],
    ["logRequest", LOG],
)


async def test_wrong_key_is_raised_with_our_words(
    client: httpx.AsyncClient, run_promptlayer: RunPromptLayer
) -> None:
    outcomes = await run_promptlayer(*STEPS, key=mint_key())
    assert outcomes == [{"raised": "the API key is not valid"}] * 6
    assert await count(client) == 0


async def test_wrong_key_is_returned_where_nothing_is_to_be_raised(run_promptlayer: RunPromptLayer) -> None:
    outcomes = await run_promptlayer(*STEPS, key=mint_key(), throws=False)
    assert outcomes == [*[FALSE] * 5, {"returned": None}]


async def test_server_that_is_away_is_raised(run_promptlayer: RunPromptLayer) -> None:
    outcomes = await run_promptlayer(["track.score", {"request_id": 5, "score": 5}], address=NEVER)
    assert outcomes == [{"raised": "fetch failed"}]


async def test_call_whose_answer_was_lost_is_made_again_and_done_once(
    service: Service, client: httpx.AsyncClient, run_promptlayer: RunPromptLayer
) -> None:
    async with losing_answers(service.address, 1) as address:
        [logged] = await run_promptlayer(["logRequest", LOG | {"score": 7}], address=address)
    response = await client.post("/v1/request/query", json={"filter": "all"})
    [row] = response.json()["data"]
    assert (row["request_id"], row["scores"]) == (str(logged["returned"]["id"]), {"default": 7})
