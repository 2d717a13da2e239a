"""A digest as text and as Markdown."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from heliscore.domain.digest import Digest, DigestLine, render_markdown, render_text


def line(
    sentence: str, direction: Any = "fell", verdict: Any = "worse", score: str = "accuracy"
) -> DigestLine:
    return DigestLine(score, direction, verdict, sentence)


def digest(*lines: DigestLine, **more: Any) -> Digest:
    given: dict[str, Any] = {
        "comparisons": 1055,
        "requests": 1471,
        "unscored": 221,
        "scores": 1708,
        "more": 0,
    }
    return Digest(
        start=datetime(2026, 11, 22, 7, tzinfo=UTC),
        end=datetime(2026, 11, 29, 7, tzinfo=UTC),
        against="the week before",
        lines=[*lines],
        **{**given, **more},
    )


TITLE = "22 Nov 2026, 07:00 to 29 Nov 2026, 07:00 UTC, against the week before"
COUNTS = "1,055 comparisons; 1,471 requests, 1,708 scores; 15 % of the requests have no score."


def test_changes_stand_by_kind_and_beneath_the_first_one_of_their_score() -> None:
    text = render_text(
        digest(
            line("accuracy fell with 5"),
            line("tone fell", score="tone"),
            line("accuracy fell"),
            line("gone has no scores", "vanished", None, "gone"),
            line("ok rose", "rose", "better", "ok"),
            line("new has scores only now", "appeared", None, "new"),
            more=1200,
        )
    )
    assert (
        text
        == f"""{TITLE}

Worse:

- accuracy fell with 5
  - accuracy fell
- tone fell

No longer scored:

- gone has no scores

Better:

- ok rose

Newly scored:

- new has scores only now

1,200 more.

{COUNTS}
"""
    )


def test_quiet_week_says_so() -> None:
    assert render_text(digest()) == f"{TITLE}\n\nNo score moved beyond noise.\n\n{COUNTS}\n"
    nothing = digest(comparisons=0, requests=0, unscored=0, scores=1)
    assert render_text(nothing) == (
        f"{TITLE}\n\nNothing could be compared.\n\n0 comparisons; 0 requests, 1 score.\n"
    )


def test_names_are_themselves_on_one_line() -> None:
    made = digest(line("a*b_<c>\n\x1b[31m# | `d` fell"))
    assert "- a*b_<c>  [31m# | `d` fell\n" in render_text(made)
    markdown = render_markdown(made)
    assert markdown.startswith(f"## {TITLE}\n\n### Worse\n\n- ")
    assert r"- a\*b\_\<c\>  \[31m\# \| \`d\` fell" in markdown
