"""Sets scores and properties of requests, for all dialects."""

from __future__ import annotations

from collections.abc import Mapping

from heliscore.api.http.endpoints import ApiCall
from heliscore.api.shared.authors import origin_of
from heliscore.api.shared.definition_checks import check_scores
from heliscore.domain.author import Author
from heliscore.domain.errors import Conflict, NotFound
from heliscore.domain.score import Score
from heliscore.domain.times import exactly_now, now
from heliscore.store import properties as property_store
from heliscore.store import scores as score_store
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
    warnings = await check_scores(call, scores)
    if scores:
        organization_id, origin = call.principal.organization_id, origin_of(call, name, author)
        definitions = await call.services.definitions.find(organization_id)
        yielding = definitions.yielding(origin.author, scores)
        post = ScoreWrite(organization_id, request_id, scores, exactly_now(), origin, comments, yielding)
        if not await call.services.writer.record(post):
            raise NotFound(f"there is no request {request_id}")
    return warnings


async def remove_score(call: ApiCall, request_id: str, name: str, call_name: str) -> bool:
    """Remove a score; False where there is none. Raises Conflict where it is a human's, which stays."""
    services, organization_id = call.services, call.principal.organization_id
    origin = origin_of(call, call_name)
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
