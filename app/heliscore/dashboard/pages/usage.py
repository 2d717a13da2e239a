"""The page of how much the organization holds, by month."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Final

import msgspec
from starlette.responses import Response

from heliscore.dashboard.parts.downloads import answer_csv, wants_csv
from heliscore.dashboard.parts.page_routes import Page, PageRequest
from heliscore.dashboard.parts.settings_sections import USAGE
from heliscore.domain.errors import Unavailable
from heliscore.domain.times import now
from heliscore.store import usage as store
from heliscore.store.usage import Held, RowSizes

_MONTHS: Final = 12
_TIMEOUT_S: Final = 2.0
"""For all months together, the newest first: those that are left are not counted."""


class Month(msgspec.Struct, frozen=True):
    """A month, or with no start all time before the others."""

    start: datetime | None
    end: datetime
    held: Held | None
    """None: there was no time to count it."""

    sizes: RowSizes

    @property
    def bytes(self) -> int | None:
        return None if self.held is None else self.sizes.estimate(self.held)


async def show_usage(page: PageRequest) -> Response:
    ends = _list_ends(now())
    starts: list[datetime | None] = [*ends[1:], None]
    async with page.services.database.connection() as connection:
        sizes = await store.measure_rows(connection)
    held = await _count(page, list(zip(starts, ends, strict=True)))
    months = [Month(start, end, one, sizes) for start, end, one in zip(starts, ends, held, strict=True)]
    if wants_csv(page.request.query_params):
        return _answer_csv(months)
    known = [one for one in held if one is not None]
    total = Held(sum(one.requests for one in known), sum(one.scores for one in known))
    return page.render(
        "pages/usage.html",
        months=months,
        total=total,
        total_bytes=sizes.estimate(total),
        is_whole=len(known) == len(held),
        csv=f"{USAGE}?download=csv",
    )


def _list_ends(end: datetime) -> list[datetime]:
    """Now, and the beginnings of this month and of those before, in UTC."""
    first = end.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    newest = first.year * 12 + first.month - 1
    months = range(newest, newest - _MONTHS, -1)
    return [end, *(first.replace(year=month // 12, month=month % 12 + 1) for month in months)]


async def _count(page: PageRequest, periods: list[tuple[datetime | None, datetime]]) -> list[Held | None]:
    """Count period by period until the time is over."""
    held: list[Held | None] = []
    try:
        async with asyncio.timeout(_TIMEOUT_S), page.services.database.connection() as connection:
            for start, end in periods:
                held.append(
                    await store.count_held(
                        connection, page.services.ids.names, page.organization_id, start, end
                    )
                )
    except (TimeoutError, Unavailable):
        pass
    return held + [None] * (len(periods) - len(held))


def _answer_csv(months: list[Month]) -> Response:
    rows = [
        [
            "earlier" if month.start is None else f"{month.start:%Y-%m}",
            None if month.held is None else month.held.requests,
            None if month.held is None else month.held.scores,
            month.bytes,
        ]
        for month in months
    ]
    return answer_csv("usage", [["month", "requests", "scores", "bytes (estimate)"], *rows])


PAGES = (Page(path=USAGE, handler=show_usage),)
