"""`heliscore audit`: list who did what the data no longer shows."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import click
import msgspec

from heliscore.cli.database import with_schema
from heliscore.cli.parameters import read_time_option, utf8
from heliscore.domain.audit import AuditEntry
from heliscore.domain.errors import StartError
from heliscore.store import organizations
from heliscore.store.audit_entries import list_entries
from heliscore.store.connections.pool import Connection

_PAGE: Final = 1000


@click.command(short_help="List keys made and revoked, deletions, reverts, restores.")
@click.option("--organization", callback=utf8, help="Only this organization, and what concerns all.")
@click.option("--since", callback=read_time_option, metavar="TIME", help="ISO 8601; UTC without a zone.")
@click.option("--json", "as_json", is_flag=True, help="A JSON object a line.")
def audit(organization: str | None, since: datetime | None, as_json: bool) -> None:
    """List keys made and revoked, deletions, reverts, restores and changed definitions, the newest first."""

    async def show(connection: Connection) -> None:
        id_ = None if organization is None else await organizations.find(connection, organization)
        if organization is not None and id_ is None:
            raise StartError(f"there is no organization {organization}")
        before: int | None = None
        while entries := await list_entries(connection, id_, before=before, since=since, limit=_PAGE):
            for entry in entries:
                click.echo(msgspec.json.encode(entry) if as_json else _line(entry))
            before = entries[-1].id

    with_schema(show, make=False)


def _line(entry: AuditEntry) -> str:
    key = "" if entry.key_id is None else f"key {entry.key_id}"
    actor = {"key": key, "session": f"{entry.person or 'session'} ({key})"}.get(entry.actor, entry.actor)
    said = {**entry.subject, **entry.numbers}
    details = ", ".join(
        f"{name}: {' '.join(map(str, value)) if isinstance(value, list) else value}"
        for name, value in said.items()
        if value not in (None, [])
    )
    at = f"{entry.at:%Y-%m-%d %H:%M:%S}"
    return "\t".join((at, entry.organization or "", actor, entry.action, details))
