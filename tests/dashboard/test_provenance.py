"""Who gave the scores of a request, when and why, as its page shows it, and undoing one's own changes."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import quote

import httpx
import pytest
from heliscore.dashboard.parts.provenance import format_labelled
from heliscore.dashboard.parts.session import REVIEWER_COOKIE
from heliscore.domain.score import Score
from heliscore.domain.score_definition import ScoreDefinition

from tests.conftest import Service
from tests.dashboard.conftest import SignIn, csrf_token
from tests.dashboard.reading import read_text
from tests.dashboard.test_request import save, stored, submit
from tests.dashboard.test_requests import HOSTILE

JUDGE = "judge:relevance-judge@1"


async def score(client: httpx.AsyncClient, author: str, **scores: object) -> None:
    body = {"requestId": "a", "scores": scores, "author": author}
    (await client.post("/v1/scores", json=body)).raise_for_status()


async def shown(visitor: httpx.AsyncClient, name: str = "accuracy") -> str:
    """Who gave a score, when and why, as text without times."""
    page = (await visitor.get("/requests/a")).text
    form = page[page.index(f'data-name="{name}"') :]
    found = re.search(
        r'<div class="score-about">(.*?)</div>\s*<details class="fold score-comment"', form, re.DOTALL
    )
    assert found
    return (
        read_text(re.sub("<time.*?</time>", "AT", found[1]))
        .replace(" ,", ",")
        .replace(f"Undo {name}", "Undo")
    )


async def name_reviewer(visitor: httpx.AsyncClient, name: str) -> httpx.Response:
    return await submit(visitor, "/reviewer", name=name, next="/requests/a")


async def change_number(visitor: httpx.AsyncClient, name: str = "accuracy") -> str | None:
    """The change that the page offers to undo."""
    page = (await visitor.get("/requests/a")).text
    form = page[page.index(f'data-name="{name}"') :].partition("</form>")[0]
    found = re.search(r'name="change" value="(\d+)"', form)
    return found[1] if found else None


async def undo(visitor: httpx.AsyncClient, change: str | None) -> httpx.Response:
    return await submit(visitor, "/requests/a/score", name="accuracy", act="undo", change=change or "")


async def test_score_shows_author_comment_opinions_and_history(service: Service, sign_in: SignIn) -> None:
    client, visitor = await service.client(), await sign_in()
    await score(client, JUDGE, accuracy={"value": 62, "comment": "misses the fee"})
    assert await shown(visitor) == f"62 by {JUDGE}, AT misses the fee"
    await score(client, "human:bob", accuracy=85)
    assert await shown(visitor) == (
        "85 by human:bob, AT "
        f"1 other opinion 62 by {JUDGE}, AT misses the fee "
        f"History of 2 changes 85 replaced by human:bob, AT 62 set by {JUDGE}, AT misses the fee"
    )


async def test_reader_sees_the_same_without_undo(service: Service, sign_in: SignIn) -> None:
    client, reader = await service.client(), await sign_in(permissions="r")
    await score(client, JUDGE, accuracy={"value": 62, "comment": "misses the fee"})
    page = (await reader.get("/requests/a")).text
    found = re.search(r'<dd class="score-about">(.*?)</dd>', page, re.DOTALL)
    assert found
    assert read_text(re.sub("<time.*?</time>", "AT", found[1])) == f"62 by {JUDGE} , AT misses the fee"


async def test_labels_direction_and_warning_of_the_definition_are_shown(
    service: Service, sign_in: SignIn
) -> None:
    client, visitor = await service.client(), await sign_in()
    definition = {
        "type": "category", "direction": "lower", "unit": "points", "enforce": "warn",
        "labels": {"0": "wrong", "2": "right"},
    }  # fmt: skip
    (await client.put("/v1/score-definitions/accuracy", json=definition)).raise_for_status()
    await score(client, JUDGE, accuracy=2)
    assert await shown(visitor) == f"lower is better · points 2 (right) by {JUDGE}, AT"
    page = (await visitor.get("/requests/a")).text
    picks = re.findall(
        r'<button class="pick" name="value" value="(\d)".*?aria-pressed="(\w+)">(.*?)</button>', page
    )
    assert [(value, pressed, read_text(words)) for value, pressed, words in picks] == [
        ("0", "false", "0 wrong"),
        ("2", "true", "2 right"),
    ]
    saved = await save(visitor, "/requests/a/scores", {"accuracy": "7"})
    message = "must be one of 0 (wrong), 2 (right), got 7"
    assert saved.json() == {"scores": {"accuracy": "7"}, "warnings": [f"scores.accuracy: {message}"]}
    assert f"7 by api:test, AT {message} Undo" in await shown(visitor)


@pytest.mark.parametrize(("labels", "value"), [({1: "yes"}, "yes"), ({1: "cited"}, "yes (cited)")])
def test_label_is_not_said_twice(labels: dict[int, str], value: str) -> None:
    definition = ScoreDefinition("c", "boolean", labels=labels)
    assert format_labelled("c", Score(1, True), definition) == value


async def test_description_and_bounds_of_the_definition_are_shown(service: Service, sign_in: SignIn) -> None:
    client, visitor = await service.client(), await sign_in()
    await score(client, JUDGE, accuracy=2)
    for bounds, words in (
        ({"min": 0, "max": 5}, "0 to 5"),
        ({"min": 0}, "at least 0"),
        ({"max": 5}, "at most 5"),
    ):
        definition = {"type": "integer", "description": "Is it <true>?"} | bounds
        (await client.put("/v1/score-definitions/accuracy", json=definition)).raise_for_status()
        assert await shown(visitor) == f"Is it <true>? {words} 2 by {JUDGE}, AT"


async def test_reviewer_is_the_author_of_what_is_saved_and_removed_by_hand(
    service: Service, sign_in: SignIn
) -> None:
    client, visitor = await service.client(), await sign_in()
    await score(client, JUDGE, accuracy=62, tone=1)
    named = await name_reviewer(visitor, " Ada Lovelace ")
    assert (named.status_code, named.headers["location"]) == (303, "/requests/a")
    await save(visitor, "/requests/a/scores", {"accuracy": {"value": "70", "comment": "half of it"}})
    await submit(visitor, "/requests/a/score", name="tone", value="2", comment="curt\r\nbut right")
    assert (await shown(visitor)).startswith("70 by human:Ada Lovelace, AT half of it Undo")
    assert (await shown(visitor, "tone")).startswith("2 by human:Ada Lovelace, AT curt but right Undo")
    await save(visitor, "/requests/a/scores/tone", {}, "DELETE")
    assert (await shown(visitor, "tone")).startswith("removed by human:Ada Lovelace, AT Undo")
    await name_reviewer(visitor, "")
    await save(visitor, "/requests/a/scores", {"accuracy": "71"})
    assert (await shown(visitor)).startswith("71 by api:test, AT")


async def test_reviewer_is_kept_for_the_session_only(visitor: httpx.AsyncClient, service: Service) -> None:
    data = {"key": await service.make_key(), "name": "Zoë; =💡"}
    await visitor.post("/sign-in", data=data)
    page = (await visitor.get("/")).text
    assert "Scores that you give are human:Zoë; =💡's." in page
    await submit(visitor, "/sign-out")
    assert dict(visitor.cookies) == {}
    page = (await visitor.get("/sign-in")).text
    assert 'autocomplete="name" spellcheck="false" value=""' in page


@pytest.mark.parametrize("name", ["n" * 256, "a\x07b"])
async def test_reviewers_name_is_checked(service: Service, sign_in: SignIn, name: str) -> None:
    visitor = await sign_in()
    assert (await name_reviewer(visitor, name)).status_code == 400
    refused = await visitor.post("/sign-in", data={"key": await service.make_key(), "name": name})
    assert (refused.status_code, "set-cookie" in refused.headers) == (400, False)
    visitor.cookies.set(REVIEWER_COOKIE, quote(name))
    assert "Scores that you give are api:test's." in (await visitor.get("/")).text


async def test_own_change_is_undone_and_no_other(service: Service, sign_in: SignIn) -> None:
    client, visitor = await service.client(), await sign_in()
    await score(client, JUDGE, accuracy={"value": 62, "comment": "misses the fee"})
    await name_reviewer(visitor, "ada")
    assert await change_number(visitor) is None
    await save(visitor, "/requests/a/scores", {"accuracy": "99"})
    change = await change_number(visitor)
    assert (await undo(visitor, change)).headers["location"] == "/requests/a"
    assert (await shown(visitor)).startswith(f"62 by {JUDGE}, AT, restored by human:ada misses the fee")
    assert await change_number(visitor) is None
    refused = await undo(visitor, change)
    assert (refused.status_code, "<h1>Conflict</h1>" in refused.text) == (409, True)
    await score(client, "human:bob", accuracy=5)
    bobs = (await client.get("/v1/request/a/scores")).json()["data"]["scores"]["accuracy"]["change"]
    assert (await undo(visitor, str(bobs))).status_code == 409
    assert await stored(client) == {"accuracy": 5}


async def test_first_change_and_removal_are_undone_by_script(service: Service, sign_in: SignIn) -> None:
    client, visitor = await service.client(), await sign_in()
    await score(client, JUDGE, other=1)
    headers = {"X-CSRF-Token": await csrf_token(visitor)}
    await save(visitor, "/requests/a/scores", {"accuracy": "99"})
    for value in (None, "99"):
        body = {"change": int(await change_number(visitor) or 0)}
        answer = await visitor.post("/requests/a/scores/accuracy/undo", json=body, headers=headers)
        assert answer.json() == {"scores": {"other": "1"} | ({"accuracy": value} if value else {})}


async def test_comment_at_fault_is_shown_again(service: Service, sign_in: SignIn) -> None:
    client, visitor = await service.client(), await sign_in()
    await score(client, JUDGE, accuracy=62)
    comment = "c" * 10_001
    reason = "must have at most 10000 characters, got 10001"
    refused = await submit(visitor, "/requests/a/score", name="accuracy", value="7", comment=comment)
    assert refused.status_code == 400
    assert f"Not saved: {reason}" in refused.text
    assert f">{comment}</textarea>" in refused.text
    for entry, error in (
        ({"value": "7", "comment": comment}, f"scores.accuracy.comment: {reason}"),
        ({"comment": "x"}, "scores.accuracy.value: missing"),
        ({"value": "7", "why": "x"}, "scores.accuracy.why: unknown key; known are comment, value"),
        ({"value": 7}, "scores.accuracy.value: expected a string, got 7"),
    ):
        answer = await save(visitor, "/requests/a/scores", {"accuracy": entry})
        assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert await stored(client) == {"accuracy": 62}


async def test_hostile_authors_and_comments_stay_texts(service: Service, sign_in: SignIn) -> None:
    client, visitor = await service.client(), await sign_in()
    await score(client, f"judge:{HOSTILE}", accuracy={"value": 1, "comment": HOSTILE})
    await name_reviewer(visitor, HOSTILE)
    await save(visitor, "/requests/a/scores", {"accuracy": {"value": "2", "comment": HOSTILE}})
    page = (await visitor.get("/requests/a")).text
    assert "<script>alert" not in page
    assert unescape(page).count(HOSTILE) >= 6


async def test_long_history_is_cut(service: Service, sign_in: SignIn) -> None:
    client, visitor = await service.client(), await sign_in()
    items = [{"requestId": "a", "scores": {"accuracy": value}} for value in range(53)]
    (await client.post("/v1/scores/batch", json={"items": items})).raise_for_status()
    text = await shown(visitor)
    assert "History of 53 changes 52 replaced by" in text
    assert " 3 replaced by" in text
    assert " 2 replaced by" not in text
    assert text.endswith("3 older ones are not shown here; the API returns all of them.")
