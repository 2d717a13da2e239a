"""Numbers are scaled as they were sent."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from heliscore.domain.exact_numbers import read_decimal, scaled
from hypothesis import given
from hypothesis import strategies as st

LIMIT = 2**53

NUMBERS = st.one_of(
    st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-10_000, max_value=10_000),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.integers(-LIMIT - 10, LIMIT + 10),
).map(str)


@given(NUMBERS, st.integers(1, 1_000_000))
def test_scaled_number_is_the_exact_product_rounded_half_to_even(text: str, scale: int) -> None:
    product = round(Fraction(Decimal(text)) * scale)
    assert scaled(read_decimal(text), scale) == (product if abs(product) <= LIMIT else None)


@given(st.integers(-(2**70), 2**70), st.integers(1, 1_000_000))
def test_integer_is_scaled_exactly(number: int, scale: int) -> None:
    assert scaled(Decimal(number), scale) == (number * scale if abs(number * scale) <= LIMIT else None)


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("0.285", 28),  # 28.499999999999996 as a float
        ("0.015", 2),
        ("0.145", 14),
        ("0.575", 58),  # 57.49999999999999 as a float
        ("-0.015", -2),
        ("0.005", 0),
        ("0.00500000000000000000000000000000000001", 1),
        ("-0.0", 0),
        ("9.5e-1", 95),
        ("90071992547409.92", LIMIT),
        ("-90071992547409.92", -LIMIT),
        ("90071992547409.925", LIMIT),
        ("90071992547409.926", None),
        ("1e400", None),
        ("-1e99999999999999999999", None),
        ("1e-400", 0),
        ("1e-99999999999999999999", 0),
    ],
)
def test_number_times_a_hundred(text: str, whole: int | None) -> None:
    assert scaled(read_decimal(text), 100) == whole
