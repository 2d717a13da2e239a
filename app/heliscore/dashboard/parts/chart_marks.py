"""Places the names of vertical lines above a chart, so that none lies over another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from heliscore.dashboard.parts.charts import Mark

_ROWS: Final = 3
_TURN: Final = 70
"""Up to here, in percent, a name stands on the right of its line."""

_LETTER: Final = 1.3
"""The width of a letter in percent of a chart that is 500 pixels wide."""


def make_marks(named: Sequence[tuple[float, str, str]]) -> list[Mark]:
    """Marks of places, from left to right, with their names and addresses. Where all rows of names are taken,
    there is no name."""
    taken = [-100.0] * _ROWS
    marks = []
    for place, name, href in named:
        width, anchor = len(name) * _LETTER, "start" if place < _TURN else "end"
        begin = place if anchor == "start" else place - width
        free = next((row for row, end in enumerate(taken) if end <= begin), None)
        marks.append(Mark(place, "" if free is None else name, free or 0, href, anchor))
        if free is not None:
            taken[free] = begin + width + _LETTER
    return marks
