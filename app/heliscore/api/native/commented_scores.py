"""Score maps whose values may have a comment: `{"accuracy": 95, "tone": {"value": 2, "comment": "curt"}}`."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from heliscore.api.http.body_fields import ValueType
from heliscore.api.http.field_errors import FieldErrors, step
from heliscore.api.http.json_schema import closed_object, named, nullable
from heliscore.api.shared.score_maps import SCORE_SCHEMA, SCORES, plain_name, score_map_schema
from heliscore.domain.score import MAX_COMMENT_LENGTH, Score

VALUE: Final = "value"
_COMMENT: Final = "comment"


class CommentedScores(msgspec.Struct, frozen=True):
    """A score map, and the comments on some of its scores."""

    scores: dict[str, Score]
    comments: dict[str, str]


def _read_commented_scores(raw: Any, path: str, errors: FieldErrors) -> CommentedScores:
    if not isinstance(raw, dict):
        return CommentedScores(SCORES.read(raw, path, errors), {})
    values: dict[str, Any] = {}
    comments: dict[str, str] = {}
    for name, value in raw.items():
        if not isinstance(value, dict):
            values[name] = value
            continue
        place = step(path, name)
        for key in value.keys() - {VALUE, _COMMENT}:
            errors.add(step(place, key), f"unknown key; known are {_COMMENT}, {VALUE}")
        if VALUE in value:
            values[name] = value[VALUE]
        else:
            errors.add(step(place, VALUE), "missing")
        if comment := _read_comment(value.get(_COMMENT), step(place, _COMMENT), errors):
            comments[plain_name(name)] = comment
    return CommentedScores(SCORES.read(values, path, errors), comments)


def _read_comment(raw: object, path: str, errors: FieldErrors) -> str | None:
    """An empty comment is none."""
    if raw is None:
        return None
    if not isinstance(raw, str):
        errors.add_unexpected(path, "a string", raw)
        return None
    if len(raw) > MAX_COMMENT_LENGTH:
        errors.add(path, f"must have at most {MAX_COMMENT_LENGTH} characters, got {len(raw)}")
    if "\0" in raw:
        errors.add(path, "must not contain NUL")
    return raw if raw.strip() else None


COMMENT: Final = ValueType[str | None]({"type": "string", "maxLength": MAX_COMMENT_LENGTH}, _read_comment)
"""The comment on a score."""

_COMMENTED: Final = named(
    "CommentedScore", closed_object({VALUE: SCORE_SCHEMA, _COMMENT: nullable(COMMENT.schema)}, (VALUE,))
)
COMMENTED_SCORES: Final = ValueType[CommentedScores](
    score_map_schema("CommentedScoreMap", {"anyOf": [*SCORE_SCHEMA["oneOf"], _COMMENTED]}),
    _read_commented_scores,
)
"""A score map, with comments or without."""
