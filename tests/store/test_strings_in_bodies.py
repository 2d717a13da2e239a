"""Conditions on the strings of a body against Python's own comparisons, for strings that JSON escapes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, Final, get_args

import asyncpg
import pytest
from heliscore.domain.filter_tree import Column, HasString, StringMatch
from heliscore.store.search.arguments import Arguments
from heliscore.store.search.conditions import ConditionCompiler
from heliscore.store.search.score_conditions import ScoreConditions
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.store.test_filter_property import strings_in

texts = st.text('abnrtuAB01F"\\/\b\f\n\r\t\x01\x1f\x7f,:[]{} %_éÉжЖ日😀', max_size=4)
bodies = st.recursive(
    texts | st.sampled_from([None, True, 1]),
    lambda parts: st.lists(parts, max_size=3) | st.dictionaries(texts, parts, max_size=3),
    max_leaves=5,
)
FITS: Final[dict[StringMatch, Callable[[str, str], bool]]] = {
    "equals": str.__eq__,
    "starts-with": str.startswith,
    "ends-with": str.endswith,
    "contains": str.__contains__,
}


async def has_string(connection: Any, body: object, match: StringMatch, string: str) -> bool:
    compiler = ConditionCompiler(ScoreConditions({}, arguments := Arguments(2)))
    condition = compiler.condition(HasString(Column("response_body"), match, string))
    statement = f"SELECT {condition} FROM (SELECT $1::jsonb AS response_body) AS r"
    return bool(await connection.fetchval(statement, json.dumps(body), *arguments.all()))


def test_a_string_is_compared_as_it_is_and_not_as_json_writes_it(server: str) -> None:
    with asyncio.Runner() as runner:
        connection = runner.run(asyncpg.connect(server))

        @settings(max_examples=150)
        @given(body=bodies, string=texts, cut=st.integers(0, 4))
        def check(body: object, string: str, cut: int) -> None:
            strings = list(strings_in(body))
            for tried in (string, *(one[cut:] for one in strings[:1]), *(one[:cut] for one in strings[:1])):
                for match in get_args(StringMatch):
                    fits = any(FITS[match](one.lower(), tried.lower()) for one in strings)
                    found = runner.run(has_string(connection, body, match, tried))
                    # "contains" searches what is around the strings, too.
                    assert found == fits or (found and match == "contains"), (body, match, tried)

        try:
            check()
        finally:
            runner.run(connection.close())


@pytest.mark.parametrize(
    ("body", "match", "string"),
    [
        ("a\n", "ends-with", "n"),
        ('a\\"', "ends-with", "\\"),
        ("\x01", "ends-with", "1"),
        ({"a": "b"}, "ends-with", ": "),
        (["a", "b"], "ends-with", ", "),
        (["a ", "b"], "starts-with", ", "),
        ({"content": "b"}, "equals", "content"),
    ],
)
async def test_what_is_no_string_is_not_found(
    connection: asyncpg.Connection[Any], body: object, match: StringMatch, string: str
) -> None:
    assert not await has_string(connection, body, match, string)
