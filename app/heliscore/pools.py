"""The connections of a service to its database, apart for what must not wait for each other: a flood of
searches must not keep keys from being found or scores from being written, nor a job either."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec

from heliscore.jobs import monitoring
from heliscore.settings import Settings
from heliscore.store.connections.database_identity import DatabaseIdentity
from heliscore.store.connections.fair_queue import NodeOf, no_node
from heliscore.store.connections.pool import Database, open_database
from heliscore.store.writer import CONNECTIONS as WRITING_CONNECTIONS
from heliscore.store.writer import MOST_LANES

_QUICK_CONNECTIONS: Final = 2
"""For API keys and rate limits, which every request needs first, and for other short statements."""

_QUICK_MAX_EXPECTED_WAIT_S: Final = 2
"""Longer than for other statements: no request can do without its key, and finding that takes little time."""

_DEFINITION_CONNECTIONS: Final = 6
"""For what an organization's scores must be. On a cluster that is on its node, which may not answer: so apart
from keys, and some are left for the other nodes."""

_UPLOAD_CONNECTIONS: Final = 3

_EXPORT_CONNECTIONS: Final = 3
_EXPORT_STATEMENT_TIMEOUT_MS: Final = 300_000
"""An export may sort all requests, or look for the next few that match among all."""

_DELIVERY_CONNECTIONS: Final = 3
_DELIVERY_MAX_EXPECTED_WAIT_S: Final = 10
"""Nobody waits for a job to answer."""


_COUNTING_STATEMENT_TIMEOUT_MS: Final = 60_000
"""A single hour may hold millions of scores."""


class Pools(msgspec.Struct, frozen=True):
    """What a service has open."""

    database: Database
    quick: Database
    definitions: Database
    writing: Database
    uploads: Database
    exports: Database
    live: Database
    deliveries: Database
    monitors: Database
    counting: Database

    async def close(self) -> None:
        await asyncio.gather(*(pool.close() for pool in msgspec.structs.astuple(self)))


async def open_pools(settings: Settings, identity: DatabaseIdentity, node_of: NodeOf = no_node) -> Pools:
    """Open all connections to a database."""

    async def open_(settings: Settings = settings, **options: Any) -> Database:
        return await open_database(settings, on_connect=identity.check, node_of=node_of, **options)

    patient = min(settings.statement_timeout_ms, monitoring.STATEMENT_TIMEOUT_MS)
    return Pools(
        database=await open_(),
        quick=await open_(
            size=_QUICK_CONNECTIONS,
            plans="generic",
            max_expected_wait_s=_QUICK_MAX_EXPECTED_WAIT_S,
            is_fair=False,
        ),
        definitions=await open_(
            size=_DEFINITION_CONNECTIONS, plans="generic", max_expected_wait_s=_QUICK_MAX_EXPECTED_WAIT_S
        ),
        writing=await open_(size=MOST_LANES * WRITING_CONNECTIONS, plans="generic", is_fair=False),
        uploads=await open_(size=_UPLOAD_CONNECTIONS),
        exports=await open_(
            msgspec.structs.replace(
                settings,
                statement_timeout_ms=max(settings.statement_timeout_ms, _EXPORT_STATEMENT_TIMEOUT_MS),
            ),
            size=_EXPORT_CONNECTIONS,
        ),
        live=await open_(size=1, is_fair=False),
        deliveries=await open_(
            size=_DELIVERY_CONNECTIONS, max_expected_wait_s=_DELIVERY_MAX_EXPECTED_WAIT_S, is_fair=False
        ),
        monitors=await open_(
            msgspec.structs.replace(settings, statement_timeout_ms=patient),
            size=monitoring.CONNECTIONS,
            is_fair=False,
        ),
        counting=await open_(
            msgspec.structs.replace(
                settings,
                statement_timeout_ms=max(settings.statement_timeout_ms, _COUNTING_STATEMENT_TIMEOUT_MS),
            ),
            size=1,
            max_expected_wait_s=_DELIVERY_MAX_EXPECTED_WAIT_S,
            is_fair=False,
        ),
    )
