"""JSON in, JSON out: decoding with every fault named, and the places where bytes become text."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import unquote_to_bytes

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from heliscore.api.http.body_budget import FREE_BYTES, BodyMemory
from heliscore.api.http.headers import header
from heliscore.api.http.json_surrogates import find_half
from heliscore.domain.errors import BodyTooLarge, FieldError, InvalidInput
from heliscore.domain.score import described, find_text_error, shortened

MAX_ERRORS: Final = 1000
"""More are counted, but not listed: they would only repeat the mistake of a program."""

_DIGITS: Final = re.compile(r"\d{1,9}", re.ASCII)
_PIECE_BYTES: Final = 1 << 16
_MAX_NUMBER: Final = 10**15
_FIRST_YEAR: Final = 1000

_BLANK_COLON: Final = re.compile(rb"[ \t\r\n]:")
_BROKEN_ESCAPE: Final = re.compile("%(?![0-9A-Fa-f]{2})")

_encoder = msgspec.json.Encoder(decimal_format="number")
_decoder = msgspec.json.Decoder()


class Json(Response):
    """A JSON answer; `content` is anything that msgspec encodes."""

    media_type = "application/json"

    def render(self, content: object) -> bytes:
        return _encoder.encode(content)


class FieldErrors:
    """The faults of one body, collected so that the caller hears of all of them at once."""

    def __init__(self) -> None:
        self._errors: list[FieldError] = []
        self._count = 0

    def add(self, path: str, message: str) -> None:
        self._count += 1
        if self._count <= MAX_ERRORS:
            self._errors.append(FieldError(path, message))

    @property
    def found(self) -> tuple[FieldError, ...]:
        return tuple(self._errors)

    def raise_any(self) -> None:
        if self._errors:
            raise InvalidInput(self._errors, self._count)


def step(path: str, key: str) -> str:
    """Extend a dotted path by a key that a client chose."""
    key = shortened(key)
    return f"{path}.{key}" if path else key


async def read_body(request: Request, limit_bytes: int) -> bytes:
    """Read the whole body, decompressed where it is gzip.

    Raises BodyTooLarge before reading one that announces its size, else as soon as the limit is passed, and
    Unavailable when all calls together hold too much.
    """
    announced = header(request, b"content-length") or ""
    if announced.isdigit() and int(announced) > limit_bytes:
        raise BodyTooLarge(limit_bytes)
    body = bytearray()
    async for chunk in stream_body(request):
        body += chunk
        if len(body) > limit_bytes:
            raise BodyTooLarge(limit_bytes)
        if len(body) > FREE_BYTES:
            memory: BodyMemory = request.state.services.memory
            memory.hold(len(body))
    return bytes(body)


def stream_body(request: Request) -> AsyncIterator[bytes]:
    """Read the body piece by piece, decompressed where it is gzip. Raises InvalidInput."""
    encoding = (header(request, b"content-encoding") or "identity").strip().lower()
    match encoding:
        case "identity" | "":
            return request.stream()
        case "gzip":
            return _decompress(request.stream())
    raise InvalidInput([FieldError("Content-Encoding", f"expected gzip or none, got {described(encoding)}")])


async def _decompress(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Undo gzip; behind the end of one gzip another may begin."""
    gzip = None
    async for chunk in chunks:
        while chunk:
            gzip = gzip or zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
            for piece in _pieces(gzip, chunk):
                yield piece
            chunk = gzip.unused_data
            if gzip.eof:
                gzip = None
    if gzip is not None:
        raise InvalidInput([FieldError("", "the body is not valid gzip: it ends too early")])


def _pieces(gzip: zlib._Decompress, chunk: bytes) -> Iterator[bytes]:
    """What a chunk decompresses to, in small pieces: it may be a thousand times as large."""
    try:
        while True:
            piece = gzip.decompress(chunk, _PIECE_BYTES)
            yield piece
            chunk = gzip.unconsumed_tail
            if gzip.eof or (not chunk and len(piece) < _PIECE_BYTES):
                return
    except zlib.error:
        raise InvalidInput([FieldError("", "the body is not valid gzip")]) from None


def decode(body: bytes, noun: str = "body") -> Any:
    """Decode JSON, whatever its type. Raises InvalidInput for what is none; `noun` is what it calls it."""
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        if "out of range" in str(error):
            raise InvalidInput([FieldError("", f"the {noun} holds a number that is out of range")]) from None
        if half := find_half(body):
            reason = f"{half} is half of a surrogate pair, no character"
        else:
            reason = str(error) if body else f"the {noun} is empty"
    except RecursionError:
        reason = "nested too deeply"
    raise InvalidInput([FieldError("", f"the {noun} is not valid JSON: {reason}")])


def _decode_unique(body: bytes) -> Any:
    """Decode JSON, and refuse a key that comes twice in an object."""
    raw = decode(body)
    # Each key is followed by a colon. As many keys as colons: none was left out. Texts hold colons too, but
    # rarely behind a quotation mark, or a blank.
    keys = _count_keys(raw)
    if body.count(b":") != keys and (body.count(b'":') != keys or _BLANK_COLON.search(body)):
        _refuse_repetition(body)
    return raw


def _count_keys(raw: Any) -> int:
    if type(raw) is dict:
        return len(raw) + sum(map(_count_keys, raw.values()))
    return sum(map(_count_keys, raw)) if type(raw) is list else 0


def _refuse_repetition(body: bytes) -> None:
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


def decode_object(body: bytes, known: frozenset[str] | None = None, *, unique: bool = False) -> Fields:
    """Decode a JSON object; its faults begin with the keys that are not known (None: any key is). `unique`: a
    key that comes twice, at any depth, is refused; else the last of them counts."""
    raw = _decode_unique(body) if unique else decode(body)
    if not isinstance(raw, dict):
        raise InvalidInput([FieldError("", f"expected a JSON object, got {described(raw)}")])
    fields = Fields(raw, "", FieldErrors())
    for key in raw:
        if known is not None and key not in known:
            fields.reject(key, f"unknown key; known are {', '.join(sorted(known)) or 'none'}")
    return fields


class Fields:
    """The fields of a decoded JSON object. A field that is absent or null reads as None; one of a wrong type
    too, and is noted among the faults."""

    def __init__(self, raw: dict[str, Any], path: str, errors: FieldErrors) -> None:
        self.raw = raw
        self.path = path
        self.errors = errors

    def reject(self, key: str, message: str) -> None:
        self.errors.add(step(self.path, key), message)

    def object(self, key: str, *, required: bool = False) -> Fields:
        """The fields of an object inside; none where it is absent."""
        value = self._typed(key, dict, "an object", required)
        # Where it should be and is not, that says it all.
        errors = FieldErrors() if value is None and required else self.errors
        return Fields(value or {}, step(self.path, key), errors)

    def text(self, key: str, *, required: bool = False) -> str | None:
        value: str | None = self._typed(key, str, "a text", required)
        return value

    def flag(self, key: str, *, required: bool = False) -> bool | None:
        value: bool | None = self._typed(key, bool, "true or false", required)
        return value

    def number(self, key: str) -> int | float | None:
        value: int | float | None = self._typed(key, (int, float), "a number", required=False)
        if value is None or -_MAX_NUMBER <= value <= _MAX_NUMBER:
            return value
        self.reject(key, f"expected a number up to {_MAX_NUMBER:g}, got {described(value)}")
        return None

    def integer(
        self, key: str, minimum: int, maximum: int, *, required: bool = False, hint: str = ""
    ) -> int | None:
        expected = f"an integer from {minimum} to {maximum}{hint}"
        value: int | None = self._typed(key, int, expected, required)
        if value is None or minimum <= value <= maximum:
            return value
        self.reject(key, f"expected {expected}, got {described(value)}")
        return None

    def count(self, key: str, maximum: int, *, hint: str = "") -> int | None:
        """An integer from 0 on, or a text that is one, as query parameters used to be."""
        value = self.raw.get(key)
        if isinstance(value, str) and _DIGITS.fullmatch(value):
            self.raw[key] = int(value)
        return self.integer(key, 0, maximum, hint=hint)

    def time(self, key: str, *, required: bool = False) -> datetime | None:
        """An ISO 8601 date or date-time; UTC where no zone is given."""
        text = self.text(key, required=required)
        time = None if text is None else read_time(text)
        if text is not None and time is None:
            self.reject(key, f"expected an ISO 8601 date or date-time, got {described(text)}")
        return time

    def _typed(self, key: str, type_: type | tuple[type, ...], expected: str, required: bool) -> Any:
        value = self.raw.get(key)
        if isinstance(value, type_) and (type_ is bool or not isinstance(value, bool)):
            return value
        if value is None and not required:
            return None
        self.reject(key, f"expected {expected}, got {described(value)}" if key in self.raw else "missing")
        return None


def storable_time(time: datetime | None) -> datetime | None:
    """A time of a client's to the millisecond; None before the year 1000: such times are mistakes of a
    program, and the ends of the calendar are infinities to PostgreSQL."""
    return None if time is None or time.year < _FIRST_YEAR else truncated(time)


def read_time(text: str) -> datetime | None:
    """Read an ISO 8601 date or date-time, UTC where no zone is given; None for what is none."""
    try:
        time = datetime.fromisoformat(text)
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def format_time(time: datetime) -> str:
    """ISO 8601, UTC, milliseconds, `Z`. The database speaks UTC."""
    return time.isoformat(timespec="milliseconds")[:-6] + "Z"


def encode_time(time: datetime) -> Any:
    """The same as JSON that goes out as it is, at a fifth of the price: an answer may hold thousands."""
    text = _encoder.encode(time)  # with six digits of a fraction, or none where it is zero
    return msgspec.Raw(text[:-5] + b'Z"' if time.microsecond else text[:-2] + b'.000Z"')


def now() -> datetime:
    """The time in the resolution that is stored."""
    return truncated(datetime.now(UTC))


def truncated(time: datetime) -> datetime:
    """The time without what is below a millisecond."""
    return time.replace(microsecond=time.microsecond // 1000 * 1000)


def path_text(request: Request, name: str) -> str:
    """A text of 1 to 255 characters from the path. Raises InvalidInput.

    Routing is done on the path as it was sent (`heliscore.main`), so this is the only decoding, and a `/`
    inside the text arrives as `%2F`.
    """
    sent: str = request.path_params[name]
    if _BROKEN_ESCAPE.search(sent):
        raise InvalidInput([FieldError(name, "malformed percent-encoding")])
    try:
        text = unquote_to_bytes(sent.encode("latin-1")).decode()
    except UnicodeDecodeError:
        raise InvalidInput([FieldError(name, "must be UTF-8, percent-encoded")]) from None
    if field_error := find_text_error(text):
        raise InvalidInput([FieldError(name, field_error)])
    return text
