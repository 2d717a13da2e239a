"""Carries out a call with an `Idempotency-Key` once: a duplicate gets the same answer and writes nothing.

All that such a call writes is one transaction, in which its key and its answer are stored too. A call that
fails therefore leaves nothing, and its key is free. Handlers need not know: they get services that are bound
to the transaction, which begins with their first statement, after the body was read and decoded.
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
from heliscore.domain.errors import Conflict, FieldError, InvalidInput
from heliscore.store import idempotent_calls as store
from heliscore.store.connections.pool import Connection
from heliscore.store.idempotent_calls import IdempotentCall, KeptAnswer
from heliscore.store.one_transaction import (
    DatabaseInTransaction,
    NamesApart,
    OneTransaction,
    WriterInTransaction,
)

HEADER: Final = "Idempotency-Key"
REPLAYED_HEADER: Final = "Idempotent-Replayed"

MAX_KEY_LENGTH: Final = 255
_KEY: Final = re.compile(rf"[ -~]{{1,{MAX_KEY_LENGTH}}}")

_LARGE_BYTES: Final = 1 << 20
"""More are hashed in a thread: 20 MB take 15 ms where the processor helps, and 80 where it does not."""


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
        raise InvalidInput([FieldError(HEADER, f"expected 1 to {MAX_KEY_LENGTH} printable ASCII characters")])
    return sent[0]


class _Repeated(Exception):
    """Ends a call at its first statement: another call had its key."""

    def __init__(self, kept: KeptAnswer) -> None:
        self.kept = kept


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
        if (kept := await store.claim(connection, identify())) is not None:
            raise _Repeated(kept)

    try:
        async with OneTransaction(claim) as transaction:
            response = await answer(_bind(services, transaction))
            connection = await transaction.connection(services.keyed)
            await store.complete(connection, identify(), _keep(response, is_secret))
    except _Repeated as repeated:
        return _replay(repeated.kept, digest.finish())
    return response


def _bind(services: Services, transaction: OneTransaction) -> Services:
    """Return services that do all their work in the transaction."""
    database = DatabaseInTransaction(transaction, services.keyed)
    names = NamesApart(services.names, services.database)
    accept_unknown = services.settings.accepts_unknown_requests
    return msgspec.structs.replace(
        services,
        database=database,
        uploads=DatabaseInTransaction(transaction, services.uploads),
        names=names,
        writer=WriterInTransaction(database, names, accept_unknown=accept_unknown),
    )


def _keep(response: Response, is_secret: bool) -> KeptAnswer:
    headers = [
        part.decode("latin-1")
        for name, value in response.raw_headers
        if name != b"content-length"
        for part in (name, value)
    ]
    return KeptAnswer(b"", response.status_code, headers, None if is_secret else bytes(response.body))


def _replay(kept: KeptAnswer, call_hash: bytes) -> Response:
    if kept.call_hash != call_hash:
        raise Conflict(f"the {HEADER} was sent with another call in the last 24 hours: send another one")
    if kept.body is None:
        raise Conflict(
            f"the call with this {HEADER} was carried out; its answer is not kept, because it showed a secret"
        )
    headers = dict(zip(kept.headers[::2], kept.headers[1::2], strict=True))
    return Response(kept.body, kept.status, {**headers, REPLAYED_HEADER: "true"})
