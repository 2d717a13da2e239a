"""Decides who gets the next connection, so that no organization takes all of them.

An organization may hold a connection while enough others stay free (`domain.fair_shares`); beyond that its
calls wait in a queue. A connection that becomes free goes to the organization that holds the fewest. The
organizations of one node of a cluster together are held to the same: it may not answer.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Final

from heliscore.domain.errors import Unavailable
from heliscore.domain.fair_shares import may_take

organization: Final[ContextVar[int | None]] = ContextVar("organization", default=None)
"""For whom the current call works. Set where its key is found; what the service does for itself is None's."""

NodeOf = Callable[[int], int | None]
"""The node of an organization in a cluster, where it is known."""


def no_node(_: int) -> int | None:
    """A single PostgreSQL has no nodes."""
    return None


_CROWDED: Final = "too many calls wait for the database, please try again"

_MEAN_OF: Final = 16
_MAX_COUNTED_S: Final = 3.0


class _Share:
    """The connections of one organization, and its calls that wait."""

    __slots__ = ("held", "holder", "mean_held_s", "node", "waiting")

    def __init__(self, holder: int | None, node: int | None) -> None:
        self.holder = holder
        self.node = node
        self.held = 0
        self.waiting: deque[asyncio.Future[None]] = deque()
        self.mean_held_s = 0.0


class FairQueue:
    """The places of a pool."""

    def __init__(
        self, size: int, max_expected_wait_s: float, *, is_fair: bool, node_of: NodeOf = no_node
    ) -> None:
        """Without `is_fair` all calls count as the service's."""
        self._node_of = node_of
        self._held_of: dict[int, int] = {}
        """By node."""

        self._free = size
        self._is_fair = is_fair
        self._max_expected_wait_s = max_expected_wait_s
        self._shares: dict[int | None, _Share] = {}

    def raise_if_crowded(self) -> None:
        """Raise Unavailable where the organization's next call would have to wait too long."""
        share = self._shares.get(self._holder())
        if share is None or not share.waiting:
            return
        if len(share.waiting) * share.mean_held_s > self._max_expected_wait_s * max(share.held, 1):
            raise Unavailable(_CROWDED)

    def _holder(self) -> int | None:
        return organization.get() if self._is_fair else None

    @asynccontextmanager
    async def place(self, timeout_s: float) -> AsyncIterator[None]:
        """Have a place until the block ends. Raises Unavailable."""
        self.raise_if_crowded()
        holder = self._holder()
        if (share := self._shares.get(holder)) is None:
            node = None if holder is None else self._node_of(holder)
            share = self._shares[holder] = _Share(holder, node)
        if not share.waiting and self._may_take(share):
            self._hold(share, 1)
        else:
            await self._wait(share, timeout_s)
        begun = time.monotonic()
        try:
            yield
        finally:
            # Capped: an upload may keep its place for long, which says nothing about other calls.
            held_s = min(time.monotonic() - begun, _MAX_COUNTED_S)
            share.mean_held_s += (held_s - share.mean_held_s) / _MEAN_OF
            self._give_back(share)
            if not share.held and not share.waiting and self._shares.get(holder) is share:
                del self._shares[holder]

    def _may_take(self, share: _Share) -> bool:
        if share.holder is None:
            return self._free > 0
        return may_take(share.held, 1, self._free) and (
            share.node is None or may_take(self._held_of.get(share.node, 0), 1, self._free)
        )

    def _give_back(self, share: _Share) -> None:
        self._hold(share, -1)
        self._hand_on()

    def _hold(self, share: _Share, more: int) -> None:
        share.held += more
        self._free -= more
        if share.node is not None:
            self._held_of[share.node] = self._held_of.get(share.node, 0) + more

    async def _wait(self, share: _Share, timeout_s: float) -> None:
        turn = asyncio.get_running_loop().create_future()
        share.waiting.append(turn)
        try:
            async with asyncio.timeout(timeout_s):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self._give_back(share)
            elif turn in share.waiting:
                share.waiting.remove(turn)
            if isinstance(error, TimeoutError):
                raise Unavailable(_CROWDED) from None
            raise

    def _hand_on(self) -> None:
        """Give what is free to those who wait, the organization with the fewest first."""
        while entitled := [s for s in self._shares.values() if s.waiting and self._may_take(s)]:
            share = min(entitled, key=lambda share: share.held)
            turn = share.waiting.popleft()
            if not turn.done():  # a call that was given up has not run since
                self._hold(share, 1)
                turn.set_result(None)

    @property
    def waiting(self) -> int:
        """Calls that wait."""
        return sum(len(share.waiting) for share in self._shares.values())
