"""Opens new services when a restore has replaced the database.

Services remember ids of organizations and of score names, which mean something in one database only. So they
are not changed but replaced: a request keeps the services with which it began, and what they know of the old
database cannot lead it into the new one.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

from heliscore.api.http.request_state import Services
from heliscore.jobs.background import StopService, running
from heliscore.store.connections.database_identity import DatabaseIdentity

_log = logging.getLogger("heliscore")

OpenServices = Callable[[DatabaseIdentity], AbstractAsyncContextManager[Services]]
"""Opens services that tell the DatabaseIdentity when they are led to another database."""


class RenewedServices:
    """The services over the database as it is now."""

    current: Services

    def __init__(self, open_services: OpenServices, stop_service: StopService) -> None:
        self._open_services = open_services
        self._stop_service = stop_service

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Have services until the block ends."""
        identity = await self._open()
        try:
            async with running("renewal after a restore", self._renew(identity), self._stop_service):
                yield
        finally:
            await self._exits.aclose()

    async def _open(self) -> DatabaseIdentity:
        identity, exits = DatabaseIdentity(), AsyncExitStack()
        self.current = await exits.enter_async_context(self._open_services(identity))
        self._exits = exits
        return identity

    async def _renew(self, identity: DatabaseIdentity) -> None:
        while True:
            await identity.replaced.wait()
            _log.warning("the database was replaced: reloading")
            old = self._exits
            identity = await self._open()
            await old.aclose()
