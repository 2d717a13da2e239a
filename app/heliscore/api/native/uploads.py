"""Writes the items of a bulk upload: partially, or all in one transaction."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, ClassVar, Final, Self

import msgspec
from starlette.responses import Response

from heliscore.api.http.endpoints import ApiCall
from heliscore.api.native.upload_items import Item, check_items
from heliscore.api.shared import envelope
from heliscore.api.shared.authors import origin_of
from heliscore.api.shared.definition_checks import count_breaches, described
from heliscore.domain.errors import FieldError, InvalidInput
from heliscore.domain.messages import MAX_NAME_LENGTH
from heliscore.domain.times import exactly_now
from heliscore.observability import metrics, score_totals
from heliscore.store.connections.pool import Connection
from heliscore.store.definition_cache import Definitions
from heliscore.store.precedence import record_yielding
from heliscore.store.scores import ScoreWrite

MAX_LISTED_ERRORS: Final = 1000

CALL: Final = "batch"


class UploadError(msgspec.Struct, rename="camel", frozen=True, forbid_unknown_fields=True):
    """An item that was rejected, or stored with a warning."""

    index: Annotated[int, msgspec.Meta(ge=0)]
    request_id: str | None
    message: str


class Upload:
    """Writes items chunk by chunk, one statement each, while the next chunk is read, and counts them."""

    mode: ClassVar[str]

    def __init__(self, call: ApiCall) -> None:
        self._call = call
        self._origin = origin_of(call, CALL)
        self._writing: asyncio.Task[None] | None = None
        self._accepted = 0
        self.score_count = 0
        self._rejected = 0
        self._errors: list[UploadError] = []
        self._warnings: list[UploadError] = []
        self._written_scores = score_totals.ScoreTotals()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Wait for the last chunk, also when reading failed: nothing is written after the answer."""
        await self._written()

    async def add(self, chunk: list[Item], definitions: Definitions) -> None:
        """Begin to write a chunk, when the one before is written."""
        await self._written()
        self._writing = asyncio.create_task(self._write(check_items(chunk, definitions), definitions))

    def answer(self) -> Response:
        """Answer an upload that is durable."""
        metrics.count_upload(self.mode)
        metrics.count_upload_scores(self._written_scores.count())
        answer: dict[str, object] = {
            "accepted": self._accepted,
            "rejected": self._rejected,
            "errors": self._errors,
        }
        return envelope.answer(answer | {"warnings": self._warnings} if self._warnings else answer)

    async def _written(self) -> None:
        if self._writing is not None:
            await self._writing

    async def _write(self, chunk: list[Item], definitions: Definitions) -> None:
        organization_id, at = self._call.principal.organization_id, exactly_now()
        posts = [
            self._post(item, item.request_id, definitions, at)
            for item in chunk
            if not item.errors and item.request_id is not None and item.scores
        ]
        written = await self._record(posts)
        for item in chunk:
            if item.errors:
                self._reject(item, item.message)
            elif item.scores and (organization_id, item.request_id) not in written:
                self._reject(item, f"there is no request {item.request_id}")
            else:
                self._accepted += 1
                self.score_count += len(item.scores)
                self._written_scores.add(organization_id, item.scores)
                if item.warnings:
                    self._warn(item)

    def _post(self, item: Item, request_id: str, definitions: Definitions, at: datetime) -> ScoreWrite:
        origin = self._origin if item.author is None else origin_of(self._call, CALL, item.author)
        yielding = definitions.yielding(origin.author, item.scores)
        organization_id = self._call.principal.organization_id
        return ScoreWrite(organization_id, request_id, item.scores, at, origin, item.comments, yielding)

    async def _record(self, posts: list[ScoreWrite]) -> set[tuple[int, str]]:
        """Store scores, and return the organization and id of each request that has them."""
        raise NotImplementedError

    async def _record_with(self, connection: Connection, posts: list[ScoreWrite]) -> set[tuple[int, str]]:
        services = self._call.services
        accept_unknown = services.settings.accepts_unknown_requests
        return await record_yielding(connection, services.ids, posts, accept_unknown=accept_unknown)

    def _warn(self, item: Item) -> None:
        count_breaches(item.warnings)
        if len(self._warnings) < MAX_LISTED_ERRORS:
            message = "; ".join(described(item.warnings))
            self._warnings.append(UploadError(item.index, item.request_id, message))

    def _reject(self, item: Item, message: str) -> None:
        self._rejected += 1
        if len(self._errors) < MAX_LISTED_ERRORS:
            request_id = None if item.request_id is None else item.request_id[:MAX_NAME_LENGTH]
            self._errors.append(UploadError(item.index, request_id, message))


class PartialUpload(Upload):
    """Commits each chunk."""

    mode = "partial"

    async def _write(self, chunk: list[Item], definitions: Definitions) -> None:
        await super()._write(chunk, definitions)
        metrics.count_upload_scores(self._written_scores.count())

    def _post(self, item: Item, request_id: str, definitions: Definitions, at: datetime) -> ScoreWrite:
        origin = self._origin if item.author is None else origin_of(self._call, CALL, item.author)
        yielding = definitions.yielding(origin.author, item.scores)
        organization_id = self._call.principal.organization_id
        return ScoreWrite(organization_id, request_id, item.scores, at, origin, item.comments, yielding)

    async def _record(self, posts: list[ScoreWrite]) -> set[tuple[int, str]]:
        async with self._call.services.uploads.connection() as connection:
            return await self._record_with(connection, posts)


class AtomicUpload(Upload):
    """Writes all chunks in the transaction of one connection."""

    mode = "atomic"

    def __init__(self, call: ApiCall, connection: Connection) -> None:
        super().__init__(call)
        self._connection = connection

    def _post(self, item: Item, request_id: str, definitions: Definitions, at: datetime) -> ScoreWrite:
        origin = self._origin if item.author is None else origin_of(self._call, CALL, item.author)
        yielding = definitions.yielding(origin.author, item.scores)
        organization_id = self._call.principal.organization_id
        return ScoreWrite(organization_id, request_id, item.scores, at, origin, item.comments, yielding)

    async def _record(self, posts: list[ScoreWrite]) -> set[tuple[int, str]]:
        return await self._record_with(self._connection, posts)

    def raise_any(self) -> None:
        """Raises InvalidInput where an item was rejected."""
        if self._errors:
            unknown = [FieldError(f"items[{error.index}].requestId", error.message) for error in self._errors]
            raise InvalidInput(unknown, self._rejected)


class PartialUploadInOne(AtomicUpload):
    """Writes all chunks in one transaction, without the items that have errors."""

    mode = "partial"

    def raise_any(self) -> None:
        """Errors are listed in the answer."""
