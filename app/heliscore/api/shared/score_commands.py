"""Sets scores and properties of requests, for all dialects."""

from __future__ import annotations

from collections.abc import Mapping

from heliscore.api.http.endpoints import ApiCall
from heliscore.api.shared.authors import origin_of
from heliscore.api.shared.definition_checks import check_scores
from heliscore.domain.author import Author
from heliscore.domain.errors import NotFound
from heliscore.domain.score import Score
from heliscore.domain.times import exactly_now, now
from heliscore.store import properties as property_store
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
        origin = origin_of(call, name, author)
        post = ScoreWrite(call.principal.organization_id, request_id, scores, exactly_now(), origin, comments)
        if not await call.services.writer.record(post):
            raise NotFound(f"there is no request {request_id}")
    return warnings


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
