"""Reads the scores in a line of an import, and what they were before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from heliscore.api.http.body_fields import Values, ValueType, object_of, optional, required
from heliscore.api.http.field_errors import FieldErrors, step
from heliscore.api.http.json_schema import Schema, named, nullable
from heliscore.api.http.value_types import ANY, BOOLEAN, NAME, TIME
from heliscore.api.native.commented_scores import COMMENT
from heliscore.api.shared.authors import AUTHOR
from heliscore.api.shared.score_maps import SCORE_SCHEMA, read_name, read_value
from heliscore.domain.author import Author, Origin
from heliscore.domain.merged_changes import Arrival
from heliscore.domain.messages import find_name_error
from heliscore.domain.score import Score
from heliscore.domain.score_changes import Change
from heliscore.domain.times import storable_time

CALL: Final = "import"

_AHEAD: Final = timedelta(days=1)
"""A later time is a mistake of a program, or of a clock."""


def _read_moment(raw: Any, path: str, errors: FieldErrors) -> datetime:
    time = TIME.read(raw, path, errors)
    if storable_time(time) is None:
        errors.add(path, "must be of the year 1000 or later")
    elif time > datetime.now(UTC) + _AHEAD:
        errors.add(path, "must not be in the future")
    return time


_MOMENT: Final = ValueType[datetime](
    {"type": "string", "format": "date-time", "description": "microseconds count"}, _read_moment
)
_VALUE: Final = required("value", ANY)
_AT: Final = optional(
    "at", _MOMENT, description="Else it counts only where the score was not that value at the row's time."
)
_PAST_AT: Final = required("at", _MOMENT)
_AUTHOR: Final = optional("author", AUTHOR, description="Else the header's; without that nobody is known.")
_COMMENT: Final = optional("comment", COMMENT)
_CALL: Final = optional("call", NAME, default=CALL, description="By which call it came.")
_RESTORED_BY: Final = optional("restored_by", AUTHOR, description="Who brought the author's value back.")
_TAKEN_BACK_AT: Final = optional("taken_back_at", _MOMENT)
_IS_ASIDE: Final = optional("is_aside", BOOLEAN, default=False)

_ORIGIN: Final = (_AUTHOR, _COMMENT, _CALL, _RESTORED_BY)
_SCORE: Final = object_of(_VALUE, _AT, *_ORIGIN)
_PAST: Final = object_of(_VALUE, _PAST_AT, *_ORIGIN, _TAKEN_BACK_AT, _IS_ASIDE)


class Given(msgspec.Struct, frozen=True):
    """A change as it was sent."""

    score: Score | None
    at: datetime | None
    author: Author | None
    comment: str | None
    call: str
    restored_by: str
    taken_back_at: datetime | None = None
    is_aside: bool = False


def _read_scores(raw: Any, path: str, errors: FieldErrors) -> dict[str, list[Given]]:
    scores: dict[str, list[Given]] = {}
    for sent_name, place, name, value in _named(raw, path, scores, errors):
        if (given := _read_given(_SCORE, value, sent_name, place, errors)) is not None:
            if given.score is None:
                errors.add(step(place, _VALUE.key), "must not be null: a removal belongs into the history")
            scores[name] = [given]
    return scores


def _read_history(raw: Any, path: str, errors: FieldErrors) -> dict[str, list[Given]]:
    history: dict[str, list[Given]] = {}
    for sent_name, place, name, some in _named(raw, path, history, errors):
        if not isinstance(some, list):
            errors.add_unexpected(place, "a list", some)
            continue
        read = (
            _read_given(_PAST, one, sent_name, f"{place}[{index}]", errors) for index, one in enumerate(some)
        )
        history[name] = [given for given in read if given is not None]
    return history


def _named(
    raw: Any, path: str, found: Mapping[str, object], errors: FieldErrors
) -> Iterator[tuple[str, str, str, Any]]:
    """The name as it was sent, its place, the name under which it is stored, and what is under it."""
    if not isinstance(raw, dict):
        errors.add_unexpected(path, "an object", raw)
        return
    for sent_name, value in raw.items():
        name, place = read_name(sent_name)[0], step(path, sent_name)
        if error := find_name_error(name):
            errors.add(place, f"the name {error}")
        elif name in found:
            errors.add(place, f"the same score as {name}, which is in this line too")
        else:
            yield sent_name, place, name, value


def _read_given(kind: ValueType[Values], raw: Any, name: str, path: str, errors: FieldErrors) -> Given | None:
    count = errors.count
    values = kind.read(raw, path, errors)
    sent = values.find(_VALUE)
    score = None if sent is None else read_value(sent, read_name(name)[1])
    if isinstance(score, str):
        errors.add(step(path, _VALUE.key), score)
    if errors.count > count or isinstance(score, str):
        return None
    restored_by = values[_RESTORED_BY]
    return Given(
        score,
        values[_AT],
        values[_AUTHOR],
        values[_COMMENT],
        values[_CALL],
        "" if restored_by is None else str(restored_by),
        values.find(_TAKEN_BACK_AT),
        values.find(_IS_ASIDE) or False,
    )


def _map_of(name: str, schema: Schema) -> Schema:
    return named(name, {"type": "object", "additionalProperties": schema})


def _with_value(name: str, kind: ValueType[Values], value: Schema) -> Schema:
    return named(name, {**kind.schema, "properties": {**kind.schema["properties"], _VALUE.key: value}})


_CHANGE_SCHEMA: Final = _with_value(
    "ImportedChange", _PAST, nullable(SCORE_SCHEMA) | {"description": "null: removed"}
)

SCORES: Final = optional(
    "scores",
    ValueType[dict[str, list[Given]]](
        _map_of("ImportedScores", _with_value("ImportedScore", _SCORE, SCORE_SCHEMA)), _read_scores
    ),
    default={},
)
HISTORY: Final = optional(
    "history",
    ValueType[dict[str, list[Given]]](
        _map_of("ImportedHistory", {"type": "array", "items": _CHANGE_SCHEMA}),
        _read_history,
    ),
    default={},
    description="All that a score was before.",
)


def make_arrival(given: Given, time: datetime, author: Author | None, place: int) -> Arrival:
    """The change as it is merged; without a time, it has the row's."""
    by = given.author or author
    origin = None if by is None else Origin(by, given.call, given.restored_by)
    change = Change(given.at or time, given.score, origin, given.comment, given.taken_back_at, given.is_aside)
    return Arrival(change, given.at is not None, place)
