"""What `make run` starts, for real: the service with a PostgreSQL of its own on a folder of its own."""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from heliscore import __version__
from heliscore.postgres.binaries import find_binaries, read_version

from tests.servers import CROWDED_S
from tests.test_cli import (
    HELISCORE,
    KEY,
    TIMEOUT_S,
    Served,
    assert_fails,
    run_with,
    serving,
    wait_until_gone,
)

POST = "{}/v1/request/req_abc123def456/score"
GET = "{}/v1/request/req_abc123def456"

Start = Callable[..., Served]


@pytest.fixture
def data_dir(request: pytest.FixtureRequest) -> Iterator[Path]:
    """A data folder to be, below one that all may enter, or with the parameter 0o700 only we. As root,
    PostgreSQL runs as another user in the first and in a user namespace in the second."""
    parent = Path(tempfile.mkdtemp(prefix="heliscore-run-"))
    parent.chmod(getattr(request, "param", 0o755))
    yield parent / "data"
    shutil.rmtree(parent)


@pytest.fixture
def first_start(data_dir: Path) -> Iterator[Start]:
    """Start services on the data folder, on a free port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
    with serving() as serve:
        yield lambda **settings: serve(**{"DATA_DIR": str(data_dir), "PORT": port, **settings})


@pytest.fixture
def start(first_start: Start, data_dir: Path, cluster: Path) -> Start:
    """The same, where initdb has been run."""
    shutil.copytree(cluster, data_dir / "pgdata")
    return first_start


def key_in(served: Served) -> str:
    found = KEY.search("\n".join(served.printed))
    assert found
    return found[0]


def post(address: str, key: str, value: int) -> None:
    response = httpx.post(
        POST.format(address),
        json={"scores": {"accuracy": value}},
        headers={"Authorization": f"Bearer {key}"},
        timeout=30,
    )
    assert (response.status_code, response.json()) == (200, {"data": None, "error": None})


def scores_of(address: str, key: str) -> object:
    response = httpx.get(GET.format(address), headers={"Authorization": f"Bearer {key}"}, timeout=30)
    assert response.status_code == 200
    return response.json()["data"]["scores"]


def test_make_run_is_the_command_that_is_tested_here() -> None:
    makefile = Path(__file__).parents[1].joinpath("Makefile").read_text()
    assert re.search(r"^run:.*\n\t@exec \$\(BIN\)/heliscore serve$", makefile, re.MULTILINE)


@pytest.mark.parametrize("data_dir", [0o755, 0o700], ids=["public", "private"], indirect=True)
def test_first_start_prints_address_key_and_a_command_that_works(first_start: Start) -> None:
    served = first_start(popen=subprocess.Popen)
    address = served.wait_until_ready()
    key = key_in(served)
    curl = (
        f"curl {address}/v1/request/req_abc123def456/score -H 'Authorization: Bearer {key}'"
        """ -H 'Content-Type: application/json' -d '{"scores": {"accuracy": 95, "has_citations": true}}'"""
    )
    assert served.printed == [
        f"Heliscore {__version__} on PostgreSQL {read_version(find_binaries())} serves on {address}"
        f" (API reference: {address}/docs)",
        f"API key, shown only once: {key}",
        "Try it:",
        f"  {curl}",
    ]
    tried = subprocess.run(["sh", "-c", curl], capture_output=True, check=True)
    assert json.loads(tried.stdout) == {"data": None, "error": None}
    assert scores_of(address, key) == {"accuracy": 95, "has_citations": 1}
    assert key not in served.stop(signal.SIGTERM)


def test_restart_has_the_scores_and_keeps_the_key_to_itself(start: Start) -> None:
    first = start()
    address, key = first.wait_until_ready(), key_in(first)
    post(address, key, 95)
    first.stop(signal.SIGTERM)

    second = start()
    assert second.wait_until_ready() == address
    assert second.printed[1:3] == [
        f"API keys exist already; create another: {HELISCORE} keys create",
        "Try it:",
    ]
    assert "Bearer <key>" in second.printed[3]
    assert not KEY.search("\n".join(second.printed))
    assert scores_of(address, key) == {"accuracy": 95}


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_service_and_database(start: Start, data_dir: Path, signum: signal.Signals) -> None:
    served = start()
    served.wait_until_ready()
    started = served.descendants()
    assert len(started) >= 2
    begun = time.monotonic()
    served.stop(signum)
    wait_until_gone(started)
    assert time.monotonic() - begun < 10 + CROWDED_S
    # A clean shutdown: there is nothing that the next start would have to recover.
    assert not (data_dir / "pgdata" / "postmaster.pid").exists()


@pytest.mark.parametrize("delay_s", [0.05, 0.3, 1.0])
def test_signal_during_the_start_leaves_nothing_behind(first_start: Start, delay_s: float) -> None:
    served = first_start(popen=subprocess.Popen)
    time.sleep(delay_s)
    started = served.descendants()
    served.process.send_signal(signal.SIGTERM)
    served.process.communicate(timeout=TIMEOUT_S)
    # Before Python has come to our code, the signal ends it as it ends any process.
    assert served.process.returncode in (0, -signal.SIGTERM)
    wait_until_gone(started)
    again = first_start(API_KEY="my-old-key-of-20-chars")
    post(again.wait_until_ready(), "my-old-key-of-20-chars", 95)


def test_start_after_a_killed_service_has_its_scores(start: Start) -> None:
    first = start()
    address, key = first.wait_until_ready(), key_in(first)
    post(address, key, 95)
    first.process.kill()  # and no waiting for its database: the next start must cope
    second = start()
    assert scores_of(second.wait_until_ready(), key) == {"accuracy": 95}
    post(address, key, 96)


def test_killed_database_is_back_by_itself_with_its_scores(start: Start, data_dir: Path) -> None:
    served = start()
    address, key = served.wait_until_ready(), key_in(served)
    post(address, key, 95)
    postmaster = int((data_dir / "pgdata" / "postmaster.pid").read_text().split()[0])
    subprocess.run(["kill", "-9", str(postmaster)], check=True)
    wait_until_gone({postmaster})
    statuses = set()
    begun = time.monotonic()
    while "PostgreSQL runs again" not in served.errors():
        statuses.add(httpx.get(f"{address}/readyz", timeout=30).status_code)
        assert time.monotonic() - begun < TIMEOUT_S
    assert statuses <= {200, 503}
    assert scores_of(address, key) == {"accuracy": 95}
    post(address, key, 96)
    assert "PostgreSQL died (SIGKILL" in served.stop(signal.SIGTERM)


def test_second_start_on_the_same_folder_is_refused(start: Start, data_dir: Path) -> None:
    first = start()
    address, key = first.wait_until_ready(), key_in(first)
    second = run_with("serve", DATA_DIR=str(data_dir), PORT="0")
    assert_fails(second, f"{data_dir} is in use by another service, process {first.process.pid}")
    post(address, key, 95)


def test_key_made_while_the_service_runs_works_at_once(start: Start, data_dir: Path) -> None:
    served = start()
    address = served.wait_until_ready()
    made = run_with("keys", "create", "--organization", "another", DATA_DIR=str(data_dir))
    assert (made.returncode, made.stderr) == (0, "")
    post(address, made.stdout.strip(), 7)
    assert scores_of(address, made.stdout.strip()) == {"accuracy": 7}


def test_key_made_before_the_first_start_is_enough(first_start: Start, data_dir: Path) -> None:
    made = run_with("keys", "create", DATA_DIR=str(data_dir))
    assert (made.returncode, made.stderr) == (
        0,
        f"no service runs on {data_dir} (HELISCORE_DATA_DIR): this command makes a new database there\n",
    )
    served = first_start()
    address = served.wait_until_ready()
    assert served.printed[1].startswith("API keys exist already")
    post(address, made.stdout.strip(), 7)


@pytest.mark.parametrize(
    "command",
    [
        ["keys", "list"],
        ["keys", "revoke", "1"],
        ["backup", "scores.backup"],
        ["prune", "--days", "1"],
        ["demo", "--remove", "--yes"],
    ],
    ids=" ".join,
)
def test_command_for_what_is_there_makes_no_database(data_dir: Path, command: list[str]) -> None:
    """As where only the service has the setting."""
    assert_fails(
        run_with(*command, DATA_DIR=str(data_dir)),
        f"there is no database in {data_dir}: HELISCORE_DATA_DIR must be the folder of the service, "
        "or HELISCORE_DATABASE_URL the address of its database",
    )
    assert not data_dir.exists()


def test_configured_key_is_registered_at_every_start(start: Start) -> None:
    key = "my-old-key-of-20-chars"
    for value in (1, 2):
        served = start(API_KEY=key)
        address = served.wait_until_ready()
        assert served.printed[1] == "API key: the one in HELISCORE_API_KEY"
        post(address, key, value)
        assert key not in "\n".join(served.printed) + served.stop(signal.SIGTERM)


def test_warm_start_is_ready_in_seconds(start: Start) -> None:
    first = start()
    first.wait_until_ready()
    first.stop(signal.SIGTERM)
    begun = time.monotonic()
    start(popen=subprocess.Popen).wait_until_ready()
    assert time.monotonic() - begun < 10 + CROWDED_S
