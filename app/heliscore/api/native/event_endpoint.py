"""`/v1/events`: events as they become durable, as Server-Sent Events."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from heliscore.api.http.body_fields import ValueType, optional
from heliscore.api.http.endpoints import ApiCall, Endpoint
from heliscore.api.http.field_errors import FieldErrors
from heliscore.api.http.json_schema import STRING
from heliscore.api.http.query_parameters import Query
from heliscore.api.native.event_stream import PERMISSION, EventStream
from heliscore.api.shared import envelope
from heliscore.domain.errors import FieldError, InvalidInput
from heliscore.domain.event import ALERT_TYPES, EVENT_TYPES, EventType
from heliscore.domain.event_position import Position, decode_position

_DEFAULT_TYPES: Final[tuple[EventType, ...]] = ("score.recorded", *ALERT_TYPES)
_HEADER: Final = "Last-Event-ID"


def _read_types(raw: object, path: str, errors: FieldErrors) -> frozenset[EventType]:
    names = raw.split(",") if isinstance(raw, str) else [""]
    if unknown := [name for name in names if name not in EVENT_TYPES]:
        errors.add_unexpected(path, f"some of {', '.join(EVENT_TYPES)}, separated by commas", unknown[0])
    return frozenset(type_ for type_ in EVENT_TYPES if type_ in names)


_TYPES: Final = optional(
    "types",
    ValueType[frozenset[EventType]](STRING | {"default": ",".join(_DEFAULT_TYPES)}, _read_types),
    description=f"Some of {', '.join(EVENT_TYPES)}, separated by commas.",
)


def _read_id(raw: object, path: str, errors: FieldErrors) -> Position | None:
    position = decode_position(raw) if isinstance(raw, str) else None
    if position is None:
        errors.add(path, "this is not an id of /v1/events")
    return position


_LAST_ID: Final = optional(
    "lastEventId",
    ValueType[Position | None](STRING, _read_id),
    description=f"The last id that was read, for clients that cannot send the header `{_HEADER}`.",
)
_QUERY: Final = Query(_TYPES, _LAST_ID)


async def get_events(call: ApiCall) -> Response:
    """Listen to events of the organization, as Server-Sent Events.

    The answer goes on until the client leaves. The first frame is `ready`: from there on nothing is missed.
    The data of an event is `{"id", "type", "timestamp", "data"}`. Frames have ids now and then, comments too;
    a client that comes back within an hour with the last one, in the header `Last-Event-ID` or the query,
    gets what it missed. After a longer time the frame `missed` says since when events are there. An event may
    come twice after that, with the same `id` in its data. The last frame of an answer that the service ends
    is `dropped`, with the reason. A comment comes every 15 seconds at least.
    """
    query = _QUERY.read(call.request.query_params)
    types = query[_TYPES] or frozenset(_DEFAULT_TYPES)
    resumed = query[_LAST_ID] or _read_header(call.request)
    if call.request.method == "HEAD":
        return Response(media_type="text/event-stream")
    return EventStream(call, types, resumed)


def _read_header(request: Request) -> Position | None:
    sent = request.headers.get(_HEADER)
    if not sent:
        return None
    if (position := decode_position(sent)) is None:
        raise InvalidInput([FieldError(_HEADER, "this is not an id of /v1/events")])
    return position


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/v1/events",
        handler=get_events,
        render_error=envelope.render_error,
        tag="Events",
        permission=PERMISSION,
        query=_QUERY.fields,
        answer=STRING,
        answer_type=EventStream.media_type,
    ),
)
