"""Reads the lines of an import: requests with their scores, as an export writes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from msgspec import Raw

from heliscore.api.http.body_fields import Field, Values, ValueType, object_of, optional, required
from heliscore.api.http.field_errors import FieldErrors, step
from heliscore.api.http.json_codec import decode
from heliscore.api.http.json_schema import STRING, named
from heliscore.api.http.value_types import (
    ANY,
    BOOLEAN,
    NAME,
    NUMBER,
    STORABLE_STRING,
    TIME,
    choice,
    integer,
    list_of,
)
from heliscore.api.native.import_scores import HISTORY, SCORES, make_arrival
from heliscore.api.shared.logged_bodies import storable_json
from heliscore.domain.author import Author
from heliscore.domain.errors import FieldError, InvalidInput
from heliscore.domain.export_columns import REQUEST_COLUMNS, ColumnKind
from heliscore.domain.merged_changes import Arrival
from heliscore.domain.messages import find_name_error
from heliscore.domain.score import MAX_VALUE, MIN_VALUE, Score
from heliscore.domain.times import storable_time
from heliscore.store.imports import Import

_MAX_CHANGES: Final = 10_000
"""Of the scores of one request: merging them takes 13 ms, in which no other call gets on."""

_STATUS_LIMIT: Final = 2**31 - 1


def _read_milliseconds(raw: Any, path: str, errors: FieldErrors) -> datetime:
    time = TIME.read(raw, path, errors)
    if (moment := storable_time(time)) is None:
        errors.add(path, "must be of the year 1000 or later")
    return moment or time


_MILLISECONDS: Final = ValueType[datetime]({"type": "string", "format": "date-time"}, _read_milliseconds)


def _read_properties(raw: Any, path: str, errors: FieldErrors) -> dict[str, str]:
    if not isinstance(raw, dict):
        errors.add_unexpected(path, "an object", raw)
        return {}
    for name in raw:
        if error := find_name_error(name):
            errors.add(step(path, name), f"the name {error}")
    return {name: STORABLE_STRING.read(value, step(path, name), errors) for name, value in raw.items()}


_PROPERTIES: Final = ValueType[dict[str, str]](
    named("ImportedProperties", {"type": "object", "additionalProperties": STRING}), _read_properties
)

REQUEST_ID: Final = required("request_id", NAME)
CREATED_AT: Final = optional("created_at", _MILLISECONDS, description="Else when it was first scored.")
UPDATED_AT: Final = optional("updated_at", _MILLISECONDS, description="Else `created_at`.")

_BY_KIND: Final[dict[ColumnKind, ValueType[Any]]] = {
    ColumnKind.STRING: STORABLE_STRING,
    ColumnKind.STRINGS: list_of(STORABLE_STRING),
    ColumnKind.INTEGER: integer(MIN_VALUE, MAX_VALUE),
    ColumnKind.NUMBER: NUMBER,
    ColumnKind.BOOLEAN: BOOLEAN,
    ColumnKind.TIME: _MILLISECONDS,
}
_STRICTER: Final[dict[str, ValueType[Any]]] = {
    "status": integer(-_STATUS_LIMIT, _STATUS_LIMIT),
    "outcome": choice(("SUCCESS", "WARNING", "ERROR"), name="ImportedOutcome"),
    "properties": _PROPERTIES,
}
_READ_ELSEWHERE: Final = ("request_id", "created_at", "updated_at", "model")

_COLUMNS: Final[tuple[Field[Any], ...]] = tuple(
    optional(name, _STRICTER.get(name) or _BY_KIND[kind])
    for name, kind in REQUEST_COLUMNS.items()
    if name not in _READ_ELSEWHERE and (name in _STRICTER or kind is not ColumnKind.JSON)
)
"""The columns whose values are checked and encoded."""

_JSON_COLUMNS: Final[tuple[Field[Any], ...]] = tuple(
    optional(name, ANY)
    for name, kind in REQUEST_COLUMNS.items()
    if kind is ColumnKind.JSON and name not in _STRICTER
)
"""Those that are passed on as they were sent, digit by digit."""

_LOGGED: Final = frozenset(
    ("response_created_at", "status", "provider", "request_model", "request_body", "response_body")
)
"""Of a request of which none is known only scores are, as in import.sql."""

_IGNORED: Final = (
    optional("model", ANY, description="Ignored: it follows from the other models."),
    optional("cursor", ANY, description="Ignored."),
)

LINE: Final = object_of(
    REQUEST_ID, CREATED_AT, UPDATED_AT, *_COLUMNS, *_JSON_COLUMNS, *_IGNORED, SCORES, HISTORY
)

_raws: Final = msgspec.json.Decoder(dict[str, Raw])
_encoder: Final = msgspec.json.Encoder()


class Line(msgspec.Struct, frozen=True):
    """A line that was read; with errors, nothing else of it counts."""

    index: int
    request_id: str | None
    weight: int = 1
    """Changes of scores, and one for the request."""

    found: Import | None = None
    newest: Mapping[str, Score] = {}
    """What the scores would be, to be checked against definitions."""

    errors: tuple[FieldError, ...] = ()

    @property
    def message(self) -> str:
        return "; ".join(map(str, self.errors))


def read_line(index: int, line: bytes, limit_bytes: int, author: Author | None = None) -> Line:
    """Read one line; `author` is that of the scores that have none."""
    if len(line) > limit_bytes:
        return Line(index, None, errors=(FieldError("", f"the line is longer than {limit_bytes} bytes"),))
    try:
        raw, errors = decode(line, "line"), FieldErrors()
    except InvalidInput as error:
        return Line(index, None, errors=error.errors)
    values = LINE.read(raw, "", errors)
    if not errors.count:
        found = _make_import(index, line, values, author, errors)
        if found is not None and not errors.count:
            newest = {name: score for name, some in found.changes.items() if (score := _newest(some))}
            weight = 1 + sum(map(len, found.changes.values()))
            return Line(index, found.request_id, weight, found, newest)
    sent = raw.get(REQUEST_ID.key) if isinstance(raw, dict) else None
    return Line(index, sent if isinstance(sent, str) else None, errors=errors.found)


def _newest(arrivals: Sequence[Arrival]) -> Score | None:
    return max(arrivals, key=lambda arrival: arrival.change.at).change.score


def _make_import(
    index: int, line: bytes, values: Values, author: Author | None, errors: FieldErrors
) -> Import | None:
    scores, history = values[SCORES], values[HISTORY]
    if (count := sum(map(len, (*scores.values(), *history.values())))) > _MAX_CHANGES:
        errors.add(HISTORY.key, f"at most {_MAX_CHANGES} changes of scores in a line, got {count}")
        return None
    times = [given.at for some in (scores, history) for each in some.values() for given in each if given.at]
    created_at = values[CREATED_AT] or storable_time(min(times, default=None))
    if created_at is None:
        errors.add(CREATED_AT.key, "missing, and no score has a time")
        return None
    updated_at = values[UPDATED_AT] or values[CREATED_AT] or storable_time(max(times)) or created_at
    changes: dict[str, list[Arrival]] = {}
    for name in [*history, *(name for name in scores if name not in history)]:
        given = [*history.get(name, ()), *scores.get(name, ())]
        changes[name] = [make_arrival(one, updated_at, author, index) for one in given]
        if given and given[-1].score is not None and given[-1].taken_back_at is not None:
            errors.add(step(HISTORY.key, name), "what came after the last, which was taken back, is missing")
    raws = _raws.decode(line)
    columns = dict(_columns(values, raws, created_at, updated_at))
    is_logged = not _LOGGED.isdisjoint(columns)
    return Import(values[REQUEST_ID], _encoder.encode(columns), is_logged, updated_at, changes, index)


def _columns(
    values: Values, raws: Mapping[str, Raw], created_at: datetime, updated_at: datetime
) -> Iterable[tuple[str, object]]:
    yield REQUEST_ID.key, values[REQUEST_ID]
    yield CREATED_AT.key, created_at
    yield UPDATED_AT.key, updated_at
    for field in _COLUMNS:
        if (value := values[field]) is not None:
            yield field.key, value
    for field in _JSON_COLUMNS:
        if (raw := raws.get(field.key)) is not None and (json := storable_json(raw)) is not None:
            yield field.key, Raw(json.encode())
