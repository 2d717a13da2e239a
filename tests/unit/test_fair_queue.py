"""Who gets the next connection of a pool."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import AsyncExitStack

import pytest
from heliscore.domain.errors import Unavailable
from heliscore.domain.fair_shares import may_take
from heliscore.store.connections.fair_queue import FairQueue, organization
from hypothesis import given
from hypothesis import strategies as st

SIZE = 10
SOON_S = 0.02


def make_queue(size: int = SIZE, *, is_fair: bool = True) -> FairQueue:
    return FairQueue(size, 60, is_fair=is_fair)


async def hold(queue: FairQueue, holder: int | None, until: asyncio.Event, timeout_s: float = 30) -> None:
    organization.set(holder)
    async with queue.place(timeout_s):
        await until.wait()


async def take_all(queue: FairQueue, holder: int | None, stack: AsyncExitStack) -> int:
    """Take places for an organization until it would have to wait, and return how many they were."""
    organization.set(holder)
    for taken in range(SIZE + 1):
        try:
            await stack.enter_async_context(queue.place(SOON_S))
        except Unavailable:
            return taken
    raise AssertionError("more places than there are")


async def test_each_organization_leaves_some_to_the_next() -> None:
    queue = make_queue()
    async with AsyncExitStack() as stack:
        assert [await take_all(queue, holder, stack) for holder in (1, 2, 3, 4)] == [7, 2, 1, 0]


async def test_the_service_itself_and_a_queue_that_is_not_fair_may_take_all() -> None:
    for queue, holder in (make_queue(), None), (make_queue(is_fair=False), 1):
        async with AsyncExitStack() as stack:
            assert await take_all(queue, holder, stack) == SIZE


async def test_a_single_place_can_be_taken() -> None:
    async with AsyncExitStack() as stack:
        assert await take_all(make_queue(1), 1, stack) == 1


async def test_next_place_goes_to_who_holds_the_fewest() -> None:
    queue, order = make_queue(2), []

    async def call(holder: int) -> None:
        organization.set(holder)
        async with queue.place(30):
            order.append(holder)
            await asyncio.sleep(0)

    over = asyncio.Event()
    greedy = [asyncio.create_task(hold(queue, 1, over)) for _ in range(2)]
    await asyncio.sleep(0)
    waiting = [asyncio.create_task(call(holder)) for holder in (1, 1, 1, 2)]
    await asyncio.sleep(0)
    assert queue.waiting == 4
    greedy[0].cancel()
    await asyncio.sleep(SOON_S)
    assert order[0] == 2
    over.set()
    await asyncio.gather(*waiting, greedy[1])
    assert Counter(order) == {1: 3, 2: 1}
    assert queue.waiting == 0


async def test_crowd_of_one_organization_is_refused_and_another_is_not() -> None:
    queue, over = FairQueue(3, 0.0, is_fair=True), asyncio.Event()
    organization.set(1)
    async with queue.place(1):
        await asyncio.sleep(SOON_S)
        calls = [asyncio.create_task(hold(queue, 1, over)) for _ in range(3)]
        await asyncio.sleep(0)
        over.set()
        await asyncio.sleep(SOON_S)
        again = asyncio.Event()
        calls = [asyncio.create_task(hold(queue, 1, again)) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(Unavailable, match="too many calls wait"):
            queue.raise_if_crowded()
        organization.set(2)
        queue.raise_if_crowded()
        again.set()
        await asyncio.gather(*calls, return_exceptions=True)


async def test_call_that_is_given_up_leaves_its_place_to_others() -> None:
    queue, over = make_queue(1), asyncio.Event()
    holding = asyncio.create_task(hold(queue, 1, over))
    await asyncio.sleep(0)
    given_up = [asyncio.create_task(hold(queue, 1, over)) for _ in range(3)]
    served = asyncio.create_task(hold(queue, 2, over))
    await asyncio.sleep(0)
    for task in given_up:
        task.cancel()
    over.set()
    await asyncio.gather(holding, served)
    assert [task.cancelled() for task in await _ended(given_up)] == [True] * 3
    organization.set(3)
    async with queue.place(1):
        pass


async def _ended(tasks: list[asyncio.Task[None]]) -> list[asyncio.Task[None]]:
    await asyncio.wait(tasks)
    return tasks


@given(st.lists(st.integers(0, 3), max_size=60), st.integers(1, 12))
def test_shares_never_exceed_what_there_is(takers: list[int], size: int) -> None:
    """Whoever comes first in whatever order: the sum is bounded, and a newcomer finds a place while one
    is free."""
    held: Counter[int] = Counter()
    for taker in takers:
        free = size - held.total()
        if may_take(held[taker], 1, free):
            held[taker] += 1
        else:
            assert held[taker] > 0 or free == 0
    assert held.total() <= size


async def test_organizations_of_one_node_leave_some_to_those_of_the_others() -> None:
    queue = FairQueue(SIZE, 60, is_fair=True, node_of=lambda holder: holder % 2)
    async with AsyncExitStack() as stack:
        # 2, 4 and 6 are of one node: together they may hold as many as a single one.
        assert [await take_all(queue, holder, stack) for holder in (2, 4, 6, 1)] == [7, 0, 0, 2]
    async with AsyncExitStack() as stack:
        assert await take_all(queue, 4, stack) == 7
