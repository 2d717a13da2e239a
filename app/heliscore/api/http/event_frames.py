"""Frames of Server-Sent Events (the HTML standard, 9.2), as bytes that all listeners share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from heliscore.domain.event import Event
from heliscore.domain.times import format_time

_PIECE_BYTES: Final = 16 * 1024
"""The server copies a piece for each listener, and holds two or three of them for one that does not read."""

_encoder = msgspec.json.Encoder()


def make_frame(event: str, data: object, id_: str | None = None) -> bytes:
    """A frame of that type, with the JSON of the data."""
    id_line = "" if id_ is None else f"id: {id_}\n"
    return f"event: {event}\n{id_line}data: ".encode() + _encoder.encode(data) + b"\n\n"


def make_mark(comment: str, id_: str) -> bytes:
    """A comment, which clients skip, with a new id to resume from."""
    return f": {comment}\nid: {id_}\n\n".encode()


def encode_event(event: Event) -> bytes:
    """The frame of an event, without an id to resume from, and without the destinations of an alert."""
    data = {
        "id": event.id,
        "type": event.type,
        "timestamp": format_time(event.happened_at),
        "data": {key: value for key, value in event.data.items() if key != "destinations"},
    }
    return make_frame(event.type, data)


def make_pieces(frames: Iterable[bytes], last_id: str) -> list[bytes]:
    """Join frames to pieces of a size that is good to send. The last frame gets the id."""
    pieces: list[bytes] = []
    joined: list[bytes] = []
    size = 0
    for frame in frames:
        if size and size + len(frame) > _PIECE_BYTES:
            pieces.append(b"".join(joined))
            joined, size = [], 0
        joined.append(frame)
        size += len(frame)
    if joined:
        joined[-1] = b"id: %b\n%b" % (last_id.encode(), joined[-1])
        pieces.append(b"".join(joined))
    return pieces
