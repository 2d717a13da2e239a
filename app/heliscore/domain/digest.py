"""A digest of what changed in a day or a week, as text and as Markdown."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final, Literal

import msgspec

from heliscore.domain.messages import on_one_line

Kind = Literal["worse", "vanished", "better", "appeared"]

_TITLES: Final[dict[Kind, str]] = {
    "worse": "Worse",
    "vanished": "No longer scored",
    "better": "Better",
    "appeared": "Newly scored",
}

_SPECIAL: Final = re.compile(r"[\\`*_\[\]<>|~&#]")


class DigestLine(msgspec.Struct, frozen=True):
    """One change, with the fields of `/v1/evals/changes` that a digest needs."""

    score: str
    direction: Literal["fell", "rose", "vanished", "appeared"]
    verdict: Literal["worse", "better"] | None
    sentence: str

    @property
    def kind(self) -> Kind:
        if self.verdict is not None:
            return self.verdict
        return "vanished" if self.direction == "vanished" else "appeared"


class Digest(msgspec.Struct, frozen=True, kw_only=True):
    start: datetime
    end: datetime
    against: str
    """`the 7 days before`"""

    lines: list[DigestLine]
    """Those that matter most first."""

    more: int
    """How many there are behind them."""

    comparisons: int
    requests: int
    unscored: int
    """How many of the requests have no score."""

    scores: int

    @property
    def title(self) -> str:
        times = (f"{time.day} {time:%b %Y, %H:%M}" for time in (self.start, self.end))
        return f"{' to '.join(times)} UTC, against {self.against}"

    @property
    def sentence(self) -> str:
        """What matters most, on one line."""
        if self.lines:
            return on_one_line(self.lines[0].sentence)
        return "no score moved beyond noise" if self.comparisons else "nothing could be compared"

    @property
    def counts(self) -> str:
        """`483 requests, 1,890 scores; 15 % of the requests have no score`"""
        counts = f"{_count(self.requests, 'request')}, {_count(self.scores, 'score')}"
        if not self.requests:
            return counts
        return f"{counts}; {100 * self.unscored / self.requests:.0f} % of the requests have no score"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun if number == 1 else noun + 's'}"


def render_text(digest: Digest) -> str:
    """Lines of text, one a change; names are on one line, without control characters."""
    return _render(digest, "{}", "{}:", on_one_line)


def render_markdown(digest: Digest) -> str:
    return _render(digest, "## {}", "### {}", _escape)


def _render(digest: Digest, title: str, heading: str, show: Callable[[str], str]) -> str:
    parts = [title.format(digest.title)]
    for kind, name in _TITLES.items():
        lines = [line for line in digest.lines if line.kind == kind]
        if lines:
            parts += [heading.format(name), "\n".join(_list_by_score(lines, show))]
    if digest.more:
        parts.append(f"{digest.more:,} more.")
    if not any(line.verdict for line in digest.lines):
        parts.append("No score moved beyond noise." if digest.comparisons else "Nothing could be compared.")
    parts.append(f"{_count(digest.comparisons, 'comparison')}; {digest.counts}.")
    return "\n\n".join(parts) + "\n"


def _list_by_score(lines: Iterable[DigestLine], show: Callable[[str], str]) -> list[str]:
    """The first change of each score, and beneath it the others of the same score."""
    by_score: dict[str, list[str]] = {}
    for line in lines:
        by_score.setdefault(line.score, []).append(show(line.sentence))
    return [
        f"{'  ' if number else ''}- {sentence}"
        for sentences in by_score.values()
        for number, sentence in enumerate(sentences)
    ]


def _escape(text: str) -> str:
    """Let names be themselves."""
    return _SPECIAL.sub(r"\\\g<0>", on_one_line(text))
