"""The service and its rivals as processes: started, found ready, measured, ended by their ids."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from .client import Client
from .databases import KEY
from .plan import BenchError

_ROOT: Final = Path(__file__).resolve().parents[2]
_START_TIMEOUT_S: Final = 60
_STOP_TIMEOUT_S: Final = 15
_PROBE: Final = b'{"scores":{"accuracy":95}}'
_SEARCH_TIMEOUT_MS: Final = 60_000
"""Six times the default, so that a slow search shows its time instead of a 503."""


class Server(msgspec.Struct, frozen=True):
    """One rival at work."""

    pid: int
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def resident_mib(self) -> float:
        """What its processes hold in memory now."""
        return sum(_status_kib(pid, "VmRSS") for pid in _family(self.pid)) / 1024

    def forget_peak(self) -> None:
        """Let `peak_mib` begin anew (proc(5), clear_refs)."""
        for pid in _family(self.pid):
            Path(f"/proc/{pid}/clear_refs").write_text("5")

    def peak_mib(self) -> float:
        """The most that its processes held since then, each at its own worst moment."""
        return sum(_status_kib(pid, "VmHWM") for pid in _family(self.pid)) / 1024


@contextmanager
def service(dsn: str, workers: int = 1) -> Iterator[Server]:
    """Run `heliscore serve` as a user would, on that database."""
    port = _free_port()
    command = [str(Path(sys.executable).with_name("heliscore")), "serve", "--port", str(port)]
    settings = {
        "HELISCORE_DATABASE_URL": dsn,
        "HELISCORE_WORKERS": str(workers),
        "HELISCORE_STATEMENT_TIMEOUT_MS": str(_SEARCH_TIMEOUT_MS),
        "HELISCORE_LOG_LEVEL": "error",
    }
    with _running(command, settings, port) as server:
        yield server


@contextmanager
def rival(name: str, dsn: str) -> Iterator[Server]:
    """Run one of tests/bench/rivals on stock uvicorn, which takes uvloop and httptools where installed."""
    port = _free_port()
    command = [sys.executable, "-m", "uvicorn", f"tests.bench.rivals.{name}:app", "--port", str(port)]
    command += ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "error"]
    with _running(command, {"BENCH_DATABASE_URL": dsn}, port) as server:
        yield server


@contextmanager
def _running(command: list[str], settings: dict[str, str], port: int) -> Iterator[Server]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HELISCORE_")}
    process = subprocess.Popen(
        command, cwd=_ROOT, env=kept | settings, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    try:
        _wait_until_ready(process, port)
        yield Server(process.pid, port)
    finally:
        process.terminate()
        try:
            process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with Client(port, KEY) as client:
                answer = client.post("/v1/request/probe/score", _PROBE)
        except OSError:
            time.sleep(0.05)
            continue
        if answer.status == 200:
            return
        raise BenchError(f"{process.args!r} answered {answer.status}: {answer.body[:200]!r}")
    raise BenchError(f"{process.args!r} did not start")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _family(pid: int) -> list[int]:
    """A process and those under it."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(member for child in children for member in _family(int(child)))]


def _status_kib(pid: int, field: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1])
    return 0
