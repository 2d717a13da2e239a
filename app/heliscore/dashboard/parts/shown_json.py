"""Formats JSON for a page to show."""

from __future__ import annotations

from typing import Final

import msgspec

MAX_INDENTED: Final = 1 << 20
"""JSON of more bytes is shown without being indented."""

_LONG_STRING: Final = 10_000
_LONG_DATA: Final = 1_000
"""A string in JSON of more characters without a space near its beginning is data, not text."""

_LONG_LIST: Final = 200


def indented(body: bytes) -> str:
    """Format JSON with one value a line."""
    try:
        return msgspec.json.format(body, indent=2).decode()
    except RecursionError:
        return body.decode()


def find_json(text: str) -> str | None:
    """The text indented, if it is the JSON of an object or a list."""
    if text[:100].lstrip()[:1] not in ("{", "[") or len(text) > MAX_INDENTED:
        return None
    try:
        return msgspec.json.format(text, indent=2)
    except (ValueError, RecursionError):
        return None


def on_one_line(value: object) -> str:
    """Format a decoded value, abridged, on one line."""
    return msgspec.json.format(msgspec.json.encode(abridged(value)), indent=0).decode()


def abridged(value: object) -> object:
    """JSON without most of its long lists and strings: embeddings, encoded files."""
    match value:
        case dict():
            return {key: abridged(held) for key, held in value.items()}
        case list() if len(value) > _LONG_LIST:
            more = f"… {len(value) - _LONG_LIST:,} more"
            return [*map(abridged, value[:_LONG_LIST]), more]
        case list():
            return [abridged(held) for held in value]
        case str() if len(value) > _LONG_DATA and " " not in value[:_LONG_DATA]:
            return f"{value[:60]}… {len(value) - 60:,} more characters"
        case str() if len(value) > _LONG_STRING:
            return f"{value[:_LONG_STRING]}… {len(value) - _LONG_STRING:,} more characters"
    return value
