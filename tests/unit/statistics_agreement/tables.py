"""Tables of two raters' values for the tests of agreement, drawn by hypothesis or by a seed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from random import Random

from heliscore.domain.statistics.agreement import agree_pair, scales_differ
from heliscore.domain.statistics.agreement_sums import AgreementSums, PairColumns
from heliscore.domain.statistics.jackknife import Coefficient
from heliscore.domain.statistics.pair_tables import Level, PairLists, PairTable
from hypothesis import assume
from hypothesis import strategies as st

TOLERANCE = 2
INT64 = 2**63

small_values = st.sampled_from([[0, 1], [1, 2, 3], [0, 1, 2, 3, 4], [-7, 0, 2, 3, 50], list(range(12))])
any_values = st.one_of(
    small_values,
    st.lists(st.integers(-INT64, INT64 - 1), min_size=1, max_size=12, unique=True),
)


@st.composite
def observations(draw: st.DrawFn, values: st.SearchStrategy[list[int]]) -> list[tuple[int, int]]:
    """From 2 to 200 requests with two values each, which agree more often than by chance or not."""
    of = draw(values)
    random = Random(draw(st.integers(0, 2**32)))
    agreeing = draw(st.sampled_from([0.0, 0.5, 0.9, 0.99]))
    pairs = []
    for _ in range(draw(st.integers(2, 200))):
        x = random.choice(of)
        pairs.append((x, x if random.random() < agreeing else random.choice(of)))
    assume(not scales_differ(table_of(pairs)))
    return pairs


def table_of(pairs: Sequence[tuple[int, int]]) -> dict[tuple[int, int], int]:
    return dict(Counter(pairs))


def all_coefficients(table: PairTable, level: Level = "ordinal") -> Mapping[str, Coefficient]:
    return agree_pair(table, level=level, tolerance=TOLERANCE, confidence=0.95, folds=None).coefficients


def sums_of(table: PairTable) -> AgreementSums:
    pairs = PairLists.of(table)
    return PairColumns.of(pairs, TOLERANCE).sums(pairs.counts)


def related(random: Random, count: int, highest: int, noise: float) -> list[tuple[int, int]]:
    """Values from 0 to the highest, of which the second repeats the first except for a share."""
    pairs = []
    for _ in range(count):
        x = random.randint(0, highest)
        pairs.append((x, random.randint(0, highest) if random.random() < noise else x))
    return pairs


def true_coefficients(highest: int, noise: float, size: int = 10**9) -> dict[str, float]:
    """The coefficients of all the requests that `related` draws from."""
    values = range(highest + 1)
    share = size // (highest + 1) ** 2
    agreeing = (1 - noise) * (highest + 1)
    table = {(x, y): round(share * (noise + agreeing * (x == y))) for x in values for y in values}
    found = all_coefficients(table)
    return {name: one.value for name, one in found.items() if one.value is not None}


def folded(random: Random, pairs: Sequence[tuple[int, int]], folds: int) -> list[dict[tuple[int, int], int]]:
    parts: list[Counter[tuple[int, int]]] = [Counter() for _ in range(folds)]
    for pair in pairs:
        parts[random.randrange(folds)][pair] += 1
    return [dict(part) for part in parts]
