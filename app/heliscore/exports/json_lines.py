"""Writes JSONL: PostgreSQL has made the members of each line but for the scores, which are put in here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from operator import itemgetter

from heliscore.domain.export_columns import CURSOR, HISTORY, SCORES
from heliscore.store.exports import Batch
from heliscore.store.search.page_order import Position

EncodeCursor = Callable[[Position], str]


class JsonLines:
    """A file of one JSON object for each request."""

    def __init__(self, columns: Sequence[str], encode_cursor: EncodeCursor) -> None:
        self._columns = frozenset(columns)
        self._encode_cursor = encode_cursor

    def begin(self) -> bytes:
        return b""

    def write(self, batch: Batch) -> bytes:
        return "".join([self._line(batch, place) for place in range(len(batch.numbers))]).encode()

    def _line(self, batch: Batch, place: int) -> str:
        number, line = batch.numbers[place], batch.requests[place][0]
        members = [line] if line else []
        if SCORES in self._columns:
            members.append(f'"scores":{scores_json(batch, number)}')
        if HISTORY in self._columns:
            members.append(f'"history":{history_json(batch, number)}')
        if CURSOR in self._columns:
            members.append(f'"cursor":"{self._encode_cursor(batch.positions[place])}"')
        return f"{{{','.join(members)}}}\n"

    def end(self) -> bytes:
        return b""


def scores_json(batch: Batch, number: int) -> str:
    """The present scores of a request: JSON, name to value, time, author and comment."""
    if (changes := batch.scores.get(number)) is None:
        return "{}"
    names, origins, comments = batch.labels.names, batch.labels.origins, batch.comments
    columns = zip(changes.name_ids, changes.origin_ids, changes.values, changes.times, strict=True)
    scores = [
        f'{names[name]}{{"value":{value},"at":"{at}"{origins[origin][0]}'
        f"{comments.get((number, name, at), '') if comments else ''}}}"
        for name, origin, value, at in columns
    ]
    return f"{{{','.join(scores)}}}"


def history_json(batch: Batch, number: int) -> str:
    """What the scores of a request were before: JSON, name to changes, the oldest first."""
    if (changes := batch.history.get(number)) is None:
        return "{}"
    names, origins, comments = batch.labels.names, batch.labels.origins, batch.comments
    columns = zip(
        changes.name_ids, changes.origin_ids, changes.values, changes.times, changes.ends or (), strict=True
    )
    shown = [
        (
            name,
            f'{{"value":{value},"at":"{at}"{origins[origin][0]}{comments.get((number, name, at), "")}'
            f"{origins[origin][1]}{end}}}",
        )
        for name, origin, value, at, end in columns
    ]
    of_names = groupby(shown, itemgetter(0))
    return f"{{{','.join(f'{names[name]}[{_joined(some)}]' for name, some in of_names)}}}"


def _joined(some: Iterable[tuple[int, str]]) -> str:
    return ",".join(text for _, text in some)
