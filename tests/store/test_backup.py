"""Backups of real databases by the real programs: whole or not at all, and no database's ids in another."""

from __future__ import annotations

import asyncio
import stat
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from heliscore.domain.api_key import mint_key
from heliscore.domain.errors import BackupError
from heliscore.postgres import backup, client_tools
from heliscore.postgres.binaries import find_binaries
from heliscore.settings import Settings
from heliscore.store import event_cursor, events, keys, organizations, score_counts
from heliscore.store.connections.pool import Connection, open_database
from heliscore.store.schema import bootstrap
from heliscore.store.schema.migrations import migrate, read_migrations
from heliscore.store.score_counts import NOTHING

from tests.api import calls
from tests.api.envelope import post
from tests.conftest import Service, StartService
from tests.dashboard.conftest import csrf_token
from tests.store import schema

pytestmark = pytest.mark.slow

FLEETING = {"event", "event_cursor"}
"""About transactions of one server: without rows in a backup."""

TABLES = sorted(set(backup.find_tables()) - {"rate_window"} - FLEETING)

TIMEOUT_S = 20

Rows = dict[str, list[str]]


async def connect(dsn: str) -> asyncpg.Connection[asyncpg.Record]:
    return await asyncpg.connect(dsn)


async def read_all(dsn: str) -> Rows:
    """Every row of every table, and where the sequences are."""
    connection = await connect(dsn)
    try:
        rows = {
            table: [row for (row,) in await connection.fetch(f"SELECT t::text FROM {table} AS t ORDER BY 1")]
            for table in TABLES
            if await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", table)
        }
        sequences = await connection.fetch("SELECT sequencename, last_value FROM pg_sequences ORDER BY 1")
        return rows | {"sequences": [str(tuple(row)) for row in sequences]}
    finally:
        await connection.close()


async def back_up(dsn: str, file: Path, *, overwrite: bool = False) -> int:
    connection = await connect(dsn)
    found = await backup.find_schema(connection)
    await connection.close()
    assert found is not None
    return await asyncio.to_thread(backup.write_backup, dsn, found, file, lambda _: None, overwrite=overwrite)


async def restore(dsn: str, file: Path, *, replace: bool = False) -> None:
    """What the command does."""
    backup.check_backup(file)
    connection = await connect(dsn)
    existing = await backup.find_schema(connection) is not None
    await connection.close()
    await asyncio.to_thread(
        backup.restore_backup, dsn, file, lambda _: None, existing=existing, replace=replace
    )
    connection = await connect(dsn)
    await bootstrap.migrate(connection)
    await backup.analyze(connection)
    await connection.close()


async def fill(service: Service) -> str:
    """Have every kind of row written, in two organizations; returns a key of the first."""
    key = await service.make_key("one")
    connection = await connect(service.dsn)
    await calls.make_monitor(connection, await organizations.ensure(connection, "one"), "old")
    await calls.make_queue(connection, await organizations.ensure(connection, "one"), "old")
    await connection.close()
    for client in (await service.client(key=key), await service.client("two")):
        for endpoint in calls.PROTECTED:
            if endpoint.method != "DELETE" and endpoint.path != "/v1/api-keys/{id}":
                await calls.call(client, endpoint)
        keyed = {"Idempotency-Key": "k"}
        await client.post("/v1/request/r/score", json={"scores": {"a": 1}}, headers=keyed)
    async with httpx.AsyncClient(base_url=service.address, timeout=30) as person:
        await person.post("/sign-in", data={"key": key})
        await person.post("/sign-out", data={"csrf": await csrf_token(person)})
    await fill_events(service.dsn)
    await fill_counts(service.dsn)
    await (await service.client("two")).post("/v1/request/r/score", json={"scores": {"a": 2}})
    return key


async def fill_counts(dsn: str) -> None:
    """Have scores counted as if their day were over, and a name that is to be counted."""
    database = await open_database(Settings(database_url=dsn), size=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(score_counts, "_LEAST_GROUPED", 1)
        later = datetime.now(UTC) + timedelta(days=2)
        while await score_counts.count_touched(database, later, settling=timedelta(0)) != NOTHING:
            pass
    async with database.connection() as connection:
        await connection.execute("INSERT INTO uncounted_name (organization_id, name_id) VALUES (0, 0)")
    await database.close()


async def fill_events(dsn: str) -> None:
    """Have an event, which is for no destination, and wait until the service has worked through it."""
    connection = await connect(dsn)
    one = await organizations.ensure(connection, "one")
    await calls.make_destination(connection, one, "ours")
    await events.set_interest(connection, one, ["score.recorded"], "destination", None)
    await events.publish_alert(connection, one, "alert.firing", {"destinations": []})
    deadline = time.monotonic() + TIMEOUT_S
    while await event_cursor.find_places(connection, await event_cursor.look(connection)):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
    await connection.close()


READS = [
    ("/v1/request/query", {"filter": "all", "limit": 1000}),
    ("/v1/evals/compare", {"filter": "all", "scores": [calls.SCORE], "groupBy": {"property": "env"}}),
    ("/v1/property/query", {}),
]


async def read_answers(client: httpx.AsyncClient) -> list[Any]:
    answers = [await client.post(path, json=body) for path, body in READS]
    assert {answer.status_code for answer in answers} == {200}
    read = [answer.json() for answer in answers]
    for row in read[0]["data"]:
        del row["signed_body_url"]  # begins with the service's own address
    return read


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "scores.backup"


def size_and_mode(file: Path) -> tuple[int, int]:
    return file.stat().st_size, stat.S_IMODE(file.stat().st_mode)


@pytest.fixture
def precious(file: Path) -> Path:
    """A file that is there already."""
    file.write_text("precious")
    return file


def assert_untouched(precious: Path) -> None:
    assert precious.read_text() == "precious"
    assert list(precious.parent.iterdir()) == [precious]


# Round trips


async def test_restored_database_is_the_same_to_the_last_row(
    service: Service, start_service: StartService, empty_dsn: str, file: Path
) -> None:
    key = await fill(service)
    before = await read_all(service.dsn)
    assert [table for table, rows in before.items() if not rows] == []
    size = await back_up(service.dsn, file)
    assert size_and_mode(file) == (size, 0o600)
    await restore(empty_dsn, file)
    assert await read_all(empty_dsn) == before
    assert schema.dump(empty_dsn) == schema.dump(service.dsn)
    restored = await start_service(database_url=empty_dsn)
    answers = [await read_answers(await one.client(key=key)) for one in (service, restored)]
    assert answers[0] == answers[1]
    assert answers[0][0]["data"]


async def test_events_are_left_out_and_published_again_after_a_restore(
    service: Service, start_service: StartService, empty_dsn: str, file: Path
) -> None:
    key = await fill(service)
    await back_up(service.dsn, file)
    await restore(empty_dsn, file)
    connection = await connect(empty_dsn)
    for table in FLEETING:
        assert await connection.fetchval(f"SELECT count(*) FROM {table}") == 0
    restored = await start_service(database_url=empty_dsn)
    await post(await restored.client(key=key), "r", {"a": 7})
    found = await connection.fetch("SELECT type, value FROM event")
    await connection.close()
    assert [tuple(row) for row in found] == [("score.recorded", 7)]


async def test_file_is_a_snapshot_of_one_moment(service: Service, empty_dsn: str, file: Path) -> None:
    client = await service.client()
    acknowledged = 0
    enough = False

    async def post_the_next() -> None:
        nonlocal acknowledged
        scores = {"first": acknowledged + 1, "second": acknowledged + 1}
        assert (await client.post("/v1/request/r/score", json={"scores": scores})).status_code == 200
        acknowledged += 1

    async def post_until_enough() -> None:
        while not enough:
            await post_the_next()

    await post_the_next()
    posting = asyncio.create_task(post_until_enough())
    before = after = acknowledged
    while before == after and not posting.done():  # on a slow disk a post may take as long as a whole backup
        before = acknowledged
        await back_up(service.dsn, file, overwrite=True)
        after = acknowledged
    enough = True
    await posting
    await restore(empty_dsn, file)
    connection = await connect(empty_dsn)
    first, second = [value for (value,) in await connection.fetch("SELECT value FROM score")]
    await connection.close()
    assert before < after
    assert first == second
    assert before <= first <= after + 1


async def test_replaced_database_holds_the_backup_and_nothing_else(service: Service, file: Path) -> None:
    await fill(service)
    before = await read_all(service.dsn)
    await back_up(service.dsn, file)
    client = await service.client("three")
    assert (await client.post("/v1/request/new/score", json={"scores": {"new": 1}})).status_code == 200
    await restore(service.dsn, file, replace=True)
    after = await read_all(service.dsn)
    assert (after.pop("sequences"), after) != (before.pop("sequences"), before)
    assert after == before


async def test_ids_that_were_given_out_after_the_backup_are_not_given_out_again(
    connection: Connection, dsn: str, file: Path
) -> None:
    first = await organizations.ensure(connection, "first")
    await back_up(dsn, file)
    second = await organizations.ensure(connection, "second")
    await restore(dsn, file, replace=True)
    after = await connect(dsn)
    third = await organizations.ensure(after, "third")
    await after.close()
    assert first < second < third


async def test_migrated_database_without_data_takes_a_backup(
    service: Service, empty_dsn: str, file: Path
) -> None:
    await fill(service)
    await back_up(service.dsn, file)
    connection = await connect(empty_dsn)
    await bootstrap.migrate(connection)
    await connection.close()
    await restore(empty_dsn, file)
    after, before = await read_all(empty_dsn), await read_all(service.dsn)
    assert after == before


@pytest.mark.parametrize("count", range(2, len(read_migrations())))
async def test_old_backup_is_brought_up_to_date(
    connection: Connection, dsn: str, empty_dsn: str, file: Path, count: int
) -> None:
    old = await connect(empty_dsn)
    await migrate(old, read_migrations()[:count])
    await organizations.ensure(old, "old")
    await old.close()
    await back_up(empty_dsn, file)
    await organizations.ensure(connection, "new")
    await restore(dsn, file, replace=True)
    assert schema.dump(dsn) == schema.PATH.read_text(encoding="utf-8")
    after = await connect(dsn)
    assert await after.fetchval("SELECT array_agg(name) FROM organization") == ["old"]
    await after.close()


async def test_what_else_is_in_the_database_stays_out_of_it(
    connection: Connection, dsn: str, empty_dsn: str, file: Path
) -> None:
    await organizations.ensure(connection)
    await connection.execute("CREATE TABLE stranger AS SELECT 1 AS n")
    await back_up(dsn, file)
    await restore(dsn, file, replace=True)
    assert await connection.fetchval("SELECT n FROM stranger") == 1
    await restore(empty_dsn, file)
    other = await connect(empty_dsn)
    assert await other.fetchval("SELECT to_regclass('stranger')") is None
    await other.close()


# What cannot be


async def test_database_with_data_is_left_alone_without_replace(
    connection: Connection, dsn: str, file: Path
) -> None:
    await back_up(dsn, file)
    await organizations.ensure(connection)
    assert await backup.find_data(connection) == ["organization"]
    before = await read_all(dsn)
    with pytest.raises(BackupError, match="data has come in since it was looked at"):
        await restore(dsn, file)
    assert await read_all(dsn) == before


async def test_existing_file_is_overwritten_only_if_that_is_wanted(dsn: str, precious: Path) -> None:
    with pytest.raises(BackupError) as raised:
        await back_up(dsn, precious)
    assert str(raised.value) == f"{precious} exists already; --force overwrites it"
    assert_untouched(precious)
    await back_up(dsn, precious, overwrite=True)
    backup.check_backup(precious)


def test_failed_backup_leaves_the_old_one_and_nothing_else(dsn: str, precious: Path) -> None:
    nowhere = dsn.replace("/test_", "/nowhere_")
    with pytest.raises(BackupError, match=r'^no backup was made: .*database "nowhere_\w+" does not exist$'):
        backup.write_backup(nowhere, "public", precious, lambda _: None, overwrite=True)
    assert_untouched(precious)


def test_folder_that_does_not_exist_is_told(dsn: str, tmp_path: Path) -> None:
    file = tmp_path / "nowhere" / "scores.backup"
    with pytest.raises(BackupError) as raised:
        backup.write_backup(dsn, "public", file, lambda _: None, overwrite=False)
    assert str(raised.value) == f"cannot write {file}: No such file or directory"


Spoil = Callable[[bytes], bytes]

SPOILT: dict[str, tuple[Spoil, str]] = {
    "empty": (lambda _: b"", "input file is too short"),
    "text": (lambda _: b"SELECT 1;\n" * 1000, "input file does not appear to be a valid tar archive"),
    "head only": (lambda whole: whole[:200], "could not read from input file: end of file"),
    "cut in the middle": (lambda whole: whole[: len(whole) // 2], "(end of file|possibly corrupt archive)"),
    "last byte missing": (lambda whole: whole[:-1], "could not read from input file: end of file"),
    "a bit turned": (
        lambda whole: whole[: (at := len(whole) * 3 // 4)] + bytes([whole[at] ^ 1]) + whole[at + 1 :],
        "could not uncompress data",
    ),
}


@pytest.mark.parametrize("case", SPOILT)
async def test_spoilt_file_changes_nothing(connection: Connection, dsn: str, file: Path, case: str) -> None:
    spoil, message = SPOILT[case]
    organization_id = await organizations.ensure(connection)
    await connection.execute(
        "INSERT INTO request (organization_id, request_id, created_at, updated_at)"
        " SELECT $1, md5(n::text), now(), now() FROM generate_series(1, 20000) AS n",
        organization_id,
    )
    await back_up(dsn, file)
    await organizations.ensure(connection, "since then")
    before = await read_all(dsn)
    await asyncio.to_thread(lambda: file.write_bytes(spoil(file.read_bytes())))
    with pytest.raises(BackupError, match=message) as raised:
        await restore(dsn, file, replace=True)
    assert "\n" not in str(raised.value)
    assert await read_all(dsn) == before


async def test_restore_that_the_database_refuses_changes_nothing(
    connection: Connection, dsn: str, file: Path
) -> None:
    await organizations.ensure(connection)
    await back_up(dsn, file)
    await connection.execute("CREATE VIEW stranger AS SELECT name FROM organization")
    before = await read_all(dsn)
    with pytest.raises(BackupError, match="nothing was changed: cannot drop desired object"):
        await restore(dsn, file, replace=True)
    assert await read_all(dsn) == before


def test_missing_file_is_told(file: Path) -> None:
    with pytest.raises(BackupError) as raised:
        backup.check_backup(file)
    assert str(raised.value) == f"cannot read {file}: No such file or directory"


def test_backup_of_something_else_is_refused(empty_dsn: str, file: Path) -> None:
    flags = ["--format=custom", f"--file={file}", f"--dbname={empty_dsn}"]
    subprocess.run([find_binaries() / "pg_dump", *flags], check=True, timeout=120)
    with pytest.raises(BackupError) as raised:
        backup.check_backup(file)
    assert str(raised.value) == f"{file} is not a backup of Heliscore"


async def test_newer_version_is_refused_on_either_side(
    connection: Connection, dsn: str, empty_dsn: str, file: Path
) -> None:
    await connection.execute("INSERT INTO schema_migration VALUES (9000, '9000_future', 'x')")
    with pytest.raises(BackupError) as raised:
        await backup.find_schema(connection)
    message = "is of a newer version of Heliscore, which has migration 9000_future"
    assert str(raised.value) == f"the database {message}"
    await asyncio.to_thread(backup.write_backup, dsn, "public", file, lambda _: None, overwrite=False)
    with pytest.raises(BackupError) as raised:
        await restore(empty_dsn, file)
    assert str(raised.value) == f"{file} {message}"


@pytest.mark.parametrize(
    ("dsn", "address", "password"),
    [
        (
            "postgresql://u:s%40fe@h1:1,h2:2/d?sslmode=prefer",
            "postgresql://u@h1:1,h2:2/d?sslmode=prefer",
            "s@fe",
        ),
        ("postgresql://u:p@ss@h/d", "postgresql://u@h/d", "p@ss"),
        ("postgresql://u@h/d?password=a%20b&host=%2Ftmp", "postgresql://u@h/d?host=%2Ftmp", "a b"),
        ("postgresql://h/d", "postgresql://h/d", None),
    ],
)
def test_password_is_kept_from_the_command_line(dsn: str, address: str, password: str | None) -> None:
    assert client_tools.split_password(dsn) == (address, password)


# Under a running service


async def test_service_never_mixes_the_ids_of_two_databases(
    service: Service, empty_dsn: str, file: Path
) -> None:
    """The restored database knows the same organizations, keys and names under each other's ids."""
    secrets = {name: mint_key() for name in ("one", "two")}

    async def arrange(dsn: str, owners: list[str], names: list[str]) -> None:
        connection = await connect(dsn)
        await bootstrap.migrate(connection)
        for owner in owners:
            id_ = await organizations.ensure(connection, owner)
            await keys.register(connection, id_, secrets[owner], name="test")
            for name in names:
                await connection.execute(
                    "INSERT INTO score_name (organization_id, name) VALUES ($1, $2)", id_, name
                )
        await connection.close()

    await arrange(service.dsn, ["one", "two"], ["low", "high"])
    await arrange(empty_dsn, ["two", "one"], ["high", "low"])
    await back_up(empty_dsn, file)

    restored = asyncio.Event()
    answered: set[tuple[str, int]] = set()
    taken: list[tuple[str, str]] = []
    error_response = 0

    async def post(organization: str, worker: int) -> None:
        nonlocal error_response
        client = await service.client(key=secrets[organization])
        number, until = 0, None
        while until is None or time.monotonic() < until:
            number += 1
            request_id = f"{organization}-{worker}-{number}"
            begun_after = restored.is_set()
            scores = {"low": number, "high": 1_000_000 + number}
            response = await client.post(f"/v1/request/{request_id}/score", json={"scores": scores})
            answered.add((organization, worker))
            if response.status_code == 200 and begun_after:
                taken.append((organization, request_id))
                until = until or time.monotonic() + 0.5
            elif response.status_code != 200:
                assert (response.status_code, response.headers["retry-after"]) == (503, "1")
                error_response += 1
                await asyncio.sleep(0.01)

    posting = [asyncio.create_task(post(name, worker)) for name in secrets for worker in range(4)]
    while len(answered) < len(posting):  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    await restore(service.dsn, file, replace=True)
    restored.set()
    async with asyncio.timeout(60):
        await asyncio.gather(*posting)
    assert error_response

    connection = await connect(service.dsn)
    rows = await connection.fetch(
        "SELECT o.name AS organization, r.request_id, n.name, n.organization_id = o.id AS own, s.value"
        " FROM score AS s"
        " LEFT JOIN score_name AS n ON n.id = s.name_id"
        " LEFT JOIN request AS r ON r.request_no = s.request_no AND r.organization_id = s.organization_id"
        " LEFT JOIN organization AS o ON o.id = s.organization_id"
    )
    await connection.close()
    found = {(row["organization"], row["request_id"]) for row in rows}
    for organization, request_id, name, own, value in rows:
        assert own
        assert request_id.startswith(f"{organization}-")
        assert name == ("high" if value > 1_000_000 else "low")
    assert taken
    assert set(taken) <= found
