"""Carries out a call with an `Idempotency-Key` once: a duplicate gets the same answer and writes nothing.

All that such a call writes is one transaction, in which its key and its answer are stored too. A call that
fails therefore leaves nothing, and its key is free. Handlers need not know: they get services that are bound
to the transaction, which begins with their first statement, after the body was read and decoded. A score map,
where it is all that a call writes, goes to the writer with key and answer, and shares its transaction with
other posts.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from heliscore.api.http.request_state import Services
from heliscore.domain.errors import Conflict, FieldError, InvalidInput, NotFound
from heliscore.store import idempotent_calls as store
from heliscore.store.connections.pool import Connection
from heliscore.store.idempotent_calls import AnsweredCall, IdempotentCall, KeptAnswer, Repeated
from heliscore.store.keyed_posts import record_post
from heliscore.store.one_transaction import DatabaseInTransaction, IdsApart, LateWriter, OneTransaction
from heliscore.store.scores import ScoreWrite

HEADER: Final = "Idempotency-Key"
REPLAYED_HEADER: Final = "Idempotent-Replayed"

KEY_PATTERN: Final = "^[!-~]([ -~]{0,253}[!-~])?$"
_KEY: Final = re.compile(KEY_PATTERN)

_LARGE_BYTES: Final = 1 << 20
"""More are hashed in a thread: a MiB takes 0.7 ms where the processor helps, and 2.4 where it does not."""


class CallDigest:
    """The SHA-256 of all that a call says, without its headers."""

    def __init__(self, request: Request) -> None:
        path = request.scope["path"].encode("latin-1") + b"?" + request.scope["query_string"]
        self._sha = hashlib.sha256(request.method.encode() + b" " + path + b"\n")

    async def add(self, body: bytes) -> None:
        """Add a piece of the body, decompressed."""
        if len(body) > _LARGE_BYTES:
            await asyncio.to_thread(self._sha.update, body)
        else:
            self._sha.update(body)

    def finish(self) -> bytes:
        return self._sha.digest()


def read_key(sent: list[str]) -> str:
    """Read the values of the header. Raises InvalidInput."""
    if len(sent) > 1:
        raise InvalidInput([FieldError(HEADER, "sent more than once")])
    if _KEY.fullmatch(sent[0]) is None:
        raise InvalidInput([FieldError(HEADER, "expected 1 to 255 printable ASCII characters")])
    return sent[0]


async def answer_once(
    organization_id: int,
    key: str,
    digest: CallDigest,
    services: Services,
    answer: Callable[[Services], Awaitable[Response]],
    *,
    is_secret: bool,
) -> Response:
    """Answer a call, or give the answer of an earlier one with its key.

    `answer` works with the services that it is given, and adds the body to the digest before its first
    statement. An answer that `is_secret` is not kept. Raises Conflict, and Unavailable while an earlier call
    is in progress.
    """

    def identify() -> IdempotentCall:
        return IdempotentCall(organization_id, key, digest.finish())

    async def claim(connection: Connection) -> None:
        await store.claim(connection, identify())

    try:
        async with OneTransaction(claim) as transaction:
            bound, late = _bind(services, transaction)
            response = await answer(bound)
            answered = AnsweredCall(identify(), _keep(response, is_secret))
            if late.post is None or transaction.has_begun:
                await _complete(bound, late.post, answered)
            elif not await services.writer.record(late.post, answered):
                raise _unknown(late.post)
    except Repeated as repeated:
        return _replay(repeated, digest.finish())
    return response


async def _complete(bound: Services, post: ScoreWrite | None, answered: AnsweredCall) -> None:
    """Write what is left to the transaction."""
    async with bound.database.connection() as connection:
        if post is not None:
            accept_unknown = bound.settings.accepts_unknown_requests
            if not await record_post(connection, bound.ids, post, accept_unknown=accept_unknown):
                raise _unknown(post)
        await store.complete(connection, answered)


def _unknown(post: ScoreWrite) -> NotFound:
    return NotFound(f"there is no request {post.request_id}")


def _bind(services: Services, transaction: OneTransaction) -> tuple[Services, LateWriter]:
    """Return services that do all their work in the transaction, but for a score map: the writer can do that
    in fewer statements."""
    late = LateWriter()
    bound = msgspec.structs.replace(
        services,
        database=DatabaseInTransaction(transaction, services.database),
        uploads=DatabaseInTransaction(transaction, services.uploads),
        ids=IdsApart(services.ids, services.quick),
        writer=late,
    )
    return bound, late


def _keep(response: Response, is_secret: bool) -> KeptAnswer:
    headers = [
        f"{name.decode('latin-1')}: {value.decode('latin-1')}"
        for name, value in response.raw_headers
        if name != b"content-length"
    ]
    return KeptAnswer(response.status_code, "\n".join(headers), None if is_secret else bytes(response.body))


def _replay(repeated: Repeated, call_hash: bytes) -> Response:
    """Raises Conflict."""
    if repeated.call_hash != call_hash:
        raise Conflict(f"the {HEADER} was sent with another call in the last 24 hours: send another one")
    kept = repeated.answer
    if kept.body is None:
        raise Conflict(
            f"the call with this {HEADER} was carried out; its answer is not kept, because it showed a secret"
        )
    headers = {name: value for name, _, value in (line.partition(": ") for line in kept.headers.split("\n"))}
    return Response(kept.body, kept.status, {**headers, REPLAYED_HEADER: "true"})
