from __future__ import annotations

from typing import Any

import msgspec
import pytest
from heliscore.providers.exchange import read_conversation, read_models, read_usage
from heliscore.providers.stream_assembly import assemble
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.providers.cases import CASES, exchange_of
from tests.unit.providers.streams import STREAMS

DEEPEST = 200


def names_and_values(value: object) -> set[str]:
    """The keys and short strings in a JSON value: the words that the readers know."""
    match value:
        case dict():
            return set(value) | {word for item in value.values() for word in names_and_values(item)}
        case list():
            return {word for item in value for word in names_and_values(item)}
        case str() if len(value) < 40:
            return {value}
    return set()


BODIES: list[Any] = [
    body
    for case in CASES
    if (exchange := exchange_of(case))
    for body in (exchange.request, exchange.response)
]
WORDS = sorted(names_and_values(BODIES))
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.sampled_from(WORDS)
    | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(WORDS) | st.text(), inner, max_size=5)
    ),
    max_leaves=20,
)


def check(request: object, response: object, url: str | None = None) -> None:
    """Every public function takes the values, and what comes back can be stored."""
    conversation = read_conversation(request, response)
    assert isinstance(conversation.title, str)
    msgspec.json.encode(conversation)
    read_models(request, response, url)
    for count in msgspec.structs.astuple(read_usage(response)):
        assert count is None or count >= 0
    if assembled := assemble(response):
        msgspec.json.encode(assembled.body)
        check(request, assembled.body)


@settings(max_examples=100, deadline=None)
@given(VALUES, VALUES, st.text() | st.sampled_from(["http://[", "/model/%ff/converse", "x:y"]))
def test_any_json_is_read(request: object, response: object, url: str) -> None:
    check(request, response, url)


@st.composite
def changed_bodies(draw: st.DrawFn) -> object:
    """A real body in which some value is another one."""

    def change(value: object) -> object:
        if draw(st.integers(0, 12)) == 0:
            return draw(VALUES)
        match value:
            case dict():
                return {key: change(item) for key, item in value.items()}
            case list():
                return [change(item) for item in value]
        return value

    return change(draw(st.sampled_from(BODIES)))


@settings(max_examples=100, deadline=None)
@given(changed_bodies(), changed_bodies())
def test_real_bodies_with_a_value_of_another_kind_are_read(request: object, response: object) -> None:
    check(request, response)


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_streams_with_chunks_of_another_kind_are_put_together(data: st.DataObject) -> None:
    text = STREAMS[data.draw(st.sampled_from([name for name in STREAMS if "array" not in name]))]
    chunks = [
        msgspec.json.decode(each) for each in text.replace("data: ", "").split("\n") if each.startswith("{")
    ]
    bodies = [data.draw(changed(chunk)) for chunk in chunks]
    check(None, bodies)
    check(None, "\n".join(msgspec.json.encode(body).decode() for body in bodies))


@st.composite
def changed(draw: st.DrawFn, chunk: Any) -> object:
    match chunk:
        case dict() if draw(st.integers(0, 8)):
            return {key: draw(changed(item)) for key, item in chunk.items()}
        case list() if draw(st.integers(0, 8)):
            return [draw(changed(item)) for item in chunk]
        case dict() | list():
            return draw(VALUES)
    return chunk if draw(st.integers(0, 12)) else draw(VALUES)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda value: [value],
        lambda value: {"content": value},
        lambda value: {"content": [value]},
        lambda value: {"messages": [value]},
        lambda value: {"role": "user", "content": [{"type": "tool_result", "content": [value]}]},
        lambda value: {"parts": [value]},
        lambda value: {"type": "thinking", "thinking": [value]},
        lambda value: {"toolResult": {"content": [value]}},
        lambda value: {"functionResponse": {"name": "a", "response": {"result": value}}},
        lambda value: {"choices": [{"message": value}]},
        lambda value: {"args": [value], "kwargs": {}},
        lambda value: {"additional_kwargs": value, "role": "user"},
        lambda value: {"type": "tool-result", "output": {"type": "json", "value": value}},
        lambda value: {"error": value},
        lambda value: {"generated_text": value},
        lambda value: {"raw": value},
        lambda value: [{"generated_text": "a"}, value],
        lambda value: {"type": "a_call", "output": value},
        lambda value: {"message": value},
        lambda value: {"content": {"source": {"type": "content", "content": [value]}}},
    ],
)
def test_deep_values_are_read(wrap: Any) -> None:
    value: object = "bottom"
    for _ in range(DEEPEST):
        value = wrap(value)
    check(value, value)
    check({"messages": [value]}, {"choices": [{"delta": {"content": [value]}}]})
    check({"input": [value]}, [{"choices": [{"delta": value}]}])
    check({"contents": [value]}, {"candidates": [{"content": value}]})
    check({"messages": [{"role": "user", "content": [value]}]}, {"role": "assistant", "content": [value]})
