"""Turns what an export reads into a table: one row a request, a column for each score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from heliscore.domain.export_columns import CURSOR, HISTORY, REQUEST_COLUMNS, SCORE, SCORE_DETAILS, SCORES
from heliscore.domain.export_columns import PROPERTY as PROPERTY_PREFIX
from heliscore.exports.json_lines import EncodeCursor, history_json, scores_json
from heliscore.store.exports import Batch


class FlatTable(msgspec.Struct, frozen=True):
    """The columns of a table."""

    columns: tuple[str, ...]
    """As they were asked for: SCORES stands for a column of each score."""

    scores: tuple[str, ...]
    """The names of the scores, in order."""

    name_ids: tuple[int | None, ...]
    """The ids of these names; None: no request has such a score."""

    encode_cursor: EncodeCursor

    @property
    def names(self) -> list[str]:
        """The names of all columns."""
        of_scores = [SCORE + name for name in self.scores]
        return [one for name in self.columns for one in (of_scores if name == SCORES else [name])]

    def make_columns(self, batch: Batch) -> list[Sequence[Any]]:
        """The values of a batch, column by column. JSON is text, times are datetimes, scores are integers."""
        read = iter(zip(*batch.requests, strict=True))
        found: list[Sequence[Any]] = []
        for name in self.columns:
            if name in REQUEST_COLUMNS or name.startswith(PROPERTY_PREFIX):
                found.append(next(read))
            elif name == SCORES:
                found += self._scores(batch)
            else:
                found.append(self._made(name, batch))
        return found

    def _scores(self, batch: Batch) -> list[list[int | None]]:
        none = ((), ())
        maps = [dict(zip(*batch.values.get(number, none), strict=True)) for number in batch.numbers]
        return [[scores.get(id_) for scores in maps] for id_ in self.name_ids]

    def _made(self, name: str, batch: Batch) -> list[str]:
        if name == CURSOR:
            return [self.encode_cursor(position) for position in batch.positions]
        make = _MADE[name]
        return [make(batch, number) for number in batch.numbers]


_MADE: Final = {SCORE_DETAILS: scores_json, HISTORY: history_json}
