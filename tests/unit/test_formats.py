from __future__ import annotations

import pytest
from heliscore.dashboard.parts.number_formats import (
    format_compact,
    format_count,
    format_number,
    format_share,
)


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (0, "0"),
        (3, "3"),
        (-1234567, "\N{MINUS SIGN}1,234,567"),
        (-87.46, "\N{MINUS SIGN}87.5"),
        (-5.0, "\N{MINUS SIGN}5"),
        (-(2**63), f"\N{MINUS SIGN}{2**63:,}"),
        (0.001, "<0.01"),
        (-0.001, "\N{MINUS SIGN}<0.01"),
        (0.005, "0.01"),
        (87.0, "87"),
        (87.46, "87.5"),
        (0.125, "0.12"),
        (9.999, "10.00"),
        (12345.6, "12,346"),
    ],
)
def test_numbers_have_as_many_decimals_as_they_need(number: float, shown: str) -> None:
    assert format_number(number) == shown


@pytest.mark.parametrize(
    ("share", "shown"),
    [(0, "0%"), (1, "100%"), (0.5, "50%"), (0.9234, "92.3%"), (0.99999, "99.9%"), (0.00001, "0.1%")],
)
def test_only_none_and_all_are_shown_as_0_and_100(share: float, shown: str) -> None:
    assert format_share(share) == shown


def test_counts_are_grouped() -> None:
    assert format_count(1234567) == "1,234,567"


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (99_999, "99,999"),
        (87.46, "87.5"),
        (123_456, "123k"),
        (999_999, "1M"),
        (-1_234_567.8, "\N{MINUS SIGN}1.23M"),
        (12_345_678_901, "12.3B"),
        (5 * 10**14, "500T"),
        (2**63, "9.22e18"),
    ],
)
def test_large_numbers_are_short(number: float, shown: str) -> None:
    assert format_compact(number) == shown
