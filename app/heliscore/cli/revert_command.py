"""`heliscore revert`: take back what an author wrote."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from datetime import datetime

import click
import msgspec
import uvloop

from heliscore.cli.database import database, opened_for, run
from heliscore.cli.parameters import read_author, read_time_option, utf8
from heliscore.domain.author import Author, Origin
from heliscore.domain.revert import Reverted, Wanted
from heliscore.domain.score_changes import REVERT
from heliscore.domain.times import EPOCH, exactly_now
from heliscore.settings import Settings, read_settings
from heliscore.store import organizations, request_steps, score_reverts
from heliscore.store.connections.pool import Database
from heliscore.store.schema import bootstrap
from heliscore.store.scores import ScoreIds

_CALLER = Origin(Author("code", "heliscore revert"), REVERT)

Advance = Callable[[int], None]


@click.command(short_help="Take back what an author wrote.")
@click.option("--organization", callback=utf8, default=organizations.DEFAULT_ORGANIZATION, show_default=True)
@click.option(
    "--author",
    required=True,
    callback=read_author,
    metavar="WHO",
    help="Whose changes are taken back, KIND:NAME@VERSION.",
)
@click.option("--all-versions", is_flag=True, help="Whatever the author's version.")
@click.option("--names", callback=utf8, metavar="NAME,NAME", help="Only these scores.")
@click.option("--since", callback=read_time_option, metavar="TIME", help="ISO 8601; UTC without a zone.")
@click.option("--until", callback=read_time_option, metavar="TIME", help="Default: now.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def revert(
    organization: str,
    author: Author,
    all_versions: bool,
    names: str | None,
    since: datetime | None,
    until: datetime | None,
    yes: bool,
) -> None:
    """Take back what an author wrote: scores go back to what stood before, or away.

    Counts first, and asks. Run it again where it was interrupted: it goes on.
    """
    until = until or exactly_now()
    wanted = Wanted(
        organization_id=0,
        author=author,
        until=until,
        since=since or EPOCH,
        all_versions=all_versions,
        names=None if names is None else [name.strip() for name in names.split(",")],
    )
    settings = read_settings(os.environ)
    with database(settings, make=False) as dsn:
        run(dsn, settings, bootstrap.migrate)
        settings = msgspec.structs.replace(settings, database_url=dsn)
        found = uvloop.run(_take_back(settings, organization, wanted, is_dry=True))
        if not found.taken_back:
            click.echo(f"there is nothing of {author} to take back")
            return
        if not yes:
            click.confirm(f"Take back {_shown(found)}?", abort=True)
        taken = uvloop.run(_take_back(settings, organization, wanted, is_dry=False))
    click.echo(f"took back {_shown(taken)}")


def _shown(taken: Reverted) -> str:
    where = f"{taken.taken_back:,} changes in {taken.requests:,} requests"
    return f"{where}, by which {taken.scores:,} scores change"


async def _take_back(settings: Settings, organization: str, wanted: Wanted, *, is_dry: bool) -> Reverted:
    async with opened_for(settings, organization) as (opened, id_):
        wanted = msgspec.structs.replace(wanted, organization_id=id_)
        label = "Counting" if is_dry else "Taking back"
        length = await request_steps.find_last(opened)
        with click.progressbar(length=length, label=label, file=sys.stderr) as bar:
            return await _work(opened, wanted, bar.update, length, is_dry=is_dry)


async def _work(opened: Database, wanted: Wanted, advance: Advance, length: int, *, is_dry: bool) -> Reverted:
    total, reached = Reverted(), 0
    async for taken, position in score_reverts.take_back(opened, ScoreIds(), wanted, _CALLER, is_dry=is_dry):
        total += taken
        end = length if position is None else min(position, length)
        advance(end - reached)
        reached = end
    return total
