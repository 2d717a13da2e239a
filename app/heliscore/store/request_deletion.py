"""Deletes the requests that a filter finds, with their scores, history and comments, if there are as many as
was confirmed.

The requests are found by one statement, and no others are deleted: not those that begin to match meanwhile,
and of those found not those that match no longer. A score that is posted to a request that is being deleted
waits for the batch, and then begins the request anew.
"""

from __future__ import annotations

import re
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from typing import Final

import msgspec

from heliscore.domain.audit import Actor
from heliscore.domain.deletion import Deleted, check_count
from heliscore.domain.filter_subjects import name_subjects
from heliscore.domain.filter_tree import Filter
from heliscore.store.audit_entries import GrowingEntry
from heliscore.store.connections.hash_joins import joined_by_hash
from heliscore.store.connections.pool import Connection, Database
from heliscore.store.deliveries import find_matching
from heliscore.store.request_steps import BATCH, lock_requests, rest
from heliscore.store.scores import ScoreNames, erase_scores
from heliscore.store.search.compiler import compile_requests
from heliscore.store.search.search_statements import is_by_hash
from heliscore.store.search.selectivity import ALL, choose_start
from heliscore.store.statements import load

_SQL = load("deletion")

MAX_FOUND: Final = 100_000
"""Requests of one call: their numbers are held in memory."""

_PROMPTLAYER_ID: Final = re.compile(r"[0-9]{13,16}")
"""What PromptLayer's log calls are given."""


class Found(msgspec.Struct, frozen=True):
    """The requests that a filter finds."""

    requests: int
    numbers: list[int]
    """Of the first of them."""


class Wanted(msgspec.Struct, frozen=True):
    """Which requests are to be deleted, how many they were when that was confirmed, and by whom."""

    organization_id: int
    filter: Filter
    expected: int
    by: Actor


async def find(connection: Connection, names: ScoreNames, organization_id: int, tree: Filter) -> Found:
    """Find the requests that match."""
    start = await choose_start(connection, names, organization_id, tree, ALL)
    if start is None:
        return Found(0, [])
    by_hash = await is_by_hash(connection, organization_id, tree, start)
    compiled = compile_requests(tree, start.name_ids, 3, start.scores, by_hash=by_hash)
    statement = compiled.fill(_SQL["find"])
    async with AsyncExitStack() as stack:
        if by_hash:
            await stack.enter_async_context(joined_by_hash(connection))
        rows = await connection.fetch(statement, organization_id, MAX_FOUND, *compiled.arguments)
    return Found(*rows[0])


async def count(
    connection: Connection, names: ScoreNames, organization_id: int, tree: Filter
) -> tuple[int, Deleted | None]:
    """Count the requests that match, and what there is of them; None where there are too many for that."""
    found = await find(connection, names, organization_id, tree)
    if found.requests > len(found.numbers):
        return found.requests, None
    row = await connection.fetchrow(_SQL["count"], organization_id, found.numbers)
    return found.requests, Deleted(found.requests, *(row or ()))


class RequestDeletion:
    """The deletion of at most MAX_FOUND requests."""

    def __init__(self, database: Database, names: ScoreNames, wanted: Wanted) -> None:
        self._database = database
        self._names = names
        self._wanted = wanted
        subject = {"filter": name_subjects(wanted.filter)}
        self._entry = GrowingEntry(wanted.organization_id, wanted.by, "requests.deleted", subject)
        self._gone: list[int] = []

    async def batches(self) -> AsyncGenerator[tuple[Deleted, int], None]:
        """Delete, and yield after each batch how much that was, and how many requests are left of those that
        were confirmed.

        Raises Conflict before anything is deleted where another number is found than was expected, and
        Unavailable, also where a request is locked for long; what was done until then stays.
        """
        wanted, left = self._wanted, self._wanted.expected
        async with self._database.connection() as connection:
            found = await find(connection, self._names, wanted.organization_id, wanted.filter)
        check_count(found.requests, left, "requests that the filter finds")
        for start in range(0, len(found.numbers), BATCH):
            begun, batch = time.monotonic(), found.numbers[start : start + BATCH]
            async with self._database.connection() as connection:
                deleted = await self._delete(connection, batch)
            left -= len(batch)
            yield deleted, left
            await rest(begun)

    async def _delete(self, connection: Connection, numbers: list[int]) -> Deleted:
        """Delete those of some requests that still match."""
        organization_id, tree = self._wanted.organization_id, self._wanted.filter
        async with connection.transaction():
            await lock_requests(connection, organization_id, numbers)
            # A statement after the lock: it sees what that waited for.
            matching = sorted(await find_matching(connection, self._names, organization_id, tree, numbers))
            if not matching:
                return Deleted()
            rows = await connection.fetch(_SQL["remove_requests"], organization_id, matching)
            deleted = await erase_scores(connection, organization_id, matching)
            if logged := [int(id_) for (id_,) in rows if _PROMPTLAYER_ID.fullmatch(id_)]:
                await connection.execute(_SQL["remove_log_calls"], organization_id, logged)
            await self._entry.add(connection, msgspec.to_builtins(deleted))
        self._gone += matching
        return deleted

    async def remove_events(self) -> None:
        """Remove the events of the requests that were deleted. Where this is left out, they are handed out no
        more all the same, and go with the others after an hour."""
        if self._gone:
            async with self._database.connection() as connection:
                await connection.execute(_SQL["remove_events"], self._wanted.organization_id, self._gone)
