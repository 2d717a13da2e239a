"""Stores requests with their scores and the past of these, as another service exported them.

Everything of a piece is one transaction, in which its requests are locked as every writer locks them: what is
written meanwhile is merged with by time, and never lost.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, Literal

import asyncpg
import msgspec

from heliscore.domain.author import Origin
from heliscore.domain.merged_changes import Arrival, Merged, merge_changes
from heliscore.domain.score_changes import Change
from heliscore.observability.event_loop import Turn
from heliscore.store.connections.pool import Connection
from heliscore.store.made_rows import MadeRows
from heliscore.store.score_history import make_change
from heliscore.store.scores import ScoreIds, array_literal
from heliscore.store.statements import load

_SQL: Final = load("import")

_RECORD_REQUESTS: Final = MadeRows(_SQL["record_requests"], "request_no")

_LINE_ERRORS: Final = (asyncpg.DataError, asyncpg.ProgramLimitExceededError)
"""Errors that one line can cause: a number with too many digits, say."""


class Import(msgspec.Struct, frozen=True):
    """One line: a request, and changes of its scores."""

    request_id: str
    columns: bytes
    """The request's row as JSON, by the names of the table's columns."""

    is_logged: bool
    """Whether more is known of the request than that it was scored."""

    updated_at: datetime
    changes: Mapping[str, Sequence[Arrival]]
    """By score name. `place` is the line's."""

    place: int


class Imported(msgspec.Struct, frozen=True):
    """What became of lines, by their places."""

    written: frozenset[int]
    """Those of which something was new."""

    unknown: frozenset[int]
    """Those that name a request that does not exist, where that is refused."""

    conflicts: Mapping[int, list[str]]
    """The scores of which another value of the same author and time is stored."""

    unstorable: Mapping[int, str] = {}
    """Why PostgreSQL cannot hold a line."""

    def __add__(self, other: Imported) -> Imported:
        return Imported(
            self.written | other.written,
            self.unknown | other.unknown,
            {**self.conflicts, **other.conflicts},
            {**self.unstorable, **other.unstorable},
        )


NOTHING: Final = Imported(frozenset(), frozenset(), {})


class _Row(msgspec.Struct, frozen=True):
    """A change to be written."""

    request_no: int
    name_id: int
    change: Change
    place: Literal["present", "past", "aside"]


async def ensure_ids(
    connection: Connection, ids: ScoreIds, organization_id: int, lines: Iterable[Import]
) -> None:
    """Make ids for the names and origins of lines: not in a transaction."""
    names: set[str] = set()
    origins: set[Origin] = set()
    for line in lines:
        names.update(line.changes)
        for arrivals in line.changes.values():
            origins.update(arrival.change.origin for arrival in arrivals if arrival.change.origin is not None)
    await ids.names.ensure(connection, organization_id, names)
    await ids.origins.ensure(connection, organization_id, origins)


async def record(
    connection: Connection,
    ids: ScoreIds,
    organization_id: int,
    lines: Sequence[Import],
    *,
    human_first: Collection[str],
    accept_unknown: bool,
) -> Imported:
    """Store lines in one transaction; their names and origins have ids. `human_first`: the names of scores of
    which a human's value stays. Where PostgreSQL cannot hold one of them, each has a transaction."""

    try:
        async with connection.transaction():
            return await _record(connection, ids, organization_id, lines, human_first, accept_unknown)
    except _LINE_ERRORS as error:
        if len(lines) == 1:
            return msgspec.structs.replace(NOTHING, unstorable={lines[0].place: str(error)})
    total = NOTHING
    for line in lines:
        total += await record(
            connection,
            ids,
            organization_id,
            [line],
            human_first=human_first,
            accept_unknown=accept_unknown,
        )
    return total


async def _record(
    connection: Connection,
    ids: ScoreIds,
    organization_id: int,
    lines: Sequence[Import],
    human_first: Collection[str],
    accept_unknown: bool,
) -> Imported:
    newest = _newest_of_each(lines)
    encoded = b"[%s]" % b",".join(line.columns for line in newest.values())
    arguments = organization_id, encoded.decode(), accept_unknown
    rows = await connection.fetch(_RECORD_REQUESTS.on(connection), *arguments)
    changed = {request_id: is_new for _, request_id, is_new in rows}
    if len(rows) < len(newest):
        rows = await connection.fetch(_SQL["find_requests"], organization_id, list(newest))
    numbers = {row[1]: row[0] for row in rows}
    replaced = [numbers[request_id] for request_id, is_new in changed.items() if not is_new]
    if replaced:
        await connection.execute(_SQL["retime_scores"], organization_id, replaced)
    old = [number for request_id, number in numbers.items() if not changed.get(request_id)]
    merged = await _merge(connection, organization_id, lines, numbers, old, human_first)
    await _write(connection, ids, organization_id, merged)
    return _result(lines, newest, changed, numbers, merged)


def _newest_of_each(lines: Sequence[Import]) -> dict[str, Import]:
    newest: dict[str, Import] = {}
    for line in lines:
        known = newest.get(line.request_id)
        if known is None or (known.is_logged, known.updated_at) < (line.is_logged, line.updated_at):
            newest[line.request_id] = line
    return newest


_Scores = dict[tuple[int, str], Merged]
"""By number of the request and name."""


async def _merge(
    connection: Connection,
    organization_id: int,
    lines: Sequence[Import],
    numbers: Mapping[str, int],
    old: Sequence[int],
    human_first: Collection[str],
) -> _Scores:
    present, past = await _find_changes(connection, organization_id, old)
    arrived: dict[tuple[int, str], list[Arrival]] = {}
    for line in lines:
        if (number := numbers.get(line.request_id)) is not None:
            for name, arrivals in line.changes.items():
                arrived.setdefault((number, name), []).extend(arrivals)
    merged, turn = {}, Turn()
    for score, arrivals in arrived.items():
        stays = score[1] in human_first
        merged[score] = merge_changes(present.get(score), past.get(score, ()), arrivals, human_stays=stays)
        await turn.give_way()
    return merged


async def _find_changes(
    connection: Connection, organization_id: int, numbers: Sequence[int]
) -> tuple[dict[tuple[int, str], Change], dict[tuple[int, str], list[Change]]]:
    present: dict[tuple[int, str], Change] = {}
    past: dict[tuple[int, str], list[Change]] = {}
    rows = await connection.fetch(_SQL["find_changes"], organization_id, numbers) if numbers else []
    for number, name, is_present, *columns in rows:
        change = make_change(*columns)
        if is_present:
            present[number, name] = change
        else:
            past.setdefault((number, name), []).append(change)
    return present, past


async def _write(connection: Connection, ids: ScoreIds, organization_id: int, merged: _Scores) -> None:
    names = await ids.names.find(connection, organization_id, {name for _, name in merged})
    removed = [(number, names[name]) for (number, name), one in merged.items() if one.is_removed]
    if removed:
        await connection.execute(
            _SQL["remove_scores"], organization_id, [one for one, _ in removed], [one for _, one in removed]
        )
    rows = [row for (number, name), one in sorted(merged.items()) for row in _rows(number, names[name], one)]
    if rows:
        origins = {row.change.origin for row in rows if row.change.origin is not None}
        origin_ids = await ids.origins.find(connection, organization_id, origins)
        await connection.execute(_SQL["record_changes"], organization_id, *_columns(rows, origin_ids))
    taken_back = [
        (number, names[name], change.at, change.taken_back_at)
        for (number, name), one in merged.items()
        for change in one.taken_back
    ]
    if taken_back:
        columns = ([row[place] for row in taken_back] for place in range(4))
        await connection.execute(_SQL["take_back"], organization_id, *columns)


def _rows(number: int, name_id: int, merged: Merged) -> Iterable[_Row]:
    if merged.present is not None:
        yield _Row(number, name_id, merged.present, "present")
    for change in merged.past:
        yield _Row(number, name_id, change, "aside" if change.is_aside else "past")


def _columns(rows: Sequence[_Row], origin_ids: Mapping[Origin, int]) -> tuple[object, ...]:
    changes = [row.change for row in rows]
    return (
        array_literal([row.request_no for row in rows]),
        array_literal([row.name_id for row in rows]),
        [None if change.score is None else change.score.value for change in changes],
        array_literal([change.score is not None and change.score.is_boolean for change in changes]),
        [None if change.origin is None else origin_ids[change.origin] for change in changes],
        [change.at for change in changes],
        [change.comment for change in changes],
        [change.taken_back_at for change in changes],
        [row.place for row in rows],
    )


def _result(
    lines: Sequence[Import],
    newest: Mapping[str, Import],
    changed: Collection[str],
    numbers: Mapping[str, int],
    merged: _Scores,
) -> Imported:
    written = {newest[request_id].place for request_id in changed}
    conflicts: dict[int, list[str]] = {}
    for (_, name), one in merged.items():
        written.update(one.taken)
        for arrival in one.conflicts:
            conflicts.setdefault(arrival.place, []).append(name)
    unknown = frozenset(line.place for line in lines if line.request_id not in numbers)
    return Imported(frozenset(written), unknown, conflicts)
