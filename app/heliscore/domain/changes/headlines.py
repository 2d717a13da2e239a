"""The few changes to be told first."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from heliscore.domain.changes.change import Change

MOST: Final = 3


def choose_headlines(changes: Iterable[Change]) -> list[Change]:
    """Of each score the first change, at most MOST: most others follow from it, as those of a model do from
    those of a prompt version that uses it."""
    first: dict[str, Change] = {}
    for change in changes:
        first.setdefault(change.score, change)
    return [*first.values()][:MOST]
