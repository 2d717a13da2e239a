"""The command line as processes: what it prints, where, and how it ends."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from heliscore import __version__
from heliscore.domain.api_key import Principal, mint_key
from heliscore.observability.log_lines import RequestLine
from heliscore.store import keys
from heliscore.store.schema.migrations import read_migrations

from tests.commands import Command, run_command
from tests.conftest import at_database
from tests.origins import JUDGE

HELISCORE = Path(sys.executable).with_name("heliscore")
KEY = re.compile(r"sk-helicone(-[a-z0-9]{7}){4}")
ONE_PROCESS = "a service is one process: run several services on one database behind a proxy"
LINE_KEYS = set(RequestLine.__struct_fields__)
TIMEOUT_S = 120

Popen = type[subprocess.Popen[str]]
Finished = subprocess.CompletedProcess[str]
Run = Callable[..., Finished]


def environment(**settings: str) -> dict[str, str]:
    """The environment without settings of its own, and with those."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("HELISCORE_")}
    return own | {f"HELISCORE_{name}": value for name, value in settings.items()}


def run_with(*arguments: str, **settings: str) -> Finished:
    return run_command([HELISCORE, *arguments], env=environment(**settings), timeout=TIMEOUT_S)


def run_program(*arguments: str, **settings: str) -> Finished:
    """Run a command as people do: a new interpreter runs the console script."""
    return subprocess.run(
        [HELISCORE, *arguments],
        env=environment(**settings),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        stdin=subprocess.DEVNULL,
        check=False,
    )


@pytest.fixture
def run(dsn: str) -> Run:
    """Run a command on the test's database; it must succeed silently on stderr."""

    def run(*arguments: str, **settings: str) -> Finished:
        finished = run_with(*arguments, **{"DATABASE_URL": dsn, **settings})
        assert (finished.returncode, finished.stderr) == (0, "")
        return finished

    return run


def assert_fails(finished: Finished, message: str | re.Pattern[str]) -> None:
    """One line on stderr, nothing else, exit status 1."""
    assert (finished.returncode, finished.stdout) == (1, "")
    [line] = finished.stderr.splitlines()
    if isinstance(message, str):
        assert line == f"heliscore: {message}"
    else:
        assert re.fullmatch(f"heliscore: {message.pattern}", line)


def listed(run: Run, *arguments: str) -> list[list[str]]:
    """The lines of `keys list`, without the ids."""
    lines = run("keys", "list", *arguments).stdout.splitlines()
    return [line.split("\t")[1:] for line in lines]


# What works


@pytest.mark.parametrize(
    "arguments", [["--help"], ["-h"], ["serve", "--help"], ["keys", "create", "-h"]], ids=" ".join
)
def test_help_is_shown(arguments: list[str]) -> None:
    finished = run_program(*arguments)
    assert (finished.returncode, finished.stderr) == (0, "")
    assert finished.stdout.startswith("Usage: heliscore")


@pytest.mark.parametrize("arguments", [[], ["keys"]], ids=str)
def test_help_is_shown_where_a_command_is_missing(arguments: list[str]) -> None:
    finished = run_program(*arguments)
    assert (finished.returncode, finished.stderr) == (0, "")
    shown = finished.stdout.splitlines()
    assert shown[0].startswith("Usage: heliscore")
    assert "Commands:" in shown
    assert [line for line in shown[1:] if line.endswith("...")] == []


def test_version_is_an_option_too() -> None:
    finished = run_with("--version")
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, f"heliscore {__version__}\n", "")


def test_migrate_applies_what_is_missing_once(empty_dsn: str) -> None:
    applied = "".join(f"applied {migration.name}\n" for migration in read_migrations())
    finished = run_with("migrate", DATABASE_URL=empty_dsn)
    assert (finished.returncode, finished.stdout) == (0, f"{applied}the schema is up to date\n")
    finished = run_with("migrate", DATABASE_URL=empty_dsn)
    assert (finished.returncode, finished.stdout) == (0, "the schema is up to date\n")


def test_created_key_is_printed_alone_and_listed_without_itself(run: Run) -> None:
    created = run("keys", "create").stdout
    assert KEY.fullmatch(created.strip())
    assert created.endswith("\n")
    assert listed(run) == [["default", f"…{created.strip()[-4:]}", "rw", "valid", "", "", ""]]


def test_created_key_has_what_was_asked_for(run: Run) -> None:
    options = [
        "--organization",
        "Acme Ünited",
        "--name",
        "the judge's",
        "--permissions",
        "w",
        "--expires",
        "2999-12-31T10:00",
    ]
    key = run("keys", "create", *options).stdout.strip()
    assert listed(run) == [
        ["Acme Ünited", f"…{key[-4:]}", "w", "expires 2999-12-31 10:00", "", "", "the judge's"]
    ]


def test_author_of_a_key_is_set(run: Run, dsn: str) -> None:
    run("keys", "create", "--author", "judge:relevance-judge@2026-11", "--name", "judge")
    [(id_, *_, author, name)] = [line.split("\t") for line in run("keys", "list").stdout.splitlines()]
    assert (author, name) == ("judge:relevance-judge@2026-11", "judge")
    assert run("keys", "set-author", id_, "human:ada").stdout == f"set the author of key {id_}\n"
    assert listed(run)[0][-2:] == ["human:ada", "judge"]
    run("keys", "set-author", id_)
    assert listed(run)[0][-2:] == ["", "judge"]
    assert_fails(run_with("keys", "set-author", "99", DATABASE_URL=dsn), "there is no key 99")


def test_expiry_is_understood_in_its_zone(run: Run) -> None:
    key = run("keys", "create", "--expires", "2999-12-31T10:00+02:00").stdout.strip()
    assert listed(run) == [["default", f"…{key[-4:]}", "rw", "expires 2999-12-31 08:00", "", "", ""]]


def test_command_on_an_empty_database_migrates_it(empty_dsn: str) -> None:
    finished = run_with("keys", "create", DATABASE_URL=empty_dsn)
    assert finished.returncode == 0
    assert KEY.fullmatch(finished.stdout.strip())


def test_registered_key_keeps_its_form(run: Run) -> None:
    options = ["--organization", "other", "--name", "moved", "--permissions", "r", "--expires", "2999-01-01"]
    finished = run("keys", "register", "my-old-key-of-20-chars", *options)
    assert re.fullmatch(r"registered as key \d+ of organization other\n", finished.stdout)
    assert listed(run) == [["other", "…hars", "r", "expires 2999-01-01 00:00", "", "", "moved"]]


def test_listing_can_be_of_one_organization(run: Run) -> None:
    for organization in ("one", "two", "one"):
        run("keys", "create", "--organization", organization)
    assert [line[0] for line in listed(run)] == ["one", "two", "one"]
    assert [line[0] for line in listed(run, "--organization", "one")] == ["one", "one"]
    assert listed(run, "--organization", "three") == []


def test_list_of_keys_has_headings_on_a_terminal(run: Run, dsn: str) -> None:
    def show() -> list[str]:
        controller, terminal = pty.openpty()
        with os.fdopen(controller, "rb") as screen:
            command = [str(HELISCORE), "keys", "list"]
            settings = environment(DATABASE_URL=dsn)
            subprocess.run(command, env=settings, stdout=terminal, timeout=TIMEOUT_S, check=True)
            shown = screen.read1().decode().splitlines()
            os.close(terminal)
            return shown

    assert show() == ["no keys yet: heliscore keys create makes one"]
    run("keys", "create")
    headings, row = (line.split() for line in show())
    assert headings == ["id", "organization", "key", "permissions", "state", "maker", "author", "name"]
    assert row[1:5] == ["default", row[2], "rw", "valid"]


def test_revoked_key_is_listed_as_revoked(run: Run) -> None:
    run("keys", "create", "--name", "stays")
    run("keys", "create", "--name", "goes")
    ids = [line.split("\t")[0] for line in run("keys", "list").stdout.splitlines()]
    assert run("keys", "revoke", ids[1]).stdout == f"revoked key {ids[1]}\n"
    states = [line[3:] for line in listed(run)]
    assert states[0] == ["valid", "", "", "stays"]
    assert re.fullmatch(r"revoked \d{4}-\d\d-\d\d", states[1][0])
    assert run("keys", "revoke", ids[1]).stdout == f"revoked key {ids[1]}\n"


def test_key_is_revoked_with_those_that_it_made(run: Run, dsn: str) -> None:
    run("keys", "create", "--name", "leaked")
    run("keys", "create", "--name", "stays")
    ids = [int(line.split("\t")[0]) for line in run("keys", "list").stdout.splitlines()]
    made = asyncio.run(mint_chain(dsn, ids[0]))
    assert [line[-3:] for line in listed(run)] == [
        ["", "", "leaked"],
        ["", "", "stays"],
        [f"made by {ids[0]}", "", "first"],
        [f"made by {made[0]}", "", "second"],
    ]
    finished = run("keys", "revoke", "--with-minted", str(ids[0]))
    assert finished.stdout == "".join(f"revoked key {id_}\n" for id_ in (ids[0], *made))
    assert [line[3][:7] for line in listed(run)] == ["revoked", "valid", "revoked", "revoked"]


async def mint_chain(dsn: str, maker_id: int) -> list[int]:
    """Two keys, the second made by the first."""
    connection = await asyncpg.connect(dsn)
    made: list[int] = []
    for name in ("first", "second"):
        organization_id = await connection.fetchval("SELECT organization_id FROM api_key")
        maker = Principal(organization_id, made[-1] if made else maker_id, "rw", None, JUDGE)
        id_ = await keys.mint(connection, maker, mint_key(), name=name, permissions="rw")
        assert id_ is not None
        made.append(id_)
    await connection.close()
    return made


@pytest.mark.parametrize("purpose", ["session", "body_url"])
def test_rotated_secret_is_another_and_not_printed(run: Run, dsn: str, purpose: str) -> None:
    before = asyncio.run(read_secrets(dsn))
    finished = run("keys", "rotate-secret", purpose)
    after = asyncio.run(read_secrets(dsn))
    assert finished.stdout == f"made a new secret for {purpose}\n"
    assert before.keys() == after.keys() == {"session", "body_url"}
    assert {len(secret) for secret in after.values()} == {32}
    assert len({*before.values(), *after.values()}) == 3
    assert {name for name in before if before[name] != after[name]} == {purpose}


async def read_secrets(dsn: str) -> dict[str, bytes]:
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch("SELECT purpose, secret FROM signing_secret")
        return {row["purpose"]: row["secret"] for row in rows}
    finally:
        await connection.close()


# What does not


USAGE_ERRORS: dict[str, tuple[list[str], str | re.Pattern[str]]] = {
    "no command": (["bogus"], "No such command 'bogus'."),
    "no subcommand": (["keys", "bogus"], "No such command 'bogus'."),
    "unknown option": (["keys", "list", "--bogus"], re.compile("No such option:? '?--bogus'?.*")),
    "too many arguments": (["version", "more"], "Got unexpected extra argument (more)"),
    "permissions": (
        ["keys", "create", "--permissions", "x"],
        "Invalid value for '--permissions': 'x' is not one of 'rw', 'r', 'w', 'f'.",
    ),
    "expiry": (
        ["keys", "create", "--expires", "soon"],
        "Invalid value for '--expires': expected an ISO 8601 date or date-time",
    ),
    "past expiry": (
        ["keys", "create", "--expires", "2020-01-01"],
        "Invalid value for '--expires': expected a time in the future",
    ),
    "expiry beyond time": (
        ["keys", "create", "--expires", "9999-12-31T23:59:59-14:00"],
        "Invalid value for '--expires': expected an ISO 8601 date or date-time",
    ),
    "id": (
        ["keys", "revoke", "one"],
        "Invalid value for 'ID': 'one' is not a valid id of a key, as `heliscore keys list` shows it.",
    ),
    "id out of range": (
        ["keys", "revoke", "99999999999"],
        re.compile("Invalid value for 'ID': 99999999999 is not in the range .*"),
    ),
    "missing id": (["keys", "revoke"], "Missing argument 'ID'."),
    "port": (
        ["serve", "--port", "65536"],
        re.compile("Invalid value for '--port': 65536 is not in the range .*"),
    ),
    "workers": (
        ["serve", "--workers", "2"],
        f"Invalid value for '--workers': {ONE_PROCESS}",
    ),
}


@pytest.mark.parametrize("case", USAGE_ERRORS)
def test_wrong_usage_is_one_line(case: str) -> None:
    arguments, message = USAGE_ERRORS[case]
    assert_fails(run_with(*arguments), message)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"PROT": "9000"}, "HELISCORE_PROT is not a setting; did you mean HELISCORE_PORT?"),
        ({"BOGUS": "1"}, "HELISCORE_BOGUS is not a setting"),
        ({"PORT": "nine"}, "HELISCORE_PORT: Expected `int`, got `str`"),
        ({"WORKERS": "2"}, f"HELISCORE_WORKERS: {ONE_PROCESS}"),
        (
            {"LOG_LEVEL": "loud"},
            "HELISCORE_LOG_LEVEL: expected critical, error, warning, info or debug, got 'loud'",
        ),
        ({"PORT": "80000"}, "HELISCORE_PORT: Expected `int` <= 65535, got '80000'"),
        ({"PGBOUNCER": "maybe"}, "HELISCORE_PGBOUNCER: Expected `bool`, got `str`"),
        ({"API_KEY": "too-short"}, "HELISCORE_API_KEY: expected 16 to 200 characters, got 9"),
        (
            {"DATABASE_URL": "mysql://user:secret@host/db"},
            "HELISCORE_DATABASE_URL: expected postgresql://user:password@host:port/database",
        ),
    ],
    ids=str,
)
@pytest.mark.parametrize("command", [["serve"], ["migrate"], ["keys", "list"]], ids=" ".join)
def test_wrong_setting_is_one_line(command: list[str], settings: dict[str, str], message: str) -> None:
    assert_fails(run_with(*command, **settings), message)


@pytest.mark.parametrize("command", [["serve", "--port", "0"], ["migrate"], ["keys", "create"]], ids=" ".join)
@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://user:secret@127.0.0.1:1/db",
        "postgresql://user:secret@host.invalid/db",
        "postgresql://user:sec/ret@127.0.0.1:1/db",
        "postgresql://user:sec#ret@127.0.0.1:1/db",
        "postgresql://user:sec[ret@127.0.0.1:1/db",
        "postgresql://user:secret@127.0.0.1:port/db",
        "postgresql://user:secret@127.0.0.1:1/db?sslmode=bogus",
    ],
)
def test_unreachable_database_is_one_line_without_the_password(command: list[str], dsn: str) -> None:
    finished = run_with(*command, DATABASE_URL=dsn, START_TIMEOUT_S="0")
    assert_fails(finished, re.compile("cannot connect to the database: .+"))
    assert "sec" not in finished.stderr


def test_database_that_does_not_exist_is_one_line(server: str) -> None:
    dsn = at_database(server, "nowhere")
    message = 'cannot connect to the database: database "nowhere" does not exist'
    assert_fails(run_with("migrate", DATABASE_URL=dsn), message)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("too-short", "the key cannot be registered: expected 16 to 200 characters, got 9"),
        ("x" * 201, "the key cannot be registered: expected 16 to 200 characters, got 201"),
        (
            "a key with spaces in it",
            "the key cannot be registered: expected printable ASCII characters without spaces",
        ),
        (
            "schlüssel-mit-umlaut",
            "the key cannot be registered: expected printable ASCII characters without spaces",
        ),
    ],
)
def test_key_of_wrong_form_is_not_registered(dsn: str, key: str, message: str) -> None:
    assert_fails(run_with("keys", "register", key, DATABASE_URL=dsn), message)


def test_key_is_registered_only_once(run: Run, dsn: str) -> None:
    run("keys", "register", "my-old-key-of-20-chars")
    finished = run_with("keys", "register", "my-old-key-of-20-chars", "--organization", "b", DATABASE_URL=dsn)
    assert_fails(finished, "the key …hars is registered already")


def test_unknown_key_is_not_revoked(dsn: str) -> None:
    assert_fails(run_with("keys", "revoke", "4711", DATABASE_URL=dsn), "there is no key 4711")


def test_text_that_is_no_utf8_is_one_line(dsn: str) -> None:
    finished = run_with("keys", "create", "--name", "\udcff", DATABASE_URL=dsn)
    assert_fails(finished, re.compile(".*UTF-8.*"))


def test_changed_migration_is_one_line(dsn: str) -> None:
    async def forge() -> None:
        """What the database looks like to somebody who edited a file that was applied."""
        connection = await asyncpg.connect(dsn)
        await connection.execute("UPDATE schema_migration SET checksum = 'x' WHERE number = 1")
        await connection.close()

    asyncio.run(forge())
    name = read_migrations()[0].name
    assert_fails(
        run_with("migrate", DATABASE_URL=dsn),
        f"migration {name} was applied to this database with another text; a changed schema needs a new file",
    )


# serve


def _parents() -> dict[int, int]:
    """Every process that has not ended, and its parent."""
    listing = subprocess.run(
        ["ps", "-eo", "pid=,ppid=,stat="], capture_output=True, text=True, check=True
    ).stdout
    lines = (line.split() for line in listing.splitlines())
    return {int(pid): int(parent) for pid, parent, state, *_ in lines if not state.startswith("Z")}


def wait_until_gone(pids: set[int]) -> None:
    """Let processes end that were told to; a TimeoutError names those that do not."""
    deadline = time.monotonic() + TIMEOUT_S
    while left := pids & set(_parents()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"still there: {left}")
        time.sleep(0.05)


Serve = Callable[..., "Served"]


class Served:
    """A `heliscore serve` process; `popen` may be that of `subprocess`, for a new interpreter."""

    def __init__(self, *arguments: str, popen: Popen = Command, **settings: str) -> None:
        self.printed: list[str] = []
        self.lines: list[dict[str, Any]] = []
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self.process = popen(
            [HELISCORE, "serve", *arguments],
            env=environment(**settings),
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )

    def errors(self) -> str:
        """What it has written to stderr."""
        self._errors.seek(0)
        return self._errors.read()

    def wait_until_announced(self) -> str:
        """Keep what is printed at the start and return the address in it."""
        assert self.process.stdout is not None
        self.printed = [self.process.stdout.readline().rstrip("\n") for _ in range(4)]
        found = re.search(r"serves on (http://\S+)", self.printed[0])
        assert found, self.errors()
        return found[1]

    def wait_until_ready(self) -> str:
        """Wait until it can serve, and return its address."""
        address = self.wait_until_announced()
        deadline = time.monotonic() + TIMEOUT_S
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.errors()
            try:
                if httpx.get(f"{address}/readyz", timeout=30).status_code == 200:
                    return address
            except httpx.TransportError:
                time.sleep(0.02)
        raise TimeoutError

    def descendants(self) -> set[int]:
        """The ids of all processes that it started, directly or not."""
        parents = _parents()
        found = {self.process.pid}
        while more := {pid for pid, parent in parents.items() if parent in found} - found:
            found |= more
        return found - {self.process.pid}

    def stop(self, signum: signal.Signals) -> str:
        """End it and return what it wrote to stderr; it must end well and print only lines of requests."""
        self.process.send_signal(signum)
        more, _ = self.process.communicate(timeout=TIMEOUT_S)
        assert self.process.returncode == 0
        self.lines += map(json.loads, more.splitlines())
        assert all(line.keys() == LINE_KEYS for line in self.lines)
        return self.errors()

    def close(self) -> None:
        self._errors.close()

    def kill(self) -> None:
        """End it the hard way and let the processes that it started end."""
        left = self.descendants()
        self.process.kill()
        self.process.communicate(timeout=TIMEOUT_S)
        wait_until_gone(left)


@contextmanager
def serving() -> Iterator[Serve]:
    """Start services that do not outlive the block."""
    started: list[Served] = []

    def start(*arguments: str, popen: Popen = Command, **settings: str) -> Served:
        started.append(Served(*arguments, popen=popen, **settings))
        return started[-1]

    try:
        yield start
    finally:
        for served in started:
            if served.process.returncode is None:
                served.kill()
            served.close()


@pytest.fixture
def serve() -> Iterator[Serve]:
    with serving() as start:
        yield start


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_service_serves_until_it_is_told_to_stop(serve: Serve, dsn: str, signum: signal.Signals) -> None:
    key = run_program("keys", "create", DATABASE_URL=dsn).stdout.strip()
    served = serve("--port", "0", popen=subprocess.Popen, DATABASE_URL=dsn)
    address = served.wait_until_ready()
    headers = {"Authorization": f"Bearer {key}"}
    for number in range(10):
        response = httpx.post(
            f"{address}/v1/request/r{number}/score",
            json={"scores": {"accuracy": number}},
            headers=headers,
            timeout=30,
        )
        assert response.status_code == 200
        row = httpx.get(f"{address}/v1/request/r{number}", headers=headers, timeout=30).json()["data"]
        assert row["scores"] == {"accuracy": number}
    served.stop(signum)
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{address}/healthz")


def test_one_worker_is_accepted(serve: Serve, dsn: str) -> None:
    """As who set it before there was but one says what is so."""
    served = serve("--port", "0", "--workers", "1", DATABASE_URL=dsn, WORKERS="1")
    served.wait_until_ready()
    assert served.stop(signal.SIGTERM).count("WORKERS") == 0


def test_service_listens_where_it_is_told_to(serve: Serve, dsn: str) -> None:
    served = serve(DATABASE_URL=dsn, HOST="127.0.0.2", PORT="0")
    assert served.wait_until_ready().startswith("http://127.0.0.2:")


def test_option_wins_over_the_setting(serve: Serve, dsn: str) -> None:
    served = serve("--host", "127.0.0.2", DATABASE_URL=dsn, HOST="127.0.0.1", PORT="0")
    assert served.wait_until_ready().startswith("http://127.0.0.2:")


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
def test_service_listens_on_ipv6(serve: Serve, dsn: str) -> None:
    served = serve("--host", "::1", "--port", "0", DATABASE_URL=dsn)
    assert served.wait_until_ready().startswith("http://[::1]:")


def test_taken_port_is_one_line(dsn: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        finished = run_with("serve", "--port", port, DATABASE_URL=dsn)
    assert_fails(
        finished,
        f"cannot listen on 127.0.0.1:{port}: Address already in use; another service runs there, or set "
        "HELISCORE_PORT or --port to another",
    )


def test_host_that_is_none_is_one_line(dsn: str) -> None:
    finished = run_with("serve", "--host", "host.invalid", "--port", "0", DATABASE_URL=dsn)
    assert_fails(finished, re.compile("cannot listen on host.invalid:0: .+"))


@pytest.mark.parametrize("place", ["setting", "option"])
def test_placeholder_for_a_key_keeps_other_machines_out(dsn: str, place: str) -> None:
    key = "changeme-changeme"
    arguments, settings = ([], {"HOST": "0.0.0.0"}) if place == "setting" else (["--host", "0.0.0.0"], {})  # noqa: S104
    finished = run_with("serve", "--port", "0", *arguments, DATABASE_URL=dsn, API_KEY=key, **settings)
    assert_fails(finished, re.compile(r"HELISCORE_API_KEY looks like a placeholder, .+ALLOW_WEAK_KEY=true"))
    assert key not in finished.stderr


def test_configured_key_that_was_revoked_is_one_line(run: Run, dsn: str) -> None:
    key = "my-old-key-of-20-chars"
    run("keys", "register", key)
    [line] = run("keys", "list").stdout.splitlines()
    run("keys", "revoke", line.split("\t")[0])
    finished = run_with("serve", "--port", "0", DATABASE_URL=dsn, API_KEY=key)
    assert_fails(finished, "HELISCORE_API_KEY was revoked or has expired; choose another")


def test_configured_key_of_another_organization_is_one_line(run: Run, dsn: str) -> None:
    key = "my-old-key-of-20-chars"
    run("keys", "register", key, "--organization", "other")
    finished = run_with("serve", "--port", "0", DATABASE_URL=dsn, API_KEY=key)
    assert_fails(finished, "HELISCORE_API_KEY belongs to another organization")
