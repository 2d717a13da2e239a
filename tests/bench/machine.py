"""Where and with what the figures were made."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

from .databases import connected

_PACKAGES: Final = (
    "heliscore",
    "starlette",
    "uvicorn",
    "uvloop",
    "httptools",
    "asyncpg",
    "msgspec",
    "fastapi",
    "sqlalchemy",
)


def described(server: str) -> str:
    """One paragraph: date, machine, versions."""
    cpu = next(
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    )
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    postgresql = connected(server, lambda connection: connection.fetchval("SHOW server_version"))
    packages = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, load of the machine at the end {os.getloadavg()[0]:.1f}; "
        f"{os.cpu_count()} cores ({cpu}), {memory_gib:.0f} GiB, {platform.system()} {platform.release()}; "
        f"Python {platform.python_version()}, PostgreSQL {postgresql} (embedded, durable), "
        f"{_wrk_version()}, {packages}."
    )


def _wrk_version() -> str:
    shown = subprocess.run([shutil.which("wrk") or "wrk", "-v"], capture_output=True, text=True, check=False)
    return " ".join((shown.stdout + shown.stderr).split()[:2])
