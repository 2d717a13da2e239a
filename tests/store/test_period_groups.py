"""The scores of two times by group, against plain Python on random requests."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import product
from random import Random
from typing import Any

import msgspec
import pytest
from heliscore.domain.changes.period_scores import (
    ALL,
    PROMPT,
    PROMPT_VERSION,
    Bucket,
    GroupKey,
    GroupScores,
    Period,
    TwoPeriods,
)
from heliscore.domain.filter_tree import Column, Compare, Everything, Filter, Property
from heliscore.domain.filter_tree import Score as ScoreOf
from heliscore.domain.score import Score
from heliscore.domain.statistics.samples import Sample
from heliscore.domain.times import truncated
from heliscore.store import period_groups, request_log, score_scan, scores
from heliscore.store.connections.pool import Connection
from heliscore.store.period_groups import PeriodSelection, compare_periods, list_buckets, make_periods
from heliscore.store.request_log import LoggedRequest
from heliscore.store.scores import ScoreIds, ScoreWrite

from tests.origins import ORIGIN

START = datetime(2026, 3, 9, tzinfo=UTC)
DAY = timedelta(days=1)
PREVIOUS = TwoPeriods(START - 3 * DAY, START, START, START + 3 * DAY)
WEEK_BEFORE = TwoPeriods(START - 7 * DAY, START - 6 * DAY, START, START + DAY)

MODEL, ENV = Column("model"), Property("env")
SCORES = ("accuracy", "huge", "ok")


class Row(msgspec.Struct, frozen=True):
    at: datetime
    model: str | None
    env: str | None
    prompt: str | None
    version: str | None
    scores: dict[str, int]

    def group(self, by: Column | Property) -> GroupKey:
        values = {MODEL: self.model, ENV: self.env, PROMPT: self.prompt, PROMPT_VERSION: self.version}
        return GroupKey(by, values[by], self.prompt if by == PROMPT_VERSION else None)


def make_row(chance: Random) -> Row:
    values = {
        "accuracy": chance.randrange(101),
        "huge": chance.choice([2**63 - 1, -(2**63), 7]),
        "ok": chance.randrange(2),
    }
    return Row(
        truncated(START + DAY * chance.uniform(-8, 4)),
        chance.choice(["x", "y", "", None]),
        chance.choice(["a", "b", "c", None]),
        chance.choice(["greet", "reply", "", None]),
        chance.choice(["1", "2", None]),
        {name: value for name, value in values.items() if chance.random() < 0.8},
    )


@pytest.fixture
async def rows(connection: Connection, ids: ScoreIds, organization_id: int) -> list[Row]:
    chance = Random(11)
    rows = [make_row(chance) for _ in range(300)]
    posts = []
    for number, row in enumerate(rows):
        properties = {} if row.env is None else {"env": row.env}
        logged = LoggedRequest(
            organization_id=organization_id,
            request_id=str(number),
            created_at=row.at,
            updated_at=row.at,
            response_model=row.model,
            prompt_id=row.prompt,
            prompt_version=row.version,
            properties=msgspec.json.encode(properties).decode(),
        )
        await request_log.log(connection, logged)
        given = {name: Score(value, False) for name, value in row.scores.items()}
        posts.append(ScoreWrite(organization_id, str(number), given, row.at, ORIGIN))
    await scores.ensure_ids(connection, ids, posts)
    await scores.record(connection, ids, posts)
    return rows


def expected(rows: list[Row], periods: TwoPeriods, group_bys: tuple[Any, ...]) -> list[GroupScores]:
    values: dict[Any, list[tuple[int, datetime]]] = defaultdict(list)
    for row in rows:
        is_now = periods.start <= row.at < periods.end
        if is_now or periods.before_start <= row.at < periods.before_end:
            for name, value in row.scores.items():
                for group in (ALL, *map(row.group, group_bys)):
                    values[group, name, is_now].append((value, row.at))

    def period(group: GroupKey, name: str, is_now: bool) -> Period | None:
        found = values.get((group, name, is_now))
        if found is None:
            return None
        times = [at for _, at in found]
        return Period(Sample.of(Counter(value for value, _ in found)), min(times), max(times))

    return [
        GroupScores(group, name, period(group, name, False), period(group, name, True))
        for group, name in {(group, name) for group, name, _ in values}
    ]


def in_order(scores: list[GroupScores]) -> list[GroupScores]:
    return sorted(scores, key=lambda one: (repr(one.group), one.score))


TREES: list[tuple[Filter, Callable[[Row], bool]]] = [
    (Everything(), lambda _: True),
    (Compare(ScoreOf("accuracy"), ">=", 50), lambda row: row.scores.get("accuracy", 0) >= 50),
    (Compare(ENV, "=", "a"), lambda row: row.env == "a"),
]
GROUP_BYS: list[tuple[Any, ...]] = [(), (MODEL, ENV, PROMPT_VERSION), (PROMPT, PROMPT_VERSION)]


@pytest.mark.parametrize("lookups", [0, 10_000], ids=["by hash", "one by one"])
async def test_groups_of_two_times_are_what_python_counts(
    connection: Connection,
    ids: ScoreIds,
    organization_id: int,
    rows: list[Row],
    lookups: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(score_scan, "_MAX_LOOKUPS", lookups)
    for (tree, matches), periods, group_bys in product(TREES, (PREVIOUS, WEEK_BEFORE), GROUP_BYS):
        selection = PeriodSelection(organization_id, tree, periods, group_bys)
        found = make_periods(await compare_periods(connection, ids.names, selection, SCORES), selection)
        kept = [row for row in rows if matches(row)]
        assert in_order(found.scores) == in_order(expected(kept, periods, group_bys))
        before = [one for one in expected(kept, periods, (PROMPT,)) if one.before and one.group != ALL]
        prompts = {(one.group.value, one.score): one.before.sample for one in before if one.before}
        assert found.prompts == (prompts if PROMPT_VERSION in group_bys else {})
        assert (found.groups_left_out, found.scores_left_out) == (0, 0)


async def test_largest_groups_and_scores_are_kept(
    connection: Connection,
    ids: ScoreIds,
    organization_id: int,
    rows: list[Row],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(period_groups, "MAX_GROUPS", 2)
    monkeypatch.setattr(period_groups, "MAX_SCORES", 2)
    selection = PeriodSelection(organization_id, Everything(), PREVIOUS, (MODEL, PROMPT_VERSION))
    found = make_periods(await compare_periods(connection, ids.names, selection, SCORES), selection)
    of_names = Counter[str]()
    whole = expected(rows, PREVIOUS, (MODEL, PROMPT_VERSION))
    for one in whole:
        if one.group == ALL:
            of_names[one.score] += one.before_count + one.now_count
    names = {name for name, _ in of_names.most_common(2)}
    of_groups = Counter[GroupKey]()
    for one in whole:
        if one.score in names:
            of_groups[one.group] += one.before_count + one.now_count
    sizes = {
        by: sorted((size for group, size in of_groups.items() if group.by == by), reverse=True)[:2]
        for by in (MODEL, PROMPT_VERSION)
    }
    assert {one.score for one in found.scores} == names
    for by, largest in sizes.items():
        shown = {one.group for one in found.scores if one.group.by == by}
        assert sorted((of_groups[group] for group in shown), reverse=True) == largest
    groups = len(of_groups) - 1
    assert (found.groups_left_out, found.scores_left_out) == (groups - 4, 1)
    within = {one.group.within for one in found.scores if one.group.by == PROMPT_VERSION}
    assert within <= {prompt for prompt, _ in found.prompts}


@pytest.mark.parametrize("periods", [PREVIOUS, WEEK_BEFORE], ids=["days", "hours"])
async def test_buckets_are_what_python_counts(
    connection: Connection,
    ids: ScoreIds,
    organization_id: int,
    rows: list[Row],
    periods: TwoPeriods,
) -> None:
    selection = PeriodSelection(organization_id, Everything(), periods, (MODEL, ENV, PROMPT_VERSION))
    wanted = [
        (ALL, "accuracy"),
        (GroupKey(MODEL, "x"), "ok"),
        (GroupKey(MODEL, None), "huge"),
        (GroupKey(ENV, "none such"), "ok"),
        (GroupKey(PROMPT_VERSION, "1", "reply"), "accuracy"),
        (GroupKey(PROMPT_VERSION, None, None), "accuracy"),
        (GroupKey(PROMPT_VERSION, "1", ""), "accuracy"),
    ]
    assert await list_buckets(connection, ids.names, selection, wanted) == [
        buckets(rows, periods, group, name) for group, name in wanted
    ]


def buckets(rows: list[Row], periods: TwoPeriods, group: GroupKey, name: str) -> list[Bucket]:
    found: dict[datetime, list[int]] = defaultdict(list)
    for row in rows:
        is_read = periods.start <= row.at < periods.end or periods.before_start <= row.at < periods.before_end
        if is_read and name in row.scores and (group.by is None or row.group(group.by) == group):
            found[row.at - (row.at - START) % periods.step].append(row.scores[name])
    return [Bucket(at, len(values), sum(values)) for at, values in sorted(found.items())]
