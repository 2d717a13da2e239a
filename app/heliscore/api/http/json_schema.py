"""Pieces of JSON Schema, of which the OpenAPI document is made.

Clients are generated from the document, and their types are named after components and properties. Where
there is no such name (an alternative of several) and where several calls share a type, `named` gives it one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec

Schema = dict[str, Any]
"""A piece of OpenAPI 3.1, which is JSON Schema."""

REFERENCE: Final = "#/components/schemas/{name}"
_COMPONENTS: Final = "$components"
"""The key of a reference under which it carries the components that it needs, until the document is made."""

NULL: Final[Schema] = {"type": "null"}
STRING: Final[Schema] = {"type": "string"}
NUMBER: Final[Schema] = {"type": "number"}
COUNT: Final[Schema] = {"type": "integer", "minimum": 0}


def reference(name: str) -> Schema:
    """A reference to a component of the document."""
    return {"$ref": REFERENCE.format(name=name)}


def named(name: str, schema: Schema) -> Schema:
    """Make a schema a component of the document: a reference that brings it along."""
    return reference(name) | {_COMPONENTS: {name: schema}}


class Components:
    """The named schemas of a document."""

    def __init__(self) -> None:
        self.schemas: dict[str, Schema] = {}
        self._brought: dict[str, Schema] = {}

    def take(self, schema: Schema) -> Schema:
        """Return a schema with plain references, and keep the components that it brings. Raises ValueError
        where two have one name."""
        for name, brought in schema.get(_COMPONENTS, {}).items():
            self._keep(name, brought)
        return {key: self._take_part(value) for key, value in schema.items() if key != _COMPONENTS}

    def _take_part(self, part: Any) -> Any:
        match part:
            case dict():
                return self.take(part)
            case [dict(), *_]:
                return [self.take(one) for one in part]
        return part

    def _keep(self, name: str, brought: Schema) -> None:
        known = self._brought.setdefault(name, brought)
        if name not in self.schemas:
            self.schemas[name] = self.take(brought)
        elif known is not brought and known != brought:
            raise ValueError(f"two schemas are named {name}")


def constant(value: str | bool) -> Schema:
    """One value."""
    return {"type": "boolean" if isinstance(value, bool) else "string", "const": value}


def one_of(values: Iterable[str], name: str | None = None) -> Schema:
    """One of some strings, named where that is an alternative of others."""
    schema: Schema = {"type": "string", "enum": list(values)}
    return schema if name is None else named(name, schema)


def closed_object(properties: dict[str, Schema], required: tuple[str, ...] = ()) -> Schema:
    """An object of these properties and no others."""
    schema: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return schema | {"required": list(required)} if required else schema


def struct_schema(struct: type[msgspec.Struct]) -> Schema:
    """The schema of a Struct that an answer has, named as the Struct is."""
    [struct_reference], components = msgspec.json.schema_components([struct], ref_template=REFERENCE)
    return struct_reference | {_COMPONENTS: _made_plain(components)}


def _made_plain(schema: Any) -> Any:
    """In the words that generators know: tuples of one type as arrays, enumerations with their type."""
    match schema:
        case {"prefixItems": [first, *rest], **others} if all(one == first for one in rest):
            return others | {"items": _made_plain(first)}
        case {"enum": [str(), *_] as values}:
            return schema | one_of(values)
        case dict():
            return {key: _made_plain(value) for key, value in schema.items()}
        case list():
            return [_made_plain(one) for one in schema]
    return schema


def whole_object(name: str, properties: dict[str, Schema]) -> Schema:
    """A named object that has all of these properties and no others."""
    return named(name, closed_object(properties, tuple(properties)))


def list_of_objects(properties: dict[str, Schema], name: str | None = None) -> Schema:
    """A list of objects that have all of these properties and no others."""
    items = closed_object(properties, tuple(properties)) if name is None else whole_object(name, properties)
    return {"type": "array", "items": items}


def nullable(schema: Schema) -> Schema:
    """The same, or null."""
    match schema:
        case {"$ref": _} | {"oneOf": _} | {"enum": _}:
            return {"anyOf": [schema, NULL]}
        case {"type": str(type_)}:
            return schema | {"type": [type_, "null"]}
        case {"anyOf": schemas}:
            return schema | {"anyOf": [*schemas, NULL]}
    return schema  # any value, null among them
