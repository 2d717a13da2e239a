"""backup, restore and prune as commands: on a database elsewhere and on our own, served or not."""

from __future__ import annotations

import asyncio
import re
import resource
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import httpx
import pytest
from heliscore.store.connections.pool import Connection

from tests.conftest import at_database
from tests.test_cli import (
    HELISCORE,
    TIMEOUT_S,
    Run,
    Served,
    assert_fails,
    environment,
    run,
    run_with,
    serving,
)

__all__ = ["run"]

SCORE = {"scores": {"accuracy": 95}}

PG_DUMP_WAITS = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'heliscore pg_dump' AND wait_event_type = 'Lock'
"""


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A data folder to be, which all may enter: as root, PostgreSQL runs as another user."""
    parent = Path(tempfile.mkdtemp(prefix="heliscore-keeping-"))
    parent.chmod(0o755)
    yield parent / "data"
    shutil.rmtree(parent)


def execute(dsn: str, statement: str, *arguments: object) -> object:
    async def connect_and_execute() -> object:
        connection = await asyncpg.connect(dsn)
        try:
            return await connection.fetchval(statement, *arguments)
        finally:
            await connection.close()

    return asyncio.run(connect_and_execute())


def list_names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def wrote(finished: subprocess.CompletedProcess[str], file: Path) -> bool:
    return finished.stdout == f"wrote {file.stat().st_size:,} bytes to {file}\n"


def test_backup_of_one_database_is_restored_into_another(run: Run, empty_dsn: str, tmp_path: Path) -> None:
    file = tmp_path / "scores.backup"
    key = run("keys", "create", "--name", "the judge's").stdout.strip()
    assert wrote(run("backup", str(file)), file)
    restored = run("restore", str(file), DATABASE_URL=empty_dsn)
    assert restored.stdout == f"restored {file}\n"
    listed = [run("keys", "list", **given).stdout for given in ({}, {"DATABASE_URL": empty_dsn})]
    assert listed[0] == listed[1]
    assert listed[0].endswith(f"…{key[-4:]}\trw\tvalid\t\t\tthe judge's\n")
    noted = "SELECT array_agg(action ORDER BY id) FROM audit_entry"
    assert execute(empty_dsn, noted) == ["key.made", "database.restored"]


def test_database_with_data_is_replaced_only_if_that_is_wanted(run: Run, dsn: str, tmp_path: Path) -> None:
    file = tmp_path / "scores.backup"
    run("backup", str(file))
    run("keys", "create")
    message = "the database holds data (api_key, audit_entry, organization); --replace replaces all of it"
    assert_fails(run_with("restore", str(file), DATABASE_URL=dsn), message)
    assert run("keys", "list").stdout
    run("restore", "--replace", str(file))
    assert run("keys", "list").stdout == ""


def test_file_is_overwritten_only_if_that_is_wanted(run: Run, dsn: str, tmp_path: Path) -> None:
    file = tmp_path / "scores.backup"
    file.write_text("precious")
    finished = run_with("backup", str(file), DATABASE_URL=dsn)
    assert_fails(finished, f"{file} exists already; --force overwrites it")
    assert wrote(run("backup", "--force", str(file)), file)


def test_own_database_is_backed_up_and_restored_with_and_without_its_service(
    data_dir: Path, tmp_path: Path
) -> None:
    file, own = tmp_path / "scores.backup", {"DATA_DIR": str(data_dir)}

    def command(*arguments: str, said: str = "") -> None:
        finished = run_with(*arguments, **own)
        assert (finished.returncode, finished.stderr) == (0, said)

    def get(address: str, request_id: str) -> int:
        return httpx.get(f"{address}/v1/request/{request_id}", headers=headers, timeout=30).status_code

    def post(address: str, request_id: str) -> None:
        posted = httpx.post(
            f"{address}/v1/request/{request_id}/score", json=SCORE, headers=headers, timeout=30
        )
        assert posted.status_code == 200

    def stop(served: Served) -> None:
        # The log says that the database was replaced; that is all it may say.
        served.process.send_signal(signal.SIGTERM)
        served.process.communicate(timeout=TIMEOUT_S)
        assert served.process.returncode == 0

    with serving() as serve:
        served = serve("--port", "0", API_KEY="Wq7-kestrel-lantern-59", **own)
        headers = {"Authorization": "Bearer Wq7-kestrel-lantern-59"}
        address = served.wait_until_ready()
        post(address, "before")
        command("backup", str(file))
        post(address, "after")
        command("restore", "--replace", str(file))
        # The first call finds out, and is told to come again.
        statuses = [get(address, "before") for _ in range(2)]
        assert (statuses[0] in (200, 503), statuses[1]) == (True, 200)
        assert get(address, "after") == 404
        post(address, "since then")
        stop(served)

        said = f"no service runs on {data_dir} (HELISCORE_DATA_DIR): this command uses the database there\n"
        command("restore", "--replace", str(file), said=said)
        command("backup", "--force", str(file), said=said)
        served = serve("--port", "0", **own)
        address = served.wait_until_ready()
        assert [get(address, name) for name in ("before", "after", "since then")] == [200, 404, 404]
        stop(served)


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_unreachable_database_is_one_line_without_the_password(
    command: str, run: Run, tmp_path: Path
) -> None:
    file = tmp_path / "scores.backup"
    if command == "restore":
        run("backup", str(file))
    dsn = "postgresql://user:secret@127.0.0.1:1/db"
    finished = run_with(command, str(file), DATABASE_URL=dsn)
    assert_fails(finished, re.compile("cannot connect to the database: .+"))
    assert "secret" not in finished.stderr


def test_database_without_tables_has_nothing_to_back_up(empty_dsn: str, tmp_path: Path) -> None:
    finished = run_with("backup", str(tmp_path / "scores.backup"), DATABASE_URL=empty_dsn)
    assert_fails(finished, "there is nothing to back up in the database")
    assert list_names(tmp_path) == []


def test_missing_file_is_one_line(dsn: str, tmp_path: Path) -> None:
    file = tmp_path / "nowhere"
    finished = run_with("restore", str(file), DATABASE_URL=dsn)
    assert_fails(finished, f"cannot read {file}: No such file or directory")


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_pgbouncer_is_refused(command: str, dsn: str, tmp_path: Path) -> None:
    finished = run_with(command, str(tmp_path / "scores.backup"), DATABASE_URL=dsn, PGBOUNCER="true")
    assert_fails(finished, "HELISCORE_DATABASE_URL must lead to the server itself, not to a PgBouncer")


def test_backup_that_finds_no_room_leaves_nothing(dsn: str, tmp_path: Path) -> None:
    finished = subprocess.run(
        [HELISCORE, "backup", tmp_path / "scores.backup"],
        env=environment(DATABASE_URL=dsn),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert_fails(finished, re.compile("no backup was made: .+"))
    assert list_names(tmp_path) == []


@pytest.mark.parametrize(("signum", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
async def test_backup_that_is_told_to_end_leaves_nothing(
    dsn: str, connection: Connection, tmp_path: Path, signum: signal.Signals, status: int
) -> None:
    holder = await asyncpg.connect(dsn)
    async with holder.transaction():
        await holder.execute("LOCK TABLE score IN ACCESS EXCLUSIVE MODE")
        process = await asyncio.create_subprocess_exec(
            HELISCORE,
            "backup",
            tmp_path / "scores.backup",
            env=environment(DATABASE_URL=dsn),
            stderr=asyncio.subprocess.PIPE,
        )
        # pg_dump waits for the lock; its file is there.
        async with asyncio.timeout(TIMEOUT_S):
            while not await connection.fetchval(PG_DUMP_WAITS):
                pass
        process.send_signal(signum)
        _, errors = await process.communicate()
    await holder.close()
    assert (process.returncode, errors.strip(), list_names(tmp_path)) == (status, b"", [])


# prune


def test_prune_deletes_what_is_older(run: Run, dsn: str) -> None:
    run("keys", "create")
    for name, days in (("old", 31), ("young", 29)):
        execute(
            dsn,
            "INSERT INTO request (organization_id, request_id, created_at, updated_at)"
            " SELECT id, $1, $2, $2 FROM organization",
            name,
            datetime.now(UTC) - timedelta(days=days),
        )
    assert run("prune", "--days", "30").stdout == "deleted 1 requests with 0 scores\n"
    assert execute(dsn, "SELECT array_agg(request_id) FROM request") == ["young"]
    assert run("prune", "--days", "30").stdout == "deleted 0 requests with 0 scores\n"
    done = run("prune", "--days", "30", "--history-days", "7").stdout
    assert done == "deleted 0 requests with 0 scores\ndeleted 0 changes of scores\n"
    assert run("prune", "--history-days", "7").stdout == "deleted 0 changes of scores\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Missing option '--days' or '--history-days'."),
        (["--days", "0"], "Invalid value for '--days': 0 is not in the range 1<=x<=36500."),
        (["--days", "many"], "Invalid value for '--days': 'many' is not a valid integer range."),
    ],
    ids=str,
)
def test_prune_takes_no_less_than_a_day(arguments: list[str], message: str) -> None:
    assert_fails(run_with("prune", *arguments), message)


def test_prune_of_a_database_that_is_not_there_is_one_line(server: str) -> None:
    finished = run_with("prune", "--days", "1", DATABASE_URL=at_database(server, "nowhere"))
    assert_fails(finished, 'cannot connect to the database: database "nowhere" does not exist')
