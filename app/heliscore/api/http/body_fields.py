"""Reads the fields of a decoded JSON object and collects every error, so that a client sees all of them."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Final

from heliscore.api.http.json_codec import decode, decode_unique
from heliscore.domain.errors import FieldError, InvalidInput
from heliscore.domain.messages import described, shortened
from heliscore.domain.times import read_time

MAX_ERRORS: Final = 1000
"""More are counted, but not listed: they would only repeat the mistake of a program."""

_DIGITS: Final = re.compile(r"\d{1,9}", re.ASCII)
_MAX_NUMBER: Final = 10**15


class FieldErrors:
    """The errors found in one body."""

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


def decode_object(body: bytes, known: frozenset[str] | None = None, *, unique: bool = False) -> Fields:
    """Decode a JSON object; keys that are not `known` are its first errors (None: any key is).

    `unique`: a repeated key, at any depth, is an error; otherwise its last value counts. Raises InvalidInput
    for what is not a JSON object.
    """
    raw = decode_unique(body) if unique else decode(body)
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
