"""Sums, bins and stretches of time of random scores, against plain Python."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from heliscore.domain.filter_tree import Everything, Property
from heliscore.domain.score import Score
from heliscore.store import request_log, scores
from heliscore.store.connections.pool import Connection
from heliscore.store.evaluations import Spread, TimeBucket, spread, trends
from heliscore.store.request_log import LoggedRequest
from heliscore.store.score_scan import ScoreSelection
from heliscore.store.scores import ScoreIds, ScoreWrite

from tests.origins import ORIGIN

START = datetime(2026, 3, 1, tzinfo=UTC)
MINUTES = 600
INSTANTS = [START + timedelta(minutes=minutes) for minutes in (0, 1, 250, 251, 599)]
BINS = 10

Entries = list[tuple[int, str | None, dict[str, int | bool]]]
"""Requests: minute, variant, scores."""

VALUES = {
    "small": range(-4, 5),
    "percent": range(101),
    "wide": [-(2**63), -(2**62) - 3, -1, 0, 5, 2**40, 2**62 + 3, 2**63 - 1],
    "alike": [2**53 + 1],
    "negative": range(-950, -40, 7),
    "flag": [False, True],
    "mixed": [False, True, 1, 0, 2],
}


def nice_width(lowest: int, highest: int) -> int:
    """The narrowest of 1, 2, 5, 10, … that takes BINS bins at most."""
    widths: Iterator[int] = (step * int(10**power) for power in range(20) for step in (1, 2, 5))
    return next(width for width in widths if highest // width - lowest // width < BINS)


def all_boolean(values: list[int | bool]) -> bool:
    return all(isinstance(value, bool) for value in values)


@pytest.fixture
async def given(connection: Connection, organization_id: int, ids: ScoreIds) -> Entries:
    """Requests with scores of every kind."""
    rng = random.Random(7)
    entries: Entries = []
    posts = []
    for number in range(300):
        minute, variant = rng.randrange(MINUTES), rng.choice(("A", "B", None))
        values = {name: rng.choice(values) for name, values in VALUES.items() if rng.random() < 0.8}
        entries.append((minute, variant, values))
        at = START + timedelta(minutes=minute)
        properties = "{}" if variant is None else f'{{"variant": "{variant}"}}'
        request = LoggedRequest(
            organization_id=organization_id,
            request_id=f"r{number}",
            created_at=at,
            updated_at=at,
            properties=properties,
        )
        await request_log.log(connection, request)
        sent = {name: Score(int(value), isinstance(value, bool)) for name, value in values.items()}
        posts.append(ScoreWrite(organization_id, request.request_id, sent, at, ORIGIN))
    await scores.record(connection, ids, [post for post in posts if post.scores])
    return entries


@pytest.mark.parametrize("group_by", [None, Property("variant")])
async def test_spread_is_what_python_finds(
    connection: Connection,
    organization_id: int,
    ids: ScoreIds,
    given: Entries,
    group_by: Property | None,
) -> None:
    found: dict[tuple[str, str | None, int], list[int | bool]] = defaultdict(list)
    widths = {}
    for name in VALUES:
        values = [int(scores[name]) for _, _, scores in given if name in scores]
        widths[name] = nice_width(min(values), max(values))
    for _, variant, scores_ in given:
        for name, value in scores_.items():
            lower = int(value) // widths[name] * widths[name]
            found[name, variant if group_by else None, lower].append(value)
    expected = {
        Spread(
            len(values), sum(values), min(values), max(values), all_boolean(values),
            group, name, lower, widths[name], sum(int(value) ** 2 for value in values),
        )
        for (name, group, lower), values in found.items()
    }  # fmt: skip
    whole = ScoreSelection(organization_id, Everything(), START, START + timedelta(minutes=MINUTES))
    answer = await spread(connection, ids.names, whole, [*VALUES, "unheard-of"], BINS, group_by)
    assert Counter(answer) == Counter(expected)
    order = [(part.name, part.group is None, part.group, part.lower) for part in answer]
    assert order == sorted(order)


async def test_trends_are_what_python_finds(
    connection: Connection,
    organization_id: int,
    ids: ScoreIds,
    given: Entries,
) -> None:
    found: dict[tuple[str, int], list[int | bool]] = defaultdict(list)
    for minute, _, scores_ in given:
        at = START + timedelta(minutes=minute)
        number = sum(instant <= at for instant in INSTANTS)
        for name, value in scores_.items():
            found[name, number].append(value)
    expected = [
        TimeBucket(
            len(values), sum(values), min(values), max(values), all_boolean(values),
            sum(int(value) ** 2 for value in values), any(isinstance(value, bool) for value in values),
            name, number,
        )
        for (name, number), values in sorted(found.items())
    ]  # fmt: skip
    whole = ScoreSelection(organization_id, Everything(), START, START + timedelta(minutes=MINUTES))
    assert await trends(connection, ids.names, whole, INSTANTS) == expected
