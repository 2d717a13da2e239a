"""Bulk uploads beside each other and beside other calls: one that takes long shuts nobody out."""

from __future__ import annotations

import asyncio
import gzip
import resource
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

import asyncpg
import httpx
import pytest
from heliscore.api.native import upload_spool
from heliscore.api.native.upload_spool import Spool
from heliscore.domain.errors import Unavailable
from heliscore.store import upload_turns
from heliscore.store.connections.pool import Connection
from heliscore.store.upload_turns import UploadTurns

from tests.api.envelope import post, scores_of
from tests.api.test_batch import ANYBODY_WAITS, GZIP, LINES, PATH, item, line, locked, taken, upload
from tests.conftest import Service, StartService

IN_PROGRESS: Final = "another atomic upload of this organization is in progress, please try again"
FULL: Final = "the folder for uploads is full, please try again later, send less at once, or use mode=partial"


@pytest.fixture
async def busy(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> AsyncIterator[asyncio.Task[httpx.Response]]:
    """An atomic upload that waits for a row."""
    await post(client, "gate", {"a": 0})
    async with locked(connection, organization_id, "gate"):
        uploading = asyncio.create_task(upload(client, "lines", [item("gate", a=1)], "atomic"))
        while not await connection.fetchval(ANYBODY_WAITS):
            pass
        yield uploading
    assert (await uploading).json() == taken(1)


async def test_uploads_that_wait_hold_no_connection(
    client: httpx.AsyncClient,
    shared: Service,
    organization: str,
    busy: asyncio.Task[httpx.Response],
    connection: Connection,
) -> None:
    waiting = [
        asyncio.create_task(upload(client, "lines", [item(f"r{n}", a=n)], "atomic")) for n in range(40)
    ]
    other = await shared.client(f"another {organization}")
    for n in range(20):
        await post(other, f"r{n}", {"a": n})
        assert await scores_of(other, f"r{n}") == {"a": n}
    assert (await upload(other, "lines", [item("r", a=1)], "atomic")).json() == taken(1)
    assert await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted") == 1
    assert not any(task.done() for task in (busy, *waiting))
    for task in waiting:
        task.cancel()


async def test_upload_whose_client_has_gone_is_not_carried_out(
    client: httpx.AsyncClient, shared: Service, organization: str, busy: asyncio.Task[httpx.Response]
) -> None:
    leaving = await shared.client(organization)
    with pytest.raises(httpx.ReadTimeout):
        await leaving.post(PATH, content=line("left", a=1), headers=LINES, timeout=0.2)
    await leaving.aclose()
    await asyncio.sleep(2 * upload_turns._LOOK_S)
    assert not busy.done()
    assert (await client.get("/v1/request/left")).status_code == 404


async def test_upload_beside_one_of_another_service_is_refused_in_words(
    start_service: StartService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits for a while; the lock is one of PostgreSQL."""
    monkeypatch.setattr(upload_turns, "_WAIT_IN_DATABASE_S", 0.1)
    service = await start_service()
    client = await service.client()
    await post(client, "gate", {"a": 0})
    own = await asyncpg.connect(service.dsn)
    try:
        async with own.transaction():
            await own.execute(
                "SELECT pg_advisory_xact_lock(727651802, id) FROM organization WHERE name = 'default'"
            )
            refused = await upload(client, "lines", [item("r", a=1)], "atomic")
            assert (refused.status_code, refused.json()["error"]) == (503, IN_PROGRESS)
            assert refused.headers["retry-after"] == "1"
    finally:
        await own.close()
    assert (await upload(client, "lines", [item("r", a=1)], "atomic")).json() == taken(1)


async def test_turn_that_takes_too_long_is_refused() -> None:
    turns = UploadTurns(wait_s=0.05)
    async with turns.turn(1, lambda: None), turns.turn(2, lambda: None):
        with pytest.raises(Unavailable, match=IN_PROGRESS):
            await turns.turn(1, lambda: None).__aenter__()
    async with turns.turn(1, lambda: None):
        pass


# Too large


@pytest.mark.parametrize("mode", ["atomic", "partial"])
async def test_upload_over_the_limit_is_refused(start_service: StartService, mode: str) -> None:
    service = await start_service(max_upload_bytes=4096)
    client = await service.client()
    lines = b"".join(line(f"r{n}", a=n) + b"\n" for n in range(1000))
    for content, headers in (lines, LINES), (gzip.compress(lines), GZIP), (b"\n" * 5000, LINES):
        response = await client.post(f"{PATH}?mode={mode}", content=content, headers=headers)
        assert (response.status_code, response.json()) == (
            413,
            {"data": None, "error": "the body is larger than the limit of 4096 bytes: send it in parts"},
        )


async def test_json_upload_of_any_layout_is_read(client: httpx.AsyncClient) -> None:
    """Its items become lines, and it is read in another process."""
    padding = b" \n" * 150_000
    body = (
        b'{"items": ['
        + b", \n".join(
            padding * (n == 0) + b'{"requestId": "r%d",\n "scores": {"a": %d}}' % (n, n) for n in range(3)
        )
        + b'], "mode": "partial"}'
    )
    response = await client.post(PATH, content=body, headers={"Content-Type": "application/json"})
    assert response.json() == taken(3)
    assert [await scores_of(client, f"r{n}") for n in range(3)] == [{"a": n} for n in range(3)]


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Let every write beyond that size of a file fail."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


class Disk(NamedTuple):
    total: int
    free: int


async def test_spool_asks_for_free_space_before_it_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Disk(100 << 20, 5 << 20))
    with pytest.raises(Unavailable, match=FULL):
        async with Spool() as spool:
            await spool.add([b"x" * upload_spool.IN_MEMORY_BYTES])


async def test_spool_that_cannot_be_written_is_unavailable() -> None:
    some = [b"x" * upload_spool.IN_MEMORY_BYTES]
    async with Spool() as spool:
        await spool.add(some)
        with file_size_limit(upload_spool.IN_MEMORY_BYTES + 1000), pytest.raises(Unavailable, match=FULL):
            await spool.add(some)


@pytest.mark.parametrize("count", [0, 1, 3])
async def test_spool_is_read_as_often_as_wanted(count: int) -> None:
    added = [b"%d" % n * upload_spool.IN_MEMORY_BYTES for n in range(count)] + [b"last"]
    async with Spool() as spool:
        for some in added:
            await spool.add([some, b"short"])
        for _ in range(2):
            read = b"".join([piece async for piece in spool.pieces()])
            assert read == b"".join(some + b"\nshort\n" for some in added)
