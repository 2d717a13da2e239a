"""The page of what changed."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from tests.conftest import Service
from tests.dashboard.conftest import SignIn
from tests.dashboard.entries import Entry, enter
from tests.dashboard.reading import read_text
from tests.dashboard.test_overview import HOSTILE

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
WEEK = "/changes?from=2026-03-02&to=2026-03-08"
DAY = timedelta(days=1)
GOOD = {"type": "integer", "direction": "higher"}


async def get(client: httpx.AsyncClient, address: str, status: int = 200) -> str:
    response = await client.get(address)
    assert response.status_code == status, response.text
    return response.text


def entries(day: float, value: int, name: str = "accuracy", count: int = 40, **columns: Any) -> list[Entry]:
    """Requests of one day, counted from Monday, with a score about the value."""
    at = MONDAY + day * DAY
    return [
        Entry(at + number * timedelta(minutes=30), {name: value + number % 3}, columns)
        for number in range(count)
    ]


def read_lines(page: str) -> list[tuple[str, str]]:
    """The sentences, and what they link to."""
    found = re.findall(r'<p><span[^>]*>[^<]*</span><a href="(/requests\?[^"]*)">(.*?)</a></p>', page)
    return [(unescape(sentence), unescape(href)) for href, sentence in found]


def read_sides(page: str) -> list[tuple[str, str]]:
    """The numbers of both times, and what they link to."""
    found = re.findall(r'<span><a href="(/requests\?[^"]*)">(.*?)</a>', page)
    return [(read_text(number), unescape(href)) for href, number in found]


async def count(client: httpx.AsyncClient, href: str) -> int | None:
    """How many requests a link leads to."""
    found: int | None = (await client.get(href.replace("/requests?", "/request-count?"))).json()["count"]
    return found


async def test_changes_are_sentences_with_numbers_and_their_requests(
    service: Service, sign_in: SignIn
) -> None:
    good = entries(-3, 80, prompt_id="reply", prompt_version="4") + entries(-3, 80, prompt_id="other")
    bad = entries(1, 60, prompt_id="reply", prompt_version="5") + entries(2, 80, prompt_id="other")
    await enter(service.dsn, good + bad)
    api, client = await service.client(), await sign_in()
    page = await get(client, WEEK)
    lines = read_lines(page)
    assert [sentence for sentence, _ in lines] == [
        "accuracy fell 20 points with reply 5, 40 answers, since 3 Mar",
        "accuracy fell 10 points, 80 answers, since 3 Mar",
        "requests with reply 4 have no scores since 27 Feb, 40 answers before",
    ]
    text = read_text(page)
    assert "81.0 of 40 before in other versions 61.0 of 40 now 95 % " in text
    assert "3 comparisons with the 7 days before" in text
    assert page.count("data-headline") == 1
    # Worse is what a definition says to be.
    assert re.findall(r'<li class="is-(\w+)"', page) == ["fell", "fell", "vanished"]
    assert (await api.put("/v1/score-definitions/accuracy", json=GOOD)).is_success
    directed = await get(client, WEEK)
    assert re.findall(r'<li class="is-(\w+)"', directed) == ["worse", "worse", "vanished"]
    assert read_lines(directed) == lines
    # Of the same page, with a filter of the address beside the group of the change.
    filtered = read_lines(await get(client, f"{WEEK}&prompt=reply"))
    assert filtered[0][0] == lines[0][0]
    for _, href in (*lines, *filtered):
        assert (await client.get(href)).status_code == 200
    sides = read_sides(page)
    assert [(number, await count(client, href)) for number, href in sides] == [
        ("81.0 of 40", 40), ("61.0 of 40", 40), ("81.0 of 80", 80), ("71.0 of 80", 80),
    ]  # fmt: skip
    worst = {"sort": ['{"scores":{"accuracy":"asc"}}']}
    assert all(parse_qs(urlsplit(href).query).items() >= worst.items() for _, href in (*lines, *sides))


async def test_names_are_shown_as_they_are(service: Service, sign_in: SignIn) -> None:
    names = [name for name in HOSTILE if len(name) < 255]
    for name in names:
        await enter(service.dsn, entries(-3, 80, name, model_override=name) + entries(1, 60, name))
    page = await get(await sign_in(), WEEK)
    for name in names:
        assert name not in page or name == names[-1]
        assert any(sentence.startswith(f"{name} fell 20 points") for sentence, _ in read_lines(page))


async def test_quiet_time_says_so(service: Service, sign_in: SignIn) -> None:
    client = await sign_in()
    assert "Too few scores to compare with the 7 days before." in read_text(await get(client, WEEK))
    await enter(service.dsn, entries(-3, 80) + entries(1, 80))
    text = read_text(await get(client, WEEK))
    assert "No score moved beyond noise." in text
    assert "1 comparison with the 7 days before : every score, of all requests" in text
    assert "No score moved" not in read_text(await get(client, f"{WEEK}&to=2026-03-01", 400))


async def test_overview_links_to_what_changed_without_script(service: Service, sign_in: SignIn) -> None:
    await enter(service.dsn, entries(1, 80))
    page = await get(await sign_in(), "/?from=2026-03-02&to=2026-03-08&model=gpt&score=accuracy")
    assert "changed" not in page  # where there are no scores
    page = await get(await sign_in(), "/?from=2026-03-02&to=2026-03-08&score=accuracy&step=hour")
    assert '<a href="/changes?from=2026-03-02&amp;to=2026-03-08">' in page
