"""The cards of the overview: each score's numbers with what they mean and where they lead."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Literal

import msgspec

from heliscore.api.shared.filter_leaves import has_score, scored
from heliscore.dashboard.parts.request_links import requests_href, worst_first
from heliscore.dashboard.parts.time_range import TimeRange
from heliscore.dashboard.parts.trends import LEAST, Card, Change
from heliscore.domain.score_definition import ScoreDefinition

Verdict = Literal["better", "worse"]

_LARGEST: Final = 120
"""At most this many cards are shown: those with the most scores."""


class ScoreCard(msgspec.Struct, frozen=True):
    """A card, its change against the period before, and the addresses of its requests."""

    card: Card
    change: Change | None
    verdict: Verdict | None
    """Of a clear change; None where nothing says which values are better."""

    href: str
    worst_href: str
    lowest_href: str
    highest_href: str

    @property
    def name(self) -> str:
        return self.card.name

    @property
    def few(self) -> str:
        """The period that has too few scores to be compared, in words."""
        return "few before" if self.card.before and self.card.before.count < LEAST else "few now"


def make_score_cards(
    cards: Iterable[Card], definitions: Mapping[str, ScoreDefinition], time_range: TimeRange
) -> list[ScoreCard]:
    """The cards with the most scores: those that moved, the furthest beyond noise first, then the others by
    name."""
    largest = sorted(cards, key=lambda card: -card.total.count)[:_LARGEST]
    placed = sorted((-card.beyond_noise, card.name, card) for card in largest)
    return [_make(card, definitions, time_range) for _, _, card in placed]


def _make(card: Card, definitions: Mapping[str, ScoreDefinition], time_range: TimeRange) -> ScoreCard:
    name, change = card.name, card.change
    has_it = scored(name)
    return ScoreCard(
        card,
        change,
        _judge(change, definitions.get(name)),
        href=requests_href(time_range, has_it),
        worst_href=requests_href(time_range, has_it, sort=worst_first(name, definitions)),
        lowest_href=requests_href(time_range, has_score(name, card.total.lowest)),
        highest_href=requests_href(time_range, has_score(name, card.total.highest)),
    )


def _judge(change: Change | None, definition: ScoreDefinition | None) -> Verdict | None:
    if change is None or not change.is_clear or definition is None or definition.direction is None:
        return None
    return "better" if (change.difference > 0) == (definition.direction == "higher") else "worse"
