"""Defines the columns of an export: their names, order and kinds are the same in every format."""

from __future__ import annotations

from enum import Enum
from typing import Final


class ColumnKind(Enum):
    """The type of a column's values."""

    STRING = "string"
    STRINGS = "list of strings"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    TIME = "time"
    JSON = "JSON"


_STRING, _INTEGER, _TIME, _JSON = ColumnKind.STRING, ColumnKind.INTEGER, ColumnKind.TIME, ColumnKind.JSON

BODIES: Final = ("request_body", "response_body")

REQUEST_COLUMNS: Final[dict[str, ColumnKind]] = {
    "request_id": _STRING,
    **dict.fromkeys(("created_at", "updated_at", "response_created_at"), _TIME),
    **dict.fromkeys(("latency_ms", "time_to_first_token_ms"), _INTEGER),
    **dict.fromkeys(("prompt_tokens", "completion_tokens", "total_tokens"), _INTEGER),
    **dict.fromkeys(("prompt_cache_read_tokens", "prompt_cache_write_tokens"), _INTEGER),
    **dict.fromkeys(("reasoning_tokens", "prompt_audio_tokens", "completion_audio_tokens"), _INTEGER),
    "cost_usd": ColumnKind.NUMBER,
    "cost_is_computed": ColumnKind.BOOLEAN,
    "status": _INTEGER,
    "outcome": _STRING,
    "cache_enabled": ColumnKind.BOOLEAN,
    **dict.fromkeys(("user_id", "provider"), _STRING),
    **dict.fromkeys(("request_model", "response_model", "model_override", "model"), _STRING),
    **dict.fromkeys(("prompt_id", "prompt_version"), _STRING),
    "prompt_version_number": _INTEGER,
    "prompt_variables": _JSON,
    **dict.fromkeys(("response_id", "request_path", "target_url"), _STRING),
    "tags": ColumnKind.STRINGS,
    "properties": _JSON,
    "promptlayer": _JSON,
    **dict.fromkeys(BODIES, _JSON),
}
"""The columns of the request itself."""

SCORES: Final = "scores"
"""In JSONL an object, in flat formats a column for each score: its place is that of this name."""

HISTORY: Final = "history"
"""Replaced and removed scores."""

SCORE_DETAILS: Final = "score_details"
"""In flat formats, what JSONL has as `scores`."""

CURSOR: Final = "cursor"
"""Where an export goes on behind this row."""

PROPERTY: Final = "properties."
"""The beginning of the name of a column of one property, in flat formats."""

SCORE: Final = "scores."
"""The beginning of the name of a column of one score, in flat formats."""


def kind_of_column(name: str) -> ColumnKind:
    """The kind of any column of a flat format."""
    if name.startswith(PROPERTY) or name == CURSOR:
        return ColumnKind.STRING
    if name.startswith(SCORE):
        return ColumnKind.INTEGER
    return REQUEST_COLUMNS.get(name, ColumnKind.JSON)
