"""The answer to a client that listens to events: first what it missed, then what happens."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from typing import Final, TypeVar

import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from heliscore.api.http.auth import address_of, bearer_key
from heliscore.api.http.endpoints import ApiCall, check_permission
from heliscore.api.http.event_frames import encode_event, make_frame, make_mark, make_pieces
from heliscore.api.http.listener import Start
from heliscore.api.http.live_events import RESUMABLE
from heliscore.api.http.request_state import begin_stream
from heliscore.domain.api_key import Permissions
from heliscore.domain.errors import Forbidden, Unauthenticated, Unavailable
from heliscore.domain.event import Event, EventType
from heliscore.domain.event_position import Position, next_transaction
from heliscore.domain.snapshots import node_of, spans
from heliscore.domain.times import format_time
from heliscore.store import events
from heliscore.store.connections.pool import Connection

PERMISSION: Final[Permissions] = "r"

_CHECKED_EVERY_S: Final = 30
"""How long a key that was revoked may go on listening."""

_RETRY_MS: Final = 2000
_PAGE: Final = 500
_AWAY_PAUSE_S: Final = 1

_HEADERS: Final = [
    (b"content-type", b"text/event-stream"),
    (b"connection", b"close"),  # there will be no second request
    (b"x-accel-buffering", b"no"),  # nginx would hold small frames back
]

T = TypeVar("T")
_Write = Callable[[bytes], Awaitable[None]]


class EventStream(Response):
    """Goes on until the client leaves, or must be ended."""

    media_type = "text/event-stream"

    def __init__(self, call: ApiCall, types: frozenset[EventType], resumed: Position | None) -> None:
        """Raises TooManyListeners and Unavailable."""
        super().__init__()
        self._call = call
        self._hub = call.services.live_events
        self._resumed = resumed
        self._checked_at = time.monotonic()
        self._listener = self._hub.join(call.principal.organization_id, types)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        listener = self._listener

        async def write(piece: bytes) -> None:
            await self._hub.take_turn()
            await send({"type": "http.response.body", "body": piece, "more_body": True})

        try:
            begin_stream(scope, listener.end)
            await send({"type": "http.response.start", "status": self.status_code, "headers": _HEADERS})
            if (start := await self._wait_for_start(write)) is not None:
                await self._begin(start, write)
                await self._go_on(write)
            await write(make_frame("dropped", {"reason": listener.ended}))
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            self._hub.leave(listener)

    async def _wait_for_start(self, write: _Write) -> Start | None:
        """None where it is ended before."""
        listener = self._listener
        while not listener.ended and listener.start is None:
            if not await listener.wait(self._hub.heartbeat_s):
                await write(b": heartbeat\n\n")
        return None if listener.ended else listener.start

    async def _begin(self, start: Start, write: _Write) -> None:
        """Say that nothing is missed from here on, and send what was missed before."""
        resumed = self._resumed
        begun = Position(start.database, start.at, start.snapshot)
        is_known = resumed is not None and _is_before(resumed, start)
        first = resumed if resumed is not None and is_known else begun
        ready = make_frame("ready", {"types": sorted(self._listener.types)}, first.encode())
        await write(b"retry: %d\n%b" % (_RETRY_MS, ready))
        if resumed is None:
            return
        since = await self._find_since(start)
        if not is_known or resumed.at < since:
            await write(make_frame("missed", {"since": format_time(since)}))
        if is_known:
            await self._catch_up(resumed, start, write)
        if not self._listener.ended:
            await write(make_mark("up to date", begun.encode()))

    async def _find_since(self, start: Start) -> datetime:
        """Since when all events are there that happened before the start."""
        found = await self._ask(
            lambda connection: events.find_since(
                connection, self._listener.organization_id, self._listener.types
            )
        )
        return max(found or start.at, start.at - RESUMABLE)

    async def _catch_up(self, resumed: Position, start: Start, write: _Write) -> None:
        seen = resumed.seen
        if resumed.until is not None:
            await self._send_between(resumed, resumed.until, resumed.after, write)
            seen = resumed.until
        await self._send_between(Position(resumed.database, resumed.at, seen), start.snapshot, 0, write)

    async def _send_between(self, position: Position, until: str, after: int, write: _Write) -> None:
        """Send what is visible in `until`, in pages: a client that is cut off amid that resumes there, or
        where its organization was moved to another node meanwhile, before all of it."""
        parts = spans(position.seen, until)
        for seen, end in parts:
            number = after
            page: list[Event] | None = None
            while page is None or len(page) == _PAGE:
                page = await self._ask(partial(self._read_page, seen, end, number))
                if not page:
                    break
                number = page[-1].number
                wanted = [encode_event(event) for event in page if event.type in self._listener.types]
                amid = msgspec.structs.replace(position, until=until, after=number)
                for piece in make_pieces(wanted, (amid if len(parts) == 1 else position).encode()):
                    await write(piece)

    async def _read_page(self, seen: str, until: str, after: int, connection: Connection) -> list[Event]:
        own = self._listener.organization_id
        return await events.read_between(
            connection, seen, until, group=own, after=after, organization_ids=[own], limit=_PAGE
        )

    async def _ask(self, ask: Callable[[Connection], Awaitable[T]]) -> T | None:
        """Ask the database, as soon as it can be; None: the stream was ended first."""
        while not self._listener.ended:
            try:
                async with self._call.services.database.connection() as connection:
                    return await ask(connection)
            except Unavailable:
                await self._listener.wait(_AWAY_PAUSE_S)
        return None

    async def _go_on(self, write: _Write) -> None:
        listener = self._listener
        while not listener.ended:
            if (piece := listener.take()) is not None:
                await write(piece)
            elif not await listener.wait(self._hub.heartbeat_s) and (at := self._position()):
                await write(make_mark("heartbeat", at.encode()))
            await self._check_key()

    def _position(self) -> Position | None:
        return self._hub.position_of(self._listener.organization_id)

    async def _check_key(self) -> None:
        """End the stream of a key that has been revoked or has expired."""
        if time.monotonic() - self._checked_at < _CHECKED_EVERY_S:
            return
        call = self._call
        try:
            key, address = bearer_key(call.request), address_of(call.request)
            check_permission(await call.services.keyring.principal(key, address), PERMISSION)
            self._checked_at = time.monotonic()
        except (Unauthenticated, Forbidden) as error:
            self._listener.end(str(error))
        except Unavailable:
            pass  # the next time


def _is_before(position: Position, start: Start) -> bool:
    """Whether it is of the same database, before the start: after a restore it may be neither."""
    last = position.until or position.seen
    return position.database == start.database and (
        node_of(last) != node_of(start.snapshot)  # it was moved there since
        or next_transaction(last) <= next_transaction(start.snapshot)
    )
