"""Run PostgreSQL's client tools (pg_dump, pg_restore, psql): those in the operator's folder of binaries,
where it has them, or those of the embedded server's package.

They can read servers from 9.2 to their own version. A password is passed in the environment, because
everybody on the machine can see a command line.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, cast
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from heliscore.domain.errors import BackupError
from heliscore.postgres.binaries import find_binaries


class ClientTool:
    """A tool that is running."""

    def __init__(self, process: subprocess.Popen[bytes], stderr: IO[bytes]) -> None:
        self._process = process
        self._stderr = stderr

    @property
    def input(self) -> IO[bytes]:
        return cast("IO[bytes]", self._process.stdin)

    @property
    def output(self) -> IO[bytes]:
        return cast("IO[bytes]", self._process.stdout)

    def ends_within(self, timeout_s: float) -> bool:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout_s)
        return self._process.returncode is not None

    def check(self, failure: str) -> None:
        """Wait for its end. Raises BackupError, with `failure` and the first error that it printed, where it
        failed."""
        if self._process.wait() == 0:
            return
        self._stderr.seek(0)
        lines = self._stderr.read().decode(errors="replace").splitlines()
        errors = (line for line in lines if "error:" in line.lower())
        reason = re.sub(r"^.*?(?:error|ERROR):\s+", "", next(errors, "ended from outside"))
        raise BackupError(f"{failure}: {reason}")


@contextmanager
def run_tool(
    name: str,
    *flags: str | Path,
    dsn: str | None = None,
    fed: bool = False,
    chosen: Path | None = None,
    options: str = "",
) -> Iterator[ClientTool]:
    """Run a tool until the end of the block, on a database if there is a `dsn`. `fed`: the caller writes its
    input. `chosen`: the folder of binaries to look in first. `options`: settings of its session, besides
    those of the environment."""
    environment = os.environ | {"LC_ALL": "C", "PGCONNECT_TIMEOUT": "10", "PGAPPNAME": f"heliscore {name}"}
    if options:
        environment["PGOPTIONS"] = f"{os.environ.get('PGOPTIONS', '')} {options}".strip()
    path = _find_tool(name, chosen)
    if dsn is not None:
        address, password = split_password(dsn)
        if _asks_for_tls(address):
            path = _find_system_tool(name, path)
        flags = (*flags, f"--dbname={address}")
        environment |= {} if password is None else {"PGPASSWORD": password}
    with tempfile.TemporaryFile() as stderr:
        process = subprocess.Popen(
            [path, *flags],
            env=environment,
            stdin=subprocess.PIPE if fed else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
        )
        try:
            yield ClientTool(process, stderr)
        finally:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with suppress(BrokenPipeError):
                        pipe.close()


def split_password(dsn: str) -> tuple[str, str | None]:
    """Split an address into itself without the password, and the password or None."""
    parts = urlsplit(dsn)
    user, at, hosts = parts.netloc.rpartition("@")
    user, _, password = user.partition(":")
    query = parse_qsl(parts.query, keep_blank_values=True)
    given = [unquote(password), *(value for name, value in query if name == "password")]
    kept = urlencode([pair for pair in query if pair[0] != "password"], quote_via=quote)
    return parts._replace(netloc=user + at + hosts, query=kept).geturl(), given[-1] or None


def _find_tool(name: str, chosen: Path | None) -> Path:
    if chosen is not None and (chosen / name).exists():
        return chosen / name
    return find_binaries() / name


def _asks_for_tls(address: str) -> bool:
    query = dict(parse_qsl(urlsplit(address).query))
    return query.get("sslmode", os.environ.get("PGSSLMODE")) in ("require", "verify-ca", "verify-full")


def _find_system_tool(name: str, path: Path) -> Path:
    """The system's tool in place of the package's, which was built without TLS. Raises BackupError."""
    if path.parent != find_binaries():
        return path
    found = shutil.which(name)
    if found is None:
        raise BackupError(f"the database asks for TLS, which needs PostgreSQL's own {name}: install it")
    return Path(found)
