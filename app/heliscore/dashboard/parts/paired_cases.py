"""Lays out cases side by side: the question once, both answers, and their scores with the differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import quote

import msgspec
from markupsafe import Markup

from heliscore.dashboard.parts.markdown import has_syntax, render_markdown, render_plain
from heliscore.dashboard.parts.search_address import PATH
from heliscore.domain.score import Score
from heliscore.providers.exchange import read_conversation
from heliscore.providers.turns import Conversation, Text, ToolCall
from heliscore.store.cases import Case, Exchange

_MOST: Final = 1_500
"""Characters of an answer; the whole one is a click away."""


class ShownScore(msgspec.Struct, frozen=True):
    """One score of both requests; None where one has none."""

    name: str
    base: Score | None
    other: Score | None

    @property
    def difference(self) -> int | None:
        return None if self.base is None or self.other is None else self.other.value - self.base.value


class ShownAnswer(msgspec.Struct, frozen=True):
    """What one group answered."""

    question: str
    answer: Markup
    is_cut: bool
    href: str | None
    """None for the ids `.` and `..`, which no address can have."""


class ShownCase(msgspec.Struct, frozen=True):
    """One item."""

    case: Case
    base: ShownAnswer
    other: ShownAnswer
    scores: list[ShownScore]

    @property
    def is_one_question(self) -> bool:
        return self.base.question == self.other.question


def lay_out_cases(
    cases: Sequence[Case],
    exchanges: Mapping[int, Exchange],
    scores: Mapping[int, Mapping[str, Score]],
    first: str,
) -> list[ShownCase]:
    """Read the bodies. Takes time: not on the event loop. `first` is the score that comes first."""
    return [_lay_out(case, exchanges, scores, first) for case in cases]


def _lay_out(
    case: Case,
    exchanges: Mapping[int, Exchange],
    scores: Mapping[int, Mapping[str, Score]],
    first: str,
) -> ShownCase:
    of_base, of_other = (scores.get(side.request_no, {}) for side in (case.base, case.other))
    names = sorted({*of_base, *of_other}, key=lambda name: (name != first, name))
    return ShownCase(
        case,
        _show_answer(exchanges.get(case.base.request_no)),
        _show_answer(exchanges.get(case.other.request_no)),
        [ShownScore(name, of_base.get(name), of_other.get(name)) for name in names],
    )


def _show_answer(exchange: Exchange | None) -> ShownAnswer:
    if exchange is None:
        return ShownAnswer("", Markup(), False, None)
    conversation = _read(exchange)
    text = _find_answer(conversation)
    shown = text[:_MOST]
    answer = render_markdown(shown) if has_syntax(shown) else render_plain(shown)
    id_ = exchange.request_id
    href = None if id_ in (".", "..") else f"{PATH}/{quote(id_, safe='')}"
    return ShownAnswer(conversation.title, answer, len(text) > _MOST, href)


def _read(exchange: Exchange) -> Conversation:
    bodies = (
        None if body is None else msgspec.json.decode(body)
        for body in (exchange.request_body, exchange.response_body)
    )
    try:
        return read_conversation(*bodies)
    except RecursionError:
        return Conversation([])


def _find_answer(conversation: Conversation) -> str:
    """The last words of the model, or the calls that it made instead."""
    for turn in reversed(conversation.turns):
        if turn.speaker in ("assistant", "error"):
            texts = [part.text for part in turn.parts if isinstance(part, Text)]
            calls = [f"calls {part.name}" for part in turn.parts if isinstance(part, ToolCall)]
            return "\n\n".join(texts or calls)
    return ""
