"""The HTTP server: uvicorn with our protocol, our timeouts, and a way to end because something failed."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any, Final, cast

import uvicorn
from starlette.types import ASGIApp

from heliscore.server.http_protocol import HttpProtocol
from heliscore.server.timeouts import Connection, Timeouts, check_timeouts

_DRAIN_S: Final = 4
"""How long requests in progress may take to finish when the service stops. With what it then takes to close
connections and to stop an embedded PostgreSQL, the service ends within 10 s, whatever hangs."""


class HttpServer(uvicorn.Server):
    """Serves one application; `started` and `failed` say afterwards how it went."""

    def __init__(
        self,
        make_app: Callable[[Callable[[], None]], ASGIApp],
        *,
        log_level: str,
        log_config: dict[str, Any] | None,
        timeouts: Timeouts | None = None,
    ) -> None:
        """`make_app` gets `fail`, for the application to end the service."""
        super().__init__(
            uvicorn.Config(
                lambda: make_app(self.fail),
                factory=True,
                loop="uvloop",
                http=HttpProtocol,
                ws="none",
                lifespan="on",
                log_config=log_config,
                log_level=log_level,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=_DRAIN_S,
            )
        )
        self.failed = False
        self._timeouts = Timeouts() if timeouts is None else timeouts
        self._check: asyncio.TimerHandle | None = None

    def fail(self) -> None:
        """Stop as on SIGTERM, and note that this is no success."""
        self.failed = True
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._schedule_check()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        if self._check is not None:
            self._check.cancel()

    def _schedule_check(self) -> None:
        loop = asyncio.get_running_loop()
        self._check = loop.call_later(self._timeouts.check_interval_s, self._check_timeouts)

    def _check_timeouts(self) -> None:
        try:
            check_timeouts(cast("set[Connection]", self.server_state.connections), self._timeouts)
        finally:
            self._schedule_check()
