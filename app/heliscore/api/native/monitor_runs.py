"""Judges monitors for one period: for what is due, and for previews."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Final

from heliscore.domain.monitors.monitor_definition import Definition, WorseThan
from heliscore.domain.monitors.monitor_periods import Period, Reading, Stand, evaluate
from heliscore.domain.statistics.compared import Direction
from heliscore.store.definition_cache import DefinitionCache

_FEW_GROUPS: Final = 10
"""More are compared in a thread: an interval takes a millisecond."""


async def find_direction(
    definitions: DefinitionCache, organization_id: int, definition: Definition
) -> Direction:
    """Find which values of the score are better; without a definition, higher ones. Raises Unavailable."""
    if not isinstance(definition.condition, WorseThan):
        return "up"
    falling = (await definitions.find(organization_id)).falling
    return "down" if definition.score in falling else "up"


async def judge_period(
    definition: Definition, direction: Direction, before: Stand, reading: Reading, end: datetime
) -> Period:
    """Take the step to the next period. Raises NotMeasurable."""
    if len(reading.base) > _FEW_GROUPS:
        return await asyncio.to_thread(evaluate, definition, direction, before, reading, end)
    return evaluate(definition, direction, before, reading, end)
