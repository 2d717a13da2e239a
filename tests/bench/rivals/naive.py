"""Bare Starlette and asyncpg, an upsert a call: our statement on our schema, without the group commit."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypedDict

import asyncpg
from heliscore.api.helicone.score_endpoints import decode_scores
from heliscore.api.http.auth import bearer_key
from heliscore.api.shared import envelope
from heliscore.domain.api_key import hash_key
from heliscore.domain.times import now
from heliscore.store.scores import ScoreIds, ScoreWrite, record
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.origins import ORIGIN


class State(TypedDict):
    """What the calls share."""

    pool: asyncpg.Pool[asyncpg.Record]
    ids: ScoreIds
    organizations: dict[bytes, int]


async def post_scores(request: Request) -> Response:
    state = request.state
    organization_id = state.organizations[hash_key(bearer_key(request))]
    scores = decode_scores(await request.body())
    post = ScoreWrite(organization_id, request.path_params["request_id"], scores, now(), ORIGIN)
    async with state.pool.acquire() as connection:
        await record(connection, state.ids, [post])
    return envelope.DONE


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[State]:
    async with asyncpg.create_pool(os.environ["BENCH_DATABASE_URL"], min_size=10, max_size=10) as pool:
        keys = await pool.fetch("SELECT key_hash, organization_id FROM api_key")
        organizations = {row["key_hash"]: row["organization_id"] for row in keys}
        yield State(pool=pool, ids=ScoreIds(), organizations=organizations)


app = Starlette(
    routes=[Route("/v1/request/{request_id}/score", post_scores, methods=["POST"])], lifespan=lifespan
)
