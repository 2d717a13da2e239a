"""`python -m tests.bench.decisions`: time comparisons, agreement, gates, coverage and samples over HTTP.

Each request has five scores, is of one of two variants and one of 20,000 users, and answers an item of a data
set that a request of the other variant answers too.
"""

from __future__ import annotations

import time
from typing import Any, Final

import click
import httpx
from heliscore.store.connections.pool import Connection
from heliscore.store.scores import ScoreNames

from tests.servers import temporary_server

from .databases import KEY, ORGANIZATION_ID, checkpoint, connected, create
from .plan import progress
from .processes import service

_CHUNK: Final = 100_000
_TIMES: Final = 3
_SCORES: Final = ("relevance", "relevance-human", "ok", "stars", "milliseconds")

_MAKE_REQUESTS: Final = """
INSERT INTO request (
    request_no, organization_id, request_id, created_at, updated_at, latency_ms, user_id, provider,
    request_model, properties
)
SELECT
    n, $1, md5(n::text)::uuid::text, at, at, 200 + random() * 3000,
    'user-' || (random() * 20000)::integer, 'OPENAI',
    (ARRAY['gpt-4o', 'gpt-4o-mini', 'claude-sonnet-4', 'gemini-2.5-pro'])[1 + floor(random() * 4)],
    jsonb_build_object('variant', CASE n % 2 WHEN 0 THEN 'A' ELSE 'B' END, 'item', 'item-' || n / 2)
FROM (
    SELECT n, timestamptz '2026-10-01Z' + n * interval '2.5 s' AS at
    FROM generate_series($2::bigint, $3::bigint) AS n
) AS arriving
"""

_MAKE_SCORES: Final = """
INSERT INTO score (value, request_no, request_created_at, scored_at, organization_id, name_id, is_boolean)
SELECT
    CASE k.place
        WHEN 1 THEN q.quality
        WHEN 2 THEN greatest(0, least(100, q.quality + (random() * 20 - 10)::integer))
        WHEN 3 THEN (q.quality > 60)::integer
        WHEN 4 THEN 1 + q.quality / 20
        ELSE (random() * 5000)::integer
    END,
    q.request_no, q.created_at, q.created_at, $1, k.name_id, nullif(k.place = 3, false)
FROM (
    SELECT
        r.request_no, r.created_at,
        least(100, 60 + floor(random() * 41) + r.request_no % 2)::integer AS quality
    FROM request AS r
    WHERE r.organization_id = $1 AND r.request_no BETWEEN $2 AND $3
    OFFSET 0
) AS q
CROSS JOIN unnest($4::integer[]) WITH ORDINALITY AS k (name_id, place)
ORDER BY q.request_no, k.place
"""

_ARMS: Final = {"by": {"property": "variant"}, "base": "A", "others": ["B"]}
_MODELS: Final = {"by": "model", "base": "gpt-4o", "others": ["gpt-4o-mini"]}
_ONE: Final = {"scores": ["relevance"], "arms": _ARMS}
_RATERS: Final = ["relevance-human", "relevance"]
_GATE: Final = {
    "candidate": {"property": "variant", "equals": "B"},
    "base": {"property": "variant", "equals": "A"},
    "checks": [{"score": "relevance", "notWorseBy": 1}, {"score": "ok", "atLeast": 0.9, "sure": True}],
}

_GROUP_BYS: Final = ["model", "provider", "prompt_version"]
_SECOND_HALF: Final = {"start": "2026-10-15T12:00:00Z", "end": "2026-10-30T00:00:00Z"}
_LAST_WEEK: Final = {"start": "2026-10-22T00:00:00Z", "end": "2026-10-29T00:00:00Z"}

CALLS: Final[tuple[tuple[str, str, dict[str, Any]], ...]] = (
    ("ab of two variants, one score", "ab", _ONE),
    ("ab of two models, one score", "ab", {"scores": ["relevance"], "arms": _MODELS}),
    ("ab of two variants, five scores", "ab", {**_ONE, "scores": list(_SCORES)}),
    ("ab by user", "ab", {**_ONE, "unit": "user_id"}),
    ("ab with a covariate", "ab", {**_ONE, "covariate": {"score": "relevance-human"}}),
    ("ab of pairs", "ab", {**_ONE, "pairBy": {"property": "item"}}),
    ("agreement of two names", "agreement", {"raters": _RATERS}),
    ("agreement of three names", "agreement", {"raters": [*_RATERS, "stars"]}),
    ("gate of two checks", "gate", _GATE),
    ("coverage of five scores by day", "coverage", {"scores": list(_SCORES), "increment": "day"}),
    ("changes, no groups", "changes", {"timeFilter": _SECOND_HALF}),
    ("changes by model, provider, version", "changes", {"timeFilter": _SECOND_HALF, "groupBys": _GROUP_BYS}),
    ("the same of two weeks", "changes", {"timeFilter": _LAST_WEEK, "groupBys": _GROUP_BYS}),
    ("sample at random", "sample", {"by": "random", "seed": 1}),
    ("sample of disagreement", "sample", {"by": "disagreement", "scores": _RATERS, "seed": 1}),
)
"""What, the endpoint under /v1/evals, and the body without its filter."""


async def _fill(connection: Connection, requests: int) -> None:
    ids = await ScoreNames().ensure(connection, ORGANIZATION_ID, _SCORES)
    for first in range(1, requests + 1, _CHUNK):
        last = min(requests, first + _CHUNK - 1)
        await connection.execute(_MAKE_REQUESTS, ORGANIZATION_ID, first, last, timeout=600)
        names = [ids[name] for name in _SCORES]
        await connection.execute(_MAKE_SCORES, ORGANIZATION_ID, first, last, names, timeout=600)
        progress(f"seeding: {last:,} of {requests:,} requests")
    await connection.execute("SELECT setval('request_request_no_seq', $1)", requests + 1)
    for table in ("request", "score"):
        await connection.execute(f"VACUUM (ANALYZE) {table}", timeout=600)


def _time(client: httpx.Client, path: str, body: dict[str, Any]) -> float:
    """The seconds of the quickest of some calls."""
    taken = []
    for _ in range(_TIMES):
        started = time.perf_counter()
        answer = client.post(f"/v1/evals/{path}", json={"filter": "all", **body})
        taken.append(time.perf_counter() - started)
        answer.raise_for_status()
    return min(taken)


@click.command(help=__doc__)
@click.option("--requests", default=1_000_000, show_default=True)
def main(requests: int) -> None:
    with temporary_server() as server:
        dsn = create(server, "decisions")
        connected(dsn, lambda connection: _fill(connection, requests))
        checkpoint(server)
        with service(dsn) as running:
            headers = {"Authorization": f"Bearer {KEY}"}
            with httpx.Client(base_url=running.url, headers=headers, timeout=60) as client:
                click.echo("| call | s |\n| --- | --- |")
                for what, path, body in CALLS:
                    click.echo(f"| {what} | {_time(client, path, body):.2f} |")


if __name__ == "__main__":
    main()
