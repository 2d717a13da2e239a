"""How much is measured, and how long: the full run takes about 10 minutes, the quick one about 5."""

from __future__ import annotations

from typing import Final

import msgspec


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The amounts of one run. Everything is measured in rounds, the systems taking turns within each."""

    size: int
    """Requests of five scores that each system holds: what is searched, and what the peers' posts are for."""

    rounds: int
    warm_up_s: int
    post_s: int
    """Long beside a slow peer's answers: what wrk leaves unanswered in the end is not counted."""

    search_s: float


FULL: Final = Plan(size=3_000, rounds=3, warm_up_s=2, post_s=20, search_s=3)
QUICK: Final = Plan(size=200, rounds=1, warm_up_s=2, post_s=10, search_s=1)
