"""Multiplies numbers as they were sent, in decimals: in binary, 0.575 times 100 is less than 57.5."""

from __future__ import annotations

from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, ROUND_HALF_EVEN, Context, Decimal
from typing import Final

_MAX_SCALED: Final = 2**53
"""Up to here JavaScript's numbers hold every integer."""

_MAX_EXPONENT: Final = len(str(_MAX_SCALED)) - 1

_EXACT: Final = Context(MAX_PREC, ROUND_HALF_EVEN, MIN_EMIN, MAX_EMAX, traps=[])


def read_decimal(text: str) -> Decimal:
    """Read the text of a JSON number; one beyond all bounds is infinite or zero."""
    return _EXACT.create_decimal(text)


def scaled(number: Decimal, scale: int) -> int | None:
    """Multiply and round half to even; None beyond ±2^53."""
    product = _EXACT.multiply(number, scale)
    if not product.is_finite() or product.adjusted() > _MAX_EXPONENT:
        return None
    whole = int(_EXACT.to_integral_value(product))
    return whole if abs(whole) <= _MAX_SCALED else None
