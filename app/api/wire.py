"""JSON in, JSON out: decoding with every fault named, and the places where bytes become text."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import unquote_to_bytes

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from app.errors import BodyTooLarge, Fault, InvalidInput
from app.scores import described, fault_in_text, shortened

MAX_FAULTS: Final = 100
"""More are not listed: they would only repeat the mistake of a program."""

_BROKEN_ESCAPE: Final = re.compile("%(?![0-9A-Fa-f]{2})")

_encoder = msgspec.json.Encoder(decimal_format="number")
_decoder = msgspec.json.Decoder()


class Json(Response):
    """A JSON answer; `content` is anything that msgspec encodes."""

    media_type = "application/json"

    def render(self, content: object) -> bytes:
        return _encoder.encode(content)


class Faults:
    """The faults of one body, collected so that the caller hears of all of them at once."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def add(self, path: str, message: str) -> None:
        if len(self._faults) < MAX_FAULTS:
            self._faults.append(Fault(path, message))

    def raise_any(self) -> None:
        if self._faults:
            raise InvalidInput(self._faults)


def step(path: str, key: str) -> str:
    """Extend a dotted path by a key that a client chose."""
    key = shortened(key)
    return f"{path}.{key}" if path else key


async def read_body(request: Request, limit_bytes: int) -> bytes:
    """Read the whole body. Raises BodyTooLarge before reading one that announces its size, and as soon as the
    limit is passed otherwise."""
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > limit_bytes:
        raise BodyTooLarge(limit_bytes)
    chunks = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit_bytes:
            raise BodyTooLarge(limit_bytes)
        chunks.append(chunk)
    return b"".join(chunks)


def decode(body: bytes) -> Any:
    """Decode JSON, whatever its type. Raises InvalidInput for what is none."""
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        reason = str(error) if body else "the body is empty"
    except RecursionError:
        reason = "nested too deeply"
    raise InvalidInput([Fault("", f"the body is not valid JSON: {reason}")])


def decode_object(body: bytes, known: frozenset[str]) -> tuple[dict[str, Any], Faults]:
    """Decode a JSON object and begin its list of faults with the keys that are not known."""
    raw = decode(body)
    if not isinstance(raw, dict):
        raise InvalidInput([Fault("", f"expected a JSON object, got {described(raw)}")])
    faults = Faults()
    for key in raw:
        if key not in known:
            faults.add(step("", key), f"unknown key; known are {', '.join(sorted(known))}")
    return raw, faults


def format_time(time: datetime) -> str:
    """ISO 8601, UTC, milliseconds, `Z`. The database speaks UTC."""
    return time.isoformat(timespec="milliseconds")[:-6] + "Z"


def now() -> datetime:
    """The time in the resolution that is stored."""
    time = datetime.now(UTC)
    return time.replace(microsecond=time.microsecond // 1000 * 1000)


def path_text(request: Request, name: str) -> str:
    """A text of 1 to 255 characters from the path. Raises InvalidInput.

    Routing is done on the path as it was sent (`app.main`), so this is the only decoding, and a `/` inside
    the text arrives as `%2F`.
    """
    sent: str = request.path_params[name]
    if _BROKEN_ESCAPE.search(sent):
        raise InvalidInput([Fault(name, "malformed percent-encoding")])
    try:
        text = unquote_to_bytes(sent.encode("latin-1")).decode()
    except UnicodeDecodeError:
        raise InvalidInput([Fault(name, "must be UTF-8, percent-encoded")]) from None
    if fault := fault_in_text(text):
        raise InvalidInput([Fault(name, fault)])
    return text
