"""`heliscore gate` as a process that asks a service: lines, files and exit statuses."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest
from heliscore.cli.gate_question import make_filter
from heliscore.domain.errors import NotAsked
from heliscore.store.connections.pool import Connection

from tests.api.envelope import RMT, log, post
from tests.commands import Command
from tests.conftest import Service
from tests.servers import listening_socket
from tests.test_cli import HELISCORE, TIMEOUT_S, Finished, environment

NEW = {"property": "version", "equals": "1.4"}
PASS = {"score": "accuracy", "atLeast": 80}
FAIL = {"score": "accuracy", "atMost": 80}
UNSURE = {"score": "accuracy", "atLeast": 91, "sure": True}
SKIPPED = {"score": "tone", "skip": True}

PASSED = (
    "pass          accuracy atLeast 80: accuracy is 91.0 (95 % 86.7 to 95.3), at least 80 asked; 10 requests"
)
FAILED = (
    "fail          accuracy atMost 80: accuracy is 91.0 (95 % 86.7 to 95.3), at most 80 asked; 10 requests"
)
SKIPPED_LINE = "skipped       tone skip: skip is true"
REASON = "accuracy is 91.0 (95 % 86.7 to 95.3), at most 80 asked; 10 requests"


class Asking:
    """Runs the command against the shared service, in a folder."""

    def __init__(self, address: str, key: str, folder: Path) -> None:
        self.folder = folder
        self._settings = {"URL": address, "API_KEY": key}

    def ask(self, question: object, *options: str, file: str = "gate.json", **variables: str) -> Command[str]:
        """Start the command."""
        if question is not None:
            (self.folder / file).write_text(question if isinstance(question, str) else json.dumps(question))
        github = {name: "" for name in os.environ if name.startswith("GITHUB_")}
        settings = {name: variables.pop(name, value) for name, value in self._settings.items()}
        return Command(
            [HELISCORE, "gate", file, *options],
            env=environment(**settings) | github | variables,
            cwd=self.folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    async def run(self, question: object, *options: str, stdin: str = "", **more: str) -> Finished:
        return await asyncio.to_thread(self._run, question, *options, stdin=stdin, **more)

    def _run(self, question: object, *options: str, stdin: str, **more: str) -> Finished:
        with self.ask(question, *options, **more) as process:
            written, complaints = process.communicate(stdin, TIMEOUT_S)
        return Finished(options, process.returncode, written, complaints)


@pytest.fixture
async def asking(
    shared: Service,
    client: httpx.AsyncClient,
    connection: Connection,
    organization: str,
    organization_id: int,
    tmp_path: Path,
) -> Asking:
    """Ten requests of version 1.4 with accuracy."""
    for number in range(10):
        properties = json.dumps({"version": "1.4", "half": f"\n::{number % 2}"})
        await log(connection, organization_id, f"r{number}", "2026-01-02T00:00:00Z", properties=properties)
    items = [{"requestId": f"r{number}", "scores": {"accuracy": 100 - 2 * number}} for number in range(10)]
    answer = await client.post("/v1/scores/batch", json={"items": items})
    assert answer.status_code == 200
    return Asking(shared.address, await shared.make_key(organization, "r"), tmp_path)


def question(*checks: object, **body: object) -> dict[str, Any]:
    return {"name": "release", "filter": "all", "candidate": NEW, "checks": checks, **body}


@pytest.mark.parametrize(
    ("checks", "body", "status", "last"),
    [
        ([PASS, SKIPPED], {}, 0, "release: pass"),
        ([PASS, FAIL], {}, 1, "release: fail"),
        ([PASS, UNSURE], {}, 1, "release: inconclusive, counts as fail"),
        ([PASS, UNSURE], {"onTooFew": "inconclusive"}, 2, "release: inconclusive"),
        ([PASS, UNSURE], {"onTooFew": "pass"}, 0, "release: inconclusive, counts as pass"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_last_line_says_what_the_exit_status_says(
    asking: Asking, checks: list[object], body: dict[str, object], status: int, last: str
) -> None:
    finished = await asking.run(question(*checks, **body))
    assert (finished.returncode, finished.stderr) == (status, "")
    first, _, end = finished.stdout.splitlines()
    assert (first, end) == (PASSED, last)


async def test_files_are_written_and_github_is_served(asking: Asking) -> None:
    summary = asking.folder / "summary.md"
    summary.write_text("before\n")
    finished = await asking.run(
        question(PASS, FAIL, SKIPPED),
        "--junit",
        "gate.xml",
        "--markdown",
        "gate.md",
        GITHUB_ACTIONS="true",
        GITHUB_STEP_SUMMARY=str(summary),
    )
    assert (finished.returncode, finished.stderr) == (1, "")
    annotation = f"::error title=accuracy atMost 80::{REASON.replace('%', '%25')}"
    lines = [PASSED, FAILED, SKIPPED_LINE, annotation, "release: fail"]
    assert finished.stdout.splitlines() == lines
    [suite] = ElementTree.parse(asking.folder / "gate.xml").getroot()  # noqa: S314
    assert {case.attrib["name"]: [child.tag for child in case] for case in suite} == {
        "accuracy atLeast 80": ["system-out"],
        "accuracy atMost 80": ["failure"],
        "tone skip": ["skipped"],
    }
    markdown = (asking.folder / "gate.md").read_text()
    assert markdown.startswith("## release: fail\n")
    assert summary.read_text() == "before\n" + markdown


async def test_names_of_groups_are_no_commands(asking: Asking) -> None:
    body = question(UNSURE, groupBy={"property": "half"}, onTooFew="pass")
    finished = await asking.run(body, GITHUB_ACTIONS="true")
    assert finished.returncode == 0
    lines = finished.stdout.splitlines()
    assert [line.split(":")[0] for line in lines[:2]] == ["inconclusive  accuracy atLeast 91 sure [ "] * 2
    assert [line.split("::")[1] for line in lines[2:4]] == [
        f"warning title=accuracy atLeast 91 sure [ %3A%3A{half}]" for half in (0, 1)
    ]
    assert len(lines) == 5


TOML = """
name = "release"
filter = "all"
candidate = {property = "version", equals = "1.4"}
timeFilter = {start = 2026-01-02, end = 2026-01-03T00:00:00Z}

[[checks]]
score = "accuracy"
atLeast = 80
"""


async def test_question_may_be_toml_and_on_stdin(asking: Asking) -> None:
    of_file = await asking.run(TOML, file="gate.toml")
    assert (of_file.returncode, of_file.stdout) == (0, f"{PASSED}\nrelease: pass\n")
    for text in (TOML, json.dumps(question(PASS))):
        of_stdin = await asking.run(None, file="-", stdin=text)
        assert (of_stdin.returncode, of_stdin.stdout) == (0, of_file.stdout)


async def assert_not_asked(asking: Asking, message: str, *arguments: Any, **more: Any) -> None:
    """One line on stderr says why, and nothing looks like a result."""
    finished = await asking.run(*arguments, **more)
    line = f"heliscore: {message}\n".format(url=asking._settings["URL"])
    assert (finished.returncode, finished.stdout, finished.stderr) == (3, "", line)


async def test_question_that_cannot_be_asked_has_its_own_status(asking: Asking) -> None:
    await assert_not_asked(asking, "none.json: No such file or directory", None, file="none.json")
    await assert_not_asked(
        asking,
        "gate.toml: Expected '=' after a key in a key/value pair (at line 1, column 3)",
        "a b",
        file="gate.toml",
    )
    await assert_not_asked(asking, "gate.json: expected an object", "[]")
    await assert_not_asked(asking, "HELISCORE_API_KEY is not set", question(PASS), API_KEY="")
    await assert_not_asked(asking, "--wait and --expect go together", question(PASS), "--wait", "1")
    await assert_not_asked(
        asking, "Invalid value for '--expect': 0 is not in the range x>=1.", question(PASS), "--expect", "0"
    )
    await assert_not_asked(
        asking,
        "{url}/v1/evals/gate answers 400: checks[0]: expected one of notWorseBy, better, and atLeast or "
        "atMost or both; confidence: expected a number above 0.5 and below 0.999999, got 7",
        question({"score": "a"}, confidence=7),
    )
    await assert_not_asked(
        asking, "{url}/v1/evals/gate answers 401: the API key is not valid", question(PASS), API_KEY="x"
    )
    await assert_not_asked(
        asking, "no/gate.md: No such file or directory", question(PASS), "--markdown", "no/gate.md"
    )


async def test_service_that_does_not_answer_is_no_pass(asking: Asking) -> None:
    listener = listening_socket()
    url = "http://{}:{}".format(*listener.getsockname())
    listener.close()
    finished = await asking.run(question(PASS), "--url", url)
    assert (finished.returncode, finished.stdout) == (3, "")
    assert finished.stderr.startswith(f"heliscore: {url}: ")
    wrong = await asking.run(question(PASS), "--url", "nowhere")
    assert (wrong.returncode, wrong.stdout) == (3, "")


async def test_command_waits_for_scores(asking: Asking, client: httpx.AsyncClient) -> None:
    """The tenth request gets its last score after the first look."""
    both = question(PASS, {"score": "late", "atLeast": 1}, SKIPPED)
    for number in range(9):
        await post(client, f"r{number}", {"late": 1})
    short = await asking.run(both, "--wait", "0.1", "--expect", "10")
    progress = "9 of 10 requests have all scores"
    message = f"{progress}\nheliscore: {progress} after 0.1 s\n"
    assert (short.returncode, short.stdout, short.stderr) == (3, "", message)
    with asking.ask(both, "--wait", "60", "--expect", "10") as waiting:
        assert waiting.stderr is not None
        assert await asyncio.to_thread(waiting.stderr.readline) == f"{progress}\n"
        await post(client, "r9", {"late": 1})
        printed, complaints = await asyncio.to_thread(waiting.communicate, timeout=TIMEOUT_S)
    assert (waiting.returncode, complaints) == (0, "")
    assert printed.splitlines()[1:] == [
        "pass          late atLeast 1: late is 100.0 % (95 % 72.2 to 100.0), at least 100 % asked; "
        "10 requests",
        SKIPPED_LINE,
        "release: pass",
    ]


TIMES = {"start": "2026-01-02", "end": "2026-01-03"}


@pytest.mark.parametrize(
    ("candidate", "count"),
    [
        (NEW, 10),
        ({"property": "version", "equals": None}, 0),
        ({"property": "none", "equals": None}, 10),
        ({"column": "model", "equals": "m"}, 0),
        ({"column": "model", "equals": None}, 10),
        ({"filter": {RMT: {"scores": {"accuracy": {"gte": 90}}}}}, 6),
        ({"times": TIMES}, 10),
        ({"times": {"start": "2026-01-03", "end": "2026-01-04"}}, 0),
    ],
    ids=str,
)
@pytest.mark.usefixtures("asking")
async def test_command_counts_the_requests_that_the_gate_looks_at(
    client: httpx.AsyncClient, candidate: object, count: int
) -> None:
    asked = {"filter": "all", "candidate": candidate, "timeFilter": TIMES, "checks": [PASS, SKIPPED]}
    counted = await client.post("/v1/request/count/query", json={"filter": make_filter(asked)})
    assert counted.json() == {"data": count, "error": None}
    answer = await client.post("/v1/evals/gate", json=asked)
    assert answer.json()["data"]["checks"][0]["candidate"]["n"] == count


def test_candidate_that_is_not_known_cannot_be_waited_for() -> None:
    for candidate in (None, {"property": "a"}, {"times": 1}):
        with pytest.raises(NotAsked):
            make_filter({"candidate": candidate, "checks": []})
