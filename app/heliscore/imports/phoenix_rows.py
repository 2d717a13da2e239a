"""Rows of Phoenix's annotations and evaluations, as its API answers them and its data frames hold them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from heliscore.imports.fields import Found, Unfit
from heliscore.imports.row_formats import GivenScore, RowFormat, named, read_one_score

_SUBJECTS: Final = ("span_id", "context.span_id", "trace_id", "context.trace_id")
_RESULTS: Final = ("result", "result.score", "result.label", "score", "label")

_KINDS: Final = {"HUMAN": "human", "LLM": "judge", "CODE": "code"}


def _recognises(values: Mapping[str, Any]) -> bool:
    return any(key in values for key in _SUBJECTS) and any(key in values for key in _RESULTS)


def _read_scores(row: Found) -> Iterator[GivenScore]:
    if row.get("document") is not None:
        raise Unfit("it is about a document, not a request")
    # Evaluations in data frames have no kind: they come from judges.
    kind = _KINDS.get((row.text("kind") or "LLM").upper(), "api")
    author = named(kind, row.text("author") or "phoenix")
    score = read_one_score(row, row.get("score.value"), row.text("score.label"), author)
    if score is not None:
        yield score


PHOENIX: Final = RowFormat(
    "phoenix",
    "Phoenix",
    {
        "request_id": _SUBJECTS,
        "score.name": ("annotation_name", "eval_name", "name"),
        "score.value": ("result.score", "score"),
        "score.label": ("result.label", "label"),
        "score.at": ("updated_at", "created_at"),
        "score.author": (),
        "score.comment": ("result.explanation", "explanation"),
        "kind": ("annotator_kind",),
        "author": ("identifier", "user_id"),
        "document": ("document_position",),
    },
    _recognises,
    _read_scores,
    "",
)
