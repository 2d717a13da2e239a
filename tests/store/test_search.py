"""Searches over a few requests that can be looked at; test_filter_property.py has the many."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest
from heliscore.domain.filter_tree import (
    NEWEST_FIRST,
    AllOf,
    Column,
    Compare,
    Everything,
    Exists,
    FeedbackTime,
    Filter,
    Not,
    OneOf,
    Property,
    Sort,
    Variable,
)
from heliscore.domain.filter_tree import Score as ScoreSubject
from heliscore.domain.filter_tree import Scored as ScoredCondition
from heliscore.domain.score import FEEDBACK, Score
from heliscore.store import organizations
from heliscore.store.connections.pool import Connection
from heliscore.store.scores import ScoreIds, ScoreNames, ScoreWrite, record
from heliscore.store.search.found_requests import Scored
from heliscore.store.search.page_order import Position
from heliscore.store.search.request_search import count, find, search

from tests.origins import ORIGIN

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


async def post(
    connection: Connection,
    organization_id: int,
    request_id: str,
    scores: dict[str, int | bool],
    seconds: int = 0,
) -> None:
    """Post scores so many seconds after noon."""
    read = {name: Score(int(value), isinstance(value, bool)) for name, value in scores.items()}
    await record(
        connection,
        ScoreIds(),
        [ScoreWrite(organization_id, request_id, read, NOON + timedelta(seconds=seconds), ORIGIN)],
    )


async def log(
    connection: Connection, organization_id: int, request_id: str, seconds: int = 0, **columns: object
) -> None:
    """Insert a request without a score."""
    time = NOON + timedelta(seconds=seconds)
    given = {
        "organization_id": organization_id,
        "request_id": request_id,
        "created_at": time,
        "updated_at": time,
    }
    given |= columns
    parameters = ", ".join(f"${n}" for n in range(1, len(given) + 1))
    await connection.execute(
        f"INSERT INTO request ({', '.join(given)}) VALUES ({parameters})", *given.values()
    )


async def found(
    connection: Connection,
    organization_id: int,
    tree: Filter,
    *,
    sort: Sort = NEWEST_FIRST,
    after: Position | None = None,
) -> list[str]:
    page = await search(connection, ScoreNames(), organization_id, tree, sort=sort, after=after, limit=100)
    return [request.request_id for request in page.requests]


async def found_by(
    connection: Connection, organization_id: int, trees: Iterable[Filter]
) -> dict[Filter, str]:
    """The ids, of one letter each, that each filter finds, newest first."""
    return {tree: "".join(await found(connection, organization_id, tree)) for tree in trees}


# Scores


@pytest.fixture
async def scored(connection: Connection, organization_id: int) -> int:
    """Five requests, e the newest, of which c has no score; returns their organization."""
    await post(connection, organization_id, "a", {"accuracy": 95, "cited": True}, 1)
    await post(connection, organization_id, "b", {"accuracy": 90, FEEDBACK: True}, 2)
    await log(connection, organization_id, "c", 3)
    await post(connection, organization_id, "d", {"accuracy": -3, FEEDBACK: False}, 4)
    await post(connection, organization_id, "e", {"cited": False}, 5)
    return organization_id


ACCURACY = ScoreSubject("accuracy")
NEVER_USED = ScoreSubject("never used")
GOOD = Compare(ACCURACY, ">=", 90)

BY_SCORE: dict[Filter, str] = {
    Everything(): "edcba",
    GOOD: "ba",
    AllOf((GOOD, Compare(ACCURACY, "<", 95))): "b",
    Not(GOOD): "edc",
    Compare(ACCURACY, "<>", 95): "db",
    OneOf(ACCURACY, (95, -3)): "da",
    AllOf((GOOD, Compare(ScoreSubject("cited"), "=", True))): "a",
    Exists(ACCURACY): "dba",
    Not(Exists(ACCURACY)): "ec",
    ScoredCondition(): "edba",
    Not(ScoredCondition()): "c",
    Compare(ScoreSubject("Accuracy"), ">=", 0): "",
    Compare(NEVER_USED, "<>", 1): "",
    Exists(NEVER_USED): "",
    Not(Exists(NEVER_USED)): "edcba",
    Not(Compare(NEVER_USED, "=", 1)): "edcba",
    AllOf((GOOD, Exists(NEVER_USED))): "",
}


async def test_score_conditions_find(connection: Connection, scored: int) -> None:
    assert await found_by(connection, scored, BY_SCORE) == BY_SCORE


async def test_score_conditions_count(connection: Connection, scored: int) -> None:
    counts = {tree: await count(connection, ScoreNames(), scored, tree) for tree in BY_SCORE}
    assert counts == {tree: len(ids) for tree, ids in BY_SCORE.items()}


RATING = ScoreSubject(FEEDBACK)

BY_FEEDBACK: dict[Filter, str] = {
    Compare(RATING, "=", True): "b",
    Compare(RATING, "=", False): "d",
    Not(Compare(RATING, "=", True)): "edca",
    Exists(RATING): "db",
    Not(Exists(RATING)): "eca",
    Exists(FeedbackTime()): "db",
    Compare(FeedbackTime(), ">", NOON + timedelta(seconds=2)): "d",
    AllOf((Compare(RATING, "=", True), Compare(FeedbackTime(), "=", NOON + timedelta(seconds=2)))): "b",
}


async def test_feedback_conditions_find(connection: Connection, scored: int) -> None:
    assert await found_by(connection, scored, BY_FEEDBACK) == BY_FEEDBACK


async def test_request_comes_with_its_scores_and_feedback(connection: Connection, scored: int) -> None:
    page = await search(connection, ScoreNames(), scored, Everything(), limit=5)
    assert {request.request_id: request.scored for request in page.requests} == {
        "a": Scored(b'{"cited": 1, "accuracy": 95}', None, None),
        "b": Scored(f'{{"accuracy": 90, "{FEEDBACK}": 1}}'.encode(), 1, NOON + timedelta(seconds=2)),
        "c": Scored(None, None, None),
        "d": Scored(f'{{"accuracy": -3, "{FEEDBACK}": 0}}'.encode(), 0, NOON + timedelta(seconds=4)),
        "e": Scored(b'{"cited": 0}', None, None),
    }


@pytest.mark.parametrize(
    ("sort", "ids"),
    [
        (Sort(ACCURACY), "abdec"),
        (Sort(ACCURACY, descending=False), "dbaec"),
        (Sort(NEVER_USED), "edcba"),
        (Sort(NEVER_USED, descending=False), "edcba"),
        (Sort(Column("created_at"), descending=False), "abcde"),
    ],
)
async def test_missing_scores_come_last(connection: Connection, scored: int, sort: Sort, ids: str) -> None:
    assert await found(connection, scored, Everything(), sort=sort) == list(ids)


async def test_sort_by_a_score_that_is_not_the_rarest_of_the_filter(
    connection: Connection, organization_id: int
) -> None:
    for number, id_ in enumerate("abc"):
        await post(connection, organization_id, id_, {"tone": number, "rare": int(id_ == "a") + 1})
    await post(connection, organization_id, "d", {"rare": 1})
    tree = Compare(ScoreSubject("rare"), "=", 1)
    assert await found(connection, organization_id, tree, sort=Sort(ScoreSubject("tone"))) == ["c", "b", "d"]


async def test_sort_by_a_fifth_score_of_the_filter(connection: Connection, organization_id: int) -> None:
    for number, id_ in enumerate("abc"):
        await post(connection, organization_id, id_, dict.fromkeys("pqrs", 1) | {"t": number})
    tree = AllOf(tuple(Exists(ScoreSubject(name)) for name in "pqrst"))
    assert await found(connection, organization_id, tree, sort=Sort(ScoreSubject("t"))) == ["c", "b", "a"]


async def test_random_order_has_everything_once_and_no_next_page(connection: Connection, scored: int) -> None:
    page = await search(connection, ScoreNames(), scored, Everything(), sort=Sort(None), limit=3)
    assert (len({request.request_id for request in page.requests}), page.next) == (3, None)
    assert sorted(await found(connection, scored, Everything(), sort=Sort(None))) == list("abcde")


# Properties and columns

ENV = Property("Env")

BY_PROPERTY: dict[Filter, str] = {
    Compare(ENV, "=", "prod"): "b",
    Compare(ENV, "<>", "prod"): "dca",
    Compare(ENV, "<>", ""): "cb",
    Compare(ENV, "=", ""): "a",
    Compare(ENV, "not-contains", "RO"): "dca",
    Compare(ENV, "not-contains", ""): "",
    Compare(ENV, "contains", "RO"): "b",
    Exists(ENV): "cba",
    Not(Exists(ENV)): "d",
    Exists(Property("env")): "d",
    Compare(Variable("topic"), "=", "tea"): "a",
    Compare(Variable("topic"), "<>", "tea"): "dcb",
    Compare(Variable("n"), "=", "5"): "a",
    Exists(Variable("nothing")): "",
}


async def test_missing_property_reads_as_empty_only_where_negated(
    connection: Connection, organization_id: int
) -> None:
    variables = '{"topic": "tea", "n": 5, "nothing": null}'
    await log(connection, organization_id, "a", 1, properties='{"Env": ""}', prompt_variables=variables)
    await log(connection, organization_id, "b", 2, properties='{"Env": "prod"}')
    await log(connection, organization_id, "c", 3, properties='{"Env": "dev", "other": "x"}')
    await log(connection, organization_id, "d", 4, properties='{"env": "prod"}')
    assert await found_by(connection, organization_id, BY_PROPERTY) == BY_PROPERTY


USER = Column("user_id")

BY_TEXT: dict[Filter, str] = {
    Compare(USER, "=", "50%_\\"): "a",
    Compare(USER, "<>", "50%_\\"): "cb",
    Compare(USER, "like", "50%"): "ba",
    Compare(USER, "like", r"50\%\_\\"): "a",
    Compare(USER, "like", "ABC_"): "",
    Compare(USER, "ilike", "ABC_"): "c",
    Compare(USER, "contains", "%_\\"): "a",
    Compare(USER, "contains", "50"): "ba",
    Compare(USER, "contains", "BCD"): "c",
    Compare(USER, "contains", "_"): "a",
    Compare(USER, "not-contains", "%"): "cb",
    Not(Compare(USER, "not-contains", "%")): "da",
}


async def test_text_conditions_find(connection: Connection, organization_id: int) -> None:
    """d has no user: it matches none of them, the negative ones neither."""
    for seconds, (id_, user) in enumerate({"a": "50%_\\", "b": "500", "c": "abcd", "d": None}.items()):
        await log(connection, organization_id, id_, seconds, user_id=user)
    assert await found_by(connection, organization_id, BY_TEXT) == BY_TEXT


async def test_milliseconds_count(connection: Connection, organization_id: int) -> None:
    await log(connection, organization_id, "a", 0)
    bound = NOON + timedelta(milliseconds=1)
    await log(connection, organization_id, "b", 0, response_created_at=bound)
    column = Column("response_created_at")
    assert [
        await found(connection, organization_id, Compare(column, operator, bound))
        for operator in (">=", ">", "=")
    ] == [["b"], [], ["b"]]


# Organizations


async def test_organizations_do_not_see_each_other(connection: Connection, organization_id: int) -> None:
    """The same request ids and score names in both."""
    other = await organizations.ensure(connection, "other")
    for number in range(3):
        await post(connection, organization_id, f"r{number}", {"accuracy": 90 + number})
        await post(connection, other, f"r{number}", {"accuracy": number, "secret": 1})
    assert await found(connection, organization_id, GOOD, sort=Sort(ACCURACY)) == ["r2", "r1", "r0"]
    assert await found(connection, other, GOOD) == []
    assert await found(connection, organization_id, Exists(ScoreSubject("secret"))) == []
    assert await count(connection, ScoreNames(), other, Compare(ACCURACY, "<", 2)) == 2
    request = await find(connection, ScoreNames(), organization_id, "r1")
    assert request
    assert request.scored.scores == b'{"accuracy": 91}'


async def test_request_of_another_organization_is_not_found(
    connection: Connection, organization_id: int
) -> None:
    other = await organizations.ensure(connection, "other")
    await post(connection, other, "r", {"a": 1})
    assert await find(connection, ScoreNames(), organization_id, "r") is None


# Pages


PAGES = {(0, 2): ("ed", True), (2, 2): ("cb", True), (4, 2): ("a", False), (3, 2): ("ba", False)}
PAGES |= {(9, 2): ("", False), (0, 0): ("", False), (0, 5): ("edcba", False)}


async def test_offset_and_limit_cut_a_page(connection: Connection, scored: int) -> None:
    pages = {}
    for offset, limit in PAGES:
        page = await search(connection, ScoreNames(), scored, Everything(), offset=offset, limit=limit)
        pages[offset, limit] = (
            "".join(request.request_id for request in page.requests),
            page.next is not None,
        )
    assert pages == PAGES


@pytest.mark.parametrize(
    "sort",
    [
        NEWEST_FIRST,
        Sort(Column("created_at"), descending=False),
        Sort(ACCURACY),
        Sort(ACCURACY, descending=False),
        Sort(Property("Env"), descending=False),
    ],
)
async def test_pages_hold_still_while_requests_arrive(
    connection: Connection, organization_id: int, sort: Sort
) -> None:
    """Equal times and scores all over, and between the pages new requests before, among and behind them."""
    rng = random.Random(7)

    async def arrive(request_id: str) -> None:
        seconds = rng.randrange(3)
        environment = rng.choice(['{"Env": "a"}', '{"Env": "b"}', "{}"])
        await log(connection, organization_id, request_id, seconds, properties=environment)
        if rng.random() < 0.7:
            await post(connection, organization_id, request_id, {"accuracy": rng.randrange(3)}, seconds)

    for _ in range(30):
        await arrive(f"{rng.random()}")
    before = await found(connection, organization_id, Everything(), sort=sort)
    names, seen, position = ScoreNames(), [], None
    for _ in range(30):
        page = await search(
            connection, names, organization_id, Everything(), sort=sort, after=position, limit=2
        )
        seen += [request.request_id for request in page.requests]
        if (position := page.next) is None:
            break
        if len(seen) < 30:
            await arrive(f"new {rng.random()}")
    assert [request_id for request_id in seen if not request_id.startswith("new")] == before
    assert len(seen) == len(set(seen))


async def test_page_goes_on_behind_a_request_that_is_gone(connection: Connection, scored: int) -> None:
    page = await search(connection, ScoreNames(), scored, Everything(), limit=2)
    await connection.execute("DELETE FROM request WHERE request_id = 'd'")
    assert await found(connection, scored, Everything(), after=page.next) == list("cba")
