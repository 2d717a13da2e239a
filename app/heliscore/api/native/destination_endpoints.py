"""`/v1/destinations`: where events are sent, by webhook, to Slack or by e-mail."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from starlette.responses import Response

from heliscore.api.http.endpoints import ApiCall
from heliscore.api.http.json_schema import COUNT, STRING, Schema, closed_object, nullable
from heliscore.api.native import destination_commands as commands
from heliscore.api.native import destination_fields as fields
from heliscore.api.shared import envelope
from heliscore.domain.destination import MAX_DESTINATIONS
from heliscore.domain.errors import NotFound
from heliscore.store import destinations as store


async def list_destinations(call: ApiCall) -> Response:
    """List the destinations, the oldest first, without their secrets."""
    async with call.services.database.connection() as connection:
        found = await store.list_destinations(connection, call.principal.organization_id, fields.KINDS)
    return envelope.answer([fields.shown(destination) for destination in found])


async def create_destination(call: ApiCall) -> Response:
    """Have events sent to a URL, to Slack (an incoming webhook) or to an e-mail address, from now on.

    The answer alone shows the secret that signs webhooks, and is kept nowhere. The URL must be `https://`,
    and its host must have public addresses only, unless the operator lists it in `HELISCORE_OUTBOUND_ALLOW`.
    A digest has what `POST /v1/evals/changes` finds. There are up to 50 destinations in an organization. The
    key must be allowed to read and write: one that only writes does not decide where scores are sent.
    """
    added = await commands.add_destination(call, fields.BODY.decode(await call.body()))
    return envelope.answer(fields.shown(added, secret=added.secret))


async def get_destination(call: ApiCall) -> Response:
    """Show a destination, without its secret."""
    return envelope.answer(fields.shown(await commands.find_destination(call)))


async def change_destination(call: ApiCall) -> Response:
    """Change what the body gives; the rest stays.

    `enabled: false` keeps what waits and sends nothing; what happens meanwhile is not sent later. `enabled:
    true` also ends the state of a destination that was disabled because every delivery had failed: what was
    parked then can be sent again. The first digest after that is the next one.
    """
    body = fields.CHANGE_BODY.decode(await call.body())
    changed = await commands.change_destination(call, await commands.find_destination(call), body)
    return envelope.answer(fields.shown(changed))


async def delete_destination(call: ApiCall) -> Response:
    """Remove a destination with its deliveries, also those that wait."""
    await commands.remove_destination(call, commands.read_id(call, "destinationId"))
    return envelope.DONE


async def rotate_secret(call: ApiCall) -> Response:
    """Make a new secret for a webhook; this answer alone shows it.

    For a day, or as long as the body says, the secret before signs as well: `webhook-signature` then has both
    signatures, so a receiver may change its secret at any moment.
    """
    body = fields.ROTATION_BODY.decode(await call.body())
    destination = await commands.find_destination(call)
    old_for = timedelta(hours=body[fields.OLD_VALID_HOURS])
    changed = await commands.rotate_secret(call, destination, old_for)
    return envelope.answer(fields.shown(changed, secret=changed.secret))


async def test_destination(call: ApiCall) -> Response:
    """Send a test event now, once, and say what came of it; also to a destination that is disabled.

    The call is answered with 200 whether or not the receiver took the event. It is listed among the
    deliveries, and is not repeated by itself.
    """
    tested = await commands.test_destination(call, await commands.find_destination(call))
    return envelope.answer(
        {
            "deliveryId": tested.delivery_id,
            "status": tested.status,
            "error": tested.error,
            "latencyMs": tested.latency_ms,
        }
    )


_TAG: Final = "Destinations"
_PATH: Final = "/v1/destinations"
_ONE: Final = f"{_PATH}/{{destinationId}}"
_TESTED: Final[dict[str, Schema]] = {
    "deliveryId": {"type": "string", "format": "uuid"},
    "status": {"type": ["integer", "null"], "description": "Of the receiver's HTTP answer."},
    "error": {**nullable(STRING), "description": "null: the receiver took the event."},
    "latencyMs": COUNT,
}

ENDPOINTS: Final = (
    envelope.endpoint(
        "GET",
        _PATH,
        list_destinations,
        "r",
        _TAG,
        data={"type": "array", "maxItems": MAX_DESTINATIONS, "items": fields.SCHEMA},
    ),
    envelope.endpoint(
        "POST",
        _PATH,
        create_destination,
        "rw",
        _TAG,
        body=fields.BODY,
        data=fields.SECRET_SCHEMA,
        answer_is_secret=True,
    ),
    envelope.endpoint("GET", _ONE, get_destination, "r", _TAG, data=fields.SCHEMA, errors=(NotFound,)),
    envelope.endpoint(
        "PATCH",
        _ONE,
        change_destination,
        "rw",
        _TAG,
        body=fields.CHANGE_BODY,
        data=fields.SCHEMA,
        errors=(NotFound,),
    ),
    envelope.endpoint("DELETE", _ONE, delete_destination, "rw", _TAG, errors=(NotFound,)),
    envelope.endpoint(
        "POST",
        f"{_ONE}/test",
        test_destination,
        "rw",
        _TAG,
        data=closed_object(_TESTED, tuple(_TESTED)),
        errors=(NotFound,),
    ),
    envelope.endpoint(
        "POST",
        f"{_ONE}/rotate-secret",
        rotate_secret,
        "rw",
        _TAG,
        body=fields.ROTATION_BODY,
        data=fields.SECRET_SCHEMA,
        answer_is_secret=True,
        errors=(NotFound,),
    ),
)
