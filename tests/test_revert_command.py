"""`heliscore revert` as a process."""

from __future__ import annotations

from datetime import UTC, datetime

from heliscore.domain.author import Author, Origin
from heliscore.domain.score import Score
from heliscore.store.connections.pool import Connection
from heliscore.store.scores import ScoreIds, ScoreWrite, find_scores, record

from tests.origins import JUDGE, ORIGIN
from tests.test_cli import assert_fails, run_with

HUMAN = Origin(Author("human", "ann"), "page")


async def test_revert_counts_and_asks_and_takes_back(
    connection: Connection, organization_id: int, ids: ScoreIds, dsn: str
) -> None:
    at = datetime.now(UTC)
    for origin, given in ((HUMAN, {"a": 1}), (ORIGIN, {"a": 2, "b": 3}), (ORIGIN, {"a": 4})):
        scores = {name: Score(value, False) for name, value in given.items()}
        await record(connection, ids, [ScoreWrite(organization_id, "r", scores, at, origin)])

    arguments = ("revert", "--author", str(JUDGE), "--since", "2020-01-01")
    found = "Take back 3 changes in 1 requests, by which 2 scores change? [y/N]: "
    asked = run_with(*arguments, DATABASE_URL=dsn)
    assert (asked.returncode, asked.stdout.rstrip("\n")) == (130, found)
    assert await find_scores(connection, organization_id, "r") == {"a": Score(4, False), "b": Score(3, False)}

    done = run_with(*arguments, "--names", "a, c", "--yes", DATABASE_URL=dsn)
    expected = "took back 2 changes in 1 requests, by which 1 scores change\n"
    assert (done.returncode, done.stdout) == (0, expected)
    assert await find_scores(connection, organization_id, "r") == {"a": Score(1, False), "b": Score(3, False)}

    without_version = ("revert", "--author", "judge:relevance-judge", "--yes")
    nothing = run_with(*without_version, DATABASE_URL=dsn)
    assert nothing.stdout == "there is nothing of judge:relevance-judge to take back\n"
    every = run_with(
        "revert", "--author", "judge:relevance-judge", "--all-versions", "--yes", DATABASE_URL=dsn
    )
    assert every.stdout == "took back 1 changes in 1 requests, by which 1 scores change\n"
    assert await find_scores(connection, organization_id, "r") == {"a": Score(1, False)}

    assert_fails(
        run_with("revert", "--author", str(JUDGE), "--organization", "none", DATABASE_URL=dsn),
        "there is no organization none",
    )
