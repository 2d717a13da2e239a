"""Keeps events and digests flowing to their destinations: looks every second, makes deliveries, sends them,
and removes what has been kept long enough."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

from heliscore.domain.destination import Delivery, Destination, DestinationKind
from heliscore.jobs.background import StopService, repeat, running
from heliscore.jobs.digesting import Digester
from heliscore.jobs.dispatching import Dispatcher
from heliscore.jobs.sending import Render, Sender
from heliscore.observability import metrics
from heliscore.outbound.messages import MAKERS, Message
from heliscore.outbound.messenger import Messenger
from heliscore.store import event_cursor
from heliscore.store.connections.pool import Database
from heliscore.store.definition_cache import DefinitionCache
from heliscore.store.deliveries import remove_old_deliveries
from heliscore.store.scores import ScoreNames

_INTERVAL_S: Final = 1.0
_WAITING_INTERVAL_S: Final = 5.0
"""While the database is away."""

_REMOVAL_INTERVAL_S: Final = 600.0
_FIRST_REMOVAL_S: Final = 60.0
_DIGEST_INTERVAL_S: Final = 10.0
_REST_S: Final = 0.1


async def _render_alone(_: Database, destination: Destination, delivery: Delivery) -> Message:
    """Make a message that holds nothing but the delivery."""
    return MAKERS[destination.kind](destination, delivery)


RENDERERS: Final[dict[DestinationKind, Render]] = dict.fromkeys(MAKERS, _render_alone)
"""By kind: how the message of a delivery is made. Destinations of other kinds are sent nothing."""


@asynccontextmanager
async def kept_delivering(
    database: Database,
    names: ScoreNames,
    definitions: DefinitionCache,
    messenger: Messenger,
    stop_service: StopService,
    render_helicone: Render | None = None,
    *,
    interval_s: float = _INTERVAL_S,
) -> AsyncIterator[None]:
    """Make and send deliveries until the block ends. `render_helicone` makes the messages of Helicone's
    webhooks; without it they are sent nothing."""
    digester = Digester(database, names, definitions)
    renderers = RENDERERS if render_helicone is None else RENDERERS | {"helicone": render_helicone}
    sender = Sender(database, messenger, renderers)
    dispatcher = Dispatcher(database, names, sender.wake)

    async def work() -> None:
        async with database.connection() as connection:
            look = await event_cursor.look(connection)
        metrics.set_delivery_age(look.waited_s)
        if look.is_due:
            sender.wake()
        has_more = await dispatcher.dispatch(look)
        while has_more:
            has_more = await dispatcher.dispatch()

    async def make_digests() -> None:
        while await digester.make_next():
            sender.wake()

    async def remove() -> None:
        has_more = True
        while has_more:
            async with database.connection() as connection:
                has_more = await remove_old_deliveries(connection)
            await asyncio.sleep(_REST_S)

    async with (
        running("deliveries", _keep_doing(work, interval_s, interval_s), stop_service),
        running("digests", _keep_doing(make_digests, _DIGEST_INTERVAL_S, interval_s), stop_service),
        running("sending of deliveries", sender.run(), stop_service),
        running(
            "removal of old deliveries",
            _keep_doing(remove, _REMOVAL_INTERVAL_S, _FIRST_REMOVAL_S),
            stop_service,
        ),
    ):
        yield


async def _keep_doing(work: Callable[[], Awaitable[None]], interval_s: float, first_pause_s: float) -> None:
    """The first pause leaves the processor to what a service is started for."""
    await repeat(
        work,
        interval_s,
        waiting="deliveries have to wait",
        away_pause_s=max(interval_s, _WAITING_INTERVAL_S),
        first_pause_s=first_pause_s,
    )
