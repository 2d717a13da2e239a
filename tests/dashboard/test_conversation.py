from __future__ import annotations

import json

import pytest
from heliscore.dashboard.parts.conversation import Part, Turn, preview, read_conversation

USER = Turn("user", [Part("Hi")])
ASSISTANT = Turn("assistant", [Part("Hello")])
TEXT = [{"type": "text", "text": "Hi"}]
ANSWER = [{"type": "text", "text": "Hello"}]


def encoded(value: object) -> bytes:
    return json.dumps(value).encode()


@pytest.mark.parametrize(
    ("asked", "answered", "turns"),
    [
        (
            {
                "model": "m",
                "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
            },
            {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}}]},
            [Turn("system", [Part("Be brief.")]), USER, ASSISTANT],
        ),
        (
            {"system": "Be brief.", "messages": [{"role": "user", "content": TEXT}]},
            {"type": "message", "role": "assistant", "content": ANSWER},
            [Turn("system", [Part("Be brief.")]), USER, ASSISTANT],
        ),
        ({"prompt": "Hi"}, {"choices": [{"text": "Hello"}]}, [USER, ASSISTANT]),
        ({"prompt": ["Hi", "Hi"]}, {"choices": []}, [USER, USER]),
        (
            {"instructions": "Be brief.", "input": "Hi"},
            {
                "output": [
                    {
                        "type": "message",
                        "role": "assistant",
                        "content": [{"type": "output_text", "text": "Hello", "annotations": []}],
                    }
                ]
            },
            [Turn("system", [Part("Be brief.")]), USER, ASSISTANT],
        ),
        (
            {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]},
            {"candidates": [{"content": {"role": "model", "parts": [{"text": "Hello"}]}}]},
            [USER, ASSISTANT],
        ),
        (
            {"type": "chat", "messages": [{"role": "user", "content": TEXT}]},
            {"type": "chat", "messages": [{"role": "assistant", "content": ANSWER}]},
            [USER, ASSISTANT],
        ),
        (
            {"type": "completion", "content": TEXT},
            {"type": "completion", "content": ANSWER},
            [USER, ASSISTANT],
        ),
        ([{"role": "user", "content": "Hi"}], "Hello", [USER, ASSISTANT]),
        (
            {"messages": [{"role": "user", "content": "Hi"}]},
            {"error": {"message": "Overloaded", "type": "overloaded_error"}},
            [
                USER,
                Turn("error", [Part("Overloaded"), Part('{\n  "type": "overloaded_error"\n}', "details")]),
            ],
        ),
    ],
    ids=[
        "OpenAI's chat",
        "Anthropic's messages",
        "completion",
        "completions",
        "OpenAI's responses",
        "Gemini's contents",
        "chat blueprint",
        "completion blueprint",
        "messages",
        "error",
    ],
)
def test_bodies_are_laid_out_as_who_said_what(asked: object, answered: object, turns: list[Turn]) -> None:
    assert read_conversation(encoded(asked), encoded(answered)) == turns


def test_tools_are_shown_beside_texts() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "find", "arguments": "{}"}}
    messages = [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "found"},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://a.example/b.png"}}]},
    ]
    shown = read_conversation(encoded({"messages": messages}), None)
    assert [(turn.role, [part.title for part in turn.parts]) for turn in shown] == [
        ("assistant", ["tool_calls"]),
        ("tool", ["", "tool_call_id"]),
        ("user", ["image_url"]),
    ]
    assert json.loads(shown[0].parts[0].text) == [call]
    assert "https://a.example/b.png" in shown[2].parts[0].text


@pytest.mark.parametrize(
    "raw", [{}, {"a": 1}, [], 5, True, {"messages": 5}, {"choices": "x"}, {"content": "x"}]
)
def test_any_other_body_is_shown_as_json(raw: object) -> None:
    for turns in (read_conversation(encoded(raw), None), read_conversation(None, encoded(raw))):
        [turn] = turns
        [part] = turn.parts
        assert (part.title, json.loads(part.text)) == ("JSON", raw)


@pytest.mark.parametrize("piece", [None, 5, [], {}, [[]], "x", {"text": 5}, {"role": 5}, {"parts": 3}])
def test_messages_of_any_kind_leave_nothing_out(piece: object) -> None:
    for body in ({"messages": [piece]}, {"messages": [{"role": "user", "content": piece}]}):
        [turn] = read_conversation(encoded(body), None)
        assert turn.role == "user"
    for answered in ({"choices": [piece]}, {"choices": [{"message": piece}]}, {"candidates": [piece]}):
        assert len(read_conversation(None, encoded(answered))) == 1


def test_deep_bodies_are_shown_as_they_are() -> None:
    deep = "[" * 5000 + "]" * 5000
    [turn] = read_conversation(deep.encode(), None)
    assert turn.parts == [Part(deep, "JSON")]


def test_numbers_in_bodies_keep_every_digit() -> None:
    [turn] = read_conversation(b'{"seed": 12345678901234567890123}', None)
    assert turn.parts[0].text == '{\n  "seed": 12345678901234567890123\n}'


def test_long_texts_are_folded_and_very_long_ones_cut() -> None:
    part = Part("a" * 300_000)
    assert (len(part.shown), len(part.shown + part.folded), part.left_out) == (2_500, 200_000, 100_000)
    assert (Part("a" * 6_000).folded, Part("a" * 6_000).left_out) == ("", 0)


def test_preview_is_what_the_user_said_last_on_one_line() -> None:
    messages = [{"role": "user", "content": "First"}, {"role": "user", "content": "  Where\n is\tit? "}]
    assert preview(encoded({"messages": messages})) == "Where is it?"
    assert preview(encoded({"a": 1})) == ""
    assert preview(None) == ""
    assert preview(encoded("x" * 5000)) == "x" * 200 + "…"
