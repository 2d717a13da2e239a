"""Makes the digests that are due: for each destination and period one delivery, however many services run.

Whoever claims a digest computes it without a lock, and adds the delivery only if nobody else has meanwhile.
One that fails, or whose service dies, is begun again after ten minutes; others go on. After a standstill
there is one digest, of the last day or week.
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any, Final

import msgspec

from heliscore.api.native.changes_endpoint import show_change
from heliscore.api.shared.period_changes import ChangesQuestion, FoundChanges, find
from heliscore.domain.changes.change_words import describe_change
from heliscore.domain.changes.period_scores import USUAL_GROUPS, TwoPeriods
from heliscore.domain.destination import DIGEST_TYPE, Destination
from heliscore.domain.digest import Digest, DigestLine, render_text
from heliscore.domain.digest_schedule import BEFORE, LENGTHS, DigestPeriod, last_due, next_due
from heliscore.domain.errors import ApiError, InvalidInput, NotMeasurable
from heliscore.domain.filter_tree import AllOf, Column, Compare, Everything, Filter, Not, Scored
from heliscore.domain.times import format_time
from heliscore.jobs.disabling import disable
from heliscore.jobs.dispatching import UNREADABLE, read_filter
from heliscore.store.connections.pool import Database
from heliscore.store.definition_cache import DefinitionCache
from heliscore.store.deliveries import NewDelivery
from heliscore.store.digests import DueDigest, claim_digest, settle_digest
from heliscore.store.period_groups import PeriodSelection
from heliscore.store.scores import ScoreNames
from heliscore.store.search import request_search

_log = logging.getLogger("heliscore")

MAX_TRIES: Final = 24
"""Ten minutes apart: four hours."""

_MAX_CHANGES: Final = 20
_MAX_FILTER_BYTES: Final = 1024 * 1024
"""Of the destination's filter, which each change repeats."""


class Digester(msgspec.Struct, frozen=True):
    """What digests need."""

    database: Database
    names: ScoreNames
    definitions: DefinitionCache

    async def make_next(self) -> bool:
        """Make a digest that is due; False where none is. Raises Unavailable while the database is away."""
        async with self.database.connection() as connection:
            due = await claim_digest(connection)
        if due is None:
            return False
        period = due.destination.digest
        if period is not None:
            await self._try(due, period)
        return True

    async def _try(self, due: DueDigest, period: DigestPeriod) -> None:
        destination = due.destination
        try:
            tree = read_filter(destination) or Everything()
        except InvalidInput:  # it was read when it was stored, by another version
            async with self.database.connection() as connection:
                await disable(connection, destination, UNREADABLE)
            return
        try:
            made = await self._make(due, period, tree)
        except (ApiError, NotMeasurable) as error:
            await self._note_failure(due, period, str(error))
        except Exception:
            # Not carried on with: it is given up in the end. The others must not suffer from it.
            _log.exception("the digest of destination %s cannot be made", destination.id)
            await self._note_failure(due, period, "a defect of the service, which its log describes")
        else:
            await self._settle(due, period, made)

    async def _note_failure(self, due: DueDigest, period: DigestPeriod, reason: str) -> None:
        destination = due.destination
        if due.tries >= MAX_TRIES and await self._settle(due, period, None):
            _log.warning(
                "the %s digest of destination %s of organization %d was given up: %s",
                period,
                destination.id,
                destination.organization_id,
                reason,
            )

    async def _settle(self, due: DueDigest, period: DigestPeriod, made: NewDelivery | None) -> bool:
        next_at = next_due(period, due.destination.digest_hour, due.clock)
        async with self.database.connection() as connection:
            return await settle_digest(connection, due, next_at, made)

    async def _make(self, due: DueDigest, period: DigestPeriod, tree: Filter) -> NewDelivery:
        destination = due.destination
        end = last_due(period, destination.digest_hour, due.clock)
        start, length = end - LENGTHS[period], LENGTHS[period]
        question = _make_question(destination, tree, TwoPeriods(start - length, start, start, end))
        found = await find(self.database, self.names, self.definitions, question)
        requests, unscored = await self._count(destination.organization_id, _in_time(tree, start, end))
        digest = Digest(
            start=start,
            end=end,
            against=BEFORE[period],
            lines=_make_lines(found, question.selection.periods),
            more=found.more,
            comparisons=found.comparisons,
            requests=requests,
            unscored=unscored,
            scores=found.values,
        )
        return NewDelivery(DIGEST_TYPE, _encode(due, period, digest, found, question.selection.periods))

    async def _count(self, organization_id: int, tree: Filter) -> tuple[int, int]:
        """How many requests match, and how many of those have no score."""
        async with self.database.connection() as connection:
            requests = await request_search.count(connection, self.names, organization_id, tree)
            without = AllOf((tree, Not(Scored())))
            return requests, await request_search.count(connection, self.names, organization_id, without)


def _make_question(destination: Destination, tree: Filter, periods: TwoPeriods) -> ChangesQuestion:
    filter_bytes = len(msgspec.json.encode(_filter_of(destination)))
    return ChangesQuestion(
        selection=PeriodSelection(destination.organization_id, tree, periods, USUAL_GROUPS),
        scores=tuple(destination.options.get("scores") or ()) or None,
        limit=min(_MAX_CHANGES, 1 + _MAX_FILTER_BYTES // filter_bytes),
    )


def _filter_of(destination: Destination) -> Any:
    return destination.options.get("filter") or "all"


def _in_time(tree: Filter, start: datetime, end: datetime) -> Filter:
    created_at = Column("created_at")
    return AllOf((tree, Compare(created_at, ">=", start), Compare(created_at, "<", end)))


def _make_lines(found: FoundChanges, periods: TwoPeriods) -> list[DigestLine]:
    return [
        DigestLine(change.score, change.direction, change.verdict, describe_change(change, periods))
        for change in found.changes
    ]


def _encode(
    due: DueDigest, period: DigestPeriod, digest: Digest, found: FoundChanges, periods: TwoPeriods
) -> str:
    raw = _filter_of(due.destination)
    data = {
        "period": period,
        "start": format_time(digest.start),
        "end": format_time(digest.end),
        "against": digest.against,
        "sentence": digest.sentence,
        "text": render_text(digest),
        "changes": [show_change(change, periods, raw) for change in found.changes],
        "more": digest.more,
        "comparisons": digest.comparisons,
        "requests": digest.requests,
        "scores": digest.scores,
        "unscored": digest.unscored,
    }
    body = {"type": DIGEST_TYPE, "timestamp": format_time(due.clock), "data": data}
    return msgspec.json.encode(body).decode()
