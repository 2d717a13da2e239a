from __future__ import annotations

from fractions import Fraction

import pytest
from heliscore.domain.allocation import allocate_equally, allocate_in_proportion
from hypothesis import given
from hypothesis import strategies as st

sizes_ = st.lists(st.integers(1, 60), min_size=1, max_size=12).map(lambda sizes: sorted(sizes, reverse=True))
totals = st.integers(1, 100)


@pytest.mark.parametrize(
    ("sizes", "total", "shares"),
    [
        ([], 5, []),
        ([9, 9, 9], 7, [3, 2, 2]),
        ([9, 2, 1], 8, [5, 2, 1]),
        ([9, 2, 1], 2, [1, 1, 0]),
        ([3, 2], 50, [3, 2]),
    ],
)
def test_equal_allocation_gives_each_the_same_or_all_it_has(
    sizes: list[int], total: int, shares: list[int]
) -> None:
    assert allocate_equally(sizes, total) == shares


@pytest.mark.parametrize(
    ("sizes", "total", "shares"),
    [
        ([], 5, []),
        ([500, 300, 200], 10, [5, 3, 2]),
        ([53, 24, 23], 7, [4, 2, 1]),
        ([1, 1, 1], 2, [1, 1, 0]),
        ([98, 1, 1], 10, [8, 1, 1]),
        ([98, 1, 1], 2, [2, 0, 0]),
        ([3, 2], 50, [3, 2]),
    ],
)
def test_proportional_allocation_is_by_largest_remainder_with_at_least_one_each(
    sizes: list[int], total: int, shares: list[int]
) -> None:
    assert allocate_in_proportion(sizes, total) == shares


@given(sizes_, totals)
def test_allocations_add_up_and_no_stratum_gives_more_than_it_has(sizes: list[int], total: int) -> None:
    for shares in (allocate_equally(sizes, total), allocate_in_proportion(sizes, total)):
        assert sum(shares) == min(total, sum(sizes))
        assert all(0 <= share <= size for share, size in zip(shares, sizes, strict=True))
        assert total < len(sizes) or 0 not in shares
        assert shares == sorted(shares, reverse=True)


@given(sizes_, totals)
def test_equal_shares_differ_by_one_at_most_where_strata_are_large_enough(
    sizes: list[int], total: int
) -> None:
    shares = allocate_equally(sizes, total)
    level = max(shares)
    assert all(share in (level, level - 1, size) for share, size in zip(shares, sizes, strict=True))


@given(sizes_, totals)
def test_proportional_shares_are_within_one_of_the_quota_where_that_is_one_or_more(
    sizes: list[int], total: int
) -> None:
    total = min(total, sum(sizes))
    quotas = [Fraction(total * size, sum(sizes)) for size in sizes]
    shares = allocate_in_proportion(sizes, total)
    if min(quotas) >= 1 or total < len(sizes):
        assert all(abs(share - quota) < 1 for share, quota in zip(shares, quotas, strict=True))


@given(sizes_, totals)
def test_as_many_of_the_largest_strata_as_are_wanted_are_enough(sizes: list[int], total: int) -> None:
    shares = allocate_in_proportion(sizes, total)
    assert allocate_in_proportion(sizes[:total], total, sum(sizes)) == shares[:total]
    assert not any(shares[total:])
    assert allocate_equally(sizes[:total], total) == allocate_equally(sizes, total)[:total]
