"""What is reported of two times, and in which order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from heliscore.domain.changes.change import Change
from heliscore.domain.changes.change_words import describe_change
from heliscore.domain.changes.period_scores import (
    ALL,
    PROMPT_VERSION,
    ComparedPeriods,
    GroupKey,
    GroupScores,
    Period,
    TwoPeriods,
)
from heliscore.domain.changes.ranking import find_changes
from heliscore.domain.filter_tree import Column, Property
from heliscore.domain.statistics.samples import Sample

from .quiet_times import share_of_reports

START = datetime(2026, 3, 9, tzinfo=UTC)
DAY = timedelta(days=1)
WEEKS = TwoPeriods(START - 7 * DAY, START, START, START + 7 * DAY)
APART = TwoPeriods(START - 7 * DAY, START - 6 * DAY, START, START + DAY)

GPT, CLAUDE = GroupKey(Column("model"), "gpt"), GroupKey(Column("model"), "claude")
VERSION_4, VERSION_5 = (GroupKey(PROMPT_VERSION, version, "support-reply") for version in "45")

HUNDRED = {80: 25, 85: 50, 90: 25}
WORSE = {60: 25, 65: 50, 70: 25}
FEW = {85: 29}


def period(counts: dict[int, int] | None, day: float) -> Period | None:
    at = START + day * DAY
    return None if counts is None else Period(Sample.of(counts), at, at + DAY)


def scores(
    group: GroupKey, before: dict[int, int] | None, now: dict[int, int] | None, name: str = "accuracy"
) -> GroupScores:
    return GroupScores(group, name, period(before, -5), period(now, 2))


def ranked(
    *found: GroupScores, falling: tuple[str, ...] = (), periods: TwoPeriods = WEEKS, **more: Any
) -> list[Change]:
    compared = ComparedPeriods([*found], more.get("prompts", {}), 0, 0)
    return find_changes(compared, periods, falling, confidence=0.95, least=30).changes


def sentences(*found: GroupScores, periods: TwoPeriods = WEEKS, **more: Any) -> list[str]:
    return [describe_change(change, periods) for change in ranked(*found, periods=periods, **more)]


def test_group_that_fell_further_stands_before_all_requests() -> None:
    both = {value: HUNDRED.get(value, 0) + WORSE.get(value, 0) for value in (*HUNDRED, *WORSE)}
    double = {value: 2 * count for value, count in HUNDRED.items()}
    found = ranked(scores(ALL, double, both), scores(GPT, HUNDRED, HUNDRED), scores(CLAUDE, HUNDRED, WORSE))
    assert [(one.group, one.direction, one.verdict, one.difference) for one in found] == [
        (CLAUDE, "fell", "worse", -20.0),
        (ALL, "fell", "worse", -10.0),
    ]


def test_scores_of_any_scale_stand_in_one_list() -> None:
    """By the spread of the score, not by its unit."""
    large = {10**9: 50, 2 * 10**9: 50}, {10**9: 55, 2 * 10**9: 45}
    found = ranked(
        scores(ALL, *large, "tokens"),
        scores(ALL, {0: 120, 1: 180}, {0: 180, 1: 120}, "ok"),
        scores(ALL, HUNDRED, WORSE),
    )
    assert [(one.score, one.measure) for one in found] == [("accuracy", "mean"), ("ok", "share")]


def test_worse_comes_before_what_vanished_then_better_then_what_appeared() -> None:
    found = ranked(
        scores(ALL, HUNDRED, None, "gone"),
        scores(ALL, None, HUNDRED, "new"),
        scores(ALL, WORSE, HUNDRED, "up"),
        scores(ALL, WORSE, HUNDRED, "toxicity"),
        scores(ALL, HUNDRED, HUNDRED, "quiet"),
        falling=("toxicity",),
    )
    assert [(one.score, one.direction, one.verdict) for one in found] == [
        ("toxicity", "rose", "worse"),
        ("gone", "vanished", None),
        ("up", "rose", "better"),
        ("new", "appeared", None),
    ]


def test_new_prompt_version_is_compared_with_its_prompt() -> None:
    """With the little that it had before left out, and not with other prompts."""
    mixed = {**HUNDRED, 10: 300}
    found = [
        scores(ALL, mixed, mixed),
        scores(VERSION_4, HUNDRED, None),
        scores(VERSION_5, {60: 1}, WORSE),
    ]
    prompts = {("support-reply", "accuracy"): Sample.of({**HUNDRED, 60: 1})}
    [first, *_] = ranked(*found, prompts=prompts)
    assert (first.group, first.base, first.before.n, first.before.mean) == (
        VERSION_5,
        "othersBefore",
        100,
        85,
    )
    assert sentences(*found, prompts=prompts) == [
        "accuracy fell 20 points with support-reply 5, 100 answers, since 4 Mar",
        "requests with support-reply 4 have no scores since 5 Mar, 100 answers before",
    ]


def test_new_group_is_compared_with_all_others_and_the_sentence_says_so() -> None:
    found = scores(ALL, HUNDRED, {**HUNDRED, **WORSE}), scores(GPT, None, WORSE)
    assert sentences(*found)[0] == (
        "accuracy fell 20 points with gpt against the others before, 100 answers, since 11 Mar"
    )


def test_small_group_that_was_there_before_is_not_compared_with_others() -> None:
    """It may always have been worse."""
    found = ComparedPeriods([scores(ALL, HUNDRED, HUNDRED), scores(GPT, {60: 29}, {60: 31})], {}, 0, 0)
    changes = find_changes(found, WEEKS, (), confidence=0.95, least=30)
    assert (changes.changes, changes.comparisons, changes.too_few) == ([], 1, 1)


def test_score_vanishes_from_a_group_where_enough_were_to_be_expected() -> None:
    tone = scores(ALL, HUNDRED, HUNDRED, "tone"), scores(GPT, HUNDRED, HUNDRED, "tone")
    gone = scores(GPT, HUNDRED, None)
    assert sentences(scores(ALL, HUNDRED, HUNDRED), gone, *tone) == [
        "accuracy with gpt has no scores since 5 Mar, 100 answers before"
    ]
    assert ranked(scores(ALL, HUNDRED, FEW), gone, *tone) == []


def test_group_that_vanishes_is_reported_once() -> None:
    """Under the score that it had most often, and a score that vanished altogether not by group."""
    double = {value: 2 * count for value, count in HUNDRED.items()}
    found = [
        scores(ALL, double, double),
        scores(ALL, double, double, "tone"),
        scores(ALL, HUNDRED, None, "gone"),
        scores(GPT, HUNDRED, None, "gone"),
        scores(GPT, HUNDRED, None),
        scores(GPT, {**HUNDRED, 99: 1}, None, "tone"),
    ]
    assert sentences(*found) == [
        "requests with gpt have no scores since 5 Mar, 101 answers before",
        "gone has no scores since 5 Mar, 100 answers before",
    ]


def test_nothing_appeared_where_nothing_was_before() -> None:
    assert ranked(scores(ALL, None, HUNDRED), scores(GPT, None, HUNDRED)) == []


def test_new_group_that_nothing_can_be_compared_with_appeared() -> None:
    other = GroupKey(PROMPT_VERSION, "1", "greeting")
    found = scores(ALL, HUNDRED, HUNDRED), scores(other, None, HUNDRED)
    assert sentences(*found) == ["requests with greeting 1 have scores only since 11 Mar, 100 answers"]


def test_between_times_that_are_apart_no_beginning_is_known() -> None:
    found = scores(ALL, HUNDRED, None, "gone"), scores(ALL, HUNDRED, WORSE)
    assert sentences(*found, periods=APART) == [
        "accuracy fell 20 points, 100 answers",
        "gone has no scores, 100 answers before",
    ]


def test_values_that_do_not_vary_may_still_move() -> None:
    [change] = ranked(scores(ALL, {90: 100}, {80: 100}))
    assert (change.direction, change.difference, change.interval) == ("fell", -10.0, None)


def test_quiet_weeks_are_seldom_reported() -> None:
    """In 0.033 of 1,000 pairs; of so few, 0.12 is within chance. By Welch's variance it would be in 0.65."""
    assert share_of_reports(25, seed=1) <= 0.12


def test_group_of_the_same_requests_as_another_is_left_out() -> None:
    """It would say the same again, and count as another comparison."""
    openai = GroupKey(Column("provider"), "OPENAI")
    tone = [(ALL, 2), (GPT, 1), (CLAUDE, 1), (openai, 1)]
    double = {value: 2 * count for value, count in WORSE.items()}
    found = ComparedPeriods(
        [
            scores(ALL, HUNDRED, double),
            *(scores(one, HUNDRED, WORSE) for one in (GPT, openai)),
            scores(CLAUDE, HUNDRED, WORSE),
            *(scores(one, {5: 50}, {5: 50 * of}, "tone") for one, of in tone if one != CLAUDE),
            scores(CLAUDE, {5: 40}, {5: 40}, "tone"),
        ],
        {},
        0,
        0,
    )
    changes = find_changes(found, WEEKS, (), confidence=0.95, least=30)
    assert {change.group for change in changes.changes} == {ALL, GPT, CLAUDE}
    assert changes.comparisons == 6


def test_group_of_a_property_is_named_by_its_key() -> None:
    found = (
        scores(ALL, HUNDRED, HUNDRED),
        scores(GroupKey(Property("env"), "staging"), HUNDRED, WORSE),
        scores(GroupKey(Property("env"), None), {**HUNDRED, 86: 1}, WORSE),
    )
    assert sorted(sentences(*found)) == [
        "accuracy fell 20 points with env = staging, 100 answers",
        "accuracy fell 20 points without env, 100 answers",
    ]
