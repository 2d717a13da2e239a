"""Reads files row by row, whatever their form: lines of JSON, JSON, CSV or Parquet, gzipped or not."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import IO, Any, Final, Literal, TypeAlias

import msgspec

from heliscore.imports.json_rows import PAGE_KEYS, JsonRows, NotRead

Form: TypeAlias = Literal["JSONL", "JSON", "CSV", "Parquet"]

_MAX_CELL: Final = 1 << 28
_MAX_FIRST_LINE: Final = 1 << 26
_BATCH_ROWS: Final = 1000
_MAX_LOOKED_AT: Final = 1000

_decoder: Final = msgspec.json.Decoder(float_hook=Decimal)


class Row(msgspec.Struct, frozen=True):
    """One row of a file."""

    number: int
    """Of the line, or else of the row, from 1."""

    values: dict[str, Any]
    line: bytes = b""
    """As it stands in a file of lines."""

    error: str = ""
    """Why it is no row."""


class RowFile:
    """A file of rows, which may be read several times."""

    def __init__(self, path: Path) -> None:
        """Raises OSError and NotRead."""
        self.path = path
        self.size_bytes = path.stat().st_size
        self.modified_at = path.stat().st_mtime
        self._raw: IO[bytes] | None = None
        self._share = 0.0
        with path.open("rb") as raw:
            start = raw.read(4)
        self._is_gzip = start[:2] == b"\x1f\x8b"
        self.form: Form = "Parquet" if start == b"PAR1" else self._find_form()

    @property
    def position(self) -> int:
        """How far reading is, in bytes of the file."""
        if self._raw is None:
            return int(self._share * self.size_bytes)
        return self.size_bytes if self._raw.closed else self._raw.tell()

    def find_first(self) -> Row | None:
        """The first row that is one, of the first thousand. Raises NotRead."""
        with closing(iter(self)) as rows:
            return next((row for row in islice(rows, _MAX_LOOKED_AT) if not row.error), None)

    def __iter__(self) -> Generator[Row, None, None]:
        """Raises NotRead."""
        if self.form == "Parquet":
            yield from self._read_parquet()
            return
        try:
            with self._open() as file:
                yield from {"JSONL": _read_lines, "JSON": _read_json, "CSV": _read_csv}[self.form](file)
        except (gzip.BadGzipFile, zlib.error, EOFError):
            raise NotRead("this is no whole gzip file") from None
        except UnicodeDecodeError:
            raise NotRead("this is no UTF-8") from None
        except csv.Error as error:
            raise NotRead(f"this is no CSV: {error}") from None

    @contextmanager
    def _open(self) -> Iterator[IO[bytes]]:
        with self.path.open("rb") as self._raw:
            if self._is_gzip:
                with gzip.GzipFile(fileobj=self._raw) as unzipped:
                    yield unzipped  # type: ignore[misc]
            else:
                yield self._raw

    def _find_form(self) -> Form:
        with self._open() as file:
            first = file.readline(_MAX_FIRST_LINE).removeprefix(b"\xef\xbb\xbf").strip()
        if not first.startswith((b"{", b"[")):
            return "CSV"
        try:
            value = _decoder.decode(first)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return "JSON"
        is_page = isinstance(value, dict) and any(isinstance(value.get(key), list) for key in PAGE_KEYS)
        return "JSONL" if isinstance(value, dict) and not is_page else "JSON"

    def _read_parquet(self) -> Iterator[Row]:
        try:
            from pyarrow.parquet import ParquetFile
        except ImportError:
            raise NotRead("reading Parquet needs pyarrow: pip install 'heliscore[parquet]'") from None
        with ParquetFile(self.path) as file:
            number, count = 0, file.metadata.num_rows
            for batch in file.iter_batches(batch_size=_BATCH_ROWS):
                for values in batch.to_pylist():
                    number += 1
                    yield Row(number, values)
                self._share = number / count


def _read_lines(file: IO[bytes]) -> Iterator[Row]:
    for number, line in enumerate(file, 1):
        line = line.strip()
        if not line:
            continue
        try:
            values = _decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            yield Row(number, {}, line, f"the line is not valid JSON: {error}")
            continue
        yield _row(number, values, line)


def _read_json(file: IO[bytes]) -> Iterator[Row]:
    for number, values in enumerate(JsonRows(file), 1):
        yield _row(number, values)


def _row(number: int, values: object, line: bytes = b"") -> Row:
    if isinstance(values, dict):
        return Row(number, values, line)
    return Row(number, {}, line or msgspec.json.encode(values), "expected an object")


def _read_csv(file: IO[bytes]) -> Iterator[Row]:
    csv.field_size_limit(_MAX_CELL)
    with io.TextIOWrapper(file, encoding="utf-8-sig", newline="") as text:
        reader = csv.reader(text)
        names = next(reader, [])
        for number, cells in enumerate(filter(None, reader), 1):
            error = "" if len(cells) == len(names) else f"expected {len(names)} cells, got {len(cells)}"
            yield Row(number, dict(zip(names, cells, strict=False)), error=error)
