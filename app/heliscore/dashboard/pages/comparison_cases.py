"""The page of cases: what two groups made of the same items, side by side, the greatest fall first."""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec
from starlette.responses import Response

from heliscore.api.http.endpoints import error_response
from heliscore.dashboard.parts.comparison_links import CASES
from heliscore.dashboard.parts.comparison_method import COLUMNS, FIELDS, is_field, subject_of
from heliscore.dashboard.parts.page_routes import Page, PageRequest
from heliscore.dashboard.parts.paired_cases import ShownCase, lay_out_cases
from heliscore.dashboard.parts.time_range import TimeRange, read_time_range, shorter_ranges
from heliscore.domain.errors import FieldError, Unavailable
from heliscore.domain.messages import described
from heliscore.domain.times import now
from heliscore.store import cases as store
from heliscore.store.definition_cache import Definitions
from heliscore.store.facets import PROPERTY

_OWN: Final = frozenset(("by", "group", "without", "pair", "score", "page"))
_A_PAGE: Final = 20
_MAX_PAGES: Final = 5_000


class TwoGroups(msgspec.Struct, frozen=True):
    """The groups of an address: the base and the one beside it. None is the one without a value."""

    by: str
    base: str | None
    other: str | None


class CasesQuestion(msgspec.Struct, frozen=True):
    """What an address asks for."""

    groups: TwoGroups
    pair: str
    score: str
    page: int


def read_groups(time_range: TimeRange) -> tuple[TwoGroups, list[FieldError]]:
    """Read the two groups of an address. `without` is `base` where the base is the group without a value."""
    errors = []
    by, groups = time_range.one("by"), [*time_range.all("group")]
    if not is_field(by):
        errors.append(FieldError("by", f"expected {FIELDS}, got {described(by)}"))
    found: list[str | None] = [*groups]
    if without := time_range.one("without"):
        found.insert(0 if without == "base" else len(found), None)
    if len(found) != 2:
        errors.append(FieldError("group", f"expected two groups, the base first, got {len(found)}"))
        found = [None, None]
    return TwoGroups(by, found[0], found[1]), errors


def _read_question(time_range: TimeRange) -> tuple[CasesQuestion, list[FieldError]]:
    groups, errors = read_groups(time_range)
    pair, score, text = (time_range.one(name) for name in ("pair", "score", "page"))
    if not is_field(pair):
        errors.append(FieldError("pair", f"expected {FIELDS}, got {described(pair)}"))
    if not score:
        errors.append(FieldError("score", "missing; the cases are of one score"))
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 6 else 0 if text else 1
    if not 1 <= number <= _MAX_PAGES:
        errors.append(
            FieldError("page", f"expected a number from 1 to {_MAX_PAGES:,}, got {described(text)}")
        )
    return CasesQuestion(groups, pair, score, number), errors


async def show_cases(page: PageRequest) -> Response:
    time_range = read_time_range(page.request.query_params, now(), _OWN)
    question, errors = _read_question(time_range)
    if errors := [*time_range.errors, *errors]:
        return _render(page, time_range, question, status=400, errors=errors)
    services, groups = page.services, question.groups
    selection = time_range.selection(page.organization_id)
    try:
        definitions = await services.definitions.find(page.organization_id)
        async with (
            services.database.connection() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            found, total = await store.find_worst(
                connection,
                services.ids.names,
                selection,
                question.score,
                subject_of(groups.by),
                subject_of(question.pair),
                base=groups.base,
                other=groups.other,
                is_falling=question.score in definitions.falling,
                limit=_A_PAGE,
                offset=(question.page - 1) * _A_PAGE,
            )
            numbers = [side.request_no for case in found for side in (case.base, case.other)]
            exchanges = await store.read_exchanges(connection, page.organization_id, numbers)
            scores = await store.read_scores(connection, page.organization_id, numbers)
    except Unavailable as error:
        return error_response(error, lambda error: _render(page, time_range, question, trouble=str(error)))
    shown = await asyncio.to_thread(lay_out_cases, found, exchanges, scores, question.score)
    return _render(page, time_range, question, cases=shown, total=total, directions=_directions(definitions))


def _directions(definitions: Definitions) -> dict[str, int]:
    """By score whether a rise is good (1) or bad (-1)."""
    return {name: -1 if name in definitions.falling else 1 for name in definitions.directed}


def _render(
    page: PageRequest,
    time_range: TimeRange,
    question: CasesQuestion,
    *,
    status: int = 200,
    cases: list[ShownCase] | None = None,
    total: int = 0,
    directions: dict[str, int] | None = None,
    errors: list[FieldError] | None = None,
    trouble: str | None = None,
) -> Response:
    return page.render(
        "pages/comparison_cases.html",
        status=status,
        time_range=time_range,
        question=question,
        pair_name=COLUMNS.get(question.pair, question.pair.removeprefix(PROPERTY)),
        cases=cases or [],
        total=total,
        first=(question.page - 1) * _A_PAGE + 1,
        is_last=question.page * _A_PAGE >= total,
        directions=directions or {},
        most=store.MAX_SCORES,
        errors=errors or [],
        trouble=trouble,
        shorter=shorter_ranges(time_range.length),
    )


PAGES = (Page(path=CASES, handler=show_cases),)
