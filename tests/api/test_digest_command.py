"""`heliscore digest` as a process that asks a service."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from heliscore.store.connections.pool import Connection

from tests.api.test_changes import DAY, fill, series
from tests.commands import run_command
from tests.conftest import Service
from tests.test_cli import HELISCORE, TIMEOUT_S, Finished, environment


class Digesting:
    """Runs the command against the shared service."""

    def __init__(self, address: str, key: str) -> None:
        self._settings = {"URL": address, "API_KEY": key}

    async def run(self, *options: str, **settings: str) -> Finished:
        command: list[str | Path] = [HELISCORE, "digest", *options]
        given = environment(**{**self._settings, **settings})
        return await asyncio.to_thread(run_command, command, env=given, timeout=TIMEOUT_S)


@pytest.fixture
async def digesting(
    shared: Service, connection: Connection, organization: str, organization_id: int
) -> Digesting:
    """Two weeks, of which the second is worse with one of two models."""
    now = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)
    rows = series(6, now - 7 * DAY, 80, response_model="gpt") + series(
        6, now - 7 * DAY, 80, 41, response_model="x"
    )
    rows += series(6, now, 60, response_model="gpt") + series(6, now, 80, 41, response_model="x")
    await fill(connection, organization_id, [*rows, (now, {}, {})])
    return Digesting(shared.address, await shared.make_key(organization, "r"))


async def test_digest_says_what_changed_and_how_much_was_scored(digesting: Digesting, tmp_path: Path) -> None:
    finished = await digesting.run()
    assert (finished.returncode, finished.stderr) == (0, "")
    title, *rest = finished.stdout.split("\n\n")
    assert re.fullmatch(r"\d+ \w{3} \d{4}, .* UTC, against the week before", title)
    assert rest[0] == "Worse:"
    assert re.fullmatch(
        r"- accuracy fell 20 points with gpt, 40 answers, since \d+ \w{3}( \d{4})?\n"
        r"  - accuracy fell 9\.9 points, 81 answers, since \d+ \w{3}( \d{4})?",
        rest[1],
    )
    assert rest[2] == "3 comparisons; 82 requests, 81 scores; 1 % of the requests have no score.\n"

    file = tmp_path / "filter.json"
    file.write_text(json.dumps({"request_response_rmt": {"model": {"equals": "x"}}}))
    quiet = await digesting.run("--filter", str(file), "--group-by", "property:env", "--markdown")
    assert quiet.stdout.split("\n\n")[1:] == [
        "No score moved beyond noise.",
        "1 comparison; 41 requests, 41 scores; 0 % of the requests have no score.\n",
    ]


async def test_digest_that_cannot_be_asked_for_has_status_3(digesting: Digesting) -> None:
    for options, settings, message in (
        (("--group-by", "cost"), {}, "groupBys[0]: expected one of model, provider"),
        (("--filter", "none such"), {}, "none such: No such file"),
        (("--filter", "{"), {}, "--filter: "),
        ((), {"API_KEY": ""}, "HELISCORE_API_KEY is not set"),
    ):
        finished = await digesting.run(*options, **settings)
        assert (finished.returncode, finished.stdout) == (3, "")
        assert finished.stderr.startswith("heliscore: ")
        assert message in finished.stderr
