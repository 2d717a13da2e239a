"""Makes, fills and removes the demo organization. An organization that was not made here is never touched:
the mark is a key of a certain name, made in the same transaction as the organization."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import islice
from typing import Final

import msgspec

from heliscore.demo.assignment import assign_reviews
from heliscore.demo.bookmarks import save_views
from heliscore.demo.meanings import define_scores
from heliscore.demo.past_alarm import add_alarm
from heliscore.demo.taken_back import take_back
from heliscore.demo.traffic import ID_PREFIX, DemoRequest
from heliscore.domain.api_key import mint_key
from heliscore.domain.errors import StartError
from heliscore.store import keys, organizations, request_log, score_history, scores
from heliscore.store.connections.pool import Connection
from heliscore.store.organizations import RequestCount
from heliscore.store.scores import ScoreWrite

_KEY_NAME: Final = "heliscore demo"

_CHUNK: Final = 50
"""Requests in a transaction. Each is a savepoint; beyond 64 of those they slow every other session down."""

_KEYS_STOP_S: Final = 5.0
"""How long a service may accept a revoked key."""

Advance = Callable[[int], None]
"""Takes the number of requests that were done since the last call."""


async def ensure(connection: Connection, name: str) -> tuple[int, str | None]:
    """Return the id of the demo organization of that name and, if it was made just now, its key.

    Raises StartError if the organization was not made here.
    """
    async with connection.transaction():
        id_ = await organizations.ensure(connection, name)
        if await organizations.began_with_key(connection, id_, _KEY_NAME):
            return id_, None
        key = mint_key()
        await keys.register(connection, id_, key, name=_KEY_NAME)
        await _check_own(connection, id_, name)
    return id_, key


async def find(connection: Connection, name: str) -> int:
    """Return the id of the demo organization of that name. Raises StartError where there is none."""
    id_ = await organizations.find(connection, name)
    if id_ is None:
        raise StartError(f"there is no organization {name}")
    await _check_own(connection, id_, name)
    return id_


async def _check_own(connection: Connection, id_: int, name: str) -> None:
    if not await organizations.began_with_key(connection, id_, _KEY_NAME):
        raise StartError(f"the organization {name} was not made by heliscore demo, and is left alone")


async def fill(connection: Connection, requests: Iterator[DemoRequest], advance: Advance) -> None:
    """Write requests in chunks. Those with the same ids are replaced; scores that they have or had stay as
    they are, because people may have given or removed them."""
    ids = scores.ScoreIds()
    while chunk := list(islice(requests, _CHUNK)):
        # In the order in which every writer locks requests.
        chunk.sort(key=lambda demo_request: demo_request.logged.request_id)
        await scores.ensure_ids(
            connection, ids, [post for demo_request in chunk for post in demo_request.posts]
        )
        async with connection.transaction():
            for demo_request in chunk:
                await request_log.log(connection, demo_request.logged)  # locks it: nobody scores meanwhile
            posts = [post for demo_request in chunk for post in await _find_new(connection, demo_request)]
            await scores.record(connection, ids, posts)
        advance(len(chunk))


async def furnish(connection: Connection, organization_id: int, now: datetime) -> None:
    """Add those of the definitions, views, monitor and queue that are not there, and take one score back;
    all that people have made or changed stays as it is."""
    await define_scores(connection, organization_id)
    await save_views(connection, organization_id)
    await add_alarm(connection, organization_id, now)
    await take_back(connection, organization_id)
    await assign_reviews(connection, organization_id, now)


async def _find_new(connection: Connection, demo_request: DemoRequest) -> list[ScoreWrite]:
    """The posts without the scores that the request has or had."""
    logged = demo_request.logged
    known = await score_history.find_changes(connection, logged.organization_id, logged.request_id) or {}
    return [
        msgspec.structs.replace(post, scores=missing)
        for post in demo_request.posts
        if (missing := {name: score for name, score in post.scores.items() if name not in known})
    ]


async def count(connection: Connection, organization_id: int) -> RequestCount:
    """Count its requests, and those that were not made here."""
    return await organizations.count_requests(connection, organization_id, ID_PREFIX)


async def remove(connection: Connection, organization_id: int, advance: Advance) -> None:
    """Take the organization away with everything in it. Its keys are revoked first and given the time to stop
    in all services: nothing is written behind the removal."""
    await organizations.revoke_keys(connection, organization_id)
    stopped = asyncio.create_task(asyncio.sleep(_KEYS_STOP_S))
    while removed := await organizations.remove_requests(connection, organization_id):
        advance(removed)
    await stopped
    while removed := await organizations.remove_requests(connection, organization_id):
        advance(removed)
    await organizations.remove(connection, organization_id)
