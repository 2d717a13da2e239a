"""The page of agreement: how well judges, people or scores agree, and where they do not."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from starlette.responses import Response

from heliscore.api.http.endpoints import error_response
from heliscore.api.shared.agreements import Agreement, Pair, Study, measure
from heliscore.api.shared.filter_leaves import both
from heliscore.dashboard.parts.agreement_raters import (
    AgreementQuestion,
    encode_rater,
    name_author,
    name_rater,
    offer_raters,
    read_question,
    settle,
    show_rater,
)
from heliscore.dashboard.parts.agreement_table import (
    CellLinks,
    Disagreement,
    ValueTable,
    make_disagreements,
    make_value_table,
)
from heliscore.dashboard.parts.agreement_words import (
    ShownCoefficient,
    describe_agreement,
    describe_bias,
    describe_coverage,
    describe_kappa,
    show_coefficients,
)
from heliscore.dashboard.parts.commands import make_curl
from heliscore.dashboard.parts.page_routes import Page, PageRequest
from heliscore.dashboard.parts.search_address import SearchAddress
from heliscore.dashboard.parts.time_range import TimeRange, read_time_range, shorter_ranges
from heliscore.domain.errors import FieldError, Unavailable
from heliscore.domain.rater import Rater
from heliscore.domain.statistics.many_raters import ManyAgreement
from heliscore.domain.times import format_time, now
from heliscore.store.facets import Facets, find_facets
from heliscore.store.known_raters import RatedName, list_rated_names

PATH: Final = "/agreement"
OWN: Final = frozenset(("rater", "reference", "threshold", "tolerance"))
_NOTHING: Final = AgreementQuestion((), None, None, 0)


async def show_agreement(page: PageRequest) -> Response:
    time_range = read_time_range(page.request.query_params, now(), OWN)
    if time_range.errors:
        return _render(page, time_range, _NOTHING, status=400, errors=[*time_range.errors])
    organization_id, services = page.organization_id, page.services
    try:
        async with services.database.connection() as connection:
            names = await list_rated_names(connection, organization_id, time_range.start, time_range.end)
            facets = await find_facets(connection, organization_id, time_range.start, time_range.end)
        question, errors = read_question(time_range, names)
        if errors:
            return _render(page, time_range, question, status=400, errors=errors)
        if len(question.raters) < 2:
            return _render(page, time_range, question, facets=facets, names=names)
        time_range = settle(time_range, question)
        found = await measure(services, _make_study(time_range, organization_id, question))
    except Unavailable as error:
        return error_response(error, lambda error: _render(page, time_range, _NOTHING, trouble=str(error)))
    if found is None:
        message = "they gave too many different values together; choose two"
        errors = [FieldError("rater", message)]
        return _render(page, time_range, question, status=400, errors=errors)
    shown = await asyncio.to_thread(_show, found, question, time_range)
    return _render(page, time_range, question, facets=facets, names=names, shown=shown)


def _make_study(time_range: TimeRange, organization_id: int, question: AgreementQuestion) -> Study:
    reference = question.reference
    return Study(
        selection=time_range.selection(organization_id),
        raters=question.raters,
        reference=None if reference is None else question.raters.index(reference),
        threshold=question.threshold,
        tolerance=question.tolerance,
    )


class ShownPair(msgspec.Struct, frozen=True):
    """Two raters in words; `href` is the page of them alone."""

    agreement: str
    kappa: str
    bias: str
    href: str


class ShownAgreement(msgspec.Struct, frozen=True, kw_only=True):
    """All that the template says of a measured agreement."""

    titles: Mapping[Rater, str]
    pairs: list[ShownPair]
    coefficients: list[ShownCoefficient]
    """Of the two raters, or of all together."""

    together: ManyAgreement | None
    """None of two raters; the fields below are theirs."""

    pair: Pair | None = None
    reference_coefficients: list[ShownCoefficient] = []
    table: ValueTable | None = None
    disagreements: list[Disagreement] = []
    coverage: str = ""
    unknown: tuple[str, ...] = ()
    """Names under which nobody gave a score."""


def _show(found: Agreement, question: AgreementQuestion, time_range: TimeRange) -> ShownAgreement:
    """Make all that the template needs. Takes time where there are many values."""
    titles = {rater: name_rater(rater, question.raters) for rater in question.raters}
    pairs = [_show_pair(pair, question, titles, time_range) for pair in found.pairs]
    if found.together is not None:
        coefficients = show_coefficients(found.together.coefficients)
        return ShownAgreement(
            titles=titles,
            pairs=pairs,
            coefficients=coefficients,
            together=found.together,
            unknown=found.unknown_scores,
        )
    [pair] = found.pairs
    links = CellLinks(time_range, pair)
    reference = pair.reference
    return ShownAgreement(
        titles=titles,
        pairs=pairs,
        coefficients=show_coefficients(pair.agreement.coefficients),
        together=None,
        pair=pair,
        reference_coefficients=[] if reference is None else show_coefficients(reference.coefficients),
        table=make_value_table(pair, links),
        disagreements=make_disagreements(pair, links, found.ids),
        coverage=describe_coverage(pair, titles[pair.a], titles[pair.b]),
        unknown=found.unknown_scores,
    )


def _show_pair(
    pair: Pair, question: AgreementQuestion, titles: Mapping[Rater, str], time_range: TimeRange
) -> ShownPair:
    first, second = titles[pair.a], titles[pair.b]
    return ShownPair(
        describe_agreement(pair, first, second, question.tolerance),
        describe_kappa(pair),
        describe_bias(pair, first, second),
        time_range.href(rater=[encode_rater(pair.a), encode_rater(pair.b)]),
    )


def _make_command(time_range: TimeRange, question: AgreementQuestion) -> str:
    body: dict[str, Any] = {
        "filter": both("all", *time_range.leaves),
        "timeFilter": {"start": format_time(time_range.start), "end": format_time(time_range.end)},
        "raters": [show_rater(rater) for rater in question.raters],
        "tolerance": question.tolerance,
    }
    if question.reference is not None:
        body["reference"] = show_rater(question.reference)
    if question.threshold is not None:
        body["threshold"] = question.threshold
    return make_curl("/v1/evals/agreement", body)


def _render(
    page: PageRequest,
    time_range: TimeRange,
    question: AgreementQuestion,
    *,
    status: int = 200,
    facets: Facets | None = None,
    names: list[RatedName] | None = None,
    errors: list[FieldError] | None = None,
    shown: ShownAgreement | None = None,
    trouble: str | None = None,
) -> Response:
    return page.render(
        "pages/agreement.html",
        status=status,
        time_range=time_range,
        facets=facets or Facets(),
        question=question,
        offered=offer_raters(names or [], question.raters),
        encode=encode_rater,
        name_author=name_author,
        name_rater=name_rater,
        request_href=SearchAddress().request_href,
        errors=errors or [],
        trouble=trouble,
        shorter=shorter_ranges(time_range.length),
        shown=shown,
        command=None if shown is None else _make_command(time_range, question),
    )


PAGES = (Page(path=PATH, handler=show_agreement, title="Agreement"),)
