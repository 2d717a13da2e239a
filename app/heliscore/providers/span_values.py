"""Values among the attributes of a span, in the spellings of several conventions."""

from __future__ import annotations

import re
from typing import Any, Final

from heliscore.providers.tool_parts import decoded

Attributes = dict[str, Any]

_DEEPEST: Final = 12
_INDEX: Final = re.compile(r"\d{1,6}", re.ASCII)


def first(attributes: Attributes, *names: str) -> Any:
    """The value under the first of the names that has one; an empty string is none."""
    for name in names:
        value = attributes.get(name)
        if value is not None and value != "":
            return value
    return None


def first_string(attributes: Attributes, *names: str) -> str | None:
    """The same for strings; numbers and booleans are none."""
    return next((value for name in names if isinstance(value := attributes.get(name), str) and value), None)


def structured(value: object) -> object:
    """A value that is sent as it is or as JSON."""
    return decoded(value)


def subtree(attributes: Attributes, prefix: str) -> object:
    """What lies below a name as one value: `a.0.role` and `a.0.text` make a list of one object. None where
    there is nothing."""
    tree: dict[str, Any] = {}
    start = f"{prefix}."
    for name, value in attributes.items():
        if name.startswith(start):
            *parents, key = name[len(start) :].split(".", _DEEPEST)
            at = tree
            for parent in parents:
                held = at.setdefault(parent, {})
                at = held if isinstance(held, dict) else {}  # a leaf has the name already: it stays
            at.setdefault(key, value)
    return _with_lists(tree) if tree else None


def _with_lists(tree: object) -> object:
    if not isinstance(tree, dict):
        return tree
    if tree and all(_INDEX.fullmatch(key) for key in tree):
        return [_with_lists(tree[key]) for key in sorted(tree, key=int)]
    return {key: _with_lists(value) for key, value in tree.items()}


def as_list(value: object) -> list[Any]:
    """The value if it is a list, else an empty one."""
    return value if isinstance(value, list) else []
