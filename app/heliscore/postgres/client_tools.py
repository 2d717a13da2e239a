"""Run PostgreSQL's client programs (pg_dump, pg_restore, psql), those of the embedded server's package.

They read servers from 9.2 to their own version. A password reaches them through the environment: a command
line is shown to everybody on the machine.
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
from heliscore.postgres.os_user import binaries


class Program:
    """A program under way."""

    def __init__(self, process: subprocess.Popen[bytes], complaints: IO[bytes]) -> None:
        self._process = process
        self._complaints = complaints

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
        """Wait for its end. Raises BackupError, beginning with `failure`, with the first thing that it
        complained of."""
        if self._process.wait() == 0:
            return
        self._complaints.seek(0)
        lines = self._complaints.read().decode(errors="replace").splitlines()
        telling = (line for line in lines if "error:" in line.lower())
        reason = re.sub(r"^.*?(?:error|ERROR):\s+", "", next(telling, "ended from outside"))
        raise BackupError(f"{failure}: {reason}")


@contextmanager
def run_program(
    name: str, *flags: str | Path, dsn: str | None = None, fed: bool = False
) -> Iterator[Program]:
    """Run one of them, on a database or without, `fed` by the caller or reading nothing; it does not outlive
    the block."""
    environment = os.environ | {"LC_ALL": "C", "PGCONNECT_TIMEOUT": "10", "PGAPPNAME": f"heliscore {name}"}
    path = binaries() / name
    if dsn is not None:
        address, password = split_password(dsn)
        path = _find_program(name, address)
        flags = (*flags, f"--dbname={address}")
        environment |= {} if password is None else {"PGPASSWORD": password}
    with tempfile.TemporaryFile() as complaints:
        process = subprocess.Popen(
            [path, *flags],
            env=environment,
            stdin=subprocess.PIPE if fed else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=complaints,
        )
        try:
            yield Program(process, complaints)
        finally:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with suppress(BrokenPipeError):
                        pipe.close()


def split_password(dsn: str) -> tuple[str, str | None]:
    """The address without its password, and the password, None where there is none."""
    parts = urlsplit(dsn)
    user, at, hosts = parts.netloc.rpartition("@")
    user, _, password = user.partition(":")
    query = parse_qsl(parts.query, keep_blank_values=True)
    given = [unquote(password), *(value for name, value in query if name == "password")]
    kept = urlencode([pair for pair in query if pair[0] != "password"], quote_via=quote)
    return parts._replace(netloc=user + at + hosts, query=kept).geturl(), given[-1] or None


def _find_program(name: str, address: str) -> Path:
    """Ours, unless the address asks for TLS, which they were built without."""
    query = dict(parse_qsl(urlsplit(address).query))
    if query.get("sslmode", os.environ.get("PGSSLMODE")) not in ("require", "verify-ca", "verify-full"):
        return binaries() / name
    found = shutil.which(name)
    if found is None:
        raise BackupError(f"the database asks for TLS, which needs PostgreSQL's own {name}: install it")
    return Path(found)
