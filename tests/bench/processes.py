"""The service and its rivals as processes: started, found ready, measured, ended by their ids."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec

from .client import ApiCall, Client
from .databases import KEY
from .plan import BenchError

_ROOT: Final = Path(__file__).resolve().parents[2]
_START_TIMEOUT_S: Final = 180
"""A peer imports and migrates for up to a minute."""

_STOP_TIMEOUT_S: Final = 15
_SEARCH_TIMEOUT_MS: Final = 60_000
"""Six times the default, so that a slow search shows its time instead of a 503."""


_POST: Final = ApiCall("/v1/request/probe/score", b'{"scores":{"accuracy":95}}')


class Server(msgspec.Struct, frozen=True):
    """One rival at work."""

    pid: int
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def resident_mib(self) -> float:
        """What its processes hold in memory now."""
        return sum(_status_kib(pid, "VmRSS") for pid in family(self.pid)) / 1024

    def forget_peak(self) -> None:
        """Let `peak_mib` begin anew (proc(5), clear_refs)."""
        for pid in family(self.pid):
            with suppress(FileNotFoundError, ProcessLookupError):
                Path(f"/proc/{pid}/clear_refs").write_text("5")

    def peak_mib(self) -> float:
        """The most that its processes held since then, each at its own worst moment."""
        return sum(_status_kib(pid, "VmHWM") for pid in family(self.pid)) / 1024

    def processor_s(self) -> float:
        """What its processes have computed so far, in seconds of one core."""
        ticks = sum(int(tick) for pid in family(self.pid) for tick in _stat(pid)[11:13])
        return ticks / os.sysconf("SC_CLK_TCK")


@contextmanager
def service(dsn: str, more: Mapping[str, str] | None = None) -> Iterator[Server]:
    """Run `heliscore serve` as a user would, on that database; `more` are further settings."""
    port = free_port()
    command = [str(Path(sys.executable).with_name("heliscore")), "serve", "--port", str(port)]
    settings = {
        "HELISCORE_DATABASE_URL": dsn,
        "HELISCORE_STATEMENT_TIMEOUT_MS": str(_SEARCH_TIMEOUT_MS),
        "HELISCORE_LOG_LEVEL": "error",
        **(more or {}),
    }
    with running(command, settings, port, _POST) as server:
        yield server


@contextmanager
def rival(name: str, dsn: str) -> Iterator[Server]:
    """Run one of tests/bench/rivals on stock uvicorn, which takes uvloop and httptools where installed."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", f"tests.bench.rivals.{name}:app", "--port", str(port)]
    command += ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "error"]
    with running(command, {"BENCH_DATABASE_URL": dsn}, port, _POST) as server:
        yield server


@contextmanager
def running(command: list[str], settings: dict[str, str], port: int, probe: ApiCall) -> Iterator[Server]:
    """Run a command with these environment variables until it is left; yields once the probe is
    answered 200."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HELISCORE_")}
    process = subprocess.Popen(
        command, cwd=_ROOT, env=kept | settings, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    try:
        _wait_until_ready(process, port, probe)
        yield Server(process.pid, port)
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process, and after it what it left behind: of its family at this moment, who still runs."""
    members = [(pid, _started_at(pid)) for pid in family(process.pid)] if process.poll() is None else []
    process.terminate()
    try:
        process.wait(_STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for pid, started_at in members:
        if started_at and _started_at(pid) == started_at:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _wait_until_ready(process: subprocess.Popen[bytes], port: int, probe: ApiCall) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with Client(port, KEY) as client:
                answer = client.post(probe.path, probe.body)
        except OSError:
            time.sleep(0.05)
            continue
        if answer.status == 200:
            return
        raise BenchError(f"{process.args!r} answered {answer.status}: {answer.body[:200]!r}")
    raise BenchError(f"{process.args!r} did not start")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def family(pid: int) -> list[int]:
    """A process and those under it, whichever of its threads started them."""
    lists = [_read(path) for path in Path(f"/proc/{pid}/task").glob("*/children")]
    return [pid, *(member for child in " ".join(lists).split() for member in family(int(child)))]


def _started_at(pid: int) -> str:
    """When a process started (proc(5), stat), empty where there is none: ids are used again."""
    return "".join(_stat(pid)[19:20])


def _stat(pid: int) -> list[str]:
    """The fields of proc(5), stat, from the state on, none where there is no such process."""
    return _read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()


def _read(path: Path) -> str:
    """A file of proc, empty where the process or thread has ended."""
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _status_kib(pid: int, field: str) -> int:
    for line in _read(Path(f"/proc/{pid}/status")).splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1])
    return 0
