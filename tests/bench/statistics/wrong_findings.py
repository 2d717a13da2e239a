"""How often something is found that is not there: at many looks, among many comparisons, by the gate."""

from __future__ import annotations

from functools import partial

from heliscore.domain.statistics.compared import Correction

from tests.unit.changes.quiet_times import share_of_reports
from tests.unit.statistics import experiments
from tests.unit.statistics.experiments import SCORES, Draw, bounded, coin, mostly_full, normal

from .tables import Table, figure

_LOOKS = [*range(5, 30), *range(30, 300, 15), *range(300, 3001, 100)]


def looks(draws: int) -> Table:
    draw_by_name: dict[str, Draw] = {**SCORES, "share of 0.5": coin, "share of 0.02": partial(coin, p=0.02)}
    tunings = (500, 5000, None)
    return Table(
        f"Some of {len(_LOOKS)} looks, at 5 to 3,000 scores a group, finds a difference where there is none:",
        ("scores", "tuning 500", "tuning 5000", "interval for one look"),
        [
            (name, *(figure(experiments.looks(draw, _LOOKS, draws, tuning)) for tuning in tunings))
            for name, draw in draw_by_name.items()
        ],
    )


def pages(draws: int) -> Table:
    corrections: list[Correction] = ["none", "holm", "bh"]
    return Table(
        "Some comparison of a page finds a difference where there is none, with 50 scores a group:",
        ("scores x groups beside the base", *corrections),
        [
            (
                f"{scores} x {groups}",
                *map(figure, experiments.pages(scores, groups, 50, draws, corrections)),
            )
            for scores, groups in ((1, 1), (6, 1), (6, 3), (12, 5))
        ],
    )


def quiet_weeks(draws: int) -> Table:
    share = share_of_reports(draws, seed=2)
    return Table(
        "Something is reported of two weeks in which nothing changed, with 265 comparisons:",
        ("scores", "reported"),
        [("five, in 57 groups, some of them new", figure(share))],
    )


def gates(draws: int) -> Table:
    counts = (30, 100, 300)
    losses: dict[str, tuple[Draw, int]] = {
        "normal": (normal, 200),
        "0 to 100, piled up at 100": (bounded, 2),
        "95 % of 100, 5 % of 0": (mostly_full, 5),
    }
    return Table(
        "A loss of exactly the margin passes the gate (0.025 by its promise):",
        ("scores", *map(str, counts)),
        [
            *(
                (name, *(figure(experiments.gate_of_means(draw, loss, n, draws)) for n in counts))
                for name, (draw, loss) in losses.items()
            ),
            *(
                (
                    f"share, {base} falls to {base - loss:.2f}",
                    *(figure(experiments.gate_of_shares(base, loss, n)) for n in counts),
                )
                for base, loss in ((0.95, 0.05), (0.8, 0.1))
            ),
        ],
    )
