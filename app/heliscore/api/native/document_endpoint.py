"""`/openapi.json`: the OpenAPI document, for programs. People read it at `/docs`, a page of the dashboard."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from heliscore.api.http.endpoints import Endpoint
from heliscore.api.http.json_codec import Json
from heliscore.api.shared import envelope


def make_endpoint(document: dict[str, Any]) -> Endpoint:
    """The endpoint of a document."""
    encoded = msgspec.json.encode(document)

    async def openapi(_: Request) -> Response:
        """Read this document."""
        return Response(encoded, media_type=Json.media_type)

    return Endpoint(
        method="GET",
        path="/openapi.json",
        handler=openapi,
        render_error=envelope.render_error,
        tag="Documentation",
        permission=None,
        answer={"type": "object"},
    )
