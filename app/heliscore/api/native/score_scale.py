"""Multiplies the scores of a bulk upload that asks for it, so that evaluators may send fractions."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from heliscore.api.http.body_fields import ValueType, optional
from heliscore.api.http.field_errors import FieldErrors, step
from heliscore.api.http.value_types import integer
from heliscore.api.native.commented_scores import VALUE
from heliscore.api.shared.score_maps import read_name
from heliscore.domain.exact_numbers import read_decimal, scaled
from heliscore.domain.score import MAX_SCORES_PER_CALL

_DIGITS: Final = re.compile(r"\d{1,9}", re.ASCII)
_WHOLE: Final = integer(1, 1_000_000)


def _read_scale(raw: Any, path: str, errors: FieldErrors) -> int:
    is_digits = isinstance(raw, str) and _DIGITS.fullmatch(raw)
    return _WHOLE.read(int(str(raw)) if is_digits else raw, path, errors)


SCALE: Final = optional(
    "scale",
    ValueType[int](_WHOLE.schema, _read_scale),
    description="Numbers, also with fractions, are multiplied by this and rounded half to even before they "
    "are stored, exactly; booleans are not, nor are 1 and 0 under a boolean's name. Beyond ±2^53 a "
    "number is an error.",
)
"""A parameter of the query. Without it, scores must be whole numbers."""


class _Line(msgspec.Struct):
    scores: dict[str, msgspec.Raw]


class _Commented(msgspec.Struct):
    value: msgspec.Raw


_line: Final = msgspec.json.Decoder(_Line)
_commented: Final = msgspec.json.Decoder(_Commented)


def scale_scores(scores: dict[str, Any], line: bytes, scale: int, path: str, errors: FieldErrors) -> None:
    """Replace the numbers of a decoded score map by what the line has for them, multiplied. A map with too
    many is left alone: it is an error as it is."""
    if len(scores) > MAX_SCORES_PER_CALL:
        return
    texts = _line.decode(line).scores
    for name, value in scores.items():
        place, number, text = scores, value, texts[name]
        key = name
        if isinstance(value, dict) and VALUE in value:
            place, key, number, text = value, VALUE, value[VALUE], _commented.decode(text).value
        if type(number) not in (int, float) or read_name(name)[1]:
            continue
        whole = scaled(read_decimal(bytes(text).decode()), scale)
        if whole is None:
            errors.add_unexpected(step(path, name), f"at most ±2^53 after multiplying by {scale}", number)
        place[key] = whole or 0
