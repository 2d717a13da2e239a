"""Passes a provider's answer on, piece by piece as it comes, and has the call logged at its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from heliscore.api.http.request_state import cut_off
from heliscore.gateway.call_record import BROKEN, CLIENT_LEFT, TIMED_OUT, CallRecord
from heliscore.gateway.client_watch import ClientWatch
from heliscore.gateway.forwarded_headers import answer_headers
from heliscore.gateway.gateway_errors import id_header
from heliscore.outbound.provider_client import ProviderFailure, ProviderTimeout

if TYPE_CHECKING:
    from heliscore.outbound.provider_connections import ProviderAnswer


class ForwardedAnswer(Response):
    """The answer of a provider whose head has come."""

    def __init__(self, answer: ProviderAnswer, record: CallRecord, watch: ClientWatch) -> None:
        super().__init__(status_code=answer.status)
        self._answer = answer
        self._record = record
        self._watch = watch
        record.begin_answer(answer.headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer, record = self._answer, self._record
        added = id_header(record.request_id) | {"Helicone-Status": "success"}
        headers = answer_headers(answer.headers, added)
        try:
            async with _closed(answer):
                await send({"type": "http.response.start", "status": answer.status, "headers": headers})
                async for piece in answer.pieces():
                    record.take(piece)
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
                self._watch.stop()
                record.finish(answer.status)
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        except ProviderFailure as failure:
            self._watch.stop()
            record.finish(status_of(failure))
            cut_off(scope)
            await receive()  # until the connection is closed
        except asyncio.CancelledError:
            record.finish(CLIENT_LEFT if self._watch.has_left else BROKEN)
            if not self._watch.take_cancellation():
                raise
        finally:
            record.finish(BROKEN)


@asynccontextmanager
async def _closed(answer: ProviderAnswer) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await answer.close()


def status_of(failure: ProviderFailure) -> int:
    """The status in the log of a call without a whole answer."""
    return TIMED_OUT if isinstance(failure, ProviderTimeout) else BROKEN
