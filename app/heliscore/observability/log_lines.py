"""Logs as lines of JSON: one line per request on stdout, everything else on stderr.

No line contains what a client sent. So the message of an unexpected error is left out, and only its type and
traceback are logged: libraries repeat in their messages what they were given, be it a body or an address with
a password.
"""

from __future__ import annotations

import atexit
import fcntl
import logging
import os
import sys
import threading
import traceback
from collections import deque
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from heliscore.domain.errors import HeliscoreError
from heliscore.observability import metrics

_PAUSE_S: Final = 0.05
"""Between two writes of the lines that have come in the meantime."""

_MAX_WAITING_LINES: Final = 50_000
"""About 15 MB. Further lines are dropped and counted: no request waits for a log that is stuck."""

_CLOSE_TIMEOUT_S: Final = 2

_encoder: Final = msgspec.json.Encoder()


class RequestLine(msgspec.Struct):
    """A request that got a response."""

    time: datetime
    level: str
    id: str
    method: str
    route: str | None
    status: int
    ms: float
    organization: int | None
    bytes_in: int
    bytes_out: int


class RequestLog:
    """Collects lines and writes many at a time, in a thread: a system call per line costs too much, and what
    reads the lines may be slow."""

    def __init__(self, file: int) -> None:
        self._file = file
        self._lines: deque[bytes] = deque()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="request log", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def write(self, line: RequestLine) -> None:
        """Write a line within a tenth of a second."""
        if len(self._lines) < _MAX_WAITING_LINES:
            self._lines.append(_encoder.encode(line))
        else:
            metrics.count_dropped_lines(1)

    def close(self) -> None:
        """Write what is left, for at most two seconds."""
        self._closed.set()
        self._thread.join(_CLOSE_TIMEOUT_S)
        atexit.unregister(self.close)

    def _run(self) -> None:
        while not self._closed.wait(_PAUSE_S):
            self._flush()
        self._flush()

    def _flush(self) -> None:
        lines = [self._lines.popleft() for _ in range(len(self._lines))]
        if not lines:
            return
        try:
            self._write(memoryview(b"\n".join(lines) + b"\n"))
        except OSError:  # the reader is gone, the disk is full
            metrics.count_dropped_lines(len(lines))

    def _write(self, rest: memoryview) -> None:
        """Write everything. Other services may write to the same file, and a pipe mixes up lines that are
        longer than a page. The lock ends with the process, whatever ends it."""
        with suppress(OSError):  # where there are no such locks, lines may get mixed up
            fcntl.lockf(self._file, fcntl.LOCK_EX)
        try:
            while rest:
                rest = rest[os.write(self._file, rest) :]
        finally:
            with suppress(OSError):
                fcntl.lockf(self._file, fcntl.LOCK_UN)


def open_request_log(level: str) -> RequestLog | None:
    """Open the log on stdout; None if the level excludes its lines or there is no stdout."""
    if level not in ("info", "debug") or sys.__stdout__ is None:
        return None
    return RequestLog(sys.__stdout__.fileno())


class JsonFormatter(logging.Formatter):
    """Formats a log record as a line of JSON; `extra={"fields": {…}}` adds fields."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage().encode(errors="backslashreplace").decode(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info and record.exc_info[1] is not None:
            line["traceback"] = describe(record.exc_info[1])
        return _encoder.encode(line).decode()


def describe(error: BaseException) -> str:
    """Return the traceback and the type of an error, in Python's form; the message only of a HeliscoreError,
    which is safe to read."""
    earlier = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    kind = f"{type(error).__module__}.{type(error).__qualname__}"
    if isinstance(error, HeliscoreError):
        kind += f": {error}"
    elif sqlstate := getattr(error, "sqlstate", None):
        kind += f" (SQLSTATE {sqlstate})"
    text = "".join(traceback.format_tb(error.__traceback__)) + kind
    return text if earlier is None else f"{describe(earlier)}\n\nand then:\n\n{text}"


def make_log_config(level: str) -> dict[str, Any]:
    """Return the configuration of Python's logging: lines of JSON on stderr, from libraries only warnings."""
    ours = level.upper()
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": JsonFormatter}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
        "root": {"handlers": ["stderr"], "level": "WARNING" if level in ("info", "debug") else ours},
        "loggers": {"heliscore": {"level": ours}, "uvicorn": {"level": ours}},
    }
