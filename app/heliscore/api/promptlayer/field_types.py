"""The types of values in PromptLayer's bodies, and the fields that several of its calls share."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from heliscore.api.http.body_fields import (
    Body,
    Check,
    Field,
    Values,
    ValueType,
    make_body,
    optional,
    required,
)
from heliscore.api.http.field_errors import FieldErrors, step
from heliscore.api.http.json_schema import named
from heliscore.api.http.value_types import ANY, OBJECT, STRING, integer, list_of
from heliscore.api.shared.logged_bodies import storable
from heliscore.api.shared.score_maps import read_name, read_value
from heliscore.domain.messages import MAX_NAME_LENGTH, described, find_name_error, shortened
from heliscore.domain.score import MAX_VALUE, WHOLE_NUMBERS, Score
from heliscore.domain.times import EPOCH, read_time, storable_time

DEFAULT_SCORE: Final = "default"

GROUP: Final = "promptlayer_group_id"
"""The property in which a request's group is kept."""

_MAX_LENGTH: Final = 512
_MAX_SCORE: Final = 100
_SCORE_RANGE: Final = f"an integer from 0 to {_MAX_SCORE}"
_DIGITS: Final = re.compile(r"\d{1,19}", re.ASCII)


def _integer_or_digits(minimum: int) -> ValueType[int]:
    """An integer, or a string of its digits, as the samples in PromptLayer's documentation quote ids."""
    number = integer(minimum, MAX_VALUE, hint=" or a string of its digits")

    def read(raw: object, path: str, errors: FieldErrors) -> int:
        is_digits = isinstance(raw, str) and _DIGITS.fullmatch(raw)
        return number.read(int(str(raw)) if is_digits else raw, path, errors)

    digits = {"type": "string", "pattern": "^[0-9]{1,19}$"}
    return ValueType({"anyOf": [{"type": "integer", "minimum": minimum}, digits]}, read)


def _read_short_string(raw: object, path: str, errors: FieldErrors) -> str:
    string = STRING.read(raw, path, errors)
    if isinstance(raw, str) and not 1 <= len(string) <= _MAX_LENGTH:
        errors.add(path, f"expected 1 to {_MAX_LENGTH} characters, got {len(string)}")
    return storable(string)


def _read_prompt_id(raw: object, path: str, errors: FieldErrors) -> str:
    if isinstance(raw, str):
        return _read_short_string(raw, path, errors)
    return str(ID.read(raw, path, errors))


def _read_metadata(raw: Any, path: str, errors: FieldErrors) -> dict[str, str]:
    properties = {}
    for sent_name, value in OBJECT.read(raw, path, errors).items():
        name = storable(sent_name)
        if error := find_name_error(name):
            errors.add(step(path, sent_name), f"the key {error}")
        properties[name] = storable(value) if isinstance(value, str) else msgspec.json.encode(value).decode()
    return properties


def _read_tag(raw: object, path: str, errors: FieldErrors) -> str:
    tag = storable(STRING.read(raw, path, errors))
    if isinstance(raw, str) and (error := find_name_error(tag)):
        errors.add(path, error)
    return tag


def _read_moment(raw: object, path: str, errors: FieldErrors) -> datetime:
    time = None
    if isinstance(raw, str):
        time = read_time(raw)
    elif isinstance(raw, int | float) and not isinstance(raw, bool):
        time = _after_epoch(raw)
    if (moment := storable_time(time)) is None:
        errors.add_unexpected(path, "an ISO 8601 time or seconds since 1970", raw)
    return moment or EPOCH


def _after_epoch(seconds: int | float) -> datetime | None:
    try:
        return EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        return None


def _read_score(raw: object, path: str, errors: FieldErrors) -> int:
    if type(raw) is float and abs(raw) <= 1:
        errors.add(path, f"expected {_SCORE_RANGE}, got {described(raw)}; {WHOLE_NUMBERS}")
        return 0
    return _WHOLE_SCORE.read(raw, path, errors)


ID: Final = _integer_or_digits(0)
NUMBER_FROM_1: Final = _integer_or_digits(1)

SHORT_STRING: Final = ValueType[str](
    {"type": "string", "minLength": 1, "maxLength": _MAX_LENGTH}, _read_short_string
)

PROMPT_ID: Final = ValueType[str](
    {"anyOf": [{"type": "integer", "minimum": 0}, SHORT_STRING.schema]}, _read_prompt_id
)

MOMENT: Final = ValueType[datetime](
    {
        "anyOf": [{"type": "string"}, {"type": "number"}],
        "description": "ISO 8601, UTC where no zone is given, or seconds since 1970",
    },
    _read_moment,
)
"""To the millisecond, of the years 1000 to 9999."""

TAGS: Final = list_of(
    ValueType[str]({"type": "string", "minLength": 1, "maxLength": MAX_NAME_LENGTH}, _read_tag), of="strings"
)

METADATA: Final = ValueType[dict[str, str]](
    named(
        "PromptLayerMetadata",
        {
            "type": "object",
            "additionalProperties": True,
            "description": "A value that is not a string is kept as its JSON text.",
            "propertyNames": {"minLength": 1, "maxLength": MAX_NAME_LENGTH},
        },
    ),
    _read_metadata,
)

_WHOLE_SCORE: Final = integer(0, _MAX_SCORE)
SCORE: Final = ValueType[int](_WHOLE_SCORE.schema, _read_score)
SCORE_NAME: Final = ValueType[object](
    {"type": "string", "maxLength": MAX_NAME_LENGTH, "description": "empty: `default`"}, ANY.read
)
"""Read by ScoreFields: a name that does not count may be anything."""

REQUEST_ID: Final = required("request_id", ID)
VARIABLES: Final = optional("prompt_input_variables", OBJECT)

API_KEY: Final = optional(
    "api_key",
    ValueType[object](STRING.schema, ANY.read),
    description="The API key, where the header X-API-KEY is not sent.",
)


def make_tracking_body(
    *fields: Field[Any], example: object, name: str | None = None, check: Check | None = None
) -> Body:
    """A body of these fields and `api_key`, which `answers.identify` reads; other keys are ignored."""
    return make_body(*fields, API_KEY, name=name, is_open=True, example=example, check=check)


def decode_raw(body: bytes) -> dict[str, msgspec.Raw]:
    """The values of a JSON object byte for byte, as decoding would round their numbers; without `api_key`,
    which must reach no table."""
    sent = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    sent.pop(API_KEY.key, None)
    return sent


class ScoreFields(msgspec.Struct, frozen=True):
    """A score and the fields that may hold its name: the first that is not empty counts."""

    score: Field[Any]
    names: tuple[Field[object], ...]

    def check(self, values: Values) -> None:
        """Check the name, and the score under it."""
        field, sent_name = self._find_name(values)
        for other in self.names[: self.names.index(field)] if sent_name else self.names:
            if (raw := values.find(other)) not in (None, ""):
                values.reject(other, f"expected a string, got {described(raw)}")
        name, is_boolean = read_name(sent_name or DEFAULT_SCORE)
        if error := find_name_error(name):
            values.reject(field, error)
        value = values.find(self.score)
        if value is not None and isinstance(read_value(value, is_boolean), str):
            values.reject(self.score, f"expected 0 or 1 under the name {shortened(sent_name)}, got {value}")

    def read(self, values: Values) -> dict[str, Score]:
        """The score by its name; empty where there is none."""
        name, is_boolean = read_name(self._find_name(values)[1] or DEFAULT_SCORE)
        score = read_value(values[self.score], is_boolean)
        return {} if isinstance(score, str) else {name: score}

    def _find_name(self, values: Values) -> tuple[Field[object], str]:
        for field in self.names:
            name = values.find(field)
            if name and isinstance(name, str):
                return field, name
        return self.names[0], ""
