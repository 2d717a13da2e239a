"""Writes CSV as RFC 4180 has it, which a spreadsheet may open: no string of a client's becomes a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import msgspec

from heliscore.domain.export_columns import ColumnKind, kind_of_column
from heliscore.domain.spreadsheet_cells import defuse
from heliscore.domain.times import format_time
from heliscore.exports.flat_rows import FlatTable
from heliscore.store.exports import Batch


class CsvFile:
    """A file of one row for each request, below a header."""

    def __init__(self, table: FlatTable) -> None:
        self._table = table
        self._format = [_FORMATS.get(kind_of_column(name)) for name in table.names]

    def begin(self) -> bytes:
        return write_rows([self._table.names])

    def write(self, batch: Batch) -> bytes:
        columns = self._table.make_columns(batch)
        cells = [
            values if format_ is None else [None if value is None else format_(value) for value in values]
            for format_, values in zip(self._format, columns, strict=True)
        ]
        return write_rows(zip(*cells, strict=True))

    def end(self) -> bytes:
        return b""


def write_rows(rows: Iterable[Sequence[Any]]) -> bytes:
    """Write rows of cells: None is an empty cell."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _format_strings(strings: list[str]) -> str:
    return msgspec.json.encode(strings).decode()


def _format_boolean(value: bool) -> str:
    return "true" if value else "false"


_FORMATS: Final[dict[ColumnKind, Callable[[Any], str]]] = {
    ColumnKind.STRING: defuse,
    ColumnKind.JSON: defuse,
    ColumnKind.STRINGS: _format_strings,
    ColumnKind.BOOLEAN: _format_boolean,
    ColumnKind.TIME: format_time,
}
"""How values become cells; numbers are cells as they are."""
