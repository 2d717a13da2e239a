"""When digests are made: each day at an hour, or each Monday at an hour. Times are in UTC."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, Literal, get_args

DigestPeriod = Literal["daily", "weekly"]

DIGEST_PERIODS: Final[tuple[DigestPeriod, ...]] = get_args(DigestPeriod)

DEFAULT_DIGEST_HOUR: Final = 8

LENGTHS: Final[dict[DigestPeriod, timedelta]] = {"daily": timedelta(days=1), "weekly": timedelta(days=7)}

BEFORE: Final[dict[DigestPeriod, str]] = {"daily": "the day before", "weekly": "the week before"}
"""What a digest compares with."""


def last_due(period: DigestPeriod, hour: int, clock: datetime) -> datetime:
    """Return the last time, not after the clock, at which a digest was due: the end of what it is about."""
    due = clock.replace(hour=hour, minute=0, second=0, microsecond=0)
    if period == "weekly":
        due -= timedelta(days=due.weekday())
    return due if due <= clock else due - LENGTHS[period]


def next_due(period: DigestPeriod, hour: int, clock: datetime) -> datetime:
    """Return the first time after the clock at which a digest is due."""
    return last_due(period, hour, clock) + LENGTHS[period]
