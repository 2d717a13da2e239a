"""What a comparison shows, one line a score and group: in words, and its interval drawn around 0.

Better and worse are words for scores whose definitions say which values are better; others are higher or
lower.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

import msgspec

from heliscore.api.shared.arm_comparisons import Result
from heliscore.dashboard.parts.number_formats import (
    format_count,
    format_difference,
    format_interval,
    format_number,
    format_sign,
)
from heliscore.domain.messages import shortened
from heliscore.domain.score import title_of
from heliscore.domain.statistics.compared import Comparison, Verdict
from heliscore.domain.statistics.interval import Interval

Finding = Literal["worse", "better", "lower", "higher", "open", "same"]
"""How a line looks: a shown difference by its direction, none shown yet, or none at all."""

_SENTENCES: Final[dict[str, str]] = {
    "better": "{other} is better than {base} on {score}",
    "worse": "{other} is worse than {base} on {score}",
    "higher": "{other} is higher than {base} on {score}",
    "lower": "{other} is lower than {base} on {score}",
    "equivalent": "{other} and {base} hardly differ on {score}",
    "notWorse": "{other} is not worse than {base} on {score}",
    "noDifferenceShown": "No difference shown between {other} and {base} on {score}",
    "tooFew": "Too few scores to compare {other} with {base} on {score}",
    "identical": "{other} and {base} are identical on {score}",
}
_WORDS: Final[dict[str, str]] = {
    "equivalent": "equivalent",
    "notWorse": "not worse",
    "noDifferenceShown": "no difference shown",
    "tooFew": "too few",
}
_LOOKS: Final[dict[str, Finding]] = {
    "better": "better",
    "worse": "worse",
    "higher": "higher",
    "lower": "lower",
    "equivalent": "same",
    "identical": "same",
}
_ORDER: Final[tuple[Finding, ...]] = ("worse", "better", "lower", "higher", "open", "same")
_LONGEST: Final = 40
_REACH: Final = 47.0
"""How far from the middle a drawing goes, in percent of its width."""

_MOST_WITHIN: Final = 8
"""A difference that matters is drawn where it is at most so many times as large as what was found."""


class Drawing(msgspec.Struct, frozen=True):
    """A difference and its interval as places from 0 to 100; 0 is in the middle."""

    at: float
    low: float | None
    high: float | None
    within: tuple[float, float] | None
    """Where a difference does not matter: the left end and the width."""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One score of one group beside the base."""

    score: str
    arm: str | None
    finding: Finding
    sentence: str
    difference: str
    """`-21.3`; empty where there is none."""

    interval: str
    is_sure: bool
    counts: str
    needed: str
    drawing: Drawing | None
    result: Result


def find_word(verdict: Verdict, difference: float | None, *, is_directed: bool) -> str:
    """A verdict, of a score without a direction `higher` or `lower`."""
    if verdict in ("better", "worse") and not is_directed:
        return "higher" if (difference or 0) > 0 else "lower"
    return verdict


def show_word(word: str) -> str:
    return _WORDS.get(word, word)


def make_lines(
    results: Iterable[Result], base: str | None, directed: frozenset[str], effect: float | None
) -> list[Line]:
    """The lines in order: what is worse first, then what is better, what differs, and what is open. Scores
    that neither group has are left out."""
    results = [one for one in results if one.comparison.base.n or one.comparison.other.n]
    reaches: dict[str, float] = {}
    for result in results:
        reaches[result.score] = max(reaches.get(result.score, 0.0), _reach(result.comparison))
    lines = [
        _make_line(result, base, reaches[result.score], effect, is_directed=result.score in directed)
        for result in results
    ]
    return sorted(lines, key=lambda line: (_ORDER.index(line.finding), -_size(line.result.comparison)))


def _size(found: Comparison) -> float:
    return 0.0 if found.effect is None else abs(found.effect.value)


def _make_line(
    result: Result, base: str | None, reach: float, effect: float | None, *, is_directed: bool
) -> Line:
    found, is_share = result.comparison, result.question.measure == "share"
    word = find_word(found.verdict, found.difference, is_directed=is_directed)
    names = {"other": _name(result.arm), "base": _name(base), "score": shortened(title_of(result.score), 60)}
    finding = _LOOKS.get(word, "open")
    if is_share and effect is not None and effect > 1:
        effect = None  # no two shares differ by so much
    interval = found.interval_adjusted
    return Line(
        score=result.score,
        arm=result.arm,
        finding=finding,
        sentence=_SENTENCES[word].format(**names),
        difference="" if found.difference is None else _show_difference(found, is_share=is_share),
        interval="" if interval is None else format_interval(interval, is_share),
        is_sure=found.verdict in ("better", "worse"),
        counts=_show_counts(found),
        needed=_show_needed(found, effect) if finding == "open" else "",
        drawing=_draw(found.difference, interval, reach, effect) if found.difference is not None else None,
        result=result,
    )


def _name(group: str | None) -> str:
    return "without a value" if group is None else shortened(group, _LONGEST)


def _show_difference(found: Comparison, *, is_share: bool) -> str:
    difference, interval = found.difference or 0.0, found.interval_adjusted
    if not difference:
        return "±0"
    reach = 0.0 if interval is None else interval.reach
    return format_sign(difference) + format_difference(difference, is_share, reach)


def _show_counts(found: Comparison) -> str:
    if found.pairs is not None:
        return f"{format_count(found.pairs)} {'pair' if found.pairs == 1 else 'pairs'}"
    return f"{format_count(found.other.n)} against {format_count(found.base.n)} scores"


def _show_needed(found: Comparison, effect: float | None) -> str:
    if effect is None or found.needed_more is None:
        return ""
    if not found.needed_more:
        return f"enough scores to see a difference of {format_number(effect)}"
    of = "pairs" if found.pairs is not None else "a group"
    days = "" if found.needed_days is None else f", {format_number(found.needed_days)} days"
    return f"{format_count(found.needed_more)} more {of} needed{days}"


def _reach(found: Comparison) -> float:
    """The greatest distance from 0 that is drawn."""
    interval = 0.0 if found.interval_adjusted is None else found.interval_adjusted.reach
    return max(interval, abs(found.difference or 0.0))


def _draw(difference: float, interval: Interval | None, reach: float, effect: float | None) -> Drawing:
    within = None
    if effect is not None and effect <= _MOST_WITHIN * reach:
        reach = max(reach, effect)
        within = effect
    scale = _REACH / reach if reach else 0.0

    def place(value: float) -> float:
        return 50 + value * scale

    return Drawing(
        place(difference),
        None if interval is None else place(interval.low),
        None if interval is None else place(interval.high),
        None if within is None else (place(-within), 2 * within * scale),
    )
