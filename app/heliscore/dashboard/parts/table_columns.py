"""The columns of the table of requests: their titles, and by what they are sorted and downloaded."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from heliscore.domain.export_columns import PROPERTY as EXPORTED_PROPERTY
from heliscore.domain.export_columns import SCORES
from heliscore.domain.filter_tree import Column, Property
from heliscore.domain.saved_view import PROPERTY

DEFAULT_COLUMNS: Final = (
    *("answer", "time", "model", "user", "prompt", "status", "latency", "cost", "properties"),
)
"""Those of an address that names none."""


class TableColumn(msgspec.Struct, frozen=True):
    """A column beside those of scores."""

    key: str
    """Its name in the address."""

    title: str
    sorted_by: Column | Property | None = None
    exported: tuple[str, ...] = ()
    is_number: bool = False

    @property
    def is_before_scores(self) -> bool:
        return self.key in ("answer", "time")


_COLUMNS: Final = (
    TableColumn("answer", "Answer", exported=("response_body",)),
    TableColumn("time", "Time", Column("created_at")),
    TableColumn("model", "Model", Column("model"), ("model",)),
    TableColumn("provider", "Provider", exported=("provider",)),
    TableColumn("user", "User", Column("user_id"), ("user_id",)),
    TableColumn("prompt", "Prompt", exported=("prompt_id", "prompt_version")),
    TableColumn("status", "Status", exported=("status", "outcome")),
    TableColumn("latency", "Latency", Column("latency_ms"), ("latency_ms",), is_number=True),
    TableColumn(
        "ttft", "First token", Column("time_to_first_token_ms"), ("time_to_first_token_ms",), is_number=True
    ),
    TableColumn(
        "tokens",
        "Tokens",
        Column("total_tokens"),
        ("prompt_tokens", "completion_tokens", "total_tokens"),
        is_number=True,
    ),
    TableColumn("cost", "Cost", Column("cost_usd"), ("cost_usd",), is_number=True),
    TableColumn("id", "Id"),
    TableColumn("properties", "Properties", exported=("properties",)),
)
"""In the order of the table; those of single properties come before `properties`."""

TITLES: Final = {column.key: column.title for column in _COLUMNS}
"""The titles of the columns that can always be chosen, by key."""


def find_columns(keys: Iterable[str]) -> list[TableColumn]:
    """The columns of these keys, in the order of the table."""
    wanted = list(keys)
    found = [column for column in _COLUMNS if column.key in wanted]
    properties = [
        TableColumn(key, name, Property(name), (EXPORTED_PROPERTY + name,))
        for key in wanted
        if (name := key.removeprefix(PROPERTY)) != key
    ]
    at = len(found) - (bool(found) and found[-1].key == "properties")
    return [*found[:at], *properties, *found[at:]]


def find_exported(columns: Iterable[TableColumn], *, with_bodies: bool) -> tuple[str, ...]:
    """The names of the columns in an export: always the time and the id, and the scores."""
    exported = [name for column in columns for name in column.exported]
    before = ("created_at", "request_id", SCORES)
    return (*before, *(name for name in exported if with_bodies or name != "response_body"))
