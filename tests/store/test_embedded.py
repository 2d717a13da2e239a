"""The embedded server on real processes: durability, ownership, orphans, every way to run it as root."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import asyncpg
import heliscore
import pytest
from heliscore.domain.errors import DataFolderInUse, EmbeddedServerError
from heliscore.postgres import binaries, leftover_processes, os_user
from heliscore.postgres.embedded import EmbeddedPostgres
from heliscore.postgres.server_settings import SETTINGS

from tests.servers import children
from tests.test_cli import wait_until_gone

pytestmark = pytest.mark.slow

ROOT = os.geteuid() == 0
TIMEOUT_S = 30

OWNER = """
import sys, time
from pathlib import Path
from heliscore.postgres import embedded, os_user
if "orphan" in sys.argv:
    os_user._LIBC.prctl = lambda *_: 0
print(embedded.EmbeddedPostgres(Path(sys.argv[1])).start(), flush=True)
time.sleep(60)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A data folder to be, that only we can reach: for root this means a user namespace."""
    parent = Path(tempfile.mkdtemp(prefix="heliscore-test-"))
    yield parent / "data"
    shutil.rmtree(parent)


@pytest.fixture(params=[0o700, 0o755], ids=["private", "public"])
def any_folder(request: pytest.FixtureRequest, folder: Path, cluster: Path) -> Path:
    """A data folder with a cluster, first private, then one that all can reach: for root, another user."""
    folder.parent.chmod(request.param)
    shutil.copytree(cluster, folder / "pgdata")
    return folder


Owner = subprocess.Popen[str]


@pytest.fixture
def start_owner() -> Iterator[Callable[..., Owner]]:
    """Start another process that owns a server over the folder."""
    started: list[Owner] = []

    def start(folder: Path, *arguments: str) -> Owner:
        command = [sys.executable, "-c", OWNER, str(folder), *arguments]
        environment = {**os.environ, "PYTHONPATH": str(Path(heliscore.__file__).parents[1])}
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment))
        return started[-1]

    yield start
    for process in started:
        kill(process)


def run(dsn: str, statement: str) -> object:
    async def connect_and_run() -> object:
        connection = await asyncpg.connect(dsn, timeout=TIMEOUT_S)
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    return asyncio.run(connect_and_run())


def kill(process: Owner) -> None:
    process.kill()
    process.wait()
    if process.stdout:
        process.stdout.close()


def dsn_of(process: Owner) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def postmaster(folder: Path) -> int:
    return int((folder / "pgdata" / "postmaster.pid").read_text().split("\n")[0])


def postgres_lives(folder: Path) -> bool:
    with (folder / "postgres.lock").open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_data_survives_stop_and_start(any_folder: Path) -> None:
    server = EmbeddedPostgres(any_folder)
    with server:
        assert server.running
    assert not server.running
    run(server.start(), "CREATE TABLE kept AS SELECT 7 AS n")
    server.stop()
    server.stop()
    assert not server.running
    try:
        assert run(server.start(), "SELECT n FROM kept") == 7
    finally:
        server.stop()


def test_server_has_our_settings(folder: Path) -> None:
    server = EmbeddedPostgres(folder)
    try:
        dsn = server.start()
        settings = {name: run(dsn, f"SHOW {name}") for name in SETTINGS}
        collation = run(
            dsn, "SELECT concat(datlocprovider, datlocale) FROM pg_database WHERE datname = 'postgres'"
        )
        encoding = run(dsn, "SHOW server_encoding")
    finally:
        server.stop()
    assert (settings, collation, encoding) == (SETTINGS, "bC.UTF-8", "UTF8")


def test_socket_is_closed_to_other_users(any_folder: Path) -> None:
    with EmbeddedPostgres(any_folder):
        modes = [(any_folder / name).stat().st_mode & 0o777 for name in ("sockets", "pgdata")]
    assert modes == [0o700, 0o700]


def account(*names: str) -> pwd.struct_passwd:
    """The first of these users that there is."""
    return next(entry for name in names for entry in pwd.getpwall() if entry.pw_name == name)


def owners_of(folder: Path) -> set[int]:
    return {path.stat().st_uid for path in (folder / "pgdata").rglob("*")}


def test_root_runs_it_as_another_user(any_folder: Path) -> None:
    """In a folder that others cannot reach the files stay root's."""
    with EmbeddedPostgres(any_folder):
        owners = owners_of(any_folder)
    reached = ROOT and any_folder.parent.stat().st_mode & 0o005
    assert owners == {account(os_user.ACCOUNT, "nobody").pw_uid if reached else os.geteuid()}


@pytest.mark.skipif(not ROOT, reason="only root runs it as another user")
def test_cluster_that_nobody_owns_stays_so(folder: Path, cluster: Path) -> None:
    """As earlier versions made it."""
    folder.parent.chmod(0o755)
    shutil.copytree(cluster, folder / "pgdata")
    nobody = account("nobody")
    os_user.OsUser(nobody.pw_uid, nobody.pw_gid).take(folder / "pgdata")
    with EmbeddedPostgres(folder) as dsn:
        assert run(dsn, "SELECT 7") == 7
    assert owners_of(folder) == {nobody.pw_uid}


@pytest.mark.skipif(not ROOT, reason="only root runs it as another user")
def test_new_folder_gets_a_user_where_one_can_be_made(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here under another name, which goes away again."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    monkeypatch.setattr(os_user, "ACCOUNT", name)
    folder.parent.chmod(0o755)
    try:
        with EmbeddedPostgres(folder) as dsn:
            assert run(dsn, "SELECT 7") == 7
        made = account(name, "nobody")
        assert owners_of(folder) == {made.pw_uid}
        if made.pw_name == name:
            assert made[5:] == ("/nonexistent", "/usr/sbin/nologin")
    finally:
        subprocess.run(["userdel", name], check=False, capture_output=True)


@pytest.mark.parametrize("fails", ["missing", "refused"])
def test_where_no_user_can_be_made_nobody_runs_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    programs = folder.parent / "programs"
    programs.mkdir()
    if fails == "refused":
        (programs / "useradd").symlink_to("/bin/false")
    monkeypatch.setattr(os_user, "ACCOUNT", "test-never-made")
    monkeypatch.setattr(os_user, "_PROGRAMS", str(programs))
    folder.parent.chmod(0o755)
    with EmbeddedPostgres(folder) as dsn:
        assert run(dsn, "SELECT 7") == 7
    assert owners_of(folder) == {account("nobody").pw_uid if ROOT else os.geteuid()}


@pytest.fixture
def own_binaries() -> Iterator[Path]:
    """The package's binaries, as if the operator had installed them elsewhere."""
    with tempfile.TemporaryDirectory(prefix="heliscore-test-") as parent:
        Path(parent).chmod(0o755)
        package = binaries.find_binaries().parents[1]
        for part in (package, package.with_name(f"{package.name}.libs")):
            Path(parent, part.name).symlink_to(part)
        yield Path(parent, package.name, "pginstall18", "bin")


def test_server_runs_from_the_operators_binaries(any_folder: Path, own_binaries: Path) -> None:
    with EmbeddedPostgres(any_folder, own_binaries) as dsn:
        assert run(dsn, "SELECT 7") == 7
        command = subprocess.run(
            ["ps", "-ww", "-o", "args=", "-p", str(postmaster(any_folder))], capture_output=True, text=True
        ).stdout
    assert command.startswith(f"{own_binaries / 'postgres'} -D ")


@pytest.mark.parametrize(
    ("programs", "error"),
    [
        ({}, "there is no program postgres in {}"),
        ({"postgres": "echo 'postgres (PostgreSQL) 18.9'"}, "there is no program initdb in {}"),
        (
            {"postgres": "echo 'postgres (PostgreSQL) 17.5 (Debian 17.5-1)'", "initdb": ""},
            "{} holds PostgreSQL 17.5, expected 18",
        ),
    ],
    ids=["empty", "incomplete", "another major version"],
)
def test_binaries_that_do_not_fit_are_refused(folder: Path, programs: dict[str, str], error: str) -> None:
    own = folder.parent / "bin"
    own.mkdir()
    for name, script in programs.items():
        (own / name).write_text(f"#!/bin/sh\n{script}\n")
        (own / name).chmod(0o755)
    with pytest.raises(EmbeddedServerError) as raised:
        EmbeddedPostgres(folder, own).start()
    assert str(raised.value) == "HELISCORE_POSTGRES_BIN: " + error.format(own)
    assert not folder.exists()


def test_root_may_open_and_close_the_folder(folder: Path) -> None:
    server = EmbeddedPostgres(folder)
    run(server.start(), "CREATE TABLE kept AS SELECT 7 AS n")
    server.stop()
    for mode in (0o755, 0o700):
        folder.parent.chmod(mode)
        try:
            assert run(server.start(), "SELECT n FROM kept") == 7
        finally:
            server.stop()


def test_server_runs_from_binaries_that_only_we_can_reach(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tempfile.TemporaryDirectory() as home:
        package = binaries.find_binaries().parents[1]
        for part in (package, package.with_name(f"{package.name}.libs")):
            Path(home, part.name).symlink_to(part)
        monkeypatch.setattr(binaries, "find_binaries", lambda: Path(home, package.name, "pginstall18", "bin"))
        folder.parent.chmod(0o755)
        server = EmbeddedPostgres(folder)
        try:
            assert run(server.start(), "SELECT 7") == 7
            server.stop()
            assert run(server.start(), "SELECT 8") == 8
        finally:
            server.stop()
    assert (folder / "postgresql-18").exists() == ROOT


def test_root_without_namespaces_is_told_which_folder_is_closed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os_user._LIBC, "unshare", lambda _: -1)
    server = EmbeddedPostgres(folder)
    if ROOT:
        name = account(os_user.ACCOUNT, "nobody").pw_name
        with pytest.raises(EmbeddedServerError, match=f"{name} .* can use {folder.parent}:"):
            server.start()
    else:
        with server:
            assert server.running


def test_second_owner_is_refused(any_folder: Path) -> None:
    first = EmbeddedPostgres(any_folder)
    with first:
        with pytest.raises(DataFolderInUse) as error:
            EmbeddedPostgres(any_folder).start()
        assert first.running
    assert str(error.value) == f"{any_folder} is in use by another service, process {os.getpid()}"


def test_owners_server_is_found_by_others(any_folder: Path) -> None:
    other = EmbeddedPostgres(any_folder)
    with EmbeddedPostgres(any_folder) as dsn:
        assert other.owners_dsn() == dsn
    with pytest.raises(EmbeddedServerError, match="is not ready, please try again"):
        other.owners_dsn()


def test_acknowledged_row_survives_a_killed_server(any_folder: Path) -> None:
    server = EmbeddedPostgres(any_folder)
    try:
        run(server.start(), "CREATE TABLE kept AS SELECT 7 AS n")
        os.kill(postmaster(any_folder), signal.SIGKILL)
        wait_for(lambda: not server.running)
        server.stop()
        assert run(server.start(), "SELECT n FROM kept") == 7
    finally:
        server.stop()


def test_killed_server_is_restarted_at_the_same_address(any_folder: Path) -> None:
    server = EmbeddedPostgres(any_folder)
    with server as dsn:
        run(dsn, "CREATE TABLE kept AS SELECT 7 AS n")
        os.kill(postmaster(any_folder), signal.SIGKILL)
        wait_for(lambda: not server.running)
        assert server.how_it_ended().startswith("SIGKILL")
        server.restart()
        assert run(dsn, "SELECT n FROM kept") == 7


def test_archive_is_restored_up_to_a_point_in_time(folder: Path, cluster: Path) -> None:
    """As docs/operations/backup.md says."""
    archive, base, restored = (folder.parent / name for name in ("archive", "base", "restored"))
    archive.mkdir()
    shutil.copytree(cluster, folder / "pgdata")
    configure(folder, "archive_mode = on", f"archive_command = 'cp %p {archive}/%f'")
    with EmbeddedPostgres(folder) as dsn:
        run(dsn, "CREATE TABLE kept AS SELECT 'before' AS at")
        tool = binaries.find_binaries() / "pg_basebackup"
        subprocess.run([tool, "--checkpoint=fast", f"--pgdata={base}", f"--dbname={dsn}"], check=True)
        run(dsn, "INSERT INTO kept VALUES ('mid')")
        target = run(dsn, "SELECT clock_timestamp()::text")
        run(dsn, "INSERT INTO kept VALUES ('late')")
        last = run(dsn, "SELECT pg_walfile_name(pg_switch_wal())")
        wait_for((archive / str(last)).exists)
    restored.mkdir()
    shutil.copytree(base, restored / "pgdata")
    configure(restored, f"restore_command = 'cp {archive}/%f %p'", f"recovery_target_time = '{target}'")
    (restored / "pgdata" / "recovery.signal").touch()
    for _ in range(2):
        with EmbeddedPostgres(restored) as dsn:
            assert run(dsn, "SELECT pg_is_in_recovery()") is False
            assert run(dsn, "SELECT array_agg(at) FROM kept") == ["before", "mid"]
            run(dsn, "CREATE TABLE IF NOT EXISTS written ()")


def configure(folder: Path, *lines: str) -> None:
    """Add lines to the configuration of a cluster."""
    with (folder / "pgdata" / "postgresql.conf").open("a") as file:
        file.write("".join(f"{line}\n" for line in lines))


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere leftovers are waited for")
def test_hanging_leftovers_of_a_killed_server_are_ended(any_folder: Path) -> None:
    server = EmbeddedPostgres(any_folder)
    with server as dsn:
        run(dsn, "CREATE TABLE kept AS SELECT 7 AS n")
        left = children(postmaster(any_folder))
        os.kill(postmaster(any_folder), signal.SIGSTOP)  # first: it would reap them
        for process in left:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGSTOP)
        os.kill(postmaster(any_folder), signal.SIGKILL)
        wait_for(lambda: not server.running)
        server.restart()
        assert run(dsn, "SELECT n FROM kept") == 7
    wait_until_gone(set(left))


def test_interrupted_start_fails_and_lets_go(folder: Path) -> None:
    server = EmbeddedPostgres(folder)
    server.interrupt()
    with pytest.raises(EmbeddedServerError, match="interrupted"):
        server.start()
    with server:
        assert server.running


def test_server_ends_with_its_killed_owner(any_folder: Path, start_owner: Callable[..., Owner]) -> None:
    process = start_owner(any_folder)
    run(dsn_of(process), "CREATE TABLE kept AS SELECT 7 AS n")
    kill(process)
    if sys.platform == "linux":
        wait_for(lambda: not postgres_lives(any_folder))
    server = EmbeddedPostgres(any_folder)
    try:
        assert run(server.start(), "SELECT n FROM kept") == 7
    finally:
        server.stop()


@pytest.mark.parametrize("state", ["running", "hanging"])
def test_orphan_is_replaced(
    any_folder: Path,
    start_owner: Callable[..., Owner],
    state: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    process = start_owner(any_folder, "orphan")
    run(dsn_of(process), "CREATE TABLE kept AS SELECT 7 AS n")
    pid = postmaster(any_folder)
    kill(process)
    assert postgres_lives(any_folder)
    if state == "hanging":
        os.kill(pid, signal.SIGSTOP)
        quick = {0: signal.SIGINT, 5: signal.SIGQUIT, 10: signal.SIGKILL}
        monkeypatch.setattr(leftover_processes, "SIGNALS", quick)
    server = EmbeddedPostgres(any_folder)
    try:
        assert run(server.start(), "SELECT n FROM kept") == 7
        assert postmaster(any_folder) != pid
    finally:
        server.stop()


def test_orphan_that_does_not_end_is_reported(
    any_folder: Path, start_owner: Callable[..., Owner], monkeypatch: pytest.MonkeyPatch
) -> None:
    process = start_owner(any_folder, "orphan")
    dsn_of(process)
    kill(process)
    with monkeypatch.context() as patched:
        patched.setattr(leftover_processes, "SIGNALS", {})
        patched.setattr(leftover_processes, "ATTEMPTS", 5)
        with pytest.raises(EmbeddedServerError, match="service died still runs"):
            EmbeddedPostgres(any_folder).start()
    server = EmbeddedPostgres(any_folder)
    with server:
        assert server.running


@pytest.mark.parametrize("status", ["ready", "starting"])
def test_stale_pid_file_with_a_reused_pid_is_no_obstacle(any_folder: Path, status: str) -> None:
    with EmbeddedPostgres(any_folder):
        stale = (any_folder / "pgdata" / "postmaster.pid").read_text()
    with subprocess.Popen(["sleep", "60"]) as bystander:
        stale = "\n".join([str(bystander.pid), *stale.split("\n")[1:]]).replace("ready   ", status)
        for name in ("pgdata/postmaster.pid", "sockets/.s.PGSQL.5432.lock"):
            (any_folder / name).write_text(stale)
        server = EmbeddedPostgres(any_folder)
        with server:
            assert server.running
            assert postmaster(any_folder) != bystander.pid
        assert bystander.poll() is None
        bystander.kill()


def test_pid_file_of_a_bystander_is_not_trusted_while_the_lock_is_held(
    any_folder: Path, start_owner: Callable[..., Owner], monkeypatch: pytest.MonkeyPatch
) -> None:
    process = start_owner(any_folder, "orphan")
    dsn_of(process)
    kill(process)
    pid_file = any_folder / "pgdata" / "postmaster.pid"
    truth = pid_file.read_text()
    with subprocess.Popen(["sleep", "60"]) as bystander:
        pid_file.write_text(str(bystander.pid))
        with monkeypatch.context() as patched:
            patched.setattr(leftover_processes, "SIGNALS", {0: signal.SIGINT, 1: signal.SIGKILL})
            patched.setattr(leftover_processes, "ATTEMPTS", 5)
            with pytest.raises(EmbeddedServerError):
                EmbeddedPostgres(any_folder).start()
        assert bystander.poll() is None
        bystander.kill()
    pid_file.write_text(truth)
    server = EmbeddedPostgres(any_folder)
    with server:
        assert server.running


def test_crash_while_the_cluster_is_made_is_healed(folder: Path, start_owner: Callable[..., Owner]) -> None:
    process = start_owner(folder)
    wait_for((folder / "pgdata.new" / "PG_VERSION").exists)
    kill(process)
    assert not (folder / "pgdata").exists()
    server = EmbeddedPostgres(folder)
    with server:
        assert server.running
        assert not (folder / "pgdata.new").exists()


@pytest.mark.parametrize("name", ["n" * 200, "a,b", "dätä & 100% + 'x' \"y\"?"])
def test_any_folder_name_will_do(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(folder.parent))
    server = EmbeddedPostgres(folder / name)
    try:
        assert run(server.start(), "SELECT 7") == 7
    finally:
        server.stop()
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_failed_start_says_why_and_lets_go(any_folder: Path) -> None:
    server = EmbeddedPostgres(any_folder)
    server.start()
    server.stop()
    settings = any_folder / "pgdata" / "postgresql.conf"
    good = settings.read_text()
    settings.write_text("nonsense = 1\n")
    with pytest.raises(EmbeddedServerError, match='parameter "nonsense"'):
        server.start()
    assert not server.running
    settings.write_text(good)
    with server:
        assert server.running


def test_cluster_of_another_version_is_refused(folder: Path) -> None:
    (folder / "pgdata").mkdir(parents=True)
    (folder / "pgdata" / "PG_VERSION").write_text("17\n")
    with pytest.raises(EmbeddedServerError, match="pgdata is of PostgreSQL 17, this is 18"):
        EmbeddedPostgres(folder).start()


def test_failed_initdb_says_why(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def make_full(_: object, path: Path) -> None:
        path.mkdir()
        (path / "a file").touch()

    monkeypatch.setattr(os_user.OsUser, "make_empty", make_full)
    with pytest.raises(EmbeddedServerError, match=r"initdb failed in .*exists but is not empty"):
        EmbeddedPostgres(folder).start()


def test_folder_that_cannot_be_made_is_named(folder: Path) -> None:
    folder.write_text("a file")
    with pytest.raises(EmbeddedServerError, match=f"cannot be started in {folder}: .*File exists"):
        EmbeddedPostgres(folder).start()
