"""PyPI promptlayer, unmodified, blocking and async: what it returns and raises, and what is stored."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import promptlayer
import pytest
from heliscore.domain.api_key import mint_key
from promptlayer import AsyncPromptLayer, PromptLayer
from promptlayer.exceptions import PromptLayerError
from promptlayer.utils import atrack_request, track_request

from tests.conftest import Service
from tests.sdk.told import DOGS, LOG, NEVER, TRACK, assert_found, assert_tracked, count, losing_answers

Make = Callable[..., Any]


class Awaiting:
    """An SDK object whose methods all can be awaited: those of the blocking SDK run in a thread."""

    def __init__(self, sdk: Any) -> None:
        self._sdk = sdk

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._sdk, name)
        return awaiting(attribute) if inspect.isroutine(attribute) else Awaiting(attribute)


def awaiting(function: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
    async def call(*args: Any, **kwargs: Any) -> Any:
        if inspect.iscoroutinefunction(function):
            return await function(*args, **kwargs)
        return await asyncio.to_thread(function, *args, **kwargs)

    return call


@pytest.fixture(params=["sync", "async"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def make_sdk(kind: str) -> Make:
    """Make an SDK client of either kind."""

    def make(address: str, key: str, *, throws: bool = True) -> Any:
        sdk = PromptLayer if kind == "sync" else AsyncPromptLayer
        return Awaiting(sdk(api_key=key, base_url=address, throw_on_error=throws))

    return make


@pytest.fixture
async def sdk(service: Service, make_sdk: Make) -> Any:
    return make_sdk(service.address, await service.make_key())


async def raised(call: Awaitable[Any]) -> tuple[str, str]:
    """The class and the text of what a call raises."""
    with pytest.raises(PromptLayerError) as caught:
        await call
    return type(caught.value).__name__, str(caught.value)


def test_version_is_the_one_of_the_contract() -> None:
    assert promptlayer.__version__ == "1.5.16"


async def test_every_call_is_carried_out(sdk: Any, client: httpx.AsyncClient) -> None:
    logged = await sdk.log_request(**LOG)
    request_id = logged["id"]
    assert logged == {
        "success": True,
        "message": "the request is logged",
        "id": request_id,
        "request_id": request_id,
        "prompt_version": None,
        "status": "SUCCESS",
        "error_type": None,
        "error_message": None,
    }
    group_id = await sdk.group.create()
    assert isinstance(group_id, int)
    assert await sdk.track.score(request_id, 88) is True
    assert await sdk.track.score(request_id, 100, "summarization") is True
    assert await sdk.track.metadata(request_id, {"user_id": "u1"}) is True
    assert await sdk.track.prompt(request_id, "my_template", DOGS, version=2) is True
    assert await sdk.track.group(request_id, group_id) is True
    await assert_found(client, request_id, group_id)


async def test_request_of_run_is_tracked(
    kind: str, service: Service, sdk: Any, client: httpx.AsyncClient
) -> None:
    body = TRACK | {"api_key": await service.make_key(), "group_id": await sdk.group.create()}
    track = awaiting(track_request if kind == "sync" else atrack_request)
    tracked = await track(service.address, True, **body)
    request_id = tracked["request_id"]
    assert tracked == {
        "success": True,
        "message": "the request is tracked",
        "request_id": request_id,
        "prompt_blueprint": None,
    }
    row = (await client.get(f"/v1/request/{request_id}")).json()["data"]
    assert row["properties"] == {"user_id": "u1", "promptlayer_group_id": str(body["group_id"])}


async def test_base_url_may_end_in_a_slash(service: Service, make_sdk: Make) -> None:
    sdk = make_sdk(f"{service.address}/", await service.make_key())
    assert await sdk.track.score(1, 5) is True


async def test_default_score_of_log_request_is_none(sdk: Any, client: httpx.AsyncClient) -> None:
    logged = await sdk.log_request(**LOG)
    row = (await client.get(f"/v1/request/{logged['id']}")).json()["data"]
    assert row["scores"] == {}


async def test_label_is_the_version_without_one(kind: str, sdk: Any, client: httpx.AsyncClient) -> None:
    assert await sdk.track.prompt(5, "my_template", DOGS, label="prod") is True
    row = (await client.get("/v1/request/5")).json()["data"]
    # The async SDK passes every argument in the place of another and drops the label.
    version = "prod" if kind == "sync" else None
    assert (row["prompt_id"], row["prompt_version"]) == ("my_template", version)


# Failures

NAMES = ("score", "metadata", "prompt", "group", "create", "log")


def calls_of(sdk: Any) -> dict[str, Callable[[], Awaitable[Any]]]:
    """A call of each kind, not yet made."""
    return {
        "score": lambda: sdk.track.score(1, 5),
        "metadata": lambda: sdk.track.metadata(1, {"a": "b"}),
        "prompt": lambda: sdk.track.prompt(1, "a", DOGS, version=1),
        "group": lambda: sdk.track.group(1, 1),
        "create": lambda: sdk.group.create(),
        "log": lambda: sdk.log_request(**LOG),
    }


@pytest.mark.parametrize("name", NAMES)
async def test_wrong_key_is_raised_with_our_words(
    kind: str, service: Service, make_sdk: Make, client: httpx.AsyncClient, name: str
) -> None:
    sdk = make_sdk(service.address, mint_key())
    if (kind, name) == ("async", "prompt"):
        # It takes the missing label for the wish not to raise.
        assert await calls_of(sdk)[name]() is False
    else:
        class_, text = await raised(calls_of(sdk)[name]())
        assert class_ in ("PromptLayerAuthenticationError", "PromptLayerAPIError")
        assert text.endswith(": the API key is not valid")
    assert await count(client) == 0


@pytest.mark.parametrize("name", NAMES)
async def test_wrong_key_is_returned_where_nothing_is_to_be_raised(
    service: Service, make_sdk: Make, name: str
) -> None:
    sdk = make_sdk(service.address, mint_key(), throws=False)
    assert not await calls_of(sdk)[name]()


async def test_score_that_the_sdk_lets_through_is_refused_by_us(sdk: Any, client: httpx.AsyncClient) -> None:
    class_, text = await raised(sdk.track.score(1, True))
    assert class_ in ("PromptLayerBadRequestError", "PromptLayerAPIError")
    assert text.endswith(": score: expected an integer from 0 to 100, got true")
    assert await count(client) == 0


async def test_score_out_of_range_is_refused_by_the_sdk(sdk: Any) -> None:
    assert await raised(sdk.track.score(1, 101)) == (
        "PromptLayerValidationError",
        "Please provide a score between 0 and 100.",
    )


async def test_group_that_is_unknown_is_raised_with_our_words(sdk: Any) -> None:
    _, text = await raised(sdk.track.group(1, 10**9))
    assert text.endswith(": group_id: there is no group 1000000000")


@pytest.mark.parametrize("name", ["score", "create", "log"])
async def test_server_that_is_away_is_raised(make_sdk: Make, name: str) -> None:
    class_, _ = await raised(calls_of(make_sdk(NEVER, mint_key()))[name]())
    assert class_ in ("PromptLayerAPIConnectionError", "PromptLayerAPIError")


async def test_call_whose_answer_was_lost_is_made_again_and_done_once(
    kind: str, service: Service, make_sdk: Make, client: httpx.AsyncClient
) -> None:
    async with losing_answers(service.address, 2) as address:
        sdk = make_sdk(address, await service.make_key())
        if kind == "sync":
            logged = await sdk.log_request(**LOG, score=7)
        else:
            # It resends nothing by itself.
            for _ in range(2):
                await raised(sdk.log_request(**LOG, score=7))
            logged = await sdk.log_request(**LOG, score=7)
    response = await client.post("/v1/request/query", json={"filter": "all"})
    [row] = response.json()["data"]
    assert (row["request_id"], row["scores"]) == (str(logged["id"]), {"default": 7})


@pytest.mark.parametrize("path", ["/rest/track-request", "/track-request"])
async def test_request_is_tracked_as_langchain_and_litellm_do(
    service: Service, client: httpx.AsyncClient, path: str
) -> None:
    body = TRACK | {"api_key": await service.make_key()}
    async with httpx.AsyncClient(base_url=service.address, timeout=30) as plain:
        response = await plain.post(path, json=body)
        request_id = response.json()["request_id"]
        metadata = {"request_id": request_id, "api_key": body["api_key"], "metadata": {"user_id": "u1"}}
        assert (await plain.post("/rest/track-metadata", json=metadata)).status_code == 200
    await assert_tracked(client, request_id)
