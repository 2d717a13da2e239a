"""Limits the memory that large answers take until their clients have read them."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response
from starlette.types import Message, Send

from heliscore.api.http.request_state import RequestState

_LARGE_BYTES: Final = 1 << 18


def hold_answer(response: Response, state: RequestState, send: Send) -> Send:
    """Count an answer until it was read, and return how to send it. Raises Unavailable."""
    if len(response.body) <= _LARGE_BYTES:
        return send
    state.services.answer_budget.hold(len(response.body), state.organization_id)
    return _until_read(send)


def _until_read(send: Send) -> Send:
    """The call goes on until the client has read: before the end of a body is sent, the server waits until
    what is before it is on its way."""

    async def send_and_wait(message: Message) -> None:
        if message["type"] == "http.response.body":
            await send({**message, "more_body": True})
            message = {"type": message["type"], "body": b"", "more_body": False}
        await send(message)

    return send_and_wait
