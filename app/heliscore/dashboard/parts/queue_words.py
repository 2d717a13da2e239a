"""How far a review queue is and how well its reviewers agree, in words."""

from __future__ import annotations

from typing import Final

import msgspec

from heliscore.api.shared.queue_studies import ScoreStudy
from heliscore.dashboard.parts.number_formats import format_share
from heliscore.domain.review_queue import ItemState, ReviewQueue
from heliscore.domain.statistics.jackknife import Coefficient

STATE_WORDS: Final[dict[ItemState, str]] = {"left": "left", "in_work": "in work", "done": "done"}
STATE_LOOKS: Final[dict[ItemState, str]] = {"left": "", "in_work": "is-accent", "done": "is-good"}

_GOOD, _TENTATIVE = 0.8, 0.667
"""Krippendorff's own limits for his alpha."""

_ALPHA: Final = "krippendorffAlpha"


class ShownQueue(msgspec.Struct, frozen=True):
    """A queue for people."""

    queue: ReviewQueue

    @property
    def href(self) -> str:
        return f"/queues/{self.queue.id}"

    @property
    def progress(self) -> str:
        """`13 of 40 done, 4 in work`."""
        queue = self.queue
        at_work = f", {queue.items_in_work:,} in work" if queue.items_in_work else ""
        return f"{queue.items_done:,} of {queue.items:,} done{at_work}"

    @property
    def asked(self) -> str:
        """Who is to give what."""
        people = self.queue.reviewers_per_item
        each = "one reviewer" if people == 1 else f"{people} reviewers"
        return f"{', '.join(self.queue.scores)}, by {each} each{', blind' if self.queue.is_blind else ''}"


class ShownAgreement(msgspec.Struct, frozen=True):
    """How well reviewers agree on one score."""

    name: str
    verdict: str
    details: str


def describe_agreement(study: ScoreStudy) -> ShownAgreement:
    """Say how far reviewers agree beyond chance, and how sure that is."""
    found = study.agreement
    if found is None:
        return ShownAgreement(study.name, "not comparable", "their values are too many")
    if found.together is not None:
        count, coefficients, share = found.together.count, found.together.coefficients, "allEqual"
    else:
        pair = found.pairs[0].agreement
        count, coefficients, share = pair.count, pair.coefficients, "observedAgreement"
    alpha, same = coefficients.get(_ALPHA), coefficients.get(share)
    requests = f"{count:,} request{'' if count == 1 else 's'} with two reviewers or more"
    shown = "" if same is None or same.value is None else f", the same on {format_share(same.value)}"
    return ShownAgreement(study.name, _judge(alpha), f"{_show(alpha)}{requests}{shown}")


def _judge(alpha: Coefficient | None) -> str:
    """Only what the whole interval allows."""
    if alpha is None or alpha.interval is None:
        return "too early to say"
    if alpha.interval.low >= _GOOD:
        return "they agree"
    if alpha.interval.low >= _TENTATIVE:
        return "they tend to agree"
    if alpha.interval.high < _TENTATIVE:
        return "they do not agree enough to rely on"
    return "not certain yet"


def _show(alpha: Coefficient | None) -> str:
    if alpha is None or alpha.value is None:
        return ""
    interval = alpha.interval
    between = "" if interval is None else f" ({interval.low:.2f} to {interval.high:.2f})"
    return f"alpha {alpha.value:.2f}{between}, "
