"""When digests are due."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from heliscore.domain.digest_schedule import DigestPeriod, last_due, next_due


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("period", "hour", "clock", "last", "following"),
    [
        # 2026-11-29 is a Sunday.
        ("daily", 8, "2026-11-29T07:59:59.999", "2026-11-28T08:00", "2026-11-29T08:00"),
        ("daily", 8, "2026-11-29T08:00", "2026-11-29T08:00", "2026-11-30T08:00"),
        ("daily", 8, "2026-11-29T23:00", "2026-11-29T08:00", "2026-11-30T08:00"),
        ("daily", 0, "2026-12-31T23:59", "2026-12-31T00:00", "2027-01-01T00:00"),
        ("daily", 23, "2027-01-01T00:00", "2026-12-31T23:00", "2027-01-01T23:00"),
        ("weekly", 8, "2026-11-29T23:00", "2026-11-23T08:00", "2026-11-30T08:00"),
        ("weekly", 8, "2026-11-30T07:59:59", "2026-11-23T08:00", "2026-11-30T08:00"),
        ("weekly", 8, "2026-11-30T08:00", "2026-11-30T08:00", "2026-12-07T08:00"),
        ("weekly", 8, "2026-12-02T00:00", "2026-11-30T08:00", "2026-12-07T08:00"),
    ],
)
def test_digest_is_due_at_its_hour(
    period: DigestPeriod, hour: int, clock: str, last: str, following: str
) -> None:
    assert last_due(period, hour, at(clock)) == at(last)
    assert next_due(period, hour, at(clock)) == at(following)


def test_digest_after_a_standstill_is_about_the_last_day() -> None:
    """Due on the first, made on the fourth."""
    assert last_due("daily", 8, at("2026-11-01T08:00") + timedelta(days=3, hours=5)) == at("2026-11-04T08:00")
