"""Simulated times in which nothing changes: scores of groups of all sizes, in two times alike."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import reduce
from typing import Final

import numpy as np
from heliscore.domain.changes.period_scores import (
    ALL,
    ComparedPeriods,
    GroupKey,
    GroupScores,
    Period,
    TwoPeriods,
)
from heliscore.domain.changes.ranking import find_changes
from heliscore.domain.filter_tree import Column
from heliscore.domain.statistics.samples import Sample
from numpy.random import Generator, default_rng
from numpy.typing import NDArray

END: Final = datetime(2026, 3, 15, tzinfo=UTC)
WEEK: Final = timedelta(days=7)
WEEKS: Final = TwoPeriods(END - 2 * WEEK, END - WEEK, END - WEEK, END)

CONFIDENCE: Final = 0.95
LEAST: Final = 30

_ATOMS: Final = 40
"""The finest groups; each coarser one is some of them."""

_NEW: Final = 8
"""Of these, so many are in the second time only, and are compared with the others of the first."""

Draw = Callable[[Generator, int], NDArray[np.int64]]


def bounded(random: Generator, size: int) -> NDArray[np.int64]:
    """Scores from 0 to 100 that pile up at the top."""
    return np.rint(100 * random.beta(5, 0.5, size)).astype(np.int64)


def spiked(random: Generator, size: int) -> NDArray[np.int64]:
    """About 1, but for six in a thousand that are far above."""
    values = np.maximum(0, np.rint(random.normal(0, 1.5, size)))
    return np.where(random.random(size) < 0.006, random.integers(35, 91, size), values).astype(np.int64)


def lognormal(random: Generator, size: int) -> NDArray[np.int64]:
    return np.rint(100 * random.lognormal(4, 1, size)).astype(np.int64)


def share(random: Generator, size: int, probability: float) -> NDArray[np.int64]:
    return (random.random(size) < probability).astype(np.int64)


SCORES: Final[dict[str, Draw]] = {
    "bounded": bounded,
    "spiked": spiked,
    "lognormal": lognormal,
    "rare": lambda random, size: share(random, size, 0.02),
    "usual": lambda random, size: share(random, size, 0.9),
}


def sample_of(values: NDArray[np.int64]) -> Sample:
    return Sample(len(values), int(values.sum()), int((values * values).sum()))


def quiet_weeks(random: Generator, scores: dict[str, Draw] = SCORES) -> ComparedPeriods:
    """Two weeks: groups of some 20 to 2,000 requests a week, by three columns;
    some of the groups are new."""
    sizes = np.exp(random.uniform(np.log(20), np.log(2000), _ATOMS))
    groups = [
        [GroupKey(Column("user_id"), str(atom)), GroupKey(Column("model"), str(atom % 12)),
         GroupKey(Column("provider"), str(atom % 4)), ALL]
        for atom in range(_ATOMS)
    ]  # fmt: skip
    found: dict[tuple[GroupKey, str], dict[bool, list[Sample]]] = defaultdict(lambda: defaultdict(list))
    for atom, size in enumerate(sizes):
        for is_now in (False, True) if atom >= _NEW else (True,):
            for name, draw in scores.items():
                values = draw(random, max(1, random.poisson(size)))
                for group in groups[atom]:
                    found[group, name][is_now].append(sample_of(values))
    return ComparedPeriods(
        [
            GroupScores(group, name, *(_period(samples.get(is_now, [])) for is_now in (False, True)))
            for (group, name), samples in found.items()
        ],
        {},
        0,
        0,
    )


def _period(samples: list[Sample]) -> Period | None:
    return Period(reduce(Sample.plus, samples), END, END) if samples else None


def share_of_reports(draws: int, seed: int) -> float:
    """The share of pairs of quiet weeks of which some change is reported."""
    random = default_rng(seed)
    reports = sum(
        bool(find_changes(quiet_weeks(random), WEEKS, (), confidence=CONFIDENCE, least=LEAST).changes)
        for _ in range(draws)
    )
    return reports / draws
