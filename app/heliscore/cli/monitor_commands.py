"""`heliscore monitors`: list, preview, apply and remove the monitors of a service."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import click
import msgspec

from heliscore.cli.service_client import call, connected, read_object, say, url_option
from heliscore.domain.errors import NotAsked
from heliscore.domain.messages import on_one_line

if TYPE_CHECKING:
    import httpx

_PATH: Final = "/v1/monitors"
_STATE_WIDTH: Final = len("no_data")

_id = click.argument("id_", metavar="ID")
_file = click.argument("file")


@click.group()
def monitors() -> None:
    """List, preview, apply and remove the monitors of a service.

    The API key is in HELISCORE_API_KEY. ID may be a monitor's name, too; FILE is JSON or TOML (- for stdin).
    Exit status: 0, or 3 where the service could not be asked.
    """


@monitors.command("list")
@url_option
def list_monitors(url: str | None) -> None:
    """List the monitors with their states."""
    with connected(url) as client:
        for monitor in msgspec.convert(call(client, "GET", _PATH), list[dict[str, Any]]):
            say(f"{monitor['state']:<{_STATE_WIDTH}}  {monitor['id']}  {monitor['name']}")


@monitors.command()
@_id
@url_option
def show(id_: str, url: str | None) -> None:
    """Show a monitor as JSON, with the states of its groups."""
    with connected(url) as client:
        monitor = call(client, "GET", _path_of(client, id_))
        click.echo(msgspec.json.format(msgspec.json.encode(monitor)).decode())


@monitors.command()
@_id
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True)
@url_option
def history(id_: str, limit: int, url: str | None) -> None:
    """Show how a monitor's states changed, newest first."""
    with connected(url) as client:
        for change in call(client, "GET", f"{_path_of(client, id_)}/history?limit={limit}"):
            state = change["state"] or ""
            say(f"{change['at']}  {state:<{_STATE_WIDTH}}  {change['reason']}")


@monitors.command()
@_file
@click.option("--days", type=click.IntRange(1, 366), default=7, show_default=True, help="Up to now.")
@url_option
def preview(file: str, days: int, url: str | None) -> None:
    """Run the monitor of FILE over the past and say when it would have fired."""
    now = datetime.now(UTC)
    times = {"start": (now - timedelta(days=days)).isoformat(), "end": now.isoformat()}
    body = {"timeFilter": times, **read_object(file)}
    with connected(url) as client:
        found = call(client, "POST", f"{_PATH}/preview", body)
        for group in found["groups"]:
            for firing in group["firings"]:
                say(f"{firing['firedAt']}  until {firing['resolvedAt'] or 'now'}  {firing['sentence']}")
        firings = sum(len(group["firings"]) for group in found["groups"])
        silent = sum(group["noData"] for group in found["groups"])
        say(
            f"{found['periods']:,} periods, {len(found['groups']):,} groups: would have fired "
            f"{firings:,} times; {silent:,} times there was too little data"
        )


@monitors.command()
@_file
@url_option
def apply(file: str, url: str | None) -> None:
    """Make the monitor of FILE, or replace the one of that name."""
    body = read_object(file)
    with connected(url) as client:
        known = _find(client, str(body.get("name")))
        if known is None:
            say(f"made {call(client, 'POST', _PATH, body)['id']}")
        else:
            say(f"replaced {call(client, 'PUT', f'{_PATH}/{known}', body)['id']}")


@monitors.command()
@_id
@url_option
def delete(id_: str, url: str | None) -> None:
    """Remove a monitor and its history."""
    with connected(url) as client:
        path = _path_of(client, id_)
        call(client, "DELETE", path)
        say(f"removed {path.rpartition('/')[2]}")


def _find(client: httpx.Client, name: str) -> str | None:
    """The id of the monitor of that name, or of that id."""
    listed = msgspec.convert(call(client, "GET", _PATH), list[dict[str, Any]])
    return next((one["id"] for one in listed if name in (one["name"], one["id"])), None)


def _path_of(client: httpx.Client, id_: str) -> str:
    found = _find(client, id_)
    if found is None:
        raise NotAsked(f"there is no monitor {on_one_line(id_)}")
    return f"{_PATH}/{found}"
