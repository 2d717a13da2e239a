"""`POST /v1/monitors/preview`: when a monitor would have fired."""

from __future__ import annotations

from typing import Any, Final

from starlette.responses import Response

from heliscore.api.http.endpoints import ApiCall
from heliscore.api.http.json_schema import COUNT, STRING, Schema, list_of_objects, nullable
from heliscore.api.native.monitor_definitions import read_definition
from heliscore.api.native.monitor_fields import PREVIEW_BODY
from heliscore.api.native.monitor_preview import Series, run_preview
from heliscore.api.shared import envelope
from heliscore.api.shared.score_selection import TIME_FIELD, read_times
from heliscore.domain.times import format_time
from heliscore.observability.event_loop import Turn


async def preview_monitor(call: ApiCall) -> Response:
    """Run a monitor over the past, as scores stand now, and say when it would have fired.

    The periods are those that end after `start`, up to `end`, at most 1,000. Nothing is stored, and nobody is
    told. `noData` counts the periods in which a group had too little data.
    """
    definition, values = read_definition(PREVIEW_BODY, await call.body())
    preview = await run_preview(call, definition, *read_times(values[TIME_FIELD]))
    shown, turn = [], Turn()
    for one in preview.groups:
        shown.append(_show(one))
        await turn.give_way()
    return envelope.answer(
        {"periods": preview.periods, "groupsLeftOut": preview.groups_left_out, "groups": shown}
    )


def _show(one: Series) -> dict[str, Any]:
    return {
        "group": one.group,
        "firings": [
            {
                "firedAt": format_time(firing.fired_at),
                "resolvedAt": None if firing.resolved_at is None else format_time(firing.resolved_at),
                "sentence": firing.sentence,
            }
            for firing in one.firings
        ],
        "noData": one.no_data,
        "at": [format_time(at) for at in one.at],
        "values": one.values,
        "baseValues": one.base_values,
        "counts": one.counts,
    }


_TIME: Final[Schema] = {"type": "string", "format": "date-time"}
_NUMBERS: Final[Schema] = {"type": "array", "items": {"type": ["number", "null"]}}
_GROUP: Final[dict[str, Schema]] = {
    "group": {"type": ["string", "null"]},
    "firings": list_of_objects({"firedAt": _TIME, "resolvedAt": nullable(_TIME), "sentence": STRING}),
    "noData": COUNT,
    "at": {"type": "array", "items": _TIME, "description": "The ends of the periods of the values."},
    "values": _NUMBERS,
    "baseValues": _NUMBERS,
    "counts": {"type": "array", "items": COUNT},
}
_ANSWER: Final[Schema] = {
    "type": "object",
    "properties": {"periods": COUNT, "groupsLeftOut": COUNT, "groups": list_of_objects(_GROUP)},
    "required": ["periods", "groupsLeftOut", "groups"],
    "additionalProperties": False,
}
_END: Final = "2026-11-22T10:00:00.000Z"

ENDPOINTS: Final = (
    envelope.endpoint(
        "POST",
        "/v1/monitors/preview",
        preview_monitor,
        "r",
        "Monitors",
        body=PREVIEW_BODY,
        data=_ANSWER,
        data_example={
            "periods": 1,
            "groupsLeftOut": 0,
            "groups": [
                {
                    "group": None,
                    "firings": [
                        {
                            "firedAt": _END,
                            "resolvedAt": None,
                            "sentence": "relevance average 61.2 is below 70: 207 scores, 09:00 to 10:00 UTC",
                        }
                    ],
                    "noData": 0,
                    "at": [_END],
                    "values": [61.2],
                    "baseValues": [None],
                    "counts": [207],
                }
            ],
        },
    ),
)
