"""Services on real servers that are about to suffer."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import statistics
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import quote, urlsplit

import asyncpg
import httpx
import pytest
from heliscore.postgres.embedded import EmbeddedPostgres
from heliscore.postgres.server_settings import SETTINGS
from heliscore.postgres.watchdog import Watchdog
from heliscore.store.connections.pool import Connection

from tests.conftest import at_database
from tests.faults.load import HEAL_S, Load, under_load
from tests.faults.proxy import Proxy
from tests.servers import CROWDED_S
from tests.test_cli import Served, serving

KEY = "a-key-for-the-tests-of-faults"
MEMORY_LIMIT_MIB = 250

SLOW_ONCE = """
CREATE SEQUENCE calls;
CREATE FUNCTION be_slow_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_sleep(CASE nextval('calls') WHEN 1 THEN 3 ELSE 0 END); RETURN NEW; END $$;
CREATE TRIGGER slow BEFORE INSERT ON request FOR EACH ROW EXECUTE FUNCTION be_slow_once()
"""

_table: list[str] = []


@pytest.fixture(scope="session", autouse=True)
def print_table() -> Iterator[None]:
    """Print what was seen, at the end (pytest -s)."""
    yield
    print(
        "\n| fault | times | acknowledged | refused | unanswered | lost | healed in s |\n| --- |"
        + " --- |" * 6
    )
    print("\n".join(_table))


@contextmanager
def data_folder() -> Iterator[Path]:
    """A folder that all can enter: where tests run as root, the server runs as another user."""
    with tempfile.TemporaryDirectory(prefix="heliscore-faults-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder, "data")


class Machine:
    """A service, its clients, and what was seen."""

    def __init__(self, start: Callable[..., Served], **settings: str) -> None:
        self._start = start
        self._settings = {"PORT": "0", "API_KEY": KEY, "LOG_LEVEL": "warning", **settings}
        self.served: Served | None = None
        self.address = ""

    async def start(self) -> None:
        """Start the service, the next time on the same port."""
        self.served = self._start(**self._settings)
        self.address = await asyncio.to_thread(self.served.wait_until_ready)
        self._settings["PORT"] = str(urlsplit(self.address).port)

    async def stop(self) -> float:
        """Tell the service to stop and return how long that took, in seconds; its status must be 0."""
        assert self.served is not None
        begun = time.monotonic()
        await asyncio.to_thread(self.served.stop, signal.SIGTERM)
        return time.monotonic() - begun

    @property
    def pid(self) -> int:
        assert self.served is not None
        return self.served.process.pid

    def client(self) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {KEY}"}
        return httpx.AsyncClient(base_url=self.address, headers=headers, timeout=60)

    @asynccontextmanager
    async def suffering(self, fault: str, after: int = 100) -> AsyncIterator[Load]:
        """Be under load, which goes well for that many posts; in the end nothing that was acknowledged is
        missing, and memory is bounded."""
        assert self.served is not None
        try:
            async with under_load(self.address, KEY, after) as load:
                yield load
            lost = await load.lost()
        except BaseException:
            print(self.served.errors())
            raise
        _table.append(
            f"| {fault} | {len(load.healed_s)} | {load.acknowledged} | {load.statuses[503]} "
            f"| {load.unanswered} | {len(lost)} | {', '.join(f'{s:.1f}' for s in sorted(load.healed_s))} |"
        )
        assert lost == []
        assert statistics.median(load.healed_s) < HEAL_S + CROWDED_S
        for process in {self.pid, *self.served.descendants()}:
            assert resident_mib(process) < MEMORY_LIMIT_MIB


def main_process(folder: Path) -> int:
    """PostgreSQL's main process."""
    return int((folder / "pgdata" / "postmaster.pid").read_text().split()[0])


def resident_mib(pid: int) -> float:
    """What a process holds that is not PostgreSQL's, whose shared memory counts once and does not grow."""
    try:
        fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    except (FileNotFoundError, ProcessLookupError):  # it ended
        return 0
    return int(fields.get("RssAnon", "0 kB").split()[0]) / 1024


@pytest.fixture
def start() -> Iterator[Callable[..., Served]]:
    with serving() as start:
        yield start


@pytest.fixture
async def embedded_machine(
    start: Callable[..., Served], cluster: Path
) -> AsyncIterator[tuple[Machine, Path]]:
    """A service with a PostgreSQL of its own, and its data folder."""
    with data_folder() as folder:
        shutil.copytree(cluster, folder / "pgdata")
        machine = Machine(start, DATA_DIR=str(folder))
        await machine.start()
        yield machine, folder
        assert machine.served is not None
        await asyncio.to_thread(machine.served.kill)


class External:
    """A server that is not the service's own, and one database on it."""

    def __init__(self, folder: Path, dsn: str) -> None:
        self._folder = folder
        self._name = f"faults_{uuid.uuid4().hex}"
        self._main_dsn = dsn
        self.dsn = at_database(dsn, self._name)

    @property
    def socket(self) -> Path:
        return self._folder / "sockets" / ".s.PGSQL.5432"

    def file(self, path: str) -> Path:
        return self._folder / "pgdata" / path

    async def create(self) -> None:
        async with self.connected(self._main_dsn) as connection:
            await connection.execute(f"CREATE DATABASE {self._name}")

    def dsn_through(self, port: int) -> str:
        return f"postgresql://postgres@127.0.0.1:{port}/{quote(self._name)}"

    def end_server(self) -> None:
        """Shut the server down, quickly but in order; its watchdog starts it again."""
        os.kill(main_process(self._folder), signal.SIGINT)

    @asynccontextmanager
    async def connected(self, dsn: str | None = None) -> AsyncIterator[Connection]:
        connection = await asyncpg.connect(dsn or self.dsn)
        try:
            yield connection
        finally:
            await connection.close()

    @asynccontextmanager
    async def busy_with(
        self, call: Coroutine[None, None, httpx.Response]
    ) -> AsyncIterator[asyncio.Task[httpx.Response]]:
        """Make a call whose write takes three seconds, unlike later ones; the block begins amid it."""
        async with self.connected() as connection:
            await connection.execute(SLOW_ONCE)
            calling = asyncio.create_task(call)
            while not await connection.fetchval("SELECT is_called FROM calls"):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            yield calling

    async def end_services_connections(self, connection: Connection) -> None:
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'heliscore'"
        )


@pytest.fixture(scope="session")
def small_server() -> Iterator[tuple[Path, str]]:
    """The folder and the address of a server that takes few connections."""
    with data_folder() as folder, pytest.MonkeyPatch.context() as patched:
        patched.setitem(SETTINGS, "max_connections", "40")
        watchdog = Watchdog(EmbeddedPostgres(folder))
        try:
            yield folder, watchdog.start()
        finally:
            watchdog.stop()


@pytest.fixture
async def external(small_server: tuple[Path, str]) -> External:
    external = External(*small_server)
    await external.create()
    return external


@pytest.fixture
async def machine(start: Callable[..., Served], external: External) -> Machine:
    """A service on that database."""
    machine = Machine(start, DATABASE_URL=external.dsn)
    await machine.start()
    return machine


@pytest.fixture
async def hasty_machine(start: Callable[..., Served], external: External) -> Machine:
    """The same, waiting a second and a half for a statement."""
    machine = Machine(start, DATABASE_URL=external.dsn, STATEMENT_TIMEOUT_MS="1500")
    await machine.start()
    return machine


@pytest.fixture
async def proxy(external: External) -> AsyncIterator[Proxy]:
    async with Proxy(external.socket) as proxy:
        yield proxy


@pytest.fixture
async def remote_machine(start: Callable[..., Served], external: External, proxy: Proxy) -> Machine:
    """A service that reaches that database through the proxy."""
    machine = Machine(start, DATABASE_URL=external.dsn_through(proxy.port))
    await machine.start()
    return machine
