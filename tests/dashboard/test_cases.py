"""The cases of tests/cases/logs.json as their pages show them: each is logged, then read as people do."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any, Final
from urllib.parse import quote

import asyncpg
import httpx
import msgspec
import pytest

from tests.browser.ground import Ground
from tests.conftest import TEMPLATE, Service, at_database
from tests.unit.providers.cases import CASES

KEYS: Final = {"conversation", "title", "page_shows", "page_lacks"}
_DATABASE: Final = f"{TEMPLATE}_cases"
_VOID: Final = frozenset(("meta", "link", "input", "img", "br", "hr", "path", "wbr"))

SHOWN: Final = [pytest.param(case, id=case["name"]) for case in CASES if case["expect"].keys() & KEYS]


class ReadTurn(msgspec.Struct):
    """A turn of a page."""

    speaker: str
    text: str = ""
    pictures: int = 0


class PageReader(HTMLParser):
    """Reads the heading, the turns, and everything but the folded JSON of the bodies."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.heading = self.text = self._caller = ""
        self.turns: list[ReadTurn] = []
        self._open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        held = dict(attrs)
        classes = (held.get("class") or "").split()
        if tag == "section" and "turn" in classes:
            self.turns.append(ReadTurn(classes[1].removeprefix("is-")))
            tag = "turn"
        elif tag == "div" and "call-result" in classes:  # what a tool said, beside its call
            self._caller = self.turns[-1].speaker
            self.turns.append(ReadTurn("tool"))
            tag = "result"
        elif tag == "details" and "body" in classes:
            tag = "raw"
        elif tag == "img" and "turn" in self._open:
            assert (held["src"] or "").startswith("data:image/")
            self.turns[-1].pictures += 1
        if tag not in _VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in _VOID and self._open.pop() == "result":
            self.turns.append(ReadTurn(self._caller))

    def handle_data(self, data: str) -> None:
        if "raw" in self._open:
            return
        if "h1" in self._open:
            self.heading += data
        if "turn" in self._open:
            self.turns[-1].text += data
        self.text += data


@pytest.fixture(scope="module")
def served(server: str) -> Iterator[Service]:
    """One service for all cases, each of which has an organization of its own."""

    async def make_database() -> None:
        connection = await asyncpg.connect(server)
        await connection.execute(f"CREATE DATABASE {_DATABASE} TEMPLATE {TEMPLATE}")
        await connection.close()

    asyncio.run(make_database())
    ground = Ground(at_database(server, _DATABASE))
    ground.start()
    yield Service(ground.address, ground.dsn)
    ground.stop()


async def log(client: httpx.AsyncClient, case: dict[str, Any], key: str) -> str:
    """Make the call of a case; return the request's id."""
    named = {name: value.replace("{key}", key) for name, value in case.get("headers", {}).items()}
    if not named.keys() & {"Authorization", "Helicone-Auth", "X-API-KEY"}:
        named["Authorization"] = f"Bearer {key}"
    answer = await client.post(case["path"], json=case["body"], headers=named)
    assert answer.status_code == case["expect"]["status"], answer.text
    query = {"filter": "all", "limit": 10}
    found = await client.post("/v1/request/query", json=query, headers={"Authorization": f"Bearer {key}"})
    [row] = found.json()["data"]
    request_id: str = row["request_id"]
    return request_id


@pytest.mark.parametrize("case", SHOWN)
async def test_the_page_of_a_case_says_what_was_said(case: dict[str, Any], served: Service) -> None:
    key = await served.make_key(case["name"])
    async with httpx.AsyncClient(base_url=served.address, timeout=30) as client:
        request_id = await log(client, case, key)
        signed_in = await client.post("/sign-in", data={"key": key})
        assert signed_in.status_code == 303
        page = PageReader((await client.get(f"/requests/{quote(request_id, safe='')}")).text)
        table = (await client.get("/requests")).text
    expected = case["expect"]
    assert_said(expected.get("conversation", []), page.turns)
    assert page.heading == expected.get("title", page.heading)
    assert expected.get("title", "") in PageReader(table).text
    assert [text for text in expected.get("page_shows", []) if text not in page.text] == []
    assert [text for text in expected.get("page_lacks", []) if text in page.text] == []


def assert_said(expected: list[dict[str, Any]], turns: list[ReadTurn]) -> None:
    """Each expected turn is on the page, in this order; entries that follow one another may share a turn."""
    at = 0
    for said in expected:
        fits = [
            number
            for number, turn in enumerate(turns[at:], at)
            if turn.speaker == said["speaker"]
            and all(text in turn.text for text in [said.get("says", ""), *said.get("shows", [])])
            and turn.pictures >= bool(said.get("picture"))
        ]
        assert fits, (said, turns)
        at = fits[0]
