"""The rules of scores as clients send them: maps of names to integers and booleans, and single scores."""

from __future__ import annotations

from typing import Any, Final

from heliscore.api.http.body_fields import ValueType
from heliscore.api.http.field_errors import FieldErrors, step
from heliscore.api.http.json_schema import Schema, named
from heliscore.api.http.value_types import NAME, list_of
from heliscore.domain.messages import MAX_NAME_LENGTH, described, find_name_error
from heliscore.domain.score import FEEDBACK, MAX_SCORES_PER_CALL, MAX_VALUE, MIN_VALUE, Score, read_score

_BOOLEAN_SUFFIX: Final = "-hcone-bool"
"""Helicone stores a boolean under its name and this suffix, and so its exports have it."""

SCORE_SCHEMA: Final[Schema] = {
    "oneOf": [{"type": "integer", "minimum": MIN_VALUE, "maximum": MAX_VALUE}, {"type": "boolean"}]
}


def read_entry(sent_name: str, value: object, scores: dict[str, Score]) -> list[str]:
    """Read one name and value into `scores`, and return error messages; with errors the name is in `scores`
    too, to detect duplicates."""
    errors = []
    name, is_boolean = read_name(sent_name)
    if error := find_name_error(name):
        errors.append(f"the name {error}")
    if name in scores:
        errors.append(f"the same score as {name}, which is in this call too")
    score = read_value(value, is_boolean)
    if isinstance(score, str):
        errors.append(score)
        score = Score(0, False)
    scores[name] = score
    return errors


def read_name(sent_name: str) -> tuple[str, bool]:
    """The name under which a score is stored, without Helicone's suffix, and whether it is a boolean's."""
    if not sent_name.endswith(_BOOLEAN_SUFFIX):
        return sent_name, sent_name == FEEDBACK
    name = sent_name
    while name.endswith(_BOOLEAN_SUFFIX):
        name = name.removesuffix(_BOOLEAN_SUFFIX)
    return name, True


def read_value(value: object, is_boolean: bool) -> Score | str:
    """Make a Score of a decoded JSON value, or return an error message. Under a boolean's name, 1 and 0 are
    booleans and other integers an error."""
    score = read_score(value)
    if not is_boolean or (isinstance(score, str) and type(value) is not float):
        return score
    if isinstance(score, str) or score.value not in (0, 1):
        return f"expected true, false, 1 or 0, got {described(value)}"
    return Score(score.value, True)


def plain_name(sent_name: str) -> str:
    """The name under which a score is stored."""
    return read_name(sent_name)[0]


def _read_scores(raw: Any, path: str, errors: FieldErrors) -> dict[str, Score]:
    scores: dict[str, Score] = {}
    if not isinstance(raw, dict):
        errors.add_unexpected(path, "an object", raw)
    elif len(raw) > MAX_SCORES_PER_CALL:
        errors.add(path, f"at most {MAX_SCORES_PER_CALL} in a call, got {len(raw)}")
    else:
        for sent_name, value in raw.items():
            for error in read_entry(sent_name, value, scores):
                errors.add(step(path, sent_name), error)
    return scores


def score_map_schema(name: str, value: Schema) -> Schema:
    """The schema of an object of scores by name."""
    return named(
        name,
        {
            "type": "object",
            "maxProperties": MAX_SCORES_PER_CALL,
            "propertyNames": {"minLength": 1, "maxLength": MAX_NAME_LENGTH},
            "additionalProperties": value,
        },
    )


SCORES: Final = ValueType[dict[str, Score]](score_map_schema("ScoreMap", SCORE_SCHEMA), _read_scores)
"""A score map."""


def _read_score_name(raw: Any, path: str, errors: FieldErrors) -> str:
    if not isinstance(raw, str):
        errors.add_unexpected(path, "a string", raw)
    elif error := find_name_error(plain_name(raw)):
        errors.add(path, error)
    return str(raw)


SCORE_NAME: Final = ValueType[str](NAME.schema, _read_score_name)
"""A name as clients send it, perhaps with the suffix: `plain_name` is the name that is stored."""


def score_names(maximum: int) -> ValueType[list[str]]:
    """A list of names, at least one, as they are stored, each once."""
    names = list_of(SCORE_NAME)

    def read(raw: object, path: str, errors: FieldErrors) -> list[str]:
        if isinstance(raw, list) and 1 <= len(raw) <= maximum:
            return list(dict.fromkeys(plain_name(name) for name in names.read(raw, path, errors)))
        errors.add(path, f"expected a list of 1 to {maximum} names")
        return []

    return ValueType(names.schema | {"minItems": 1, "maxItems": maximum}, read)
