"""Several processes that serve on one socket: begun, replaced when they die, ended together.

uvicorn's supervisor does most of it. It would start processes for ever whose application cannot start, give
up when a single one of them fails at it later, and wait without end for one that hangs; and when it is
killed, its processes would serve on.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import socket
import threading
import time
from multiprocessing.process import BaseProcess
from typing import Final

import uvicorn
from uvicorn.supervisors import Multiprocess
from uvicorn.supervisors.multiprocess import Process

from heliscore.observability.metric_files import keep_only, shared_folder

_log = logging.getLogger("heliscore")

_START_TIMEOUT_S: Final = 60
_LONGEST_PAUSE_S: Final = 2.0
_SOON_S: Final = 10.0
_CLOSE_S: Final = 3
"""What a process may take to end beyond the time that its calls have."""


def end_with_supervisor() -> None:
    """Let this process, if it is one of several, be told to stop when its supervisor dies."""
    if (supervisor := multiprocessing.parent_process()) is not None:
        threading.Thread(target=_follow, args=(supervisor,), daemon=True).start()


def _follow(supervisor: BaseProcess) -> None:
    supervisor.join()
    os.kill(os.getpid(), signal.SIGTERM)


class Workers(Multiprocess):
    """The supervisor."""

    def __init__(self, config: uvicorn.Config, listener: socket.socket) -> None:
        super().__init__(config, [listener])
        self._failed = False
        self._pause_s = 0.0
        self._next_look = 0.0
        self._beginning: dict[Process, float] = {}
        """Replacements that have not been heard of yet, and until when they need not be."""

    def serve(self) -> bool:
        """Serve until told to stop; False when the processes could not start."""
        with shared_folder() as self._metrics:
            self.run()
        return not self._failed

    def init_processes(self) -> None:
        super().init_processes()
        deadline = time.monotonic() + _START_TIMEOUT_S
        for process in self.processes:
            while not process.wait_until_ready(0.5, self.should_exit):
                self.handle_signals()
                if self.should_exit.is_set():
                    return
                if not process.process.is_alive() or time.monotonic() > deadline:
                    self._failed = True
                    self.should_exit.set()
                    return

    def keep_subprocess_alive(self) -> None:
        """Replace who died or hangs; one that dies soon after the last is replaced after a growing pause."""
        now = time.monotonic()
        if self.should_exit.is_set() or now < self._next_look:
            return
        keep_only(self._metrics, {process.pid for process in self.processes if process.pid is not None})
        numbered = list(enumerate(self.processes))
        # A process that hangs, or is about to begin, is waited for: not while another is known to be dead.
        if not (gone := [index for index, process in numbered if not process.process.is_alive()]):
            gone = [index for index, process in numbered if self._hangs(process)]
        if not gone:
            return
        soon = now - self._next_look < _SOON_S
        self._pause_s = min(max(2 * self._pause_s, 0.25), _LONGEST_PAUSE_S) if soon else 0.0
        self._next_look = now + self._pause_s
        for index in gone:
            self.processes[index].kill()
            self.processes[index].join()
            _log.error("worker process %d died; starting another", self.processes[index].pid)
            self._beginning.pop(self.processes[index], None)
            self.processes[index] = Process(self.config, self.sockets)
            self._beginning[self.processes[index]] = now + _START_TIMEOUT_S
            self.processes[index].start()

    def _hangs(self, process: Process) -> bool:
        if process.ping(self.config.timeout_worker_healthcheck):
            self._beginning.pop(process, None)
            return False
        return time.monotonic() > self._beginning.get(process, 0.0)

    def join_all(self) -> None:
        deadline = time.monotonic() + (self.config.timeout_graceful_shutdown or 0) + _CLOSE_S
        for process in self.processes:
            process.process.join(max(0.0, deadline - time.monotonic()))
            process.process.kill()
            process.join()
