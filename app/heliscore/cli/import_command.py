"""`heliscore import`: take in exports, our own and those of other services."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from heliscore.cli.import_scan import ALL, Scan, Wishes, choose_rules, describe_rules
from heliscore.cli.import_sender import Sender
from heliscore.cli.parameters import read_author
from heliscore.cli.rejected_rows import RejectedRows
from heliscore.cli.service_client import call, connected, say, url_option
from heliscore.domain.author import Author
from heliscore.domain.errors import NotAsked
from heliscore.imports.catalogue import FORMATS
from heliscore.imports.fields import COLUMNS, SCORE_FIELDS
from heliscore.imports.files import RowFile
from heliscore.imports.json_rows import NotRead
from heliscore.imports.lines import MadeLine, make_line, pass_on, read_row
from heliscore.imports.value_rules import Rule, Seen

if TYPE_CHECKING:
    import httpx

Definitions = Mapping[str, Mapping[str, Any]]

_MAX_LINE_BYTES: Final = 1 << 30
"""What the service takes is its setting: a dry run does not know it."""


def _read_maps(_: click.Context, __: click.Parameter, given: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Read `score.name=metric`. Raises BadParameter."""
    maps: dict[str, tuple[str, ...]] = {}
    known = (*COLUMNS, *SCORE_FIELDS)
    for one in given:
        name, equals, source = one.partition("=")
        if not equals or name not in known:
            raise click.BadParameter(
                f"{one}: expected FIELD=COLUMN, where FIELD is one of {', '.join(known)}"
            )
        maps[name] = (source,) if source else ()
    return maps


def _read_scales(_: click.Context, __: click.Parameter, given: Sequence[str]) -> dict[str, int]:
    """Read `accuracy=100`, or 100 for all scores. Raises BadParameter."""
    scales = {}
    for one in given:
        name, _equals, number = one.rpartition("=")
        if not number.isascii() or not number.isdecimal() or not 1 <= int(number[:8]) <= 1_000_000:
            raise click.BadParameter(f"{one}: expected NAME=NUMBER or NUMBER, from 1 to 1000000")
        scales[name or ALL] = int(number)
    return scales


@click.command("import", short_help="Take in exports of Heliscore, Helicone and others.")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE")
@url_option
@click.option(
    "--format", "format_name", type=click.Choice(list(FORMATS)), help="Default: recognised by the first row."
)
@click.option(
    "--map",
    "maps",
    multiple=True,
    callback=_read_maps,
    metavar="FIELD=COLUMN",
    help="Where a field comes from; FIELD==TEXT: the same for all rows.",
)
@click.option(
    "--scale",
    "scales",
    multiple=True,
    callback=_read_scales,
    metavar="NAME=NUMBER",
    help="By how much a score is multiplied. Without NAME: all of them.",
)
@click.option(
    "--author", callback=read_author, metavar="WHO", help="Of scores that name none, KIND:NAME@VERSION."
)
@click.option("--dry-run", is_flag=True, help="Read everything, send nothing.")
def import_(
    files: tuple[Path, ...],
    url: str | None,
    format_name: str | None,
    maps: dict[str, tuple[str, ...]],
    scales: dict[str, int],
    author: Author | None,
    dry_run: bool,
) -> None:
    """Take in exports: of Heliscore, Helicone, Langfuse, Phoenix and PromptLayer.

    JSONL, JSON, CSV or Parquet, gzipped or not. The API key is in HELISCORE_API_KEY. What is stored and newer
    stays, so an import can be run again. Rows that cannot be taken are written to FILE.rejected.jsonl. Exit
    status: 0 all rows are taken, 1 some are not, 3 the service could not be asked.
    """
    wishes = Wishes(format_name, maps, scales, None if author is None else str(author))
    is_whole = True
    with _asking(url, dry_run) as client:
        definitions = {} if client is None else _find_definitions(client)
        seen: dict[str, Seen] = {}
        scans = [_scan(path, wishes, seen) for path in files]
        rules = choose_rules(seen, scales, definitions)
        for line in (*(line for scan in scans for line in scan.describe()), *describe_rules(seen, rules)):
            say(line)
        for scan in scans:
            with _readable(scan.file.path):
                if dry_run or client is None:
                    is_whole = _try(scan, rules) and is_whole
                else:
                    is_whole = _send(scan, rules, client, wishes) and is_whole
    if not is_whole:
        sys.exit(1)


@contextmanager
def _asking(url: str | None, dry_run: bool) -> Iterator[httpx.Client | None]:
    """A client; None for a dry run without a key, which asks for no definitions either."""
    if dry_run and not os.environ.get("HELISCORE_API_KEY"):
        yield None
        return
    with connected(url) as client:
        yield client


def _find_definitions(client: httpx.Client) -> Definitions:
    """The definitions of scores by name; none where the key may not read them."""
    if client.get("/v1/score-definitions").status_code == 403:
        say("the API key may not read the definitions of scores: labels are not understood")
        return {}
    return {definition["name"]: definition for definition in call(client, "GET", "/v1/score-definitions")}


def _scan(path: Path, wishes: Wishes, seen: dict[str, Seen]) -> Scan:
    """Read a file once, unless its lines are sent as they are."""
    with _readable(path):
        scan = Scan(RowFile(path), wishes, seen)
        if not scan.passes_lines_on:
            with _progress(scan.file, "Reading") as advance:
                scan.read(advance)
        return scan


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Raises NotAsked where the file cannot be read."""
    try:
        yield
    except OSError as error:
        raise NotAsked(f"{path}: {error.strerror}") from None
    except NotRead as error:
        raise NotAsked(f"{path}: {error}") from None


@contextmanager
def _progress(file: RowFile, label: str) -> Iterator[Callable[[], None]]:
    """A bar of the file's bytes."""
    with click.progressbar(length=file.size_bytes, label=label, file=sys.stderr) as bar:

        def advance() -> None:
            if (more := file.position - bar.pos) > 0:
                bar.update(more)

        yield advance


def _make_lines(scan: Scan, rules: Mapping[str, Rule]) -> Iterator[MadeLine]:
    time = datetime.fromtimestamp(scan.file.modified_at, UTC).isoformat()
    apply = {name: rule.apply for name, rule in rules.items()}
    for row in scan.file:
        if scan.passes_lines_on:
            yield pass_on(row)
        else:
            read = read_row(row, scan.format, scan.sources)
            yield make_line(read, apply, author=scan.author, time=time)


def _try(scan: Scan, rules: Mapping[str, Rule]) -> bool:
    """Say what would not be taken."""
    from heliscore.api.native.import_lines import read_line  # not for the help, which imports every command

    fine, shown = 0, RejectedRows(None)
    with _progress(scan.file, "Trying") as advance:
        for made in _make_lines(scan, rules):
            for reason in made.reasons:
                shown.add(made.row, reason)
            if made.line is not None:
                line = read_line(0, made.line, _MAX_LINE_BYTES)
                if line.errors:
                    shown.add(made.row, line.message)
                else:
                    fine += 1
            advance()
    for reason in shown.first_reasons:
        say(f"  {reason}")
    say(f"{scan.file.path}: {fine:,} rows would be sent, {shown.count:,} reasons not to take something")
    return not shown.count


def _send(scan: Scan, rules: Mapping[str, Rule], client: httpx.Client, wishes: Wishes) -> bool:
    path = scan.file.path
    rejected = RejectedRows(path.with_name(f"{path.name}.rejected.jsonl"))
    author = wishes.author if scan.passes_lines_on else None
    with (
        rejected,
        Sender(client, author, rejected.add) as sender,
        _progress(scan.file, "Sending") as advance,
    ):
        for made in _make_lines(scan, rules):
            for reason in made.reasons:
                rejected.add(made.row, reason)
            if made.line is not None:
                sender.add(made.row, made.line)
            advance()
        sender.finish()
    say(f"{path}: {sender.accepted:,} rows are stored, {sender.unchanged:,} of them without a change")
    if rejected.count:
        say(f"{rejected.path}: {rejected.count:,} reasons why something is not")
    return not rejected.count
