"""Reads the event log for all listeners of a service at once, and hands each event to those who want it.

While there are listeners, one statement each half second reads what has become durable since the one before,
of the organizations that listen; without listeners nothing is asked. In a cluster it is one for each group of
organizations that are kept together, of those that listen. An event is encoded once. The database is all that
services share, so it does not matter which of them wrote.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from heliscore.api.http.event_frames import encode_event, make_pieces
from heliscore.api.http.listener import TOO_SLOW, Listener, Start
from heliscore.domain.errors import TooManyListeners, Unavailable
from heliscore.domain.event import ALERT_TYPES, Event, EventType
from heliscore.domain.event_position import Position
from heliscore.domain.snapshots import spans
from heliscore.observability import metrics
from heliscore.store import events
from heliscore.store.cluster.groups import groups_of
from heliscore.store.connections.database_identity import DatabaseIdentity
from heliscore.store.connections.pool import Connection, Database

_log = logging.getLogger("heliscore")

POLL_S: Final = 0.5
HEARTBEAT_S: Final = 15
"""Between two frames at most."""

_JOIN_PAUSE_S: Final = 0.05
"""Between two polls at least: a thousand listeners may come at once."""

RESUMABLE: Final = timedelta(hours=1)
"""How long events are kept."""

_RENEWAL_S: Final = 300
_INTEREST: Final = RESUMABLE + timedelta(minutes=10)
"""Longer than a listener may be away, and a renewal late."""

_PAGE: Final = 1000
MAX_OF_ORGANIZATION: Final = 100
MAX_LISTENERS: Final = 2000
MAX_WAITING_BYTES: Final = 64 * 1024 * 1024
"""Of different pieces, over all listeners."""

_WRITES_A_TURN: Final = 50

_RETRY_S: Final = 10

_Audience = tuple[int, frozenset[EventType]]
"""An organization, and the types that some of its listeners want."""


class _Progress(msgspec.Struct):
    """What was handed out of a group: all that is visible in `seen`; and amid a poll, of `until`, up to a
    number."""

    seen: str
    at: datetime
    until: str | None = None
    until_at: datetime = datetime.max.replace(tzinfo=UTC)
    after: int = 0


class LiveEvents:
    """The listeners of a service. `run` serves them."""

    def __init__(
        self,
        database: Database,
        identity: DatabaseIdentity,
        *,
        poll_s: float = POLL_S,
        heartbeat_s: float = HEARTBEAT_S,
    ) -> None:
        self.heartbeat_s: Final = heartbeat_s
        self._database = database
        self._identity = identity
        self._poll_s = poll_s
        self._listeners: dict[_Audience, set[Listener]] = {}
        self._joining: list[Listener] = []
        self._counts: Counter[int] = Counter()
        self._renewed: dict[_Audience, float] = {}
        self._groups: dict[int, int] = {}
        """Of the organizations that listen."""
        self._progress: dict[int, _Progress] = {}
        self._joined = asyncio.Event()
        self._turns = asyncio.Semaphore(_WRITES_A_TURN)
        self._closed: str | None = None

    def join(self, organization_id: int, types: frozenset[EventType]) -> Listener:
        """Add a listener, who hears everything from its start on. Raises TooManyListeners and Unavailable."""
        if self._closed is not None:
            raise Unavailable(f"{self._closed}, please try again")
        if self._counts[organization_id] >= MAX_OF_ORGANIZATION:
            raise TooManyListeners(MAX_OF_ORGANIZATION, _RETRY_S)
        if self._counts.total() >= MAX_LISTENERS:
            raise Unavailable("too many clients listen to events, please try again")
        listener = Listener(organization_id, types)
        self._counts[organization_id] += 1
        self._joining.append(listener)
        self._joined.set()
        metrics.set_event_listeners(self._counts.total())
        return listener

    def leave(self, listener: Listener) -> None:
        """Remove a listener."""
        listener.end("")
        audience = listener.organization_id, listener.types
        if (some := self._listeners.get(audience)) is not None:
            some.discard(listener)
            if not some:
                del self._listeners[audience]
        if listener in self._joining:
            self._joining.remove(listener)
        self._counts[listener.organization_id] -= 1
        if not self._counts[listener.organization_id]:
            del self._counts[listener.organization_id]
        metrics.set_event_listeners(self._counts.total())

    async def take_turn(self) -> None:
        """Wait until another piece may be written: a thousand in one turn of the event loop would hold it for
        a tenth of a second. It is a later turn at least, since the transport writes at the end of each, and
        only then says that a client is behind."""
        async with self._turns:
            await asyncio.sleep(0)

    def close(self, reason: str) -> None:
        """End all listeners, and take no others."""
        self._closed = reason
        self._end_all(reason)

    def position_of(self, organization_id: int) -> Position | None:
        """Up to where listeners of an organization were offered everything."""
        if (at := self._progress.get(self._groups.get(organization_id, -1))) is None:
            return None
        return self._position_at(at)

    def _position_at(self, at: _Progress) -> Position:
        return Position(self._identity.name, at.at, at.seen, at.until, at.after)

    async def run(self) -> None:
        """Serve listeners. While the database is away they wait, and miss nothing."""
        is_away = False
        while True:
            if not self._counts:
                self._progress.clear()
                self._joined.clear()
                await self._joined.wait()
            try:
                async with self._database.connection() as connection:
                    while self._counts and not connection.is_closed():
                        await self._poll(connection)
                        is_away = False
                        await self._pause()
            except Unavailable as error:
                if not is_away:
                    _log.warning("live events have to wait: %s", error)
                is_away = True
                await asyncio.sleep(self._poll_s)

    async def _pause(self) -> None:
        """Until the next poll: sooner where somebody has joined."""
        await asyncio.sleep(_JOIN_PAUSE_S)
        if not self._joining:
            self._joined.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._poll_s - _JOIN_PAUSE_S):
                    await self._joined.wait()

    async def _poll(self, connection: Connection) -> None:
        joining = list(self._joining)
        await self._renew_interest(connection, joining)
        listening = {organization_id for organization_id, _ in self._listeners}
        self._groups = await groups_of(connection, listening | {one.organization_id for one in joining})
        by_group: dict[int, set[int]] = {group: set() for group in self._groups.values()}
        for organization_id in listening:
            by_group[self._groups[organization_id]].add(organization_id)
        self._progress = {group: at for group, at in self._progress.items() if group in by_group}
        for group, organizations in by_group.items():
            start = await self._poll_group(connection, group, organizations)
            for listener in joining:
                if self._groups[listener.organization_id] == group:
                    self._start(listener, start)

    async def _poll_group(self, connection: Connection, group: int, organizations: Collection[int]) -> Start:
        progress = self._progress.get(group)
        if progress is None or progress.until is None:
            until, at = await events.look(connection, group)
        else:
            until, at = progress.until, progress.until_at
        if progress is not None and organizations:
            if at - progress.at > RESUMABLE:
                self._end_all("the database was away for too long; resume from the last id")
            progress.until, progress.until_at = until, at
            await self._read_on(connection, group, organizations, progress)
        self._progress[group] = _Progress(until, at)
        return Start(self._identity.name, at, until)

    async def _read_on(
        self, connection: Connection, group: int, organizations: Collection[int], progress: _Progress
    ) -> None:
        """Hand out what is visible in the progress's `until`. If it fails amid that, the next poll goes
        on."""
        until = progress.until or progress.seen
        parts, before = spans(progress.seen, until), self._position_at(progress)
        for seen, end in parts:
            async for page in _pages(connection, group, organizations, seen, end, progress.after):
                if len(parts) > 1:
                    # The group was moved to another node. Who is cut off amid this begins before it again.
                    position = before
                elif len(page) < _PAGE:
                    position = Position(self._identity.name, progress.until_at, until)
                else:
                    position = msgspec.structs.replace(before, until=until, after=page[-1].number)
                await self._hand_out(page, position.encode())
                if len(parts) == 1:
                    progress.after = page[-1].number

    async def _hand_out(self, page: Sequence[Event], last_id: str) -> None:
        of_organization: dict[int, list[tuple[EventType, bytes]]] = {}
        for event in page:
            of_organization.setdefault(event.organization_id, []).append((event.type, encode_event(event)))
        for audience, listeners in list(self._listeners.items()):
            organization_id, types = audience
            frames = [frame for type_, frame in of_organization.get(organization_id, ()) if type_ in types]
            if pieces := make_pieces(frames, last_id):
                for listener in listeners:
                    listener.offer(pieces)
                # Others may go on before the next audience: the listeners of this one wake up now.
                await asyncio.sleep(0)
        self._make_room()

    def _make_room(self) -> None:
        """End the listeners that are furthest behind while too much waits. Of one audience the pieces of all
        are among those of the one that is furthest behind."""
        behind = {
            audience: max((one.waiting_bytes for one in some), default=0)
            for audience, some in self._listeners.items()
        }
        excess = sum(behind.values()) - MAX_WAITING_BYTES
        for audience in sorted(behind, key=behind.__getitem__, reverse=True):
            if excess <= 0:
                return
            for listener in self._listeners[audience]:
                if listener.waiting_bytes:
                    listener.end(TOO_SLOW)
            excess -= behind[audience]

    def _start(self, listener: Listener, start: Start) -> None:
        if listener in self._joining:
            self._joining.remove(listener)
            self._listeners.setdefault((listener.organization_id, listener.types), set()).add(listener)
            listener.begin(start)

    async def _renew_interest(self, connection: Connection, joining: Sequence[Listener]) -> None:
        """Have events published that somebody listens to."""
        audiences = {*self._listeners, *((one.organization_id, one.types) for one in joining)}
        now = time.monotonic()
        self._renewed = {
            audience: at
            for audience, at in self._renewed.items()
            if audience in audiences and now - at < _RENEWAL_S
        }
        for audience in audiences - self._renewed.keys():
            organization_id, types = audience
            if optional := types.difference(ALERT_TYPES):
                until = datetime.now(UTC) + _INTEREST
                await events.set_interest(connection, organization_id, optional, "live", until)
            self._renewed[audience] = now

    def _end_all(self, reason: str) -> None:
        for listener in [*self._joining, *(one for some in self._listeners.values() for one in some)]:
            listener.end(reason)


async def _pages(
    connection: Connection, group: int, organizations: Collection[int], seen: str, until: str, after: int
) -> AsyncIterator[Sequence[Event]]:
    """Read the events between two snapshots, after a number, in pages of which the last is not full."""
    page: Sequence[Event] | None = None
    while page is None or len(page) == _PAGE:
        page = await events.read_between(
            connection,
            seen,
            until,
            group=group,
            after=after,
            organization_ids=organizations,
            limit=_PAGE,
        )
        if page:
            yield page
            after = page[-1].number
