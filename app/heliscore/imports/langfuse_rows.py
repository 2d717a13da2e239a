"""Rows of Langfuse's scores, as its tables export them and `GET /api/public/scores` answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from heliscore.imports.fields import Found, Unfit, as_boolean
from heliscore.imports.row_formats import GivenScore, RowFormat, named, read_one_score


def _recognises(values: Mapping[str, Any]) -> bool:
    return {"name", "source"} <= values.keys() and bool({"traceId", "observationId"} & values.keys())


def _read_scores(row: Found) -> Iterator[GivenScore]:
    value, label = _read_value(row, (row.text("data_type") or "NUMERIC").upper())
    match row.get("source"):
        case "ANNOTATION":
            author = named("human", row.text("author") or "langfuse")
        case "EVAL":
            author = "judge:langfuse"
        case _:
            author = "api:langfuse"
    if (score := read_one_score(row, value, label, author)) is not None:
        yield score


def _read_value(row: Found, data_type: str) -> tuple[Any, str | None]:
    value, label = row.get("score.value"), row.text("score.label")
    match data_type:
        case "BOOLEAN":
            return as_boolean(value), None
        case "CATEGORICAL":
            # The number beside it is one of their own, often 0.
            return None, label if label is not None or not isinstance(value, str) else value
        case "NUMERIC":
            return value, None
    raise Unfit(f"{data_type} is no kind of score")


LANGFUSE: Final = RowFormat(
    "langfuse",
    "Langfuse",
    {
        "request_id": ("observationId", "traceId"),
        "score.name": ("name",),
        "score.value": ("value",),
        "score.label": ("stringValue",),
        "score.at": ("updatedAt", "timestamp"),
        "score.author": (),
        "score.comment": ("comment",),
        "data_type": ("dataType",),
        "source": ("source",),
        "author": ("authorUserName", "authorUserId"),
    },
    _recognises,
    _read_scores,
    "",
)
