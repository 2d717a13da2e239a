"""How messages about floats as scores end."""

from __future__ import annotations

from typing import Final

MULTIPLY: Final = "send whole numbers: multiply fractions, e.g. by 100, and round"
NO_POINT: Final = "send whole numbers without a decimal point"
