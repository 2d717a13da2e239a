"""Writing scores: what a post changes, and that no writer undoes or blocks another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import asyncpg
import msgspec
import pytest
from heliscore.domain.author import Author, Origin
from heliscore.domain.score import Score
from heliscore.store import organizations
from heliscore.store.connections.pool import Connection
from heliscore.store.remembered_ids import RememberedIds
from heliscore.store.scores import ScoreIds, ScoreWrite, record

from tests.origins import ORIGIN

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)


class Stored(msgspec.Struct, frozen=True):
    """A score as it lies in the table."""

    value: int
    is_boolean: bool | None
    scored_at: datetime
    request_created_at: datetime


async def stored(connection: Connection, organization_id: int, request_id: str = "r") -> dict[str, Stored]:
    rows = await connection.fetch(
        """
        SELECT n.name, s.value, s.is_boolean, s.scored_at, s.request_created_at
        FROM request AS r
        JOIN score AS s ON s.organization_id = r.organization_id AND s.request_no = r.request_no
        JOIN score_name AS n ON n.id = s.name_id AND n.organization_id = r.organization_id
        WHERE r.organization_id = $1 AND r.request_id = $2
        """,
        organization_id,
        request_id,
    )
    return {name: Stored(*rest) for name, *rest in rows}


async def values(connection: Connection, organization_id: int, request_id: str = "r") -> dict[str, int]:
    scores = await stored(connection, organization_id, request_id)
    return {name: score.value for name, score in scores.items()}


async def times(connection: Connection, request_id: str = "r") -> tuple[datetime, datetime]:
    """When the request came into being and when it was last changed."""
    created_at, updated_at = await connection.fetchrow(  # type: ignore[misc]
        "SELECT created_at, updated_at FROM request WHERE request_id = $1", request_id
    )
    return created_at, updated_at


def post(
    organization_id: int, scores: dict[str, int | bool], at: datetime = NOON, request_id: str = "r"
) -> ScoreWrite:
    read = {name: Score(int(value), isinstance(value, bool)) for name, value in scores.items()}
    return ScoreWrite(organization_id, request_id, read, at, ORIGIN)


@pytest.fixture
async def connections(dsn: str) -> AsyncIterator[list[Connection]]:
    """Twenty connections, as of so many workers."""
    async with AsyncExitStack() as stack:
        opened: list[Connection] = []
        for _ in range(20):
            connection = await asyncpg.connect(dsn)
            stack.push_async_callback(connection.close)
            opened.append(connection)
        yield opened


# One post


async def test_post_makes_the_request(connection: Connection, organization_id: int, ids: ScoreIds) -> None:
    written = await record(connection, ids, [post(organization_id, {"accuracy": 95, "cited": True})])
    assert written == {(organization_id, "r")}
    assert await times(connection) == (NOON, NOON)
    assert await stored(connection, organization_id) == {
        "accuracy": Stored(95, None, NOON, NOON),
        "cited": Stored(1, True, NOON, NOON),
    }


async def test_second_post_keeps_other_names(
    connection: Connection, organization_id: int, ids: ScoreIds
) -> None:
    await record(connection, ids, [post(organization_id, {"a": 1, "b": 2})])
    await record(connection, ids, [post(organization_id, {"b": 3, "c": 4})])
    assert await values(connection, organization_id) == {"a": 1, "b": 3, "c": 4}


async def test_new_value_replaces_the_old_one(
    connection: Connection, organization_id: int, ids: ScoreIds
) -> None:
    await record(connection, ids, [post(organization_id, {"a": 1})])
    await record(connection, ids, [post(organization_id, {"a": -(2**63)}, LATER)])
    assert await stored(connection, organization_id) == {"a": Stored(-(2**63), None, LATER, NOON)}
    assert await times(connection) == (NOON, LATER)


@pytest.mark.parametrize(
    ("first", "second", "is_boolean"), [(1, True, True), (True, 1, None), (False, 7, None), (7, False, True)]
)
async def test_newest_type_stands(
    connection: Connection,
    organization_id: int,
    ids: ScoreIds,
    first: int | bool,
    second: int | bool,
    is_boolean: bool | None,
) -> None:
    await record(connection, ids, [post(organization_id, {"a": first})])
    await record(connection, ids, [post(organization_id, {"a": second}, LATER)])
    assert await stored(connection, organization_id) == {"a": Stored(int(second), is_boolean, LATER, NOON)}


@pytest.mark.parametrize("value", [95, 0, True, False])
async def test_equal_score_posted_again_changes_nothing(
    connection: Connection, organization_id: int, ids: ScoreIds, value: int | bool
) -> None:
    await record(connection, ids, [post(organization_id, {"a": value})])
    before = await stored(connection, organization_id)
    assert await record(connection, ids, [post(organization_id, {"a": value}, LATER)]) == {
        (organization_id, "r")
    }
    assert await stored(connection, organization_id) == before


async def test_batch_scores_requests_it_makes_beside_those_that_were_there(
    connection: Connection, organization_id: int, ids: ScoreIds
) -> None:
    await record(connection, ids, [post(organization_id, {"a": 1, "b": 1}, request_id="old")])
    await connection.execute(
        """
        INSERT INTO request (organization_id, request_id, created_at, updated_at) VALUES ($1, 'bare', $2, $2)
        """,
        organization_id,
        NOON,
    )
    batch = [
        post(organization_id, {"a": 2, "c": True}, LATER, request_id)
        for request_id in ("new", "old", "bare", "newer")
    ]
    await record(connection, ids, batch)
    fresh = {"a": 2, "c": 1}
    assert {
        id_: await values(connection, organization_id, id_) for id_ in ("new", "old", "bare", "newer")
    } == {
        "new": fresh,
        "old": {"a": 2, "b": 1, "c": 1},
        "bare": fresh,
        "newer": fresh,
    }


async def test_score_copies_the_time_of_an_older_request(
    connection: Connection, organization_id: int, ids: ScoreIds
) -> None:
    logged_at = NOON - timedelta(days=30, milliseconds=1)
    await connection.execute(
        "INSERT INTO request (organization_id, request_id, created_at, updated_at) VALUES ($1, 'r', $2, $2)",
        organization_id,
        logged_at,
    )
    await record(connection, ids, [post(organization_id, {"a": 1})])
    assert await stored(connection, organization_id) == {"a": Stored(1, None, NOON, logged_at)}
    assert await times(connection) == (logged_at, NOON)


async def test_late_post_does_not_turn_the_requests_time_back(
    connection: Connection, organization_id: int, ids: ScoreIds
) -> None:
    await record(connection, ids, [post(organization_id, {"a": 1}, LATER)])
    await record(connection, ids, [post(organization_id, {"b": 2}, NOON)])
    assert await times(connection) == (LATER, LATER)


@pytest.mark.parametrize("name", ["größe 🙂", "it's \"%_\\", " ", "a" * 255])
async def test_name_is_stored_verbatim(
    connection: Connection, organization_id: int, ids: ScoreIds, name: str
) -> None:
    await record(connection, ids, [post(organization_id, {name: 1}, request_id=name)])
    assert await values(connection, organization_id, name) == {name: 1}


# Unknown requests


async def test_unknown_request_is_left_out_where_it_is_refused(
    connection: Connection, organization_id: int, ids: ScoreIds
) -> None:
    await record(connection, ids, [post(organization_id, {"a": 1}, request_id="known")])
    batch = [post(organization_id, {"a": 2}, request_id=id_) for id_ in ("known", "unknown")]
    assert await record(connection, ids, batch, accept_unknown=False) == {(organization_id, "known")}
    assert await values(connection, organization_id, "known") == {"a": 2}
    assert await connection.fetchval("SELECT count(*) FROM request") == 1


async def test_request_of_another_organization_is_unknown(
    connection: Connection, organization_id: int, ids: ScoreIds
) -> None:
    other = await organizations.ensure(connection, "other")
    await record(connection, ids, [post(other, {"a": 1})])
    assert await record(connection, ids, [post(organization_id, {"a": 2})], accept_unknown=False) == set()
    assert (await values(connection, organization_id), await values(connection, other)) == ({}, {"a": 1})


# Batches


async def test_batch_writes_every_organizations_own_request(
    connection: Connection, organization_id: int, ids: ScoreIds
) -> None:
    other = await organizations.ensure(connection, "other")
    batch = [
        post(other, {"a": 1, "b": 2}),
        post(organization_id, {"a": 3}),
        post(organization_id, {"b": True}, LATER, "s"),
    ]
    assert await record(connection, ids, batch) == {
        (other, "r"),
        (organization_id, "r"),
        (organization_id, "s"),
    }
    assert await values(connection, other) == {"a": 1, "b": 2}
    assert await values(connection, organization_id) == {"a": 3}
    assert await stored(connection, organization_id, "s") == {"b": Stored(1, True, LATER, LATER)}


async def test_failing_batch_writes_nothing(
    connection: Connection, organization_id: int, ids: ScoreIds
) -> None:
    bad = ScoreWrite(organization_id, "bad\0", {"a": Score(1, False)}, NOON, ORIGIN)
    with pytest.raises(asyncpg.PostgresError):
        await record(connection, ids, [post(organization_id, {"a": 1}), bad])
    assert await values(connection, organization_id) == {}


# Names


async def test_name_is_numbered_once_for_all_processes(
    connections: list[Connection], organization_id: int
) -> None:
    first, second, *_ = connections
    await record(first, ScoreIds(), [post(organization_id, {"a": 1})])
    await record(second, ScoreIds(), [post(organization_id, {"a": 2}, request_id="s")])
    assert await first.fetchval("SELECT count(*) FROM score_name") == 1


async def test_names_of_two_organizations_are_apart(
    connection: Connection, organization_id: int, ids: ScoreIds
) -> None:
    other = await organizations.ensure(connection, "other")
    ours = await ids.names.ensure(connection, organization_id, ["a"])
    theirs = await ids.names.ensure(connection, other, ["a"])
    assert ours.keys() == theirs.keys()
    assert ours != theirs


async def test_finding_names_makes_none(connection: Connection, organization_id: int, ids: ScoreIds) -> None:
    known = await ids.names.ensure(connection, organization_id, ["a"])
    assert await ids.names.find(connection, organization_id, ["a", "b"]) == known
    assert await connection.fetchval("SELECT count(*) FROM score_name") == 1


async def test_name_made_by_another_process_is_found(
    connections: list[Connection], organization_id: int
) -> None:
    ours, theirs = ScoreIds(), ScoreIds()
    assert await ours.names.find(connections[0], organization_id, ["a"]) == {}
    made = await theirs.names.ensure(connections[1], organization_id, ["a"])
    assert await ours.names.find(connections[0], organization_id, ["a"]) == made


async def test_batch_is_written_while_the_cache_of_ids_is_emptied(
    connection: Connection, organization_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RememberedIds, "_CAPACITY", 2)
    ids = ScoreIds()
    await record(connection, ids, [post(organization_id, {"a": 1, "b": 1})])
    authors = [Origin(Author("judge", str(number)), "score") for number in range(3)]
    batch = [
        msgspec.structs.replace(post(organization_id, {name: 2}, request_id=id_), origin=author)
        for name, id_, author in zip("acd", ("r", "s", "r"), authors, strict=True)
    ]
    await record(connection, ids, batch)
    assert await values(connection, organization_id, "r") == {"a": 2, "b": 1, "d": 2}
    assert await values(connection, organization_id, "s") == {"c": 2}


# Many writers at once


async def test_many_writers_of_one_request_lose_no_name(
    connections: list[Connection], organization_id: int
) -> None:
    """Twenty writers, each with names of its own and one that all write."""

    async def write(writer: int, connection: Connection) -> None:
        ids = ScoreIds()
        for number in range(20):
            scores: dict[str, int | bool] = {f"{writer}-{number}": number, "shared": writer}
            await record(connection, ids, [post(organization_id, scores)])

    await asyncio.gather(*(write(writer, connection) for writer, connection in enumerate(connections)))
    found = await values(connections[0], organization_id)
    assert found.pop("shared") in range(20)
    assert found == {f"{writer}-{number}": number for writer in range(20) for number in range(20)}


async def test_first_posts_of_one_request_at_once_make_one_request(
    connections: list[Connection], organization_id: int
) -> None:
    posts = [post(organization_id, {str(n): n}, NOON + timedelta(seconds=n)) for n in range(20)]
    await asyncio.gather(
        *(record(one, ScoreIds(), [sent]) for one, sent in zip(connections, posts, strict=True))
    )
    created_at, updated_at = await times(connections[0])
    scores = await stored(connections[0], organization_id)
    assert {name: score.value for name, score in scores.items()} == {str(n): n for n in range(20)}
    assert {score.request_created_at for score in scores.values()} == {created_at}
    assert updated_at == NOON + timedelta(seconds=19)


async def test_overlapping_batches_in_opposite_order_do_not_deadlock(
    connections: list[Connection], organization_id: int
) -> None:
    """New requests and new names too, which are locked like old ones."""

    async def write(writer: int, connection: Connection) -> None:
        for round_ in range(10):
            step = 1 if writer % 2 else -1
            batch = [
                post(
                    organization_id,
                    dict.fromkeys(["a", "b", f"{round_}"][::step], writer),
                    NOON,
                    f"{round_}-{n}",
                )
                for n in range(20)[::step]
            ]
            written = await record(connection, ScoreIds(), batch)
            assert len(written) == 20

    await asyncio.gather(*(write(writer, connection) for writer, connection in enumerate(connections)))
    assert await connections[0].fetchval("SELECT count(*) FROM score") == 10 * 20 * 3


async def test_batches_over_the_same_requests_are_written_one_after_the_other(
    connections: list[Connection], organization_id: int
) -> None:
    """What stands in the end is one writer's, in every request and under every name."""

    async def write(writer: int, connection: Connection) -> None:
        scores: dict[str, int | bool] = dict.fromkeys("abcde", writer)
        await record(connection, ScoreIds(), [post(organization_id, scores, request_id=id_) for id_ in "rst"])

    await asyncio.gather(*(write(writer, connection) for writer, connection in enumerate(connections)))
    found = [await values(connections[0], organization_id, id_) for id_ in "rst"]
    assert found == [dict.fromkeys("abcde", found[0]["a"])] * 3
