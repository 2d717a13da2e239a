"""Makes deliveries of events: each event becomes part of one delivery to each destination that wants it.

Whichever service locks a cursor works through a piece of the events, and moves the cursor in the same
transaction. So there is no moment at which a service that is killed leaves an event without its deliveries,
or with two.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import msgspec

from heliscore.api.http.field_errors import FieldErrors
from heliscore.api.shared.filter_language import decode_filter
from heliscore.domain.destination import Destination
from heliscore.domain.errors import InvalidInput, Unavailable
from heliscore.domain.event import Event
from heliscore.domain.filter_tree import AllOf, Compare, Filter, Property
from heliscore.domain.times import format_time
from heliscore.jobs.disabling import disable
from heliscore.store import event_cursor
from heliscore.store.cluster.groups import for_each_group, groups_of
from heliscore.store.connections.pool import Connection, Database
from heliscore.store.deliveries import NewDelivery, add_deliveries, find_matching
from heliscore.store.destinations import list_enabled
from heliscore.store.event_cursor import Look, Place
from heliscore.store.events import read_between
from heliscore.store.scores import ScoreNames

_EVENTS_AT_ONCE: Final = 1000
MAX_BATCH: Final = 100
"""Events of one delivery."""

_BATCHED: Final = ("score.recorded", "request.logged")

_IDLE_S: Final = 60.0
"""Between two looks at a group without destinations: its events are kept until they were looked at."""

_SAMPLE_STEPS: Final = 1 << 32

UNREADABLE: Final = "its filter cannot be read by this version of the service"


class Dispatcher:
    """Makes the deliveries of one service's turns."""

    def __init__(self, database: Database, names: ScoreNames, tell: Callable[[], None] | None = None) -> None:
        """`tell` is called after each piece."""
        self._database = database
        self._names = names
        self._tell = tell
        self._limit = _EVENTS_AT_ONCE
        self._idle_until: dict[int, float] = {}
        """When a group is looked at again that has no destinations."""

    async def dispatch(self, look: Look | None = None) -> bool:
        """Work through a piece of the events of each place where there are some. Returns whether there may be
        more.

        Raises Unavailable, where that is so of some places after the others have had their turn. The next
        pieces are smaller then: a filter on large bodies may have taken too long, and must not hold up other
        destinations for ever.
        """
        async with self._database.connection() as connection:
            look = look or await event_cursor.look(connection)
            wanting = set((await groups_of(connection, look.organizations)).values())

        async def work(group: int) -> bool:
            now = time.monotonic()
            if group not in wanting and now < self._idle_until.get(group, 0):
                return False
            self._idle_until[group] = now + _IDLE_S
            return await self._dispatch_group(look, group)

        try:
            results = await for_each_group(self._database, work)
        except Unavailable:
            self._limit = max(1, self._limit // 4)
            raise
        self._limit = min(2 * self._limit, _EVENTS_AT_ONCE)
        return any(results)

    async def _dispatch_group(self, look: Look, group: int) -> bool:
        async with self._database.connection() as connection:
            places = await event_cursor.find_places(connection, look, group)
        has_more = False
        for place in places:
            async with self._database.connection() as connection, connection.transaction():
                has_more |= await self._dispatch_place(connection, place)
            if self._tell:
                self._tell()
        return has_more

    async def _dispatch_place(self, connection: Connection, place: Place) -> bool:
        cursor = await event_cursor.lock(connection, place)
        if cursor is None:
            return False
        destinations = await _list_destinations(connection, place.group)
        events = await read_between(
            connection,
            cursor.seen,
            cursor.until,
            group=place.group,
            after=cursor.after,
            organization_ids={destination.organization_id for destination in destinations},
            limit=self._limit,
        )
        by_organization: dict[int, list[Event]] = {}
        for event in events:
            by_organization.setdefault(event.organization_id, []).append(event)
        for destination in destinations:
            owned = by_organization.get(destination.organization_id, ())
            if wanted := await self._choose(connection, destination, owned):
                await add_deliveries(connection, destination, make_deliveries(destination, wanted))
        if len(events) == self._limit:
            await event_cursor.move_on(connection, cursor, events[-1].number)
            return True
        await event_cursor.finish(connection, cursor)
        return False

    async def _choose(
        self, connection: Connection, destination: Destination, events: Iterable[Event]
    ) -> list[Event]:
        """Return the events that a destination is sent."""
        wanted = [event for event in events if wants(destination, event)]
        asked = {event.request_no for event in wanted if event.request_no is not None}
        try:
            tree = read_filter(destination) if asked else None
        except InvalidInput:  # it was read when it was stored, by another version
            await disable(connection, destination, UNREADABLE)
            return []
        if tree is None:
            return wanted
        matching = await find_matching(connection, self._names, destination.organization_id, tree, asked)
        return [event for event in wanted if event.request_no is None or event.request_no in matching]


async def _list_destinations(connection: Connection, group: int) -> list[Destination]:
    """Those of organizations of a group that are enabled."""
    enabled = await list_enabled(connection)
    groups = await groups_of(connection, {destination.organization_id for destination in enabled})
    return [destination for destination in enabled if groups[destination.organization_id] == group]


def wants(destination: Destination, event: Event) -> bool:
    """Whether a destination wants an event of its organization, but for its filter."""
    if event.type not in destination.events or event.happened_at < destination.created_at:
        return False
    options = destination.options
    match event.type:
        case "score.recorded":
            return not options.get("scores") or event.data["name"] in options["scores"]
        case "request.logged":
            return is_sampled(str(event.data["requestId"]), options.get("sampleRate", 100))
        case _:
            routed = event.data.get("destinations")
            return routed is None or str(destination.id) in routed


def is_sampled(request_id: str, percent: float) -> bool:
    """Whether a request is in a sample; the same request always is, or never."""
    drawn = int.from_bytes(hashlib.sha256(request_id.encode()).digest()[:4])
    return drawn < percent / 100 * _SAMPLE_STEPS


def read_filter(destination: Destination) -> Filter | None:
    """Read the filter of a destination's options; None where it has none. Raises InvalidInput."""
    options, errors = destination.options, FieldErrors()
    parts: list[Filter] = []
    if options.get("filter") not in (None, "all", {}):
        parts.append(decode_filter(options["filter"], "filter", errors))
    parts += [
        Compare(Property(wanted["key"]), "=", wanted["value"])
        for wanted in options.get("propertyFilters") or ()
    ]
    errors.raise_any()
    return AllOf(tuple(parts)) if parts else None


def make_deliveries(destination: Destination, events: Sequence[Event]) -> list[NewDelivery]:
    """Put events into deliveries: scores and logged requests in batches, in Helicone's format a request each,
    alerts alone."""
    if destination.kind == "helicone":
        bodies = [(event, _encode({"requestNo": event.request_no})) for event in events]
    else:
        bodies = [(batch[0], _encode(_body_of(batch))) for batch in _batch(events)]
    return [NewDelivery(first.type, body) for first, body in bodies]


def _batch(events: Sequence[Event]) -> list[list[Event]]:
    """Batches in the order of their first events."""
    batches: list[list[Event]] = []
    open_batches: dict[str, list[Event]] = {}
    for event in events:
        batch = open_batches.get(event.type)
        if batch is None or len(batch) == MAX_BATCH:
            batch = []
            batches.append(batch)
            if event.type in _BATCHED:
                open_batches[event.type] = batch
        batch.append(event)
    return batches


def _body_of(batch: Sequence[Event]) -> dict[str, Any]:
    *_, last = batch
    if last.type in _BATCHED:
        data: dict[str, Any] = {"events": [_shown(event) for event in batch]}
    else:
        data = {"id": last.id, **{key: value for key, value in last.data.items() if key != "destinations"}}
    return {"type": last.type, "timestamp": format_time(last.happened_at), "data": data}


def _shown(event: Event) -> dict[str, Any]:
    return {
        "id": event.id,
        "type": event.type,
        "timestamp": format_time(event.happened_at),
        "data": event.data,
    }


def _encode(body: dict[str, Any]) -> str:
    return msgspec.json.encode(body).decode()
