"""`/v1/monitors`: numbers of scores that are watched, how they stand, and what they came to."""

from __future__ import annotations

import re
from typing import Final

from starlette.responses import Response

from heliscore.api.http.body_fields import ValueType, optional
from heliscore.api.http.endpoints import ApiCall
from heliscore.api.http.field_errors import FieldErrors
from heliscore.api.http.json_schema import Schema, list_of_objects
from heliscore.api.http.path_parameters import read_path_parameter
from heliscore.api.http.query_parameters import Query
from heliscore.api.http.value_types import count
from heliscore.api.native.monitor_answers import (
    CHANGE_SCHEMA,
    MONITOR_SCHEMA,
    SHOWN,
    SHOWN_CHANGE,
    show_change,
    show_monitor,
)
from heliscore.api.native.monitor_commands import (
    add_monitor,
    find_monitor,
    remove_monitor,
    replace_monitor,
)
from heliscore.api.native.monitor_definitions import read_definition
from heliscore.api.native.monitor_fields import BODY
from heliscore.api.shared import envelope
from heliscore.domain.errors import NotFound
from heliscore.observability.event_loop import Turn
from heliscore.store import monitors as store

_MAX_CHANGES: Final = 1_000
_ID: Final = "monitorId"
_DIGITS: Final = re.compile(r"\d{1,18}", re.ASCII)


def _read_number(raw: object, path: str, errors: FieldErrors) -> int:
    if isinstance(raw, str) and _DIGITS.fullmatch(raw):
        return int(raw)
    errors.add_unexpected(path, "the number of a change", raw)
    return 0


_LIMIT: Final = optional("limit", count(_MAX_CHANGES), default=100)
_BEFORE: Final = optional(
    "before",
    ValueType[int]({"type": "string", "pattern": "^[0-9]{1,18}$"}, _read_number),
    description="The number of the last change of the page before.",
)
_QUERY: Final = Query(_LIMIT, _BEFORE)


async def list_monitors(call: ApiCall) -> Response:
    """List the monitors, by name, each with the states of its groups."""
    async with call.services.database.connection() as connection:
        found = await store.list_monitors(connection, call.principal.organization_id)
    shown, turn = [], Turn()
    for monitor in found:
        shown.append(show_monitor(monitor))
        await turn.give_way()
    return envelope.answer(shown)


async def get_monitor(call: ApiCall) -> Response:
    """Show a monitor, with the states of its groups."""
    async with call.services.database.connection() as connection:
        found = await find_monitor(connection, call.principal.organization_id, _sent_id(call))
    return envelope.answer(show_monitor(found))


async def create_monitor(call: ApiCall) -> Response:
    """Watch a number of scores, and tell when it is not as it should be.

    The first period is the one that ended last, so that a monitor says within seconds how things stand.
    """
    definition, _ = read_definition(BODY, await call.body())
    return envelope.answer(show_monitor(await add_monitor(call, definition)))


async def put_monitor(call: ApiCall) -> Response:
    """Replace a monitor, also the keys that this body leaves out.

    The states of its groups stay unless what is measured, or the condition, is another one now; then alerts
    that are not over are resolved, and the monitor begins as a new one does.
    """
    definition, _ = read_definition(BODY, await call.body())
    return envelope.answer(show_monitor(await replace_monitor(call, _sent_id(call), definition)))


async def delete_monitor(call: ApiCall) -> Response:
    """Remove a monitor and its history; alerts that are not over are resolved."""
    await remove_monitor(call, _sent_id(call))
    return envelope.DONE


async def get_monitor_history(call: ApiCall) -> Response:
    """Show how the states of a monitor's groups changed, newest first, in pages of up to 1,000.

    Periods that were skipped after a standstill, and times at which the monitor could not be evaluated, are
    there too. Entries are kept for 90 days.
    """
    asked = _QUERY.read(call.request.query_params)
    organization_id = call.principal.organization_id
    async with call.services.database.connection() as connection:
        monitor = await find_monitor(connection, organization_id, _sent_id(call))
        changes = await store.list_changes(
            connection, organization_id, monitor.id, asked[_BEFORE], asked[_LIMIT]
        )
    return envelope.answer([show_change(change) for change in changes])


def _sent_id(call: ApiCall) -> str:
    return read_path_parameter(call.request, _ID)


_TAG: Final = "Monitors"
_PATH: Final = "/v1/monitors"
_ONE: Final = f"{_PATH}/{{{_ID}}}"
_LIST: Final[Schema] = {"type": "array", "maxItems": store.MAX_MONITORS, "items": MONITOR_SCHEMA}

ENDPOINTS: Final = (
    envelope.endpoint("GET", _PATH, list_monitors, "r", _TAG, data=_LIST, data_example=[SHOWN]),
    envelope.endpoint(
        "POST", _PATH, create_monitor, "rw", _TAG, body=BODY, data=MONITOR_SCHEMA, data_example=SHOWN
    ),
    envelope.endpoint(
        "GET", _ONE, get_monitor, "r", _TAG, data=MONITOR_SCHEMA, data_example=SHOWN, errors=(NotFound,)
    ),
    envelope.endpoint(
        "PUT",
        _ONE,
        put_monitor,
        "rw",
        _TAG,
        body=BODY,
        data=MONITOR_SCHEMA,
        data_example=SHOWN,
        errors=(NotFound,),
    ),
    envelope.endpoint("DELETE", _ONE, delete_monitor, "rw", _TAG, errors=(NotFound,)),
    envelope.endpoint(
        "GET",
        f"{_ONE}/history",
        get_monitor_history,
        "r",
        _TAG,
        query=_QUERY.fields,
        data=list_of_objects(CHANGE_SCHEMA),
        data_example=[SHOWN_CHANGE],
        errors=(NotFound,),
    ),
)
