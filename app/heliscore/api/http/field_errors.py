"""Collects the errors of an input, so that a client sees all of them at once."""

from __future__ import annotations

from typing import Final

from heliscore.domain.errors import FieldError, InvalidInput
from heliscore.domain.messages import described, shortened

MAX_ERRORS: Final = 1000
"""More are counted, but not listed: they would only repeat the mistake of a program."""


class FieldErrors:
    """The errors found in one input."""

    def __init__(self) -> None:
        self._errors: list[FieldError] = []
        self.count = 0

    def add(self, path: str, message: str) -> None:
        self.count += 1
        if self.count <= MAX_ERRORS:
            self._errors.append(FieldError(path, message))

    def add_unexpected(self, path: str, expected: str, raw: object) -> None:
        """Note a value of a wrong type or out of range."""
        self.add(path, f"expected {expected}, got {described(raw)}")

    @property
    def found(self) -> tuple[FieldError, ...]:
        return tuple(self._errors)

    def raise_any(self) -> None:
        """Raises InvalidInput where an error was noted."""
        if self._errors:
            raise InvalidInput(self._errors, self.count)


def step(path: str, key: str) -> str:
    """Extend a dotted path by a key that a client chose."""
    key = shortened(key)
    return f"{path}.{key}" if path else key
