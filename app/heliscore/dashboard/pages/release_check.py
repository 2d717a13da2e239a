"""The page of a release check: rules for two groups, whether they hold, and the same check for a CI."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec
from starlette.responses import Response

from heliscore.api.http.endpoints import error_response
from heliscore.api.native.gate_evidence import read_cases
from heliscore.api.native.gate_fields import read_gate
from heliscore.dashboard.pages.comparison_cases import TwoGroups, read_groups
from heliscore.dashboard.parts.commands import make_curl
from heliscore.dashboard.parts.comparison_links import CHECK, Links
from heliscore.dashboard.parts.comparison_method import COLUMNS, is_field
from heliscore.dashboard.parts.page_routes import Page, PageRequest
from heliscore.dashboard.parts.release_check import RULES, ChosenRule, make_gate, read_least, read_rules
from heliscore.dashboard.parts.time_range import TimeRange, read_time_range, shorter_ranges
from heliscore.domain.errors import FieldError, InvalidInput, Unavailable
from heliscore.domain.gate.gate_decisions import decide
from heliscore.domain.gate.gate_report import GateReport
from heliscore.domain.times import now
from heliscore.store.definition_cache import NO_DEFINITIONS, Definitions
from heliscore.store.facets import PROPERTY

_OWN: Final = frozenset(("by", "group", "without", "pair", "score", "least"))
_OUTCOMES: Final = {
    "pass": "It passes.",
    "fail": "It fails.",
    "inconclusive": "It is not decided: a check is not sure yet.",
}


async def show_check(page: PageRequest) -> Response:
    query = page.request.query_params
    time_range = read_time_range(query, now(), _OWN)
    groups, errors = read_groups(time_range)
    errors = [*time_range.errors, *errors]
    pair = time_range.one("pair")
    if pair and not is_field(pair):
        errors.append(FieldError("pair", "expected what requests can be grouped by"))
    if errors:
        return _render(page, time_range, groups, [], status=400, errors=errors)
    try:
        definitions = await page.services.definitions.find(page.organization_id)
        rules = read_rules(query, time_range.all("score"), definitions.by_name)
        body = make_gate(time_range, groups.by, (groups.base, groups.other), rules, pair, errors)
        report = None
        if body["checks"] and not errors:
            report = await _decide(page, body)
    except InvalidInput as error:
        return _render(page, time_range, groups, rules, status=400, errors=[*error.errors])
    except Unavailable as error:
        return error_response(error, lambda error: _render(page, time_range, groups, [], trouble=str(error)))
    if errors:
        return _render(page, time_range, groups, rules, status=400, errors=errors)
    return _render(page, time_range, groups, rules, definitions=definitions, body=body, report=report)


async def _decide(page: PageRequest, body: dict[str, Any]) -> GateReport:
    asked = read_gate(page.organization_id, msgspec.json.encode(body))
    cases = await read_cases(page.services, asked)
    return await asyncio.to_thread(decide, asked.gate, cases)


def _render(
    page: PageRequest,
    time_range: TimeRange,
    groups: TwoGroups,
    rules: list[ChosenRule],
    *,
    status: int = 200,
    definitions: Definitions = NO_DEFINITIONS,
    body: dict[str, Any] | None = None,
    report: GateReport | None = None,
    errors: list[FieldError] | None = None,
    trouble: str | None = None,
) -> Response:
    is_asked = body is not None and report is not None
    return page.render(
        "pages/release_check.html",
        status=status,
        time_range=time_range,
        groups=groups,
        by_name=COLUMNS.get(groups.by, groups.by.removeprefix(PROPERTY)),
        rules=rules,
        words=RULES,
        least=read_least(time_range),
        report=report,
        outcomes=_OUTCOMES,
        links=Links(time_range, definitions.by_name),
        file=msgspec.json.format(msgspec.json.encode(body), indent=2).decode() if is_asked else "",
        command=make_curl("/v1/evals/gate", body) if is_asked else "",
        errors=errors or [],
        trouble=trouble,
        shorter=shorter_ranges(time_range.length),
    )


PAGES = (Page(path=CHECK, handler=show_check),)
