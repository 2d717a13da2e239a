"""The page of the requests behind a cell of an agreement, where its raters are authors.

No filter finds opinions that are not the score, so their requests are listed here.
"""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec
from starlette.responses import Response

from heliscore.api.http.endpoints import error_response
from heliscore.dashboard.pages.agreement import OWN, PATH
from heliscore.dashboard.parts.agreement_raters import AgreementQuestion, name_rater, read_question
from heliscore.dashboard.parts.agreement_table import REQUESTS
from heliscore.dashboard.parts.page_routes import Page, PageRequest
from heliscore.dashboard.parts.search_address import SearchAddress
from heliscore.dashboard.parts.time_range import TimeRange, read_time_range, shorter_ranges
from heliscore.domain.errors import FieldError, Unavailable
from heliscore.domain.messages import described
from heliscore.domain.times import now
from heliscore.store import ratings

_OWN: Final = OWN | {"a", "b"}
_MAX_OF_PAIR: Final = 200
_MAX_SHOWN: Final = 500


class RatedRequest(msgspec.Struct, frozen=True):
    """A request and what two raters gave it."""

    request_id: str
    a: int
    b: int


async def show_requests(page: PageRequest) -> Response:
    time_range = read_time_range(page.request.query_params, now(), _OWN)
    question, errors = read_question(time_range, [])
    errors = [*time_range.errors, *errors]
    # Both ends of a range may be the same, which TimeRange.all has once.
    bounds = {name: _read_bounds(page, name, errors) for name in ("a", "b")}
    if not errors and len(question.raters) != 2:
        errors.append(FieldError("rater", f"expected two, got {len(question.raters)}"))
    if errors:
        return _render(page, time_range, question, status=400, errors=errors)
    selection = time_range.selection(page.organization_id)
    try:
        async with page.services.database.connection() as connection:
            rows = await ratings.find_rated(
                connection, page.services.ids.names, selection, question.raters, _MAX_OF_PAIR
            )
    except Unavailable as error:
        return error_response(error, lambda error: _render(page, time_range, question, trouble=str(error)))
    found = await asyncio.to_thread(_choose, rows, bounds["a"], bounds["b"])
    return _render(page, time_range, question, requests=found)


def _read_bounds(page: PageRequest, name: str, errors: list[FieldError]) -> tuple[int, int]:
    texts = page.request.query_params.getlist(name)
    try:
        low, high = (int(text) for text in texts if len(text) <= 20)
    except ValueError:
        errors.append(
            FieldError(name, f"expected the lowest and the highest value, got {described([*texts])}")
        )
        return 0, 0
    return low, high


def _choose(rows: ratings.RatedRows, a: tuple[int, int], b: tuple[int, int]) -> list[RatedRequest]:
    """Those in the cell, the furthest apart first."""
    found = [
        RatedRequest(id_, x, y)
        for (x, y), ids in ratings.make_rated(rows).items()
        if x is not None and y is not None and a[0] <= x <= a[1] and b[0] <= y <= b[1]
        for id_ in ids
    ]
    return sorted(found, key=lambda one: -abs(one.a - one.b))


def _render(
    page: PageRequest,
    time_range: TimeRange,
    question: AgreementQuestion,
    *,
    status: int = 200,
    requests: list[RatedRequest] | None = None,
    errors: list[FieldError] | None = None,
    trouble: str | None = None,
) -> Response:
    found = requests or []
    return page.render(
        "pages/agreement_requests.html",
        status=status,
        time_range=time_range,
        titles=[name_rater(rater, question.raters) for rater in question.raters],
        requests=found[:_MAX_SHOWN],
        more=len(found[_MAX_SHOWN:]),
        most=_MAX_OF_PAIR,
        request_href=SearchAddress().request_href,
        back=PATH + time_range.href("a", "b"),
        errors=errors or [],
        trouble=trouble,
        shorter=shorter_ranges(time_range.length),
    )


PAGES = (Page(path=REQUESTS, handler=show_requests),)
