"""Measures how well the reviewers of a queue agree, as `agreements` measures any raters."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import msgspec

from heliscore.api.http.request_state import Services
from heliscore.api.shared.agreements import Agreement, Study, measure
from heliscore.domain.author import Author, read_author
from heliscore.domain.filter_tree import Column, OneOf
from heliscore.domain.rater import Rater
from heliscore.domain.review_queue import ReviewQueue
from heliscore.store import queue_items, review_queues
from heliscore.store.score_scan import ScoreSelection

_MAX_RATERS: Final = 10
"""Those who have done most: a study of many takes long, and says little."""

_MILLISECOND: Final = timedelta(milliseconds=1)


class ScoreStudy(msgspec.Struct, frozen=True):
    """How well the reviewers agree on one score."""

    name: str
    raters: tuple[Rater, ...]
    agreement: Agreement | None
    """None where their values are too many to be compared."""


async def study_queue(services: Services, organization_id: int, queue: ReviewQueue) -> list[ScoreStudy]:
    """Compare what reviewers gave to a queue's requests, score by score; nothing of fewer than two."""
    async with services.database.connection() as connection:
        reviewers = await review_queues.list_reviewers(connection, organization_id, queue.id)
        requests = await queue_items.list_requests(connection, organization_id, queue.id)
    authors = [
        author for one in reviewers if one.done and isinstance(author := read_author(one.author), Author)
    ]
    if len(authors) < 2:
        return []
    times = [at for _, at in requests]
    tree = OneOf(Column("request_id"), tuple(id_ for id_, _ in requests))
    selection = ScoreSelection(organization_id, tree, min(times), max(times) + _MILLISECOND)
    studies = []
    for name in queue.scores:
        raters = tuple(_make_rater(name, author) for author in authors[:_MAX_RATERS])
        found = await measure(services, Study(selection=selection, raters=raters))
        studies.append(ScoreStudy(name, raters, found))
    return studies


def _make_rater(name: str, author: Author) -> Rater:
    return Rater(name, author.kind, author.name, author.version or None)
