"""The authors of the demo's scores: two versions of a judge, a check in code, the shop with the thumbs of its
customers, and two people who read a part of the answers.

    judge     version 2 took over in the middle of the period, and judged a tenth of what came before again
    people    correct one answer in twelve, and say why they see it otherwise; they read a random fifth of the
              others, some of them both, and score near the judge
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from random import Random
from typing import Final

from heliscore.demo.judgement import Judgement
from heliscore.domain.author import Author, Origin
from heliscore.domain.score import FEEDBACK, Score
from heliscore.store.request_log import LoggedRequest
from heliscore.store.scores import NO_COMMENTS, ScoreWrite

JUDGES: Final = (Author("judge", "relevance-judge", "1"), Author("judge", "relevance-judge", "2"))
CHECK: Final = Author("code", "format-check")
SHOP: Final = Author("api", "shop")
PEOPLE: Final = (Author("human", "ada"), Author("human", "bob"))

_CHECKED: Final = frozenset({"has_citations"})
_THUMBS: Final = frozenset({FEEDBACK})

_JUDGED_AGAIN_SHARE: Final = 0.1
_CORRECTED_SHARE: Final = 1 / 12
_TOO_KIND_SHARE: Final = 0.7
_READ_SHARE: Final = 0.2
"""Of the answers that are not corrected."""

_READ_BY_BOTH_SHARE: Final = 0.3
_READ_OFF: Final = 3.5
"""The standard deviation of a person's score from the judge's."""

_TOO_KIND: Final = {
    "accuracy": ("One figure is wrong.", "Leaves out the condition that matters here."),
    "relevance": (
        "Answers another question than the one asked.",
        "Much text, little of it asked for.",
    ),
}
_TOO_STRICT: Final = {
    "accuracy": (
        "All of it is right: I checked the source.",
        "The judge took rounding for an error.",
    ),
    "relevance": ("Short, and exactly what was asked.", "The second half answers it."),
}
_OFF_TOPIC: Final = "The answer is about the club, not about the question."
_MADE_UP: Final = "States something that no source says."


def draw_posts(
    rng: Random,
    request: LoggedRequest,
    scores: Mapping[str, Score],
    judgement: Judgement,
    *,
    judged_at: datetime,
    switched_at: datetime,
    now: datetime,
) -> tuple[ScoreWrite, ...]:
    """Make the posts, in order of time, after which the request has these scores; `switched_at` is when the
    newer judge took over."""
    judged = {name: score for name, score in scores.items() if name not in _CHECKED | _THUMBS}
    comments = _explain(judgement, judged)
    corrected = rng.choice(tuple(_TOO_KIND)) if rng.random() < _CORRECTED_SHARE else None
    if corrected is not None:
        judged[corrected] = _missed(rng, judged[corrected], 12, 35)
        comments.pop(corrected, None)
    posts = []
    is_newer = request.created_at >= switched_at
    if not is_newer and rng.random() < _JUDGED_AGAIN_SHARE:
        first = {name: _missed(rng, score, 1, 6) for name, score in judged.items()}
        posts.append(_post(request, judged_at, JUDGES[0], first, comments))
        judged_at = min(max(judged_at, switched_at) + timedelta(minutes=rng.randint(1, 90)), now)
        is_newer = True
    posts.append(_post(request, judged_at, JUDGES[is_newer], judged, comments))
    for names, author in ((_CHECKED, CHECK), (_THUMBS, SHOP)):
        if some := {name: score for name, score in scores.items() if name in names}:
            posts.append(_post(request, judged_at, author, some))
    if corrected is not None:
        is_kind = judged[corrected].value > scores[corrected].value
        why = {corrected: rng.choice((_TOO_KIND if is_kind else _TOO_STRICT)[corrected])}
        read_at = min(judged_at + timedelta(minutes=rng.randint(30, 1500)), now)
        posts.append(_post(request, read_at, rng.choice(PEOPLE), {corrected: scores[corrected]}, why))
    elif rng.random() < _READ_SHARE:
        posts += _read(rng, request, judged, judged_at, now)
    return tuple(posts)


def _read(
    rng: Random, request: LoggedRequest, judged: Mapping[str, Score], at: datetime, now: datetime
) -> list[ScoreWrite]:
    """The posts of one person or both, who read the answer by chance, not for its score."""
    readers = rng.sample(PEOPLE, 2 if rng.random() < _READ_BY_BOTH_SHARE else 1)
    posts = []
    for reader in readers:
        at = min(at + timedelta(minutes=rng.randint(30, 1500)), now)
        given = {name: near(rng, judged[name]) for name in _TOO_KIND}
        posts.append(_post(request, at, reader, given))
    return posts


def near(rng: Random, score: Score) -> Score:
    """Draw what somebody else gives who sees it almost the same."""
    return Score(max(0, min(100, round(score.value + rng.gauss(0, _READ_OFF)))), False)


def _post(
    request: LoggedRequest,
    at: datetime,
    author: Author,
    scores: Mapping[str, Score],
    comments: Mapping[str, str] = NO_COMMENTS,
) -> ScoreWrite:
    origin = Origin(author, "demo")
    return ScoreWrite(request.organization_id, request.request_id, scores, at, origin, comments)


def _missed(rng: Random, score: Score, least: int, most: int) -> Score:
    """A judgement so far beside this one, more often too kind; booleans are as they were."""
    if score.is_boolean:
        return score
    by = rng.randint(least, most)
    is_above = score.value < by or (score.value + by <= 100 and rng.random() < _TOO_KIND_SHARE)
    return Score(score.value + by if is_above else score.value - by, False)


def _explain(judgement: Judgement, judged: Mapping[str, Score]) -> dict[str, str]:
    """The judge's comments."""
    comments = {}
    if judgement.is_off_topic:
        comments["relevance"] = _OFF_TOPIC
    if judgement.is_hallucinated and "is_hallucinated" in judged:
        comments["is_hallucinated"] = _MADE_UP
    return comments
