"""The rules of a score map, `{name: integer or boolean}`, wherever one is sent."""

from __future__ import annotations

from typing import Final

from heliscore.api.http.body_fields import Fields
from heliscore.api.http.endpoints import Schema
from heliscore.domain.messages import MAX_NAME_LENGTH, described, find_name_error
from heliscore.domain.score import FEEDBACK, MAX_SCORES_PER_CALL, MAX_VALUE, MIN_VALUE, Score, read_score

_BOOLEAN_SUFFIX: Final = "-hcone-bool"
"""Upstream stores a boolean under its name and this suffix, and so its exports have it."""

SCORE: Final[Schema] = {
    "oneOf": [{"type": "integer", "minimum": MIN_VALUE, "maximum": MAX_VALUE}, {"type": "boolean"}]
}

SCORES: Final[Schema] = {
    "type": "object",
    "maxProperties": MAX_SCORES_PER_CALL,
    "propertyNames": {"minLength": 1, "maxLength": MAX_NAME_LENGTH},
    "additionalProperties": SCORE,
}


def read_scores(fields: Fields) -> dict[str, Score]:
    """Read the score map under `scores`; where it is at fault, what is returned means nothing."""
    sent = fields.object("scores", required=True)
    scores: dict[str, Score] = {}
    if len(sent.raw) > MAX_SCORES_PER_CALL:
        fields.reject("scores", f"at most {MAX_SCORES_PER_CALL} in a call, got {len(sent.raw)}")
    else:
        for sent_name, value in sent.raw.items():
            for error in read_entry(sent_name, value, scores):
                sent.reject(sent_name, error)
    return scores


def read_entry(sent_name: str, value: object, scores: dict[str, Score]) -> list[str]:
    """Read one name and value into `scores`, and say what is wrong with them; the name is in `scores` then
    too, which tells if it comes twice."""
    errors = []
    name, only_boolean = read_name(sent_name)
    if error := find_name_error(name):
        errors.append(f"the name {error}")
    if name in scores:
        errors.append(f"the same score as {name}, which is in this call too")
    score = read_score(value)
    if isinstance(score, str):
        errors.append(score)
        score = Score(0, False)
    elif only_boolean:
        if score.value not in (0, 1):
            errors.append(f"expected true, false, 1 or 0, got {described(value)}")
        score = Score(score.value, True)
    scores[name] = score
    return errors


def read_name(sent_name: str) -> tuple[str, bool]:
    """The name without upstream's suffix for booleans, in which no stored name ends, and whether it takes
    booleans only."""
    name = sent_name
    while name.endswith(_BOOLEAN_SUFFIX):
        name = name.removesuffix(_BOOLEAN_SUFFIX)
    return name, name != sent_name or name == FEEDBACK


def plain_name(sent_name: str) -> str:
    """The name under which a score is stored."""
    return read_name(sent_name)[0]
