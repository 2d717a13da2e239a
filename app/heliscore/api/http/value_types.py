"""The types of values that several request bodies have, each with its JSON Schema and its error messages."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, TypeVar

from heliscore.api.http import json_schema
from heliscore.api.http.body_fields import ValueType
from heliscore.api.http.field_errors import FieldErrors, step
from heliscore.api.http.json_schema import Schema, named, one_of
from heliscore.domain.messages import MAX_NAME_LENGTH, find_name_error
from heliscore.domain.times import EPOCH, read_time

T = TypeVar("T")
S = TypeVar("S", bound=str)

_DIGITS: Final = re.compile(r"\d{1,9}", re.ASCII)
_MAX_NUMBER: Final = 10**15


def _read_any(raw: Any, _: str, __: FieldErrors) -> Any:
    return raw


def _read_string(raw: object, path: str, errors: FieldErrors) -> str:
    if isinstance(raw, str):
        return raw
    errors.add_unexpected(path, "a string", raw)
    return ""


def _read_storable_string(raw: object, path: str, errors: FieldErrors) -> str:
    string = _read_string(raw, path, errors)
    if "\0" in string:
        errors.add(path, "must not contain NUL")
    return string


def _read_name(raw: object, path: str, errors: FieldErrors) -> str:
    name = _read_string(raw, path, errors)
    if isinstance(raw, str) and (error := find_name_error(name)):
        errors.add(path, error)
    return name


def _read_boolean(raw: object, path: str, errors: FieldErrors) -> bool:
    if not isinstance(raw, bool):
        errors.add_unexpected(path, "true or false", raw)
    return raw is True


def _read_number(raw: object, path: str, errors: FieldErrors) -> int | float:
    if not isinstance(raw, int | float) or isinstance(raw, bool):
        errors.add_unexpected(path, "a number", raw)
        return 0
    if not -_MAX_NUMBER <= raw <= _MAX_NUMBER:
        errors.add_unexpected(path, f"a number up to {_MAX_NUMBER:g}", raw)
    return raw


def _read_time(raw: object, path: str, errors: FieldErrors) -> datetime:
    string = _read_string(raw, path, errors)
    time = read_time(string)
    if time is None and isinstance(raw, str):
        errors.add_unexpected(path, "an ISO 8601 date or date-time", raw)
    return time or EPOCH


def _read_object(raw: object, path: str, errors: FieldErrors) -> dict[str, Any]:
    if isinstance(raw, dict):
        return raw
    errors.add_unexpected(path, "an object", raw)
    return {}


ANY: Final = ValueType[Any]({}, _read_any)
OBJECT: Final = ValueType[dict[str, Any]](
    named("JsonObject", {"type": "object", "additionalProperties": True}), _read_object
)
"""Said to have any keys, as some generators take an object that says nothing for an empty one."""

STRING: Final = ValueType[str](json_schema.STRING, _read_string)
STORABLE_STRING: Final = ValueType[str](json_schema.STRING, _read_storable_string)
"""Without NUL, which PostgreSQL cannot hold."""

NAME: Final = ValueType[str]({"type": "string", "minLength": 1, "maxLength": MAX_NAME_LENGTH}, _read_name)
"""A name or an id: up to 255 characters, none of them a control character."""

BOOLEAN: Final = ValueType[bool]({"type": "boolean"}, _read_boolean)
NUMBER: Final = ValueType[int | float](json_schema.NUMBER, _read_number)
TIME: Final = ValueType[datetime](json_schema.STRING, _read_time)
"""An ISO 8601 date or date-time; UTC where no zone is given."""


def integer(minimum: int, maximum: int, *, hint: str = "") -> ValueType[int]:
    """An integer in a range; `hint` is added to the error message."""
    expected = f"an integer from {minimum} to {maximum}{hint}"

    def read(raw: object, path: str, errors: FieldErrors) -> int:
        if isinstance(raw, int) and not isinstance(raw, bool) and minimum <= raw <= maximum:
            return raw
        errors.add_unexpected(path, expected, raw)
        return minimum

    return ValueType({"type": "integer", "minimum": minimum, "maximum": maximum}, read)


def number_between(low: float, high: float) -> ValueType[int | float]:
    """A number between two others, neither of which it may be."""
    expected = f"a number above {low:g} and below {high:g}"

    def read(raw: object, path: str, errors: FieldErrors) -> int | float:
        if isinstance(raw, int | float) and not isinstance(raw, bool) and low < raw < high:
            return raw
        errors.add_unexpected(path, expected, raw)
        return (low + high) / 2

    return ValueType({"type": "number", "exclusiveMinimum": low, "exclusiveMaximum": high}, read)


CONFIDENCE: Final = number_between(0.5, 0.999999)
"""Of intervals. With a chance of error much smaller than its end, divided by the number of comparisons, a
double is 1."""


def count(maximum: int, *, hint: str = "") -> ValueType[int]:
    """An integer from 0 on, or a string of its digits, as query parameters used to be."""
    number = integer(0, maximum, hint=hint)

    def read(raw: object, path: str, errors: FieldErrors) -> int:
        is_digits = isinstance(raw, str) and _DIGITS.fullmatch(raw)
        return number.read(int(str(raw)) if is_digits else raw, path, errors)

    return ValueType({"anyOf": [number.schema, {"type": "string", "pattern": "^[0-9]{1,9}$"}]}, read)


def choice(values: Sequence[S], expected: str = "", *, name: str | None = None) -> ValueType[S]:
    """One of some strings, named in the document."""
    expected = expected or _quoted_choice(values)

    def read(raw: object, path: str, errors: FieldErrors) -> S:
        string = _read_string(raw, path, errors)
        if isinstance(raw, str) and string not in values:
            errors.add_unexpected(path, expected, raw)
        return next((value for value in values if value == string), values[0])

    return ValueType(one_of(values, name), read)


def _quoted_choice(values: Sequence[str]) -> str:
    quoted = [f'"{value}"' for value in values]
    return f"{', '.join(quoted[:-1])} or {quoted[-1]}"


def list_of(item: ValueType[T], *, of: str = "", maximum: int | None = None) -> ValueType[list[T]]:
    """A list; `of` is the noun for its items in error messages."""
    expected = f"a list of {of}" if of else "a list"

    def read(raw: object, path: str, errors: FieldErrors) -> list[T]:
        if not isinstance(raw, list):
            errors.add_unexpected(path, expected, raw)
        elif maximum is not None and len(raw) > maximum:
            errors.add(path, f"at most {maximum} {of}, got {len(raw)}")
        else:
            return [item.read(one, f"{path}[{index}]", errors) for index, one in enumerate(raw)]
        return []

    schema = {"type": "array", "items": item.schema}
    return ValueType(schema if maximum is None else schema | {"maxItems": maximum}, read)


def mapping_of(value_type: ValueType[T], *, name: str | None = None) -> ValueType[dict[str, T]]:
    """An object of any keys, whose values are of one type, named in the document."""

    def read(raw: object, path: str, errors: FieldErrors) -> dict[str, T]:
        return {
            key: value_type.read(value, step(path, key), errors)
            for key, value in _read_object(raw, path, errors).items()
        }

    schema: Schema = {"type": "object", "additionalProperties": value_type.schema}
    return ValueType(schema if name is None else named(name, schema), read)
