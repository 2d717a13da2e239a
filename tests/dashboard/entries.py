"""Hand-made requests with their scores, at any time: what the numbers of pages are checked with."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import asyncpg
import msgspec
from heliscore.domain.score import Score
from heliscore.store import organizations, request_log, scores
from heliscore.store.request_log import LoggedRequest
from heliscore.store.scores import ScoreIds, ScoreWrite

from tests.origins import ORIGIN


class Entry(msgspec.Struct, frozen=True):
    """One request: when, with which scores, and its columns and properties."""

    at: datetime
    scores: dict[str, int | bool]
    columns: dict[str, Any] = {}
    properties: dict[str, str] = {}
    request_id: str = ""
    """A random one where it does not matter."""


async def enter(dsn: str, entries: Iterable[Entry], organization: str = "default") -> None:
    """Put requests into an organization, which comes into being if need be."""
    connection = await asyncpg.connect(dsn)
    try:
        id_ = await organizations.ensure(connection, organization)
        posts = []
        for entry in entries:
            request = LoggedRequest(
                organization_id=id_,
                request_id=entry.request_id or str(uuid.uuid4()),
                created_at=entry.at,
                updated_at=entry.at,
                properties=msgspec.json.encode(entry.properties).decode(),
                **entry.columns,
            )
            await request_log.log(connection, request)
            given = {
                name: Score(int(value), value is True or value is False)
                for name, value in entry.scores.items()
            }
            posts.append(ScoreWrite(id_, request.request_id, given, datetime.now(UTC), ORIGIN))
        await scores.record(connection, ScoreIds(), [post for post in posts if post.scores])
    finally:
        await connection.close()
