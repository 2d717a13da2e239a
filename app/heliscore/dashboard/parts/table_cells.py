"""The cells of the table of requests, as the template writes them: a page has some thousand, so that each is
made of few parts, and its text is formatted here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

import msgspec

from heliscore.dashboard.parts.number_formats import (
    format_cost,
    format_count,
    format_duration,
    format_moment,
)
from heliscore.dashboard.parts.request_rows import RequestRow, ScoreScale
from heliscore.dashboard.parts.table_columns import TableColumn
from heliscore.domain.score import FEEDBACK
from heliscore.domain.times import format_time

_NONE: Final = "\N{EN DASH}"
_MAX_CHIPS: Final = 3


class Chip(msgspec.Struct, frozen=True):
    """A short text with a ground of its own."""

    text: str
    tone: str = ""
    title: str = ""


class Cell(msgspec.Struct, frozen=True):
    """A cell; what it does not have is empty."""

    kind: str
    """Its class."""

    text: str = ""
    title: str = ""
    beside: str = ""
    """A quiet text behind the other."""

    tone: str = ""
    """`good` or `bad`."""

    width: float | None = None
    """Of a score's bar, in per cent."""

    chips: Sequence[Chip] = ()
    time: str = ""
    """For `<time datetime>`."""


_MISSING: Final = Cell("", _NONE)
_NO_SCORE: Final = Cell("", beside=_NONE)


def make_cells(row: RequestRow, columns: Sequence[TableColumn], now: datetime) -> list[Cell]:
    """Make the cells of a row that are no scores."""
    return [_MAKERS.get(column.key, _make_property)(row, column.key, now) for column in columns]


def make_score_cells(row: RequestRow, scales: Sequence[ScoreScale]) -> list[Cell]:
    """Make the cells of a row's scores."""
    return [_make_score(scale, row.scores.get(scale.name)) for scale in scales]


def _make_score(scale: ScoreScale, value: int | None) -> Cell:
    if value is None:
        return _NO_SCORE
    if scale.name == FEEDBACK:
        return Cell("", chips=(Chip("up", "is-good") if value else Chip("down", "is-bad"),))
    if value in scale.labels:
        return Cell("", scale.labels[value], format_count(value), tone=scale.tone(value))
    if scale.is_boolean:
        return Cell("", "yes" if value else "no", tone=scale.tone(value))
    width = scale.width(value) if scale.has_bars else None
    return Cell("", format_count(value), tone=scale.tone(value), width=width)


def _make_time(row: RequestRow, _: str, now: datetime) -> Cell:
    instant = format_time(row.created_at)
    return Cell("when", format_moment(row.created_at, now), instant, time=instant)


def _make_answer(row: RequestRow, *_: object) -> Cell:
    return Cell("answer", row.answer or _NONE, row.answer)


def _make_prompt(row: RequestRow, *_: object) -> Cell:
    return Cell("short", row.prompt, beside=row.prompt_version or "") if row.prompt else _MISSING


def _make_status(row: RequestRow, *_: object) -> Cell:
    if row.outcome == "ERROR" or (row.status or 0) >= 400:
        return Cell("", chips=(Chip("error" if row.status is None else str(row.status), "is-bad"),))
    return Cell("", (row.outcome or _NONE).lower() if row.status is None else str(row.status))


def _make_tokens(row: RequestRow, *_: object) -> Cell:
    parts = ((row.prompt_tokens, "in"), (row.completion_tokens, "out"))
    title = ", ".join(f"{format_count(number)} {way}" for number, way in parts if number is not None)
    return Cell("num", _NONE if row.tokens is None else format_count(row.tokens), title)


def _make_properties(row: RequestRow, *_: object) -> Cell:
    chips = [Chip(f"{key}: {value}", "", f"{key} = {value}") for key, value in row.properties.items()]
    more = len(chips) - _MAX_CHIPS
    return Cell("chips", chips=chips[:_MAX_CHIPS], beside=f"+{more}" if more > 0 else "")


def _make_property(row: RequestRow, key: str, _: datetime) -> Cell:
    value = row.property(key)
    return _MISSING if value is None else Cell("short", value, value)


def _make_short(text: str | None) -> Cell:
    return Cell("short", text) if text else _MISSING


_MAKERS: Final[dict[str, Callable[[RequestRow, str, datetime], Cell]]] = {
    "time": _make_time,
    "answer": _make_answer,
    "model": lambda row, *_: _make_short(row.model),
    "provider": lambda row, *_: _make_short(row.provider),
    "prompt": _make_prompt,
    "user": lambda row, *_: _make_short(row.user),
    "status": _make_status,
    "latency": lambda row, *_: Cell("num", format_duration(row.latency_ms)),
    "ttft": lambda row, *_: Cell("num", format_duration(row.ttft_ms)),
    "tokens": _make_tokens,
    "cost": lambda row, *_: Cell("num", _NONE if row.cost is None else format_cost(row.cost)),
    "id": lambda row, *_: Cell("short id", row.id),
    "properties": _make_properties,
}
"""By the column's key; others are properties."""
