"""`heliscore delete` and `heliscore audit` as processes."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

from heliscore.domain.score import Score
from heliscore.store.connections.pool import Connection
from heliscore.store.scores import ScoreIds, ScoreWrite, find_scores, record

from tests.origins import ORIGIN
from tests.test_cli import assert_fails, run_with

FILTER = json.dumps({"request_response_rmt": {"scores": {"a": {"gte": 2}}}})


async def test_delete_counts_and_asks_and_deletes_and_audit_lists_it(
    connection: Connection, organization_id: int, ids: ScoreIds, dsn: str
) -> None:
    at = datetime.now(UTC)
    for number in range(4):
        given = {"a": Score(number, False), "b": Score(1, True)}
        await record(connection, ids, [ScoreWrite(organization_id, f"r{number}", given, at, ORIGIN)])

    arguments = ("delete", "--filter", FILTER)
    found = "found 2 requests, with all that belongs to them\n"
    counted = run_with(*arguments, "--dry-run", DATABASE_URL=dsn)
    assert (counted.returncode, counted.stdout) == (0, found)
    asked = run_with(*arguments, DATABASE_URL=dsn)
    question = "Delete them? It cannot be taken back [y/N]:"
    assert (asked.returncode, asked.stdout.strip()) == (130, found + question)
    assert await connection.fetchval("SELECT count(*) FROM request") == 4

    done = run_with(*arguments, "--yes", DATABASE_URL=dsn)
    deleted = "deleted 4 scores, 0 past values and 0 comments of 2 requests\n"
    assert (done.returncode, done.stdout) == (0, found + deleted)
    assert await connection.fetchval("SELECT count(*) FROM request") == 2

    done = run_with("delete", "--score", "b", "--yes", DATABASE_URL=dsn)
    found = "found 2 scores b, with their history and comments\n"
    assert done.stdout == f"{found}deleted 2 scores, 0 past values and 0 comments of 2 requests\n"
    assert await find_scores(connection, organization_id, "r1") == {"a": Score(1, False)}

    listed = run_with("audit", DATABASE_URL=dsn).stdout.splitlines()
    assert [line.split("\t")[1:] for line in listed] == [
        [
            *("default", "command", "score.deleted"),
            "score: b, scores: 2, changes: 0, comments: 0, requests: 2",
        ],
        [
            *("default", "command", "requests.deleted"),
            "filter: scores.a, scores: 4, changes: 0, comments: 0, requests: 2",
        ],
    ]
    lines = run_with(
        "audit", "--organization", "default", "--since", "2020-01-01", "--json", DATABASE_URL=dsn
    )
    newest = json.loads(lines.stdout.splitlines()[0])
    assert {key: newest[key] for key in ("organization", "actor", "key_id", "action", "subject")} == {
        "organization": "default",
        "actor": "command",
        "key_id": None,
        "action": "score.deleted",
        "subject": {"score": "b"},
    }

    assert_fails(run_with("delete", "--yes", DATABASE_URL=dsn), "Give either '--filter' or '--score'.")
    assert_fails(run_with("delete", "--score", "none", DATABASE_URL=dsn), "there is no score none")
    assert_fails(
        run_with("delete", "--filter", '{"no": 1}', DATABASE_URL=dsn),
        re.compile(r"Invalid value for '--filter': filter\.no: unknown table; .*"),
    )
