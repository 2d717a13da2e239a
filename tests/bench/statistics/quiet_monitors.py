"""How often monitors fire in weeks in which nothing happens."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
from heliscore.domain.filter_tree import Everything
from heliscore.domain.monitors.monitor_definition import Definition, Rule, WorseThan
from heliscore.domain.monitors.monitor_judgement import Measured
from heliscore.domain.monitors.monitor_periods import Reading, Stand, evaluate
from heliscore.domain.statistics.samples import Sample
from heliscore.domain.times import EPOCH
from numpy.typing import NDArray

from tests.unit.statistics.experiments import Draw, mostly_full, normal

from .tables import Table, figure

_WEEK = timedelta(days=7)
_HOUR = timedelta(hours=1)
_SCORES_AN_HOUR = 60


def quiet_monitors(weeks: int) -> Table:
    """Alarms of one monitor in a week of 60 scores an hour, by its margin in standard deviations."""
    draws: dict[str, Draw] = {"normal": normal, "95 % of 100, 5 % of 0": mostly_full}
    monitors = {
        "window 1 h, every hour": (_HOUR, _HOUR, 1),
        "window 1 h, every 15 minutes, 3 in a row": (_HOUR, timedelta(minutes=15), 3),
        "window 24 h, every hour": (24 * _HOUR, _HOUR, 1),
    }
    margins = (0.0, 0.25, 0.5)
    return Table(
        f"Weeks of {weeks} quiet ones with an alarm of `worseThan: previous`, by the margin in deviations:",
        ("scores", "monitor", *map(str, margins)),
        [
            (name, monitor, *(figure(_alarms(draw, *shape, margin, weeks)) for margin in margins))
            for name, draw in draws.items()
            for monitor, shape in monitors.items()
        ],
    )


Sums = NDArray[Any]


def _alarms(
    draw: Draw, window: timedelta, every: timedelta, in_a_row: int, margin: float, weeks: int
) -> float:
    """The share of weeks with an alarm."""
    random = np.random.default_rng(17)
    spread = float(draw(random, (100_000,)).std())
    definition = Definition(
        name="quiet",
        score="score",
        statistic="average",
        tree=Everything(),
        window=window,
        every=every,
        condition=WorseThan("previous", margin * spread, 0.95),
        at_least_scores=10,
        rule=Rule(for_periods=in_a_row),
    )
    slots, length = (_WEEK + 2 * window) // every, window // every
    with_alarm = 0
    for _ in range(weeks):
        counts = random.poisson(_SCORES_AN_HOUR * (every / _HOUR), slots)
        ends = np.concatenate([[0], np.cumsum(counts)])
        values = draw(random, (int(ends[-1]),)).astype(object)
        sums, squares = (np.concatenate([[0], np.cumsum(of)])[ends] for of in (values, values * values))
        with_alarm += _fires(definition, ends, sums, squares, length)
    return with_alarm / weeks


def _fires(definition: Definition, ends: Sums, sums: Sums, squares: Sums, length: int) -> bool:
    """Whether it fires in some period; windows are so many periods long."""
    stand = Stand()
    for end in range(2 * length, len(ends)):
        base, now = (
            _measured(*(int(of[high] - of[high - length]) for of in (ends, sums, squares)))
            for high in (end - length, end)
        )
        at = EPOCH + end * definition.every
        stand = evaluate(definition, "up", stand, Reading([now], [base], 1), at).stand
        if stand.states[0].state == "firing":
            return True
    return False


def _measured(count: int, total: int, squares: int) -> Measured:
    if not count:
        return Measured()
    sample = Sample(count, total, squares)
    return Measured(count=count, value=sample.mean, sample=sample)
