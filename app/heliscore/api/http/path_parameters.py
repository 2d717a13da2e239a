"""Decodes the parameters in a path: ids and names of 1 to 255 characters, percent-encoded."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote_to_bytes

from starlette.requests import Request

from heliscore.domain.errors import FieldError, InvalidInput
from heliscore.domain.messages import find_name_error

_BROKEN_ESCAPE: Final = re.compile("%(?![0-9A-Fa-f]{2})")


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
