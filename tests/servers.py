"""Servers for tests and benchmarks."""

from __future__ import annotations

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
