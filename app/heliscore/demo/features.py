"""The three features for which the shop uses models, each with its prompt, models and exchanges."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from heliscore.demo.exchange import Exchange, read_texts
from heliscore.demo.providers import CAREFUL, LARGE, QUICK, SMALL, Model


class Feature(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    prompt_id: str
    version: int
    system: str
    exchanges: Sequence[Exchange]
    models: Sequence[Model]
    model_shares: Sequence[int]
    judged: frozenset[str]
    """The names of its scores."""

    off_topic_answers: Sequence[str] = ()

    has_customers: bool = False
    """Its prompt has variables, and its answers may get a thumb."""


_SUPPORT: Final = read_texts("support")
_HANDBOOK: Final = read_texts("handbook")
_REVIEWS: Final = read_texts("reviews")

SUPPORT: Final = Feature(
    name="support-chat",
    prompt_id="support-reply",
    version=4,
    system=_SUPPORT.system,
    exchanges=_SUPPORT.exchanges,
    models=(SMALL, QUICK, LARGE),
    model_shares=(50, 30, 20),
    judged=frozenset({"accuracy", "relevance", "toxicity", "is_hallucinated"}),
    off_topic_answers=_SUPPORT.off_topic_answers,
    has_customers=True,
)
SUPPORT_RELEASED: Final = msgspec.structs.replace(SUPPORT, version=5, system=_SUPPORT.released_system)
HANDBOOK: Final = Feature(
    name="handbook-search",
    prompt_id="handbook-answer",
    version=2,
    system=_HANDBOOK.system,
    exchanges=_HANDBOOK.exchanges,
    models=(LARGE, QUICK, CAREFUL),
    model_shares=(40, 40, 20),
    judged=frozenset({"accuracy", "relevance", "faithfulness", "has_citations", "is_hallucinated"}),
)
REVIEWS: Final = Feature(
    name="code-review",
    prompt_id="review-change",
    version=1,
    system=_REVIEWS.system,
    exchanges=_REVIEWS.exchanges,
    models=(CAREFUL, LARGE),
    model_shares=(70, 30),
    judged=frozenset({"accuracy", "relevance", "is_hallucinated"}),
)

FEATURES: Final = (SUPPORT, HANDBOOK, REVIEWS)
FEATURE_SHARES: Final = (55, 30, 15)

NAMES: Final = (
    "Ada", "Bilal", "Chiara", "Dmitri", "Elif", "Femi", "Greta", "Hiro", "Ines", "Jonas", "Kavya", "Luca",
    "Maja", "Noor", "Olga", "Pablo", "Quinn", "Rosa", "Sven", "Tomasz", "Uma", "Vera", "Wim", "Yara",
)  # fmt: skip
CITIES: Final = ("Aarhus", "Bologna", "Cork", "Dresden", "Ghent", "Lyon", "Porto", "Tampere", "Utrecht")
PRODUCTS: Final = (
    "Skerry 2L jacket", "Fell fleece", "Tarn sleeping bag", "Corrie 45 rucksack", "Moor trousers",
    "Bothy two-person tent", "Linn down jacket", "Scree boots",
)  # fmt: skip
