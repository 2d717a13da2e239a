"""Keep an embedded PostgreSQL running for as long as the service runs.

A thread starts the server, watches it and starts it again. Not the main thread, which belongs to the event
loop: on Linux a server ends with the thread that started it.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from concurrent.futures import Future
from typing import Final

from heliscore.domain.errors import EmbeddedServerError
from heliscore.postgres.embedded import EmbeddedPostgres

_log = logging.getLogger("heliscore")

_WATCH_S: Final = 0.1
_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 2.0
"""Short enough that the service is back within 5 s once nothing keeps the server from running."""

_HEALTHY_S: Final = 2.0
"""A server that ran for so long did start well: after its death the next start does not wait."""


class Watchdog:
    """Keeps one server running until stop()."""

    def __init__(self, server: EmbeddedPostgres) -> None:
        self._server = server
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> str:
        """Start the server and return its DSN, which stays the same.

        Raises what EmbeddedPostgres.start() does. Call stop() then too, and when interrupted.
        """
        started: Future[str] = Future()
        self._thread = threading.Thread(target=self._run, args=(started,), name="postgres-watchdog")
        self._thread.start()
        return started.result()

    def stop(self) -> None:
        """Shut the server down."""
        self._stopping.set()
        self._server.interrupt()
        if self._thread is not None:
            self._thread.join()

    def _run(self, started: Future[str]) -> None:
        try:
            dsn = self._server.start()
        except BaseException as error:
            started.set_exception(error)
            return
        started.set_result(dsn)
        try:
            self._watch()
        except Exception:
            _log.exception("PostgreSQL cannot be kept running any more; the service ends")
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            self._server.stop()

    def _watch(self) -> None:
        pause = 0.0
        since = time.monotonic()
        while not self._stopping.wait(_WATCH_S):
            if self._server.running:
                continue
            _log.error("PostgreSQL died (%s); starting it again", self._server.how_it_ended())
            if time.monotonic() - since > _HEALTHY_S:
                pause = 0.0
            while not self._stopping.wait(pause):
                pause = min(max(pause * 2, _FIRST_PAUSE_S), _LONGEST_PAUSE_S)
                try:
                    self._server.restart()
                except EmbeddedServerError as error:
                    if not self._stopping.is_set():
                        _log.error("%s; next attempt in %.1f s", error, pause)
                    continue
                since = time.monotonic()
                _log.warning("PostgreSQL runs again")
                break
