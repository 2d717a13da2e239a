"""The rows of the table of requests, and how their scores are drawn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec

from heliscore.dashboard.parts.conversation import read_preview
from heliscore.dashboard.parts.search_address import SearchAddress
from heliscore.domain.saved_view import PROPERTY
from heliscore.domain.score import FEEDBACK
from heliscore.domain.score_definition import Direction, ScoreDefinition
from heliscore.store.search.found_requests import Request

_FULL: Final = 100.0
_LOWEST_SHARE: Final = 2.0
"""Per cent: the bar of the lowest value can be seen."""


class RequestRow(msgspec.Struct, frozen=True):
    """A row of the table."""

    id: str
    address: str | None
    created_at: datetime
    preview: str
    """The beginning of what the user said last."""

    answer: str
    model: str | None
    provider: str | None
    prompt: str | None
    prompt_version: str | None
    user: str | None
    status: int | None
    outcome: str | None
    latency_ms: int | None
    ttft_ms: int | None
    tokens: int | None
    prompt_tokens: int | None
    completion_tokens: int | None
    cost: float | None
    properties: dict[str, str]
    scores: dict[str, int]

    def property(self, column: str) -> str | None:
        """The value of a column of a property."""
        return self.properties.get(column.removeprefix(PROPERTY))


class ScoreScale(msgspec.Struct, frozen=True):
    """How the values of a score are shown on a page."""

    name: str
    is_boolean: bool = False
    low: int = 0
    high: int = 0
    """The ends of the bar: those of the definition, or else the page's."""

    is_bounded: bool = False
    """Whether the definition says both."""

    direction: Direction | None = None
    labels: Mapping[int, str] = {}

    @property
    def has_bars(self) -> bool:
        return not self.is_boolean and self.low < self.high and not self.labels

    def width(self, value: int) -> float:
        """Of the bar, in per cent."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return max(share * _FULL, _LOWEST_SHARE)

    def tone(self, value: int) -> str:
        """`good` or `bad` in the outer thirds of the scale, where a direction and both ends are known."""
        if self.direction is None or not (self.is_bounded or self.is_boolean) or self.low == self.high:
            return ""
        share = (value - self.low) / (self.high - self.low)
        quality = share if self.direction == "higher" else 1 - share
        return "good" if quality > 2 / 3 else "bad" if quality < 1 / 3 else ""


def make_scale(
    name: str, rows: Iterable[RequestRow], definition: ScoreDefinition | None, *, is_boolean: bool
) -> ScoreScale:
    """Make the scale of a score for the rows of a page."""
    values = [row.scores[name] for row in rows if name in row.scores]
    is_boolean = (is_boolean or name == FEEDBACK) and all(value in (0, 1) for value in values)
    ends = (None, None) if definition is None else (definition.min, definition.max)
    low, high = (0, 1) if is_boolean else ends
    labels = {} if definition is None else definition.labels
    return ScoreScale(
        name,
        is_boolean,
        min(values, default=0) if low is None else low,
        max(values, default=0) if high is None else high,
        is_bounded=None not in (low, high),
        direction=None if definition is None else definition.direction,
        labels=labels,
    )


def make_rows(requests: Sequence[Request], search: SearchAddress, first: int) -> list[RequestRow]:
    """Make the rows, with what is read of their bodies. `first` is the place of the first one in the search's
    order; 0 if unknown."""
    return [
        _make_row(request, search, first + index if first else 0) for index, request in enumerate(requests)
    ]


def _make_row(request: Request, search: SearchAddress, place: int) -> RequestRow:
    preview, answer = read_preview(request.request_body, request.response_body)
    return RequestRow(
        id=request.request_id,
        address=search.request_href(request.request_id, place=place),
        created_at=request.created_at,
        preview=preview,
        answer=answer,
        model=request.model,
        provider=request.provider,
        prompt=request.prompt_id,
        prompt_version=request.prompt_version,
        user=request.user_id,
        status=request.status,
        outcome=request.outcome,
        latency_ms=request.latency_ms,
        ttft_ms=request.time_to_first_token_ms,
        tokens=request.total_tokens,
        prompt_tokens=request.prompt_tokens,
        completion_tokens=request.completion_tokens,
        cost=request.cost_usd,
        properties=msgspec.json.decode(request.properties, type=dict[str, str]),
        scores=msgspec.json.decode(request.scored.scores or b"{}", type=dict[str, int]),
    )
