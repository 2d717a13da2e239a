"""Writes the rows of a file that could not be taken beside it, each with its number and the reason."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

import msgspec

from heliscore.imports.fields import plain
from heliscore.imports.files import Row

_MAX_SHOWN: Final = 20

_encoder: Final = msgspec.json.Encoder()


class RejectedRows:
    """A file that is made when the first row is rejected; that of an earlier import goes."""

    def __init__(self, path: Path | None) -> None:
        """None: nothing is written."""
        self.path = path
        self.count = 0
        self.first_reasons: list[str] = []
        self._file: IO[bytes] | None = None
        if path is not None:
            path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, row: Row, reason: str) -> None:
        """Note why a row, or something in it, is not taken."""
        self.count += 1
        if len(self.first_reasons) < _MAX_SHOWN:
            self.first_reasons.append(f"{row.number}: {reason}")
        if self.path is None:
            return
        self._file = self._file or self.path.open("wb")
        shown = plain(row.values) if row.values else row.line.decode(errors="replace")
        self._file.write(_encoder.encode({"number": row.number, "reason": reason, "row": shown}) + b"\n")
