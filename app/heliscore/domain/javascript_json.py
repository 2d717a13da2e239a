"""JSON as JavaScript's JSON.stringify(JSON.parse(…)) writes it.

Helicone's receivers check a signature by parsing the body and signing what JSON.stringify makes of it: only
bytes that this leaves as they are have the right signature. Numbers are doubles (ECMA-262, Number::toString),
and keys that are array indexes come first, in their order.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import Any, Final

import msgspec

_INDEX: Final = re.compile(r"0|[1-9]\d{0,9}", re.ASCII)
_MAX_INDEX: Final = 2**32 - 2
_MAX_EXACT: Final = 2**53

_encoder = msgspec.json.Encoder()


def encode_as_javascript(value: Any) -> bytes:
    """Encode decoded JSON. Raises RecursionError."""
    return _encoder.encode(_as_javascript(value))


def _as_javascript(value: Any) -> Any:
    match value:
        case dict():
            items = value.items()
            if any(_is_index(key) for key in value):
                indexes = sorted((key for key in value if _is_index(key)), key=int)
                rest = [key for key in value if not _is_index(key)]
                items = {key: value[key] for key in (*indexes, *rest)}.items()
            return {key: _as_javascript(item) for key, item in items}
        case list():
            return [_as_javascript(item) for item in value]
        case bool():
            return value
        case int() if -_MAX_EXACT <= value <= _MAX_EXACT:
            return value
        case int() | float():
            return msgspec.Raw(format_number(value).encode())
        case _:
            return value


def _is_index(key: str) -> bool:
    return _INDEX.fullmatch(key) is not None and int(key) <= _MAX_INDEX


def format_number(number: float) -> str:
    """Write a number as JavaScript does; `null` for what is no double."""
    try:
        double = float(number)
    except OverflowError:
        return "null"
    if not math.isfinite(double):
        return "null"
    if double == 0:
        return "0"
    sign = "-" if double < 0 else ""
    _, digit_tuple, exponent = Decimal(repr(abs(double))).normalize().as_tuple()
    digits, count = "".join(map(str, digit_tuple)), len(digit_tuple)
    point = count + int(exponent)  # how many digits are before the point
    if count <= point <= 21:
        return sign + digits + "0" * (point - count)
    if 0 < point <= 21:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    rest = f".{digits[1:]}" if count > 1 else ""
    return f"{sign}{digits[0]}{rest}e{point - 1:+d}"
