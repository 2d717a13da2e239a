"""What a format of exports is: how its rows are recognised, and read into requests and scores."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import msgspec

from heliscore.imports.fields import Found, Sources, Unfit, as_boolean, as_time

SECONDS: Final = "latency_s"
"""The field of a latency in seconds."""


class GivenScore(msgspec.Struct, frozen=True):
    """A score as another service has it."""

    name: str
    value: Any
    """A number, a boolean, or a string that may be either; None: only a label is there."""

    label: str | None = None
    at: str | None = None
    """ISO 8601; None: unknown."""

    author: str | None = None
    comment: str | None = None
    error: str = ""
    """Why it is none."""


class RowFormat(msgspec.Struct, frozen=True):
    """The format of an export."""

    name: str
    title: str
    sources: Sources
    recognises: Callable[[Mapping[str, Any]], bool]
    """Whether the first row of a file is of it."""

    read_scores: Callable[[Found], Iterator[GivenScore]]
    """Raises Unfit where the row is no score of a request."""

    scores_from: str
    """Where scores come from, as the mapping shows it; empty: a row is one score."""


def make_boolean(name: str, value: Any, at: str | None = None) -> GivenScore:
    """The score of a name whose values are booleans."""
    try:
        return GivenScore(name, as_boolean(value), at=at)
    except Unfit as unfit:
        return GivenScore(name, None, error=str(unfit))


def read_one_score(row: Found, value: Any, label: str | None, author: str) -> GivenScore | None:
    """The score of a row that is one; None where it has no name."""
    name, at = row.text("score.name"), row.get("score.at")
    if name is None:
        return None
    return GivenScore(
        name,
        value,
        label,
        None if at is None else as_time(at),
        row.text("score.author") or author,
        row.text("score.comment"),
    )


def named(kind: str, name: str | None) -> str:
    """An author of that kind; one of our rules for names."""
    return f"{kind}:{' '.join((name or '').split())[:200]}"
