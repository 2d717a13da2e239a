"""Pages that several searches are put together of: by score, and of what any of several scores picks. Each is
what sorting everything and cutting it would give."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from heliscore.domain.filter_tree import (
    NEWEST_FIRST,
    AllOf,
    AnyOf,
    Column,
    Compare,
    Everything,
    Filter,
    Not,
    OneOf,
    Property,
    Score,
    Sort,
)
from heliscore.store.connections.pool import Connection
from heliscore.store.scores import ScoreNames
from heliscore.store.search.page_order import Position
from heliscore.store.search.request_search import search

from .test_search import NOON, log, post

REQUESTS = 90
THUMB, GRADE, TONE = Score("thumb"), Score("grade"), Score("tone")
OLDEST_FIRST = Sort(Column("created_at"), descending=False)


@pytest.fixture
async def there(connection: Connection, organization_id: int) -> list[tuple[str, int, dict[str, int], str]]:
    """Requests (id, second, scores, environment): few values, few seconds, many ties."""
    rng = random.Random(11)
    rows = []
    for number in range(REQUESTS):
        request_id, second, environment = f"{rng.random()}{number}", rng.randrange(8), rng.choice("ab")
        scores = {
            name: rng.randrange(values)
            for name, values in (("thumb", 2), ("grade", 40), ("tone", 3))
            if rng.random() < 0.8
        }
        await log(connection, organization_id, request_id, second, properties=f'{{"env": "{environment}"}}')
        if scores:
            await post(connection, organization_id, request_id, dict(scores), second)
        rows.append((request_id, second, scores, environment))
    return rows


LOW_GRADE = Compare(GRADE, "<", 10)
IN_B = Compare(Property("env"), "=", "b")
EARLY = Compare(Column("created_at"), "<", NOON + timedelta(seconds=4))

FILTERS: dict[str, tuple[Filter, str]] = {
    "all": (Everything(), "True"),
    "a bound on it": (Compare(GRADE, ">=", 20), "grade is not None and grade >= 20"),
    "some of its values": (OneOf(THUMB, (1, 7)), "thumb == 1"),
    "another score": (Compare(TONE, "=", 1), "tone == 1"),
    "what is not a score": (AllOf((IN_B, EARLY)), "env == 'b' and second < 4"),
    "nothing": (AllOf((IN_B, Compare(Property("env"), "=", "a"))), "False"),
    "either of two scores": (
        AnyOf((LOW_GRADE, Compare(TONE, "=", 2))),
        "(grade is not None and grade < 10) or tone == 2",
    ),
    "either, and what is not a score": (
        AllOf((IN_B, AnyOf((LOW_GRADE, AllOf((Compare(TONE, "=", 2), EARLY)))))),
        "env == 'b' and ((grade is not None and grade < 10) or (tone == 2 and second < 4))",
    ),
    "either of the same score": (
        AnyOf((Compare(TONE, "=", 0), Compare(TONE, "=", 2), Compare(TONE, "<=", 0))),
        "tone in (0, 2)",
    ),
    "either, or what is not a score": (
        AnyOf((LOW_GRADE, IN_B)),
        "(grade is not None and grade < 10) or env == 'b'",
    ),
    "neither": (
        Not(AnyOf((LOW_GRADE, Compare(TONE, "=", 2)))),
        "not ((grade is not None and grade < 10) or tone == 2)",
    ),
}

SORTS = {
    "newest": NEWEST_FIRST,
    "oldest": OLDEST_FIRST,
    "highest grade": Sort(GRADE),
    "lowest grade": Sort(GRADE, descending=False),
    "thumbs up": Sort(THUMB),
    "thumbs down": Sort(THUMB, descending=False),
    "never used": Sort(Score("never used")),
}


def expected(there: list[tuple[str, int, dict[str, int], str]], condition: str, sort: Sort) -> list[str]:
    """Every match, in order: by the subject, missing last, newest first, by id."""
    rows = []
    for request_id, second, scores, environment in there:
        known = {"second": second, "env": environment} | {
            name: scores.get(name) for name in ("thumb", "grade", "tone")
        }
        if eval(condition, {}, known):  # noqa: S307
            rows.append((request_id, second, scores))
    rows.sort(key=lambda row: row[0])
    sign = -1 if sort.descending else 1
    if isinstance(sort.subject, Score):
        name = sort.subject.name
        rows.sort(key=lambda row: (name not in row[2], sign * row[2].get(name, 0), -row[1]))
    else:
        rows.sort(key=lambda row: sign * row[1])
    return [request_id for request_id, *_ in rows]


@pytest.mark.parametrize("sort", SORTS.values(), ids=SORTS)
async def test_pages_by_cursor_and_by_offset_are_what_sorting_everything_gives(
    connection: Connection,
    organization_id: int,
    there: list[tuple[str, int, dict[str, int], str]],
    sort: Sort,
) -> None:
    names = ScoreNames()
    for title, (tree, condition) in FILTERS.items():
        matches = expected(there, condition, sort)
        for limit in (3, 40):
            seen: list[str] = []
            position: Position | None = None
            while True:
                page = await search(
                    connection, names, organization_id, tree, sort=sort, after=position, limit=limit
                )
                seen += [request.request_id for request in page.requests]
                position = page.next
                if position is None or len(seen) > len(matches):
                    break
            assert seen == matches, title
        for offset in (1, 30, 70, 90):
            page = await search(connection, names, organization_id, tree, sort=sort, offset=offset, limit=9)
            assert [r.request_id for r in page.requests] == matches[offset : offset + 9], (title, offset)
