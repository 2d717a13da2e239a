"""Records evaluations as scores: of the request that they name, or of the one with the response that they
name, which may be logged later."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from heliscore.api.http.endpoints import ApiCall
from heliscore.api.opentelemetry.evaluation_results import Evaluation, make_score
from heliscore.api.shared.authors import HEADER, origin_of
from heliscore.api.shared.definition_checks import count_breaches, described, refused
from heliscore.api.shared.score_maps import plain_name
from heliscore.domain.author import Author
from heliscore.domain.score_definition import find_breaches
from heliscore.domain.times import exactly_now
from heliscore.observability.score_totals import ScoreTotals
from heliscore.store import waiting_scores
from heliscore.store.connections.pool import Connection
from heliscore.store.definition_cache import Definitions
from heliscore.store.precedence import record_yielding
from heliscore.store.scores import NO_COMMENTS, ScoreWrite

CALL: Final = "opentelemetry"
"""The call's name in the history of scores."""

_CHUNK: Final = 500


class _Post(msgspec.Struct, frozen=True):
    """A score to be written, of a request, or of a response: then that is the write's `request_id`."""

    write: ScoreWrite
    is_of_response: bool


class Recorded(msgspec.Struct):
    """How many evaluations were refused, and why, with what definitions warn of."""

    refused: int
    messages: list[str]

    def refuse(self, evaluation_name: str, reason: str) -> None:
        self.refused += 1
        self.messages.append(f"{evaluation_name}: {reason}")


async def record_evaluations(call: ApiCall, evaluations: Sequence[Evaluation]) -> Recorded:
    """Record evaluations, those of one request in their order; what is not refused is durable then.

    Raises Unavailable.
    """
    recorded = Recorded(0, [])
    for begin in range(0, len(evaluations), _CHUNK):
        definitions = await call.services.definitions.find(call.principal.organization_id)
        chunk = evaluations[begin : begin + _CHUNK]
        if posts := list(_make_posts(call, chunk, definitions, recorded)):
            await _record(call, posts, recorded)
    return recorded


def _make_posts(
    call: ApiCall, evaluations: Sequence[Evaluation], definitions: Definitions, recorded: Recorded
) -> Iterator[_Post]:
    at = exactly_now()
    for evaluation in evaluations:
        name = plain_name(evaluation.name)
        score = make_score(evaluation, definitions.by_name.get(name))
        if isinstance(score, str):
            recorded.refuse(name, score)
            continue
        breaches = find_breaches(definitions.enforced, {name: score})
        if breaches:
            count_breaches(breaches)
        if errors := refused(breaches):
            recorded.refuse(name, errors[0].message)
            continue
        recorded.messages += described(breaches)
        origin = origin_of(call, CALL, _author_of(call, evaluation))
        comments = NO_COMMENTS if evaluation.comment is None else {name: evaluation.comment}
        yield _Post(
            ScoreWrite(
                call.principal.organization_id,
                evaluation.request_id or evaluation.response_id or "",
                {name: score},
                at,
                origin,
                comments,
                definitions.yielding(origin.author, [name]),
            ),
            is_of_response=evaluation.request_id is None,
        )


def _author_of(call: ApiCall, evaluation: Evaluation) -> Author | None:
    """What the event says of its evaluator; else the header's author, else its instrumentation scope."""
    has_header = HEADER in call.request.headers
    return evaluation.author or (None if has_header else evaluation.scope_author)


async def _record(call: ApiCall, posts: Sequence[_Post], recorded: Recorded) -> None:
    services, organization_id = call.services, call.principal.organization_id
    async with services.uploads.connection() as connection:
        # Outside the transaction: the ids are remembered, also when it is rolled back.
        names = {name for post in posts for name in post.write.scores}
        await services.ids.names.ensure(connection, organization_id, names)
        await services.ids.origins.ensure(connection, organization_id, {post.write.origin for post in posts})
        known = [post.write for post in posts]
        if any(post.is_of_response for post in posts):
            async with connection.transaction():
                found = await _find_requests(connection, organization_id, posts)
                known = await _let_wait(call, connection, posts, found, recorded)
        await _write(call, connection, known, recorded)


async def _find_requests(
    connection: Connection, organization_id: int, posts: Sequence[_Post]
) -> dict[str, str]:
    """The requests of the responses; no other can be logged before the transaction ends."""
    response_ids = {post.write.request_id for post in posts if post.is_of_response}
    await waiting_scores.lock_responses(connection, organization_id, response_ids)
    return await waiting_scores.find_requests(connection, organization_id, response_ids)


async def _let_wait(
    call: ApiCall,
    connection: Connection,
    posts: Sequence[_Post],
    found: dict[str, str],
    recorded: Recorded,
) -> list[ScoreWrite]:
    """Return the scores whose requests are known; let the others wait, where unknown requests are accepted
    and not too many wait already."""
    known, unknown = list[ScoreWrite](), list[ScoreWrite]()
    for post in posts:
        if not post.is_of_response:
            known.append(post.write)
        elif (request_id := found.get(post.write.request_id)) is not None:
            known.append(msgspec.structs.replace(post.write, request_id=request_id))
        else:
            unknown.append(post.write)
    organization_id, at = call.principal.organization_id, exactly_now()
    reason = await _find_reason(call, connection) if unknown else None
    if reason is not None:
        for write in unknown:
            recorded.refuse(next(iter(write.scores)), reason.format(write.request_id))
    elif unknown:
        await waiting_scores.add(connection, call.services.ids, organization_id, unknown, at)
    return known


async def _find_reason(call: ApiCall, connection: Connection) -> str | None:
    """Why no score may wait."""
    if not call.services.settings.accepts_unknown_requests:
        return "there is no request with the response {}"
    if await waiting_scores.is_full(connection, call.principal.organization_id):
        most = waiting_scores.MAX_WAITING
        return f"the response {{}} is not logged, and {most} scores wait for others already"
    return None


async def _write(
    call: ApiCall, connection: Connection, writes: Sequence[ScoreWrite], recorded: Recorded
) -> None:
    if not writes:
        return
    accept_unknown = call.services.settings.accepts_unknown_requests
    ids = call.services.ids
    written = await record_yielding(connection, ids, writes, accept_unknown=accept_unknown)
    totals = ScoreTotals()
    for write in writes:
        if (write.organization_id, write.request_id) in written:
            totals.add(write.organization_id, write.scores)
        else:
            recorded.refuse(next(iter(write.scores)), f"there is no request {write.request_id}")
    totals.count()
