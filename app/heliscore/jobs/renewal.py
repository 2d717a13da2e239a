"""Opens new services when a restore has replaced the database.

Services remember ids of organizations and of score names, which mean something in one database only. So they
are not changed but replaced: a request keeps the services with which it began, and what they know of the old
database cannot lead it into the new one.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

from heliscore.api.http.endpoints import Services
from heliscore.jobs.background import StopService, running
from heliscore.store.connections.database_identity import Origin

_log = logging.getLogger("heliscore")

OpenServices = Callable[[Origin], AbstractAsyncContextManager[Services]]
"""Opens services that tell the Origin when they are led to another database."""


class RenewedServices:
    """The services over the database as it is now."""

    current: Services

    def __init__(self, open_services: OpenServices, stop_service: StopService) -> None:
        self._open_services = open_services
        self._stop_service = stop_service

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Have services until the block ends."""
        origin = await self._open()
        try:
            async with running("renewal after a restore", self._renew(origin), self._stop_service):
                yield
        finally:
            await self._exits.aclose()

    async def _open(self) -> Origin:
        origin, exits = Origin(), AsyncExitStack()
        self.current = await exits.enter_async_context(self._open_services(origin))
        self._exits = exits
        return origin

    async def _renew(self, origin: Origin) -> None:
        while True:
            await origin.replaced.wait()
            _log.warning("the database was replaced: reloading")
            old = self._exits
            origin = await self._open()
            await old.aclose()
