"""Read all requests that a filter finds, in order and of one moment, batch by batch.

A cursor goes through the numbers of the requests; for each batch of them, one statement reads their columns,
one their scores, and so on. So what is sorted is small, whatever the order, no statement looks for scores
request by request, and a batch is bounded before its bodies are read.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import datetime
from typing import Any, Final

import msgspec

from heliscore.domain.export_columns import (
    HISTORY,
    SCORE_DETAILS,
    SCORES,
)
from heliscore.domain.filter_tree import NEWEST_FIRST, AllOf, Exists, Filter, Not, Sort
from heliscore.domain.filter_tree import Score as ScoreSubject
from heliscore.store.connections.hash_joins import planned_by_hash
from heliscore.store.connections.pool import Connection
from heliscore.store.export_slots import make_columns, make_members
from heliscore.store.scores import ScoreNames
from heliscore.store.search.arguments import Arguments
from heliscore.store.search.page_order import Position
from heliscore.store.search.score_order import SubQuery
from heliscore.store.search.search_statements import StatementChooser
from heliscore.store.statements import fill, load

_SQL = load("export")

_FIRST_BATCH: Final = 100
_BATCH: Final = 500
"""Requests at most: with five scores each, to decode and write so many takes 7 ms, and 1,000 take 12 ms."""

_MAX_CHANGES: Final = 20_000
"""Values of scores, of which a request may have any number in its history: batches are made for so many."""

_MAX_BATCH_BYTES: Final = 2 * 1024 * 1024
"""On disk, where bodies are compressed: to about a quarter where they are text."""

_MAX_LABELS: Final = 20_000
_LARGE: Final = ("prompt_variables", "promptlayer", "request_body", "response_body")


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """The rows and columns of an export."""

    organization_id: int
    tree: Filter
    sort: Sort
    after: Position | None = None
    columns: tuple[str, ...]
    """Of the request, and SCORES, SCORE_DETAILS and HISTORY."""

    scores: tuple[str, ...] | None = None
    """The names of the scores; None: all."""

    as_lines: bool
    """Whether a request comes as the members of a JSON object, instead of values."""


class Changes(msgspec.Struct, frozen=True, array_like=True):
    """Some values of one request's scores, in parallel lists."""

    name_ids: list[int]
    origin_ids: list[int]
    """0: not known."""

    values: list[str]
    """JSON."""

    times: list[str]
    ends: Sequence[str] | None = None
    """Further members of the JSON object of each."""


class Labels(msgspec.Struct, frozen=True):
    """The JSON that the small numbers stand for, in `Changes`."""

    names: dict[int, str]
    """A key with its colon."""

    origins: dict[int, tuple[str, str]]
    """Members of an object, each with its comma: the author, and what is known of the call."""


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """Some requests in order, as parallel lists. Those that were not asked for are empty."""

    positions: list[Position]
    numbers: list[int]
    requests: list[tuple[Any, ...]]
    """The values of columns, or only the line."""

    values: Mapping[int, tuple[list[int], list[int]]]
    """Ids of names and values, by the request's number."""

    scores: Mapping[int, Changes]
    history: Mapping[int, Changes]
    comments: Mapping[tuple[int, int, str], str]
    """By the request's number, the id of the name and the time."""

    labels: Labels


class Export:
    """One export, within a transaction that the caller has begun: REPEATABLE READ, READ ONLY."""

    def __init__(self, connection: Connection, names: ScoreNames, selection: Selection) -> None:
        self._connection = connection
        self._names = names
        self._selection = selection
        self._labels = Labels({}, {0: ("", "")})
        self._name_ids: list[int] | None = None
        self._step = min(_FIRST_BATCH, _BATCH)

    async def read(self) -> AsyncGenerator[Batch, None]:
        """Yield all batches."""
        selection = self._selection
        if selection.scores is not None:
            found = await self._names.find(self._connection, selection.organization_id, selection.scores)
            self._name_ids = list(found.values())
        for part in _parts(selection):
            async for places in self._places(part):
                batch = await self._read_batch(places, part)
                self._step = min(2 * self._step, _BATCH, _room(batch))
                yield batch

    async def _places(self, part: SubQuery) -> AsyncGenerator[list[_Place], None]:
        chooser = StatementChooser(self._connection, self._names, self._selection.organization_id)
        statement = await chooser.whole(part.tree, part.sort, part.after)
        if statement is None:
            return
        sql = statement.compiled.fill(fill(_SQL["place"], size=self._size()))
        async with AsyncExitStack() as stack:
            if statement.by_hash:
                await stack.enter_async_context(planned_by_hash(self._connection))
            cursor = await self._connection.cursor(sql, *statement.arguments, *statement.compiled.arguments)
            found = await cursor.fetch(self._step)
        while found:
            for places in _bounded(map(tuple, found)):
                yield places
            found = await cursor.fetch(self._step)

    def _size(self) -> str:
        large = [name for name in _LARGE if name in self._selection.columns]
        return " + ".join(f"coalesce(pg_column_size(r.{name}), 0)" for name in large) or "0"

    async def _read_batch(self, places: list[_Place], part: SubQuery) -> Batch:
        numbers = [place[0] for place in places]
        columns = self._selection.columns
        is_sorted = part.sort == self._selection.sort
        requests = await self._read_requests(numbers)
        scores = await self._read_changes("read_scores", numbers) if self._wants_scores else {}
        history = await self._read_changes("read_history", numbers) if HISTORY in columns else {}
        comments = await self._read("read_comments", numbers) if scores or history else ()
        has_values = SCORES in columns and not self._selection.as_lines
        values = await self._read("read_values", numbers, self._name_ids) if has_values else ()
        await self._find_labels([*scores.values(), *history.values()])
        return Batch(
            positions=[Position(value if is_sorted else None, at, id_) for _, _, value, at, id_ in places],
            numbers=numbers,
            requests=[requests[number] for number in numbers],
            values={number: (ids, found) for number, ids, found in values},
            scores=scores,
            history=history,
            comments={(number, name_id, at): comment for number, name_id, at, comment in comments},
            labels=self._labels,
        )

    @property
    def _wants_scores(self) -> bool:
        columns = self._selection.columns
        return SCORE_DETAILS in columns or (SCORES in columns and self._selection.as_lines)

    async def _read_requests(self, numbers: list[int]) -> dict[int, tuple[Any, ...]]:
        arguments = Arguments(3)
        if self._selection.as_lines:
            statement = fill(_SQL["read_lines"], members=make_members(self._selection.columns))
        else:
            columns = make_columns(self._selection.columns, arguments)
            statement = fill(_SQL["read_columns"], columns=columns)
        own = self._selection.organization_id, numbers
        rows = await self._connection.fetch(statement, *own, *arguments.all())
        return {row[0]: tuple(row)[1:] for row in rows}

    async def _read_changes(self, verb: str, numbers: list[int]) -> dict[int, Changes]:
        rows = await self._read(verb, numbers, self._name_ids)
        return {number: Changes(*changes) for number, *changes in rows}

    async def _read(self, verb: str, numbers: list[int], *more: object) -> list[Any]:
        return await self._connection.fetch(_SQL[verb], self._selection.organization_id, numbers, *more)

    async def _find_labels(self, some: Sequence[Changes]) -> None:
        names, origins = self._labels.names, self._labels.origins
        if len(names) + len(origins) > _MAX_LABELS:  # batches that are being written have the old ones
            names, origins = {}, {0: ("", "")}
            self._labels = Labels(names, origins)
        new_names = set().union(*(changes.name_ids for changes in some)) - names.keys()
        new_origins = set().union(*(changes.origin_ids for changes in some)) - origins.keys()
        if new_names:
            names.update(map(tuple, await self._read("find_names", list(new_names))))
        if new_origins:
            found = await self._read("find_origins", list(new_origins))
            origins.update({id_: (author, call) for id_, author, call in found})


_Place = tuple[int, int, Any, datetime, str]
"""Number, size in bytes, sort value, time and id of a request."""


def _parts(selection: Selection) -> Iterator[SubQuery]:
    """The searches whose rows, one after the other, are those of the export: requests without the score that
    they are sorted by come last, in order of time."""
    tree, sort, after = selection.tree, selection.sort, selection.after
    if not isinstance(sort.subject, ScoreSubject):
        yield SubQuery(tree, sort, after)
        return
    is_behind = after is not None and after.value is None
    if not is_behind:
        yield SubQuery(AllOf((Exists(sort.subject), tree)), sort, after)
    yield SubQuery(AllOf((tree, Not(Exists(sort.subject)))), NEWEST_FIRST, after if is_behind else None)


def _room(batch: Batch) -> int:
    """How many such requests make a batch."""
    changes = sum(len(one.name_ids) for some in (batch.scores, batch.history) for one in some.values())
    changes += sum(len(values) for _, values in batch.values.values())
    return max(len(batch.numbers) * _MAX_CHANGES // max(changes, 1), 1)


def _bounded(found: Iterable[_Place]) -> Iterator[list[_Place]]:
    """Cut places so that each piece is of a bounded size, or of one request."""
    piece: list[_Place] = []
    size = 0
    for place in found:
        if piece and size + place[1] > _MAX_BATCH_BYTES:
            yield piece
            piece, size = [], 0
        piece.append(place)
        size += place[1]
    yield piece
