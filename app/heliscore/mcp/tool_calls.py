"""Calls a tool's endpoint, and makes an answer of it that a model can hold."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

import httpx
import msgspec

from heliscore.domain.api_key import Permissions
from heliscore.mcp.tools import PAGE, BoundTool

MAX_ANSWER: Final = 60_000
"""Characters of one answer."""

_MAX_ITEMS: Final = 100
_SHORTEST: Final = 50


class ToolAnswer(msgspec.Struct, frozen=True):
    """What a tool says."""

    text: str
    is_error: bool = False


def allowed(bound: BoundTool, permissions: Permissions) -> bool:
    """Whether a key may use a tool."""
    return set(bound.permission) <= set(permissions)


async def call_tool(client: httpx.AsyncClient, bound: BoundTool, arguments: dict[str, Any]) -> ToolAnswer:
    """Call the endpoint with the client's key. `client` may raise httpx.HTTPError."""
    tool, given = bound.tool, dict(arguments)
    if unknown := sorted(given.keys() - bound.schema["properties"].keys()):
        return ToolAnswer(f"unknown arguments: {', '.join(unknown)}", is_error=True)
    path_values = {key: given.pop(key, None) for key in bound.path_keys}
    if missing := [key for key, value in path_values.items() if not isinstance(value, str)]:
        return ToolAnswer(f"expected a string: {', '.join(missing)}", is_error=True)
    path = tool.path.format(**{key: quote(value, safe="") for key, value in path_values.items()})
    query = {key: given.pop(key) for key in bound.query_keys if key in given}
    if tool.page is not None:
        limit = given.get(tool.page)
        given[tool.page] = min(limit, PAGE) if isinstance(limit, int) else limit or PAGE
    body = None if tool.method == "GET" else msgspec.json.encode(given)
    response = await client.request(tool.method, path, params=query, content=body)
    return _read(response, tool.max_string)


def _read(response: httpx.Response, max_string: int) -> ToolAnswer:
    try:
        answer = msgspec.json.decode(response.content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ToolAnswer(f"{response.status_code}, which is no answer of Heliscore", is_error=True)
    if not response.is_success:
        details = [f"{one['path']}: {one['message']}" for one in answer.get("details", ())]
        return ToolAnswer("\n".join([f"{response.status_code}: {answer['error']}", *details]), is_error=True)
    answer.pop("error", None)
    return ToolAnswer(shorten(answer, max_string))


def shorten(answer: Any, max_string: int) -> str:
    """Encode an answer with its long strings and lists shortened, the more the larger it is."""
    while True:
        text = msgspec.json.encode(_cut(answer, max_string)).decode()
        if len(text) <= MAX_ANSWER:
            return text
        if max_string <= _SHORTEST:
            return f"{text[:MAX_ANSWER]}… ({len(text) - MAX_ANSWER} more characters: ask for less)"
        max_string = max(_SHORTEST, max_string // 4)


def _cut(value: Any, max_string: int) -> Any:
    match value:
        case str() if len(value) > max_string:
            return f"{value[:max_string]}… ({len(value) - max_string} more characters)"
        case dict():
            return {key: _cut(one, max_string) for key, one in value.items()}
        case list():
            kept = [_cut(one, max_string) for one in value[:_MAX_ITEMS]]
            return kept if len(value) <= _MAX_ITEMS else [*kept, f"… ({len(value) - _MAX_ITEMS} more)"]
        case _:
            return value
