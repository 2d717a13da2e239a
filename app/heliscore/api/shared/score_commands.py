"""Sets, removes and restores scores, and sets properties of requests, for all dialects."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from heliscore.api.http.endpoints import ApiCall
from heliscore.api.shared.authors import origin_of
from heliscore.api.shared.definition_checks import check_scores
from heliscore.domain.author import Author
from heliscore.domain.errors import Conflict, NotFound
from heliscore.domain.score import Score
from heliscore.domain.score_changes import Change, make_origin_of_copy, newest_shown
from heliscore.domain.times import exactly_now, now
from heliscore.store import properties as property_store
from heliscore.store import score_history
from heliscore.store import scores as score_store
from heliscore.store.connections.pool import Connection
from heliscore.store.score_history import PutBack
from heliscore.store.scores import NO_COMMENTS, ScoreWrite


async def record_scores(
    call: ApiCall,
    request_id: str,
    scores: Mapping[str, Score],
    name: str,
    *,
    comments: Mapping[str, str] = NO_COMMENTS,
    author: Author | None = None,
) -> list[str]:
    """Store a score map and return what its definitions warn of; when this returns it is durable, and when it
    raises nothing of it was stored. `name` is the call's in the history, `author` what its body says.

    Raises InvalidInput where a definition refuses a score, NotFound where scores for unknown requests are
    rejected, Unavailable when the database is away or the writer has too much to write.
    """
    if not scores:
        return []
    post, warnings = await make_post(call, request_id, scores, name, comments=comments, author=author)
    if not await call.services.writer.record(post):
        raise NotFound(f"there is no request {request_id}")
    return warnings


async def make_post(
    call: ApiCall,
    request_id: str,
    scores: Mapping[str, Score],
    name: str,
    *,
    comments: Mapping[str, str] = NO_COMMENTS,
    author: Author | None = None,
) -> tuple[ScoreWrite, list[str]]:
    """Make what `record_scores` stores, and what the scores' definitions warn of. Raises InvalidInput."""
    organization_id, origin = call.principal.organization_id, origin_of(call, name, author)
    definitions = await call.services.definitions.find(organization_id)
    warnings = check_scores(definitions, scores)
    yielding = definitions.yielding(origin.author, scores)
    post = ScoreWrite(organization_id, request_id, scores, exactly_now(), origin, comments, yielding)
    return post, warnings


async def remove_score(
    call: ApiCall, request_id: str, name: str, call_name: str, *, author: Author | None = None
) -> bool:
    """Remove a score; False where there is none. Raises Conflict where it is a human's, which stays."""
    services, organization_id = call.services, call.principal.organization_id
    origin = origin_of(call, call_name, author)
    yielding = (await services.definitions.find(organization_id)).yielding(origin.author, [name])
    async with services.database.connection() as connection:
        removed = await score_store.remove_score(
            connection,
            services.ids,
            organization_id,
            request_id,
            name,
            exactly_now(),
            origin,
            is_yielding=bool(yielding),
        )
        if not removed and yielding:
            scores = await score_store.find_scores(connection, organization_id, request_id)
            if name in scores:
                raise Conflict(f"the score {name} is a human's: by its definition only a human removes it")
    return removed


async def restore_score(
    call: ApiCall,
    request_id: str,
    name: str,
    change_at: datetime | None,
    call_name: str,
    *,
    instead_of: datetime | None = None,
    author: Author | None = None,
) -> None:
    """Set a score back to what its change of that time made it, or with None remove it, as a new change; with
    `instead_of` only if nothing came after its change of that time, which is taken back.

    The value's author and comment stay. Raises NotFound, and Conflict where something came after.
    """
    services, organization_id = call.services, call.principal.organization_id
    async with services.database.connection() as connection:
        # Outside the transaction: the ids stay in the cache when it is rolled back.
        change = await _find_change(connection, organization_id, request_id, name, change_at)
        origin = make_origin_of_copy(change, origin_of(call, call_name, author))
        names = await services.ids.names.ensure(connection, organization_id, [name])
        await services.ids.origins.ensure(connection, organization_id, [origin])
        async with connection.transaction():
            at = exactly_now()
            number = await score_history.lock_request(connection, organization_id, request_id, at)
            if number is None:
                raise NotFound(f"there is no request {request_id}")
            present = await score_history.find_changes(connection, organization_id, request_id, name) or {}
            newest = newest_shown(present.get(name, []))
            newest_at = None if newest is None else newest.at
            if instead_of is not None and newest_at != instead_of:
                raise Conflict(f"the score {name} was changed meanwhile: reload the page")
            if newest_at != change_at:
                score, comment = (None, None) if change is None else (change.score, change.comment)
                put = PutBack(number, name, score, origin, comment)
                await score_history.put_back(connection, services.ids, organization_id, [put], at)
                if instead_of is not None:
                    undone = number, names[name], instead_of
                    await score_history.take_back(connection, organization_id, [undone], at)


async def _find_change(
    connection: Connection, organization_id: int, request_id: str, name: str, at: datetime | None
) -> Change | None:
    """Raises NotFound for a time without a change."""
    if at is None:
        return None
    found = await score_history.find_changes(connection, organization_id, request_id, name) or {}
    for change in found.get(name, ()):
        if change.at == at:
            return change
    raise NotFound(f"the score {name} of request {request_id} has no such change")


async def set_properties(call: ApiCall, request_id: str, properties: Mapping[str, str]) -> None:
    """Set some properties of a request. Raises NotFound where unknown requests are rejected."""
    async with call.services.database.connection() as connection:
        written = await property_store.set_properties(
            connection,
            call.principal.organization_id,
            request_id,
            properties,
            now(),
            accept_unknown=call.services.settings.accepts_unknown_requests,
        )
    if not written:
        raise NotFound(f"there is no request {request_id}")
