"""Reads destinations of events from bodies, checks them, and shows them."""

from __future__ import annotations

from typing import Any, Final, get_args

import httpx

from heliscore.api.http.body_fields import Field, Values, ValueType, clearable, make_body, optional, required
from heliscore.api.http.field_errors import FieldErrors
from heliscore.api.http.json_schema import STRING, Schema, closed_object, named, nullable, whole_object
from heliscore.api.http.value_types import BOOLEAN, NAME, STORABLE_STRING, choice, integer, list_of
from heliscore.api.shared.filter_language import decode_filter
from heliscore.api.shared.filter_schema import FILTER
from heliscore.api.shared.score_maps import plain_name
from heliscore.domain.destination import NOTHING_TO_SEND, Destination, DestinationKind
from heliscore.domain.digest_schedule import DEFAULT_DIGEST_HOUR, DIGEST_PERIODS
from heliscore.domain.errors import FieldError, InvalidInput
from heliscore.domain.event import EVENT_TYPES, AlertType, EventType
from heliscore.domain.mail_server import is_mail_address
from heliscore.domain.score import MAX_SCORES_PER_CALL
from heliscore.domain.times import format_time
from heliscore.outbound.messenger import Messenger

KINDS: Final[tuple[DestinationKind, ...]] = ("webhook", "slack", "email")

_ALERTS: Final[tuple[EventType, ...]] = get_args(AlertType)
_MAX_ADDRESS_LENGTH: Final = 2048
_MAX_OLD_HOURS: Final = 168
_NO_MAIL: Final = "no e-mail can be sent: HELISCORE_SMTP_URL is not set"
_ONLY_ALERTS: Final = f"Slack and e-mail are sent {' and '.join(_ALERTS)} only"


def _read_filter(raw: object, path: str, errors: FieldErrors) -> Any:
    decode_filter(raw, path, errors)
    return raw


_EVENT: Final = choice(EVENT_TYPES, name="EventType")
_EVENT_LIST: Final = list_of(_EVENT, of="events", maximum=len(EVENT_TYPES))


def _read_events(raw: object, path: str, errors: FieldErrors) -> list[EventType]:
    return list(dict.fromkeys(_EVENT_LIST.read(raw, path, errors)))


_ADDRESS_TYPE: Final = ValueType[str](
    {"type": "string", "minLength": 1, "maxLength": _MAX_ADDRESS_LENGTH}, STORABLE_STRING.read
)
_EVENTS_TYPE: Final = ValueType[list[EventType]](_EVENT_LIST.schema, _read_events)
_FILTER_TYPE: Final = ValueType[Any](FILTER.schema, _read_filter)
_SCORES_TYPE: Final = list_of(NAME, of="score names", maximum=MAX_SCORES_PER_CALL)

_ADDRESS_SAID: Final = "An https:// URL; of the kind email, an e-mail address."
_EVENTS_SAID: Final = f"Which events are sent; where there is a digest, there may be none. {_ONLY_ALERTS}."
_FILTER_SAID: Final = (
    "Only scores of these requests, and these logged requests, also in a digest; alerts whatever it says."
)
_SCORES_SAID: Final = "Only scores of these names; none: of every name."
_DIGEST_SAID: Final = "How often a digest of what changed is sent; weekly: on Mondays."
_HOUR_SAID: Final = "The hour in UTC at which a digest is made, of the day or week before."

KIND: Final = required("kind", choice(KINDS, name="DestinationKind"))
NAME_FIELD: Final = required("name", NAME)
ADDRESS: Final = required("address", _ADDRESS_TYPE, description=_ADDRESS_SAID)
EVENTS: Final = required("events", _EVENTS_TYPE, description=_EVENTS_SAID)
FILTER_FIELD: Final = optional("filter", _FILTER_TYPE, default="all", description=_FILTER_SAID)
SCORES: Final = optional("scores", _SCORES_TYPE, default=[], description=_SCORES_SAID)
DIGEST: Final = optional("digest", choice(DIGEST_PERIODS, name="DigestPeriod"), description=_DIGEST_SAID)
DIGEST_HOUR: Final = optional(
    "digestHour", integer(0, 23), default=DEFAULT_DIGEST_HOUR, description=_HOUR_SAID
)


def _check_events(values: Values) -> None:
    kind, events = values.find(KIND), values.find(EVENTS)
    if kind is not None and events is not None and not _may_be_sent(kind, events):
        values.reject(EVENTS, _ONLY_ALERTS)
    if events == [] and values.has(DIGEST) and values[DIGEST] is None:
        values.reject(EVENTS, NOTHING_TO_SEND)


BODY: Final = make_body(
    KIND,
    NAME_FIELD,
    ADDRESS,
    EVENTS,
    FILTER_FIELD,
    SCORES,
    DIGEST,
    DIGEST_HOUR,
    is_unique=True,
    check=_check_events,
    example={
        "kind": "webhook",
        "name": "scores of production",
        "address": "https://hooks.example.org/heliscore",
        "events": ["score.recorded", "alert.firing", "alert.resolved"],
        "filter": {"request_response_rmt": {"properties": {"env": {"equals": "prod"}}}},
        "scores": ["relevance"],
    },
)

NEW_NAME: Final = optional("name", NAME)
NEW_ADDRESS: Final = optional("address", _ADDRESS_TYPE, description=_ADDRESS_SAID)
NEW_EVENTS: Final = optional("events", _EVENTS_TYPE, description=_EVENTS_SAID)
NEW_FILTER: Final = optional("filter", _FILTER_TYPE, description=f'{_FILTER_SAID} "all" takes a filter away.')
NEW_SCORES: Final = optional("scores", _SCORES_TYPE, description=_SCORES_SAID)
NEW_DIGEST: Final = clearable(
    "digest", choice(DIGEST_PERIODS, name="DigestPeriod"), description=f"{_DIGEST_SAID} null: no longer."
)
NEW_DIGEST_HOUR: Final = optional("digestHour", integer(0, 23), description=_HOUR_SAID)
ENABLED: Final = optional(
    "enabled", BOOLEAN, description="false: nothing is sent and no event kept for it; what waits is kept."
)
CHANGE_BODY: Final = make_body(
    NEW_NAME,
    NEW_ADDRESS,
    NEW_EVENTS,
    NEW_FILTER,
    NEW_SCORES,
    NEW_DIGEST,
    NEW_DIGEST_HOUR,
    ENABLED,
    is_unique=True,
    example={"enabled": True},
)

OLD_VALID_HOURS: Final = optional(
    "oldValidHours",
    integer(0, _MAX_OLD_HOURS),
    default=24,
    description="How long the secret before signs too, beside the new one.",
)
ROTATION_BODY: Final = make_body(OLD_VALID_HOURS, example={"oldValidHours": 24})


def _may_be_sent(kind: DestinationKind, events: list[EventType]) -> bool:
    return kind == "webhook" or set(events) <= set(_ALERTS)


async def check_address(messenger: Messenger, kind: DestinationKind, address: str) -> None:
    """Raises InvalidInput where nothing can be sent to an address, as far as that can be seen."""
    if kind == "email":
        if not messenger.sends_mail:
            raise InvalidInput([FieldError(KIND.key, _NO_MAIL)])
        error = None if is_mail_address(address) else "expected one e-mail address in ASCII"
    else:
        error = await messenger.find_error(address)
    if error is not None:
        raise InvalidInput([FieldError(ADDRESS.key, error)])


def check_events(kind: DestinationKind, events: list[EventType] | None) -> None:
    """Raises InvalidInput where a destination of the kind is not sent such events."""
    if events is not None and not _may_be_sent(kind, events):
        raise InvalidInput([FieldError(EVENTS.key, _ONLY_ALERTS)])


def read_options(values: Values, filter_: Field[Any], scores: Field[list[str] | None]) -> dict[str, Any]:
    """The options that a body gives."""
    given = {filter_.key: values[filter_]}
    if (names := values[scores]) is not None:
        given[scores.key] = list(dict.fromkeys(map(plain_name, names)))
    return {key: value for key, value in given.items() if value is not None}


def shown(destination: Destination, **beside: object) -> dict[str, object]:
    """A destination in an answer."""
    return {
        "id": destination.id,
        "kind": destination.kind,
        "name": destination.name,
        "address": _shown_address(destination),
        "events": destination.events,
        "filter": destination.options.get("filter", "all"),
        "scores": destination.options.get("scores", []),
        "digest": destination.digest,
        "digestHour": destination.digest_hour,
        "nextDigestAt": None if destination.digest_at is None else format_time(destination.digest_at),
        "enabled": destination.disabled_at is None,
        "disabledReason": destination.disabled_reason,
        "failingSince": None if destination.failing_since is None else format_time(destination.failing_since),
        "oldSecretValidUntil": None
        if destination.old_secret_until is None
        else format_time(destination.old_secret_until),
        "createdAt": format_time(destination.created_at),
        **beside,
    }


def _shown_address(destination: Destination) -> str:
    """An address without what makes it a secret: whoever has the URL of a Slack webhook may post there."""
    if destination.kind == "email":
        return destination.address
    url = httpx.URL(destination.address)
    host = f"{url.scheme}://{url.netloc.decode('ascii')}"
    if destination.kind == "slack":
        return f"{host}/…"
    return f"{host}{url.path}{'?…' if url.query else ''}"


_TIME_OR_NULL: Final = nullable(STRING)
_PROPERTIES: Final[dict[str, Schema]] = {
    "id": {"type": "string", "format": "uuid"},
    "kind": KIND.schema,
    "name": NAME.schema,
    "address": {
        "type": "string",
        "description": "Without what makes it a secret: the query, and of Slack's the path.",
    },
    "events": {"type": "array", "items": _EVENT.schema},
    "filter": FILTER.schema,
    "scores": {"type": "array", "items": NAME.schema},
    "digest": nullable(DIGEST.value_type.schema),
    "digestHour": integer(0, 23).schema,
    "nextDigestAt": {**_TIME_OR_NULL, "description": "null: there is no digest."},
    "enabled": {"type": "boolean"},
    "disabledReason": nullable(STRING),
    "failingSince": {
        **_TIME_OR_NULL,
        "description": "Since when every delivery has failed; null: the last one succeeded.",
    },
    "oldSecretValidUntil": {**_TIME_OR_NULL, "description": "Until then the secret before signs too."},
    "createdAt": STRING,
}
_SECRET: Final[dict[str, Schema]] = {
    "secret": {
        "type": ["string", "null"],
        "description": "Signs what is sent; of webhooks only. No other answer shows it.",
    }
}

SCHEMA: Final = whole_object("Destination", _PROPERTIES)
SECRET_SCHEMA: Final = named(
    "DestinationWithSecret", closed_object(_PROPERTIES | _SECRET, (*_PROPERTIES, *_SECRET))
)
