"""Strings and lists that arrive in pieces, and what folds of different families do alike with them."""

from __future__ import annotations

from typing import Final

import msgspec

_FIXED: Final = frozenset(("type", "role", "id", "name", "index", "signature", "format"))
"""Keys whose texts do not continue: a later one replaces the earlier."""

_DEEPEST: Final = 12
"""Levels of objects within a delta that are continued, and levels more of lists and objects around them."""


class Pieces(list[str]):
    """A string in pieces: joined once at the end, for adding to a string copies it each time."""

    def joined(self) -> str:
        """The whole string."""
        return "".join(self)


def merge(held: dict[str, object], delta: dict[str, object], depth: int = 0) -> None:
    """Continue an object by a delta: append strings, extend lists, merge objects, replace other values."""
    for key, value in delta.items():
        before = held.get(key)
        match value:
            case None:
                held.setdefault(key, None)
            case str() if key not in _FIXED:
                if not isinstance(before, Pieces):
                    before = held[key] = Pieces([before] if isinstance(before, str) else [])
                before.append(value)
            case dict() if isinstance(before, dict) and depth < _DEEPEST:
                merge(before, value, depth + 1)
            case dict() if depth < _DEEPEST:
                started: dict[str, object] = {}
                merge(started, value, depth + 1)
                held[key] = started
            case list() if isinstance(before, list) and not isinstance(before, Pieces):
                before.extend(value)
            case list():
                held[key] = list(value)
            case _:
                held[key] = value


def settled(value: object, depth: int = 0) -> object:
    """The value with every string in pieces joined."""
    match value:
        case Pieces():
            return value.joined()
        case dict() if depth < 2 * _DEEPEST:
            return {key: settled(item, depth + 1) for key, item in value.items()}
        case list() if depth < 2 * _DEEPEST:
            return [settled(item, depth + 1) for item in value]
    return value


def keep_latest(held: dict[str, object], chunk: dict[str, object], *but: str) -> None:
    """Take over what a chunk says of the whole response: the last word on each key that is not null."""
    held.update({key: value for key, value in chunk.items() if key not in but and value is not None})


def at(slots: dict[int, dict[str, object]], index: object) -> dict[str, object]:
    """The object at an index of a list that arrives in any order; one that is no index continues the last."""
    number = index if isinstance(index, int) else next(reversed(slots), 0)
    return slots.setdefault(number, {})


def in_order(slots: dict[int, dict[str, object]]) -> list[dict[str, object]]:
    """The objects by index."""
    return [slots[index] for index in sorted(slots)]


def parsed(pieces: str) -> object:
    """The value of a JSON text that came in pieces; the text itself where the stream broke off in it."""
    try:
        return msgspec.json.decode(pieces) if pieces else {}
    except (ValueError, RecursionError):
        return pieces
