"""The requests that every system holds: those of tests/bench/seed.py, read back from our tables."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Final

import msgspec
from heliscore.store.connections.pool import Connection

from ..client import ApiCall, Client
from ..databases import KEY
from ..plan import BenchError

NAME: Final = "medium"
BOUND: Final = 90
"""What is searched for: one request in ten reaches it."""

LIMIT: Final = 100

POSTED: Final[dict[str, int | bool]] = {
    "accuracy": 95,
    "relevance": 87,
    "helpfulness": 92,
    "has_citations": True,
    "is_factual": False,
}
"""What post.lua posts; the requests held have other scores, so that these are new to most."""

_CONNECTIONS: Final = 8

_READ: Final = """
SELECT
    r.request_id AS id, r.created_at AS at,
    coalesce(jsonb_object_agg(n.name, s.value) FILTER (WHERE n.name IS NOT NULL), '{}')::text AS scores
FROM request AS r
LEFT JOIN score AS s USING (organization_id, request_no)
LEFT JOIN score_name AS n ON n.id = s.name_id
WHERE r.request_no <= $1
GROUP BY r.organization_id, r.request_id
ORDER BY at
"""


class Request(msgspec.Struct, frozen=True):
    """One request with the five scores it has, or none."""

    id: str
    """A UUID."""

    at: datetime
    scores: dict[str, int]

    @property
    def trace(self) -> str:
        """The id of a trace in OpenTelemetry's form."""
        return self.id.replace("-", "")

    @property
    def span(self) -> str:
        """The id of a span in OpenTelemetry's form."""
        return self.trace[:16]


async def read(connection: Connection, size: int) -> list[Request]:
    """Read the requests that seed.fill() made, the oldest first."""
    rows = await connection.fetch(_READ, size, timeout=60)
    return [Request(row["id"], row["at"], msgspec.json.decode(row["scores"])) for row in rows]


def send(port: int, calls: list[ApiCall], status: int = 200) -> None:
    """Make all calls over a few connections; each must be answered with this status."""

    def work(share: list[ApiCall]) -> None:
        with Client(port, KEY) as client:
            for call in share:
                answer = client.post(call.path, call.body)
                if answer.status != status:
                    raise BenchError(f"{call.path} was answered {answer.status}: {answer.body[:300]!r}")

    shares = [calls[first::_CONNECTIONS] for first in range(min(_CONNECTIONS, len(calls)))]
    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        list(pool.map(work, shares))
