"""Arguments of a statement: every value that a client sent becomes a numbered and cast parameter."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from heliscore.domain.filter_tree import Kind, Value

_TYPES: Final[dict[Kind, str]] = {
    Kind.TEXT: "text",
    Kind.NUMBER: "numeric",
    Kind.TIMESTAMP: "timestamptz",
    Kind.BOOLEAN: "boolean",
    Kind.SCORE: "bigint",
    Kind.AUTHOR: "text",
    Kind.AUTHOR_KIND: "text",
}


class Arguments:
    """The arguments of one statement, in order of their parameters."""

    def __init__(self, first_parameter: int) -> None:
        self._first_parameter = first_parameter
        self._values: list[object] = []

    def add(self, value: object, type_: str) -> str:
        """Add a value; returns its parameter, `$4::text`."""
        self._values.append(value)
        return f"${self._first_parameter + len(self._values) - 1}::{type_}"

    def add_value(self, value: Value, kind: Kind) -> str:
        """Add a value that a subject of that kind is compared with."""
        return self.add(_as_kind(value, kind), _TYPES[kind])

    def add_values(self, values: Iterable[Value], kind: Kind) -> str:
        """The same of several, as an array."""
        return self.add([_as_kind(value, kind) for value in values], f"{_TYPES[kind]}[]")

    def all(self) -> tuple[object, ...]:
        return tuple(self._values)


def _as_kind(value: Value, kind: Kind) -> Value:
    """asyncpg checks types itself and casts nothing: numeric wants a Decimal, bigint no boolean."""
    if kind is Kind.NUMBER and isinstance(value, int | float):
        return Decimal(repr(value))
    if kind is Kind.SCORE and isinstance(value, bool):
        return int(value)
    return value
