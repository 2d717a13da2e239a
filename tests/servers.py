"""Servers for tests and benchmarks."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from heliscore.main import create_app
from heliscore.postgres.embedded import EmbeddedPostgres
from heliscore.server.http_server import HttpServer
from heliscore.settings import Settings
from uvicorn.config import LOGGING_CONFIG

NO_CERTIFICATES: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For clients that speak plain HTTP: reading the certificates of the system takes 40 ms for each client."""

CROWDED_S: Final = 10
"""What the machine may add to a time that was promised: it serves other tests too, if not others."""


MEMORY: Final = Path("/dev/shm")
"""A file system in memory, as Linux has one. Making a file there takes 10 µs; on ext4 without a journal,
where many files were deleted in the last seconds, it takes 1 ms, and a new database has 300."""

_ROOM_MB: Final = 6 * 1024


def has_room(folder: Path) -> bool:
    """Whether a folder can take the files of all test processes, programs that are to run among them."""
    try:
        room = os.statvfs(folder)
    except OSError:
        return False
    free_mb = room.f_bavail * room.f_frsize >> 20
    return free_mb >= _ROOM_MB and not room.f_flag & os.ST_NOEXEC and os.access(folder, os.W_OK)


@contextmanager
def temporary_server() -> Iterator[str]:
    """Run an embedded server on a folder that goes away with it; yields its address."""
    with tempfile.TemporaryDirectory(prefix="heliscore-test-") as folder:
        Path(folder).chmod(0o755)  # where tests run as root, the server runs as another user
        with EmbeddedPostgres(Path(folder)) as dsn:
            yield dsn


def children(pid: int) -> dict[int, str]:
    """A process's children, each with its command line."""
    ps = ["ps", "-ww", "-o", "pid=,args=", "--ppid", str(pid)]
    listed = subprocess.run(ps, capture_output=True, text=True, check=False).stdout
    return {int(child): command for child, command in (line.split(None, 1) for line in listed.splitlines())}


def make_server(settings: Settings) -> HttpServer:
    """The server of a service that runs in the tests' process."""
    return HttpServer(
        lambda stop_service: create_app(settings, stop_service),
        log_level="warning",
        log_config=LOGGING_CONFIG,
    )


def listening_socket() -> socket.socket:
    """Listen on a free port of this machine. The protocol is named: only then asyncio sends small answers at
    once."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    return listener
