"""Writes Parquet by pyarrow, which is an extra: without it, `is_possible` says so."""

from __future__ import annotations

import io
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from heliscore.domain.export_columns import ColumnKind, kind_of_column
from heliscore.exports.flat_rows import FlatTable
from heliscore.store.exports import Batch

if TYPE_CHECKING:
    import pyarrow

_GROUP_ROWS: Final = 50_000
_GROUP_BYTES: Final = 16 * 1024 * 1024
"""Of values, before they are encoded: a file with bodies has smaller groups."""

INSTALL: Final = "the service needs pyarrow for it: pip install 'heliscore[parquet]'"


def is_possible() -> bool:
    """Whether pyarrow is there."""
    return find_spec("pyarrow") is not None


class ParquetFile:
    """A file of typed columns. Its end is its table of contents: without it nothing can be read."""

    def __init__(self, table: FlatTable) -> None:
        # 70 MiB and 0.4 s, which a service without such exports does without.
        import pyarrow
        from pyarrow import parquet

        self._arrow, self._table = pyarrow, table
        self._schema = pyarrow.schema([(name, _type_of(pyarrow, name)) for name in table.names])
        self._sink = _Sink()
        self._writer = parquet.ParquetWriter(self._sink, self._schema, compression="zstd")
        self._group: list[pyarrow.RecordBatch] = []

    def begin(self) -> bytes:
        return self._sink.take()

    def write(self, batch: Batch) -> bytes:
        columns = [
            self._arrow.array(values, type=field.type)
            for values, field in zip(self._table.make_columns(batch), self._schema, strict=True)
        ]
        self._group.append(self._arrow.RecordBatch.from_arrays(columns, schema=self._schema))
        if (
            sum(part.num_rows for part in self._group) >= _GROUP_ROWS
            or sum(part.nbytes for part in self._group) >= _GROUP_BYTES
        ):
            self._write_group()
        return self._sink.take()

    def _write_group(self) -> None:
        self._writer.write_table(self._arrow.Table.from_batches(self._group), row_group_size=_GROUP_ROWS)
        self._group.clear()

    def end(self) -> bytes:
        if self._group:
            self._write_group()
        self._writer.close()
        return self._sink.take()


class _Sink(io.RawIOBase):
    """Keeps what pyarrow writes until it is taken."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, piece: Any) -> int:
        self._pieces.append(bytes(piece))
        return len(piece)

    def take(self) -> bytes:
        taken = b"".join(self._pieces)
        self._pieces.clear()
        return taken


def _type_of(arrow: Any, name: str) -> Any:
    return {
        ColumnKind.STRING: arrow.string(),
        ColumnKind.JSON: arrow.string(),
        ColumnKind.STRINGS: arrow.list_(arrow.string()),
        ColumnKind.INTEGER: arrow.int64(),
        ColumnKind.NUMBER: arrow.float64(),
        ColumnKind.BOOLEAN: arrow.bool_(),
        ColumnKind.TIME: arrow.timestamp("ms", tz="UTC"),
    }[kind_of_column(name)]
