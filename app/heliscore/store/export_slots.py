"""SQL for the columns of an export: text from the constants here, and what a client sent as arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from heliscore.domain.export_columns import PROPERTY, REQUEST_COLUMNS, ColumnKind
from heliscore.store.search.arguments import Arguments

_EXPRESSIONS: Final[dict[str, str]] = {
    **{name: f"r.{name}" for name in REQUEST_COLUMNS},
    "cache_enabled": "coalesce(r.cache_enabled, false)",
}

_TIME_FORMAT: Final = 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'


def make_members(columns: Sequence[str]) -> str:
    """The arguments of concat_ws that make the members of these columns."""
    members = [_member(name) for name in columns if name in REQUEST_COLUMNS]
    return ", ".join(members) or "NULL"


def _member(name: str) -> str:
    column = _EXPRESSIONS[name]
    match REQUEST_COLUMNS[name]:
        case ColumnKind.STRING | ColumnKind.STRINGS:
            value = f"to_json({column})::text"
        case ColumnKind.TIME:
            value = f"""'"' || to_char({column} AT TIME ZONE 'UTC', '{_TIME_FORMAT}') || '"'"""
        case ColumnKind.JSON | ColumnKind.INTEGER | ColumnKind.NUMBER | ColumnKind.BOOLEAN:
            value = f"{column}::text"
    return f"'\"{name}\":' || {value}"


def make_columns(columns: Sequence[str], arguments: Arguments) -> str:
    """The select list of these columns. JSON as text: what is read as JSON counts for one answer's limit."""
    found = []
    for name in columns:
        if name.startswith(PROPERTY):
            found.append(f"r.properties ->> {arguments.add(name.removeprefix(PROPERTY), 'text')}")
        elif (kind := REQUEST_COLUMNS.get(name)) is not None:
            is_json = kind is ColumnKind.JSON
            found.append(f"{_EXPRESSIONS[name]}{'::text' if is_json else ''} AS {name}")
    return ", ".join(found) or "NULL"
