"""The order of a page's turns: results beside their calls, the answer, and what is folded."""

from __future__ import annotations

import pytest
from heliscore.dashboard.parts.turn_order import order_turns
from heliscore.providers.turns import Conversation, Part, Speaker, Text, Thinking, ToolCall, Turn


def turn(speaker: Speaker, *parts: Part, label: str = "", answers: str = "", mark: str = "") -> Turn:
    return Turn(speaker, list(parts) or [Text(speaker)], label, mark, answers)


def results(*turns: Turn) -> tuple[list[str], list[dict[int, list[Turn]]]]:
    """The speakers of the turns that are left, and the results of each."""
    steps = order_turns(Conversation(list(turns), len(turns))).steps
    return [step.turn.speaker for step in steps], [step.results for step in steps]


def test_result_stands_beside_the_call_that_it_names() -> None:
    calls = turn("assistant", Text("I look."), ToolCall("find", {}, "a"), ToolCall("find", {}, "b"))
    second, first = turn("tool", answers="b"), turn("tool", answers="a", label="error")
    assert results(turn("user"), calls, second, first) == (
        ["user", "assistant"],
        [{}, {1: [first], 2: [second]}],
    )
    unknown = turn("tool", answers="c")
    assert results(calls, unknown) == (["assistant", "tool"], [{}, {}])


def test_result_without_an_id_stands_beside_the_call_of_its_name_or_the_only_one() -> None:
    one = turn("assistant", ToolCall("find", {}))
    two = turn("assistant", ToolCall("find", {}), ToolCall("run", {}))
    unnamed, ran = turn("tool"), turn("tool", label="run")
    assert results(one, unnamed) == (["assistant"], [{0: [unnamed]}])
    assert results(two, ran) == (["assistant"], [{1: [ran]}])
    # Which of the two it answers cannot be known.
    assert results(two, unnamed) == (["assistant", "tool"], [{}, {}])
    assert results(one, turn("user"), unnamed) == (["assistant", "user", "tool"], [{}, {}, {}])


def test_thinking_stands_in_the_turn_that_it_led_to() -> None:
    thought, call = turn("assistant", Thinking("Hm.")), turn("assistant", ToolCall("find", {}, "a"))
    found, said = turn("tool", answers="a"), turn("assistant")
    order = order_turns(Conversation([turn("user"), thought, call, found, thought, said], 4))
    assert [step.turn.parts for step in order.steps] == [
        [Text("user")],
        [Thinking("Hm."), ToolCall("find", {}, "a")],
        [Thinking("Hm."), Text("assistant")],
    ]
    assert [step.results for step in order.steps] == [{}, {1: [found]}, {}]


@pytest.mark.parametrize(
    ("asked", "answered", "answer", "earlier"),
    [
        ("su", "a", 2, 0),
        ("suauau", "a", 6, 3),
        ("suauauauau", "a", 10, 7),
        ("suauauau", "", None, 4),
        ("sua", "", 2, 0),
        ("u", "aa", 1, 0),
        ("u", "e", 1, 0),
        ("", "", None, 0),
        ("sauaaaa", "a", 7, 0),
        ("sauauaaaa", "a", 9, 4),
        ("sauauaaaaaaa", "a", 12, 9),
    ],
)
def test_answer_is_found_and_old_turns_are_folded(
    asked: str, answered: str, answer: int | None, earlier: int
) -> None:
    speakers: dict[str, Speaker] = {"s": "system", "u": "user", "a": "assistant", "e": "error"}
    turns = [turn(speakers[letter]) for letter in asked + answered]
    order = order_turns(Conversation(turns, len(asked)))
    assert (order.answer, order.earlier) == (answer, earlier)


def test_answer_is_the_turn_that_says_something() -> None:
    call, said = turn("assistant", ToolCall("find", {})), turn("assistant")
    assert order_turns(Conversation([turn("user"), call, said], 1)).answer == 2
    assert order_turns(Conversation([turn("user"), call], 1)).answer == 1
