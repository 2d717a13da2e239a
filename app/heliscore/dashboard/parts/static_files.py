"""Style sheets and scripts, under addresses that change with their content and so are cached for ever.

All files share one digest: a script can import its neighbour by a relative address. Each process compresses a
file once, when it is first requested.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from functools import cache
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_FOLDER: Final = Path(__file__).parents[1] / "static"
_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}

_HEADERS: Final = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "Vary": "Accept-Encoding",
    "X-Content-Type-Options": "nosniff",
}


@cache
def _files() -> dict[str, tuple[str, Path]]:
    """Digest and place of each file, by name."""
    paths = sorted(_FOLDER.iterdir())
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return {path.name: (digest.hexdigest()[:16], path) for path in paths}


def static_path(name: str) -> str:
    """The address of a file, for templates. Raises KeyError."""
    digest, _ = _files()[name]
    return f"/static/{digest}/{name}"


@cache
def _compressed(path: Path) -> bytes:
    return gzip.compress(path.read_bytes(), 6, mtime=0)


async def _serve(request: Request) -> Response:
    digest, path = _files().get(request.path_params["name"], ("", _FOLDER))
    if digest != request.path_params["digest"]:
        return Response("There is no such file.", 404, {"Cache-Control": "no-store"}, "text/plain")
    headers = dict(_HEADERS)
    if accepts_gzip(request.headers.get("accept-encoding", "")):
        headers["Content-Encoding"] = "gzip"
        content = await asyncio.to_thread(_compressed, path)
    else:
        content = await asyncio.to_thread(path.read_bytes)
    return Response(content, headers=headers, media_type=_TYPES[path.suffix])


ROUTE: Final = Route("/static/{digest}/{name}", _serve, methods=["GET"])
"""Not a page: nobody needs to be signed in, and no session is looked up for it."""


def accepts_gzip(header: str) -> bool:
    """Whether an Accept-Encoding header allows gzip."""
    for part in header.lower().split(","):
        coding, _, weight = part.partition(";")
        if coding.strip() in ("gzip", "*"):
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
