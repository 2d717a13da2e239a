from __future__ import annotations

from collections import Counter

from heliscore.dashboard.parts.trends import Bin
from heliscore.dashboard.parts.value_bins import bin_counts
from hypothesis import given
from hypothesis import strategies as st

COUNTS = st.none() | st.dictionaries(st.integers(-(2**63), 2**63 - 1), st.integers(1, 9), max_size=8)


def test_bins_are_the_same_in_all_groups_and_empty_ones_are_there() -> None:
    assert bin_counts([{50: 2, 59: 1}, None, {-1: 1}], 7) == [
        Bin(-10, 10, [0, 0, 1]),
        *(Bin(lower, 10, [0, 0, 0]) for lower in range(0, 50, 10)),
        Bin(50, 10, [3, 0, 0]),
    ]


def test_values_of_0_and_1_have_both_bins_and_no_values_none() -> None:
    assert bin_counts([{1: 3}], 25) == [Bin(0, 1, [0]), Bin(1, 1, [3])]
    assert bin_counts([None, {}], 25) == []


@given(st.lists(COUNTS, min_size=1, max_size=3), st.integers(2, 25))
def test_every_value_is_in_its_bin_and_there_are_no_more_bins_than_asked_for(
    groups: list[dict[int, int] | None], most: int
) -> None:
    bins = bin_counts(groups, most)
    assert len(bins) <= most
    for place, counts in enumerate(groups):
        expected = Counter[int]()
        for value, count in (counts or {}).items():
            expected[next(n for n, one in enumerate(bins) if one.lower <= value < one.lower + one.width)] += (
                count
            )
        assert {n: one.counts[place] for n, one in enumerate(bins) if one.counts[place]} == dict(expected)
