"""What a monitor watches, when it is evaluated, and when it fires."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final, Literal

import msgspec

from heliscore.domain.filter_tree import Column, Filter, Property

Statistic = Literal[
    "average", "share", "p10", "p25", "p50", "p75", "p90", "p95", "p99", "count", "min", "max", "unscored"
]
"""`share`: of scores that are true or 1. `unscored`: the share of requests without the score."""

PERCENTILES: Final[dict[str, float]] = {
    "p10": 0.1,
    "p25": 0.25,
    "p50": 0.5,
    "p75": 0.75,
    "p90": 0.9,
    "p95": 0.95,
    "p99": 0.99,
}

NoData = Literal["ok", "keep", "no_data", "firing"]
"""What a period without data counts as: a good one, nothing at all, a state of its own, or a bad one."""

MAX_GROUPS: Final = 100

_WEEK: Final = timedelta(days=7)


class Bound(msgspec.Struct, frozen=True):
    """Fires while the value is below a number, or above it."""

    is_below: bool
    limit: float


class WorseThan(msgspec.Struct, frozen=True):
    """Fires while the value is worse than in an earlier window by more than the margin, with the whole
    interval of the difference."""

    base: Literal["previous", "week"]
    """The window before, or the same one a week before."""

    margin: float
    confidence: float


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """How periods become states."""

    for_periods: int = 1
    """So many bad periods in a row make a group fire."""

    recover_for_periods: int = 1
    no_data: NoData = "no_data"


class Definition(msgspec.Struct, frozen=True, kw_only=True):
    """A monitor as it was asked for."""

    name: str
    score: str | None
    """None: requests are counted."""

    statistic: Statistic
    filter: Any = "all"
    """Helicone's, as it was sent; `tree` is how it is read."""

    tree: Filter
    group_by: Column | Property | None = None
    window: timedelta
    every: timedelta
    delay: timedelta = timedelta(0)
    """A window ends so long before its period does: scores come late."""

    condition: Bound | WorseThan
    at_least_scores: int = 1
    rule: Rule = Rule()
    recover_at: float | None = None
    """A group that fires has recovered only when its value is at least, or at most, this. None: the limit."""

    renotify: timedelta | None = None
    destinations: tuple[str, ...] | None = None
    """None: all that take alerts."""

    is_paused: bool = False

    @property
    def is_share(self) -> bool:
        """Whether the value is a proportion, from 0 to 1."""
        return self.statistic in ("share", "unscored")

    @property
    def base_shift(self) -> timedelta | None:
        """How long before the window the one lies that it is compared with."""
        match self.condition:
            case WorseThan("previous"):
                return self.window
            case WorseThan():
                return _WEEK
            case Bound():
                return None

    def measures_like(self, other: Definition) -> bool:
        """Whether the states of groups of the other are those of this one's groups."""
        return all(getattr(self, field) == getattr(other, field) for field in _MEASURED)


_MEASURED: Final = ("score", "statistic", "filter", "group_by", "window", "condition", "recover_at")
