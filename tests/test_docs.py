"""README and docs/ say what the code does, their links lead somewhere, and their commands run."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import heliscore.cli
import httpx
import pytest
from heliscore.api.shared.filter_columns import SORTABLE, SORTABLE_BY_KEY, TABLES, UNRECORDED
from heliscore.api.shared.filter_language import OPERATORS
from heliscore.observability.log_lines import RequestLine
from heliscore.settings import PREFIX, Settings

from tests.conftest import Service

TREE = Path(__file__).parents[1]
PACKAGE = TREE / "app" / "heliscore"
DOCS = TREE / "docs"
PAGES = {str(path.relative_to(TREE)): path for path in (TREE / "README.md", *sorted(DOCS.rglob("*.md")))}

ADDRESS = "http://127.0.0.1:8585"
"""Where the commands find the service."""

TIMEOUT_S = 120

every_page = pytest.mark.parametrize("page", PAGES)


def read(page: str) -> str:
    return PAGES[page].read_text(encoding="utf-8")


def blocks(page: str) -> list[tuple[str, str]]:
    """The fenced blocks, each with its language."""
    return re.findall(r"^```(\w+)\n(.*?)^```$", read(page), re.MULTILINE | re.DOTALL)


def prose(page: str) -> str:
    """What stands outside of fenced blocks."""
    return re.sub(r"^```\w+\n.*?^```$", "", read(page), flags=re.MULTILINE | re.DOTALL)


def named(page: str) -> set[str]:
    """What stands between backticks."""
    return set(re.findall(r"`([^`\n]+)`", prose(page)))


def rows(text: str) -> list[list[str]]:
    """The cells of every table's rows."""
    return [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]


# Links


def anchors(path: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(str(path.relative_to(TREE))), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@every_page
def test_links_lead_somewhere(page: str) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)\s]+)\)", prose(page))
    for target in targets:
        file, _, anchor = target.partition("#")
        path = (PAGES[page].parent / file).resolve() if file else PAGES[page]
        assert path.exists(), target
        if anchor:
            assert anchor in anchors(path), target


def test_index_names_every_page() -> None:
    linked = re.findall(r"\]\(([\w/]+\.md)\)", read("docs/README.md"))
    pages = [page.removeprefix("docs/") for page in PAGES if page.startswith("docs/")]
    assert sorted([*linked, "README.md"]) == sorted(pages)


@every_page
def test_files_that_are_named_exist(page: str) -> None:
    paths = {name for name in named(page) if re.fullmatch(r"[\w./]+\.(py|sql|js|toml|yaml)", name)}
    for path in paths:
        found = (TREE / path, PACKAGE / path, *(PACKAGE.rglob(path) if "/" not in path else ()))
        assert any(file.is_file() for file in found), path


@every_page
def test_make_targets_that_are_named_exist(page: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (TREE / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    written = "\n".join([*named(page), *(text for language, text in blocks(page) if language == "sh")])
    assert set(re.findall(r"^make ([a-z-]+)", written, re.MULTILINE)) <= targets


# What the code says too


def test_table_of_settings_is_complete() -> None:
    listed = re.findall(rf"^\| `{PREFIX}(\w+)` \| (.+?) \|", read("docs/settings.md"), re.MULTILINE)
    assert [name.lower() for name, _ in listed] == list(Settings.__struct_fields__)


def test_defaults_of_settings_are_right() -> None:
    settings = Settings()
    listed = dict(re.findall(rf"^\| `{PREFIX}(\w+)` \| (.+?) \|", read("docs/settings.md"), re.MULTILINE))
    assert {name.lower(): default for name, default in listed.items()} == {
        name: shown(getattr(settings, name)) if name != "data_dir" else "see below"
        for name in Settings.__struct_fields__
    }


def shown(value: object) -> str:
    return "none" if value is None else f"`{str(value).lower() if isinstance(value, bool) else value}`"


def test_command_line_is_complete() -> None:
    [synopsis] = [text for language, text in blocks("docs/settings.md") if language == "text"]
    documented = {}
    for line in synopsis.splitlines():
        command, rest = re.fullmatch(r"heliscore ((?:[a-z][a-z-]* ?)+)(.*)", line).groups()  # type: ignore[union-attr]
        parameters = re.findall(r"--[a-z-]+|(?<![-\w] )\b[A-Z]+\b", rest)
        documented[command.strip()] = sorted(parameters)
    [program] = {
        value for value in vars(heliscore.cli).values() if getattr(value, "name", None) == "heliscore"
    }
    assert documented == dict(parameters_of(program))


def parameters_of(group: click.Group, prefix: str = "") -> Iterator[tuple[str, list[str]]]:
    """Each command with its options, and its arguments as the help calls them."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from parameters_of(command, f"{prefix}{name} ")
            continue
        context = click.Context(command)
        yield (
            prefix + name,
            sorted(
                one.opts[0] if isinstance(one, click.Option) else one.make_metavar(context).strip("[]")
                for one in command.params
                if not getattr(one, "hidden", False)
            ),
        )


def test_table_of_operators_is_that_of_the_filter_language() -> None:
    listed = {cells[0]: re.findall(r"`([\w-]+)`", cells[-1]) for cells in rows(read("docs/filters.md"))}
    for kind, operators in OPERATORS.items():
        assert listed["string" if kind.value == "text" else kind.value] == list(operators)


def test_every_table_column_and_sort_key_is_named() -> None:
    columns = {name for table in TABLES.values() if isinstance(table, dict) for name in table}
    columns.update(*UNRECORDED.values())
    text = re.sub(r"`\{\"(\w+)\": ", r"`\1` ", prose("docs/filters.md"))
    words = set(re.findall(r"`([\w-]+)`", text))
    assert {*columns, *TABLES, *SORTABLE, *SORTABLE_BY_KEY} - words == set()


def test_line_of_the_request_log_has_the_keys_that_are_shown() -> None:
    [line] = [text for language, text in blocks("docs/operations/observability.md") if language == "json"]
    assert list(json.loads(line)) == list(RequestLine.__struct_encode_fields__)


def test_tree_shows_every_folder_of_the_package() -> None:
    tree, _data_model = (text for language, text in blocks("docs/architecture.md") if language == "text")
    folders = {path.name for path in PACKAGE.rglob("*") if any(path.glob("*.py"))}
    assert folders - set(re.findall(r"(\w+)/", tree)) == set()


def test_tests_that_hold_the_guarantees_exist() -> None:
    for _, held_by in rows(read("docs/guarantees.md"))[2:]:
        for file, names in re.findall(r"\]\(\.\./([\w/]+\.py)\)((?:,? `\w+`)*)", held_by):
            text = (TREE / file).read_text(encoding="utf-8")
            for name in re.findall(r"\w+", names):
                assert f"def {name}(" in text, name


def test_goals_are_those_of_the_published_run() -> None:
    def goals(text: str) -> list[list[str]]:
        _, _, behind = text.partition("## Goals\n")
        return rows(behind.partition("\n## ")[0])

    report = (TREE / "tests" / "bench" / "results" / "RESULTS.md").read_text(encoding="utf-8")
    assert goals(read("docs/benchmarks.md")) == goals(report)


# Commands

ANSWERS = {
    "README.md": '"scores":{"accuracy": 95, "relevance": 87, "has_citations": 1}',
    "docs/bulk.md": '{"data":{"accepted":1,"rejected":1,"errors":[{"index":1,',
    "docs/changes.md": '"groupsLeftOut":0,"scoresLeftOut":0,"unknownScores":[]',
    "docs/definitions.md": '"warnings":["scores.helpfulness: must be one of 0 (wrong), 1 (partly), 2 (right)',
    "docs/experiments.md": '"verdict":"tooFew","uncorrectedVerdict":"tooFew"',
    "docs/export.md": "request_id,created_at,model",
    "docs/helicone.md": '{"data":[{"group":null,"scores":{"accuracy":{"count":1,"average":95.0,',
    "docs/history.md": '{"data":{"requests":1,"scores":1,"takenBack":1,"done":true,"next":null}',
    "docs/import.md": '{"data":{"accepted":1,"unchanged":0,"rejected":0,"errors":[]},"error":null}',
    "docs/monitors.md": '"state":"ok","states":[],"groupsLeftOut":0,"error":null',
    "docs/promptlayer.md": '"scores":[{"name":"default","score":88},{"name":"summarization","score":100}]',
    "docs/requests.md": '"columns":["answer","model","property:env"],"range":"7d"',
    "docs/queues.md": '"items":{"all":1,"done":0,"inWork":1,"left":0},"reviews":{"wanted":2,"done":1}',
    "docs/sampling.md": '"scores":{"accuracy":95},"reason":"accuracy is 95, 5 above the threshold 90"}',
    "docs/webhooks.md": '"enabled":true,"disabledReason":null,"failingSince":null,',
}
"""By page, a part of what its commands print."""

EVALUATORS = "docs/evaluators.md"
"""Its functions are called in tests/api/test_evaluators.py."""

EVENTS = "docs/events.md"
"""Its commands do not end by themselves."""

CLIENTS = "docs/clients.md"
"""Its programs are run in tests/sdk/test_generated_clients.py."""

PREAMBLE = f"""
set -euo pipefail
curl() {{ command curl --silent --show-error --fail-with-body "$@"; echo; }}
python() {{ {sys.executable} "$@"; }}
"""


def commands(page: str) -> str:
    """Whatever on the page calls the service, as one script; Python is piped into an interpreter."""
    return "\n".join(
        text if language == "sh" else f"python - <<'END'\n{text}END\n"
        for language, text in blocks(page)
        if language == "python" or (language == "sh" and ADDRESS in text)
    )


@every_page
def test_pages_with_commands_are_run(page: str) -> None:
    assert bool(commands(page)) == (page in ANSWERS or page in (EVALUATORS, EVENTS, CLIENTS))


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
@pytest.mark.parametrize("page", ANSWERS)
async def test_commands_run(service: Service, page: str) -> None:
    key = await service.make_key()
    client = await service.client(key=key)
    scored = await client.post("/v1/request/another/score", json={"scores": {"accuracy": 95}})
    assert scored.status_code == 200
    script = PREAMBLE + f"export KEY={key}\n" + commands(page).replace(ADDRESS, service.address)
    process = await asyncio.create_subprocess_exec(
        "bash", "-c", script, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    async with asyncio.timeout(TIMEOUT_S):
        printed, complaints = await process.communicate()
    assert process.returncode == 0, printed.decode() + complaints.decode()
    assert ANSWERS[page] in printed.decode()


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
@pytest.mark.parametrize("language", ["sh", "python"])
async def test_listeners_that_are_shown_hear_events(service: Service, language: str) -> None:
    key = await service.make_key()
    [text] = [text for its, text in blocks(EVENTS) if its == language]
    if language == "sh":
        command = ["bash", "-c", f"KEY={key}\nexec {text}".replace(ADDRESS, service.address)]
    else:
        command = [sys.executable, "-u", "-c", f"{text}\nlisten({service.address!r}, {key!r})"]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    async with asyncio.timeout(TIMEOUT_S):
        while b"score.recorded" not in await process.stdout.readline():
            pass  # the types that `ready` names
    process.kill()
    await process.communicate()


async def test_gate_that_is_shown_is_one(client: httpx.AsyncClient) -> None:
    [gate] = [tomllib.loads(text) for language, text in blocks("docs/gate.md") if language == "toml"]
    answer = await client.post("/v1/evals/gate", json=gate)
    assert (answer.status_code, answer.json()["data"]["result"]) == (200, "inconclusive")


async def test_monitor_that_is_shown_is_one(client: httpx.AsyncClient) -> None:
    [monitor] = [tomllib.loads(text) for language, text in blocks("docs/monitors.md") if language == "toml"]
    answer = await client.post("/v1/monitors", json=monitor)
    assert (answer.status_code, answer.json()["data"]["state"]) == (200, "ok")


async def test_filter_that_is_shown_is_one(client: httpx.AsyncClient) -> None:
    queries = [text for language, text in blocks("docs/filters.md") if language == "json"]
    for query in queries:
        answer = await client.post("/v1/request/query", content=query)
        assert (answer.status_code, answer.json()) == (200, {"data": [], "error": None})
    assert len(queries) == 2
