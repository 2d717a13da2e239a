"""One score of the demo that somebody took back: its history ends with a removal."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from heliscore.demo.reviewers import PEOPLE
from heliscore.domain.author import Origin
from heliscore.domain.filter_tree import Column, Everything, Sort
from heliscore.store import score_history, scores
from heliscore.store.connections.pool import Connection
from heliscore.store.search import request_search

_NAME: Final = "toxicity"
_LOOKED_AT: Final = 50
"""Oldest requests; half of all have the score."""


async def take_back(connection: Connection, organization_id: int) -> None:
    """Remove the score from the oldest request that has or had it, unless that was done before: it may have
    been given again since."""
    ids = scores.ScoreIds()
    oldest = await request_search.search(
        connection,
        ids.names,
        organization_id,
        Everything(),
        sort=Sort(Column("created_at"), descending=False),
        limit=_LOOKED_AT,
        bodies="none",
    )
    for request in oldest.requests:
        changes = await score_history.find_changes(connection, organization_id, request.request_id, _NAME)
        if changes and _NAME in changes:
            if all(change.score is not None for change in changes[_NAME]):
                at = changes[_NAME][-1].at + timedelta(minutes=7)
                origin = Origin(PEOPLE[1], "demo")
                await scores.remove_score(
                    connection, ids, organization_id, request.request_id, _NAME, at, origin
                )
            return
