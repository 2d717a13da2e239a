"""What monitors have to say, one line each.

relevance average 61.2 is below 70 with prompt_version 5: 207 scores, 09:00 to 10:00 UTC
"""

from __future__ import annotations

from heliscore.domain.filter_tree import Column, Property
from heliscore.domain.monitors.monitor_definition import Bound, Definition, WorseThan
from heliscore.domain.monitors.monitor_judgement import Judged
from heliscore.domain.monitors.monitor_schedule import Window
from heliscore.domain.statistics.wording import confidence, decimals_for, show_number


def describe(definition: Definition, judged: Judged, window: Window) -> str:
    """Say how a group's value stands to the condition."""
    match judged.outcome, definition.condition:
        case "no_data", _:
            text = _no_data(definition)
        case outcome, Bound() as bound:
            value = _show(judged.measured.value or 0.0, definition)
            text = f"{_subject(definition)} {value} {_to_bound(definition, bound, outcome)}"
        case outcome, WorseThan() as worse:
            text = _to_base(definition, worse, judged, is_bad=outcome == "bad")
    group = _with_group(definition, judged.measured.group)
    return f"{text}{group}: {_counts(definition, judged)}, {_times(window)}"


def describe_end(definition: Definition, group: str | None, days: int) -> str:
    """Say that a group is watched no longer."""
    return f"{_subject(definition)} had no data{_with_group(definition, group)} for {days} days"


def _subject(definition: Definition) -> str:
    return f"{'request' if definition.score is None else definition.score} {definition.statistic}"


def _no_data(definition: Definition) -> str:
    least = definition.at_least_scores
    asked = f", at least {least:,} asked" if least > 1 else ""
    return f"{_subject(definition)} has too little data{asked}"


def _to_bound(definition: Definition, bound: Bound, outcome: str) -> str:
    word, limit = "below" if bound.is_below else "above", _exactly(bound.limit, definition)
    if outcome == "bad":
        return f"is {word} {limit}"
    if outcome == "between":
        return f"is not {word} {limit}, and not back at {_exactly(definition.recover_at or 0.0, definition)}"
    return f"is not {word} {limit}"


def _to_base(definition: Definition, worse: WorseThan, judged: Judged, *, is_bad: bool) -> str:
    """`rose by 21.0 to 82.2 (95 % 17.9 to 24.1) against the window before, more than 5`"""
    value, base = judged.measured.value or 0.0, (judged.base.value if judged.base else None) or 0.0
    change, interval = value - base, judged.interval
    decimals = 1 if definition.is_share else decimals_for(change if interval is None else interval.reach)
    text = f"{_subject(definition)} {'rose' if change > 0 else 'fell'} by "
    text += show_number(abs(change), definition.is_share, decimals)
    text += f"{' points' if definition.is_share else ''} to {_show(value, definition)}"
    if interval is not None:
        low, high = (show_number(end, definition.is_share, decimals) for end in (interval.low, interval.high))
        text += f" ({confidence(worse.confidence)} {low} to {high})"
    text += " against the window before" if worse.base == "previous" else " against a week before"
    margin = _exactly(worse.margin, definition, " points")
    return f"{text}, {'more than' if is_bad else 'not surely more than'} {margin}"


def _show(value: float, definition: Definition) -> str:
    decimals = 1 if definition.is_share else 0 if definition.statistic == "count" else decimals_for(value)
    return f"{show_number(value, definition.is_share, decimals)}{' %' if definition.is_share else ''}"


def _exactly(number: float, definition: Definition, unit: str = " %") -> str:
    """As it was asked for, without rounding."""
    return f"{number * 100:.10g}{unit}" if definition.is_share else f"{number:.15g}"


def _with_group(definition: Definition, group: str | None) -> str:
    match definition.group_by:
        case None:
            return ""
        case Column(name) | Property(name):
            return f" without {name}" if group is None else f" with {name} {group}"


def _counts(definition: Definition, judged: Judged) -> str:
    is_of_requests = definition.score is None or definition.statistic == "unscored"
    noun = "request" if is_of_requests else "score"
    counts = [judged.measured.count, *([judged.base.count] if judged.base else [])]
    shown = " against ".join(f"{count:,}" for count in counts)
    return f"{shown} {noun}{'' if counts[-1] == 1 else 's'}"


def _times(window: Window) -> str:
    start, end = window.start, window.end
    if start.date() == end.date():
        return f"{start:%H:%M} to {end:%H:%M} UTC"
    return f"{start:%d %b %H:%M} to {end:%d %b %H:%M} UTC"
