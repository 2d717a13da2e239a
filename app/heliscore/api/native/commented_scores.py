"""Score maps whose values may have a comment: `{"accuracy": 95, "tone": {"value": 2, "comment": "curt"}}`."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from heliscore.api.http.body_fields import ValueType
from heliscore.api.http.field_errors import FieldErrors, step
from heliscore.api.shared.score_maps import SCORE_SCHEMA, SCORES
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
    sent_comments = {
        name: value[_COMMENT]
        for name, value in raw.items()
        if isinstance(value, dict) and _check_keys(value, step(path, name), errors) and _COMMENT in value
    }
    values = {name: value.get(VALUE) if isinstance(value, dict) else value for name, value in raw.items()}
    # A score that is given twice, with Helicone's suffix and without, is an error: names and scores agree.
    scores = SCORES.read(values, path, errors)
    stored_names = dict(zip(raw, scores, strict=False))
    comments = {}
    for name, comment in sent_comments.items():
        if comment is not None and _check_comment(comment, step(step(path, name), _COMMENT), errors):
            comments[stored_names.get(name, name)] = comment
    return CommentedScores(scores, comments)


def _check_keys(value: dict[str, Any], path: str, errors: FieldErrors) -> bool:
    for key in value.keys() - {VALUE, _COMMENT}:
        errors.add(step(path, key), f"unknown key; known are {_COMMENT}, {VALUE}")
    if VALUE not in value:
        errors.add(step(path, VALUE), "missing")
    return True


def _check_comment(comment: object, path: str, errors: FieldErrors) -> bool:
    """An empty comment is none."""
    if not isinstance(comment, str):
        errors.add_unexpected(path, "a string", comment)
        return False
    if len(comment) > MAX_COMMENT_LENGTH:
        errors.add(path, f"must have at most {MAX_COMMENT_LENGTH} characters, got {len(comment)}")
    if "\0" in comment:
        errors.add(path, "must not contain NUL")
    return bool(comment.strip())


COMMENTED_SCORES: Final = ValueType[CommentedScores](
    {
        **SCORES.schema,
        "additionalProperties": {
            "anyOf": [
                *SCORE_SCHEMA["oneOf"],
                {
                    "type": "object",
                    "properties": {
                        VALUE: SCORE_SCHEMA,
                        _COMMENT: {"type": ["string", "null"], "maxLength": MAX_COMMENT_LENGTH},
                    },
                    "required": [VALUE],
                    "additionalProperties": False,
                },
            ]
        },
    },
    _read_commented_scores,
)
"""A score map, with comments or without."""
