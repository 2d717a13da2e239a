"""Definitions are looked up once a second at most, and those that this process has set count at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from heliscore.domain.errors import Unavailable
from heliscore.domain.score_definition import ScoreDefinition
from heliscore.store import definition_cache
from heliscore.store.connections.pool import Connection, Database
from heliscore.store.definition_cache import NO_DEFINITIONS, DefinitionCache
from heliscore.store.score_definitions import remove_definition, set_definition

FIRST = ScoreDefinition("first", "integer", max=1, enforce="on")
HUMAN = ScoreDefinition("second", "boolean", precedence="human")


class CountedDatabase:
    """Counts who asks for a connection, lets them wait for it, and fails on demand."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.asked = 0
        self.used = asyncio.Event()
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()
        self.error: Exception | None = None

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        self.asked += 1
        async with self._database.connection() as connection:
            yield connection
            self.used.set()
            await self.may_go_on.wait()
            if self.error is not None:
                raise self.error


@pytest.fixture
def counted(database: Database) -> CountedDatabase:
    return CountedDatabase(database)


@pytest.fixture
def cache(counted: CountedDatabase) -> DefinitionCache:
    return DefinitionCache(counted)  # type: ignore[arg-type]


async def test_many_posts_need_one_look_up(
    cache: DefinitionCache, counted: CountedDatabase, connection: Connection, organization_id: int
) -> None:
    await set_definition(connection, organization_id, FIRST)
    await set_definition(connection, organization_id, HUMAN)
    found = await asyncio.gather(*(cache.find(organization_id) for _ in range(100)))
    assert counted.asked == 1
    assert {id(definitions) for definitions in found} == {id(await cache.find(organization_id))}
    assert dict(found[0].by_name) == {"first": FIRST, "second": HUMAN}
    assert (dict(found[0].enforced), set(found[0].human_first)) == ({"first": FIRST}, {"second"})
    assert counted.asked == 1


async def test_definitions_that_did_not_change_are_not_read_again(
    cache: DefinitionCache, connection: Connection, organization_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(definition_cache, "_REMEMBERED_S", 0)
    assert await cache.find(organization_id) is NO_DEFINITIONS
    changes = [
        set_definition(connection, organization_id, FIRST),
        set_definition(connection, organization_id, HUMAN),
        set_definition(connection, organization_id, FIRST),
        remove_definition(connection, organization_id, "first"),
        set_definition(connection, organization_id, FIRST),
        remove_definition(connection, organization_id, "second"),
    ]
    names = []
    before = NO_DEFINITIONS
    for change in changes:
        await change
        after = await cache.find(organization_id)
        assert after is not before
        assert await cache.find(organization_id) is after
        names.append(sorted(after.by_name))
        before = after
    both = ["first", "second"]
    assert names == [["first"], both, both, ["second"], both, ["first"]]


async def test_look_up_that_missed_a_change_is_not_remembered(
    cache: DefinitionCache, counted: CountedDatabase, connection: Connection, organization_id: int
) -> None:
    counted.may_go_on.clear()
    early = asyncio.create_task(cache.find(organization_id))
    await counted.used.wait()  # it has read, and is not remembered yet
    await set_definition(connection, organization_id, FIRST)
    cache.forget(organization_id)
    late = asyncio.create_task(cache.find(organization_id))
    counted.may_go_on.set()
    assert [sorted((await task).by_name) for task in (early, late)] == [[], ["first"]]
    assert sorted((await cache.find(organization_id)).by_name) == ["first"]


async def test_look_up_that_failed_is_made_again(
    cache: DefinitionCache, counted: CountedDatabase, connection: Connection, organization_id: int
) -> None:
    await set_definition(connection, organization_id, FIRST)
    counted.error = Unavailable("the database is away")
    failed = await asyncio.gather(*(cache.find(organization_id) for _ in range(3)), return_exceptions=True)
    assert (failed, counted.asked) == ([counted.error] * 3, 1)
    counted.error = None
    assert sorted((await cache.find(organization_id)).by_name) == ["first"]


async def test_caller_who_leaves_ends_nobody_elses_look_up(
    cache: DefinitionCache, counted: CountedDatabase, organization_id: int
) -> None:
    counted.may_go_on.clear()
    leaving, staying = (asyncio.create_task(cache.find(organization_id)) for _ in range(2))
    await counted.used.wait()
    leaving.cancel()
    counted.may_go_on.set()
    assert await staying is NO_DEFINITIONS
    assert counted.asked == 1


async def test_memory_is_bounded(
    cache: DefinitionCache, counted: CountedDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(definition_cache, "_CAPACITY", 10)
    for organization_id in range(1, 12):
        await cache.find(organization_id)
    assert counted.asked == 11
    await cache.find(11)
    assert counted.asked == 11
    await cache.find(1)
    assert counted.asked == 12
