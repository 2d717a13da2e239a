"""Texts that would be SQL, patterns or escapes elsewhere: kept and found again letter by letter."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import asyncpg
import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.api.conftest import SHARED
from tests.api.envelope import DONE, encoded, ids, one, post, read
from tests.conftest import Service, at_database

NASTY = [
    "'",
    '"',
    "';--",
    "'; DROP TABLE score; --",
    '"; DROP TABLE score; --',
    "1); DELETE FROM request; --",
    "' OR '1'='1",
    "' UNION SELECT key_hash FROM api_key --",
    "/* a */",
    "$1",
    "$$a$$",
    "$1::text",
    "%",
    "_",
    "%%",
    "a%",
    "\\",
    "\\'",
    "\\%",
    "E'\\x41'",
    "{0}",
    "{a: 1}",
    '{"a": 1}',
    "a,b",
    "NULL",
    "true",
    "::int",
    ":name",
    "%(name)s",
    "?",
    "\N{FULLWIDTH APOSTROPHE}",
    "\N{RIGHT-TO-LEFT OVERRIDE}x",
    "é",
    "e\N{COMBINING ACUTE ACCENT}",
    "😀",
    "\ufeff",
    "\u2028",
]
texts = st.sampled_from(NASTY) | st.lists(
    st.sampled_from(NASTY) | st.text(st.characters(categories=("L", "N", "P", "S", "Zs")), max_size=3),
    min_size=1,
    max_size=4,
).map("".join).filter(bool)

SCHEMA = """
SELECT md5(string_agg(line, E'\n' ORDER BY line)) FROM (
    SELECT concat_ws(' ', table_name, column_name, data_type, is_nullable, column_default) AS line
    FROM information_schema.columns WHERE table_schema = 'public'
    UNION ALL SELECT concat_ws(' ', conrelid::regclass, conname, pg_get_constraintdef(oid)) FROM pg_constraint
    UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
    UNION ALL SELECT concat_ws(' ', rolname, rolsuper) FROM pg_roles
) AS lines
"""


async def fingerprint(dsn: str) -> object:
    connection = await asyncpg.connect(dsn)
    digest = await connection.fetchval(SCHEMA)
    await connection.close()
    return digest


class Caller:
    """A client and an event loop to call with, one organization for all examples."""

    def __init__(self, runner: asyncio.Runner, service: Service, client: httpx.AsyncClient) -> None:
        self.runner = runner
        self.service = service
        self.client = client


@pytest.fixture
def caller(shared_address: str, server: str, organization: str) -> Iterator[Caller]:
    with asyncio.Runner() as runner:
        service = Service(shared_address, at_database(server, SHARED))
        before = runner.run(fingerprint(service.dsn))
        yield Caller(runner, service, runner.run(service.client(organization)))
        assert runner.run(fingerprint(service.dsn)) == before
        runner.run(service.close())


examples = settings(max_examples=10)


def rmt(**conditions: object) -> dict[str, object]:
    return {"request_response_rmt": conditions}


def test_known_text_is_kept_and_found_letter_by_letter(caller: Caller) -> None:
    caller.runner.run(keep_and_find(caller.client, NASTY))


@examples
@given(st.lists(texts, min_size=2, max_size=5, unique=True))
def test_any_text_is_kept_and_found_letter_by_letter(caller: Caller, names: list[str]) -> None:
    caller.runner.run(keep_and_find(caller.client, names))


async def keep_and_find(client: httpx.AsyncClient, names: list[str]) -> None:
    """Each text names a request, its score and its property, and is its property's value."""
    for number, name in enumerate(names):
        await post(client, name, {name: number})
        response = await client.put(
            f"/v1/request/{encoded(name)}/property", json={"key": name, "value": name}
        )
        assert (response.status_code, response.json()) == (200, DONE)
    for number, name in enumerate(names):
        row = await read(client, name)
        assert row is not None
        assert (row["request_id"], row["scores"], row["properties"]) == (name, {name: number}, {name: name})
        for filter_ in (
            one(name),
            rmt(scores={name: {"equals": number}}),
            rmt(properties={name: {"equals": name}}),
            {"properties": {name: {"in": [name]}}},
            rmt(scores={name: {"exists": True}}),
        ):
            assert await ids(client, filter_) == [name]
        complement = {"not": rmt(scores={name: {"gte": number}})}
        assert await ids(client, {"left": one(name), "operator": "and", "right": complement}) == []
        # As a part of a text it is itself, and no pattern.
        contains = {"left": one(name), "operator": "and", "right": rmt(properties={name: {"contains": name}})}
        assert await ids(client, contains) == [name]
        values = await client.post(f"/v1/property/{encoded(name)}/search", json={"searchTerm": name})
        assert values.json()["data"] == [name]
    for name in names:
        response = await client.delete(f"/v1/request/{encoded(name)}")
        assert (response.status_code, response.json()) == (200, DONE)


@pytest.mark.parametrize("wild", ["%", "_", "\\", "a%", "%%", "__"])
async def test_wildcard_in_a_plain_text_is_itself(client: httpx.AsyncClient, wild: str) -> None:
    for number, value in enumerate(("plain text", wild, f"with {wild} inside", "aa", "")):
        await client.put(f"/v1/request/r{number}/property", json={"key": "k", "value": value})
    found = await ids(client, rmt(properties={"k": {"contains": wild}}), sort={"created_at": "asc"})
    assert sorted(found) == ["r1", "r2"]
    response = await client.post("/v1/property/k/search", json={"searchTerm": wild})
    assert response.json()["data"] == sorted([wild, f"with {wild} inside"])
