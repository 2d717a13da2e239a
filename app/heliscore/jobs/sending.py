"""Sends deliveries: those to one destination in order, one after another; to several destinations at once.

A delivery that fails holds back those after it until it succeeds or is parked. A destination keeps one of the
places for some seconds at a time, and goes to the end of the queue then: a slow one harms no other.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from heliscore.domain.destination import Delivery, Destination, DestinationKind
from heliscore.domain.errors import Unavailable
from heliscore.jobs.disabling import disable
from heliscore.jobs.retry_schedule import delay_before
from heliscore.observability import metrics
from heliscore.outbound.http_client import Answer
from heliscore.outbound.messages import Message
from heliscore.outbound.messenger import Messenger
from heliscore.store import deliveries as store
from heliscore.store.connections.pool import Database
from heliscore.store.deliveries import Claim, DueDelivery

_log = logging.getLogger("heliscore")

Render = Callable[[Database, Destination, Delivery], Awaitable[Message | None]]
"""Makes the message of a delivery; None where its request was removed, and nothing is left to send."""

_PLACES: Final = 16
_TURN_S: Final = 10.0

_GONE: Final = 410
_GONE_REASON: Final = "the receiver answered 410: it is gone"
_DEAD_REASON: Final = "every delivery has failed for three days"
_DEFECT: Final = "a defect of the service, which its log describes"
_NOTHING_LEFT: Final = "the request was removed before it was sent"


class Sender:
    """Sends what is due whenever it is woken."""

    def __init__(
        self,
        database: Database,
        messenger: Messenger,
        renderers: Mapping[DestinationKind, Render],
        *,
        places: int = _PLACES,
    ) -> None:
        self._database = database
        self._messenger = messenger
        self._renderers = renderers
        self._free = places
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Say that something may be due."""
        self._woken.set()

    async def run(self) -> None:
        """Send until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                await self._woken.wait()
                self._woken.clear()
                for claim in await self._claim():
                    self._free -= 1
                    group.create_task(self._serve(claim))

    async def _claim(self) -> list[Claim]:
        if self._free == 0:
            return []  # the end of a turn wakes again
        try:
            async with self._database.connection() as connection:
                return await store.claim_destinations(connection, list(self._renderers), self._free)
        except Unavailable:
            return []  # the look that wakes waits for the database, too

    async def _serve(self, claim: Claim) -> None:
        """Send a destination's deliveries for the length of a turn, or until none is due."""
        end = time.monotonic() + _TURN_S
        try:
            while (due := await self._find_due(claim)) is not None:
                claim = due.claim
                await self._deliver(due)
                if time.monotonic() > end:
                    await self._release(claim)
                    break
        except Unavailable:
            pass  # the claim passes by itself
        finally:
            self._free += 1
            self.wake()

    async def _find_due(self, claim: Claim) -> DueDelivery | None:
        """Return the next delivery; None where none is due, or the claim was lost."""
        async with self._database.connection() as connection:
            due = await store.find_due(connection, claim)
            if isinstance(due, Claim):
                await store.release(connection, due)
                return None
        return due

    async def _release(self, claim: Claim) -> None:
        async with self._database.connection() as connection:
            await store.release(connection, claim)

    async def _deliver(self, due: DueDelivery) -> None:
        destination = due.destination
        try:
            message = await self._renderers[destination.kind](self._database, destination, due.delivery)
        except Unavailable:
            raise
        except Exception:
            # Not carried on with: the delivery is parked. The others must not suffer from it.
            _log.exception("delivery %s cannot be made", due.delivery.id)
            await self._note_failure(due, Answer(error=_DEFECT), is_last=True)
            return
        if message is None:
            await self._note_failure(due, Answer(error=_NOTHING_LEFT), is_last=True)
            return
        answer = await self._messenger.send(destination.address, message)
        if answer.error is None:
            async with self._database.connection() as connection:
                await store.settle_delivered(connection, due, answer.status)
            metrics.count_delivery("delivered")
        else:
            await self._note_failure(due, answer, is_last=answer.status == _GONE)

    async def _note_failure(self, due: DueDelivery, answer: Answer, *, is_last: bool) -> None:
        delay = None if is_last else delay_before(due.attempts + 2, random.random())  # noqa: S311
        destination, error = due.destination, answer.error or ""
        async with self._database.connection() as connection:
            state = await store.settle_failed(connection, due, answer.status, error, delay)
            if answer.status == _GONE:
                await disable(connection, destination, _GONE_REASON)
            elif state == "parked" and await store.is_dead(connection, destination):
                await disable(connection, destination, _DEAD_REASON)
        metrics.count_delivery("parked" if state == "parked" else "failed")
