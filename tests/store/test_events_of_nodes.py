"""Events where statements are carried, and where the rows are moved from one node to another: readers and
deliveries miss nothing."""

from __future__ import annotations

import pytest
from heliscore.domain.destination import Destination, mint_secret
from heliscore.domain.snapshots import node_of, spans
from heliscore.jobs.dispatching import Dispatcher
from heliscore.store import destinations, event_cursor, events, retention
from heliscore.store.connections.pool import Connection, Database
from heliscore.store.score_counts import Counted, count_touched
from heliscore.store.scores import ScoreIds, ScoreNames, record

from tests.store.cluster_functions import become_node, install
from tests.store.test_record import post

pytestmark = pytest.mark.usefixtures("clustered")


@pytest.fixture
async def clustered(connection: Connection) -> None:
    await install(connection)


@pytest.fixture
async def destination(database: Database, organization_id: int) -> Destination:
    async with database.connection() as connection:
        added = await destinations.add_destination(
            connection,
            organization_id,
            kind="webhook",
            name="ours",
            address="http://example.com",
            events=["score.recorded"],
            options={},
            secret=mint_secret(),
        )
    assert added is not None
    return added


async def write(database: Database, organization_id: int, ids: ScoreIds, *values: int) -> None:
    for value in values:
        async with database.connection() as connection:
            await record(connection, ids, [post(organization_id, {"a": value}, request_id=f"r{value}")])


async def dispatch(database: Database) -> None:
    dispatcher = Dispatcher(database, ScoreNames())
    while await dispatcher.dispatch():
        pass


async def delivered(connection: Connection) -> list[int]:
    """The values that deliveries tell of, in order."""
    rows = await connection.fetch(
        "SELECT (e.event #>> '{data,value}')::integer FROM delivery AS d"
        " CROSS JOIN LATERAL json_array_elements(d.body #> '{data,events}')"
        " WITH ORDINALITY AS e (event, place)"
        " ORDER BY d.number, e.place"
    )
    return [value for (value,) in rows]


@pytest.mark.usefixtures("destination")
async def test_each_event_becomes_a_delivery_once_wherever_it_was_written(
    database: Database, connection: Connection, organization_id: int, ids: ScoreIds
) -> None:
    value = 0
    for node in (2, 1, 3, 1, 2, 0):
        # One is worked through before the move, one is left, and one is written there before anybody looks.
        await write(database, organization_id, ids, value)
        await dispatch(database)
        await write(database, organization_id, ids, value + 1)
        await become_node(connection, node)
        await write(database, organization_id, ids, value + 2)
        value += 3
    await dispatch(database)
    assert sorted(await delivered(connection)) == list(range(value))


@pytest.mark.usefixtures("destination")
async def test_events_of_a_node_that_nobody_has_looked_at_are_not_lost(
    database: Database, connection: Connection, organization_id: int, ids: ScoreIds
) -> None:
    await become_node(connection, 2)
    await write(database, organization_id, ids, 1)
    await dispatch(database)
    await become_node(connection, 1)
    await write(database, organization_id, ids, 2)
    await become_node(connection, 2)
    await write(database, organization_id, ids, 3)
    await dispatch(database)
    assert await delivered(connection) == [1, 2, 3]
    async with database.connection() as one:
        look = await event_cursor.look(one)
        [group] = {place.group for place in look.seen}
        assert await event_cursor.find_places(one, look, group) == []


@pytest.mark.usefixtures("destination")
@pytest.mark.parametrize("nodes", [(1, 2), (2, 1), (1, 3, 2), (3, 1, 2), (2, 3, 1)])
async def test_readers_miss_nothing_when_the_rows_are_moved(
    database: Database, connection: Connection, organization_id: int, ids: ScoreIds, nodes: tuple[int, ...]
) -> None:
    first, *others = nodes
    await become_node(connection, first)
    await write(database, organization_id, ids, 0)
    async with database.connection() as one:
        seen = await events.take_snapshot(one, organization_id)
    assert node_of(seen) == first
    await write(database, organization_id, ids, 1)
    for node in others:
        await become_node(connection, node)
        await write(database, organization_id, ids, 10 * node)
    found = []
    async with database.connection() as one:
        until = await events.take_snapshot(one, organization_id)
        for begin, end in spans(seen, until):
            page = await events.read_between(one, begin, end, group=organization_id, limit=10)
            found += [event.data["value"] for event in page]
    assert sorted(found) == sorted([1, *(10 * node for node in others)])


@pytest.mark.usefixtures("destination")
async def test_events_of_all_nodes_go_once_they_are_deliveries(
    database: Database, connection: Connection, organization_id: int, ids: ScoreIds
) -> None:
    for node in (2, 1):
        await become_node(connection, node)
        await write(database, organization_id, ids, node)
        await dispatch(database)
    await become_node(connection, 3)
    await write(database, organization_id, ids, 3)
    await become_node(connection, 1)
    await connection.execute("UPDATE event SET happened_at = now() - interval '2 hours'")
    await dispatch(database)
    await write(database, organization_id, ids, 4)
    await connection.execute("UPDATE event SET happened_at = now() - interval '2 hours'")
    await retention.prune_events(database)
    left = await connection.fetch("SELECT value FROM event ORDER BY value")
    assert [value for (value,) in left] == [4]


async def test_hours_are_counted_where_statements_are_carried(
    database: Database, connection: Connection, organization_id: int, ids: ScoreIds
) -> None:
    await write(database, organization_id, ids, 1, 2, 3)
    now = await connection.fetchval("SELECT now() + interval '2 hours'")
    assert await count_touched(database, now) == Counted(1, 1)
    rows = await connection.fetch("SELECT count, lowest, highest FROM score_hour")
    assert [tuple(row) for row in rows] == [(3, 1, 3)]
    assert await connection.fetchval("SELECT count(*) FROM touched_hour") == 0
