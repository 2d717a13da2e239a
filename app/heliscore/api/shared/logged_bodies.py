"""Reads logged bodies, for all dialects: as strings and JSON that PostgreSQL can hold."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from heliscore.api.http.json_codec import decode
from heliscore.api.http.json_surrogates import without_halves
from heliscore.domain.errors import InvalidInput

_ESCAPED_NUL: Final = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")


def decode_logged(body: bytes) -> tuple[Any, bytes]:
    """Decode JSON, with U+FFFD for half of a surrogate pair: better one character replaced than a log lost.
    Also returns the JSON with the replacement. Raises InvalidInput."""
    try:
        return decode(body), body
    except InvalidInput:
        mended = without_halves(body)
        if mended == body:
            raise
        return decode(mended), mended


def storable(text: str) -> str:
    """The string with U+FFFD for NUL, which PostgreSQL cannot hold: better one character replaced than a log
    lost."""
    return text.replace("\0", "\ufffd")


def storable_json(raw: msgspec.Raw) -> str | None:
    sent = bytes(raw)
    if sent == b"null":
        return None
    if rb"\u0000" in sent:  # a quick test: the expression takes half a millisecond for 10 kB
        sent = _ESCAPED_NUL.sub(rb"\1\\ufffd", sent)
    return sent.decode()


def string_or_none(raw: object) -> str | None:
    return storable(raw) if isinstance(raw, str) else None
