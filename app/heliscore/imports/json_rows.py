"""Reads the objects of large JSON one by one: an array, or the pages of an API, `{"data": […]}`."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from decimal import Decimal
from typing import IO, Any, Final

PAGE_KEYS: Final = ("data", "items")
"""Under which the pages of APIs hold their objects."""

_PIECE_BYTES: Final = 1 << 20
_BLANK: Final = " \t\r\n"

_decoder: Final = json.JSONDecoder(parse_float=Decimal)


class NotRead(ValueError):
    """Why a file cannot be read on."""


class JsonRows:
    """The objects of a file. Holds no more than about two of them, or 2 MiB."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._decode = codecs.getincrementaldecoder("utf-8-sig")().decode
        self._text = ""
        self._at = 0
        self._has_ended = False

    def __iter__(self) -> Iterator[Any]:
        """Raises NotRead."""
        while (first := self._peek()) != "":
            if first == "[":
                yield from self._array()
            elif first == "{":
                yield from self._page()
            else:
                raise NotRead("expected an array, an object a line, or an object with data or items")

    def _page(self) -> Iterator[Any]:
        self._take("{")
        while self._peek() != "}":
            key = self._value()
            self._take(":")
            if key in PAGE_KEYS and self._peek() == "[":
                yield from self._array()
            else:
                self._value()
            self._end_item("}")
        self._take("}")

    def _array(self) -> Iterator[Any]:
        self._take("[")
        while self._peek() != "]":
            yield self._value()
            self._end_item("]")
        self._take("]")

    def _end_item(self, end: str) -> None:
        """Some write a comma after the last one, too."""
        if self._peek() != end:
            self._take(",")

    def _value(self) -> Any:
        self._peek()
        while True:
            try:
                value, self._at = _decoder.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                if not self._read_on():
                    raise NotRead(f"this is no JSON: {error.msg}") from None
            except RecursionError:
                raise NotRead("the JSON is nested too deeply") from None
            else:
                return value

    def _take(self, letter: str) -> None:
        if self._peek() != letter:
            raise NotRead(f"this is no JSON: expected {letter}, got {self._peek() or 'the end'}")
        self._at += 1

    def _peek(self) -> str:
        """The next letter that is no blank; empty at the end."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in _BLANK:
                self._at += 1
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._read_on():
                return ""

    def _read_on(self) -> bool:
        """Read as much again as is held, so that a large object is not begun too often; False at the end."""
        if self._has_ended:
            return False
        held = self._text[self._at :]
        piece = self._file.read(max(_PIECE_BYTES, len(held)))
        self._has_ended = not piece
        try:
            self._text, self._at = held + self._decode(piece, self._has_ended), 0
        except UnicodeDecodeError:
            raise NotRead("this is no UTF-8") from None
        return True
