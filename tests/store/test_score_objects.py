"""Objects of scores against the jsonb that PostgreSQL makes of the same names and values."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import asyncpg
from heliscore.domain.score import FEEDBACK
from heliscore.store.connections.pool import Connection
from heliscore.store.scores import ScoreNames
from heliscore.store.search.found_requests import Scored
from heliscore.store.search.score_objects import ScoreObjects, read_names
from hypothesis import given, settings
from hypothesis import strategies as st

AT = datetime(2026, 10, 1, tzinfo=UTC)

names = st.text('ab"\\/\b\f\n\r\t\x01\x1f\x7f,:{}%sé\u2028日😀', min_size=1, max_size=4) | st.just(FEEDBACK)
pages = st.lists(st.dictionaries(names, st.integers(-(2**63), 2**63 - 1), max_size=5), max_size=4)


async def objects_of(connection: Any, page: list[dict[str, int]]) -> list[bytes | None]:
    statement = "SELECT jsonb_object_agg(n, v)::text FROM unnest($1::text[], $2::bigint[]) AS s (n, v)"
    found = [await connection.fetchval(statement, [*scores], [*scores.values()]) for scores in page]
    return [None if text is None else text.encode() for text in found]


def test_objects_are_those_of_postgresql(server: str) -> None:
    with asyncio.Runner() as runner:
        connection = runner.run(asyncpg.connect(server))

        @settings(max_examples=60)
        @given(page=pages)
        def check(page: list[dict[str, int]]) -> None:
            ids = {name: id_ for id_, name in enumerate({name for scores in page for name in scores}, 1)}
            objects = ScoreObjects({id_: name for name, id_ in ids.items()})
            expected = [
                Scored(text, scores.get(FEEDBACK), AT if FEEDBACK in scores else None)
                for scores, text in zip(page, runner.run(objects_of(connection, page)), strict=True)
            ]
            assert expected == [
                objects.write(
                    (
                        ",".join(str(ids[name]) for name in scores) or None,
                        ",".join(map(str, scores.values())) or None,
                        AT if FEEDBACK in scores else None,
                    )
                )
                for scores in page
            ]

        try:
            check()
        finally:
            runner.run(connection.close())


async def test_names_that_another_service_has_added_are_read_once(
    connection: Connection, organization_id: int
) -> None:
    added = await ScoreNames().ensure(connection, organization_id, ["cited", "clear", "correct"])
    names, found = ScoreNames(), [(f"{added['cited']},{added['clear']}", "1,2", None), (None, None, None)]
    await names.find(connection, organization_id, ["clear"])
    expected = {added[name]: name for name in ("cited", "clear")}
    assert await read_names(connection, names, organization_id, found) == expected
    assert names.known_by_id(organization_id) == expected
    assert await read_names(connection, names, organization_id + 1, found) == {}
