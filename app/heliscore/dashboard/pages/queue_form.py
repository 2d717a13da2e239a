"""The form of a new review queue. It needs no script."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from starlette.responses import Response

from heliscore.api.native.queue_commands import make_queue
from heliscore.api.native.queue_fields import QUEUE_BODY, read_chosen, read_terms
from heliscore.dashboard.parts.page_routes import Page, PageRequest, redirect
from heliscore.domain.errors import FieldError, InvalidInput
from heliscore.domain.review_queue import MAX_INSTRUCTIONS_LENGTH
from heliscore.store import evaluations

PATH: Final = "/queues"
FORM_PATH: Final = "/queues/form"

_SCORE: Final = "score:"
"""The beginning of the names of the boxes for known scores."""

_MAX_NAMES: Final = 60
_NEW: Final = {"from": "filter", "reviewersPerItem": "1", "reservationMinutes": "30", "size": "40"}

_WAYS: Final = (
    ("filter", "What the filter finds, in the order of the sort"),
    ("random", "At random"),
    ("stratified", "At random, some of each group"),
    ("threshold", "Those nearest to a limit: the least certain"),
    ("disagreement", "Those on which scores disagree most"),
)
_FIELDS: Final = {
    "sample.filter": "filter",
    "sample.size": "size",
    "sample.by": "from",
    "sample.groupBy": "groupBy",
    "sample.score": "limitScore",
    "sample.threshold": "limit",
    "sample.scores": "judges",
    "requestIds": "filter",
}
"""Of the form, where they are not named as the API's."""


async def show_form(page: PageRequest) -> Response:
    """Show an empty form; parameters of the address are filled in: a search of requests is."""
    return await render_form(page, dict(page.request.query_params))


async def submit_form(page: PageRequest) -> Response:
    """Make the queue, and show it."""
    entered = {key: value.strip() for key, value in page.form.items()}
    try:
        values = QUEUE_BODY.read(_read_form(entered))
        queue_id = await make_queue(page.call, read_terms(values), read_chosen(values))
    except InvalidInput as error:
        return await render_form(page, entered, error.errors)
    return redirect(f"{PATH}/{queue_id}")


def _read_form(entered: Mapping[str, str]) -> dict[str, Any]:
    """The body of the API's call. Raises InvalidInput for what is no JSON."""
    names = [key.removeprefix(_SCORE) for key in entered if key.startswith(_SCORE)]
    names += _split(entered.get("moreScores", ""))
    body: dict[str, Any] = {
        "name": entered.get("name", ""),
        "instructions": entered.get("instructions", "").replace("\r\n", "\n"),
        "scores": names,
        "reviewersPerItem": _number(entered.get("reviewersPerItem", "")),
        "reservationMinutes": _number(entered.get("reservationMinutes", "")),
        "blind": "blind" in entered,
    }
    filter_ = _decode(entered, "filter", "all")
    size, way = _number(entered.get("size", "")), entered.get("from", "filter")
    if way == "filter":
        return body | {"filter": filter_, "size": size, "sort": _decode(entered, "sort", None)}
    sample: dict[str, Any] = {"filter": filter_, "by": way, "size": size}
    group = entered.get("groupBy", "")
    if way == "stratified":
        sample["groupBy"] = {"property": group[9:]} if group.startswith("property:") else group or None
    elif way == "threshold":
        sample |= {"score": entered.get("limitScore") or None, "threshold": _number(entered.get("limit", ""))}
    elif way == "disagreement":
        sample["scores"] = _split(entered.get("judges", "")) or None
    return body | {"sample": sample}


def _split(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _number(text: str) -> int | float | str | None:
    """Or what was entered instead of one, which is refused as such."""
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return text or None


def _decode(entered: Mapping[str, str], field: str, default: Any) -> Any:
    try:
        return msgspec.json.decode(entered[field]) if entered.get(field) else default
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidInput([FieldError(field, f"not valid JSON: {error}")]) from None


async def render_form(
    page: PageRequest, entered: Mapping[str, str], errors: tuple[FieldError, ...] = ()
) -> Response:
    """Show the form with what was entered."""
    by_field: dict[str, list[str]] = {}
    for error in errors:
        head = error.path.partition("[")[0]
        field = _FIELDS.get(head) or head.partition(".")[0]
        by_field.setdefault(field, []).append(error.message)
    async with page.services.database.connection() as connection:
        names = await evaluations.list_names(connection, page.organization_id)
    definitions = (await page.services.definitions.find(page.organization_id)).by_name
    known = sorted({*names, *definitions})[:_MAX_NAMES]
    return page.render(
        "pages/queue_form.html",
        status=400 if errors else 200,
        entered=_NEW | dict(entered),
        errors={field: "; ".join(messages) for field, messages in by_field.items()},
        scores=[(name, definitions.get(name)) for name in known],
        score_field=_SCORE,
        ways=_WAYS,
        form_path=FORM_PATH,
        path_of_list=PATH,
        max_instructions=MAX_INSTRUCTIONS_LENGTH,
    )


PAGES = (
    Page(path=FORM_PATH, handler=show_form),
    Page(method="POST", path=FORM_PATH, handler=submit_form, permission="rw"),
)
