"""A database to search: requests over 30 days, in order of arrival, five scores each, straight into the
tables and through their indexes; one request in a hundred has no score."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from heliscore.settings import Settings
from heliscore.store.connections.pool import Connection, open_database
from heliscore.store.score_counts import NOTHING, count_touched
from heliscore.store.scores import ScoreNames

from .databases import ORGANIZATION_ID
from .plan import progress

START: Final = datetime(2026, 10, 1, tzinfo=UTC)
PERIOD: Final = timedelta(days=30)
MODELS: Final = ("gpt-4o", "gpt-4o-mini", "claude-sonnet-4", "gemini-2.5-pro")
ENVIRONMENTS: Final = ("production", "staging")

SHARES: Final = {"rare": 0.001, "medium": 0.10, "broad": 0.60, "flagged": 0.10, "helpful": 0.60}
"""Of each score, the share of requests that reach 90 of 100, or of booleans, that are true."""

BOOLEANS: Final = ("flagged", "helpful")

_CHUNK: Final = 100_000

_REQUESTS: Final = """
INSERT INTO request (
    request_no, organization_id, request_id, created_at, updated_at, latency_ms, prompt_tokens,
    completion_tokens, total_tokens, cost_usd, status, user_id, provider, request_model, properties
)
SELECT
    n, $1::integer, md5(n::text)::uuid::text, at, at, 200 + random() * 3000, tokens, tokens / 3,
    tokens + tokens / 3, tokens * 0.000002, 200, 'user-' || (random() * 1000)::integer, 'OPENAI',
    ($5::text[])[1 + floor(random() * array_length($5::text[], 1))],
    jsonb_build_object('environment', ($6::text[])[1 + floor(random() * array_length($6::text[], 1))])
FROM (
    SELECT n, $4::timestamptz + n * $7::interval AS at, (100 + random() * 2000)::bigint AS tokens
    FROM generate_series($2::bigint, $3::bigint) AS n
) AS arriving
"""

_SCORES: Final = """
INSERT INTO score (value, request_no, request_created_at, scored_at, organization_id, name_id, is_boolean)
SELECT
    CASE
        WHEN k.is_boolean THEN (random() < k.share)::integer
        WHEN random() < k.share THEN 90 + floor(random() * 11)
        ELSE floor(random() * 90)
    END,
    r.request_no, r.created_at, r.created_at, r.organization_id, k.name_id, nullif(k.is_boolean, false)
FROM request AS r
CROSS JOIN unnest($4::integer[], $5::float8[], $6::boolean[]) AS k (name_id, share, is_boolean)
WHERE r.organization_id = $1 AND r.request_no BETWEEN $2 AND $3 AND r.request_no % 100 <> 0
ORDER BY r.request_no, k.name_id
"""


async def fill(connection: Connection, size: int, start: datetime = START) -> None:
    """Make `size` requests with their scores, and the statistics that go with them."""
    await connection.execute("SELECT setseed(0.5)")
    ids = await ScoreNames().ensure(connection, ORGANIZATION_ID, SHARES.keys())
    kinds = [ids[name] for name in SHARES], [*SHARES.values()], [name in BOOLEANS for name in SHARES]
    step = PERIOD / size
    for first in range(1, size + 1, _CHUNK):
        last = min(size, first + _CHUNK - 1)
        await connection.execute(
            _REQUESTS, ORGANIZATION_ID, first, last, start, MODELS, ENVIRONMENTS, step, timeout=600
        )
        await connection.execute(_SCORES, ORGANIZATION_ID, first, last, *kinds, timeout=600)
        progress(f"seeding: {last:,} of {size:,} requests")
    await connection.execute("SELECT setval('request_request_no_seq', $1)", size + 1)
    for table in ("request", "score"):
        await connection.execute(f"VACUUM (ANALYZE) {table}", timeout=600)
    await connection.execute("CHECKPOINT")


async def count(dsn: str) -> None:
    """Count what was seeded, as a service does within some minutes."""
    database = await open_database(Settings(database_url=dsn, statement_timeout_ms=600_000), size=1)
    try:
        while (counted := await count_touched(database, settling=timedelta(0))) != NOTHING:
            progress(f"counted {counted.hours:,} hours and {counted.days:,} days of scores")
    finally:
        await database.close()
