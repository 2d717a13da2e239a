"""The form of a destination of events. It needs no script."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from starlette.responses import Response

from heliscore.api.http.path_parameters import read_uuid
from heliscore.api.native import destination_commands as commands
from heliscore.api.native import destination_fields as fields
from heliscore.dashboard.pages.destinations import destination_href, show_destination
from heliscore.dashboard.parts.page_routes import Page, PageRequest, redirect
from heliscore.dashboard.parts.settings_sections import DESTINATIONS
from heliscore.domain.destination import Destination
from heliscore.domain.digest_schedule import DEFAULT_DIGEST_HOUR
from heliscore.domain.errors import FieldError, InvalidInput
from heliscore.domain.event import EVENT_TYPES

_PATH: Final = f"{DESTINATIONS}/form"
_EVENT: Final = "event-"

_NEW: Final = {
    "kind": "webhook",
    "digestHour": str(DEFAULT_DIGEST_HOUR),
    "event-alert.firing": "on",
    "event-alert.resolved": "on",
}

_EVENT_WORDS: Final = {
    "score.recorded": "each score",
    "request.logged": "each logged request",
    "alert.firing": "alerts that begin",
    "alert.resolved": "alerts that end",
}


async def show_form(page: PageRequest) -> Response:
    """Show a destination, or an empty form."""
    id_ = page.request.query_params.get("id")
    if not id_:
        return _render(page, _NEW, None)
    destination = await commands.find_destination(page.call, read_uuid(id_, "destination"))
    return _render(page, _enter(destination), destination)


async def submit_form(page: PageRequest) -> Response:
    """Add a destination, or change one. A new webhook is shown with its secret: this page alone does."""
    entered = {key: value.strip() for key, value in page.form.items()}
    destination = None
    if id_ := entered.get("id"):
        destination = await commands.find_destination(page.call, read_uuid(id_, "destination"))
    try:
        body = _read_form(entered)
        if destination is None:
            added = await commands.add_destination(page.call, fields.BODY.read(body))
            return await show_destination(page, added, secret=added.secret)
        await commands.change_destination(page.call, destination, fields.CHANGE_BODY.read(body))
    except InvalidInput as error:
        return _render(page, entered, destination, error.errors)
    return redirect(destination_href(destination.id))


def _read_form(entered: Mapping[str, str]) -> dict[str, Any]:
    """The body of the API's call with what was entered: of a change without the kind, and without an address
    where none was entered. Raises InvalidInput for a filter that is no JSON."""
    body: dict[str, Any] = {
        "name": entered.get("name", ""),
        "address": entered.get("address", ""),
        "events": [event for event in EVENT_TYPES if _EVENT + event in entered],
        "scores": [line.strip() for line in entered.get("scores", "").splitlines() if line.strip()],
        "digest": entered.get("digest") or None,
        "digestHour": _read_hour(entered.get("digestHour", "")),
    }
    if not entered.get("id"):
        body["kind"] = entered.get("kind")
    elif not body["address"]:
        del body["address"]
    try:
        body["filter"] = msgspec.json.decode(entered.get("filter") or '"all"')
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidInput([FieldError("filter", f"not valid JSON: {error}")]) from None
    return body


def _read_hour(text: str) -> int | str | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 4 else text or None


def _enter(destination: Destination) -> dict[str, str]:
    """The fields of the form that make a destination, but for the address, which is a secret."""
    options = destination.options
    entered = {
        "id": str(destination.id),
        "kind": destination.kind,
        "name": destination.name,
        "digest": destination.digest or "",
        "digestHour": str(destination.digest_hour),
        "scores": "\n".join(options.get("scores", ())),
    }
    if options.get("filter", "all") not in ("all", {}):
        entered["filter"] = msgspec.json.encode(options["filter"]).decode()
    return entered | {_EVENT + event: "on" for event in destination.events}


def _render(
    page: PageRequest,
    entered: Mapping[str, str],
    destination: Destination | None,
    errors: tuple[FieldError, ...] = (),
) -> Response:
    by_field: dict[str, list[str]] = {}
    for error in errors:
        field = error.path.partition(".")[0].partition("[")[0]
        by_field.setdefault(field, []).append(error.message)
    return page.render(
        "pages/destination_form.html",
        status=400 if errors else 200,
        entered=entered,
        errors={field: "; ".join(messages) for field, messages in by_field.items()},
        destination=None if destination is None else fields.shown(destination),
        events=_EVENT_WORDS.items(),
        sends_mail=page.services.messenger.sends_mail,
        form_path=_PATH,
    )


PAGES = (
    Page(path=_PATH, handler=show_form),
    Page(method="POST", path=_PATH, handler=submit_form, permission="rw"),
)
