"""Stores an import in pieces, one transaction each, while the next piece is read, and counts its lines."""

from __future__ import annotations

import asyncio
from typing import Final, Self

import msgspec
from starlette.responses import Response

from heliscore.api.http.endpoints import ApiCall
from heliscore.api.native.import_lines import Line
from heliscore.api.native.uploads import MAX_LISTED_ERRORS, UploadError
from heliscore.api.shared import envelope
from heliscore.api.shared.definition_checks import count_breaches, described, refused
from heliscore.domain.messages import MAX_NAME_LENGTH
from heliscore.domain.score_definition import find_breaches
from heliscore.observability import metrics
from heliscore.observability.score_totals import ScoreTotals
from heliscore.store import imports as store
from heliscore.store.definition_cache import Definitions

_MODE: Final = "import"


class Pieces:
    """Writes pieces of an import, and counts."""

    def __init__(self, call: ApiCall) -> None:
        self._call = call
        self._writing: asyncio.Task[None] | None = None
        self._accepted = self._unchanged = self._rejected = 0
        self._errors: list[UploadError] = []
        self._warnings: list[UploadError] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Wait for the last piece, also when reading failed: nothing is written after the answer."""
        await self._written()

    async def add(self, piece: list[Line]) -> None:
        """Begin to write a piece, when the one before is written."""
        await self._written()
        self._writing = asyncio.create_task(self._write(piece))

    def answer(self) -> Response:
        """Answer an import that is durable."""
        metrics.count_upload(_MODE)
        answer: dict[str, object] = {
            "accepted": self._accepted,
            "unchanged": self._unchanged,
            "rejected": self._rejected,
            "errors": self._errors,
        }
        return envelope.answer(answer | {"warnings": self._warnings} if self._warnings else answer)

    async def _written(self) -> None:
        if self._writing is not None:
            await self._writing

    async def _write(self, piece: list[Line]) -> None:
        organization_id = self._call.principal.organization_id
        definitions = await self._call.services.definitions.find(organization_id)
        lines = [self._checked(line, definitions) for line in piece]
        found = [line.found for line in lines if line.found is not None]
        imported = await self._store(found, definitions) if found else store.NOTHING
        totals = ScoreTotals()
        for line in lines:
            self._count(line, imported)
            if line.index in imported.written:
                totals.add(organization_id, line.newest)
        metrics.count_upload_scores(totals.count())

    def _checked(self, line: Line, definitions: Definitions) -> Line:
        """The line with what definitions say of its newest scores: the past is as it was."""
        if not definitions.enforced or not (breaches := find_breaches(definitions.enforced, line.newest)):
            return line
        count_breaches(breaches)
        if errors := refused(breaches):
            return msgspec.structs.replace(line, found=None, errors=tuple(errors))
        self._warn(line, "; ".join(described(breaches)))
        return line

    async def _store(self, found: list[store.Import], definitions: Definitions) -> store.Imported:
        services, organization_id = self._call.services, self._call.principal.organization_id
        async with services.uploads.connection() as connection:
            await store.ensure_ids(connection, services.ids, organization_id, found)
            return await store.record(
                connection,
                services.ids,
                organization_id,
                found,
                human_first=definitions.human_first,
                accept_unknown=services.settings.accepts_unknown_requests,
            )

    def _count(self, line: Line, imported: store.Imported) -> None:
        place = line.index
        if line.errors:
            self._reject(line, line.message)
        elif place in imported.unstorable:
            self._reject(line, imported.unstorable[place])
        elif place in imported.unknown:
            self._reject(line, f"there is no request {line.request_id}")
        else:
            self._accepted += 1
            self._unchanged += place not in imported.written
            if names := imported.conflicts.get(place):
                stays = "another value of that author and time is stored, and stays"
                self._warn(line, "; ".join(f"scores.{name}: {stays}" for name in names))

    def _warn(self, line: Line, message: str) -> None:
        if len(self._warnings) < MAX_LISTED_ERRORS:
            self._warnings.append(UploadError(line.index, line.request_id, message))

    def _reject(self, line: Line, message: str) -> None:
        self._rejected += 1
        if len(self._errors) < MAX_LISTED_ERRORS:
            request_id = None if line.request_id is None else line.request_id[:MAX_NAME_LENGTH]
            self._errors.append(UploadError(line.index, request_id, message))
