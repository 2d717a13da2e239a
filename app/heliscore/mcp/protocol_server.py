"""Speaks the protocol, by the official SDK: lists the tools that a key may use, and calls them."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import httpx
import mcp_types as types
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.requests import Request
from starlette.types import Send

from heliscore import __version__
from heliscore.domain.api_key import Permissions
from heliscore.mcp.tool_calls import ToolAnswer, allowed, call_tool
from heliscore.mcp.tools import BoundTool

_MAX_BODY_BYTES: Final = 1 << 20

_INSTRUCTIONS: Final = (
    "Heliscore stores scores of LLM requests. Scores are integers or booleans, by name; list_scores and "
    "list_definitions say which there are and what they mean. Times are ISO 8601."
)

logging.getLogger("mcp").setLevel(logging.WARNING)  # it writes a line for each call

FindPermissions = Callable[[], Awaitable[Permissions]]
"""Says what the caller's key may do."""


def make_server(
    tools: Mapping[str, BoundTool], client: httpx.AsyncClient, find_permissions: FindPermissions
) -> Server[Any]:
    """Make a server that calls tools by that client, with its key."""

    async def list_tools(_: object, __: object) -> types.ListToolsResult:
        permissions = await find_permissions()
        return types.ListToolsResult(
            tools=[_describe(bound) for bound in tools.values() if allowed(bound, permissions)]
        )

    async def answer_call(_: object, params: types.CallToolRequestParams) -> types.CallToolResult:
        bound = tools.get(params.name)
        if bound is None:
            answer = ToolAnswer(f"there is no tool {params.name}", is_error=True)
        else:
            try:
                answer = await call_tool(client, bound, dict(params.arguments or {}))
            except httpx.HTTPError as error:
                answer = ToolAnswer(f"the service cannot be asked: {error!r}", is_error=True)
        content = types.TextContent(type="text", text=answer.text)
        return types.CallToolResult(content=[content], is_error=answer.is_error)

    return Server(
        "heliscore",
        version=__version__,
        instructions=_INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=answer_call,
    )


async def serve_call(
    tools: Mapping[str, BoundTool],
    client: httpx.AsyncClient,
    find_permissions: FindPermissions,
    request: Request,
    send: Send,
) -> None:
    """Answer one HTTP call, after which nothing is remembered."""
    manager = StreamableHTTPSessionManager(
        make_server(tools, client, find_permissions),
        json_response=True,
        stateless=True,
        max_request_body_size=_MAX_BODY_BYTES,
    )
    async with manager.run():
        await manager.handle_request(request.scope, request.receive, send)


def _describe(bound: BoundTool) -> types.Tool:
    return types.Tool(
        name=bound.tool.name,
        description=bound.tool.description,
        input_schema=bound.schema,
        annotations=types.ToolAnnotations(read_only_hint=not bound.writes, destructive_hint=False),
    )
