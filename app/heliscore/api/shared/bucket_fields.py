"""The fields of bodies that divide time into buckets: their length, and whose clock they follow."""

from __future__ import annotations

from typing import Final

from heliscore.api.http.body_fields import Values, optional
from heliscore.api.http.value_types import STORABLE_STRING, choice, integer
from heliscore.domain.errors import FieldError, InvalidInput
from heliscore.domain.messages import described
from heliscore.store.connections.pool import Connection
from heliscore.store.evaluations import BucketUnit, Clock, is_time_zone

_MAX_MINUTES: Final = 1440

UNITS: Final[dict[str, BucketUnit]] = {
    "min": "minute",
    "hour": "hour",
    "day": "day",
    "week": "week",
    "month": "month",
    "year": "year",
}


INCREMENT: Final = choice(tuple(UNITS), f"one of {', '.join(UNITS)}", name="BucketUnit")
"""The length of a bucket, a key of UNITS."""

MINUTES: Final = optional(
    "timeZoneDifference",
    integer(-_MAX_MINUTES, _MAX_MINUTES),
    description="How many minutes the caller's clock is behind UTC, 0 by default; moves the edges of the "
    "buckets. One difference counts for all times of the year.",
)
"""As JavaScript's getTimezoneOffset counts."""

ZONE: Final = optional(
    "timeZone",
    STORABLE_STRING,
    description="The name of a time zone such as Europe/Berlin, or UTC: buckets follow its clock through the "
    "year. Instead of `timeZoneDifference`.",
)


def check_clock(values: Values) -> None:
    """Check that there is one clock."""
    if values.find(ZONE) is not None and values.find(MINUTES) is not None:
        values.reject(ZONE, "cannot be combined with timeZoneDifference")


async def find_clock(connection: Connection, body: Values) -> Clock:
    """Raises InvalidInput where there is no zone of that name."""
    name = body[ZONE]
    if name is None:
        return body[MINUTES] or 0
    if not await is_time_zone(connection, name):
        message = f"expected the name of a time zone, such as Europe/Berlin, got {described(name)}"
        raise InvalidInput([FieldError(ZONE.key, message)])
    return name
