from __future__ import annotations

import json

import pytest
from heliscore.dashboard.parts.conversation import Block, Result, ShownTurn, lay_out, read_title
from heliscore.dashboard.parts.shown_json import indented

Said = tuple[str, list[str]]
"""A speaker, and the blocks as they are shown at first."""

SYSTEM = ("system", ['<p class="turn-text">Be brief.</p>'])
USER = ("user", ['<p class="turn-text">Hi</p>'])
ASSISTANT = ("assistant", ['<p class="turn-text">Hello</p>'])
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
            [SYSTEM, USER, ASSISTANT],
        ),
        (
            {"system": "Be brief.", "messages": [{"role": "user", "content": TEXT}]},
            {"type": "message", "role": "assistant", "content": ANSWER},
            [SYSTEM, USER, ASSISTANT],
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
            [SYSTEM, USER, ASSISTANT],
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
                ("error", ['<p class="turn-text">Overloaded</p>', '{\n  "type": "overloaded_error"\n}']),
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
def test_bodies_are_laid_out_as_who_said_what(asked: object, answered: object, turns: list[Said]) -> None:
    shown = lay_out(encoded(asked), encoded(answered)).turns
    assert [(turn.speaker, [block.shown for block in turn.blocks]) for turn in shown] == turns


def turns_of(*messages: object) -> list[ShownTurn]:
    return lay_out(encoded({"messages": messages}), None).turns


def block_of(content: object) -> Block:
    [turn] = turns_of({"role": "user", "content": content})
    [block] = turn.blocks
    return block


def test_calls_are_shown_with_their_results() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "find", "arguments": '{"gate": 7}'}}
    long = {"id": "c2", "type": "function", "function": {"name": "ask", "arguments": {"of": "a" * 80}}}
    [asked] = turns_of(
        {"role": "assistant", "content": None, "tool_calls": [call, long]},
        {"role": "tool", "tool_call_id": "c2", "name": "desk", "content": '{"late": true}'},
        {"role": "tool", "tool_call_id": "c1", "name": "find", "content": "found"},
    )
    assert (asked.heading, asked.label) == ("assistant", "")
    found = Result("", [Block("text", '<p class="turn-text">found</p>')])
    late = Result("desk", [Block("json", '{\n  "late": true\n}')])
    assert asked.blocks == [
        Block("call", '{"gate": 7}', "find", results=[found]),
        Block("call", f'{{\n  "of": "{"a" * 80}"\n}}', "ask", results=[late]),
    ]


def test_two_results_in_one_message_stand_beside_their_calls() -> None:
    calls: list[dict[str, object]] = [
        {"type": "tool_use", "id": id_, "name": "find", "input": {}} for id_ in ("a", "b")
    ]
    answers = [
        {"type": "tool_result", "tool_use_id": "b", "content": "no", "is_error": True},
        {"type": "tool_result", "tool_use_id": "a", "content": "yes"},
    ]
    [asked] = turns_of({"role": "assistant", "content": calls}, {"role": "user", "content": answers})
    assert [block.results for block in asked.blocks] == [
        [Result("", [Block("text", '<p class="turn-text">yes</p>')])],
        [Result("error", [Block("text", '<p class="turn-text">no</p>')])],
    ]


def test_text_that_is_json_is_indented() -> None:
    assert block_of(' {"total": 48.20000000000000000001, "paid": [false]}\n') == Block(
        "json", '{\n  "total": 48.20000000000000000001,\n  "paid": [\n    false\n  ]\n}'
    )
    for text in ("[1] says so", "{name}", "7", '"words"', "[" * 5000):
        assert block_of(text).kind == "text"


def test_pictures_and_links_are_shown_beside_texts() -> None:
    [turn] = turns_of(
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Which?"},
                {"type": "image_url", "image_url": {"url": "https://a.example/b.png"}},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
                {"type": "image_url", "image_url": {"url": "data:image/svg+xml;base64,PHN2Zz4="}},
            ],
        }
    )
    assert turn.blocks == [
        Block("text", '<p class="turn-text">Which?</p>'),
        Block("link", "https://a.example/b.png", "picture"),
        Block("image", "data:image/png;base64,iVBORw0KGgo=", "picture"),
        Block("note", "", "picture (image/svg+xml, 6 bytes), not shown here"),
    ]


@pytest.mark.parametrize(
    "raw", [{}, {"a": 1}, [], 5, True, {"messages": 5}, {"choices": "x"}, {"content": "x"}]
)
def test_any_other_body_is_shown_whole(raw: object) -> None:
    for layout in (lay_out(encoded(raw), None), lay_out(None, encoded(raw))):
        assert [json.loads(body.shown) for body in layout.bodies] == [raw]
        assert all(turn.blocks for turn in layout.turns)


def test_unknown_bodies_are_shown_as_json() -> None:
    [turn] = lay_out(encoded({"a": 1}), None).turns
    assert (turn.speaker, turn.heading, turn.label) == ("other", "request", "")
    assert turn.blocks == [Block("json", '{\n  "a": 1\n}', "JSON")]


def test_deep_bodies_are_shown_as_they_are() -> None:
    deep = "[" * 5000 + "]" * 5000
    layout = lay_out(deep.encode(), None)
    [turn] = layout.turns
    assert turn.blocks[0].shown + turn.blocks[0].folded == deep
    assert layout.bodies[0].shown == deep
    assert read_title(deep.encode()) == ""


@pytest.mark.parametrize("depth", [100, 400, 900, 2000])
def test_bodies_of_any_depth_are_shown(depth: int) -> None:
    nested = b'{"a":' * depth + b"1" + b"}" * depth
    assert lay_out(nested, b'{"choices":[{"message":{"content":' + nested + b"}}]}").turns


def test_numbers_in_bodies_keep_every_digit() -> None:
    layout = lay_out(b'{"seed": 12345678901234567890123}', None)
    assert layout.turns[0].blocks[0].shown == '{\n  "seed": 12345678901234567890123\n}'
    assert indented(b'{"seed": 1.00000000000000000001}') == '{\n  "seed": 1.00000000000000000001\n}'


def test_long_texts_are_folded_and_very_long_ones_cut() -> None:
    block = block_of("a" * 300_000)
    assert block.shown == f'<p class="turn-text">{"a" * 2_500}</p>'
    assert block.folded == f'<p class="turn-text">{"a" * 197_500}</p>'
    assert (block.folded_length, block.left_out) == (297_500, 100_000)
    whole = block_of("a" * 6_000)
    assert (whole.folded, whole.folded_length, whole.left_out) == ("", 0, 0)


def test_long_texts_are_folded_between_paragraphs_but_not_in_code() -> None:
    block = block_of("Words.\n\n```\n" + "code\n\n" * 1_000 + "```\n\nThe **end**.")
    assert block.shown == '<p class="turn-text">Words.\n\n</p>'
    assert block.folded.startswith('<pre class="code" tabindex="0"><code>code\n\ncode')
    assert block.folded.endswith('<p class="turn-text">The <strong>end</strong>.</p>\n')


def test_a_page_holds_so_much_text_and_markdown_the_newest_first() -> None:
    texts = [{"role": "user", "content": "**b** " * 30_000} for _ in range(20)]
    turns = turns_of(*texts, {"role": "user", "content": "**last**"})
    assert turns[-1].blocks[0].shown == '<p class="turn-text"><strong>last</strong></p>\n'
    assert sum(len(turn.blocks[0].shown + turn.blocks[0].folded) for turn in turns) < 2_110_000
    assert sum(turn.blocks[0].left_out for turn in turns) == 20 * 180_000 - 2_000_000 + len("**last**")


def test_long_lists_and_encoded_data_in_json_are_abridged() -> None:
    vector = [0.5] * 1536
    [turn] = lay_out(None, encoded({"odd": [vector, "QUJD" * 1000, "a word " * 2000]})).turns
    shown = turn.blocks[0].shown + turn.blocks[0].folded
    assert '"… 1,336 more"' in shown
    assert f'"{"QUJD" * 15}… 3,940 more characters"' in shown
    assert "a word … 4,000 more characters" not in shown
    assert "… 4,000 more characters" in shown


def test_marks_stand_on_the_turn_that_is_cut_off() -> None:
    answer = {"choices": [{"message": {"role": "assistant", "content": "And"}, "finish_reason": "length"}]}
    [turn] = lay_out(None, encoded(answer)).turns
    assert turn.mark == "length"


def test_title_is_what_the_user_said_last_on_one_line() -> None:
    messages = [{"role": "user", "content": "First"}, {"role": "user", "content": "  Where\n is\tit? "}]
    assert read_title(encoded({"messages": messages})) == "Where is it?"
    assert read_title(encoded({"a": 1})) == ""
    assert read_title(None) == ""
    assert read_title(encoded("x" * 5000)) == "x" * 200 + "…"
