"""Keeps an atomic upload until its last line has come: in memory at first, then in a temporary file.

Nothing may be written to the database before that, and no row be locked while a client is slow. The file is
written and read in a thread, as a disk may be slow, and without a buffer, which would fail once more when the
file is closed on a full disk.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from types import TracebackType
from typing import IO, Final, Self

from heliscore.domain.errors import Unavailable

IN_MEMORY_BYTES: Final = 1 << 20

_PIECE_BYTES: Final = 1 << 19
"""So that most statements are full; splitting it into lines takes less than 20 ms, whatever they are."""

_SPARE: Final = 20
"""A 20th of the disk is left to others."""


class Spool:
    """The lines of one upload. Raises Unavailable where they cannot be kept."""

    def __init__(self) -> None:
        self._memory = bytearray()
        self._file: IO[bytes] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    async def add(self, lines: list[bytes]) -> None:
        for line in lines:
            self._memory += line
            self._memory += b"\n"
        if len(self._memory) > IN_MEMORY_BYTES:
            await asyncio.to_thread(self._move_to_file)

    async def pieces(self) -> AsyncIterator[bytes]:
        """Read what was added, from the beginning."""
        if self._file is not None:
            await asyncio.to_thread(self._file.seek, 0)
            while piece := await asyncio.to_thread(self._file.read, IN_MEMORY_BYTES):
                for begin in range(0, len(piece), _PIECE_BYTES):
                    yield piece[begin : begin + _PIECE_BYTES]
        for begin in range(0, len(self._memory), _PIECE_BYTES):
            yield bytes(self._memory[begin : begin + _PIECE_BYTES])

    def _move_to_file(self) -> None:
        folder = tempfile.gettempdir()
        try:
            disk = shutil.disk_usage(folder)
            if disk.free - len(self._memory) < disk.total // _SPARE:
                raise _full()
            if self._file is None:
                self._file = tempfile.TemporaryFile(buffering=0, dir=folder)  # noqa: SIM115 - closed on exit
            left = memoryview(self._memory)
            while left:
                left = left[self._file.write(left) :]
        except OSError as error:
            raise _full() from error
        finally:
            left = memoryview(b"")
        self._memory.clear()


def _full() -> Unavailable:
    return Unavailable(
        "the folder for uploads is full, please try again later, send less at once, or use mode=partial"
    )
