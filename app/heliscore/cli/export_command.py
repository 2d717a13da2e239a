"""`heliscore export`: write what a filter finds into a file, from a running service."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import click
import msgspec

from heliscore.cli.export_part import Part
from heliscore.cli.service_client import call, connected, raise_for_answer, read_filter, url_option
from heliscore.domain.errors import NotAsked
from heliscore.exports.writer import FORMATS

if TYPE_CHECKING:
    import httpx

_RETRIES: Final = 5
_PAUSE_S: Final = 2.0
_SHOWN_EVERY_S: Final = 0.5
_BUSY: Final = 503


@click.command(short_help="Write requests with their scores to a file.")
@click.argument("out")
@url_option
@click.option("--filter", "filter_", metavar="FILTER", default='"all"', help="JSON, or a file with JSON.")
@click.option("--format", "format_", type=click.Choice(FORMATS), help="Default: as OUT ends, else jsonl.")
@click.option("--columns", metavar="NAMES", help="Separated by commas. Default: all.")
@click.option("--history", is_flag=True, help="With replaced and removed scores.")
def export(
    out: str, url: str | None, filter_: str, format_: str | None, columns: str | None, history: bool
) -> None:
    """Write all requests that a filter finds, with their scores, to OUT (- for stdout).

    The API key is in HELISCORE_API_KEY. After a broken connection it goes on where it was.
    """
    body: dict[str, Any] = {"filter": read_filter(filter_), "format": format_ or _format_of(out)}
    if columns is not None:
        body["columns"] = columns.split(",")
    if history:
        body["history"] = True
    with connected(url) as client:
        counted = call(client, "POST", "/v1/request/count/query", {"filter": body["filter"]})
        progress = _Progress(msgspec.convert(counted, int), body["format"])
        if out == "-":
            _receive(client, body, sys.stdout.buffer, progress)
        else:
            _write_file(client, body, Path(out), progress)
    progress.end()


def _format_of(out: str) -> str:
    suffix = Path(out).suffix.removeprefix(".").lower()
    return suffix if suffix in FORMATS else "jsonl"


def _write_file(client: httpx.Client, body: dict[str, Any], out: Path, progress: _Progress) -> None:
    import httpx

    try:
        part = Part(out.with_name(f"{out.name}.part"), body)
        for attempt in range(_RETRIES + 1):
            with part.opened() as (file, body_now):
                try:
                    _receive(client, body_now, file, progress)
                    break
                except (httpx.TransportError, _Busy) as error:
                    if attempt == _RETRIES:
                        raise NotAsked(f"{out}: {error or type(error).__name__}") from None
            progress.note(f"the connection was broken off, trying again: {out}")
            progress.rows = part.trim()
            time.sleep(_PAUSE_S)
        part.path.replace(out)
    except OSError as error:
        raise NotAsked(f"{out}: {error.strerror}") from None


class _Busy(NotAsked):
    """The service cannot answer just now."""


def _receive(client: httpx.Client, body: dict[str, Any], file: BinaryIO, progress: _Progress) -> None:
    content = msgspec.json.encode(body)
    with client.stream("POST", "/v1/export", content=content) as response:
        if response.status_code == _BUSY:
            raise _Busy(f"{response.url} answers {_BUSY}")
        if not response.is_success:
            response.read()
            raise_for_answer(response)
        pieces = response.iter_bytes()
        if "cursor" in body and body["format"] == "csv":
            file.write(_without_header(pieces))
        for piece in pieces:
            file.write(piece)
            progress.add(piece)


def _without_header(pieces: Iterator[bytes]) -> bytes:
    """The beginning of a CSV file that goes on behind another: it has a header, too."""
    begun = b""
    for piece in pieces:
        begun += piece
        if b"\r\n" in begun:
            return begun.partition(b"\r\n")[2]
    return b""


class _Progress:
    """Says on stderr how far it is."""

    def __init__(self, total: int, format_: str) -> None:
        self.rows = 0
        self._total = total
        self._has_rows = format_ != "parquet"
        self._bytes = 0
        self._begun = self._shown = time.monotonic()
        self._is_shown = sys.stderr.isatty()

    def add(self, piece: bytes) -> None:
        self._bytes += len(piece)
        self.rows += piece.count(b"\n")
        if self._is_shown and time.monotonic() - self._shown > _SHOWN_EVERY_S:
            self._shown = time.monotonic()
            click.echo(f"\r{self._line()} ", err=True, nl=False)

    def _line(self) -> str:
        seconds = max(time.monotonic() - self._begun, 0.001)
        amount = f"{self._bytes / 1e6:,.1f} MB in {seconds:,.0f} s"
        if not self._has_rows:
            return f"{self._total:,} requests, {amount}"
        return f"{self.rows:,} of {self._total:,} requests, {amount}, {self.rows / seconds:,.0f} a second"

    def note(self, line: str) -> None:
        click.echo(f"\n{line}" if self._is_shown else line, err=True)

    def end(self) -> None:
        click.echo(f"\r{self._line()}" if self._is_shown else self._line(), err=True)
