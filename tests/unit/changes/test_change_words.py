"""Changes in words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from heliscore.domain.changes.change import Change, Side
from heliscore.domain.changes.change_words import describe_change, describe_group, show_amount, show_since
from heliscore.domain.changes.period_scores import ALL, PROMPT_VERSION, GroupKey, TwoPeriods
from heliscore.domain.filter_tree import Column, Property
from heliscore.domain.score import FEEDBACK
from heliscore.domain.statistics.compared import Measure

NOW = datetime(2026, 1, 3, 15, 30, tzinfo=UTC)


def times(days: float) -> TwoPeriods:
    length = timedelta(days=days)
    return TwoPeriods(NOW - 2 * length, NOW - length, NOW - length, NOW)


def moved(difference: float, measure: Measure = "mean", score: str = "relevance", n: int = 1207) -> Change:
    return Change(
        score=score,
        group=ALL,
        direction="rose" if difference > 0 else "fell",
        measure=measure,
        before=Side(3, 0.0),
        now=Side(n, 0.0),
        difference=difference,
    )


@pytest.mark.parametrize(
    ("difference", "measure", "amount"),
    [
        (-21.4, "mean", "21"),
        (9.96, "mean", "10.0"),
        (-0.534, "mean", "0.53"),
        (0.00314, "mean", "0.0031"),
        (123456.7, "mean", "123,457"),
        (-0.436, "share", "44"),
        (0.0213, "share", "2.1"),
        (0.00002, "share", "0.002"),
    ],
)
def test_amount_has_two_digits(difference: float, measure: Measure, amount: str) -> None:
    assert show_amount(moved(difference, measure)) == amount


def test_sentence_says_points_of_what() -> None:
    week = times(7)
    assert describe_change(moved(-21.4), week) == "relevance fell 21 points, 1,207 answers"
    assert describe_change(moved(0.05, "share", FEEDBACK, 1), week) == (
        "Feedback rose 5.0 percentage points, 1 answer"
    )


@pytest.mark.parametrize(
    ("days", "since", "shown"),
    [
        (7, datetime(2026, 1, 2, tzinfo=UTC), "2 Jan"),
        (7, datetime(2025, 12, 30, tzinfo=UTC), "30 Dec 2025"),
        (1, datetime(2026, 1, 2, 14, tzinfo=UTC), "2 Jan, 14:00"),
        (2, datetime(2025, 12, 31, 9, 12, tzinfo=UTC), "31 Dec 2025, 09:00"),
    ],
)
def test_beginning_is_a_day_or_of_a_short_time_an_hour(days: float, since: datetime, shown: str) -> None:
    assert show_since(since, times(days)) == shown


@pytest.mark.parametrize(
    ("group", "words"),
    [
        (ALL, ""),
        (GroupKey(Column("model"), "gpt-4o"), "with gpt-4o"),
        (GroupKey(Column("model"), None), "without a model"),
        (GroupKey(Column("user_id"), "ada"), "for user ada"),
        (GroupKey(PROMPT_VERSION, "5", "support-reply"), "with support-reply 5"),
        (GroupKey(PROMPT_VERSION, None, "support-reply"), "with support-reply without a version"),
        (GroupKey(PROMPT_VERSION, "5", None), "with prompt version 5"),
        (GroupKey(Property("env"), ""), "with env = "),
        (GroupKey(Property("env"), None), "without env"),
    ],
)
def test_group_in_words(group: GroupKey, words: str) -> None:
    assert describe_group(group) == words
