"""How good an answer is, and the scores that its judges give it."""

from __future__ import annotations

from random import Random
from typing import Final

import msgspec

from heliscore.demo.features import SUPPORT_RELEASED, Feature
from heliscore.demo.providers import Model
from heliscore.domain.score import FEEDBACK, Score

_BETTER_VARIANT: Final = 5
_MADE_UP: Final = -42
_RELEASE: Final = -20
_OFF_TOPIC: Final = 68
"""Below this relevance an answer of the release is about the club alone."""

_TOXIC_SHARE: Final = 0.006
_CITED_SHARE: Final = 0.94
_THUMBED_SHARE: Final = 0.25


class Judgement(msgspec.Struct, frozen=True):
    """An answer's qualities, from 0 to 100 or as booleans. A feature scores some of them."""

    accuracy: int
    relevance: int
    faithfulness: int
    toxicity: int
    has_citations: bool
    is_hallucinated: bool
    is_off_topic: bool


def judge(rng: Random, feature: Feature, model: Model, variant: str) -> Judgement:
    """Draw how well a model does."""
    made_up = rng.random() < model.hallucinates
    luck = rng.gauss(0, 6)
    penalty = _MADE_UP if made_up else 0
    better = _BETTER_VARIANT if variant == "B" else 0
    worse = _RELEASE if feature is SUPPORT_RELEASED else 0
    relevance = _limited(model.relevance + worse + luck / 2 + rng.gauss(0, 6))
    return Judgement(
        accuracy=_limited(model.accuracy + better + penalty + luck + rng.gauss(0, 4)),
        relevance=relevance,
        faithfulness=_limited(model.faithfulness + penalty + luck + rng.gauss(0, 5)),
        toxicity=rng.randint(35, 90) if rng.random() < _TOXIC_SHARE else max(0, round(rng.gauss(0, 1.5))),
        has_citations=not made_up and rng.random() < _CITED_SHARE,
        is_hallucinated=made_up,
        is_off_topic=feature is SUPPORT_RELEASED and not made_up and relevance < _OFF_TOPIC,
    )


def draw_scores(rng: Random, feature: Feature, judgement: Judgement) -> dict[str, Score]:
    """Make the scores of a feature, and sometimes a customer's thumb."""
    given = {
        name: Score(int(value), isinstance(value, bool))
        for name, value in msgspec.structs.asdict(judgement).items()
        if name in feature.judged
    }
    if feature.has_customers and rng.random() < _THUMBED_SHARE:
        content = (0.6 * judgement.relevance + 0.4 * judgement.accuracy - 40) / 48
        given[FEEDBACK] = Score(int(rng.random() < content), True)
    return given


def _limited(value: float) -> int:
    return max(0, min(100, round(value)))
