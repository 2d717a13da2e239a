"""Takes back what an author wrote in some time, in steps over the requests in order of their numbers.

Each step is one transaction that locks its requests as every writer does, and only then reads their changes:
what another taking back has taken back meanwhile is not found again.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from datetime import datetime
from itertools import groupby
from operator import itemgetter

import msgspec
from asyncpg import Record

from heliscore.domain.audit import COMMAND, Actor
from heliscore.domain.author import Origin
from heliscore.domain.filter_subjects import name_subjects
from heliscore.domain.filter_tree import score_names
from heliscore.domain.revert import Reverted, Wanted
from heliscore.domain.score_changes import (
    Change,
    find_remaining,
    find_taken_back,
    goes_back,
    make_origin_of_copy,
)
from heliscore.domain.times import exactly_now
from heliscore.observability.event_loop import Turn
from heliscore.store.audit_entries import GrowingEntry
from heliscore.store.connections.pool import Connection, Database
from heliscore.store.request_steps import BATCH, LONGEST, SHORTEST, find_end, lock_requests, rest
from heliscore.store.score_history import PutBack, columns_of, make_change, put_back
from heliscore.store.score_history import take_back as take_back_changes
from heliscore.store.scores import ScoreIds
from heliscore.store.search.compiler import compile_condition
from heliscore.store.search.slots import Compiled
from heliscore.store.statements import load

_SQL = load("score_revert")


class _Scope(msgspec.Struct, frozen=True):
    """The numbers by which changes are found."""

    origins: list[int]
    copies: list[int]
    name_ids: list[int] | None
    find: Compiled
    changes: Compiled


class _Score(msgspec.Struct, frozen=True):
    """A score that goes back."""

    request_no: int
    name_id: int
    name: str
    remaining: Change | None
    origin: Origin


class _Plan(msgspec.Struct, frozen=True):
    """What a step does."""

    scores: list[_Score] = []
    marks: list[tuple[int, int, datetime]] = []
    """The changes that are taken back: number of the request, name, time."""

    @property
    def origins(self) -> set[Origin]:
        return {score.origin for score in self.scores}

    def count(self) -> Reverted:
        return Reverted(len({number for number, _, _ in self.marks}), len(self.scores), len(self.marks))


async def take_back(
    database: Database,
    ids: ScoreIds,
    wanted: Wanted,
    caller: Origin,
    *,
    after: int = 0,
    is_dry: bool = False,
    by: Actor = COMMAND,
) -> AsyncGenerator[tuple[Reverted, int | None], None]:
    """Take back from the request number `after` on, and yield after each step how much it took back, and the
    number after which the next one begins, None at the end. `is_dry`: write nothing. `by` is who does, for
    the audit.

    Raises Unavailable, also where a request is locked for long; what was done until then stays.
    """
    async with database.connection() as connection:
        scope = await _find_scope(connection, ids, wanted)
    taking = _TakingBack(ids, wanted, caller, scope, by, is_dry=is_dry)
    position: int | None = after if scope.origins and scope.name_ids != [] else None
    width = SHORTEST
    if position is None:
        yield Reverted(), None
    while position is not None:
        begun = time.monotonic()
        async with database.connection() as connection:
            taken, position = await taking.step(connection, position, width)
        yield taken, position
        if taken.taken_back:
            width = SHORTEST
            await rest(begun)
        else:
            width = min(2 * width, LONGEST)


async def _find_scope(connection: Connection, ids: ScoreIds, wanted: Wanted) -> _Scope:
    organization_id, author = wanted.organization_id, wanted.author
    origins = await connection.fetch(
        _SQL["find_origins"], organization_id, author.kind, author.name, author.version, wanted.all_versions
    )
    found = await ids.names.find(
        connection, organization_id, score_names(wanted.filter) | set(wanted.names or ())
    )
    return _Scope(
        origins=[id_ for id_, _ in origins],
        copies=[id_ for id_, is_copy in origins if is_copy],
        name_ids=None
        if wanted.names is None
        else [found[name] for name in set(wanted.names) if name in found],
        find=compile_condition(wanted.filter, found, 10),
        changes=compile_condition(wanted.filter, found, 5),
    )


class _TakingBack:
    def __init__(
        self, ids: ScoreIds, wanted: Wanted, caller: Origin, scope: _Scope, by: Actor, *, is_dry: bool
    ) -> None:
        self._ids = ids
        self._wanted = wanted
        self._caller = caller
        self._scope = scope
        self._is_dry = is_dry
        subject = {
            "author": str(wanted.author),
            "scores": wanted.names,
            "filter": name_subjects(wanted.filter),
        }
        self._entry = GrowingEntry(wanted.organization_id, by, "scores.reverted", subject)

    async def step(self, connection: Connection, after: int, width: int) -> tuple[Reverted, int | None]:
        end = await find_end(connection, after, width)
        if end is None:
            return Reverted(), None
        wanted, scope = self._wanted, self._scope
        times = wanted.since, wanted.until
        fixed = (
            wanted.organization_id,
            after,
            end,
            scope.origins,
            scope.name_ids,
            *times,
            scope.copies,
            BATCH,
        )
        found = await _find(connection, scope.find, *fixed)
        numbers = [number for number, matches in found if matches]
        taken = await self._take_back(connection, numbers) if numbers else Reverted()
        return taken, found[-1][0] if len(found) == BATCH else end

    async def _take_back(self, connection: Connection, numbers: list[int]) -> Reverted:
        if self._is_dry:
            return (await self._plan(connection, numbers)).count()
        organization_id, origins = self._wanted.organization_id, self._ids.origins
        while True:
            async with connection.transaction():
                await lock_requests(connection, organization_id, numbers)
                plan = await self._plan(connection, numbers)
                puts = await self._put_backs(connection, plan)
                if len(await origins.find(connection, organization_id, plan.origins)) == len(plan.origins):
                    await self._write(connection, plan, puts)
                    return plan.count()
            # Outside the transaction, which has written nothing: the ids are remembered.
            await origins.ensure(connection, organization_id, plan.origins)

    async def _plan(self, connection: Connection, numbers: list[int]) -> _Plan:
        scope = self._scope
        fixed = self._wanted.organization_id, numbers, scope.origins, scope.name_ids
        rows = await _fetch_changes(connection, scope.changes, *fixed)
        plan, turn = _Plan([], []), Turn()
        for (number, name_id, name), group in groupby(rows, itemgetter(0, 1, 2)):
            changes = [make_change(*row[3:]) for row in group]
            taken = {change.at for change in find_taken_back(changes, self._wanted.covers)}
            plan.marks.extend((number, name_id, at) for at in taken)
            if goes_back(changes, taken):
                remaining = find_remaining(changes, taken)
                origin = make_origin_of_copy(remaining, self._caller)
                plan.scores.append(_Score(number, name_id, name, remaining, origin))
            await turn.give_way()
        return plan

    async def _put_backs(self, connection: Connection, plan: _Plan) -> list[PutBack]:
        organization_id = self._wanted.organization_id
        restored = [
            (score.request_no, score.name_id, score.remaining.at)
            for score in plan.scores
            if score.remaining is not None and score.remaining.score is not None
        ]
        rows = await connection.fetch(_SQL["comments"], organization_id, *columns_of(restored))
        comments = {(number, name_id): comment for number, name_id, comment in rows}
        return [
            PutBack(
                score.request_no,
                score.name,
                None if score.remaining is None else score.remaining.score,
                score.origin,
                comments.get((score.request_no, score.name_id)),
            )
            for score in plan.scores
        ]

    async def _write(self, connection: Connection, plan: _Plan, puts: list[PutBack]) -> None:
        organization_id, at = self._wanted.organization_id, exactly_now()
        await put_back(connection, self._ids, organization_id, puts, at)
        await take_back_changes(connection, organization_id, plan.marks, at)
        await self._entry.add(connection, msgspec.to_builtins(plan.count()))


async def _find(connection: Connection, compiled: Compiled, *fixed: object) -> list[Record]:
    return await connection.fetch(compiled.fill(_SQL["find"]), *fixed, *compiled.arguments)


async def _fetch_changes(connection: Connection, compiled: Compiled, *fixed: object) -> list[Record]:
    return await connection.fetch(compiled.fill(_SQL["changes"]), *fixed, *compiled.arguments)
