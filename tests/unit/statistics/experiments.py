"""Simulated experiments: what groups of scores come out when it is known what is true.

Each function answers how often an interval covers the truth, or how often something is found. Unless said,
the two groups are alike. A coverage of 0.95 has a standard error of 0.22/sqrt(draws).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial
from typing import Final

import numpy as np
from heliscore.domain.statistics.compared import (
    Correction,
    CovariateSums,
    PairSums,
    Question,
    UnitSums,
)
from heliscore.domain.statistics.corrections import adjust
from heliscore.domain.statistics.estimates import McNemar, Newcombe
from heliscore.domain.statistics.lifts import lift_interval
from heliscore.domain.statistics.means import (
    Means,
    estimate_difference,
    means_of_pairs,
    means_of_samples,
    means_of_units,
    means_with_covariate,
)
from heliscore.domain.statistics.samples import Sample
from numpy.random import Generator, default_rng
from numpy.typing import NDArray
from scipy.stats import binom

Integers = NDArray[np.int64]
Draw = Callable[[Generator, tuple[int, ...]], Integers]

ALPHA: Final = 0.05
QUESTION: Final = Question(measure="mean")
_NEGLIGIBLE: Final = 1e-12


def normal(
    random: Generator, shape: tuple[int, ...], mean: float = 7000, deviation: float = 1000
) -> Integers:
    return np.rint(random.normal(mean, deviation, shape)).astype(np.int64)


def lognormal(random: Generator, shape: tuple[int, ...]) -> Integers:
    return np.rint(100 * random.lognormal(4, 1, shape)).astype(np.int64)


def bounded(random: Generator, shape: tuple[int, ...]) -> Integers:
    """Scores from 0 to 100 that pile up at the top."""
    return np.rint(100 * random.beta(5, 0.5, shape)).astype(np.int64)


def mostly_full(random: Generator, shape: tuple[int, ...]) -> Integers:
    """95 % of 100 and 5 % of 0."""
    return 100 * (random.random(shape) < 0.95).astype(np.int64)


def coin(random: Generator, shape: tuple[int, ...], p: float = 0.5) -> Integers:
    return (random.random(shape) < p).astype(np.int64)


SCORES: Final[dict[str, Draw]] = {
    "normal": normal,
    "lognormal": lognormal,
    "0 to 100, piled up at 100": bounded,
    "95 % of 100, 5 % of 0": mostly_full,
}

wide: Final[Draw] = partial(normal, deviation=4000)


def _samples(draw: Draw, random: Generator, draws: int, count: int) -> Iterator[Sample]:
    values = draw(random, (draws, count))
    sums, squares = values.sum(axis=1), (values * values).sum(axis=1)
    return (Sample(count, s, q) for s, q in zip(sums.tolist(), squares.tolist(), strict=True))


def _not_rejected(means: Means, question: Question = QUESTION) -> bool:
    """Whether the interval covers 0, or would if there were one."""
    p = estimate_difference(means, question).p
    return p is None or p >= ALPHA


def welch(draw: Draw, sizes: tuple[int, int], draws: int, *, other: Draw | None = None) -> float:
    """Coverage of Welch's interval."""
    random = default_rng(1)
    pairs = zip(
        _samples(draw, random, draws, sizes[0]), _samples(other or draw, random, draws, sizes[1]), strict=True
    )
    return sum(_not_rejected(means_of_samples(*pair)) for pair in pairs) / draws


def paired(draw: Draw, noise: Draw, count: int, draws: int) -> float:
    """Coverage of the interval of pairs, each of a value and twice a noise."""
    random = default_rng(2)
    items = draw(random, (draws, count))
    x, y = items + noise(random, items.shape), items + noise(random, items.shape)
    return sum(_not_rejected(means_of_pairs(sums)) for sums in _pair_sums(x, y)) / draws


def _pair_sums(x: Integers, y: Integers) -> Iterator[PairSums]:
    parts = [x, y, x * x, y * y, (y - x) ** 2]
    for row in zip(*(part.sum(axis=1).tolist() for part in parts), strict=True):
        yield PairSums(x.shape[1], *(Fraction(number) for number in row))


def newcombe(p: tuple[float, float], sizes: tuple[int, int]) -> float:
    """Coverage of Newcombe's interval, computed from all possible results."""
    chances = [binom.pmf(np.arange(n + 1), n, share) for share, n in zip(p, sizes, strict=True)]
    total = 0.0
    for a in np.flatnonzero(chances[0] > _NEGLIGIBLE).tolist():
        for b in np.flatnonzero(chances[1] > _NEGLIGIBLE).tolist():
            interval = Newcombe(a, sizes[0], b, sizes[1]).interval(1 - ALPHA)
            if interval.low <= p[1] - p[0] <= interval.high:
                total += float(chances[0][a] * chances[1][b])
    return total


def bonett_price(gained: float, lost: float, count: int, draws: int) -> float:
    """Coverage of the interval of paired shares."""
    rows = default_rng(3).multinomial(count, (gained, lost, 1 - gained - lost), draws).tolist()
    intervals = (McNemar(losses=b, gains=c, pairs=count).interval(1 - ALPHA) for c, b, _ in rows)
    return sum(interval.low <= gained - lost <= interval.high for interval in intervals) / draws


def clustered(units: int, each: int, icc: float, draws: int, *, by_unit: bool = True) -> float:
    """Coverage with so many units a group and requests a unit: by unit, or as if requests did not depend."""
    random = default_rng(4)
    groups = [_unit_values(random, (draws, units, each), icc) for _ in range(2)]
    if by_unit:
        means = (means_of_units(*pair) for pair in zip(*map(_unit_sums, groups), strict=True))
    else:
        flat: list[Draw] = [lambda *_, group=group: group.reshape(draws, -1) for group in groups]
        samples = (_samples(draw, random, draws, units * each) for draw in flat)
        means = (means_of_samples(*pair) for pair in zip(*samples, strict=True))
    return sum(_not_rejected(one) for one in means) / draws


def _unit_values(random: Generator, shape: tuple[int, int, int], icc: float) -> Integers:
    shared = random.normal(0, icc**0.5, (*shape[:2], 1))
    return np.rint(1000 * (shared + random.normal(0, (1 - icc) ** 0.5, shape))).astype(np.int64)


def _unit_sums(values: Integers) -> Iterator[UnitSums]:
    _, units, each = values.shape
    sums = values.sum(axis=2)
    totals, squares = sums.sum(axis=1).tolist(), (sums * sums).sum(axis=1).tolist()
    for total, square in zip(totals, squares, strict=True):
        yield UnitSums(units, units * each, total, square, each * total, units * each * each)


def cuped(count: int, draws: int) -> float:
    """Coverage with a covariate that explains half of the variance."""
    random = default_rng(5)
    groups = []
    for _ in range(2):
        x = normal(random, (draws, count))
        groups.append(list(_covariate_sums(x, x + normal(random, x.shape, mean=0))))
    found = (means_with_covariate(*pair) for pair in zip(*groups, strict=True))
    return sum(means is None or _not_rejected(means) for means in found) / draws


def _covariate_sums(x: Integers, y: Integers) -> Iterator[CovariateSums]:
    rows = zip(*(part.sum(axis=1).tolist() for part in (x, y, x * x, y * y, x * y)), strict=True)
    return (CovariateSums(x.shape[1], *row) for row in rows)


def fieller(count: int, draws: int) -> tuple[float, float]:
    """Coverage of the lift's interval where the lift is 10 %, and how often there is one."""
    random = default_rng(6)
    base = _samples(partial(normal, deviation=2000), random, draws, count)
    other = _samples(partial(normal, mean=7700, deviation=2000), random, draws, count)
    intervals = [lift_interval(means_of_samples(*pair), 1 - ALPHA) for pair in zip(base, other, strict=True)]
    shown = [interval for interval in intervals if interval]
    return sum(interval.low <= 0.1 <= interval.high for interval in shown) / len(shown), len(shown) / draws


def looks(draw: Draw, at: list[int], draws: int, tuning: int | None) -> float:
    """How often some of many looks, at so many scores a group, finds a difference that is not there."""
    random = default_rng(7)
    question = Question(measure="mean", tuning=tuning)
    found = 0
    for _ in range(draws):
        groups = [_growing(draw(random, (at[-1],)), at) for _ in range(2)]
        found += any(
            not _not_rejected(means_of_samples(*pair), question) for pair in zip(*groups, strict=True)
        )
    return found / draws


def _growing(values: Integers, at: list[int]) -> Iterator[Sample]:
    sums, squares = np.cumsum(values), np.cumsum(values * values)
    return (Sample(count, int(sums[count - 1]), int(squares[count - 1])) for count in at)


def pages(scores: int, groups: int, count: int, draws: int, corrections: list[Correction]) -> list[float]:
    """How often a page that compares so many scores of so many groups with one finds any difference."""
    random = default_rng(8)
    found = [0] * len(corrections)
    for _ in range(draws):
        p_values: list[float] = []
        for _ in range(scores):
            base, *others = _samples(normal, random, groups + 1, count)
            p_values += [
                estimate_difference(means_of_samples(base, other), QUESTION).p or 0.0 for other in others
            ]
        for number, correction in enumerate(corrections):
            found[number] += min(adjust(p_values, correction)) < ALPHA
    return [times / draws for times in found]


def gate_of_means(draw: Draw, loss: int, count: int, draws: int) -> float:
    """How often a group that lost exactly the margin passes as not worse."""
    random = default_rng(9)
    base = _samples(draw, random, draws, count)
    other = _samples(lambda *a: draw(*a) - loss, random, draws, count)
    passed = 0
    for pair in zip(base, other, strict=True):
        interval = estimate_difference(means_of_samples(*pair), QUESTION).interval(1 - ALPHA)
        passed += interval is not None and interval.low > -loss
    return passed / draws


def gate_of_shares(base: float, loss: float, count: int) -> float:
    """The same of shares, computed from all possible results."""
    a_chance, b_chance = (binom.pmf(np.arange(count + 1), count, p) for p in (base, base - loss))
    total = 0.0
    for a in np.flatnonzero(a_chance > _NEGLIGIBLE).tolist():
        for b in np.flatnonzero(b_chance > _NEGLIGIBLE).tolist():
            if Newcombe(a, count, b, count).interval(1 - ALPHA).low > -loss:
                total += float(a_chance[a] * b_chance[b])
    return total
