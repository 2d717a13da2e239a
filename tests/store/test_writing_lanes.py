"""Posts to the nodes of a cluster: which are written together, and who waits for whom.

The cluster is one PostgreSQL with what `sql/cluster` makes, and with tables of Citus's names that say where
organizations are. So nodes are only numbers here, but statements are carried as they are on a cluster.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest
from heliscore.domain.errors import Unavailable
from heliscore.settings import Settings
from heliscore.store import organizations
from heliscore.store.cluster.placements import Placements
from heliscore.store.connections.pool import Connection, Database, error_of, open_database
from heliscore.store.scores import ScoreIds
from heliscore.store.writer import Writer
from heliscore.store.writing_lanes import WritingLanes

from .cluster_functions import prepare_carrying
from .test_record import values
from .test_writer import PATIENCE, answers, locked_out, post, transactions

pytestmark = pytest.mark.skipif(
    "os.environ.get('TEST_DISTRIBUTED') == 'true'", reason="makes what looks like a cluster"
)

_PLACES = """
CREATE TABLE pg_dist_placement (shardid bigint, groupid integer);
CREATE FUNCTION get_shard_id_for_distribution_column(relation text, id integer) RETURNS bigint
    LANGUAGE sql AS 'SELECT id::bigint';
"""

_LOSE_NODE = """
CREATE FUNCTION lose_node() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.organization_id = {} THEN
        RAISE connection_failure;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER lose_node BEFORE INSERT ON request FOR EACH ROW EXECUTE FUNCTION lose_node();
"""


class Cluster:
    """Two organizations, each on a node."""

    def __init__(self, connection: Connection, database: Database, first: int, second: int) -> None:
        self.connection, self.database, self.first, self.second = connection, database, first, second
        self.placements = Placements()
        self.lanes = WritingLanes(self.open_writer, self.placements, database)

    def open_writer(self, lane: int) -> Writer:
        return Writer(
            self.database,
            ScoreIds(),
            accept_unknown=True,
            placements=self.placements,
            lock_timeout_ms=PATIENCE,
            lane=lane,
        )

    async def place(self, organization_id: int, node: int) -> None:
        await self.connection.execute("DELETE FROM pg_dist_placement WHERE shardid = $1", organization_id)
        await self.connection.execute("INSERT INTO pg_dist_placement VALUES ($1, $2)", organization_id, node)

    async def learn(self) -> None:
        """Let the service know where the organizations are."""
        self.placements.forget([self.first, self.second])
        for organization_id in (self.first, self.second):
            await self.placements.learn(self.database, organization_id)


@pytest.fixture
async def cluster(dsn: str, connection: Connection) -> AsyncIterator[Cluster]:
    await prepare_carrying(connection)
    await connection.execute(_PLACES)
    first, second = [await organizations.ensure(connection, name) for name in ("first", "second")]
    database = await open_database(Settings(database_url=dsn), is_fair=False)
    cluster = Cluster(connection, database, first, second)
    await cluster.place(first, 1)
    await cluster.place(second, 1)
    await cluster.learn()
    try:
        yield cluster
    finally:
        async with asyncio.timeout(30):
            await cluster.lanes.close()
        await database.close()


@asynccontextmanager
async def locked(dsn: str, cluster: Cluster) -> AsyncIterator[asyncio.Task[bool]]:
    """A post of the first organization that does not end before the context does."""
    assert await cluster.lanes.record(post(cluster.first, "held", before=1))
    locker = await asyncpg.connect(dsn)
    try:
        async with locker.transaction():
            await locker.execute("SELECT FROM request WHERE request_id = 'held' FOR UPDATE")
            caller = asyncio.create_task(cluster.lanes.record(post(cluster.first, "held", held=1)))
            await locked_out(dsn)
            yield caller
    finally:
        await locker.close()


async def test_organizations_of_one_node_are_written_in_one_transaction(dsn: str, cluster: Cluster) -> None:
    async with locked(dsn, cluster) as caller:
        callers = [
            asyncio.create_task(cluster.lanes.record(post(organization_id, request_id, one=1)))
            for organization_id, request_id in ((cluster.first, "a"), (cluster.second, "b"))
        ]
        await asyncio.sleep(0.1)
    assert await answers([caller, *callers]) == [True] * 3
    written = await transactions(cluster.connection)
    assert written["a"] == written["b"]


async def test_organization_that_has_moved_is_written_in_a_transaction_of_its_own(
    dsn: str, cluster: Cluster
) -> None:
    async with locked(dsn, cluster) as caller:
        callers = [
            asyncio.create_task(cluster.lanes.record(post(organization_id, request_id, one=1)))
            for organization_id, request_id in ((cluster.first, "a"), (cluster.second, "b"))
        ]
        await asyncio.sleep(0.1)
        await cluster.place(cluster.second, 2)  # which the service does not know yet
    assert await answers([caller, *callers]) == [True] * 3
    written = await transactions(cluster.connection)
    assert written["a"] != written["b"]
    assert cluster.placements.node_of(cluster.second) == 2


async def test_lost_node_fails_no_post_to_another(cluster: Cluster) -> None:
    await cluster.place(cluster.second, 2)
    await cluster.connection.execute(_LOSE_NODE.format(cluster.second))
    writer = cluster.open_writer(0)
    cluster.placements.forget([cluster.first, cluster.second])
    callers = [
        asyncio.create_task(writer.record(post(organization_id, request_id, one=1)))
        for organization_id, request_id in ((cluster.second, "b"), (cluster.first, "a"))
    ]
    lost, written = await answers(callers)
    await writer.close()
    assert isinstance(lost, Unavailable)
    assert written is True
    assert await values(cluster.connection, cluster.first, "a") == {"one": 1}


async def test_organization_changes_its_lane_once_its_posts_are_written(dsn: str, cluster: Cluster) -> None:
    async with locked(dsn, cluster) as caller:
        await cluster.place(cluster.first, 2)
        await cluster.learn()
        later = asyncio.create_task(cluster.lanes.record(post(cluster.first, "held", held=2)))
        other = asyncio.create_task(cluster.lanes.record(post(cluster.first, "other", one=1)))
        await asyncio.sleep(0.1)
        assert [*cluster.lanes.lanes] == [1]
        assert not later.done()
    assert await answers([caller, later, other]) == [True] * 3
    assert [*cluster.lanes.lanes] == [1, 2]
    assert await values(cluster.connection, cluster.first, "held") == {"before": 1, "held": 2}


async def test_new_organization_goes_to_the_lane_of_its_node(cluster: Cluster) -> None:
    third = await organizations.ensure(cluster.connection, "third")
    await cluster.place(third, 3)
    assert await cluster.lanes.record(post(third, "a", one=1))
    assert [*cluster.lanes.lanes] == [3]


@pytest.mark.parametrize(
    ("message", "passes"),
    [
        ("failure on connection marked as essential: 10.0.0.1:5432", True),
        ("could not commit transaction for shard 102008 on at least one active node", True),
        ("cache lookup failed for type 42", False),
    ],
)
def test_only_what_citus_says_of_a_lost_node_passes(message: str, passes: bool) -> None:
    assert (error_of(asyncpg.InternalServerError(message)) is not None) == passes
