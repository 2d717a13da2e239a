"""Orders a conversation for a page: results beside their calls, the answer found, old turns apart."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from heliscore.providers.turns import Conversation, Json, Media, Text, Thinking, ToolCall, Turn

_KEPT: Final = 3
"""The turns before the answer that stay open."""

_QUESTION_WITHIN: Final = 6
"""The user's last words stay open too, if they are among so many turns before the answer."""

_FOLDED_FROM: Final = 3
"""Fewer old turns are not folded."""


class Step(msgspec.Struct):
    """A turn with the results of its calls."""

    turn: Turn
    is_response: bool
    results: dict[int, list[Turn]] = {}
    """By the index of the call among the parts."""


class Order(msgspec.Struct, frozen=True):
    """The turns as a page shows them."""

    steps: list[Step]
    answer: int | None
    """The index of the turn that is judged, the first if there are several; None if nothing was answered."""

    earlier: int
    """How many turns, from the first on, are folded."""


def order_turns(conversation: Conversation) -> Order:
    """Order the turns: a result whose call is found is no turn any more."""
    steps: list[Step] = []
    for number, turn in enumerate(conversation.turns):
        if turn.speaker == "tool" and _give(turn, steps):
            continue
        step = Step(turn, number >= conversation.asked)
        if steps and _continues(steps[-1], step):
            steps[-1] = _join(steps[-1], step)
        else:
            steps.append(step)
    answer = _find_answer(steps)
    return Order(steps, answer, _count_earlier(steps, answer))


def _give(result: Turn, steps: list[Step]) -> bool:
    """Put a result beside its call: the one that it names, else, of the turn before, the first without a
    result that has its name, or the only one. False if there is none."""
    for step in reversed(steps):
        calls = [(at, part) for at, part in enumerate(step.turn.parts) if isinstance(part, ToolCall)]
        if result.answers:
            named = [at for at, call in calls if call.id == result.answers]
        else:
            open_ = [(at, call) for at, call in calls if at not in step.results and not call.id]
            named = [at for at, call in open_ if call.name == result.label]
            named = named or [at for at, _ in open_ if len(calls) == 1]
        if named:
            step.results.setdefault(named[0], []).append(result)
            return True
        if not result.answers:
            return False
    return False


def _continues(before: Step, step: Step) -> bool:
    """Whether a turn only held the thinking that led to the next one, as Responses' items do."""
    first, second = before.turn, step.turn
    return (
        before.is_response == step.is_response
        and first.speaker == second.speaker == "assistant"
        and (first.label, first.mark) == (second.label, "")
        and all(isinstance(part, Thinking) for part in first.parts)
    )


def _join(before: Step, step: Step) -> Step:
    turn = msgspec.structs.replace(step.turn, parts=[*before.turn.parts, *step.turn.parts])
    return Step(turn, step.is_response)


def _find_answer(steps: list[Step]) -> int | None:
    answered = [at for at, step in enumerate(steps) if step.is_response]
    if not answered and steps and steps[-1].turn.speaker == "assistant":
        return len(steps) - 1
    return next((at for at in answered if _says_something(steps[at].turn.parts)), next(iter(answered), None))


def _says_something(parts: Iterable[object]) -> bool:
    return any(isinstance(part, Text | Media | Json) for part in parts)


def _count_earlier(steps: list[Step], answer: int | None) -> int:
    end = len(steps) - 1 if answer is None else answer
    kept = end - _KEPT
    asked = next((at for at in range(end - 1, -1, -1) if steps[at].turn.speaker == "user"), 0)
    if end - asked <= _QUESTION_WITHIN:
        kept = min(kept, asked)
    return kept if kept >= _FOLDED_FROM else 0
