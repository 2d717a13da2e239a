"""Says when a delivery that failed is tried again."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

_FIRST_S: Final = 5.0
_LONGEST_S: Final = 3600.0


def delay_before(attempt: int, chance: float) -> timedelta:
    """Return how long to wait before an attempt, the second (2) and so on. It doubles from 5 seconds to an
    hour, and `chance`, from 0 to 1, takes up to half of it: receivers that come back are not met by all that
    waits for them at once."""
    longest_s = min(_FIRST_S * 2.0 ** min(attempt - 2, 30), _LONGEST_S)
    return timedelta(seconds=longest_s * (1 - chance / 2))
