"""Declares request bodies: one declaration decodes a body, with every error listed, and documents it.

    RATING = required("rating", BOOLEAN, description="true: thumbs up")
    BODY = make_body(RATING, example={"rating": True})

    rating = BODY.decode(b'{"rating": true}')[RATING]

`value_types` has the usual types. An optional field may be null, too, which is as if it were missing; a
clearable one tells the two apart.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

import msgspec

from heliscore.api.http.field_errors import FieldErrors, step
from heliscore.api.http.json_codec import decode, decode_unique
from heliscore.api.http.json_schema import Schema, named, nullable

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class ValueType(msgspec.Struct, Generic[T_co], frozen=True):
    """A type of values."""

    schema: Schema
    read: Callable[[Any, str, FieldErrors], T_co]
    """Takes a decoded value and its path, and notes errors; after an error, what it returns means nothing."""


class Field(msgspec.Struct, Generic[T_co], frozen=True):
    """One key of an object, and the type of its value."""

    key: str
    value_type: ValueType[Any]
    schema: Schema
    is_required: bool = False
    default: Any = None
    missing: str = "missing"
    """The error message where a required key is missing."""

    is_clearable: bool = False
    """Whether null is a value, and UNSET the default."""


def required(
    key: str, value_type: ValueType[T], *, description: str | None = None, missing: str = "missing"
) -> Field[T]:
    """A key that must be there."""
    schema = value_type.schema if description is None else {**value_type.schema, "description": description}
    return Field(key, value_type, schema, True, None, missing)


@overload
def optional(
    key: str, value_type: ValueType[T], *, default: T, shown: object = None, description: str | None = None
) -> Field[T]: ...
@overload
def optional(key: str, value_type: ValueType[T], *, description: str | None = None) -> Field[T | None]: ...
def optional(
    key: str,
    value_type: ValueType[Any],
    *,
    default: Any = None,
    shown: object = None,
    description: str | None = None,
) -> Field[Any]:
    """A key that may be missing or null, which reads as the default. `shown`: the default as JSON."""
    default_json = default if shown is None else shown
    if isinstance(default_json, dict | list):
        # Generators know only plain values as defaults.
        said = f"By default `{msgspec.json.encode(default_json).decode()}`."
        description, default_json = f"{description} {said}" if description else said, None
    added = {"description": description, "default": default_json}
    schema = nullable(value_type.schema) | {key: value for key, value in added.items() if value is not None}
    return Field(key, value_type, schema, False, default)


def clearable(
    key: str, value_type: ValueType[T], *, description: str | None = None
) -> Field[T | msgspec.UnsetType | None]:
    """A key of a change that may be missing, which reads as UNSET, and null, which takes a value away."""
    schema = nullable(value_type.schema) | ({} if description is None else {"description": description})
    return Field(key, value_type, schema, False, msgspec.UNSET, is_clearable=True)


class Values:
    """The values of a decoded object, by the fields that declare them."""

    __slots__ = ("_values", "errors", "path")

    def __init__(self, path: str, errors: FieldErrors) -> None:
        self.path = path
        self.errors = errors
        self._values: dict[str, Any] = {}

    def __getitem__(self, field: Field[T]) -> T:
        """The value of a field, in a body without errors."""
        value: T = self._values[field.key]
        return value

    def find(self, field: Field[T]) -> T | None:
        """The value of a field, None after an error in it, for checks that compare fields; an object is there
        without those of its fields that have errors."""
        return self._values.get(field.key)

    def has(self, field: Field[Any]) -> bool:
        """Whether a field was read without an error."""
        return field.key in self._values

    def set(self, field: Field[Any], value: object) -> None:
        self._values[field.key] = value

    def read(self, field: Field[Any], raw: object) -> None:
        """Read a decoded value; after an error the field is missing here."""
        errors = self.errors
        count = errors.count
        value = field.value_type.read(raw, self._path_of(field), errors)
        if errors.count == count or isinstance(value, Values):
            self._values[field.key] = value

    def reject(self, field: Field[Any], message: str) -> None:
        """Note an error."""
        self.errors.add(self._path_of(field), message)

    def _path_of(self, field: Field[Any]) -> str:
        return f"{self.path}.{field.key}" if self.path else field.key


Check = Callable[[Values], None]
"""Compares the fields of an object with each other, after each was read; notes errors."""


def object_of(
    *fields: Field[Any], name: str | None = None, is_open: bool = False, check: Check | None = None
) -> ValueType[Values]:
    """An object of these fields, named in the document. `is_open`: other keys are ignored, instead of being
    errors."""
    known = frozenset(field.key for field in fields)
    names = ", ".join(sorted(known)) or "none"

    def read(raw: object, path: str, errors: FieldErrors) -> Values:
        values = Values(path, errors)
        if not isinstance(raw, dict):
            errors.add_unexpected(path, "an object" if path else "a JSON object", raw)
            return values
        if not is_open and not raw.keys() <= known:
            for key in [key for key in raw if key not in known]:
                errors.add(step(path, key), f"unknown key; known are {names}")
        for field in fields:
            value = raw.get(field.key)
            if value is not None or (field.is_required and field.key in raw):
                values.read(field, value)
            elif field.is_required:
                values.reject(field, field.missing)
            elif field.is_clearable and field.key in raw:
                values.set(field, None)
            else:
                values.set(field, field.default)
        if check is not None:
            check(values)
        return values

    schema: Schema = {"type": "object", "properties": {field.key: field.schema for field in fields}}
    if not is_open:
        schema["additionalProperties"] = False
    if required_keys := [field.key for field in fields if field.is_required]:
        schema["required"] = required_keys
    return ValueType(schema if name is None else named(name, schema), read)


class Body(msgspec.Struct, frozen=True):
    """A request body: a JSON object."""

    value_type: ValueType[Values]
    example: object
    is_unique: bool = False
    """Whether a repeated key, at any depth, is an error; otherwise its last value counts."""

    def decode(self, body: bytes) -> Values:
        """Decode JSON. Raises InvalidInput with every error."""
        return self.read(decode_unique(body) if self.is_unique else decode(body))

    def read(self, raw: object) -> Values:
        """Read decoded JSON. Raises InvalidInput with every error."""
        errors = FieldErrors()
        values = self.value_type.read(raw, "", errors)
        errors.raise_any()
        return values


def make_body(
    *fields: Field[Any],
    example: object,
    name: str | None = None,
    is_open: bool = False,
    is_unique: bool = False,
    check: Check | None = None,
) -> Body:
    """A body of these fields; one that several operations have is named."""
    return Body(object_of(*fields, name=name, is_open=is_open, check=check), example, is_unique)
