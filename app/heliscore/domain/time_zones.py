"""Time zones by name."""

from __future__ import annotations

import re
from datetime import UTC, tzinfo
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_NAME: Final = re.compile(r"Etc/GMT[+-]\d{1,2}|[A-Z][A-Za-z_]*(/[A-Za-z_]+(-[A-Za-z_]+)*)+", re.ASCII)
"""As the API takes them: no abbreviations, and no names of other files."""


def find_zone(name: str) -> tzinfo | None:
    """None if there is no zone of that name."""
    if name == "UTC":
        return UTC  # also where no zones are installed
    if not _NAME.fullmatch(name):
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, OSError, ValueError):
        return None
