"""Makes ids for requests that are logged without one."""

from __future__ import annotations

import secrets
import uuid
from time import time_ns


def make_uuid7() -> uuid.UUID:
    """A UUID that begins with the time in milliseconds (RFC 9562)."""
    bits = (time_ns() // 1_000_000) << 80 | 7 << 76 | secrets.randbits(76)
    return uuid.UUID(int=bits & ~(3 << 62) | 2 << 62)
