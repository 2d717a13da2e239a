"""Measures how well raters agree: reads what they gave to the same requests, and computes in a thread."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations
from math import comb
from typing import Final, Literal

import msgspec
from msgspec.structs import astuple, replace

from heliscore.api.http.request_state import Services
from heliscore.api.shared.group_fields import Unit
from heliscore.domain.filter_tree import AllOf, Exists
from heliscore.domain.rater import Rater
from heliscore.domain.statistics.agreement import PairAgreement, agree_pair, agree_pair_sums
from heliscore.domain.statistics.agreement_sums import AgreementSums
from heliscore.domain.statistics.many_raters import ManyAgreement, agree_many
from heliscore.domain.statistics.pair_tables import Level, level_of, worst_pairs
from heliscore.domain.statistics.reference_agreement import ReferenceAgreement, against_reference
from heliscore.store import ratings as store
from heliscore.store.connections.pool import Connection
from heliscore.store.ratings import Pattern, RatedRows, RatingSums
from heliscore.store.score_scan import ScoreSelection
from heliscore.store.scores import ScoreNames

_MAX_WORST: Final = 20
MAX_CELL_IDS: Final = 1000
"""Requests of a cell that are listed, where no filter finds them."""

_MAX_IDS: Final = 200_000
"""All of them together, in the cells of all pairs."""


class Study(msgspec.Struct, frozen=True, kw_only=True):
    """Raters to compare."""

    selection: ScoreSelection
    raters: tuple[Rater, ...]
    reference: int | None = None
    """The number of the rater that is taken to be right."""

    level: Level | Literal["auto"] = "auto"
    threshold: int | None = None
    """The least value that passes; None: 1, of values that are all 0 or 1."""

    tolerance: int = 0
    confidence: float = 0.95
    unit: Unit | None = None


class Worst(msgspec.Struct, frozen=True):
    """Two values that differ, and how many requests have them."""

    a: int
    b: int
    count: int


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """Two raters."""

    a: Rater
    b: Rater
    only_a: int
    """How many requests only the first one rated."""

    only_b: int
    agreement: PairAgreement
    reference: ReferenceAgreement | None = None
    worst: tuple[Worst, ...] = ()


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    """What a study found."""

    level: Level
    pairs: list[Pair]
    together: ManyAgreement | None
    """None of two raters."""

    left_out: int = 0
    """How many requests have no unit."""

    unknown_scores: tuple[str, ...] = ()
    """Names under which the organization has no score."""

    ids: Mapping[Pattern, list[str]] | None = None
    """The newest requests by pattern, where no filter finds them: raters that are authors."""

    @property
    def cells(self) -> int:
        """How many cells and disagreements there are, each of which has a filter."""
        return sum(len(pair.agreement.confusion) + len(pair.worst) for pair in self.pairs)


async def measure(services: Services, study: Study) -> Agreement | None:
    """Measure how well the raters agree; None where more than two have too many different values together.
    Raises Unavailable."""
    names, selection = services.ids.names, study.selection
    async with (
        services.database.connection() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        known = await names.find(connection, selection.organization_id, [r.name for r in study.raters])
        rows = await store.find_patterns(connection, names, selection, study.raters, study.unit)
        sums: list[RatingSums] = []
        ids: RatedRows | None = None
        if rows is None and len(study.raters) > 2:
            return None
        if rows is None:
            sums = await store.sum_ratings(
                connection, names, selection, study.raters, study.unit, study.tolerance
            )
        elif any(rater.is_of_authors for rater in study.raters):
            ids = await _find_rated(connection, names, study, len(rows))
    if rows is None:
        found = await asyncio.to_thread(_measure_sums, study, sums)
    else:
        found = await asyncio.to_thread(_measure_patterns, study, rows)
    unknown = tuple(dict.fromkeys(rater.name for rater in study.raters if rater.name not in known))
    by_pattern = None if ids is None else await asyncio.to_thread(store.make_rated, ids)
    return replace(found, ids=by_pattern, unknown_scores=unknown)


async def _find_rated(connection: Connection, names: ScoreNames, study: Study, patterns: int) -> RatedRows:
    selection, pairs = study.selection, comb(len(study.raters), 2)
    if study.unit is not None:
        selection = replace(selection, tree=AllOf((selection.tree, Exists(study.unit))))
    limit = min(MAX_CELL_IDS, _MAX_IDS // (pairs * max(patterns, 1)))
    return await store.find_rated(connection, names, selection, study.raters, max(limit, 1))


def _measure_sums(study: Study, rows: list[RatingSums]) -> Agreement:
    level: Level = "ordinal" if study.level == "auto" else study.level
    folds = [row.sums for row in rows if row.sums is not None]
    total = AgreementSums(*map(sum, zip(_NO_SUMS, *map(astuple, folds), strict=True)))
    agreement = agree_pair_sums(total, level=level, confidence=study.confidence, folds=folds)
    if study.reference is not None:
        agreement = replace(agreement, warnings=(*agreement.warnings, "noReference"))
    first, second = study.raters
    pair = Pair(
        a=first,
        b=second,
        only_a=sum(row.only_first for row in rows),
        only_b=sum(row.only_second for row in rows),
        agreement=agreement,
    )
    left_out = sum(row.left_out for row in rows)
    return Agreement(level=level, pairs=[pair], together=None, left_out=left_out)


_NO_SUMS: Final = (0,) * len(AgreementSums.__struct_fields__)
"""So that there are sums where no request has two ratings."""


def _measure_patterns(study: Study, rows: store.PatternRows) -> Agreement:
    patterns = store.make_patterns(rows)
    whole = patterns.whole()
    given = {value for pattern in whole for value in pattern if value is not None}
    level: Level = level_of(given) if study.level == "auto" else study.level
    folds = None if study.unit is None else patterns.folds
    pairs = [
        _measure_pair(study, level, place, whole, folds)
        for place in combinations(range(len(study.raters)), 2)
    ]
    together = None
    if len(study.raters) > 2:
        together = agree_many(whole, level=level, confidence=study.confidence, folds=folds)
    return Agreement(level=level, pairs=pairs, together=together, left_out=patterns.left_out)


def _measure_pair(
    study: Study,
    level: Level,
    places: tuple[int, int],
    whole: Counter[Pattern],
    folds: Sequence[Counter[Pattern]] | None,
) -> Pair:
    first, second = places
    table, only_a, only_b = _table(whole, first, second)
    agreement = agree_pair(
        table,
        level=level,
        tolerance=study.tolerance,
        confidence=study.confidence,
        folds=None if folds is None else [_table(fold, first, second)[0] for fold in folds],
    )
    reference = None
    if study.reference in places:
        reference = _judge(study, table, whole, places)
        if reference is None:
            agreement = replace(agreement, warnings=(*agreement.warnings, "noThreshold"))
    worst = tuple(Worst(*pair, table[pair]) for pair in worst_pairs(table, _MAX_WORST))
    return Pair(
        a=study.raters[first],
        b=study.raters[second],
        only_a=only_a,
        only_b=only_b,
        agreement=agreement,
        reference=reference,
        worst=worst,
    )


def _table(patterns: Counter[Pattern], first: int, second: int) -> tuple[Counter[tuple[int, int]], int, int]:
    """The pairs of two raters' values, and how many requests only one of them rated."""
    table = Counter[tuple[int, int]]()
    only_first = only_second = 0
    for pattern, count in patterns.items():
        x, y = pattern[first], pattern[second]
        if x is not None and y is not None:
            table[x, y] += count
        elif x is not None:
            only_first += count
        elif y is not None:
            only_second += count
    return table, only_first, only_second


def _judge(
    study: Study, table: Counter[tuple[int, int]], whole: Counter[Pattern], places: tuple[int, int]
) -> ReferenceAgreement | None:
    """Measure the other rater by the reference; None where nothing says which values pass."""
    threshold = study.threshold
    if threshold is None:
        if any(pattern[place] not in (0, 1, None) for pattern in whole for place in places):
            return None
        threshold = 1
    least = threshold
    reference_is_first = study.reference == places[0]
    judge = places[1] if reference_is_first else places[0]
    judged = Counter(dict.fromkeys((False, True), 0))
    for pattern, count in whole.items():
        value = pattern[judge]
        if value is not None:
            judged[value >= least] += count
    return against_reference(
        table,
        positive=lambda value: value >= least,
        reference_is_first=reference_is_first,
        confidence=study.confidence,
        judged=(judged[True], judged.total()),
    )
