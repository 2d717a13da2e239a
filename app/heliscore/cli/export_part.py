"""The file that an export is written to until it is complete, and how to go on behind its last whole row."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec

from heliscore.domain.export_columns import SCORE

_NEEDED: Final = ("created_at", "request_id")
"""Of the last row: its place in the order of time."""


class Part:
    """A file that may be a part of an export."""

    def __init__(self, path: Path, body: dict[str, Any]) -> None:
        """`body` asks for the export, in the usual order: the newest first."""
        self.path = path
        self._body = body
        self._first = body
        path.write_bytes(b"")

    @contextmanager
    def opened(self) -> Iterator[tuple[BinaryIO, dict[str, Any]]]:
        """The file, and what to ask for: the rest."""
        with self.path.open("ab") as file:
            yield file, self._body

    def trim(self) -> int:
        """Cut the file off behind its last whole row, or wholly where an export cannot go on: Parquet, and
        rows that do not say where they stand. Returns the number of rows."""
        rows, end, body = 0, 0, None
        with self.path.open("rb") as file:
            if self._body["format"] == "jsonl":
                rows, end, last = _find_last(file, lambda line: line.endswith(b"\n"))
                body = self._rest(msgspec.json.decode(last)) if last else None
            elif self._body["format"] == "csv":
                rows, end, last = _find_last(file, _CsvEnds())
                body = self._rest_of_csv(file, last) if rows > 1 else None
        with self.path.open("r+b") as file:
            file.truncate(end if body else 0)
        self._body = body or self._first
        return rows if body else 0

    def _rest_of_csv(self, file: BinaryIO, last: bytes) -> dict[str, Any] | None:
        """With the same scores as columns: others may have come meanwhile."""
        file.seek(0)
        header, cells = (next(csv.reader(io.StringIO(line.decode()))) for line in (file.readline(), last))
        if (rest := self._rest(dict(zip(header, cells, strict=True)))) is None:
            return None
        scores = [name.removeprefix(SCORE) for name in header if name.startswith(SCORE)]
        return rest | {"scores": scores} if scores else rest

    def _rest(self, row: dict[str, str]) -> dict[str, Any] | None:
        if any(name not in row for name in _NEEDED):
            return None
        from heliscore.api.shared.sort_fields import encode_cursor  # nothing else here needs the API
        from heliscore.domain.filter_tree import NEWEST_FIRST
        from heliscore.domain.spreadsheet_cells import undefuse
        from heliscore.store.search.page_order import Position

        at, id_ = (row[name] for name in _NEEDED)
        if self._body["format"] == "csv":
            id_ = undefuse(id_)
        position = Position(datetime.fromisoformat(at), datetime.fromisoformat(at), id_)
        return self._first | {"cursor": encode_cursor(NEWEST_FIRST, position)}


def _find_last(file: BinaryIO, is_end: Callable[[bytes], bool]) -> tuple[int, int, bytes]:
    """The number of whole rows, where the last one ends, and that row."""
    rows = end = at = 0
    last = b""
    row: list[bytes] = []
    for line in file:
        row.append(line)
        at += len(line)
        if is_end(line):
            rows, end, last, row = rows + 1, at, b"".join(row), []
    return rows, end, last


class _CsvEnds:
    """Whether a line ends a row of CSV: not within quotes."""

    def __init__(self) -> None:
        self._is_quoted = False

    def __call__(self, line: bytes) -> bool:
        self._is_quoted ^= line.count(b'"') % 2 == 1
        return not self._is_quoted and line.endswith(b"\r\n")
