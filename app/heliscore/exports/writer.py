"""A writer makes the bytes of a file in pieces: all formats are written through this."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, Protocol, get_args

if TYPE_CHECKING:
    from heliscore.store.exports import Batch

Format = Literal["jsonl", "csv", "parquet"]

FORMATS: Final[tuple[Format, ...]] = get_args(Format)


class Writer(Protocol):
    """Call `begin`, `write` for each batch in order, and `end`: what they return is the file. Each may
    compute for a tenth of a second and more: in a thread."""

    def begin(self) -> bytes: ...

    def write(self, batch: Batch) -> bytes: ...

    def end(self) -> bytes: ...
