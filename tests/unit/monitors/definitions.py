"""Definitions of monitors, for tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from heliscore.domain.filter_tree import Everything
from heliscore.domain.monitors.monitor_definition import Bound, Definition

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)


def define(**fields: Any) -> Definition:
    """A monitor of an average that should not be below 70."""
    usual: dict[str, Any] = {
        "name": "relevance",
        "score": "relevance",
        "statistic": "average",
        "tree": Everything(),
        "window": HOUR,
        "every": 5 * MINUTE,
        "condition": Bound(is_below=True, limit=70),
    }
    return Definition(**usual | fields)
