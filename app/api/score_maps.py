"""The rules of a score map, `{name: integer or boolean}`, wherever one is sent."""

from __future__ import annotations

from typing import Final

from app.api.endpoints import Schema
from app.api.wire import Faults, Fields, step
from app.scores import (
    FEEDBACK,
    MAX_NAME_LENGTH,
    MAX_SCORES_PER_CALL,
    MAX_VALUE,
    MIN_VALUE,
    Score,
    described,
    fault_in_text,
    read_score,
)

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
        fields.fault("scores", f"at most {MAX_SCORES_PER_CALL} in a call, got {len(sent.raw)}")
    else:
        for sent_name, value in sent.raw.items():
            read_entry(step(sent.path, sent_name), sent_name, value, scores, fields.faults)
    return scores


def read_entry(path: str, sent_name: str, value: object, scores: dict[str, Score], faults: Faults) -> None:
    """Read one name and value into `scores`, or note what is wrong with them; the name is in `scores` then
    too, which tells if it comes twice."""
    name = plain_name(sent_name)
    if fault := fault_in_text(name):
        faults.add(path, f"the name {fault}")
    if name in scores:
        faults.add(path, f"the same score as {name}, which is in this call too")
    score = read_score(value)
    scores[name] = Score(0, False)
    only_boolean = name != sent_name or name == FEEDBACK
    if isinstance(score, str):
        faults.add(path, score)
    elif only_boolean and score.value not in (0, 1):
        faults.add(path, f"expected true, false, 1 or 0, got {described(value)}")
    else:
        scores[name] = Score(score.value, score.is_boolean or only_boolean)


def plain_name(name: str) -> str:
    """Take upstream's suffix for booleans off a score's name, so that no stored name ends in it."""
    while name.endswith(_BOOLEAN_SUFFIX):
        name = name.removesuffix(_BOOLEAN_SUFFIX)
    return name
