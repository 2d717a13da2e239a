"""Sends lines to a service, many a call, while the next are read, and again where it is away for a while."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

import msgspec

from heliscore.cli.service_client import raise_for_answer
from heliscore.domain.errors import NotAsked
from heliscore.imports.files import Row

if TYPE_CHECKING:
    import httpx

PATH: Final = "/v1/import"

_MAX_LINES: Final = 1000
"""As many errors as an answer lists."""

_MAX_BYTES: Final = 4 << 20
_PAUSES_S: Final = (0.5, 1, 2, 4, 8, 15)
"""Between the tries of a call. One that was carried out, but whose answer was lost, changes nothing when it
is carried out again."""

_BUSY: Final = (429, 503)

Reject = Callable[[Row, str], None]


class _Mention(msgspec.Struct, rename="camel"):
    index: int
    message: str


class _Taken(msgspec.Struct):
    accepted: int
    unchanged: int
    errors: list[_Mention]
    warnings: list[_Mention] = []


class Sender:
    """Sends the lines of one file, in order."""

    def __init__(self, client: httpx.Client, author: str | None, reject: Reject) -> None:
        self._client = client
        self._reject = reject
        self._headers = {"Content-Type": "application/x-ndjson"}
        if author is not None:
            self._headers["Heliscore-Author"] = author
        self._lines: list[bytes] = []
        self._rows: list[Row] = []
        self._size_bytes = 0
        self._threads = ThreadPoolExecutor(1)
        self._sending: Future[_Taken] | None = None
        self._sent_rows: list[Row] = []
        self.accepted = self.unchanged = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._threads.shutdown()

    def add(self, row: Row, line: bytes) -> None:
        """Send a line with others. Raises NotAsked."""
        self._lines.append(line)
        self._rows.append(row)
        self._size_bytes += len(line)
        if len(self._lines) == _MAX_LINES or self._size_bytes >= _MAX_BYTES:
            self._send()

    def finish(self) -> None:
        """Send what is left, and wait for it. Raises NotAsked."""
        if self._lines:
            self._send()
        self._note()

    def _send(self) -> None:
        self._note()
        body = b"\n".join(self._lines)
        self._sent_rows = self._rows
        self._sending = self._threads.submit(self._post, body, self._rows[0].number)
        self._lines, self._rows, self._size_bytes = [], [], 0

    def _note(self) -> None:
        """Wait for what is being sent, and count it."""
        if self._sending is None:
            return
        taken = self._sending.result()
        self._sending = None
        self.accepted += taken.accepted
        self.unchanged += taken.unchanged
        for mention in (*taken.errors, *taken.warnings):
            self._reject(self._sent_rows[mention.index], mention.message)

    def _post(self, body: bytes, number: int) -> _Taken:
        import httpx  # not for the help, which imports every command

        pauses = iter(_PAUSES_S)
        while True:
            pause = next(pauses, None)
            try:
                response = self._client.post(PATH, content=body, headers=self._headers)
                if response.status_code not in _BUSY or pause is None:
                    return msgspec.convert(raise_for_answer(response).get("data"), _Taken)
            except httpx.TransportError as error:
                if pause is None:
                    way_out = f"what comes from number {number} on is not stored, run the import again"
                    raise NotAsked(f"{error or type(error).__name__}: {way_out}") from None
            time.sleep(pause or 0)
