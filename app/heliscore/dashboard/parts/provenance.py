"""A score as a request's page shows it: value, author, time, comment, other opinions and the history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec

from heliscore.domain.author import Author
from heliscore.domain.score import FEEDBACK, Score
from heliscore.domain.score_changes import Change, find_opinions, name_action, newest_shown
from heliscore.domain.score_definition import ScoreDefinition, find_value_error

MAX_SHOWN: Final = 50
"""At most this many changes and opinions are shown: the newest."""

_BETTER: Final = {"higher": "higher is better", "lower": "lower is better"}


class ShownChange(msgspec.Struct, frozen=True):
    """A change of a score, in words."""

    action: str
    value: str
    """With its label; empty if the score was removed."""

    author: str
    at: datetime
    comment: str | None
    restored_by: str
    """Empty if nobody else brought the author's value back."""

    taken_back_at: datetime | None


class Provenance(msgspec.Struct, frozen=True):
    """Who gave a score, when and why, and what else was said."""

    facts: tuple[str, ...] = ()
    """Of its definition: which values are better, the bounds, the unit."""

    labels: Mapping[int, str] = {}

    description: str = ""

    present: ShownChange | None = None
    """What made the score what it is, or removed it; None if nothing did."""

    warning: str = ""
    """How the value breaks the definition."""

    opinions: Sequence[ShownChange] = ()
    """The newest value of each other author, the newest first."""

    more_opinions: int = 0

    history: Sequence[ShownChange] = ()
    """The newest first; empty if there is no more than the present change."""

    older: int = 0
    """The number of changes that are not in `history`."""

    undo: int | None = None
    """The number of the present change, if it is the reviewer's."""


def describe_provenance(
    name: str, changes: Sequence[Change], definition: ScoreDefinition | None, reviewer: Author
) -> Provenance:
    """Describe the changes of one score, the oldest first, to a reviewer."""
    present = newest_shown(changes)
    by = None if present is None else present.author
    others = [opinion for opinion in find_opinions(changes) if opinion.author != by]
    newest = range(max(0, len(changes) - MAX_SHOWN), len(changes)) if len(changes) > 1 else ()
    return Provenance(
        facts=() if definition is None else _list_facts(definition),
        labels={} if definition is None else dict(sorted(definition.labels.items())),
        description="" if definition is None else definition.description or "",
        present=None if present is None else _describe(name, present, None, definition),
        warning=_find_warning(present, definition),
        opinions=[_describe(name, opinion, None, definition) for opinion in others[:MAX_SHOWN]],
        more_opinions=max(0, len(others) - MAX_SHOWN),
        history=[
            _describe(name, changes[index], changes[index - 1] if index else None, definition)
            for index in reversed(newest)
        ],
        older=max(0, len(changes) - MAX_SHOWN),
        undo=present.number if present is not None and by == reviewer else None,
    )


def _list_facts(definition: ScoreDefinition) -> tuple[str, ...]:
    better = "" if definition.direction is None else _BETTER[definition.direction]
    return tuple(filter(None, (better, _describe_bounds(definition), definition.unit)))


def _describe_bounds(definition: ScoreDefinition) -> str:
    low, high = definition.min, definition.max
    if low is not None and high is not None:
        return f"{low} to {high}"
    return "" if low is high else f"at most {high}" if low is None else f"at least {low}"


def _find_warning(present: Change | None, definition: ScoreDefinition | None) -> str:
    if present is None or present.score is None or definition is None or definition.enforce == "off":
        return ""
    return find_value_error(definition, present.score) or ""


def _describe(
    name: str, change: Change, earlier: Change | None, definition: ScoreDefinition | None
) -> ShownChange:
    return ShownChange(
        "opinion only: a human's value stood" if change.is_aside else name_action(change, earlier),
        "" if change.score is None else format_labelled(name, change.score, definition),
        "unknown author" if change.author is None else str(change.author),
        change.at,
        change.comment,
        "" if change.origin is None else change.origin.restored_by,
        change.taken_back_at,
    )


def format_labelled(name: str, score: Score, definition: ScoreDefinition | None) -> str:
    """`2 (right)`, or without a label `2`, `yes`, `up`."""
    value = str(score.value)
    if score.is_boolean:
        value = (("down", "up") if name == FEEDBACK else ("no", "yes"))[score.value]
    label = None if definition is None else definition.labels.get(score.value)
    return value if label is None or label == value else f"{value} ({label})"
