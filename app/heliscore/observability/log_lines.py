"""What the service says while it runs, as lines of JSON: a line a request on stdout, anything else on stderr.

What a client sent is in none of them. So of an error that we did not expect the message is left out, only
where it arose and its kind are told: the libraries' messages repeat what they were given, be it a body or an
address with a password.
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
"""Between two writes of gathered lines: they are there within a tenth of a second."""

_MAX_WAITING_LINES: Final = 50_000
"""About 15 MB. More, which nobody takes, are dropped and counted: a log that is stuck holds no call up."""

_CLOSE_TIMEOUT_S: Final = 2

_encoder: Final = msgspec.json.Encoder()


class RequestLine(msgspec.Struct):
    """A call that was answered."""

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
    """Gathers lines and writes them, many at a time, from a thread of its own: a system call a line is too
    dear, and whoever reads them may be slow."""

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
        """Write what is left, if that takes no longer than two seconds."""
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
    """The log on stdout; None where the level leaves its lines out or there is no stdout."""
    if level not in ("info", "debug") or sys.__stdout__ is None:
        return None
    return RequestLog(sys.__stdout__.fileno())


class JsonFormatter(logging.Formatter):
    """A log record as a line of JSON; `extra={"fields": {…}}` adds to it."""

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
    """Where an error arose, and of which kind it is, like Python's own traceback; the message only of an
    error of ours, which is made to be read by others."""
    earlier = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    kind = f"{type(error).__module__}.{type(error).__qualname__}"
    if isinstance(error, HeliscoreError):
        kind += f": {error}"
    elif sqlstate := getattr(error, "sqlstate", None):
        kind += f" (SQLSTATE {sqlstate})"
    text = "".join(traceback.format_tb(error.__traceback__)) + kind
    return text if earlier is None else f"{describe(earlier)}\n\nand then:\n\n{text}"


def make_log_config(level: str) -> dict[str, Any]:
    """The settings of Python's logging: lines of JSON on stderr, of libraries only what matters."""
    ours = level.upper()
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": JsonFormatter}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
        "root": {"handlers": ["stderr"], "level": "WARNING" if level in ("info", "debug") else ours},
        "loggers": {"heliscore": {"level": ours}, "uvicorn": {"level": ours}},
    }
