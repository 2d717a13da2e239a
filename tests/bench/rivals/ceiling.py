"""The ceiling of HTTP: bare Starlette that decodes a score map with our code and keeps nothing."""

from __future__ import annotations

from heliscore.api.helicone.score_endpoints import decode_scores
from heliscore.api.http.auth import bearer_key
from heliscore.api.shared import envelope
from heliscore.domain.api_key import hash_key
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


async def post_scores(request: Request) -> Response:
    hash_key(bearer_key(request))
    decode_scores(await request.body())
    return envelope.DONE


app = Starlette(routes=[Route("/v1/request/{request_id}/score", post_scores, methods=["POST"])])
