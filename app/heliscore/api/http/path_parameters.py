"""Decodes ids and names in a path, of 1 to 255 characters and percent-encoded, and shows unknown paths."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote, unquote_to_bytes
from uuid import UUID

from starlette.requests import Request

from heliscore.domain.errors import FieldError, InvalidInput, NotFound
from heliscore.domain.messages import find_name_error, shortened, without_keys

_BROKEN_ESCAPE: Final = re.compile("%(?![0-9A-Fa-f]{2})")
_RANDOM: Final = re.compile(r"(?=[\w-]*\d)(?=[\w-]*[A-Za-z])[\w-]{20,}", re.ASCII)
"""A long run of letters and digits, as in other vendors' keys."""


def read_path_parameter(request: Request, name: str) -> str:
    """Decode a string of 1 to 255 characters. Raises InvalidInput.

    Requests are routed by the path as it was sent (`middleware`), so this is the only decoding, and a `/`
    inside a parameter arrives as `%2F`.
    """
    sent: str = request.path_params[name]
    if _BROKEN_ESCAPE.search(sent):
        raise InvalidInput([FieldError(name, "malformed percent-encoding")])
    try:
        text = unquote_to_bytes(sent.encode("latin-1")).decode()
    except UnicodeDecodeError:
        raise InvalidInput([FieldError(name, "must be UTF-8, percent-encoded")]) from None
    if field_error := find_name_error(text):
        raise InvalidInput([FieldError(name, field_error)])
    return text


def read_uuid(sent: str, noun: str) -> UUID:
    """Read the id of something as a client sent it. Raises NotFound, since no other text is an id."""
    try:
        return UUID(sent)
    except ValueError:
        raise NotFound(f"there is no {noun} {sent}") from None


def shown_path(sent: str) -> str:
    """Show a path in an error message, shortened, with `…` for each segment that looks like a key."""
    return "/".join("…" if _looks_like_key(segment) else segment for segment in shortened(sent).split("/"))


def _looks_like_key(segment: str) -> bool:
    while (decoded := unquote(segment)) != segment:
        segment = decoded
    return without_keys(segment) != segment or bool(_RANDOM.search(segment))
