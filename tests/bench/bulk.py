"""Uploads of many score maps, beside the same rows by COPY and a merge in PostgreSQL alone."""

from __future__ import annotations

import random
import time
from io import BytesIO
from statistics import median
from typing import Final

import msgspec
from heliscore.store.connections.pool import Connection

from .client import Client
from .databases import KEY, ORGANIZATION_ID, checkpoint, connected, create
from .plan import BenchError, Plan, progress
from .processes import Server, service

_NAMES: Final = ("accuracy", "relevance", "helpfulness", "has_citations", "is_factual")
_BATCH_POSTS: Final = 5_000
"""COPY and merge, a transaction each; larger ones were no faster."""

_CREATE_STAGE: Final = """
CREATE TEMPORARY TABLE stage (
    request_id text COLLATE "C", name text COLLATE "C", value bigint, is_boolean boolean
)
"""

_MERGE: Final = """
WITH named AS (
    INSERT INTO score_name (organization_id, name) SELECT DISTINCT $1::integer, name FROM stage
    ON CONFLICT ON CONSTRAINT score_name_name_key DO NOTHING
    RETURNING name, id
),
names AS (
    SELECT name, id FROM named UNION ALL SELECT name, id FROM score_name WHERE organization_id = $1
),
posted AS (
    INSERT INTO request AS r (organization_id, request_id, created_at, updated_at)
    SELECT DISTINCT $1::integer, request_id, now(), now() FROM stage
    ON CONFLICT ON CONSTRAINT request_pkey
    DO UPDATE SET updated_at = greatest(r.updated_at, excluded.updated_at)
    RETURNING r.request_id, r.request_no, r.created_at
)
INSERT INTO score AS s (
    value, request_no, request_created_at, scored_at, organization_id, name_id, is_boolean
)
SELECT stage.value, posted.request_no, posted.created_at, now(), $1::integer, names.id, stage.is_boolean
FROM stage JOIN posted USING (request_id) JOIN names USING (name)
ORDER BY posted.request_no, names.id
ON CONFLICT ON CONSTRAINT score_pkey
DO UPDATE SET value = excluded.value, is_boolean = excluded.is_boolean, scored_at = excluded.scored_at
WHERE (s.value, s.is_boolean) IS DISTINCT FROM (excluded.value, excluded.is_boolean)
"""


class Bulk(msgspec.Struct, frozen=True):
    """Scores a second, the medians of the rounds."""

    ours_per_s: float
    alone_per_s: float
    posts: int
    peak_mib: float


def measure(server: str, plan: Plan) -> Bulk:
    """Upload and copy in turns, each time new requests with five scores."""
    ours, alone = create(server, "bench_bulk"), create(server, "bench_copy")
    scores = plan.bulk_posts * len(_NAMES)
    uploads: list[float] = []
    copies: list[float] = []
    with service(ours) as running:
        for number in range(plan.bulk_rounds):
            progress(f"bulk, round {number + 1} of {plan.bulk_rounds}")
            maps = _score_maps(plan.bulk_posts)
            checkpoint(server)
            uploads.append(scores / _upload(running, maps))
            checkpoint(server)
            copies.append(scores / _copy(alone, maps))
        # The first round makes the files grow and the plans; it counts only where there is no other.
        return Bulk(
            median(uploads[1:] or uploads), median(copies[1:] or copies), plan.bulk_posts, running.peak_mib()
        )


_ScoreMap = tuple[str, dict[str, int | bool]]


def _score_maps(count: int) -> list[_ScoreMap]:
    prefix = f"{random.getrandbits(32):08x}"
    return [
        (
            f"{prefix}-{number}",
            {
                "accuracy": random.randint(0, 100),
                "relevance": random.randint(0, 100),
                "helpfulness": random.randint(0, 100),
                "has_citations": random.random() < 0.5,
                "is_factual": random.random() < 0.9,
            },
        )
        for number in range(count)
    ]


def _upload(running: Server, maps: list[_ScoreMap]) -> float:
    """Seconds from the first byte to the answer."""
    encode = msgspec.json.Encoder().encode
    body = b"\n".join(encode({"requestId": id_, "scores": scores}) for id_, scores in maps)
    with Client(running.port, KEY) as client:
        answer = client.post("/v1/scores/batch?mode=partial", body, "application/x-ndjson")
    if answer.status != 200 or msgspec.json.decode(answer.body)["data"]["accepted"] != len(maps):
        raise BenchError(f"the upload was answered {answer.status}: {answer.body[:200]!r}")
    return answer.ms / 1000


def _copy(dsn: str, maps: list[_ScoreMap]) -> float:
    """Seconds of all COPYs and merges; the bytes to copy are made before."""
    batches = [_copied(maps[first : first + _BATCH_POSTS]) for first in range(0, len(maps), _BATCH_POSTS)]

    async def work(connection: Connection) -> float:
        await connection.execute(_CREATE_STAGE)
        started = time.perf_counter()
        for batch in batches:
            async with connection.transaction():
                await connection.copy_to_table("stage", source=BytesIO(batch))
                await connection.execute(_MERGE, ORGANIZATION_ID)
                await connection.execute("TRUNCATE stage")
        return time.perf_counter() - started

    return connected(dsn, work)


def _copied(maps: list[_ScoreMap]) -> bytes:
    lines = [
        "\t".join((id_, name, str(int(value)), "t" if isinstance(value, bool) else "\\N")) + "\n"
        for id_, scores in maps
        for name, value in scores.items()
    ]
    return "".join(lines).encode()
