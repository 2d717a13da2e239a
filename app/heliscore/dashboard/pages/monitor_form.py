"""The form of a monitor, with its preview over the past. It needs no script."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final, get_args

import msgspec
from starlette.responses import Response

from heliscore.api.native.destination_fields import KINDS
from heliscore.api.native.monitor_commands import add_monitor, find_monitor, replace_monitor
from heliscore.api.native.monitor_definitions import read_definition
from heliscore.api.native.monitor_fields import BODY
from heliscore.api.native.monitor_preview import Preview, run_preview
from heliscore.dashboard.parts.charts import Chart
from heliscore.dashboard.parts.monitor_chart import draw
from heliscore.dashboard.parts.monitor_words import STATISTICS, show_time
from heliscore.dashboard.parts.page_routes import Page, PageRequest, redirect
from heliscore.domain.errors import FieldError, InvalidInput
from heliscore.domain.event import AlertType
from heliscore.domain.monitors.monitor_definition import Bound, Definition
from heliscore.domain.times import exactly_now
from heliscore.store import evaluations
from heliscore.store.destinations import list_destinations

PATH: Final = "/monitors"
FORM_PATH: Final = "/monitors/form"

_LONGEST_PREVIEW: Final = timedelta(days=30)
_PERIODS: Final = 300
"""Of a preview: a person waits for it. The API takes more."""

_MOST_CHARTS: Final = 5
_PROPERTY: Final = "property:"

_ALERTS: Final = frozenset(get_args(AlertType))

_NUMBERS: Final = (
    "windowMinutes",
    "everyMinutes",
    "delayMinutes",
    "atLeastScores",
    "forPeriods",
    "recoverAt",
    "recoverForPeriods",
    "renotifyMinutes",
)
_NEW: Final = {
    "statistic": "average",
    "condition": "previous",
    "limit": "2",
    "confidence": "0.95",
    "windowMinutes": "1440",
    "everyMinutes": "60",
    "atLeastScores": "30",
    "forPeriods": "1",
    "recoverForPeriods": "1",
    "delayMinutes": "0",
    "noData": "no_data",
}


class ShownPreview(msgspec.Struct, frozen=True):
    """When a monitor would have fired."""

    preview: Preview
    definition: Definition
    length: timedelta

    @property
    def length_words(self) -> str:
        return show_time(self.length)

    @property
    def legend(self) -> str:
        """What the dashed line of the charts is."""
        is_bound = isinstance(self.definition.condition, Bound)
        compared = "the limit" if is_bound else "what it is compared with"
        return f"Dashed: {compared}, and below it the number of scores."

    @property
    def firings(self) -> int:
        return sum(len(one.firings) for one in self.preview.groups)

    @property
    def charts(self) -> list[tuple[str, Chart]]:
        """Of the groups that would have fired first, by name."""
        drawn = [(one, draw(one, self.definition)) for one in self.preview.groups[:_MOST_CHARTS]]
        return [(self._name(one.group), chart) for one, chart in drawn if chart is not None]

    def _name(self, group: str | None) -> str:
        if self.definition.group_by is None:
            return "all requests"
        return "requests without a value" if group is None else group


async def show_form(page: PageRequest) -> Response:
    """Show a monitor, or an empty form; other parameters of the address are filled in."""
    sent = dict(page.request.query_params)
    entered = {**_NEW, **sent}
    if id_ := sent.get("id"):
        async with page.services.database.connection() as connection:
            stored = await find_monitor(connection, page.organization_id, id_)
        entered = {**_enter(msgspec.json.decode(stored.definition)), "id": id_}
    return await _render(page, entered)


async def submit_form(page: PageRequest) -> Response:
    """Save a monitor, or run it over the past."""
    entered = {key: value.strip() for key, value in page.form.items()}
    try:
        definition, _ = read_definition(BODY, msgspec.json.encode(_read_form(entered)))
        if entered.get("act") == "preview":
            return await _render(page, entered, preview=await _preview(page, definition))
        if entered.get("id"):
            monitor = await replace_monitor(page.call, entered["id"], definition)
        else:
            monitor = await add_monitor(page.call, definition)
    except InvalidInput as error:
        return await _render(page, entered, status=400, errors=error.errors)
    return redirect(f"{PATH}/{monitor.id}")


async def _preview(page: PageRequest, definition: Definition) -> ShownPreview:
    length = min(_LONGEST_PREVIEW, _PERIODS * definition.every)
    end = exactly_now()
    return ShownPreview(await run_preview(page.call, definition, end - length, end), definition, length)


def _read_form(entered: Mapping[str, str]) -> dict[str, Any]:
    """The body of the API's call with what was entered. Raises InvalidInput for a filter that is no JSON."""
    body: dict[str, Any] = {key: entered.get(key) or None for key in ("name", "score", "statistic", "noData")}
    for key in _NUMBERS:
        body[key] = _read_number(entered.get(key, ""))
    group_by = entered.get("groupBy", "")
    if group_by.startswith(_PROPERTY):
        body["groupBy"] = {"property": group_by.removeprefix(_PROPERTY)}
    elif group_by:
        body["groupBy"] = group_by
    kind, limit = entered.get("condition", ""), _read_number(entered.get("limit", ""))
    if kind in ("below", "above"):
        body["condition"] = {kind: limit}
    else:
        confidence = _read_number(entered.get("confidence", ""))
        body["condition"] = {"worseThan": kind, "margin": limit, "confidence": confidence}
    try:
        body["filter"] = msgspec.json.decode(entered.get("filter") or '"all"')
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidInput([FieldError("filter", f"not valid JSON: {error}")]) from None
    body["paused"] = "paused" in entered
    chosen = [key.removeprefix("to-") for key in entered if key.startswith("to-")]
    body["destinations"] = chosen or None
    return body


def _read_number(text: str) -> int | float | str | None:
    """Or what was entered instead of one, which is refused as such."""
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return text or None


def _enter(definition: dict[str, Any]) -> dict[str, str]:
    """The fields of the form that make a definition."""
    entered = {
        key: "" if definition[key] is None else str(definition[key])
        for key in ("name", "score", "statistic", "noData", *_NUMBERS)
    }
    match definition["condition"]:
        case {"worseThan": base, "margin": margin, "confidence": confidence}:
            entered |= {"condition": base, "limit": str(margin), "confidence": str(confidence)}
        case {"below": limit}:
            entered |= {"condition": "below", "limit": str(limit)}
        case {"above": limit}:
            entered |= {"condition": "above", "limit": str(limit)}
    match definition["groupBy"]:
        case {"property": key}:
            entered["groupBy"] = f"{_PROPERTY}{key}"
        case str() as column:
            entered["groupBy"] = column
    if definition["filter"] not in ("all", {}):
        entered["filter"] = msgspec.json.encode(definition["filter"]).decode()
    entered |= {f"to-{id_}": "on" for id_ in definition["destinations"] or ()}
    return entered | ({"paused": "on"} if definition["paused"] else {})


_FIELDS: Final = {
    "condition.below": "limit",
    "condition.above": "limit",
    "condition.margin": "limit",
    "condition.confidence": "confidence",
    "condition.worseThan": "condition",
}
"""Of the form, where they are not named as the API's."""


async def _render(
    page: PageRequest,
    entered: Mapping[str, str],
    *,
    status: int = 200,
    errors: tuple[FieldError, ...] = (),
    preview: ShownPreview | None = None,
) -> Response:
    by_field: dict[str, list[str]] = {}
    for error in errors:
        field = _FIELDS.get(error.path) or error.path.partition(".")[0].partition("[")[0]
        by_field.setdefault(field, []).append(error.message)
    async with page.services.database.connection() as connection:
        names = await evaluations.list_names(connection, page.organization_id)
        found = await list_destinations(connection, page.organization_id, KINDS)
    return page.render(
        "pages/monitor_form.html",
        status=status,
        entered=entered,
        errors={field: "; ".join(messages) for field, messages in by_field.items()},
        preview=preview,
        names=names,
        destinations=[one for one in found if _ALERTS.intersection(one.events)],
        statistics=STATISTICS.items(),
        form_path=FORM_PATH,
        path_of_list=PATH,
    )


PAGES = (
    Page(path=FORM_PATH, handler=show_form),
    Page(method="POST", path=FORM_PATH, handler=submit_form, permission="rw"),
)
