from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from heliscore.providers.exchange import BROKEN_OFF, read_conversation, read_usage
from heliscore.providers.stream_assembly import Assembler, assemble, assemble_in_steps
from heliscore.providers.turns import Text, Thinking, ToolCall, Turn
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.providers.streams import ANTHROPIC, CHAT, GEMINI, OLLAMA, STREAMS, delta, lines, sse

every_stream = pytest.mark.parametrize("name", STREAMS)


def said(turns: list[Turn]) -> list[str]:
    """What each turn says, as one string."""
    spoken = []
    for turn in turns:
        texts = []
        for part in turn.parts:
            match part:
                case Text() | Thinking():
                    texts.append(part.text)
                case ToolCall(name=name, arguments=str(arguments)):
                    texts += [name, arguments]
                case ToolCall():
                    texts += [
                        part.name,
                        msgspec.json.encode(part.arguments).decode() if part.arguments else "",
                    ]
        spoken.append("".join(texts))
    return spoken


def is_prefix(turn: Turn, full: Turn) -> bool:
    """Whether each part of a turn says the beginning of the same part of the full one."""
    pairs = zip(turn.parts, full.parts, strict=False)
    spoken = [
        (said([Turn("assistant", [part])]), said([Turn("assistant", [whole])])) for part, whole in pairs
    ]
    return all(whole[0].startswith(part[0]) for part, whole in spoken)


def turns_of(body: object) -> list[Turn]:
    return read_conversation(None, body).turns


@every_stream
def test_a_stream_is_put_together(name: str) -> None:
    whole = assemble(STREAMS[name])
    assert whole is not None
    assert not whole.broken_off
    usage = read_usage(whole.body)
    if name != "completions":
        assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (7, 5, 12)
    assert BROKEN_OFF not in [turn.mark for turn in turns_of(whole.body)]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (
            ("chat", "chat lines", "chat with CRLF and comments"),
            ['Let me see.Grüße an alle.look{"where":"north"}find{"at":5}', "Second choice."],
        ),
        (("completions",), ["Once upon a time"]),
        (("responses", "responses lines"), ["I add up.", "It is five.", 'add{"a":2,"b":3}']),
        (("anthropic", "anthropic lines", "bedrock envelopes"), ['Hm, yes.I will look.look{"at":[1,2]}']),
        (
            ("gemini", "gemini array", "gemini array, printed", "gemini array, as sent"),
            ['First I think.The wind is calm.look{"at":"sea"}'],
        ),
        (("bedrock converse",), ['So then.Lower the bob.look{"at":"sea"}']),
        (("bedrock titan",), ["The Lima, in August."]),
        (("bedrock llama",), ["The Soca."]),
        (("mistral",), ["Seven times.No, not prime."]),
        (("mistral conversation",), ["No, not prime."]),
        (("cohere",), ['I will look.A guide.look{"at":"sea"}']),
        (("cohere first",), ["A guide."]),
        (("ollama",), ["Hm.Two rakes."]),
        (("ollama generate",), ["Two rakes."]),
        (("hugging face",), ["The halyard."]),
    ],
)
def test_what_a_stream_says_is_whole(names: tuple[str, ...], expected: list[str]) -> None:
    for name in names:
        whole = assemble(STREAMS[name])
        assert whole is not None
        assert said(turns_of(whole.body)) == expected
        assert {turn.speaker for turn in turns_of(whole.body)} == {"assistant"}


def cuts(text: str) -> range:
    return range(0, len(text), max(1, len(text) // 40))


@every_stream
def test_a_stream_cut_anywhere_is_the_whole_or_a_marked_prefix(name: str) -> None:
    text = STREAMS[name]
    whole = assemble(text)
    assert whole is not None
    everything = turns_of(whole.body)
    for cut in cuts(text):
        part = assemble(text[:cut])
        if part is None:
            continue
        turns = turns_of(part.body)
        assert "error" not in [turn.speaker for turn in turns]
        if said(turns) == said(everything):
            continue
        assert part.broken_off
        assert not turns or BROKEN_OFF in turns[-1].mark
        pairs = zip(turns, everything, strict=False)
        assert all(is_prefix(turn, full) for turn, full in pairs)


@every_stream
def test_a_stream_that_has_said_something_is_known_as_one(name: str) -> None:
    text = STREAMS[name]
    assert all(assemble(text[:cut]) for cut in cuts(text) if cut > len(text) * 0.75)


@every_stream
def test_a_stream_may_come_in_pieces_of_any_size(name: str) -> None:
    whole = assemble(STREAMS[name])
    for size in (1, 7, 100):
        assembler = Assembler()
        for start in range(0, len(STREAMS[name]), size):
            assembler.feed(STREAMS[name][start : start + size])
        assert assembler.finish() == whole


@given(st.data())
def test_a_stream_with_lines_between_keeps_them_beside(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(["chat", "anthropic lines", "cohere", "ollama"]))
    pieces = STREAMS[name].split("\n")
    at = data.draw(st.integers(0, len(pieces)))
    text = "\n".join([*pieces[:at], "Error: socket closed", "  at kiln.mjs:12", *pieces[at:]])
    whole, plain = assemble(text), assemble(STREAMS[name])
    assert whole is not None
    assert plain is not None
    assert said(turns_of(whole.body))[:-1] == said(turns_of(plain.body))
    assert turns_of(whole.body)[-1].speaker == "error"
    assert whole.beside == "Error: socket closed\n  at kiln.mjs:12"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "data: see the table on page 3",
        '{"stop":"north quay"}\n{"stop":"south quay"}\n',
        '{"choices":[{"message":{"content":"Hi"}}]}',
        '{\n  "model": "m",\n  "message": {"content": "Hi"},\n  "done": true\n}',
        '{"error":{"message":"no"}}',
        '[{"generated_text":"x"}]',
        '[{"role":"user","content":"x"}]',
        "[1,2,3]",
        "[",
        "[[[[",
        "{",
        "}",
        "data:",
        "event: ping\ndata: {}\n\n",
        "[{}]\n" * 5000,
        json.dumps({"candidates": [{"content": {"parts": [{"text": "x"}]}}]}),
        json.dumps({"type": "completion", "content": []}),
    ],
)
def test_a_text_of_another_kind_is_no_stream(text: str) -> None:
    assert assemble(text) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (sse([*CHAT[:4], {"error": {"message": "Overloaded", "code": 502}}]), "Overloaded"),
        ('data: {"error":{"message":"Overloaded"}}\n\ndata: [DONE]\n\n', "Overloaded"),
        (
            sse(
                [*ANTHROPIC[:9], {"type": "error", "error": {"type": "overloaded_error", "message": "Busy"}}]
            ),
            "Busy",
        ),
        ("event: error\ndata: " + json.dumps({"message": "Away"}) + "\n\n", "Away"),
        (lines([GEMINI[0], {"error": {"code": 503, "message": "Gone", "status": "UNAVAILABLE"}}]), "Gone"),
        (
            lines([{"messageStart": {"role": "assistant"}}, {"throttlingException": {"message": "Slow"}}]),
            "Slow",
        ),
        (
            lines([{"model": "m", "message": {"content": "a"}, "done": False}, {"error": "model gone"}]),
            "model gone",
        ),
        (
            sse(
                [
                    {"type": "response.created", "response": {"id": "r", "output": []}},
                    {"type": "response.failed", "response": {"id": "r", "error": {"message": "Fell"}}},
                ]
            ),
            "Fell",
        ),
    ],
)
def test_an_error_in_a_stream_is_read_beside_what_had_come(text: str, message: str) -> None:
    whole = assemble(text)
    assert whole is not None
    turns = turns_of(whole.body)
    assert turns[-1].speaker == "error"
    assert turns[-1].parts[0] == Text(message)


def test_half_characters_in_two_chunks_are_joined() -> None:
    text = sse([delta(content="\ud83d"), delta(content="\ude00 \ud83d"), delta(content="!", finish="stop")])
    for sent in (
        text,
        json.dumps([delta(content="\ud83d"), delta(content="\ude00 \ud83d"), delta(content="!")]),
    ):
        whole = assemble(sent)
        assert whole is not None
        assert said(turns_of(whole.body)) == ["😀 \ufffd!"]
        assert msgspec.json.decode(msgspec.json.encode(whole.body)) == whole.body


def test_a_list_of_chunks_is_a_stream() -> None:
    for chunks, name in (
        (CHAT, "chat"),
        (GEMINI, "gemini array"),
        (ANTHROPIC, "anthropic"),
        (OLLAMA, "ollama"),
    ):
        whole, other = assemble(chunks), assemble(STREAMS[name])
        assert whole is not None
        assert other is not None
        assert whole == other
    before = json.dumps(CHAT)
    assemble(CHAT)
    assert json.dumps(CHAT) == before


def test_a_tool_call_without_an_index_is_continued_by_its_id() -> None:
    first = {"id": "a", "function": {"name": "one", "arguments": '{"x":'}}
    whole = assemble(
        [
            delta(tool_calls=[first]),
            delta(tool_calls=[{"function": {"arguments": "1}"}}]),
            delta(tool_calls=[{"id": "b", "function": {"name": "two", "arguments": "{}"}}]),
        ]
    )
    assert whole is not None
    message: Any = whole.body["choices"][0]["message"]  # type: ignore[index]
    assert [made["function"]["arguments"] for made in message["tool_calls"]] == ['{"x":1}', "{}"]


def test_logprobs_of_all_chunks_are_kept() -> None:
    tokens = [{"token": "a", "logprob": -0.5}, {"token": "b", "logprob": -0.25}]
    chunks = [delta(content="a"), delta(content="b", finish="stop")]
    for chunk, token in zip(chunks, tokens, strict=True):
        chunk["choices"][0]["logprobs"] = {"content": [token], "refusal": None}
    whole = assemble(sse(chunks, "data: [DONE]\n\n"))
    assert whole is not None
    assert whole.body == {
        "id": "c1",
        "object": "chat.completion",
        "model": "m-1",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "ab"},
                "finish_reason": "stop",
                "logprobs": {"content": tokens},
            }
        ],
        "streamed": {"chunks": 2},
    }


def test_a_long_stream_is_put_together_in_steps() -> None:
    steps = assemble_in_steps(sse([delta(content="word ") for _ in range(2000)]))
    assert sum(1 for _ in steps) > 10
