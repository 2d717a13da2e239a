"""Intervals cover what is true as often as they say, in simulated experiments of fixed seeds."""

from __future__ import annotations

import pytest

from . import experiments
from .experiments import SCORES, bounded, coin, lognormal, mostly_full, normal, wide

DRAWS = 2_000


def is_95(coverage: float) -> bool:
    return 0.93 <= coverage <= 0.97


@pytest.mark.parametrize(
    ("draw", "other", "sizes"),
    [
        (normal, normal, (5, 5)),
        (normal, wide, (10, 10)),
        (normal, wide, (300, 10)),
        (lognormal, lognormal, (30, 30)),
        (bounded, bounded, (30, 30)),
        (mostly_full, mostly_full, (300, 300)),
    ],
)
def test_welch_covers(draw: experiments.Draw, other: experiments.Draw, sizes: tuple[int, int]) -> None:
    assert is_95(experiments.welch(draw, sizes, DRAWS, other=other))


@pytest.mark.parametrize("name", SCORES)
def test_welch_of_few_scores_is_on_the_safe_side(name: str) -> None:
    assert experiments.welch(SCORES[name], (3, 3), DRAWS) > 0.95


@pytest.mark.parametrize("sizes", [(10, 300), (30, 300), (10, 12)])
def test_few_scores_that_happen_to_be_equal_are_not_taken_for_certain(sizes: tuple[int, int]) -> None:
    assert experiments.welch(mostly_full, sizes, 500) > 0.95


@pytest.mark.parametrize("p", [(0.5, 0.5), (0.5, 0.6), (0.2, 0.3)])
def test_newcombe_covers(p: tuple[float, float]) -> None:
    assert is_95(experiments.newcombe(p, (30, 30)))
    assert is_95(experiments.newcombe(p, (10, 60)))


@pytest.mark.parametrize("p", [(0.01, 0.01), (0.01, 0.99), (0.9, 0.99), (0.01, 0.05)])
def test_newcombe_of_rare_values_covers_nine_tenths_at_least(p: tuple[float, float]) -> None:
    for size in (5, 10, 20):
        assert experiments.newcombe(p, (size, size)) > 0.9


def test_pairs_cover() -> None:
    assert is_95(experiments.paired(bounded, normal, 10, DRAWS))
    assert is_95(experiments.paired(lognormal, normal, 60, DRAWS))


def test_paired_shares_cover_on_the_safe_side() -> None:
    for count in (10, 30, 300):
        assert experiments.bonett_price(0.1, 0.05, count, DRAWS) > 0.94


@pytest.mark.parametrize("units", [10, 30])
def test_units_cover(units: int) -> None:
    assert is_95(experiments.clustered(units, 10, 0.3, DRAWS))


def test_dependent_requests_would_not_cover() -> None:
    assert experiments.clustered(30, 10, 0.3, 500, by_unit=False) < 0.75


def test_covariate_covers() -> None:
    assert is_95(experiments.cuped(30, DRAWS))


def test_lift_covers() -> None:
    coverage, shown = experiments.fieller(60, DRAWS)
    assert is_95(coverage)
    assert shown == 1


@pytest.mark.parametrize("draw", [normal, lognormal, coin, mostly_full])
def test_many_looks_are_seldom_wrong_with_always_valid_intervals(draw: experiments.Draw) -> None:
    at = [*range(5, 30, 3), *range(30, 1000, 100)]
    assert experiments.looks(draw, at, 500, tuning=500) <= 0.05


def test_many_looks_are_often_wrong_with_intervals_for_one() -> None:
    assert experiments.looks(normal, [*range(30, 1000, 50)], 100, tuning=None) > 0.15


def test_sixty_comparisons_find_nothing_with_a_correction() -> None:
    plain, holm, bh = experiments.pages(12, 5, 50, 500, ["none", "holm", "bh"])
    assert plain > 0.8
    assert holm <= 0.06
    assert bh <= 0.06


def test_gate_passes_a_loss_of_just_the_margin_as_seldom_as_it_says() -> None:
    assert 0.015 < experiments.gate_of_means(normal, 200, 30, DRAWS) < 0.035
    assert 0.015 < experiments.gate_of_shares(0.95, 0.05, 100) < 0.035
