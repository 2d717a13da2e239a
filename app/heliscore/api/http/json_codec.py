"""Decodes JSON bodies, with errors that a client can act on, and encodes JSON answers."""

from __future__ import annotations

import json
import re
from typing import Any, Final

import msgspec
from starlette.responses import Response

from heliscore.api.http.json_surrogates import find_half
from heliscore.api.http.not_json import find_not_json
from heliscore.domain.errors import FieldError, InvalidInput
from heliscore.domain.messages import shortened

_BLANK_COLON: Final = re.compile(rb"[ \t\r\n]:")

_encoder = msgspec.json.Encoder(decimal_format="number")
_decoder = msgspec.json.Decoder()


class Json(Response):
    """A JSON answer; `content` is anything that msgspec encodes."""

    media_type = "application/json"

    def render(self, content: object) -> bytes:
        return _encoder.encode(content)


def decode(body: bytes, noun: str = "body") -> Any:
    """Decode JSON of any type. Raises InvalidInput, whose message calls the JSON by `noun`."""
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        if "out of range" in str(error):
            raise InvalidInput([FieldError("", f"the {noun} holds a number that is out of range")]) from None
        if half := find_half(body):
            reason = f"{half} is half of a surrogate pair, no character"
        elif not body:
            reason = f"the {noun} is empty"
        else:
            reason = find_not_json(body, str(error)) or str(error)
    except RecursionError:
        reason = "nested too deeply"
    raise InvalidInput([FieldError("", f"the {noun} is not valid JSON: {reason}")])


def decode_unique(body: bytes) -> Any:
    """Decode JSON. Raises InvalidInput, also for an object, at any depth, that repeats a key."""
    raw = decode(body)
    # Each key is followed by a colon. As many keys as colons: none was left out. Strings hold colons too, but
    # rarely after a quotation mark or a blank.
    keys = _count_keys(raw)
    if body.count(b":") != keys and (body.count(b'":') != keys or _BLANK_COLON.search(body)):
        _reject_repetition(body)
    return raw


def _count_keys(raw: Any) -> int:
    if type(raw) is dict:
        return len(raw) + sum(map(_count_keys, raw.values()))
    return sum(map(_count_keys, raw)) if type(raw) is list else 0


def _reject_repetition(body: bytes) -> None:
    def check(pairs: list[tuple[str, object]]) -> None:
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise InvalidInput([FieldError(shortened(key), "given twice in one object")])
            seen.add(key)

    try:
        json.loads(body, object_pairs_hook=check, parse_int=str)
    except RecursionError:
        raise InvalidInput([FieldError("", "nested too deeply")]) from None
