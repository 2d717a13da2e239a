"""Names what is often taken for JSON and is not: byte order marks, and other languages' words such as NaN."""

from __future__ import annotations

import codecs
import re
from typing import Final

_MARKS: Final = {
    codecs.BOM_UTF8: "UTF-8",
    codecs.BOM_UTF32_LE: "UTF-32",  # begins like UTF-16's, so it is looked for before
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
_BYTE: Final = re.compile(r"invalid character \(byte (\d+)\)")
_WORD: Final = re.compile(
    rb"(?:^|(?<=[\s:,\[{]))-?(?:NaN|Infinity|nan|inf|undefined|None|True|False)(?![\w.])"
)
_WORD_BYTES: Final = 10
"""Of the longest word, with its sign or the blank before it."""

_BEYOND: Final = 2
"""Bytes after a word at which the decoder may notice it: it reads `nan` as it reads `null`."""


def find_not_json(body: bytes, error: str) -> str | None:
    """Name the byte order mark or the word for which msgspec raised this error; None if it is neither."""
    for mark, encoding in _MARKS.items():
        if body.startswith(mark):
            return f"it begins with a byte order mark of {encoding}, send UTF-8 without one"
    if found := _BYTE.search(error):
        return _find_word(body, int(found[1]))
    return None


def _find_word(body: bytes, position: int) -> str | None:
    begin = max(position - _WORD_BYTES, 0)
    for word in _WORD.finditer(body[begin : position + _WORD_BYTES]):
        if begin + word.start() <= position < begin + word.end() + _BEYOND:
            return f"{word[0].decode()} (byte {begin + word.start()}) is no JSON, leave the value out"
    return None
