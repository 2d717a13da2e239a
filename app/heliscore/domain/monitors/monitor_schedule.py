"""When monitors are evaluated: at the ends of periods, which are the multiples of `every` since the epoch.

A period is due once it has ended, and evaluated once. After a standstill the last MAX_CAUGHT_UP periods are
evaluated one by one, and the older ones are skipped. A clock that goes back makes no period due again.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import msgspec

from heliscore.domain.monitors.monitor_definition import Definition
from heliscore.domain.times import EPOCH

MAX_CAUGHT_UP: Final = 10


class Window(msgspec.Struct, frozen=True):
    """From `start` up to and without `end`."""

    start: datetime
    end: datetime


class Due(msgspec.Struct, frozen=True):
    """The periods that are to be evaluated, by their ends."""

    ends: list[datetime]
    skipped: int = 0
    skipped_until: datetime | None = None
    """The end of the last period that is skipped."""


def last_end(now: datetime, every: timedelta) -> datetime:
    """The end of the last period that has ended."""
    return EPOCH + (now - EPOCH) // every * every


def next_end(evaluated_until: datetime, every: timedelta) -> datetime:
    """The end of the first period after those that are evaluated."""
    return last_end(evaluated_until, every) + every


def begin(now: datetime, every: timedelta, evaluated_until: datetime | None = None) -> datetime:
    """Up to where a monitor that is new, or was changed, counts as evaluated: its first period is the one
    that ended last, or the next one if that was evaluated before the change."""
    before = last_end(now, every) - every
    return before if evaluated_until is None else max(before, evaluated_until)


def find_due(evaluated_until: datetime, now: datetime, every: timedelta) -> Due:
    """Find the periods that have ended since."""
    first = next_end(evaluated_until, every)
    count = max(0, (now - first) // every + 1)
    skipped = max(0, count - MAX_CAUGHT_UP)
    ends = [first + number * every for number in range(skipped, count)]
    return Due(ends, skipped, first + (skipped - 1) * every if skipped else None)


def window_at(definition: Definition, end: datetime) -> Window:
    """The window that is looked at for the period that ends then."""
    end -= definition.delay
    return Window(end - definition.window, end)


def base_window(definition: Definition, window: Window) -> Window | None:
    """The window that it is compared with."""
    shift = definition.base_shift
    return None if shift is None else Window(window.start - shift, window.end - shift)
