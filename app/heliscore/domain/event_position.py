"""Positions in the event log, as streams give them to clients: the ids by which they resume."""

from __future__ import annotations

import base64
import re
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

import msgspec

from heliscore.domain.times import EPOCH

_MICROSECOND: Final = timedelta(microseconds=1)
_MAX_NUMBER: Final = 2**63

_TEXT: Final = re.compile(
    r"([0-9a-f]{8})/(\d{1,17})/([\d:,]{5,20000})/([\d:,]{0,20000})/(\d{1,19})", re.ASCII
)
_SNAPSHOT: Final = re.compile(r"(\d{1,19}):(\d{1,19}):((?:\d{1,19}(?:,\d{1,19})*)?)", re.ASCII)


class Position(msgspec.Struct, frozen=True):
    """Everything that is visible in the snapshot `seen` was read; and where there is a snapshot `until`, what
    is visible in that, up to the event of the number `after`."""

    database: str
    """The name of its identity: snapshots mean nothing in another."""

    at: datetime
    """When `seen` was taken, by the database's clock."""

    seen: str
    until: str | None = None
    after: int = 0

    def encode(self) -> str:
        """Return it in letters, digits, `-` and `_`."""
        at = (self.at - EPOCH) // _MICROSECOND
        text = f"{self.database}/{at}/{self.seen}/{self.until or ''}/{self.after}"
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_position(encoded: str) -> Position | None:
    """Read what `encode` wrote; None for anything else."""
    try:
        text = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode("ascii")
    except ValueError:
        return None
    if (parts := _TEXT.fullmatch(text)) is None:
        return None
    database, at, seen, until, after = parts.groups()
    if not _is_snapshot(seen) or (until and not _is_snapshot(until)) or int(after) >= _MAX_NUMBER:
        return None
    return Position(database, EPOCH + int(at) * _MICROSECOND, seen, until or None, int(after))


def next_transaction(snapshot: str) -> int:
    """The number that the next transaction got, or a later one, when the snapshot was taken."""
    return int(snapshot.split(":")[1])


def _is_snapshot(text: str) -> bool:
    """Whether PostgreSQL takes it for a pg_snapshot."""
    if (parts := _SNAPSHOT.fullmatch(text)) is None:
        return False
    running = [int(number) for number in parts[3].split(",") if number]
    first, end = int(parts[1]), int(parts[2])
    return (
        0 < first <= end < _MAX_NUMBER
        and all(first <= number < end for number in running)
        and all(one < other for one, other in pairwise(running))
    )
