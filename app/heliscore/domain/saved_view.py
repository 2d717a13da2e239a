"""Saved views: searches of requests that an organization has named, with the columns that are shown."""

from __future__ import annotations

from typing import Final

import msgspec

from heliscore.domain.errors import FieldError

MAX_VIEWS: Final = 200
"""Of an organization."""

MAX_SEARCH_BYTES: Final = 32 * 1024
"""Of a view's search as JSON: it has to fit into an address."""

COLUMNS: Final = (
    *("time", "answer", "model", "provider", "prompt", "user", "status", "latency", "ttft"),
    *("tokens", "cost", "properties", "id"),
)
"""The columns of the table that can be chosen, beside those of scores and of single properties."""

PROPERTY: Final = "property:"
"""The beginning of the name of a column of one property."""

RANGES: Final = ("24h", "7d", "30d", "90d")


class Search(msgspec.Struct, frozen=True, omit_defaults=True):
    """The parameters of the page's address; empty if it does not have them."""

    filter: str = ""
    """JSON, as the API takes it."""

    sort: str = ""
    """JSON, too."""

    scores: tuple[str, ...] = ()
    """Names of scores that have a column; none: those on the page."""

    columns: tuple[str, ...] = ()
    """COLUMNS and properties; none: the usual ones."""

    range: str = ""
    """One of RANGES: the time until now."""

    first_day: str = ""
    last_day: str = ""
    zone: str = ""
    """Of the days."""


class SavedView(msgspec.Struct, frozen=True):
    """A search with a name."""

    id: str
    name: str
    search: Search


def find_column_error(name: str) -> str | None:
    """The error of a column's name; None if there is such a column."""
    if name in COLUMNS or (name.startswith(PROPERTY) and name != PROPERTY):
        return None
    return f"expected one of {', '.join(COLUMNS)} or {PROPERTY}KEY"


def find_search_errors(search: Search) -> list[FieldError]:
    """The errors of a search as a whole."""
    size = len(msgspec.json.encode(search))
    if size > MAX_SEARCH_BYTES:
        return [FieldError("", f"expected a search of at most {MAX_SEARCH_BYTES} bytes, got {size}")]
    return []
