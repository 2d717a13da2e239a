"""Pieces of JSON Schema, of which the OpenAPI document is made."""

from __future__ import annotations

from typing import Any, Final

import msgspec

Schema = dict[str, Any]
"""A piece of OpenAPI 3.1, which is JSON Schema."""

REFERENCE: Final = "#/components/schemas/{name}"

NULL: Final[Schema] = {"type": "null"}
STRING: Final[Schema] = {"type": "string"}
NUMBER: Final[Schema] = {"type": "number"}
COUNT: Final[Schema] = {"type": "integer", "minimum": 0}


def reference(name: str) -> Schema:
    """A reference to a component of the document."""
    return {"$ref": REFERENCE.format(name=name)}


def closed_object(properties: dict[str, Schema], required: tuple[str, ...] = ()) -> Schema:
    """An object of these properties and no others."""
    schema: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return schema | {"required": list(required)} if required else schema


def struct_schema(struct: type[msgspec.Struct]) -> Schema:
    """The schema of a Struct that an answer has, inline."""
    _, components = msgspec.json.schema_components([struct], ref_template=REFERENCE)
    return {key: value for key, value in components[struct.__name__].items() if key != "title"}


def list_of_objects(properties: dict[str, Schema]) -> Schema:
    """A list of objects that have all of these properties and no others."""
    return {"type": "array", "items": closed_object(properties, tuple(properties))}


def nullable(schema: Schema) -> Schema:
    """The same, or null."""
    match schema:
        case {"type": str(type_)}:
            return schema | {"type": [type_, "null"]}
        case {"enum": values}:
            return schema | {"enum": [*values, None]}
        case {"anyOf": schemas}:
            return schema | {"anyOf": [*schemas, NULL]}
        case {"$ref": _} | {"oneOf": _}:
            return {"anyOf": [schema, NULL]}
    return schema  # any value, null among them
