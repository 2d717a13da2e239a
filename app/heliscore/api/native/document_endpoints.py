"""`/openapi.json` and `/docs`: the OpenAPI document, and a page that shows it."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from functools import cache
from typing import Any

import jinja2
import msgspec
from starlette.requests import Request
from starlette.responses import Response

from heliscore.api.http.endpoints import Endpoint
from heliscore.api.http.html import Html, make_policy
from heliscore.api.http.json_codec import Json
from heliscore.api.http.json_schema import STRING
from heliscore.api.shared import envelope


def make_endpoints(document: dict[str, Any]) -> tuple[Endpoint, ...]:
    """`/openapi.json` and `/docs`; the page is rendered when it is first asked for, in a thread."""
    encoded = msgspec.json.encode(document)

    @cache
    def render() -> tuple[str, str]:
        page = _render_page(document)
        return page, make_policy(style_src=_digest_of_style(page))

    async def openapi(_: Request) -> Response:
        """Read this document."""
        return Response(encoded, media_type=Json.media_type)

    async def docs(_: Request) -> Response:
        """Show this document to people."""
        page, policy = await asyncio.to_thread(render)
        return Html(page, headers={"Content-Security-Policy": policy})

    return (
        Endpoint(
            method="GET",
            path="/openapi.json",
            handler=openapi,
            render_error=envelope.render_error,
            tag="Documentation",
            permission=None,
            answer={"type": "object"},
        ),
        Endpoint(
            method="GET",
            path="/docs",
            handler=docs,
            render_error=envelope.render_error,
            tag="Documentation",
            permission=None,
            answer=STRING,
            answer_type="text/html",
        ),
    )


def _render_page(document: dict[str, Any]) -> str:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("heliscore.api"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("docs.html").render(
        document=document, tags=_by_tag(document), pretty=_pretty
    )


def _digest_of_style(page: str) -> str:
    """The hash by which the content security policy allows the page's style, and no other."""
    style = page.partition("<style>")[2].partition("</style>")[0]
    return f"'sha256-{base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()}'"


def _by_tag(document: dict[str, Any]) -> dict[str, list[tuple[str, str, dict[str, Any]]]]:
    tags: dict[str, list[tuple[str, str, dict[str, Any]]]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            tags.setdefault(operation["tags"][0], []).append((method, path, operation))
    return tags


def _pretty(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
