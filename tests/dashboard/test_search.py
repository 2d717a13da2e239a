"""The search for places of the dashboard, as a page and as the palette asks for it."""

from __future__ import annotations

import re
from typing import Any

import httpx

from tests.conftest import Service
from tests.dashboard.conftest import SignIn
from tests.dashboard.reading import read_text

LOGGED = {
    "providerRequest": {
        "url": "custom",
        "json": {"model": "gpt-5-mini"},
        "meta": {"Helicone-Request-Id": "req_logged", "Helicone-Prompt-Id": "support-reply"},
    },
    "providerResponse": {"json": {}, "status": 200, "headers": {}},
}


async def find(client: httpx.AsyncClient, text: str) -> dict[str, list[tuple[str, str]]]:
    """Titles and addresses by kind, for the palette."""
    answer: Any = (await client.get("/search/found", params={"q": text})).json()
    return {
        kind["title"]: [(place["title"], place["href"]) for place in kind["places"]]
        for kind in answer["kinds"]
    }


async def test_places_are_found_by_words_of_their_names(service: Service, sign_in: SignIn) -> None:
    client, other, visitor = await service.client(), await service.client("other"), await sign_in()
    scores = {"tone of voice": 1, "voice": 2, "helicone-score-feedback": True}
    await client.post("/v1/request/req_1/score", json={"scores": scores})
    await other.post("/v1/request/req_2/score", json={"scores": {"voice of others": 1}})
    await client.post("/custom/v1/log", json=LOGGED)
    assert await find(visitor, "VOICE") == {
        "Scores": [("voice", "/?score=voice"), ("tone of voice", "/?score=tone+of+voice")]
    }
    assert await find(visitor, "of tone") == {"Scores": [("tone of voice", "/?score=tone+of+voice")]}
    assert await find(visitor, "req_1") == {"Request": [("req_1", "/requests/req_1")]}
    assert await find(visitor, "feed") == {"Scores": [("Feedback", "/?score=helicone-score-feedback")]}
    for nothing in ("req_2", "req_", "others", "%00", "a" * 300, "."):
        assert await find(visitor, nothing) == {}, nothing
    assert await find(visitor, "api ") == {
        "Pages": [("API keys", "/settings/keys"), ("API reference", "/docs")]
    }
    found = await find(visitor, "gpt")
    assert list(found) == ["Models"]
    assert found["Models"][0][0] == "gpt-5-mini"
    requests = await visitor.get(found["Models"][0][1])
    assert "req_logged" in requests.text
    assert [title for title, _ in (await find(visitor, "support"))["Prompts"]] == ["support-reply"]


async def test_saved_views_and_open_queues_are_found(service: Service, sign_in: SignIn) -> None:
    client, other, visitor = await service.client(), await service.client("other"), await sign_in()
    for of_organization in (client, other):
        view = {"name": "Worst of the week", "range": "7d"}
        assert (await of_organization.post("/v1/views", json=view)).is_success
    ids = []
    for name in ("weekly", "closed of a week"):
        made = await client.post("/v1/queues", json={"name": name, "scores": ["accuracy"]})
        ids.append(made.json()["data"]["id"])
    assert (await client.patch(f"/v1/queues/{ids[1]}", json={"closed": True})).is_success
    places = {
        "Views": [("Worst of the week", "/requests?range=7d")],
        "Queues": [("weekly", f"/queues/{ids[0]}")],
    }
    assert await find(visitor, "week") == places
    begin = await find(visitor, "")
    assert {kind: begin[kind] for kind in places} == places


async def test_search_begins_with_pages_and_scores(service: Service, sign_in: SignIn) -> None:
    client, visitor = await service.client(), await sign_in()
    await client.post("/v1/request/req_1/score", json={"scores": {"accuracy": 1}})
    found = await find(visitor, "")
    assert list(found) == ["Pages", "Scores"]
    assert found["Pages"][:2] == [("Overview", "/"), ("Requests", "/requests")]


async def test_search_is_a_page_too(service: Service, sign_in: SignIn) -> None:
    client, visitor = await service.client(), await sign_in()
    await client.post("/v1/request/a%2Fb/score", json={"scores": {"<b>": 1}})
    assert 'href="/search" aria-keyshortcuts="Control+K Meta+K"' in (await visitor.get("/")).text
    page = (await visitor.get("/search", params={"q": "a/b"})).text
    assert '<li><a href="/requests/a%2Fb">a/b</a></li>' in page
    page = (await visitor.get("/search", params={"q": "<b>"})).text
    assert '<li><a href="/?score=%3Cb%3E">&lt;b&gt;</a></li>' in page
    page = (await visitor.get("/search", params={"q": "<nothing>"})).text
    assert "Nothing is called “<nothing>”" in read_text(page)
    assert re.search(r'name="q" type="search" value="&lt;nothing&gt;"', page)


async def test_menu_marks_its_page_in_both_of_its_forms(sign_in: SignIn) -> None:
    page = (await (await sign_in()).get("/settings/keys")).text
    assert page.count('<li><a href="/settings" aria-current="page">Settings</a></li>') == 2
    assert page.count('<li><a href="/">Overview</a></li>') == 2
