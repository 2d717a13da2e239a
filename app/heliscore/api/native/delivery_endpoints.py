"""`/v1/destinations/{destinationId}/deliveries`: what was sent, what waits, what was given up, and sending it
again."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from starlette.responses import Response

from heliscore.api.http.body_fields import ValueType, optional
from heliscore.api.http.endpoints import ApiCall
from heliscore.api.http.field_errors import FieldErrors
from heliscore.api.http.json_schema import COUNT, STRING, Schema, list_of_objects, nullable
from heliscore.api.http.query_parameters import Query
from heliscore.api.http.value_types import choice, count
from heliscore.api.native import destination_commands as commands
from heliscore.api.shared import envelope
from heliscore.domain.destination import DELIVERY_STATES
from heliscore.domain.errors import NotFound
from heliscore.domain.times import format_time
from heliscore.store import deliveries as store
from heliscore.store.deliveries import ShownDelivery

_MAX_PAGE: Final = 100


def _read_uuid(raw: Any, path: str, errors: FieldErrors) -> UUID:
    try:
        return UUID(raw)
    except (ValueError, AttributeError, TypeError):
        errors.add_unexpected(path, "the id of a delivery", raw)
    return UUID(int=0)


_STATE: Final = optional("state", choice(DELIVERY_STATES, name="DeliveryState"))
_LIMIT: Final = optional("limit", count(_MAX_PAGE), default=50)
_AFTER: Final = optional(
    "after",
    ValueType[UUID]({"type": "string", "format": "uuid"}, _read_uuid),
    description="The id of the last delivery of the page before.",
)
_QUERY: Final = Query(_STATE, _LIMIT, _AFTER)


async def list_deliveries(call: ApiCall) -> Response:
    """List deliveries to a destination, the newest first.

    Those that were delivered are kept for 7 days, those that were parked for 30. `attempts` are those since
    the delivery was made, or last sent again.
    """
    query = _QUERY.read(call.request.query_params)
    destination = await commands.find_destination(call)
    async with call.services.database.connection() as connection:
        found = await store.list_deliveries(
            connection,
            call.principal.organization_id,
            destination.id,
            query[_STATE],
            query[_AFTER],
            query[_LIMIT],
        )
    return envelope.answer(list(map(_shown, found)))


async def resend_delivery(call: ApiCall) -> Response:
    """Send a delivery again, under the same id: now, and then for a day as long as it fails.

    It is sent before those that wait already, since it is older. One that waits is tried at once.
    """
    destination = await commands.find_destination(call)
    await commands.resend_delivery(call, destination, commands.read_id(call, "deliveryId"))
    return envelope.DONE


def _shown(delivery: ShownDelivery) -> dict[str, object]:
    times = delivery.next_attempt_at, delivery.last_attempt_at
    next_attempt_at, last_attempt_at = (None if time is None else format_time(time) for time in times)
    return {
        "id": delivery.id,
        "type": delivery.type,
        "state": delivery.state,
        "attempts": delivery.attempts,
        "createdAt": format_time(delivery.created_at),
        "nextAttemptAt": next_attempt_at,
        "lastAttemptAt": last_attempt_at,
        "lastStatus": delivery.last_status,
        "lastError": delivery.last_error,
    }


_TAG: Final = "Destinations"
_PATH: Final = "/v1/destinations/{destinationId}/deliveries"
_DELIVERY: Final[dict[str, Schema]] = {
    "id": {"type": "string", "format": "uuid", "description": "The header webhook-id of every attempt."},
    "type": STRING,
    "state": {
        **_STATE.value_type.schema,
        "description": "waiting: it is tried until a day is over. parked: it was given up.",
    },
    "attempts": COUNT,
    "createdAt": STRING,
    "nextAttemptAt": nullable(STRING),
    "lastAttemptAt": nullable(STRING),
    "lastStatus": {"type": ["integer", "null"], "description": "Of the receiver's last HTTP answer."},
    "lastError": {**nullable(STRING), "description": "Why the last attempt failed."},
}

ENDPOINTS: Final = (
    envelope.endpoint(
        "GET",
        _PATH,
        list_deliveries,
        "r",
        _TAG,
        data=list_of_objects(_DELIVERY, "Delivery"),
        query=_QUERY.fields,
        errors=(NotFound,),
    ),
    envelope.endpoint(
        "POST", f"{_PATH}/{{deliveryId}}/resend", resend_delivery, "rw", _TAG, errors=(NotFound,)
    ),
)
