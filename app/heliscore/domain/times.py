"""Times as they are read, stored and written: UTC, to the millisecond, but for changes of scores."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import msgspec

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_FIRST_YEAR: Final = 1000

_encoder = msgspec.json.Encoder()


def now() -> datetime:
    """The current time, to the millisecond, as times are stored."""
    return truncated(datetime.now(UTC))


def exactly_now() -> datetime:
    """The current time, to the microsecond, as changes of scores are stored."""
    return datetime.now(UTC)


def truncated(time: datetime) -> datetime:
    """The time without fractions of a millisecond."""
    return time.replace(microsecond=time.microsecond // 1000 * 1000)


def storable_time(time: datetime | None) -> datetime | None:
    """A client's time to the millisecond; None before the year 1000: such times are mistakes of a program,
    and PostgreSQL takes the ends of the calendar for infinities."""
    return None if time is None or time.year < _FIRST_YEAR else truncated(time)


def read_time(text: str) -> datetime | None:
    """Read an ISO 8601 date or date-time, UTC where no zone is given; None if it is not one."""
    try:
        time = datetime.fromisoformat(text)
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def format_time(time: datetime) -> str:
    """ISO 8601 in UTC, with milliseconds and `Z`. `time` is in UTC, as the database returns it."""
    return time.isoformat(timespec="milliseconds")[:-6] + "Z"


def encode_time(time: datetime) -> Any:
    """`format_time` as JSON for an answer of msgspec's, in a fifth of the time: a page holds thousands."""
    text = _encoder.encode(time)  # with six digits of a fraction, or none where it is zero
    return msgspec.Raw(text[:-5] + b'Z"' if time.microsecond else text[:-2] + b'.000Z"')
