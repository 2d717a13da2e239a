"""`heliscore demo`: an organization with sample data."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime

import click

from heliscore.cli.database import with_schema
from heliscore.cli.parameters import utf8
from heliscore.demo import organization as demo_organization
from heliscore.demo.traffic import make_requests
from heliscore.settings import read_settings
from heliscore.store.connections.pool import Connection
from heliscore.store.organizations import RequestCount


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
    id_, key = with_schema(lambda connection: demo_organization.ensure(connection, organization))
    if key:
        click.echo(f"API key of organization {organization}, shown only once: {key}")
    else:
        click.echo(f"API keys exist already; create another: keys create --organization {organization}")
    demo_requests = make_requests(id_, count=requests, days=days, seed=seed, now=datetime.now(UTC))
    with click.progressbar(length=requests, label=f"Filling {organization}", file=sys.stderr) as bar:
        with_schema(lambda connection: demo_organization.fill(connection, demo_requests, bar.update))
    settings = read_settings(os.environ)
    click.echo(f"Sign in with a key: http://{settings.host}:{settings.port}/sign-in")


def _remove_demo(name: str, sure: bool) -> None:
    async def count(connection: Connection) -> tuple[int, RequestCount]:
        id_ = await demo_organization.find(connection, name)
        return id_, await demo_organization.count(connection, id_)

    id_, found = with_schema(count)
    what = f"the organization {name}, its keys, scores and {found.requests} requests"
    if found.others:
        what += f", {found.others} of them not from the demo"
    if not sure:
        click.confirm(f"Remove {what}?", abort=True)
    with click.progressbar(length=found.requests, label=f"Removing {name}", file=sys.stderr) as bar:
        with_schema(lambda connection: demo_organization.remove(connection, id_, bar.update))
    click.echo(f"removed {what}")
