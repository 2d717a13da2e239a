"""Headers as they came. Starlette's mapping raises and catches an error for each that is missing, which for a
score map is a tenth of the work."""

from __future__ import annotations

from starlette.requests import Request


def header(request: Request, name: bytes) -> str | None:
    """The first header of that name, which is given in lower case."""
    for key, value in request.scope["headers"]:
        if key == name:
            text: str = value.decode("latin-1")
            return text
    return None
