"""`heliscore delete`: delete the requests that a filter finds, or a score everywhere."""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

import click
import msgspec
import uvloop

from heliscore.api.http.field_errors import FieldErrors
from heliscore.api.shared.filter_language import decode_filter
from heliscore.api.shared.score_maps import plain_name
from heliscore.cli.database import database, opened_for, run
from heliscore.cli.parameters import utf8
from heliscore.domain.audit import COMMAND
from heliscore.domain.deletion import Deleted, check_count
from heliscore.domain.errors import Conflict, InvalidInput, StartError
from heliscore.domain.filter_tree import Filter
from heliscore.domain.times import exactly_now
from heliscore.settings import Settings, read_settings
from heliscore.store import delivery_cuts, organizations, request_deletion, request_steps, score_deletion
from heliscore.store.connections.pool import Database
from heliscore.store.schema import bootstrap
from heliscore.store.scores import ScoreNames

T = TypeVar("T")


class _Subject(Protocol):
    """What is to be deleted."""

    noun: str

    async def count(self, opened: Database, organization_id: int) -> int: ...

    async def delete(self, opened: Database, organization_id: int, expected: int) -> Deleted:
        """Raises Conflict where there is another number by then."""


class _Requests:
    noun = "requests, with all that belongs to them"

    def __init__(self, tree: Filter) -> None:
        self._tree = tree
        self._names = ScoreNames()

    async def count(self, opened: Database, organization_id: int) -> int:
        async with opened.connection() as connection:
            found = await request_deletion.find(connection, self._names, organization_id, self._tree)
        return found.requests

    async def delete(self, opened: Database, organization_id: int, expected: int) -> Deleted:
        total, left = Deleted(), expected
        with click.progressbar(length=expected, label="Deleting", file=sys.stderr) as bar:
            while left:
                wanted = request_deletion.Wanted(organization_id, self._tree, left, COMMAND)
                deletion = request_deletion.RequestDeletion(opened, self._names, wanted)
                async for deleted, remaining in deletion.batches():
                    total += deleted
                    bar.update(left - remaining)
                    left = remaining
                await deletion.remove_events()
        async for _ in delivery_cuts.cut(opened, organization_id):
            pass
        return total


class _Score:
    def __init__(self, name: str) -> None:
        self._name = name
        self.noun = f"scores {name}, with their history and comments"

    async def count(self, opened: Database, organization_id: int) -> int:
        wanted = await self._find(opened, organization_id)
        async with opened.connection() as connection:
            return await score_deletion.count(connection, organization_id, wanted.name_id)

    async def delete(self, opened: Database, organization_id: int, expected: int) -> Deleted:
        wanted, begun = await self._find(opened, organization_id), exactly_now()
        check_count(await self.count(opened, organization_id), expected, self.noun)
        total, reached, length = Deleted(), 0, await request_steps.find_last(opened)
        with click.progressbar(length=length, label="Deleting", file=sys.stderr) as bar:
            async for deleted, position in score_deletion.delete(opened, wanted):
                total += deleted
                end = length if position is None else min(position, length)
                bar.update(end - reached)
                reached = end
        async with opened.connection() as connection:
            await score_deletion.remove_rest(connection, wanted, begun)
        async for _ in delivery_cuts.cut(opened, organization_id, score=self._name, before=begun):
            pass
        return total

    async def _find(self, opened: Database, organization_id: int) -> score_deletion.Wanted:
        async with opened.connection() as connection:
            found = await ScoreNames().find(connection, organization_id, [self._name])
        if self._name not in found:
            raise StartError(f"there is no score {self._name}")
        return score_deletion.Wanted(organization_id, self._name, found[self._name], COMMAND)


def _read_filter(_: click.Context, __: click.Parameter, text: str | None) -> Filter | None:
    if text is None:
        return None
    errors = FieldErrors()
    try:
        tree = decode_filter(msgspec.json.decode(text.encode()), "filter", errors)
        errors.raise_any()
    except (msgspec.DecodeError, InvalidInput, RecursionError, UnicodeEncodeError) as error:
        raise click.BadParameter(str(error)) from None
    return tree


@click.command(short_help="Delete the requests of a filter, or a score everywhere.")
@click.option("--organization", callback=utf8, default=organizations.DEFAULT_ORGANIZATION, show_default=True)
@click.option(
    "--filter",
    "tree",
    callback=_read_filter,
    metavar="JSON",
    help="Of the requests, as POST /v1/request/query takes it.",
)
@click.option("--score", callback=utf8, metavar="NAME", help="A score, to be deleted everywhere.")
@click.option("--dry-run", is_flag=True, help="Only count.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete(organization: str, tree: Filter | None, score: str | None, dry_run: bool, yes: bool) -> None:
    """Delete the requests that a filter finds, or a score of all requests.

    Counts first, and asks. Run it again where it was interrupted: it goes on.
    """
    subject: _Subject
    if tree is not None and score is None:
        subject = _Requests(tree)
    elif score is not None and tree is None:
        subject = _Score(plain_name(score))
    else:
        raise click.UsageError("Give either '--filter' or '--score'.")
    settings = read_settings(os.environ)
    with database(settings, make=False) as dsn:
        run(dsn, settings, bootstrap.migrate)
        settings = msgspec.structs.replace(settings, database_url=dsn)
        number = uvloop.run(_connected(settings, organization, subject.count))
        click.echo(f"found {number:,} {subject.noun}")
        if dry_run:
            return
        # Where no request is left, only what an interrupted deletion has left of others. Of a score without
        # values there may be history.
        if not yes and (number or score is not None):
            click.confirm("Delete them? It cannot be taken back", abort=True)
        deleted = uvloop.run(
            _connected(settings, organization, lambda opened, id_: subject.delete(opened, id_, number))
        )
    scores = f"{deleted.scores:,} scores, {deleted.changes:,} past values and {deleted.comments:,} comments"
    click.echo(f"deleted {scores} of {deleted.requests:,} requests")


async def _connected(
    settings: Settings, organization: str, work: Callable[[Database, int], Awaitable[T]]
) -> T:
    """Run `work` on the database, with the id of the organization."""
    async with opened_for(settings, organization) as (opened, id_):
        try:
            return await work(opened, id_)
        except Conflict as error:
            raise StartError(str(error)) from None
