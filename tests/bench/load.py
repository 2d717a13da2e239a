"""Load from wrk: many connections, each posting one score map after the other."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Final

import msgspec

from .databases import KEY
from .plan import BenchError
from .quantiles import Spread, middle

_SCRIPT: Final = Path(__file__).with_name("post.lua")
_GRACE_S: Final = 60


class Load(msgspec.Struct, frozen=True):
    """What came of a time under load, or the median of several."""

    posts_per_s: float
    """Of those that succeeded."""

    latency: Spread
    failed: int


def require_wrk() -> str:
    """Where wrk is, or the error that says how to get it."""
    if found := shutil.which("wrk"):
        return found
    raise BenchError("the load comes from wrk, which is not installed: apt-get install wrk")


def post(
    url: str, connections: int, seconds: int, script: Path = _SCRIPT, arguments: Sequence[str] = ()
) -> Load:
    """Put load on a server; one thread of wrk is enough for all of ours. The arguments reach the script."""
    command = [require_wrk(), "--threads", "1", "--connections", str(connections)]
    command += ["--duration", f"{seconds}s", "--timeout", "20s", "--script", str(script)]
    command += ["--header", f"Authorization: Bearer {KEY}", "--header", "Content-Type: application/json"]
    command += [url, "--", *arguments]
    done = subprocess.run(
        command,
        env=os.environ | {"LUA_PATH": f"{_SCRIPT.parent}/?.lua"},
        capture_output=True,
        text=True,
        timeout=seconds + _GRACE_S,
        check=False,
    )
    lines = [line.split()[1:] for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if done.returncode != 0 or not lines:
        raise BenchError(f"wrk failed against {url}: {done.stderr or done.stdout}")
    requests, elapsed_s, p50, p95, p99, failed = map(float, lines[-1])
    return Load((requests - failed) / elapsed_s, Spread(p50, p95, p99), int(failed))


def median_load(loads: list[Load]) -> Load:
    return Load(
        median(load.posts_per_s for load in loads),
        middle([load.latency for load in loads]),
        sum(load.failed for load in loads),
    )
