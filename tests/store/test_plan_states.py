"""Every statement that reads scores stays linear, whatever PostgreSQL knows of the tables.

Each state is a database of two organizations; the second one came last, and in most states the statistics do
not know it. A loop in a loop reads all rows again for each of them: 300 or 600 times, where 150 are allowed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime
from typing import cast

import asyncpg
import pytest
from heliscore.domain.changes.period_scores import PROMPT_VERSION, TwoPeriods
from heliscore.domain.filter_tree import (
    NEWEST_FIRST,
    AllOf,
    AnyOf,
    Cases,
    Column,
    Compare,
    Everything,
    Exists,
    Filter,
    GroupBy,
    Not,
    Property,
    Score,
    ScorePart,
    Sort,
)
from heliscore.domain.monitors.monitor_definition import Bound, Definition, Statistic
from heliscore.domain.monitors.monitor_schedule import Window
from heliscore.domain.rater import Rater
from heliscore.settings import Settings
from heliscore.store import (
    coverage,
    evaluations,
    monitor_readings,
    organizations,
    period_groups,
    ratings,
    samples,
    score_groups,
    score_scan,
    table_statistics,
)
from heliscore.store.connections.pool import Connection, open_database
from heliscore.store.facets import find_facets
from heliscore.store.score_scan import ScoreSelection
from heliscore.store.scores import ScoreNames
from heliscore.store.search import request_search, selectivity
from heliscore.store.search.covariates import Covariate

from ..conftest import filled_database
from .meter import Meter

pytestmark = pytest.mark.slow

FIRST, SECOND = 600, 300
"""How many requests the organizations have, each with five scores."""

ROWS, BUFFERS = 150, 60
"""For each request, how many rows all steps of a plan may pass on or throw away, and how many pages they may
read."""

SEED = """
INSERT INTO score_name (organization_id, name)
SELECT {organization}, unnest(ARRAY['rare', 'medium', 'broad', 'accuracy', 'relevance']);
INSERT INTO request (organization_id, request_id, created_at, updated_at, response_model, properties)
SELECT {organization}, {organization} || ' request ' || n,
    timestamptz '2026-01-01Z' + n * interval '1 minute', '2026-03-01Z',
    'model-' || n % 5, jsonb_build_object('variant', n % 3)
FROM generate_series(1, {requests}) AS n;
INSERT INTO score_origin (organization_id, kind, name, version, call, restored_by)
SELECT {organization}, 'judge', 'relevance', n, 'score', '' FROM generate_series(1, 4) AS n;
INSERT INTO score (value, request_no, request_created_at, scored_at, organization_id, name_id, origin_id)
SELECT
    CASE s.name
        WHEN 'rare' THEN (hash % 1000 = 0)::integer
        WHEN 'medium' THEN (hash % 10 = 0)::integer
        WHEN 'broad' THEN (hash % 10 < 6)::integer
        ELSE hash % 101
    END,
    r.request_no, r.created_at, r.created_at, r.organization_id, s.id,
    (SELECT min(id) FROM score_origin WHERE organization_id = {organization}) + r.request_no % 4
FROM request AS r
JOIN score_name AS s USING (organization_id)
CROSS JOIN LATERAL abs(hashint8(r.request_no * 5 + s.id)::bigint) AS hash
WHERE r.organization_id = {organization}
ORDER BY r.request_no, s.id;
INSERT INTO score_history (value, request_no, scored_at, organization_id, name_id, origin_id)
SELECT value, request_no, scored_at - interval '1 day', organization_id, name_id, origin_id
FROM score WHERE organization_id = {organization};
INSERT INTO score_comment (request_no, scored_at, organization_id, name_id, comment)
SELECT request_no, scored_at, organization_id, name_id, 'why' FROM score
WHERE organization_id = {organization} AND request_no % 2 = 0;
"""


async def add(connection: Connection, name: str, requests: int) -> None:
    organization = await organizations.ensure(connection, name)
    await connection.execute(SEED.format(organization=organization, requests=requests))


async def never_analysed(connection: Connection) -> None:
    await add(connection, "first", FIRST)
    await add(connection, "second", SECOND)


async def analysed(connection: Connection) -> None:
    await add(connection, "first", FIRST)
    await connection.execute("ANALYZE request, score, score_name")
    await add(connection, "second", SECOND)


async def vacuumed(connection: Connection) -> None:
    await add(connection, "first", FIRST)
    for table in ("request", "score", "score_name"):
        await connection.execute(f"VACUUM (ANALYZE) {table}")
    await add(connection, "second", SECOND)


async def deleted(connection: Connection) -> None:
    """Half of the first organization's requests are gone, and still in the statistics."""
    await vacuumed(connection)
    await connection.execute("DELETE FROM score WHERE request_no % 2 = 0 AND request_no <= $1", FIRST)
    await connection.execute("DELETE FROM request WHERE request_no % 2 = 0 AND request_no <= $1", FIRST)


async def uploaded(connection: Connection) -> None:
    """The second organization came with one upload."""
    await add(connection, "first", FIRST)
    async with connection.transaction():
        await add(connection, "second", SECOND)
        assert await table_statistics.analyze(connection, table_statistics.MIN_SCORES)


STATES = (never_analysed, analysed, vacuumed, deleted, uploaded)


@pytest.fixture(scope="module", params=STATES, ids=lambda state: state.__name__)
def state(request: pytest.FixtureRequest, server: str) -> Iterator[str]:
    """The address of a database in that state, which stands still."""
    with filled_database(server, lambda dsn: make(dsn, request.param)) as dsn:
        yield dsn


async def make(dsn: str, state: Callable[[Connection], Awaitable[None]]) -> None:
    connection = await asyncpg.connect(dsn)
    for table in ("request", "score", "score_name", "score_history", "score_comment", "score_origin"):
        await connection.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = off)")
    await state(connection)
    await connection.close()


@pytest.fixture
async def connection(state: str) -> AsyncIterator[Connection]:
    """A connection of the pool, for its settings."""
    database = await open_database(Settings(database_url=state))
    async with database.connection() as connection:
        yield connection
    await database.close()


# The statements

Read = Callable[[Connection, ScoreNames, int], Awaitable[object]]

BEGINNING, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
MIDDLE = datetime(2026, 1, 1, 10, tzinfo=UTC)
HALVES = TwoPeriods(BEGINNING, MIDDLE, MIDDLE, END)
ACCURACY = Score("accuracy")
MODEL = Column("model")
VARIANT = Property("variant")
LATENCY = Sort(Column("latency_ms"))


def is_one(name: str) -> Compare:
    return Compare(Score(name), "=", 1)


TREES: dict[str, Filter] = {
    "all": Everything(),
    "0.1 %": is_one("rare"),
    "60 %": is_one("broad"),
    "90 % and 90 %": AllOf((Compare(ACCURACY, ">=", 10), Compare(Score("relevance"), ">=", 10))),
    "1 % and 1 %": AllOf((Compare(ACCURACY, "=", 100), Compare(Score("relevance"), "=", 100))),
    "0.1 % and 60 %": AllOf((is_one("rare"), is_one("broad"))),
    "0.1 % or 60 %": AnyOf((is_one("rare"), is_one("broad"))),
    "10 % or 60 %, and 90 %": AllOf(
        (AnyOf((is_one("medium"), is_one("broad"))), Compare(ACCURACY, ">=", 10))
    ),
    "10 % or a model": AnyOf((is_one("medium"), Compare(MODEL, "=", "model-1"))),
    "60 % of a model": AllOf((is_one("broad"), Compare(MODEL, "=", "model-1"))),
    "a model": Compare(MODEL, "=", "model-1"),
    "an author": Compare(ScorePart("broad", "author"), "<>", "human:ada"),
    "60 % commented": AllOf((is_one("broad"), Exists(ScorePart("broad", "comment")))),
    "not changed": Not(Compare(ScorePart("broad", "changed"), "=", True)),
    "no model": Not(Exists(MODEL)),
    "no score": Not(Exists(ACCURACY)),
    "no score of a model": AllOf((Compare(MODEL, "=", "model-1"), Not(Exists(ACCURACY)))),
}


def page(tree: Filter, sort: Sort = NEWEST_FIRST) -> Read:
    return lambda connection, names, organization: request_search.search(
        connection, names, organization, tree, sort=sort, limit=25
    )


def count(tree: Filter) -> Read:
    return lambda connection, names, organization: request_search.count(connection, names, organization, tree)


def averages(tree: Filter, clock: evaluations.Clock = 0) -> Read:
    return lambda connection, names, organization: evaluations.over_time(
        connection, names, ScoreSelection(organization, tree, BEGINNING, END), "day", clock
    )


def compared(by: GroupBy, tree: Filter = TREES["all"]) -> Read:
    return lambda connection, names, organization: score_groups.compare(
        connection, names, ScoreSelection(organization, tree, BEGINNING, END), ["accuracy", "broad"], by
    )


def measured(statistic: Statistic, tree: Filter = TREES["all"], by: Column | Property | None = None) -> Read:
    """What a monitor looks at."""
    definition = Definition(
        name="",
        score="accuracy",
        statistic=statistic,
        tree=tree,
        group_by=by,
        window=END - BEGINNING,
        every=END - BEGINNING,
        condition=Bound(True, 0),
    )
    return lambda connection, names, organization: monitor_readings.measure(
        connection, names, organization, definition, Window(BEGINNING, END)
    )


def opinions(tree: Filter) -> Read:
    return lambda connection, names, organization: score_groups.compare_opinions(
        connection,
        names,
        ScoreSelection(organization, tree, BEGINNING, END),
        ScorePart("accuracy", "author"),
    )


def by_units(by: GroupBy, tree: Filter = TREES["all"], unit: Property = VARIANT) -> Read:
    return lambda connection, names, organization: score_groups.compare_units(
        connection, names, ScoreSelection(organization, tree, BEGINNING, END), ["accuracy", "broad"], by, unit
    )


def by_items(by: GroupBy, base: str, tree: Filter = TREES["all"]) -> Read:
    return lambda connection, names, organization: score_groups.compare_pairs(
        connection,
        names,
        ScoreSelection(organization, tree, BEGINNING, END),
        ["accuracy", "broad"],
        by,
        VARIANT,
        base=base,
        other="model-2",
        max_counts=10,
        since=BEGINNING,
    )


def by_covariates(by: GroupBy, covariate: Covariate, tree: Filter = TREES["all"]) -> Read:
    return lambda connection, names, organization: score_groups.compare_covariates(
        connection, names, ScoreSelection(organization, tree, BEGINNING, END), ["accuracy"], by, covariate
    )


def patterns(*raters: Rater, tree: Filter = TREES["all"], unit: Property | None = None) -> Read:
    async def read(connection: Connection, names: ScoreNames, organization: int) -> object:
        selection = ScoreSelection(organization, tree, BEGINNING, END)
        rows = await ratings.find_patterns(connection, names, selection, raters, unit)
        return None if rows is None else ratings.make_patterns(rows)

    return read


def rating_sums(*raters: Rater, tree: Filter = TREES["all"], unit: Property | None = None) -> Read:
    async def read(connection: Connection, names: ScoreNames, organization: int) -> object:
        selection = ScoreSelection(organization, tree, BEGINNING, END)
        return {*await ratings.sum_ratings(connection, names, selection, raters, unit, 5)}

    return read


def rated(*raters: Rater, tree: Filter = TREES["all"]) -> Read:
    async def read(connection: Connection, names: ScoreNames, organization: int) -> object:
        selection = ScoreSelection(organization, tree, BEGINNING, END)
        return ratings.make_rated(await ratings.find_rated(connection, names, selection, raters, 10))

    return read


def covered(
    tree: Filter,
    by: Column | Property | Cases | None = None,
    *,
    buckets: coverage.Buckets = coverage.Buckets(),  # noqa: B008
    limit: int = 9,
) -> Read:
    return lambda connection, names, organization: coverage.count_scored(
        connection,
        names,
        ScoreSelection(organization, tree, BEGINNING, END),
        ["accuracy", "broad", "never used"],
        by,
        buckets,
        limit=limit,
        max_rows=10_000,
    )


def sampled(kind: Callable[..., Awaitable[samples.Sample]], tree: Filter, *arguments: object) -> Read:
    return lambda connection, names, organization: kind(
        connection,
        names,
        samples.Draw(ScoreSelection(organization, tree, BEGINNING, END), 7, 40),
        *arguments,
    )


def changed(tree: Filter, *group_bys: Column | Property) -> Read:
    async def read(connection: Connection, names: ScoreNames, organization: int) -> object:
        selection = period_groups.PeriodSelection(organization, tree, HALVES, group_bys)
        rows = await period_groups.compare_periods(connection, names, selection, ["accuracy", "broad"])
        found = period_groups.make_periods(rows, selection)
        wanted = [(one.group, one.score) for one in found.scores]
        return found, await period_groups.list_buckets(connection, names, selection, wanted)

    return read


ALL = TREES["all"]
CASES = Cases(
    (
        Compare(MODEL, "=", "model-1"),
        AllOf((Compare(ACCURACY, "<", 50), Not(Compare(MODEL, "=", "model-1")))),
        Compare(ScorePart("broad", "author"), "=", "human:ada"),
    )
)
NAMES = (Rater("accuracy"), Rater("relevance"), Rater("broad"))
AUTHORS = (Rater("accuracy", kind="judge", version="1"), Rater("relevance"))
COMPARISONS: dict[str, Callable[[Filter], Read]] = {
    "units": lambda tree: by_units(MODEL, tree),
    "items": lambda tree: by_items(MODEL, "model-1", tree),
    "covariates": lambda tree: by_covariates(MODEL, Score("relevance"), tree),
    "patterns": lambda tree: patterns(*NAMES, tree=tree),
    "patterns of authors": lambda tree: patterns(*AUTHORS, tree=tree),
}
READS: dict[str, Read] = {
    **{f"page of {name}": page(tree) for name, tree in TREES.items()},
    **{f"count of {name}": count(tree) for name, tree in TREES.items()},
    **{f"averages of {name}": averages(tree) for name, tree in TREES.items()},
    "averages in a zone": averages(ALL, "Europe/Berlin"),
    "averages of a model in a zone": averages(TREES["a model"], "Europe/Berlin"),
    "page by score": page(ALL, Sort(ACCURACY)),
    "page of 60 % by score": page(is_one("broad"), Sort(ACCURACY)),
    **{f"page of {name} by latency": page(tree, LATENCY) for name, tree in TREES.items()},
    "page of one request": page(Compare(Column("request_id"), "=", "2 request 7")),
    "compared by model": compared(MODEL),
    "compared by property": compared(Property("variant")),
    "compared by model, of 60 %": compared(MODEL, is_one("broad")),
    "compared by author": compared(ScorePart("broad", "author")),
    "compared by author, of 60 %": compared(ScorePart("accuracy", "author"), is_one("broad")),
    "compared by filters": compared(CASES),
    "compared by filters, of 60 %": compared(CASES, is_one("broad")),
    **{
        f"{kind} of {name}": compare(TREES[name])
        for name in ("60 %", "1 % and 1 %", "0.1 % or 60 %", "10 % or 60 %, and 90 %", "a model", "an author")
        for kind, compare in COMPARISONS.items()
    },
    "measured": measured("average"),
    "measured by model": measured("average", by=MODEL),
    "measured by property, of 60 %": measured("average", is_one("broad"), VARIANT),
    "percentile of a model": measured("p90", TREES["a model"]),
    "percentile by model, of 60 %": measured("p90", is_one("broad"), MODEL),
    "units of filters": by_units(CASES),
    "units of authors": by_units(ScorePart("broad", "author")),
    "items of filters": by_items(CASES, "0"),
    "items of authors": by_items(ScorePart("accuracy", "version"), "1"),
    "covariates of filters": by_covariates(CASES, Score("relevance")),
    "covariates of authors": by_covariates(ScorePart("broad", "author"), Score("relevance")),
    "latency of authors": by_covariates(ScorePart("broad", "author"), Column("latency_ms")),
    "patterns with units": patterns(*NAMES, unit=VARIANT),
    "patterns of authors with units": patterns(*AUTHORS, unit=VARIANT),
    "sums of ratings": rating_sums(*NAMES[:2]),
    "sums of ratings with units": rating_sums(*NAMES[:2], tree=is_one("broad"), unit=VARIANT),
    "sums of authors": rating_sums(*AUTHORS),
    "patterns": patterns(*NAMES),
    "patterns of two authors": patterns(AUTHORS[0], Rater("accuracy", version="2")),
    "rated requests": rated(*NAMES),
    "rated requests of authors": rated(*AUTHORS),
    "rated requests of authors, of 60 %": rated(*AUTHORS, tree=is_one("broad")),
    "coverage by filters": covered(ALL, CASES),
    "coverage by filters, of 60 %": covered(is_one("broad"), CASES),
    "opinions": opinions(is_one("broad")),
    "opinions of 0.1 % or 60 %": opinions(TREES["0.1 % or 60 %"]),
    "changes": changed(ALL),
    "changes by model, property and version": changed(ALL, MODEL, VARIANT, PROMPT_VERSION),
    "changes by model, of 60 %": changed(is_one("broad"), MODEL),
    "changes by model, of 0.1 % or 60 %": changed(TREES["0.1 % or 60 %"], MODEL),
    "changes by version, of a model": changed(TREES["a model"], PROMPT_VERSION),
    "distributions of a model": lambda connection, names, organization: evaluations.distributions(
        connection, names, ScoreSelection(organization, TREES["a model"], BEGINNING, END), 10
    ),
    "trends of a model": lambda connection, names, organization: evaluations.trends(
        connection, names, ScoreSelection(organization, TREES["a model"], BEGINNING, END), [BEGINNING]
    ),
    "spread by model": lambda connection, names, organization: evaluations.spread(
        connection, names, ScoreSelection(organization, ALL, BEGINNING, END), ["accuracy"], 10, MODEL
    ),
    **{f"coverage of {name} by model": covered(tree, MODEL) for name, tree in TREES.items()},
    "coverage": covered(ALL),
    "coverage by hour": covered(ALL, buckets=coverage.Buckets("hour", 90)),
    "coverage of the largest groups": covered(is_one("broad"), Property("variant"), limit=2),
    **{f"random sample of {name}": sampled(samples.sample_at_random, tree) for name, tree in TREES.items()},
    "sample by model": sampled(samples.sample_strata, ALL, MODEL, "proportional"),
    "sample by property, of 60 %": sampled(
        samples.sample_strata, is_one("broad"), Property("variant"), "equal"
    ),
    "sample at a threshold": sampled(samples.sample_nearest, ALL, "accuracy", 50),
    "sample at a threshold, of 0.1 %": sampled(samples.sample_nearest, is_one("rare"), "accuracy", 50),
    "sample of disagreements": sampled(samples.sample_disagreements, ALL, ["accuracy", "relevance"]),
    "sample of disagreements, of 60 %": sampled(
        samples.sample_disagreements, is_one("broad"), ["accuracy", "relevance", "medium"]
    ),
    "sample of leverage": sampled(samples.sample_leverage, ALL, "accuracy"),
    "sample of leverage by model": sampled(samples.sample_leverage, is_one("broad"), "accuracy", MODEL),
    "names": lambda connection, _, organization: evaluations.list_names(connection, organization),
    "facets": lambda connection, _, organization: find_facets(connection, organization, BEGINNING, END),
}


@pytest.mark.parametrize(("random_page_cost", "many"), [("4", False), ("1.1", True)], ids=["few", "many"])
async def test_no_statement_reads_the_square_of_its_rows(
    connection: Connection,
    random_page_cost: str,
    many: bool,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    """`many`: thresholds so low that most statements go the way for many rows. Both answer the same; answers
    are of the rows, not of what PostgreSQL knows of them, so that two states are enough for that."""
    await connection.execute(f"SET random_page_cost = {random_page_cost}")
    compares = many and request.node.callspec.params["state"] in {analysed, deleted}
    expected = await answers(connection) if compares else None
    if many:
        monkeypatch.setattr(selectivity, "MIN_THRESHOLD", 50)
        monkeypatch.setattr(selectivity, "MAX_THRESHOLD", 50)
        monkeypatch.setattr(score_scan, "_MAX_LOOKUPS", 50)
    read = {}
    for organization, requests in (("first", FIRST), ("second", SECOND)):
        organization_id = await organizations.ensure(connection, organization)
        for name, statement in READS.items():
            meter = Meter(connection)
            await statement(cast("Connection", meter), ScoreNames(), organization_id)
            read[organization, name] = meter.rows / requests, meter.buffers / requests
    assert {key: cost for key, cost in read.items() if cost[0] > ROWS or cost[1] > BUFFERS} == {}
    assert expected is None or await answers(connection) == expected


async def answers(connection: Connection) -> dict[tuple[str, str], object]:
    return {
        (organization, name): await statement(
            connection, ScoreNames(), await organizations.ensure(connection, organization)
        )
        for organization in ("first", "second")
        for name, statement in READS.items()
    }
