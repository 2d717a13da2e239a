"""What a value comes to beside a condition, and the sentence about it."""

from __future__ import annotations

import random
from typing import Any

import pytest
import scipy.stats
from heliscore.domain.errors import NotMeasurable
from heliscore.domain.filter_tree import Column, Property
from heliscore.domain.monitors.monitor_definition import Bound, Definition, WorseThan
from heliscore.domain.monitors.monitor_judgement import Measured, judge
from heliscore.domain.monitors.monitor_schedule import Window, window_at
from heliscore.domain.monitors.monitor_sentences import describe
from heliscore.domain.statistics.samples import Sample

from tests.unit.monitors.definitions import HOUR, NOON, define

BELOW = Bound(is_below=True, limit=70)
ABOVE = Bound(is_below=False, limit=70)
WINDOW = Window(NOON - 3 * HOUR, NOON - 2 * HOUR)


def number(value: float | None, count: int = 10, group: str | None = None) -> Measured:
    return Measured(group=group, count=count, value=value)


def sampled(*values: int, group: str | None = None) -> Measured:
    sample = Sample.of({value: values.count(value) for value in values})
    return Measured(group=group, count=len(values), value=sample.mean, sample=sample)


def outcomes(definition: Definition, *measured: Measured, base: tuple[Measured, ...] = ()) -> list[str]:
    return [one.outcome for one in judge(definition, "up", measured, base)]


@pytest.mark.parametrize(
    ("condition", "recover_at", "value", "outcome"),
    [
        (BELOW, None, 69.9, "bad"),
        (BELOW, None, 70, "recovered"),
        (BELOW, 72, 70, "between"),
        (BELOW, 72, 71.9, "between"),
        (BELOW, 72, 72, "recovered"),
        (ABOVE, None, 70.1, "bad"),
        (ABOVE, None, 70, "recovered"),
        (ABOVE, 68, 70, "between"),
        (ABOVE, 68, 68, "recovered"),
        (BELOW, None, None, "no_data"),
    ],
)
def test_value_beside_a_bound(
    condition: Bound, recover_at: float | None, value: float | None, outcome: str
) -> None:
    definition = define(condition=condition, recover_at=recover_at)
    assert outcomes(definition, number(value)) == [outcome]


def test_fewer_scores_than_asked_for_are_no_data() -> None:
    definition = define(at_least_scores=10)
    assert outcomes(definition, number(1, 9), number(1, 10)) == ["no_data", "bad"]


def test_count_of_nothing_is_data() -> None:
    assert outcomes(define(statistic="count"), number(0, 0)) == ["bad"]


# Worse than before

WORSE = WorseThan("previous", 5, 0.95)
SLIGHTLY = WorseThan("previous", 0, 0.95)


def test_worse_is_what_the_whole_interval_shows() -> None:
    chance = random.Random(3)
    seen = set()
    for _ in range(60):
        base = [chance.randrange(60, 90) for _ in range(chance.randrange(5, 60))]
        now = [chance.randrange(45, 90) for _ in range(chance.randrange(5, 60))]
        found = scipy.stats.ttest_ind(now, base, equal_var=False).confidence_interval(0.95)
        expected = "bad" if found.high < -5 else "recovered"
        definition = define(condition=WORSE)
        assert outcomes(definition, sampled(*now), base=(sampled(*base),)) == [expected]
        seen.add(expected)
    assert seen == {"bad", "recovered"}


def test_direction_says_what_worse_is() -> None:
    low, high = sampled(*[10, 12] * 10), sampled(*[30, 32] * 10)
    definition = define(condition=WORSE)
    for direction, now, base, outcome in (
        ("up", low, high, "bad"),
        ("up", high, low, "recovered"),
        ("down", low, high, "recovered"),
        ("down", high, low, "bad"),
    ):
        assert judge(definition, direction, [now], [base])[0].outcome == outcome  # type: ignore[arg-type]


def test_confidence_is_that_of_all_groups_together() -> None:
    """One group of two would be worse at 95 %, and is not at 97.5 %."""
    base, now = [70, 75, 80, 85, 90] * 2, [62, 67, 72, 77, 82] * 2
    assert 0.025 < scipy.stats.ttest_ind(now, base, equal_var=False).pvalue < 0.05
    definition = define(condition=SLIGHTLY, group_by=Column("model"))
    groups = [sampled(*now, group="a"), sampled(*base, group="b")]
    bases = (sampled(*base, group="a"), sampled(*base, group="b"))
    assert outcomes(definition, groups[0], base=bases) == ["bad"]
    assert outcomes(definition, *groups, base=bases) == ["recovered", "recovered"]
    # A group that cannot be compared costs the others nothing.
    assert outcomes(definition, *groups, base=bases[:1]) == ["bad", "no_data"]


def test_values_that_do_not_vary_are_compared_exactly() -> None:
    definition = define(condition=WORSE)
    assert outcomes(definition, sampled(*[50] * 3), base=(sampled(*[80] * 3),)) == ["recovered"]
    assert outcomes(definition, sampled(*[50] * 9), base=(sampled(*[80] * 9),)) == ["bad"]


def test_base_without_enough_scores_is_no_data() -> None:
    definition = define(condition=WORSE, at_least_scores=3)
    few, enough = sampled(50, 51), sampled(50, 51, 52)
    assert outcomes(definition, few, base=(enough,)) == ["no_data"]
    assert outcomes(definition, enough, base=(few,)) == ["no_data"]
    assert outcomes(definition, enough) == ["no_data"]
    assert outcomes(definition, enough, base=(enough,)) == ["recovered"]


def test_share_of_other_values_is_an_error() -> None:
    definition = define(statistic="share", score="ok")
    with pytest.raises(NotMeasurable, match="ok has values other than 0 and 1, and so no share of true"):
        judge(definition, "up", [sampled(0, 1), sampled(0, 2)], [])


# Sentences


def sentence(now: Measured, base: Measured | None = None, **fields: Any) -> str:
    definition = define(**fields)
    [judged] = judge(definition, "up", [now], [] if base is None else [base])
    return describe(definition, judged, WINDOW)


GOOD, POOR = sampled(*[80, 82, 84, 86] * 50), sampled(*[60, 61, 62, 63] * 50)
TRUE = sampled(*[1] * 90, *[0] * 10)
FALSE = sampled(*[1] * 30, *[0] * 70)


@pytest.mark.parametrize(
    ("fields", "now", "base", "expected"),
    [
        ({}, number(61.24, 207), None, "relevance average 61.2 is below 70: 207 scores, "),
        ({}, number(75, 1), None, "relevance average 75.0 is not below 70: 1 score, "),
        (
            {"group_by": Property("prompt")},
            number(61.24, 207, "support-reply 5"),
            None,
            "relevance average 61.2 is below 70 with prompt support-reply 5: 207 scores, ",
        ),
        (
            {"group_by": Column("model")},
            number(61.24, 207),
            None,
            "relevance average 61.2 is below 70 without model: 207 scores, ",
        ),
        (
            {"recover_at": 72.5},
            number(71, 207),
            None,
            "relevance average 71.0 is not below 70, and not back at 72.5: 207 scores, ",
        ),
        (
            {"statistic": "share", "condition": Bound(is_below=True, limit=0.955)},
            TRUE,
            None,
            "relevance share 90.0 % is below 95.5 %: 100 scores, ",
        ),
        (
            {"statistic": "unscored", "condition": Bound(is_below=False, limit=0.1)},
            number(0.125, 8),
            None,
            "relevance unscored 12.5 % is above 10 %: 8 requests, ",
        ),
        (
            {"statistic": "count", "score": None},
            number(7, 7),
            None,
            "request count 7 is below 70: 7 requests, ",
        ),
        ({"statistic": "p90"}, number(12.5), None, "relevance p90 12.5 is below 70: 10 scores, "),
        (
            {"at_least_scores": 10},
            number(60, 3),
            None,
            "relevance average has too little data, at least 10 asked: 3 scores, ",
        ),
        (
            {"condition": WORSE},
            POOR,
            GOOD,
            "relevance average fell by 21.5 to 61.5 (95 % \u221221.8 to \u221221.2) against the window "
            "before, more than 5: 200 against 200 scores, ",
        ),
        (
            {"condition": WorseThan("week", 0.05, 0.95), "statistic": "share"},
            FALSE,
            TRUE,
            "relevance share fell by 60.0 points to 30.0 % (95 % \u221269.3 to \u221247.9) against a week "
            "before, more than 5 points: 100 against 100 scores, ",
        ),
        (
            {"condition": WORSE},
            GOOD,
            POOR,
            "relevance average rose by 21.5 to 83.0 against the window before, not surely more than 5: "
            "200 against 200 scores, ",
        ),
    ],
)
def test_sentence_says_what_was_found(
    fields: dict[str, Any], now: Measured, base: Measured | None, expected: str
) -> None:
    assert sentence(now, base, **fields) == f"{expected}09:00 to 10:00 UTC"


def test_times_of_several_days_have_dates() -> None:
    definition = define(window=24 * HOUR)
    [judged] = judge(definition, "up", [number(61)], [])
    assert describe(definition, judged, window_at(definition, NOON)) == (
        "relevance average 61.0 is below 70: 10 scores, 27 Nov 12:00 to 28 Nov 12:00 UTC"
    )
