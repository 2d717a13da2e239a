"""The components of the OpenAPI document."""

from __future__ import annotations

from typing import Literal

import msgspec
import pytest
from heliscore.api.http.json_schema import (
    STRING,
    Components,
    constant,
    list_of_objects,
    named,
    nullable,
    one_of,
    reference,
    struct_schema,
)


class Part(msgspec.Struct):
    """A part of a whole."""

    kind: Literal["a", "b"]
    interval: tuple[float, float]


class Whole(msgspec.Struct):
    """A whole."""

    parts: list[Part]


def test_named_schemas_become_components_with_all_that_they_need() -> None:
    components = Components()
    colour = one_of(("red", "blue"), "Colour")
    taken = components.take(list_of_objects({"colour": nullable(colour) | {"default": "red"}}, "Thing"))
    assert taken == {"type": "array", "items": reference("Thing")}
    assert components.schemas == {
        "Colour": {"type": "string", "enum": ["red", "blue"]},
        "Thing": {
            "type": "object",
            "properties": {"colour": {"anyOf": [reference("Colour"), {"type": "null"}], "default": "red"}},
            "required": ["colour"],
            "additionalProperties": False,
        },
    }


def test_one_name_is_of_one_schema() -> None:
    components = Components()
    components.take(named("Colour", STRING))
    components.take(named("Colour", dict(STRING)))
    with pytest.raises(ValueError, match="two schemas are named Colour"):
        components.take(named("Colour", constant("red")))


def test_structs_are_described_in_words_that_generators_know() -> None:
    components = Components()
    assert components.take(struct_schema(Whole)) == reference("Whole")
    assert components.schemas["Part"]["properties"] == {
        "kind": {"type": "string", "enum": ["a", "b"]},
        "interval": {"type": "array", "minItems": 2, "maxItems": 2, "items": {"type": "number"}},
    }
