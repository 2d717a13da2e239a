"""`heliscore mcp`: the tools for language models over stdio, by a service that runs."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import click

from heliscore.cli.service_client import find_service, url_option
from heliscore.domain.api_key import Permissions, hint_of
from heliscore.domain.errors import NotAsked

if TYPE_CHECKING:
    import httpx


@click.command(short_help="Speak the Model Context Protocol, for an assistant.")
@url_option
def mcp(url: str | None) -> None:
    """Speak the Model Context Protocol on stdin and stdout, for a client that starts this command.

    Its tools search, read, compare and score requests, as far as the key of HELISCORE_API_KEY may.
    """
    try:
        import mcp as sdk  # noqa: F401
    except ImportError:
        raise NotAsked("the package mcp is missing: pip install 'heliscore[mcp]'") from None
    asyncio.run(_serve(url))


async def _serve(url: str | None) -> None:
    import httpx
    from mcp.server.stdio import stdio_server

    from heliscore.endpoint_table import ENDPOINTS
    from heliscore.mcp.protocol_server import make_server
    from heliscore.mcp.tools import bind_tools

    address, headers = find_service(url)
    async with httpx.AsyncClient(base_url=address, headers=headers, timeout=60) as client:

        async def find_permissions() -> Permissions:
            return await find_permissions_of_key(client)

        server = make_server(bind_tools(ENDPOINTS), client, find_permissions)
        async with stdio_server() as (reading, writing):
            await server.run(reading, writing, server.create_initialization_options())


async def find_permissions_of_key(client: httpx.AsyncClient) -> Permissions:
    """Return what the key may do: it finds itself among its organization's by its end, and those that may not
    read cannot list them."""
    response = await client.get("/v1/api-keys")
    if not response.is_success:
        return "w"
    hint = hint_of(os.environ["HELISCORE_API_KEY"])
    found = {key["key_permissions"] for key in response.json()["data"] if key["hint"] == hint}
    return "rw" if found == {"rw"} else "r"
