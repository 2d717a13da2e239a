"""Reads the scores of groups of requests in a time, and in the time before it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from heliscore.domain.changes.period_scores import (
    PROMPT,
    PROMPT_VERSION,
    Bucket,
    ComparedPeriods,
    GroupKey,
    GroupScores,
    Period,
    TwoPeriods,
)
from heliscore.domain.filter_tree import Column, Filter, Property
from heliscore.domain.statistics.samples import Sample
from heliscore.store.connections.pool import Connection
from heliscore.store.score_scan import ScoreSelection, scan
from heliscore.store.scores import ScoreNames
from heliscore.store.search.score_columns import ScoreColumns

MAX_GROUPS: Final = 100
"""Of each column or property; of more, the largest are compared."""

MAX_SCORES: Final = 50


Rows = Sequence[Any]
"""Of the statement `changes`; to take 50,000 of them apart holds a processor for a tenth of a second."""


class PeriodSelection(msgspec.Struct, frozen=True):
    """The scores of requests that match, in two times, and what they are grouped by."""

    organization_id: int
    tree: Filter
    periods: TwoPeriods
    group_bys: tuple[Column | Property, ...]

    @property
    def placed(self) -> tuple[Column | Property, ...]:
        """What statements group by: of a prompt version also the prompt."""
        return tuple(dict.fromkeys((*self.group_bys, *((PROMPT,) if self._has_versions else ()))))

    @property
    def places(self) -> tuple[int, int]:
        """The places of the prompt version and the prompt, from 1; 0 where they are not needed."""
        if not self._has_versions:
            return 0, 0
        return self.placed.index(PROMPT_VERSION) + 1, self.placed.index(PROMPT) + 1

    @property
    def scores(self) -> ScoreSelection:
        """The scores of both times, and of the time between them."""
        return ScoreSelection(self.organization_id, self.tree, self.periods.before_start, self.periods.end)

    @property
    def columns(self) -> ScoreColumns:
        return ScoreColumns(groups=self.placed)

    @property
    def _has_versions(self) -> bool:
        return PROMPT_VERSION in self.group_bys


async def compare_periods(
    connection: Connection, names: ScoreNames, selection: PeriodSelection, scores: Sequence[str]
) -> Rows:
    """Read the named scores of both times by group, for make_periods."""
    name_ids = list((await names.find(connection, selection.organization_id, scores)).values())
    return await scan(
        connection,
        names,
        "changes",
        selection.scores,
        selection.periods.start,
        selection.periods.before_end,
        MAX_SCORES,
        MAX_GROUPS,
        *selection.places,
        scores=name_ids,
        columns=selection.columns,
    )


def make_periods(rows: Rows, selection: PeriodSelection) -> ComparedPeriods:
    """Make what compare_periods has read: with many groups, in a thread."""
    sides: dict[tuple[GroupKey, str], dict[bool, Period]] = {}
    prompts: dict[tuple[str | None, str], Sample] = {}
    groups: dict[int, int] = {}
    scores = 0
    for place, within, value, name, is_now, count, sum_, squares, *rest in map(tuple, rows):
        first_at, last_at, is_shown, of_place, scores = rest
        period = Period(Sample(count, int(sum_), int(squares)), first_at, last_at)
        if place == selection.places[1] and place and not is_now:
            prompts[value, name] = period.sample
        if is_shown and place <= len(selection.group_bys):
            key = GroupKey(selection.placed[place - 1] if place else None, value, within)
            sides.setdefault((key, name), {})[is_now] = period
            groups[place] = of_place
    return ComparedPeriods(
        [GroupScores(group, name, of.get(False), of.get(True)) for (group, name), of in sides.items()],
        prompts,
        sum(max(number - MAX_GROUPS, 0) for place, number in groups.items() if place),
        max(scores - MAX_SCORES, 0),
    )


async def list_buckets(
    connection: Connection,
    names: ScoreNames,
    selection: PeriodSelection,
    wanted: Sequence[tuple[GroupKey, str]],
) -> list[list[Bucket]]:
    """Read scores of groups by hours or days, in order of time, in the order of `wanted`."""
    scores = list(dict.fromkeys(name for _, name in wanted))
    name_ids = list((await names.find(connection, selection.organization_id, scores)).values())
    rows = await scan(
        connection,
        names,
        "changes_over_time",
        selection.scores,
        selection.periods.start,
        selection.periods.before_end,
        selection.periods.step,
        [selection.placed.index(group.by) + 1 if group.by else 0 for group, _ in wanted],
        [group.within for group, _ in wanted],
        [group.value for group, _ in wanted],
        [name for _, name in wanted],
        *selection.places,
        scores=name_ids,
        columns=selection.columns,
    )
    buckets: list[list[Bucket]] = [[] for _ in wanted]
    for number, begins_at, count, sum_ in rows:
        buckets[number - 1].append(Bucket(begins_at, count, int(sum_)))
    return buckets
