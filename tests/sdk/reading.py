"""How the tests of logging clients read back what was logged: the row, and the request's page."""

from __future__ import annotations

import re
from typing import Any, Final

import httpx
import msgspec
from heliscore.store.connections.pool import Connection

from tests.conftest import Service
from tests.dashboard.reading import read_text
from tests.servers import NO_CERTIFICATES

Json = dict[str, Any]

SYSTEM: Final = "Be brief."
QUESTION: Final = "Where is the library?"
ANSWER: Final = "Upstairs, on the left."
"""What every program here asks and gets."""

SAID: Final = [("system", SYSTEM), ("user", QUESTION), ("assistant", ANSWER)]


async def read_row(client: httpx.AsyncClient, request_id: str) -> Json:
    response = await client.get(f"/v1/request/{request_id}")
    assert response.status_code == 200, response.text
    row: Json = response.json()["data"]
    return row


async def find_rows(client: httpx.AsyncClient, **conditions: object) -> list[Json]:
    """The rows that meet the conditions on their columns, the newest first."""
    body = {"filter": {"request_response_rmt": conditions} if conditions else "all"}
    response = await client.post("/v1/request/query", json=body)
    assert response.status_code == 200, response.text
    rows: list[Json] = response.json()["data"]
    return rows


async def read_everything(connection: Connection) -> str:
    """The rows of all tables, as text."""
    tables = await connection.fetch(
        "SELECT oid::regclass::text AS name FROM pg_class"
        " WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    )
    texts = [await connection.fetch(f"SELECT each::text FROM {table['name']} AS each") for table in tables]
    return "\n".join(row[0] for rows in texts for row in rows)


def part(row: Json, expected: Json) -> Json:
    return {key: row[key] for key in expected}


class Page(msgspec.Struct, frozen=True):
    """A request's page: its heading, and who says what."""

    title: str
    turns: list[tuple[str, str]]


async def read_page(service: Service, request_id: str) -> Page:
    async with httpx.AsyncClient(base_url=service.address, timeout=30, verify=NO_CERTIFICATES) as visitor:
        signed_in = await visitor.post("/sign-in", data={"key": await service.make_key()})
        assert signed_in.status_code == 303
        response = await visitor.get(f"/requests/{request_id}")
    assert response.status_code == 200
    [title] = re.findall(r'<h1 id="title"[^>]*>(.*?)</h1>', response.text, re.DOTALL)
    turns = re.findall(
        r'<section class="turn [^"]*"[^>]*>\s*<h2 class="turn-role">(.*?)</h2>(.*?)</section>',
        response.text,
        re.DOTALL,
    )
    return Page(read_text(title), [(read_text(role), read_text(turn)) for role, turn in turns])


async def assert_shown(service: Service, request_id: str, said: list[tuple[str, str]] = SAID) -> None:
    """The page is headed by the question and shows what was said as text, turn by turn."""
    page = await read_page(service, request_id)
    assert page.title == QUESTION
    assert [role for role, _ in page.turns] == [role for role, _ in said]
    for (_, shown), (_, text) in zip(page.turns, said, strict=True):
        assert text in shown
        assert "{" not in shown  # a mark or a count may stand beside it, but no JSON
