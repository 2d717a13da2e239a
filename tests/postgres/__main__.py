"""Run the tests on other versions of PostgreSQL, with their default settings: `make test-postgres`.

Without names of tests, these are all but those that start a PostgreSQL of their own, a browser or a client in
another language: the version of the server makes no difference to them.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence

from tests.postgres.installed_server import VERSIONS, installed, running

LEFT_OUT = ("tests/browser", "tests/faults", "tests/sdk", "tests/store/test_embedded.py")


def main() -> int:
    signal.signal(
        signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM)
    )  # the server and the tests end too
    versions, arguments = _read_arguments()
    failed = []
    for version in versions:
        begun = time.monotonic()
        with running(installed(versions) / f"postgresql-{version}") as address:
            code = _run_tests(address, arguments)
        failed += [version] if code else []
        print(f"PostgreSQL {version}: {'failed' if code else 'passed'}, {time.monotonic() - begun:.0f} s")
    return 1 if failed else 0


def _read_arguments() -> tuple[list[str], list[str]]:
    """The versions, all if none is named, and pytest's arguments, which stand behind `--`."""
    arguments = sys.argv[1:]
    end = arguments.index("--") if "--" in arguments else len(arguments)
    if unknown := set(arguments[:end]) - set(VERSIONS):
        sys.exit(f"no such version: {', '.join(unknown)}; there are {', '.join(VERSIONS)}")
    return arguments[:end] or list(VERSIONS), arguments[end + 1 :]


def _run_tests(address: str, arguments: Sequence[str]) -> int:
    ignored = [f"--ignore={path}" for path in LEFT_OUT]
    command = [sys.executable, "-m", "pytest", *ignored, *arguments]
    return subprocess.run(command, env=os.environ | {"TEST_DATABASE_URL": address}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
