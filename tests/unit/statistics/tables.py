"""Random tables of scores, and their values one by one as the reference libraries take them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from random import Random

import numpy as np
from heliscore.domain.statistics.arms import compare_arms
from heliscore.domain.statistics.compared import Arm, Comparison, Pair, Question
from heliscore.domain.statistics.interval import Interval
from heliscore.domain.statistics.samples import Counts, Sample
from numpy.typing import NDArray

MAX_INT64 = 2**63 - 1
MIN_INT64 = -(2**63)


def arm(*values: int, last_week: int | None = None) -> Arm:
    return arm_of(Counter(values), last_week=last_week)


def arm_of(counts: Counts, last_week: int | None = None) -> Arm:
    return Arm(sample=Sample.of(counts), counts=counts, last_week=last_week)


def shares(true: int, count: int, last_week: int | None = None) -> Arm:
    return arm_of({value: k for value, k in ((1, true), (0, count - true)) if k}, last_week=last_week)


def compare_twice(group: Arm, question: Question) -> Comparison:
    """Compare a group with another one that is alike."""
    return compare_arms(group, group, question)


def ends(interval: Interval | None) -> tuple[float, float]:
    assert interval is not None
    return interval.low, interval.high


def spread_out(counts: Counts) -> NDArray[np.float64]:
    return np.repeat(np.array(list(counts), dtype=float), list(counts.values()))


def random_tables(number: int, seed: int, *, groups: int = 2) -> Iterator[list[dict[int, int]]]:
    """Tables of 1 to 12 values, 2 to 200 scores a group, some constant, negative or large."""
    random = Random(seed)
    for _ in range(number):
        scale = random.choice((1, 5, 100, 10**6))
        offset = random.choice((0, 0, -50, 10**9))
        values = [offset + random.randint(-scale, scale) for _ in range(random.randint(1, 12))]
        yield [dict(Counter(random.choices(values, k=random.randint(2, 200)))) for _ in range(groups)]


def random_shares(number: int, seed: int) -> Iterator[tuple[int, int, int, int]]:
    """True and all of two groups."""
    random = Random(seed)
    for _ in range(number):
        n, m = random.randint(2, 200), random.randint(2, 200)
        yield random.randint(0, n), n, random.randint(0, m), m


def random_items(number: int, seed: int, *, most: int = 1) -> Iterator[dict[Pair, int]]:
    """Items with up to `most` scores in each group."""
    random = Random(seed)
    for _ in range(number):
        scale = random.choice((1, 5, 100))
        items: Counter[Pair] = Counter()
        for _ in range(random.randint(2, 60)):
            n, m = random.randint(1, most), random.randint(1, most)
            x = [random.randint(0, scale) for _ in range(n)]
            y = [random.randint(0, scale) for _ in range(m)]
            items[sum(x), n, sum(y), m] += 1
        yield dict(items)
