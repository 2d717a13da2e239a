"""What PostgreSQL does with the statements of a search: which index each shape begins at, and that it reads
little of a table of 40,000 requests with five scores each.

The statements are recorded on their way to PostgreSQL and explained with the same values.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any, cast

import asyncpg
import msgspec
import pytest
from heliscore.domain.filter_tree import (
    NEWEST_FIRST,
    AllOf,
    AnyOf,
    Column,
    Compare,
    Everything,
    Exists,
    Filter,
    Not,
    Score,
    Sort,
    Value,
)
from heliscore.settings import Settings
from heliscore.store import organizations
from heliscore.store.connections.pool import Connection, open_database
from heliscore.store.facets import Facets, find_facets
from heliscore.store.scores import ScoreNames
from heliscore.store.search.found_requests import Page
from heliscore.store.search.page_order import Position
from heliscore.store.search.request_search import count, search
from heliscore.store.search.selectivity import MIN_THRESHOLD
from heliscore.store.statements import load

from ..conftest import filled_database
from .meter import Meter

pytestmark = pytest.mark.slow

REQUESTS = 40_000
"""So many that a tenth is more than MIN_THRESHOLD."""

LIMIT = 25

PAGE_ROWS = (LIMIT + 1) * (1 + 5)
"""What showing a page takes: its requests and their scores."""

LOOKUP = 5
"""What looking one score of a request up takes: all its scores, which are in one page."""

SEED = f"""
INSERT INTO score_name (organization_id, name)
SELECT id, unnest(ARRAY['rare', 'medium', 'broad', 'accuracy', 'cited', 'audited']) FROM organization;
INSERT INTO request (
    organization_id, request_id, created_at, updated_at, latency_ms, response_model, response_id
)
SELECT
    id, 'request ' || n, timestamptz '2026-01-01Z' + n * interval '1 minute', '2026-03-01Z', n % 997,
    'model-' || n % 5, 'response ' || n
FROM organization, generate_series(1, {REQUESTS}) AS n;
INSERT INTO score (value, request_no, request_created_at, scored_at, organization_id, name_id, is_boolean)
SELECT
    CASE s.name
        WHEN 'rare' THEN (hash % 1000 = 0)::integer
        WHEN 'medium' THEN (hash % 10 = 0)::integer
        WHEN 'broad' THEN (hash % 10 < 6)::integer
        WHEN 'cited' THEN hash % 2
        ELSE hash % 1000
    END,
    r.request_no, r.created_at, r.created_at, r.organization_id, s.id, nullif(s.name = 'cited', false)
FROM request AS r
JOIN score_name AS s USING (organization_id)
CROSS JOIN LATERAL abs(hashint8(r.request_no * 59 + s.id)::bigint) AS hash
WHERE r.request_no % 100 <> 0 AND (s.name <> 'audited' OR r.request_no % 20 = 1)
ORDER BY r.request_no, s.id;
"""
"""Without random(), which draws other numbers since PostgreSQL 15. With 59, `rare` and `broad` meet in more
than a page of requests."""


class Sent(msgspec.Struct, frozen=True):
    """A statement and its arguments."""

    statement: str
    arguments: tuple[object, ...]


class Recorder:
    """A connection that notes what is sent through it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.sent: list[Sent] = []

    async def fetch(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        self.sent.append(Sent(statement, arguments))
        return await self._connection.fetch(statement, *arguments)

    def transaction(self, **options: Any) -> Any:
        return self._connection.transaction(**options)

    async def fetchval(self, statement: str, *arguments: object) -> Any:
        self.sent.append(Sent(statement, arguments))
        return await self._connection.fetchval(statement, *arguments)

    def of(self, verb: str) -> list[Sent]:
        """What was sent of a statement of sql/queries/request.sql, known by how it begins."""
        beginning = load("request")[verb].split("/*")[0]
        return [sent for sent in self.sent if sent.statement.startswith(beginning)]


class Plan(msgspec.Struct, frozen=True):
    """Of a statement's plan, what the tests look at: the scans of requests and scores that took place."""

    scans: frozenset[str]
    """Names of indexes, and `all of <table>` where it was read from one end to the other."""

    rows: int
    """How many rows the scans found, those that they threw away included."""


def scans_in(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    is_scan = "Index Name" in node or node.get("Relation Name") in ("request", "score")
    if is_scan and node.get("Relation Name") not in ("score_name", "pg_class") and node["Actual Loops"]:
        yield node
    for child in node.get("Plans", []):
        yield from scans_in(child)


def name_of(scan: dict[str, Any]) -> str:
    return cast("str", scan.get("Index Name") or f"all of {scan['Relation Name']}")


def rows_read(scan: dict[str, Any]) -> int:
    counts = ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Index Recheck")
    rows_a_loop: float = sum(scan.get(count, 0) for count in counts)
    loops: float = scan["Actual Loops"]
    return round(loops * rows_a_loop)


async def explained(connection: Connection, sent: Sent) -> Plan:
    text = await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {sent.statement}", *sent.arguments)
    scans = list(scans_in(json.loads(text)[0]["Plan"]))
    return Plan(frozenset(map(name_of, scans)), sum(map(rows_read, scans)))


class Searched(msgspec.Struct, frozen=True):
    """A page and how PostgreSQL came by it."""

    page: Page
    selectivity: list[Plan]
    """Of the count that comes before a search by scores."""

    plans: list[Plan]
    """Of the searches of which the page was put together."""

    probes: list[Plan]
    """Of the probes that find where in the order of a score they begin and end."""

    @property
    def whole(self) -> Plan:
        """All the searches as one."""
        scans = frozenset[str]().union(*(plan.scans for plan in self.plans))
        return Plan(scans, sum(plan.rows for plan in self.plans))


class Searches:
    """Searches in the seeded database, as the service sends them."""

    def __init__(self, connection: Connection, organization_id: int) -> None:
        self.connection = connection
        self.organization_id = organization_id

    async def search(
        self, tree: Filter, sort: Sort = NEWEST_FIRST, after: Position | None = None
    ) -> Searched:
        recorder = Recorder(self.connection)
        page = await search(
            cast("Connection", recorder),
            ScoreNames(),
            self.organization_id,
            tree,
            sort=sort,
            after=after,
            limit=LIMIT,
        )
        return Searched(
            page,
            [await explained(self.connection, sent) for sent in recorder.of("selectivity")],
            [
                await explained(self.connection, sent)
                for sent in recorder.of("locate") + recorder.of("search")
            ],
            [await explained(self.connection, sent) for sent in recorder.of("probe")],
        )

    async def count(self, tree: Filter) -> tuple[int, Plan]:
        recorder = Recorder(self.connection)
        number = await count(cast("Connection", recorder), ScoreNames(), self.organization_id, tree)
        [sent] = recorder.of("count")
        return number, await explained(self.connection, sent)


@pytest.fixture(scope="module")
def seeded(server: str) -> Iterator[str]:
    """The seeded database's address."""
    with filled_database(server, seed) as dsn:
        yield dsn


async def seed(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    await organizations.ensure(connection)
    await connection.execute(SEED)
    await connection.execute("VACUUM (ANALYZE) request")
    await connection.execute("VACUUM (ANALYZE) score")
    await connection.close()


@pytest.fixture(params=["1.1", "4"])
async def searches(seeded: str, request: pytest.FixtureRequest) -> AsyncIterator[Searches]:
    """On a connection of the pool, for its settings; random_page_cost is our own server's or the default."""
    database = await open_database(Settings(database_url=seeded))
    async with database.connection() as connection:
        await connection.execute(f"SET random_page_cost = {request.param}")
        yield Searches(connection, await organizations.ensure(connection))
    await database.close()


# The shapes

MIDDLE = datetime(2026, 1, 14, tzinfo=UTC)
ACCURACY = Score("accuracy")
CITED = Score("cited")
EVERYTHING = Everything()
OLDEST_FIRST = Sort(Column("created_at"), descending=False)
BEST_FIRST = Sort(ACCURACY)
WORST_FIRST = Sort(ACCURACY, descending=False)

IN_TIME = frozenset({"request_created_at_idx", "score_pkey"})
BY_ID = frozenset({"request_pkey", "score_pkey"})
BY_RESPONSE = frozenset({"request_response_id_idx", "score_pkey"})
SCORE_IN_TIME = frozenset({"score_created_at_idx", "request_request_no_key", "score_pkey"})
SCORE_BY_VALUE = frozenset({"score_value_idx", "request_request_no_key", "score_pkey"})


def is_one(name: str) -> Compare:
    return Compare(Score(name), "=", 1)


RARE_ONE, MEDIUM, BROAD = map(is_one, ("rare", "medium", "broad"))
"""Met by 0.1 %, 10 % and 60 % of the scored requests."""


FEW = Compare(ACCURACY, ">=", 950)
"""Met by 2000: little enough to begin there, and their scores are read, but not their requests."""


class Shape(msgspec.Struct, frozen=True):
    """A search, the scans it takes, and how many rows it may read beside those of the page."""

    tree: Filter
    scans: frozenset[str]
    rows: int = 0
    sort: Sort = NEWEST_FIRST
    matches: int = REQUESTS


SHAPES = {
    "newest": Shape(EVERYTHING, IN_TIME),
    "oldest": Shape(EVERYTHING, IN_TIME, sort=OLDEST_FIRST),
    "10 %": Shape(MEDIUM, SCORE_IN_TIME, 20 * LIMIT),
    "60 %": Shape(BROAD, SCORE_IN_TIME, 3 * LIMIT),
    "bound that 10 % meet": Shape(Compare(ACCURACY, ">=", 900), SCORE_IN_TIME, 20 * LIMIT),
    "bound that 60 % meet": Shape(Compare(ACCURACY, ">=", 400), SCORE_IN_TIME, 3 * LIMIT),
    "60 %, oldest": Shape(BROAD, SCORE_IN_TIME, 3 * LIMIT, OLDEST_FIRST),
    "10 % of a time": Shape(
        AllOf((MEDIUM, Compare(Column("created_at"), "<", MIDDLE))), SCORE_IN_TIME, 20 * LIMIT
    ),
    "0.1 %": Shape(RARE_ONE, SCORE_BY_VALUE, 150),
    "bound that 0.1 % meet": Shape(Compare(ACCURACY, "=", 999), SCORE_BY_VALUE, 150),
    "bound that 5 % meet": Shape(FEW, SCORE_BY_VALUE, 2200),
    "bound that 5 % meet, oldest": Shape(FEW, SCORE_BY_VALUE, 2200, OLDEST_FIRST),
    "bound that 5 % meet, and 60 %": Shape(AllOf((FEW, BROAD)), SCORE_BY_VALUE, 2300),
    "0.1 % and 60 %": Shape(AllOf((RARE_ONE, BROAD)), SCORE_BY_VALUE, 40 * LOOKUP + 60),
    "60 % and 0.1 %": Shape(AllOf((BROAD, RARE_ONE)), SCORE_BY_VALUE, 40 * LOOKUP + 60),
    "10 % and 60 %": Shape(AllOf((MEDIUM, BROAD)), SCORE_IN_TIME, 60 * LIMIT),
    "highest score": Shape(EVERYTHING, SCORE_BY_VALUE, 150, BEST_FIRST),
    "lowest score": Shape(EVERYTHING, SCORE_BY_VALUE, 150, WORST_FIRST),
    "highest score of 60 %": Shape(BROAD, SCORE_BY_VALUE, 100 * LOOKUP + 220, BEST_FIRST),
    "true first": Shape(EVERYTHING, SCORE_IN_TIME, 3 * LIMIT, Sort(CITED)),
    "false first": Shape(EVERYTHING, SCORE_IN_TIME, 3 * LIMIT, Sort(CITED, descending=False)),
    "true first of 60 %": Shape(BROAD, SCORE_IN_TIME, 20 * LIMIT, Sort(CITED)),
    "0.1 % first": Shape(EVERYTHING, SCORE_BY_VALUE, 5 * LIMIT, Sort(Score("rare"))),
    "10 % or 60 %": Shape(AnyOf((MEDIUM, BROAD)), SCORE_IN_TIME, 20 * LIMIT + PAGE_ROWS),
    "0.1 % or 60 %": Shape(AnyOf((RARE_ONE, BROAD)), SCORE_BY_VALUE | SCORE_IN_TIME, 5 * LIMIT + PAGE_ROWS),
    "0.1 % or 0.1 %": Shape(
        AnyOf((RARE_ONE, Compare(ACCURACY, "=", 999))), SCORE_BY_VALUE, 10 * LIMIT + PAGE_ROWS
    ),
    "10 % or 60 % of a time": Shape(
        AllOf((AnyOf((MEDIUM, BROAD)), Compare(Column("created_at"), "<", MIDDLE))),
        SCORE_IN_TIME,
        20 * LIMIT + PAGE_ROWS,
    ),
    "one by id": Shape(Compare(Column("request_id"), "=", "request 7"), BY_ID, matches=1),
    "one by its response": Shape(Compare(Column("response_id"), "=", "response 7"), BY_RESPONSE, matches=1),
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
async def test_search_reads_its_index_and_little_more_than_its_page(searches: Searches, shape: Shape) -> None:
    searched = await searches.search(shape.tree, shape.sort)
    assert len(searched.page.requests) == min(LIMIT, shape.matches)
    assert searched.whole.scans == shape.scans
    assert searched.whole.rows <= shape.rows + PAGE_ROWS + 5
    assert all(plan.scans == {"score_value_idx"} for plan in searched.probes)
    assert sum(plan.rows for plan in searched.probes) <= 5 * LIMIT


async def test_search_of_a_larger_table_begins_at_more_matches(searches: Searches) -> None:
    assert (await searches.search(MEDIUM)).whole.scans == SCORE_IN_TIME
    transaction = searches.connection.transaction()
    await transaction.start()
    try:
        await searches.connection.execute(
            "UPDATE pg_class SET reltuples = 5000000 WHERE oid = 'request'::regclass"
        )
        searched = await searches.search(MEDIUM)
    finally:
        await transaction.rollback()
    assert searched.whole.scans == SCORE_BY_VALUE
    assert len(searched.page.requests) == LIMIT


LATER_PAGES: dict[str, Value] = {
    "newest": MIDDLE,
    "oldest": MIDDLE,
    "10 %": MIDDLE,
    "60 %": MIDDLE,
    "10 % and 60 %": MIDDLE,
    "highest score": 500,
    "lowest score": 500,
    "highest score of 60 %": 500,
    "true first": 1,
    "false first": 0,
    "true first of 60 %": 1,
    "10 % or 60 %": MIDDLE,
}
"""Where, about halfway through the table, a page begins."""


@pytest.mark.parametrize(("name", "value"), LATER_PAGES.items(), ids=LATER_PAGES)
async def test_page_halfway_through_costs_what_the_first_one_does(
    searches: Searches, name: str, value: Value
) -> None:
    shape = SHAPES[name]
    searched = await searches.search(shape.tree, shape.sort, Position(value, MIDDLE, "request 18720"))
    assert len(searched.page.requests) == LIMIT
    assert searched.whole.scans == shape.scans
    assert searched.whole.rows <= shape.rows + PAGE_ROWS + 4 * LIMIT


async def test_pages_of_a_walk_in_time_follow_each_other(searches: Searches) -> None:
    first = await searches.search(MEDIUM)
    second = await searches.search(MEDIUM, after=first.page.next)
    assert first.page.requests[-1].created_at > second.page.requests[0].created_at
    assert [plan.scans for plan in second.plans] == [SCORE_IN_TIME]
    assert second.plans[0].rows <= 20 * LIMIT + PAGE_ROWS


@pytest.mark.parametrize("value", [2, 10**18])
async def test_absent_value_is_not_searched_for(searches: Searches, value: int) -> None:
    searched = await searches.search(AllOf((BROAD, Compare(Score("rare"), "=", value))))
    assert searched == Searched(Page([], None), [Plan(frozenset({"score_value_idx"}), MIN_THRESHOLD)], [], [])


async def test_name_never_used_is_not_even_counted(searches: Searches) -> None:
    searched = await searches.search(AllOf((BROAD, is_one("never used"))))
    assert searched == Searched(Page([], None), [], [], [])


COUNTED: dict[str, tuple[Filter, range]] = {
    "0.1 %": (RARE_ONE, range(20, 61)),
    "60 %": (BROAD, range(MIN_THRESHOLD, MIN_THRESHOLD + 1)),
    "0.1 % and 60 %": (AllOf((RARE_ONE, BROAD)), range(MIN_THRESHOLD + 20, MIN_THRESHOLD + 61)),
    "bound that 10 % meet": (Compare(ACCURACY, ">=", 900), range(MIN_THRESHOLD, MIN_THRESHOLD + 1)),
}


@pytest.mark.parametrize(("tree", "rows"), COUNTED.values(), ids=COUNTED)
async def test_selectivity_is_counted_on_the_index_of_values_up_to_a_limit(
    searches: Searches, tree: Filter, rows: range
) -> None:
    [plan] = (await searches.search(tree)).selectivity
    assert plan.scans == {"score_value_idx"}
    assert plan.rows in rows


@pytest.mark.parametrize("tree", [RARE_ONE, BROAD, AllOf((RARE_ONE, BROAD))])
async def test_matches_of_scores_are_counted_without_a_look_at_requests(
    searches: Searches, tree: Filter
) -> None:
    number, plan = await searches.count(tree)
    assert 0 < number <= plan.rows
    assert plan.scans <= {"score_value_idx", "score_pkey"}


async def test_values_to_group_by_are_read_from_some_requests_of_every_part_of_the_time(
    searches: Searches,
) -> None:
    recorder = Recorder(searches.connection)
    start, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
    facets = await find_facets(cast("Connection", recorder), searches.organization_id, start, end)
    assert facets == Facets({"model": [f"model-{n}" for n in range(5)]}, is_whole=False)
    plan = await explained(searches.connection, recorder.sent[0])
    assert plan.scans == {"request_created_at_idx"}
    assert plan.rows <= 2 * 4001


# All matches

MODEL = Compare(Column("model"), "=", "model-1")
AUDITED = Exists(Score("audited"))
LATENCY = Sort(Column("latency_ms"))

COUNTED_PAGES: dict[str, tuple[Filter, int]] = {
    "60 %": (BROAD, 200),
    "60 % and 50 %": (AllOf((BROAD, Compare(ACCURACY, "<", 600))), 1900),
    "5 % and 5 %": (AllOf((FEW, AUDITED)), 4500),
    "0.1 % and 60 %": (AllOf((RARE_ONE, BROAD)), 300),
    "10 % or 60 %": (AnyOf((MEDIUM, BROAD)), 2500),
    "0.1 % or 5 %": (AnyOf((RARE_ONE, FEW)), 2500),
    "five scores": (AnyOf((RARE_ONE, MEDIUM, BROAD, FEW, AUDITED)), 2500),
    "10 % or 50 %, and 60 %": (AllOf((AnyOf((MEDIUM, is_one("cited"))), BROAD)), 4500),
    "10 % or 60 % of a time": (
        AllOf((AnyOf((MEDIUM, BROAD)), Compare(Column("created_at"), ">", MIDDLE))),
        2500,
    ),
    "10 % or a model": (AnyOf((MEDIUM, MODEL)), 3500),
    "neither 10 % nor 60 %": (Not(AnyOf((MEDIUM, BROAD))), 3500),
    "no score": (Not(Exists(ACCURACY)), 3500),
}
"""The table of scores has 1,700 pages, that of requests 600, and their indexes. To look up one score of each
request reads 160,000."""

LATENCY_PAGES: dict[str, tuple[Filter, int]] = {
    "60 %": (BROAD, 3500),
    "5 % and 5 %": (AllOf((FEW, AUDITED)), 5500),
    "10 % or 60 %": (AnyOf((MEDIUM, BROAD)), 3500),
    "10 % or a model": (AnyOf((MEDIUM, MODEL)), 3500),
}


@pytest.fixture(params=[True, False], ids=["statistics", "none"])
async def meter(searches: Searches, request: pytest.FixtureRequest) -> AsyncIterator[Meter]:
    """A connection that counts pages, with the statistics of our tables, or without them."""
    transaction = searches.connection.transaction(isolation="repeatable_read")
    await transaction.start()
    if not request.param:
        await searches.connection.execute(
            "DELETE FROM pg_statistic WHERE starelid IN ('request'::regclass, 'score'::regclass)"
        )
    yield Meter(searches.connection)
    await transaction.rollback()


@pytest.mark.parametrize(("tree", "pages"), COUNTED_PAGES.values(), ids=COUNTED_PAGES)
async def test_count_reads_few_pages_with_and_without_statistics(
    meter: Meter, searches: Searches, tree: Filter, pages: int
) -> None:
    assert await count(cast("Connection", meter), ScoreNames(), searches.organization_id, tree) > 0
    assert meter.buffers <= pages


@pytest.mark.parametrize(("tree", "pages"), LATENCY_PAGES.values(), ids=LATENCY_PAGES)
async def test_page_that_is_sorted_by_a_column_reads_few_pages_with_and_without_statistics(
    meter: Meter, searches: Searches, tree: Filter, pages: int
) -> None:
    connection = cast("Connection", meter)
    page = await search(connection, ScoreNames(), searches.organization_id, tree, sort=LATENCY, limit=LIMIT)
    assert len(page.requests) == LIMIT
    assert meter.buffers <= pages
