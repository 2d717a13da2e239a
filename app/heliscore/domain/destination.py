"""Destinations of events, and the deliveries that are sent to them."""

from __future__ import annotations

import base64
import secrets
from datetime import datetime
from typing import Any, Final, Literal, get_args
from uuid import UUID

import msgspec

from heliscore.domain.digest_schedule import DigestPeriod
from heliscore.domain.event import EventType

DestinationKind = Literal["webhook", "slack", "email", "helicone"]
DeliveryState = Literal["waiting", "delivered", "parked"]

DELIVERY_STATES: Final[tuple[DeliveryState, ...]] = get_args(DeliveryState)

MAX_DESTINATIONS: Final = 50
"""Of an organization."""

TEST_TYPE: Final = "destination.test"
"""The type of what is sent to try a destination."""

DIGEST_TYPE: Final = "digest"

NOTHING_TO_SEND: Final = "expected at least one, or a digest"
"""The error of `events` without any."""

_PREFIX: Final = "whsec_"
_BYTES: Final = 32


class Destination(msgspec.Struct, frozen=True, kw_only=True):
    """Where events of an organization are sent."""

    id: UUID
    organization_id: int
    kind: DestinationKind
    name: str
    address: str
    events: list[EventType]
    options: dict[str, Any]
    """As the API took them."""

    secret: str | None
    """Signs what is sent."""

    old_secret: str | None
    """Signs too, until then."""

    old_secret_until: datetime | None
    created_at: datetime
    failing_since: datetime | None
    """Since when every delivery has failed; None: the last one succeeded."""

    disabled_at: datetime | None
    disabled_reason: str | None
    digest: DigestPeriod | None
    digest_hour: int
    digest_at: datetime | None
    """When the next digest is due."""

    @property
    def secrets(self) -> list[str]:
        """All that are valid now, the newest first."""
        return [secret for secret in (self.secret, self.old_secret) if secret is not None]


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """What is sent to a destination."""

    id: UUID
    """The same however often it is sent."""

    type: str
    body: str
    """JSON."""


def mint_secret() -> str:
    """Make a secret in the form of the Standard Webhooks specification."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(_BYTES)).decode()
