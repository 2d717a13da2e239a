"""A change in words: one sentence with the numbers that it rests on."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from heliscore.domain.changes.change import Change
from heliscore.domain.changes.period_scores import ALL, GroupKey, TwoPeriods
from heliscore.domain.filter_tree import Column, Property
from heliscore.domain.score import title_of
from heliscore.domain.statistics.wording import show_number

_HOUR: Final = timedelta(hours=1)

_WITH: Final = {
    "model": "with {}",
    "provider": "with {}",
    "prompt_id": "with {}",
    "prompt_version": "with prompt version {}",
    "user_id": "for user {}",
}
_WITHOUT: Final = {
    "model": "without a model",
    "provider": "without a provider",
    "prompt_id": "without a prompt",
    "prompt_version": "without a prompt version",
    "user_id": "without a user",
}


def describe_change(change: Change, periods: TwoPeriods) -> str:
    """`relevance fell 21 points with support-reply 5, 207 answers, since 22 Nov`; times are in UTC."""
    name = title_of(change.score)
    group = describe_group(change.group)
    since = "" if change.since is None else f" since {show_since(change.since, periods)}"
    match change.direction:
        case "vanished":
            return f"{_subject(change, name, group)} no scores{since}, {_count(change.before.n)} before"
        case "appeared":
            return f"{_subject(change, name, group)} scores only{since or ' now'}, {_count(change.now.n)}"
    amount = f"{show_amount(change)} {'percentage points' if change.measure == 'share' else 'points'}"
    parts = [f"{name} {change.direction} {amount}{group and f' {group}'}", _count(change.now.n)]
    if change.base == "othersBefore" and not change.group.is_within:
        parts[0] += " against the others before"
    return ", ".join((*parts, *([since.strip()] if since else [])))


def _subject(change: Change, name: str, group: str) -> str:
    """`has_citations with gpt-4o has`, or of a group as a whole `requests with gpt-4o have`."""
    if change.of_whole_group:
        return f"requests {group} have"
    return f"{name}{group and f' {group}'} has"


def _count(number: int) -> str:
    return f"{number:,} {'answer' if number == 1 else 'answers'}"


def describe_group(group: GroupKey) -> str:
    """`with support-reply 5`, `with env = staging`, `without a model`; empty for all requests."""
    if group == ALL:
        return ""
    match group.by, group.value:
        case Column(name), None:
            return _WITHOUT[name] if group.within is None else f"with {group.within} without a version"
        case Column(name), value:
            return f"with {group.within} {value}" if group.within is not None else _WITH[name].format(value)
        case Property(key), None:
            return f"without {key}"
        case Property(key), value:
            return f"with {key} = {value}"
    raise TypeError(group)


def show_amount(change: Change) -> str:
    """The size of a movement to two digits, whole from 10 on; of shares in percentage points."""
    is_share = change.measure == "share"
    amount = abs(change.difference or 0.0)
    shown = amount * 100 if is_share else amount
    decimals = 0 if shown >= 10 else 1 if shown >= 1 else 2
    text = show_number(amount, is_share, decimals)
    return text if any(digit in text for digit in "123456789") else f"{shown:.2g}"


def show_since(since: datetime, periods: TwoPeriods) -> str:
    """`22 Nov`, with the year if it is another one; of a short time `22 Nov, 14:00`."""
    year = "" if since.year == periods.end.year else f" {since.year}"
    hour = f", {since:%H}:00" if periods.step == _HOUR else ""
    return f"{since.day} {since:%b}{year}{hour}"
