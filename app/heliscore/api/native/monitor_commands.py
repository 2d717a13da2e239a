"""Adds, replaces and removes monitors, for the API and the dashboard."""

from __future__ import annotations

from heliscore.api.http.endpoints import ApiCall
from heliscore.api.http.path_parameters import read_uuid
from heliscore.api.native.monitor_alerts import show_alert, withdraw
from heliscore.api.native.monitor_definitions import (
    decode_definition,
    encode_definition,
    reject_unknown,
)
from heliscore.domain.errors import InvalidInput, NotFound
from heliscore.domain.monitors.monitor_definition import Definition
from heliscore.store import monitors as store
from heliscore.store.connections.pool import Connection
from heliscore.store.events import publish_alert
from heliscore.store.monitors import StoredMonitor


async def add_monitor(call: ApiCall, definition: Definition) -> StoredMonitor:
    """Raises InvalidInput for a taken name, unknown destinations and too many monitors."""
    organization_id = call.principal.organization_id
    async with call.services.database.connection() as connection, connection.transaction():
        await _check_destinations(connection, organization_id, definition)
        id_ = await store.add_monitor(connection, organization_id, definition, encode_definition(definition))
        return await find_monitor(connection, organization_id, id_)


async def replace_monitor(call: ApiCall, sent_id: str, definition: Definition) -> StoredMonitor:
    """Replace a monitor. The states of its groups stay unless what is measured, or the condition, is another
    one; then alerts that are not over are resolved, and it begins as a new one does. Raises as `add_monitor`,
    and NotFound."""
    organization_id = call.principal.organization_id
    async with call.services.database.connection() as connection, connection.transaction():
        await _check_destinations(connection, organization_id, definition)
        before = await find_monitor(connection, organization_id, sent_id, for_change=True)
        earlier = understand(before)
        keeps_states = earlier is not None and definition.measures_like(earlier)
        if not keeps_states:
            await _withdraw(connection, before, "the monitor was changed")
        stored = encode_definition(definition)
        await store.replace_monitor(connection, before, definition, stored, keeps_states=keeps_states)
        return await find_monitor(connection, organization_id, before.id)


async def remove_monitor(call: ApiCall, sent_id: str) -> None:
    """Remove a monitor and its history; alerts that are not over are resolved. Raises NotFound."""
    async with call.services.database.connection() as connection, connection.transaction():
        before = await find_monitor(connection, call.principal.organization_id, sent_id, for_change=True)
        await _withdraw(connection, before, "the monitor was removed")
        await store.remove_monitor(connection, before.organization_id, before.id)


async def find_monitor(
    connection: Connection, organization_id: int, sent_id: str, *, for_change: bool = False
) -> StoredMonitor:
    """Find a monitor by its id as a client sent it. Raises NotFound."""
    find = store.find_for_change if for_change else store.find_monitor
    found = await find(connection, organization_id, str(read_uuid(sent_id, "monitor")))
    if found is None:
        raise NotFound(f"there is no monitor {sent_id}")
    return found


def understand(monitor: StoredMonitor) -> Definition | None:
    """A monitor's definition; None: it is of another version of the service."""
    try:
        return decode_definition(monitor.definition)
    except InvalidInput:
        return None


async def _check_destinations(connection: Connection, organization_id: int, definition: Definition) -> None:
    if definition.destinations:
        known = await store.find_destinations(connection, organization_id, definition.destinations)
        reject_unknown(definition, known)


async def _withdraw(connection: Connection, before: StoredMonitor, reason: str) -> None:
    definition = understand(before)
    if definition is None:
        return
    for alert in withdraw(definition, before.stand, reason):
        body = show_alert(before.id, definition, alert)
        await publish_alert(connection, before.organization_id, alert.type, body)
