from __future__ import annotations

from itertools import pairwise

import pytest
from heliscore.domain.bin_edges import bin_edges
from hypothesis import given
from hypothesis import strategies as st

VALUES = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    *(st.integers(2**power - 12, 2**power + 12) for power in (0, 51, 52, 53, 54, 62)),
)


@pytest.mark.parametrize(
    ("lowest", "highest", "bins", "edges"),
    [
        (0, 2, 3, [0, 2 / 3, 4 / 3, 2]),
        (0, 100, 4, [0, 25, 50, 75, 100]),
        (-5, -5, 1, [-5, -5]),
        (2**53, 2**53 + 2, 3, [2**53, 2**53 + 1, 2**53 + 2, 2**53 + 3]),
        (2**60, 2**60 + 25, 10, [2**60 + n for n in (0, 3, 5, 8, 10, 13, 15, 18, 20, 23, 25)]),
    ],
)
def test_edges(lowest: int, highest: int, bins: int, edges: list[float]) -> None:
    assert bin_edges(lowest, highest, bins) == edges


def test_whole_edges_are_integers() -> None:
    assert [type(edge) for edge in bin_edges(0, 10, 4)] == [int, float, int, float, int]


@given(VALUES, st.integers(0, 40) | st.integers(0, 2**63))
def test_every_integer_is_in_the_bin_that_counts_it(lowest: int, width: int) -> None:
    highest, bins = lowest + width, min(10, width + 1)
    edges = bin_edges(lowest, highest, bins)
    assert len(edges) == bins + 1
    assert (edges[0], edges[-1] >= highest) == (lowest, True)
    if width:
        assert all(low < high for low, high in pairwise(edges))
    near = {round(edge) + step for edge in edges for step in range(-2, 3)} | {lowest, highest}
    for value in near:
        if lowest <= value <= highest:
            counted = min(bins - 1, (value - lowest) * bins // max(width, 1))
            assert edges[counted] <= value
            assert value < edges[counted + 1] or counted == bins - 1
