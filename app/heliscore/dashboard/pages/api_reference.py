"""`/docs`: the OpenAPI document for people, with samples of each call, and reads that can be tried.

A session may try calls that only read, and no others: it opens no door of the API, so that what is changed by
a script always has a key that somebody chose for it.
"""

from __future__ import annotations

import asyncio
import gzip
import re
import time
from functools import cache
from typing import Any, Final
from urllib.parse import quote, urlencode

import msgspec
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import Response

from heliscore.api.http.body_fields import make_body, optional, required
from heliscore.api.http.endpoints import ApiCall, Endpoint, answer_call, endpoint_error_response
from heliscore.api.http.html import HEADERS
from heliscore.api.http.value_types import STRING, choice, mapping_of
from heliscore.dashboard.parts.code_samples import example_body, format_json, make_samples
from heliscore.dashboard.parts.markdown import render_markdown
from heliscore.dashboard.parts.page_routes import Page, PageRequest, answer_data
from heliscore.dashboard.parts.rendering import render
from heliscore.dashboard.parts.static_files import accepts_gzip
from heliscore.domain.errors import ApiError
from heliscore.endpoint_table import DOCUMENT, ENDPOINTS

_PATH: Final = "/docs"
_MAX_SHOWN: Final = 100_000
"""Characters of an answer."""

_MARKED: Final = re.compile(r"`([^`]+)`")
_REFERENCE: Final = re.compile(r"&#34;#/components/schemas/(\w+)&#34;")
_PARAMETER: Final = re.compile(r"{(\w+)}")

_TRIED: Final[dict[str, Endpoint]] = {
    endpoint.operation or endpoint.handler.__name__: endpoint
    for endpoint in ENDPOINTS
    if endpoint.permission == "r" and endpoint.answer_type == "application/json"
}
"""Calls that a session may try, by the name of the operation: they change nothing and end."""


async def show_reference(page: PageRequest) -> Response:
    """Answer the page, compressed where the browser accepts that: it has 700 KB, and no text of others."""
    calls = await asyncio.to_thread(_render_calls)
    address = str(page.request.base_url).rstrip("/")
    answer = page.render("pages/api_reference.html", info=DOCUMENT["info"], calls=calls, address=address)
    if not accepts_gzip(page.request.headers.get("accept-encoding", "")):
        return answer
    content = await asyncio.to_thread(gzip.compress, bytes(answer.body), 6, mtime=0)
    headers = {**HEADERS, "Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    return Response(content, headers=headers, media_type=answer.media_type)


@cache
def _render_calls() -> Markup:
    """What is the same for everybody: 110 calls take a third of a second."""
    tags: dict[str, list[dict[str, Any]]] = {}
    for path, operations in DOCUMENT["paths"].items():
        for method, operation in operations.items():
            tags.setdefault(operation["tags"][0], []).append(_describe(method, path, operation))
    return Markup(  # noqa: S704 -- a template's
        render(
            "parts/api_calls.html",
            tags=tags,
            schemas=DOCUMENT["components"]["schemas"],
            marked=_mark,
            markdown=render_markdown,
            pretty=_pretty,
        )
    )


def _describe(method: str, path: str, operation: dict[str, Any]) -> dict[str, Any]:
    success = next(iter(operation["responses"].values()))
    return {
        "id": operation["operationId"],
        "method": method.upper(),
        "path": path,
        "summary": operation["summary"],
        "description": "" if operation["description"] == operation["summary"] else operation["description"],
        "permission": operation.get("x-permission"),
        "queries": [one for one in operation.get("parameters", ()) if one["in"] == "query"],
        "body": operation.get("requestBody", {}).get("content", {}).get("application/json"),
        "responses": operation["responses"],
        "answers": success["content"],
        "samples": make_samples(method, path, operation),
        "try": _describe_try(path, operation) if operation["operationId"] in _TRIED else None,
    }


def _describe_try(path: str, operation: dict[str, Any]) -> str:
    """The fields of the form that tries a call, for the script that makes it."""
    body = example_body(operation)
    fields = {
        "operation": operation["operationId"],
        "path": _PARAMETER.findall(path),
        "query": [one["name"] for one in operation.get("parameters", ()) if one["in"] == "query"],
        "body": None if "requestBody" not in operation else format_json({} if body is None else body),
    }
    return msgspec.json.encode(fields).decode()


def _mark(text: str) -> Markup:
    """What stands between backticks as code."""
    return Markup(_MARKED.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704 -- escaped before


def _pretty(value: object) -> Markup:
    """JSON in which names of schemas are links."""
    text = str(escape(format_json(value)))
    return Markup(_REFERENCE.sub(r'<a href="#\1">\1</a>', text))  # noqa: S704 -- escaped before


_OPERATION: Final = required("operation", choice(tuple(_TRIED), "the name of a call that only reads"))
_IN_PATH: Final = optional("path", mapping_of(STRING), default={})
_IN_QUERY: Final = optional("query", mapping_of(STRING), default={})
_BODY: Final = optional("body", STRING)
_TRY: Final = make_body(_OPERATION, _IN_PATH, _IN_QUERY, _BODY, example={"operation": "list_score_names"})


async def try_call(page: PageRequest) -> Response:
    """Make a call that only reads, for the key of the session, and answer
    `{"status": …, "latency_ms": …, "text": …}`."""
    body = _TRY.decode(page.body)
    endpoint = _TRIED[body[_OPERATION]]
    begun = time.perf_counter()
    request = _make_request(page.request, endpoint, body[_IN_PATH] or {}, body[_IN_QUERY] or {})
    sent = (body[_BODY] or "").encode()
    try:
        answer = await answer_call(
            endpoint, ApiCall(request, page.services, page.call.principal, sent, actor=page.call.by)
        )
    except ApiError as error:
        answer = endpoint_error_response(error, endpoint, request)
    latency_ms = round((time.perf_counter() - begun) * 1000, 1)
    text = await page.services.large_work.run(_show, bytes(answer.body), size_bytes=len(answer.body))
    return answer_data({"status": answer.status_code, "latency_ms": latency_ms, "text": text})


def _make_request(
    request: Request, endpoint: Endpoint, in_path: dict[str, str], in_query: dict[str, str]
) -> Request:
    """The request of an API's client, but for the key."""
    names = _PARAMETER.findall(endpoint.path)
    encoded = {name: quote(in_path.get(name, ""), safe="") for name in names}
    path = endpoint.path.format(**encoded)
    query = urlencode({name: value for name, value in in_query.items() if value})
    changed = {
        "method": endpoint.method,
        "path": path,
        "raw_path": path.encode(),
        "path_params": encoded,
        "query_string": query.encode(),
        "headers": [(b"content-type", b"application/json"), (b"accept", b"application/json")],
    }
    return Request({**request.scope, **changed})


def _show(body: bytes) -> str:
    text = msgspec.json.format(body, indent=2).decode(errors="replace")
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}\n…"


PAGES = (
    Page(path=_PATH, handler=show_reference, permission=None),
    Page(method="POST", path=f"{_PATH}/try", handler=try_call, permission="r", data=True),
)
