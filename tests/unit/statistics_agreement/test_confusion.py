"""The table of pairs is drawn in few cells, and the worst pairs are listed."""

from __future__ import annotations

import pytest
from heliscore.domain.statistics.agreement import Prevalence, agree_pair
from heliscore.domain.statistics.confusion import Cell, bins_of, confusion
from heliscore.domain.statistics.pair_tables import worst_pairs

from tests.unit.statistics_agreement.tables import INT64


def test_few_values_are_cells_as_they_are() -> None:
    table = {(1, 1): 5, (1000, 1): 2, (-3, 1000): 1}
    assert confusion(table, one_scale=True) == (
        Cell(x_from=-3, x_to=-3, y_from=1000, y_to=1000, count=1),
        Cell(x_from=1, x_to=1, y_from=1, y_to=1, count=5),
        Cell(x_from=1000, x_to=1000, y_from=1, y_to=1, count=2),
    )


@pytest.mark.parametrize(
    ("values", "width"),
    [
        (range(25), 1),
        (range(26), 2),
        (range(1, 51), 5),
        (range(101), 5),
        (range(125), 5),
        (range(126), 10),
        (range(-60, 61), 5),
        (range(-63, 63), 10),
        ([*range(30), INT64 - 1, -INT64], 10**18),
    ],
)
def test_ranges_are_the_least_wide_of_1_2_and_5_that_are_25_at_most(values: list[int], width: int) -> None:
    assert bins_of(values).width == width


def test_ranges_begin_at_multiples_of_their_width() -> None:
    table = {(value, value + 1): 1 for value in range(-30, 30)}
    cells = confusion(table, one_scale=True)
    assert all(cell.x_from % 5 == 0 and cell.x_to == cell.x_from + 4 for cell in cells)
    assert cells[0] == Cell(x_from=-30, x_to=-26, y_from=-30, y_to=-26, count=4)
    assert sum(cell.count for cell in cells) == 60


def test_ranges_end_where_scores_do() -> None:
    table = {(value, value): 1 for value in [*range(30), INT64 - 1, -INT64]}
    first, *_, last = confusion(table, one_scale=True)
    assert (first.x_from, first.x_to) == (-INT64, -9 * 10**18 - 1)
    assert (last.x_from, last.x_to) == (9 * 10**18, INT64 - 1)


def test_different_scales_have_ranges_for_each() -> None:
    table = {(value % 5, value): 1 for value in range(100)}
    assert confusion(table, one_scale=False)[0] == Cell(x_from=0, x_to=0, y_from=0, y_to=4, count=1)


def test_worst_pairs_are_furthest_apart_then_most_frequent() -> None:
    table = {(1, 1): 90, (1, 5): 1, (5, 1): 3, (2, 4): 8, (3, 4): 20}
    assert worst_pairs(table, 3) == [(5, 1), (1, 5), (2, 4)]
    assert worst_pairs(table, 9) == [(5, 1), (1, 5), (2, 4), (3, 4)]


def test_agreement_by_chance_comes_with_what_each_rater_gives() -> None:
    table = {(0, 0): 40, (1, 1): 30, (0, 1): 20, (1, 0): 10}
    found = agree_pair(table, level="nominal", tolerance=0, confidence=0.95, folds=None)
    assert found.prevalence == (Prevalence(0, 0.6, 0.5), Prevalence(1, 0.4, 0.5))
    assert (found.observed, found.expected) == (0.7, 0.5)
    assert found.coefficients["cohenKappa"].value == pytest.approx(0.4)
