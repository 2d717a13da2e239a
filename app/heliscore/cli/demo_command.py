"""`heliscore demo`: an organization with sample data."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from typing import Final

import click

from heliscore.cli.database import with_schema
from heliscore.cli.parameters import utf8
from heliscore.demo import organization as demo_organization
from heliscore.demo.traffic import make_requests
from heliscore.settings import Settings, read_settings
from heliscore.store.connections.pool import Connection
from heliscore.store.organizations import RequestCount

_SERVICE_TIMEOUT_S: Final = 5


@click.command()
@click.option(
    "--organization", callback=utf8, default="demo", show_default=True, help="Created if it does not exist."
)
@click.option(
    "--requests",
    type=click.IntRange(1, 1_000_000),
    default=2000,
    show_default=True,
    help="Number of requests.",
)
@click.option("--days", type=click.IntRange(1, 365), default=30, show_default=True, help="Period, until now.")
@click.option("--seed", default=1, show_default=True, help="Another seed adds other requests.")
@click.option("--remove", is_flag=True, help="Remove the organization with all its requests.")
@click.option("--yes", is_flag=True, help="Do not ask before removing.")
def demo(organization: str, requests: int, days: int, seed: int, remove: bool, yes: bool) -> None:
    """Fill an organization with sample LLM requests and scores."""
    if remove:
        _remove_demo(organization, yes)
        return

    async def work(connection: Connection) -> str | None:
        id_, key = await demo_organization.ensure(connection, organization)
        _announce(organization, key)
        now = datetime.now(UTC)
        demo_requests = make_requests(id_, count=requests, days=days, seed=seed, now=now)
        with click.progressbar(length=requests, label=f"Filling {organization}", file=sys.stderr) as bar:
            await demo_organization.fill(connection, demo_requests, bar.update)
        await demo_organization.furnish(connection, id_, now)
        return key

    if key := with_schema(work):
        _offer_sign_in(read_settings(os.environ), key)


def _announce(organization: str, key: str | None) -> None:
    if key:
        click.echo(f"API key of organization {organization}, shown only once: {key}")
    else:
        click.echo(
            f"API keys exist already; create another: heliscore keys create --organization {organization}"
        )


def _offer_sign_in(settings: Settings, key: str) -> None:
    """Say where to sign in; only a service on the same database knows the key."""
    address = f"http://{settings.host}:{settings.port}"
    if _accepts(settings, key):
        click.echo(f"Sign in with a key: {address}/sign-in")
    else:
        click.echo(f"No service at {address} knows this key: start one on this database, and sign in there")


def _accepts(settings: Settings, key: str) -> bool:
    connection = HTTPConnection(settings.host, settings.port, timeout=_SERVICE_TIMEOUT_S)
    try:
        connection.request("GET", "/v1/request/demo", headers={"Authorization": f"Bearer {key}"})
        return connection.getresponse().status in (HTTPStatus.OK, HTTPStatus.NOT_FOUND)
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def _remove_demo(name: str, sure: bool) -> None:
    async def count(connection: Connection) -> tuple[int, RequestCount]:
        id_ = await demo_organization.find(connection, name)
        return id_, await demo_organization.count(connection, id_)

    id_, found = with_schema(count, make=False)
    what = f"the organization {name}, its keys, scores and {found.requests} requests"
    if found.others:
        what += f", {found.others} of them not from the demo"
    if not sure:
        click.confirm(f"Remove {what}?", abort=True)
    with click.progressbar(length=found.requests, label=f"Removing {name}", file=sys.stderr) as bar:
        with_schema(lambda connection: demo_organization.remove(connection, id_, bar.update), make=False)
    click.echo(f"removed {what}")
