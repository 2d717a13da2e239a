"""Events: what destinations and live streams are sent."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, Literal, get_args

import msgspec

EventType = Literal["score.recorded", "request.logged", "alert.firing", "alert.resolved"]
AlertType = Literal["alert.firing", "alert.resolved"]

EVENT_TYPES: Final[tuple[EventType, ...]] = get_args(EventType)
ALERT_TYPES: Final[tuple[AlertType, ...]] = get_args(AlertType)


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened, once it is durable."""

    number: int
    """Rises in the order of an organization's writes, but not in the order of their commits."""

    organization_id: int
    type: EventType
    happened_at: datetime
    request_no: int | None
    """None: it is about no request."""

    data: dict[str, Any]
    """What there is to say, in the JSON of the API."""

    @property
    def id(self) -> str:
        """The same wherever and however often it is sent."""
        return f"evt_{self.number}"
