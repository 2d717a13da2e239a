"""`heliscore keys`: create, register, list and revoke API keys; rotate the secrets that sign."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Final

import click

from heliscore.cli.database import with_schema
from heliscore.cli.parameters import read_author, read_time_option, utf8
from heliscore.domain.api_key import PERMISSIONS, Permissions, mint_key
from heliscore.domain.author import Author
from heliscore.domain.errors import StartError
from heliscore.store import keys, organizations, signing_secrets
from heliscore.store.connections.pool import Connection

_HEADINGS: Final = ("id", "organization", "key", "permissions", "state", "maker", "author", "name")


@click.group(name="keys")
def keys_group() -> None:
    """Create, register, list and revoke API keys."""


_organization = click.option(
    "--organization",
    callback=utf8,
    default=organizations.DEFAULT_ORGANIZATION,
    show_default=True,
    help="Created if it does not exist.",
)
_name = click.option("--name", default="", callback=utf8, help="What the key is for.")
_permissions = click.option(
    "--permissions",
    type=click.Choice(PERMISSIONS),
    default="rw",
    show_default=True,
    help="r reads and queries, w writes, f only rates requests (for browsers).",
)


def _future(context: click.Context, parameter: click.Parameter, text: str | None) -> datetime | None:
    time = read_time_option(context, parameter, text)
    if time is not None and time <= datetime.now(UTC):
        raise click.BadParameter("expected a time in the future")
    return time


_author = click.option(
    "--author",
    callback=read_author,
    metavar="WHO",
    help="Of the scores that it sends, KIND:NAME@VERSION, with the kinds human, judge, code and api. "
    "Default: api and the key's name.",
)
_expires = click.option("--expires", callback=_future, metavar="TIME", help="ISO 8601; UTC without a zone.")


class _KeyId(click.IntRange):
    """Named in click's message about another text."""

    name = "id of a key, as `heliscore keys list` shows it"


_id = click.argument("id_", metavar="ID", type=_KeyId(1, 2**31 - 1))


@keys_group.command()
@_organization
@_name
@_permissions
@_expires
@_author
def create(
    organization: str,
    name: str,
    permissions: Permissions,
    expires: datetime | None,
    author: Author | None,
) -> None:
    """Create a key and print it; it is shown only once."""
    key = mint_key()
    _register(key, organization, name, permissions, expires, author)
    click.echo(key)


@keys_group.command(short_help="Register an existing KEY, or prompt for it.")
@click.argument("key", required=False, callback=utf8)
@_organization
@_name
@_permissions
@_expires
@_author
def register(
    key: str | None,
    organization: str,
    name: str,
    permissions: Permissions,
    expires: datetime | None,
    author: Author | None,
) -> None:
    """Register an existing KEY; without KEY, prompt for it without showing it."""
    key = key or click.prompt("Key", hide_input=True)
    id_ = _register(key, organization, name, permissions, expires, author)
    click.echo(f"registered as key {id_} of organization {organization}")


def _register(
    key: str,
    organization: str,
    name: str,
    permissions: Permissions,
    expires: datetime | None,
    author: Author | None,
) -> int:
    async def work(connection: Connection) -> int:
        id_ = await organizations.ensure(connection, organization)
        return await keys.register(
            connection, id_, key, name=name, permissions=permissions, expires_at=expires, author=author
        )

    return with_schema(work)


@keys_group.command(name="list", short_help="List the keys by their last four characters.")
@click.option("--organization", callback=utf8, help="Only the keys of this organization.")
def list_(organization: str | None) -> None:
    """List the keys; only the last four characters of each are shown."""
    found = with_schema(lambda connection: keys.list_keys(connection, organization), make=False)
    if sys.stdout.isatty():  # programs read rows alone
        click.echo("\t".join(_HEADINGS) if found else "no keys yet: heliscore keys create makes one")
    for key in found:
        if key.revoked_at:
            state = f"revoked {key.revoked_at:%Y-%m-%d}"
        elif key.expires_at:
            state = f"expires {key.expires_at:%Y-%m-%d %H:%M}"
        else:
            state = "valid"
        maker = "" if key.made_by is None else f"made by {key.made_by}"
        author = key.author or ""
        columns = (str(key.id), key.organization, key.hint, key.permissions, state, maker, author, key.name)
        click.echo("\t".join(columns))


@keys_group.command(short_help="Revoke the key with that ID (see list).")
@_id
@click.option("--with-minted", is_flag=True, help="With the keys that it made, that those made, and so on.")
def revoke(id_: int, with_minted: bool) -> None:
    """Revoke the key with that ID (see list); services stop accepting it within 5 seconds."""

    async def work(connection: Connection) -> list[int]:
        if with_minted:
            return await keys.revoke_with_minted(connection, id_)
        return [id_] if await keys.revoke(connection, id_) else []

    revoked = with_schema(work, make=False)
    if not revoked:
        raise StartError(f"there is no key {id_}")
    for key_id in revoked:
        click.echo(f"revoked key {key_id}")


@keys_group.command(name="set-author", short_help="Set WHO gives the scores that a key sends.")
@_id
@click.argument("author", required=False, callback=read_author, metavar="[WHO]")
def set_author(id_: int, author: Author | None) -> None:
    """Set WHO gives the scores that the key with that ID sends from now on (in running services within 5
    seconds), KIND:NAME@VERSION; without it, api and the key's name."""
    if not with_schema(lambda connection: keys.set_author(connection, id_, author), make=False):
        raise StartError(f"there is no key {id_}")
    click.echo(f"set the author of key {id_}")


@keys_group.command(name="rotate-secret", short_help="Make a new secret for PURPOSE.")
@click.argument("purpose", metavar="PURPOSE", type=click.Choice(signing_secrets.PURPOSES))
def rotate_secret(purpose: signing_secrets.Purpose) -> None:
    """Make a new secret for PURPOSE: `session` signs everybody out of the dashboard, `body_url` ends the
    addresses in `signed_body_url`; in running services too, within 5 seconds."""
    with_schema(lambda connection: signing_secrets.rotate(connection, purpose), make=False)
    click.echo(f"made a new secret for {purpose}")
