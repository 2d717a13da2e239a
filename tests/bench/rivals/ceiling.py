"""The ceiling of HTTP: bare Starlette that decodes a score map with our code and keeps nothing."""

from __future__ import annotations

from heliscore.api import envelope
from heliscore.api.auth import bearer_key
from heliscore.api.helicone.scores import decode_scores
from heliscore.keys import hash_key
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


async def post_scores(request: Request) -> Response:
    hash_key(bearer_key(request))
    decode_scores(await request.body())
    return envelope.DONE


app = Starlette(routes=[Route("/v1/request/{request_id}/score", post_scores, methods=["POST"])])
