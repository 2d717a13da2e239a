"""Multiplies the scores of a bulk upload that asks for it, so that evaluators may send fractions."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, Final

from heliscore.api.http.body_fields import ValueType, optional
from heliscore.api.http.field_errors import FieldErrors, step
from heliscore.api.http.value_types import integer
from heliscore.api.shared.score_maps import read_name
from heliscore.domain.exact_numbers import scaled

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


def scale_scores(scores: dict[str, Any], scale: int, path: str, errors: FieldErrors) -> None:
    """Replace the numbers of a decoded score map, of which those with fractions are Decimals."""
    for name, value in scores.items():
        is_boolean = read_name(name)[1]
        if type(value) is Decimal and is_boolean:
            errors.add_unexpected(step(path, name), "true, false, 1 or 0", value)
            scores[name] = False
        elif type(value) in (int, Decimal) and not is_boolean:
            whole = scaled(value, scale)
            if whole is None:
                errors.add_unexpected(step(path, name), f"at most ±2^53 after multiplying by {scale}", value)
            scores[name] = whole or 0
