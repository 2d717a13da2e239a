"""Bytes on disk per score, of the table and of each of its indexes."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Final

import msgspec
from heliscore.domain.score import Score
from heliscore.store.connections.pool import Connection
from heliscore.store.scores import ScoreIds, ScoreWrite, record

from tests.origins import ORIGIN

from .databases import ORGANIZATION_ID
from .plan import progress
from .seed import BOOLEANS, SHARES

_BATCH: Final = 200
_PROGRESS_EVERY: Final = 100_000

_SIZES: Final = """
SELECT c.relname AS name, pg_relation_size(c.oid)::float8 / (SELECT count(*) FROM score) AS bytes
FROM pg_class AS c
WHERE c.oid = 'score'::regclass
    OR c.oid IN (SELECT indexrelid FROM pg_index WHERE indrelid = 'score'::regclass)
ORDER BY c.relkind DESC, c.relname
"""


class Disk(msgspec.Struct, frozen=True):
    """Bytes per score by table and index: as seeded, and after random upserts and a plain VACUUM."""

    size: int
    upserts: int
    fresh: dict[str, float]
    upserted: dict[str, float]


async def measure(connection: Connection, size: int, upserts: int) -> Disk:
    """Upsert single scores of random requests by the service's statement, and count before and after."""
    fresh = await _bytes(connection)
    rows = await connection.fetch("SELECT request_id FROM request WHERE request_no % 100 <> 0")
    ids = [row["request_id"] for row in rows]
    source, written, done = random.Random(1), ScoreIds(), 0
    while done < upserts:
        posts = [_random_post(source, ids) for _ in range(min(_BATCH, upserts - done))]
        await record(connection, written, posts)
        done += _BATCH
        if done % _PROGRESS_EVERY == 0:
            progress(f"disk: {done:,} of {upserts:,} random upserts")
    await connection.execute("VACUUM (ANALYZE) score", timeout=600)
    return Disk(size, upserts, fresh, await _bytes(connection))


def _random_post(source: random.Random, ids: list[str]) -> ScoreWrite:
    name = source.choice(list(SHARES))
    is_boolean = name in BOOLEANS
    score = Score(source.randint(0, 1 if is_boolean else 100), is_boolean)
    return ScoreWrite(ORGANIZATION_ID, source.choice(ids), {name: score}, datetime.now(UTC), ORIGIN)


async def _bytes(connection: Connection) -> dict[str, float]:
    return {row["name"]: row["bytes"] for row in await connection.fetch(_SIZES)}
