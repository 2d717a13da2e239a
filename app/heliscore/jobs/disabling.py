"""Disables destinations that nothing can be sent to, and says so in the log."""

from __future__ import annotations

import logging

from heliscore.domain.destination import Destination
from heliscore.store.connections.pool import Connection
from heliscore.store.destinations import disable_destination

_log = logging.getLogger("heliscore")


async def disable(connection: Connection, destination: Destination, reason: str) -> None:
    """Disable a destination, unless it is disabled already; what waits for it is parked."""
    if await disable_destination(connection, destination.organization_id, destination.id, reason):
        _log.warning(
            "destination %s of organization %d was disabled: %s",
            destination.id,
            destination.organization_id,
            reason,
        )
