"""Scores of which a human's value stays until a human changes or removes it (precedence)."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from tests.api.envelope import DONE, scores_of

from .test_score_history import HUMAN, JUDGE, brief, give, shown


@pytest.fixture
async def human_first(client: httpx.AsyncClient) -> httpx.AsyncClient:
    """A client for whose organization humans come first in the score a, and not in b."""
    response = await client.put(
        "/v1/score-definitions/a", json={"type": "integer", "precedence": "human", "enforce": "off"}
    )
    assert response.status_code == 200, response.text
    return client


async def test_human_s_value_stays_and_the_judge_s_is_an_opinion(human_first: httpx.AsyncClient) -> None:
    await give(human_first, "r", {"a": 10, "b": 10}, JUDGE)
    await give(human_first, "r", {"a": 80, "b": 80}, HUMAN)
    await give(human_first, "r", {"a": {"value": 20, "comment": "again"}, "b": 20}, JUDGE)
    assert await scores_of(human_first, "r") == {"a": 80, "b": 20}
    score = (await shown(human_first, "r"))["a"]
    assert brief(score) == (80, HUMAN, None)
    assert [brief(opinion) for opinion in score["opinions"]] == [(20, JUDGE, "again"), (80, HUMAN, None)]
    assert [change["isAside"] for change in score["history"]] == [True, False, False]
    assert (await shown(human_first, "r", score["history"][0]["at"]))["a"]["value"] == 80


async def test_human_changes_and_removes_a_human_s_value(human_first: httpx.AsyncClient) -> None:
    await give(human_first, "r", {"a": 80}, HUMAN)
    await give(human_first, "r", {"a": 70}, "human:bob")
    assert await scores_of(human_first, "r") == {"a": 70}
    response = await human_first.delete("/v1/request/r/score/a", headers={"Heliscore-Author": HUMAN})
    assert response.status_code == 200
    await give(human_first, "r", {"a": 20}, JUDGE)
    assert await scores_of(human_first, "r") == {"a": 20}


async def test_judge_does_not_remove_a_human_s_value(human_first: httpx.AsyncClient) -> None:
    await give(human_first, "r", {"a": 80, "b": 80}, HUMAN)
    response = await human_first.delete("/v1/request/r/score/a", headers={"Heliscore-Author": JUDGE})
    error = "the score a is a human's: by its definition only a human removes it"
    assert (response.status_code, response.json()) == (409, {"data": None, "error": error})
    response = await human_first.delete("/v1/request/r/score/b", headers={"Heliscore-Author": JUDGE})
    assert (response.status_code, response.json()) == (200, DONE)
    response = await human_first.delete("/v1/request/r/score/none", headers={"Heliscore-Author": JUDGE})
    assert response.status_code == 404
    assert await scores_of(human_first, "r") == {"a": 80}


@pytest.mark.parametrize("mode", ["atomic", "partial"])
async def test_items_of_an_upload_yield_in_their_order(human_first: httpx.AsyncClient, mode: str) -> None:
    values = [(10, JUDGE), (80, HUMAN), (20, JUDGE), (30, "code:x"), (70, "human:bob"), (40, JUDGE)]
    items = [{"requestId": "r", "scores": {"a": value}, "author": author} for value, author in values]
    response = await human_first.post("/v1/scores/batch", json={"items": items, "mode": mode})
    assert response.status_code == 200
    score = (await shown(human_first, "r"))["a"]
    assert brief(score) == (70, "human:bob", None)
    found = sorted((change["value"], change["isAside"]) for change in score["history"])
    assert found == [(10, False), (20, True), (30, True), (40, True), (70, False), (80, False)]


async def test_gathered_posts_yield(human_first: httpx.AsyncClient) -> None:
    """Many at once: some are written by one statement."""
    await give(human_first, "r", {"a": 80}, HUMAN)
    await asyncio.gather(
        *(give(human_first, "r", {"a": number, "c": number}, f"judge:{number}") for number in range(20)),
        give(human_first, "s", {"a": 1}, JUDGE),
    )
    assert (await shown(human_first, "r"))["a"]["value"] == 80
    assert len((await shown(human_first, "r"))["a"]["opinions"]) == 21
    assert await scores_of(human_first, "s") == {"a": 1}
