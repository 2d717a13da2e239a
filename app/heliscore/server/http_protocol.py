"""HTTP as uvicorn speaks it, with limits on what a client may send (and, by `app.patience`, how slowly), with
answers in the order of the requests whatever comes between them, and with few system calls."""

from __future__ import annotations

import asyncio
import resource
from http import HTTPStatus
from typing import Any, Final, cast

import httptools
import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from heliscore.observability import metrics
from heliscore.server.timeouts import Phase, Watch, look_after

MAX_HEAD_BYTES: Final = 64 * 1024
MAX_HEADERS: Final = 200

MAX_PIPELINED: Final = 128
"""Requests that may wait in a connection for the answers to those before them; what follows is not read."""

MAX_CONNECTIONS: Final = 10_000
"""Of a process, or what its limit of open files allows."""

_SPARE_FILES: Final = 256
"""Left for the database, uploads and libraries."""

_GATHERED_BYTES: Final = 64 * 1024


def max_connections() -> int:
    """How many clients a process takes on. The next is told so at once: left in the listener's queue it could
    not know whether to wait or to turn elsewhere."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return min(max(files - _SPARE_FILES, files // 2), MAX_CONNECTIONS)


def _refusal(status: HTTPStatus, error: str) -> bytes:
    body = msgspec.json.encode({"data": None, "error": error})
    again = "Retry-After: 1\r\n" if status == HTTPStatus.SERVICE_UNAVAILABLE else ""
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n{again}Connection: close\r\n\r\n"
    )
    return head.encode() + body


_MALFORMED: Final = _refusal(HTTPStatus.BAD_REQUEST, "this is not valid HTTP")
_HEAD_TOO_LARGE: Final = _refusal(
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    f"the head of the request is larger than {MAX_HEAD_BYTES} bytes or {MAX_HEADERS} headers",
)
_URL_TOO_LONG: Final = _refusal(
    HTTPStatus.REQUEST_URI_TOO_LONG, f"the head of the request is larger than {MAX_HEAD_BYTES} bytes"
)
_TOO_SLOW: Final = _refusal(HTTPStatus.REQUEST_TIMEOUT, "the request did not arrive in time")
_TOO_MANY: Final = _refusal(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections, please try again")

_CAUSES: Final = {
    _MALFORMED: "Malformed",
    _HEAD_TOO_LARGE: "HeadTooLarge",
    _URL_TOO_LONG: "UrlTooLong",
    _TOO_SLOW: "TooSlow",
    _TOO_MANY: "TooManyConnections",
}
"""As the metrics call them: nothing else hears of what is refused here."""


class _StopParsing(Exception):
    """Raised through the parser, which has no other way out."""


class Protocol(HttpToolsProtocol):
    """One connection."""

    transport: _Gathering  # type: ignore[assignment]

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._before = 0
        self._received = 0
        """Bytes, without and with what came last."""
        self._understood = 0
        """What had been received when the parser last handed something over: it may hold back the rest."""
        self._last_words: bytes | None = None
        """Said when the answers that are due are given, before closing. None: the connection goes on."""
        self._leaving = False
        self.watch = Watch()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(cast("asyncio.Transport", _Gathering(transport, self.loop)))
        look_after(self.loop, self.server_state)
        if len(self.connections) > max_connections():
            self._end(_TOO_MANY)

    def data_received(self, data: bytes) -> None:
        if self._last_words is not None:
            return
        self._before = self._received
        self._received += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._go_on_without_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            if self._last_words is None:
                self._end(_MALFORMED)
        else:
            held = self._received - self._understood
            if (held > MAX_HEAD_BYTES and self._is_arriving()) or len(self.headers or ()) > MAX_HEADERS:
                self._end(self._too_large())

    def on_headers_complete(self) -> None:
        if len(self.pipeline) >= MAX_PIPELINED:
            self.cycle.keep_alive = False
            self._last_words = b""
            raise _StopParsing
        if len(self.headers) > MAX_HEADERS or (
            self._received - min(self._before, self._understood) > MAX_HEAD_BYTES
            and self._head_bytes() > MAX_HEAD_BYTES
        ):
            self._end(self._too_large())
            raise _StopParsing
        self._understood = self._received
        super().on_headers_complete()
        if self.expect_100_continue and not self.parser.should_upgrade():
            # Once refused, the body may come or not: what follows it could not be told from it.
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        self._understood = self._received
        super().on_body(body)

    def _should_upgrade(self) -> bool:
        """Have uvicorn leave such a request to us: but for a web socket, it would lose the body."""
        return True

    def _go_on_without_upgrade(self, rest: bytes) -> None:
        """Read the request as if it had not asked for another protocol. Java's HTTP client always asks."""
        if self.scope["method"] == "CONNECT":
            self._end(_MALFORMED)
            return
        lines = [b"%s: %s\r\n" % header for header in self.headers if header[0] != b"upgrade"]
        first = f"{self.scope['method']} {self.url.decode('latin-1')} HTTP/{self.scope['http_version']}\r\n"
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._received -= len(rest)
        self.data_received(b"".join((first.encode("latin-1"), *lines, b"\r\n", rest)))

    def on_response_complete(self) -> None:
        """As uvicorn does it, but for its timer."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self._last_words is not None:
            self._close()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._is_due():
            self.cycle.scope["state"]["client_went_away"] = True
        super().connection_lost(exc)

    def eof_received(self) -> bool:  # type: ignore[override]
        """Stay open for the answers that are due: the client may only have said that it sends no more."""
        if self._last_words is None:
            self._end(b"")
        return not (self._leaving or self.transport.is_closing())

    def look(self) -> int:
        """Part with a client whose time is over. Returns how many bytes it has not taken yet."""
        phase = self._phase()
        if phase is Phase.TAKING:
            self.watch.see(phase, None, self.transport.sent_bytes)
        else:
            self.watch.see(phase, self.scope, self._received)
        if self.watch.is_over():
            match phase:
                case Phase.HEAD | Phase.BODY:
                    self._end(_TOO_SLOW)
                case Phase.TAKING:
                    self.transport.abort()
                case _:
                    self.transport.close()
        return self.transport.unsent_bytes

    def _phase(self) -> Phase:
        if self.transport.unsent_bytes:
            return Phase.TAKING
        if self._leaving:
            return Phase.LEAVING
        if self.transport.is_closing() or self.flow.read_paused:
            return Phase.US
        if not self._is_arriving():
            return Phase.US if self._is_due() else Phase.OPENING if self.scope is None else Phase.IDLE
        if self.cycle is None or self.cycle.scope is not self.scope:
            return Phase.HEAD
        if self.pipeline or self.cycle.waiting_for_100_continue:
            return Phase.US
        return Phase.BODY

    def _is_arriving(self) -> bool:
        """Whether a part of a request has come. (Where it was answered before its end, also afterwards.)"""
        if self.scope is None:
            return self._received > 0
        return self.cycle is None or self.cycle.scope is not self.scope or self.cycle.more_body

    def _is_due(self) -> bool:
        """Whether an answer is."""
        return self.cycle is not None and not self.cycle.response_complete

    def _head_bytes(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _end(self, words: bytes) -> None:
        """Take nothing more; give the answers that are due, say why, and close."""
        self._last_words = words
        self.flow.pause_reading()
        cycle, due = self.cycle, self._is_due()
        if due and cycle.more_body:
            # It is this very request that will not be answered.
            if self.pipeline:
                self.pipeline.popleft()
            elif cycle.response_started:
                cycle.keep_alive = False
            else:
                cycle.disconnected = True
                cycle.message_event.set()
                due = False
        elif cycle is not None and cycle.scope is self.scope and not due:
            self._last_words = b""  # it has been answered
        if not due:
            self._close()

    def _too_large(self) -> bytes:
        is_url = self.scope is not None and len(self.url) > MAX_HEAD_BYTES // 2
        return _URL_TOO_LONG if is_url else _HEAD_TOO_LARGE

    def _close(self) -> None:
        if self._last_words:
            metrics.count_error(_CAUSES[self._last_words])
            self.transport.write(self._last_words)
            if self._is_arriving():
                # Closed with something unread, the connection would break and the words be lost.
                self._leaving = True
                self.transport.write_eof()
                self.flow.resume_reading()
                return
        self.transport.close()


class _Gathering:
    """A transport that writes at the end of the event loop's turn what was given to it during the turn. Each
    write is a system call, and uvicorn writes an answer's head and body apart: for an answer of a hundred
    bytes that is a quarter of the work. What is large goes on at once, so that its writer is held back."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._gathered: list[bytes] = []
        self._written = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    @property
    def unsent_bytes(self) -> int:
        return self._transport.get_write_buffer_size()

    @property
    def sent_bytes(self) -> int:
        """Since the connection was made."""
        return self._written - self._transport.get_write_buffer_size()

    def write(self, data: bytes) -> None:
        if not self._gathered:
            self._loop.call_soon(self._flush)
        self._gathered.append(data)
        if len(data) > _GATHERED_BYTES:
            self._flush()

    def write_eof(self) -> None:
        self._flush()
        self._transport.write_eof()

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._gathered:
            data = b"".join(self._gathered)
            self._gathered.clear()
            if not self._transport.is_closing():
                self._written += len(data)
                self._transport.write(data)
