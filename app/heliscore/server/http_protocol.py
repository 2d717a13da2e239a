"""HTTP/1.1 as uvicorn speaks it, with limits on what clients send, how slowly, and over how many connections.

A connection is in one of three states:

    OPEN        requests are read, and answered in the order in which they came
     │
     │          an error (protocol_errors.py), or the client sends no more, or pipelines too many requests
     ▼
    ENDING      nothing more is read; the responses that are due are sent, then the error ──► closed
     │
     │          an error was sent to a client that is still sending; also from OPEN, where a response that
     │          closes the connection was sent before the body's end
     ▼
    LINGERING   what comes is dropped, until the client has read the response and closes, or for a bounded
                time and size ──► closed

A client that has sent its end may have closed the connection, or only its own half of it and read on: TCP
shows the same for both, until something is sent, which only the first answers by a reset. So where a response
is still due after a second, an interim response is sent, which clients skip, and the next check looks for a
reset.

What a connection waits for (a head, a body, the client to read, …) is its `Phase`; timeouts.py says how long.

The class uses members of uvicorn's HttpToolsProtocol that are not documented: `scope` is the request that is
being parsed, `cycle` the newest request whose head is complete, with its response; `pipeline` holds requests
that wait for the responses before theirs, the newest first; `flow` pauses reading. So uvicorn is pinned to a
minor version. The states are read in one file, although it is long.
"""

from __future__ import annotations

import asyncio
import enum
import resource
from typing import Any, Final, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from heliscore.observability import metrics
from heliscore.server import protocol_errors
from heliscore.server.batching_transport import BatchingTransport, ResponseTransport
from heliscore.server.protocol_errors import MAX_HEAD_BYTES, MAX_HEADERS, ProtocolError
from heliscore.server.timeouts import ConnectionTimer, Phase, Timeouts

MAX_PIPELINED: Final = 128
"""Requests of a connection that may wait for the responses before theirs; what follows them is not read."""

MAX_DROPPED_BYTES: Final = 64 * 1024 * 1024
"""Of a client that goes on sending after its last response: many send all of a body before they read."""

_INTERIM_RESPONSE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
"""Of the interim responses the one that every client knows."""

MAX_CONNECTIONS: Final = 10_000
"""Of a process, or fewer where its limit of open files is low."""

_SPARE_FILES: Final = 256
"""Left for the database, uploads and libraries."""


def max_connections() -> int:
    """How many clients a process serves. The next gets an error: left in the listener's queue it could
    not know whether to wait or to try elsewhere."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return min(max(files - _SPARE_FILES, files // 2), MAX_CONNECTIONS)


class _State(enum.Enum):
    OPEN = enum.auto()
    ENDING = enum.auto()
    LINGERING = enum.auto()


class _StopParsing(Exception):
    """Leaves the parser from a callback, which has no other way out."""


class HttpProtocol(HttpToolsProtocol):
    """One connection."""

    transport: BatchingTransport  # type: ignore[assignment]

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.timer = ConnectionTimer()
        self._state = _State.OPEN
        self._error: ProtocolError | None = None
        """The last response of an ENDING connection, if it is an error."""
        self._received_bytes = 0
        self._received_before = 0
        """`_received_bytes` without the piece that came last."""
        self._received_at_callback = 0
        """`_received_bytes` when the parser last handed over a head or a piece of a body: what came since may
        lie in the parser."""
        self._dropped_bytes = 0
        self._has_ended = False
        """Whether the client sends no more."""
        self._checks_after_end = 0
        """Since the client sent its end, with a response due."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(cast("asyncio.Transport", BatchingTransport(transport, self.loop)))
        self._response_transport = cast(
            "asyncio.Transport", ResponseTransport(self.transport, self._close_after_response)
        )
        if len(self.connections) > max_connections():
            self._end(protocol_errors.TOO_MANY_CONNECTIONS)

    def data_received(self, data: bytes) -> None:
        if self._state is not _State.OPEN:
            if self._state is _State.LINGERING:
                self._drop(len(data))
            return
        self._received_before = self._received_bytes
        self._received_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._go_on_without_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            if self._state is _State.OPEN:
                self._end(protocol_errors.MALFORMED)
        else:
            in_parser = self._received_bytes - self._received_at_callback
            if (in_parser > MAX_HEAD_BYTES and self._is_request_arriving()) or (
                len(self.headers or ()) > MAX_HEADERS
            ):
                self._end(self._too_large())

    def on_headers_complete(self) -> None:
        if len(self.pipeline) >= MAX_PIPELINED:
            self.cycle.keep_alive = False
            self._state = _State.ENDING
            raise _StopParsing
        if len(self.headers) > MAX_HEADERS or (
            self._received_bytes - min(self._received_before, self._received_at_callback) > MAX_HEAD_BYTES
            and self._head_bytes() > MAX_HEAD_BYTES
        ):
            self._end(self._too_large())
            raise _StopParsing
        if error := protocol_errors.find_head_error(self.parser.get_http_version(), self.headers):
            self._end(error)
            raise _StopParsing
        self._received_at_callback = self._received_bytes
        super().on_headers_complete()
        if self.parser.should_upgrade():
            return  # no cycle was made
        self.cycle.transport = self._response_transport
        self.cycle.scope["state"]["cut_off"] = self.transport.close
        if self.expect_100_continue:
            # After an error the client may send the body or not: the next request could not be told from it.
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        self._received_at_callback = self._received_bytes
        super().on_body(body)

    def _should_upgrade(self) -> bool:
        """Let uvicorn leave every upgrade to us: it would lose the body, unless it is for a web socket."""
        return True

    def _go_on_without_upgrade(self, rest: bytes) -> None:
        """Read the request as if it had not asked for another protocol. Java's HTTP client always asks."""
        if self.scope["method"] == "CONNECT":
            self._end(protocol_errors.MALFORMED)
            return
        lines = [b"%s: %s\r\n" % header for header in self.headers if header[0] != b"upgrade"]
        first = f"{self.scope['method']} {self.url.decode('latin-1')} HTTP/{self.scope['http_version']}\r\n"
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._received_bytes -= len(rest)
        self.data_received(b"".join((first.encode("latin-1"), *lines, b"\r\n", rest)))

    def on_response_complete(self) -> None:
        """As in uvicorn, without its timer for idle connections."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self._state is _State.LINGERING:
            return
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self._state is not _State.OPEN:
            self._close()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._is_response_due():
            self.cycle.scope["state"]["client_went_away"] = True
            self._end_stream("the client has left")
        super().connection_lost(exc)

    def shutdown(self) -> None:
        if self._is_response_due():
            self._end_stream("the service is stopping")
        super().shutdown()

    def _end_stream(self, reason: str) -> None:
        """Have a response end that would go on until the client leaves (api.http.request_state)."""
        state = self.cycle.scope["state"]
        state["stream_ended"] = reason
        if "end_stream" in state:
            state["end_stream"](reason)

    def eof_received(self) -> bool:  # type: ignore[override]
        """Keep the connection for the responses that are due: the client may still read. Not for one without
        an end: it would go on until something that is written shows that the client has gone."""
        self._has_ended = True
        if self._is_response_due() and "end_stream" in self.cycle.scope["state"]:
            return False
        if self._state is _State.OPEN:
            self._end(None)
        return not (self._state is _State.LINGERING or self.transport.is_closing())

    def check_timeouts(self, timeouts: Timeouts) -> int:
        """Close the connection if the client's time is over. Returns the bytes that it has not read yet."""
        phase = self._phase()
        if phase is Phase.RESPONSE:
            self.timer.note(phase, None, self.transport.read_bytes)
        else:
            self.timer.note(phase, self.scope, self._received_bytes)
        if self.timer.is_over(timeouts):
            match phase:
                case Phase.HEAD | Phase.BODY:
                    self._end(protocol_errors.TOO_SLOW)
                case Phase.RESPONSE:
                    self.transport.abort()
                case _:
                    self.transport.close()
        elif self._has_ended:
            self._ask_client()
        return self.transport.unread_bytes

    def _ask_client(self) -> None:
        """Find out whether a client that sends no more waits for its response, or has gone."""
        if not self._is_response_due() or self.transport.is_closing():
            return
        if self.transport.is_reset:
            self.transport.abort()
        elif (
            self._checks_after_end == 1
            and not self.pipeline  # the newest request is the one that is answered now
            and not self.cycle.more_body
            and not self.cycle.response_started
            and self.cycle.scope["http_version"] == "1.1"
        ):
            self.transport.write(_INTERIM_RESPONSE)
        self._checks_after_end += 1

    def _phase(self) -> Phase:
        if self.transport.unread_bytes:
            return Phase.RESPONSE
        if self._state is _State.LINGERING:
            return Phase.LINGERING
        if self.transport.is_closing() or self.flow.read_paused:
            return Phase.SERVICE
        if not self._is_request_arriving():
            if self._is_response_due():
                return Phase.SERVICE
            return Phase.OPENING if self.scope is None else Phase.IDLE
        if self.cycle is None or self.cycle.scope is not self.scope:
            return Phase.HEAD
        if self.pipeline or self.cycle.waiting_for_100_continue:
            return Phase.SERVICE
        return Phase.BODY

    def _is_request_arriving(self) -> bool:
        """Whether a part of a request has come; also after a request that got its response before its end."""
        if self.scope is None:
            return self._received_bytes > 0
        return self.cycle is None or self.cycle.scope is not self.scope or self.cycle.more_body

    def _is_response_due(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _head_bytes(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _too_large(self) -> ProtocolError:
        is_url = self.scope is not None and len(self.url) > MAX_HEAD_BYTES // 2
        return protocol_errors.URL_TOO_LONG if is_url else protocol_errors.HEAD_TOO_LARGE

    def _end(self, error: ProtocolError | None) -> None:
        """Read nothing more; send the responses that are due, then the error, and close."""
        self._state, self._error = _State.ENDING, error
        self.flow.pause_reading()
        cycle, is_due = self.cycle, self._is_response_due()
        if is_due and cycle.more_body:
            # The newest request is incomplete: the error takes the place of its response.
            if self.pipeline:
                self.pipeline.popleft()
            elif cycle.response_started:
                cycle.keep_alive = False
            else:
                cycle.disconnected = True
                cycle.message_event.set()
                is_due = False
        elif cycle is not None and cycle.scope is self.scope and not is_due:
            self._error = None  # the request got its response before its end
        if not is_due:
            self._close()

    def _close(self) -> None:
        """Send the error, if any, and close."""
        if self._error is not None:
            metrics.count_error(self._error.cause)
            self.transport.write(self._error.response)
            if self._is_request_arriving():
                self._linger()
                return
        self.transport.close()

    def _close_after_response(self) -> None:
        """Close after a response that says so, perhaps before the end of its request."""
        if self._state is _State.OPEN and self._is_request_arriving():
            self._linger()
        else:
            self.transport.close()

    def _linger(self) -> None:
        """Drop what comes. Closed with input unread, TCP resets the connection, and the client may lose the
        response."""
        self._state = _State.LINGERING
        self.transport.write_eof()
        self.flow.resume_reading()

    def _drop(self, size: int) -> None:
        self._dropped_bytes += size
        if self._dropped_bytes > MAX_DROPPED_BYTES:
            self.transport.close()
