"""`heliscore monitors` against a service, in this process: each would take half a second to start."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner
from heliscore.cli.monitor_commands import monitors
from heliscore.domain.errors import NotAsked
from heliscore.domain.times import now
from heliscore.store.connections.pool import Connection

from tests.api.test_monitors import MONITORS, PAUSED, ask, make_firing
from tests.conftest import Service
from tests.jobs.monitors import HOUR, put_scores

Run = Callable[..., Awaitable[str]]

TOML = """
name = "relevance"
score = "relevance"
statistic = "average"
condition = { below = 70 }
everyMinutes = 60
paused = true
"""


@pytest.fixture
async def run(shared: Service, organization: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    key = await shared.make_key(organization)
    monkeypatch.chdir(tmp_path)
    environment = {"HELISCORE_API_KEY": key, "HELISCORE_URL": shared.address}

    async def run(*arguments: str, **variables: str) -> str:
        result = await asyncio.to_thread(
            CliRunner().invoke, monitors, arguments, env=environment | variables, catch_exceptions=False
        )
        assert result.exit_code == 0, result.output
        return result.output

    return run


async def test_monitor_is_applied_by_name(run: Run, client: httpx.AsyncClient, tmp_path: Path) -> None:
    (tmp_path / "monitor.toml").write_text(TOML)
    made = await run("apply", "monitor.toml")
    [shown] = await ask(client, "GET", MONITORS)
    assert made == f"made {shown['id']}\n"
    (tmp_path / "monitor.json").write_text(json.dumps({**PAUSED, "condition": {"below": 50}}))
    assert await run("apply", "monitor.json") == f"replaced {shown['id']}\n"
    assert json.loads(await run("show", "relevance")) == (await ask(client, "GET", MONITORS))[0]
    assert await run("list") == f"ok       {shown['id']}  relevance\n"
    assert await run("delete", shown["id"]) == f"removed {shown['id']}\n"
    assert await run("list") == ""


async def test_states_and_history_are_lines(
    run: Run, client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    made = await ask(client, "POST", MONITORS, {**PAUSED, "name": "r \u00e9"})
    await make_firing(connection, organization_id)
    assert await run("list") == f"firing   {made['id']}  r \u00e9\n"
    await connection.execute(
        """INSERT INTO monitor_change (organization_id, monitor_id, happened_at, state, count, reason)
        VALUES ($1, $2::text::uuid, '2026-11-28T12:00:00Z', 'firing', 0, E'one\ntwo')""",
        organization_id,
        made["id"],
    )
    assert await run("history", "r \u00e9", "--limit", "1") == "2026-11-28T12:00:00.000Z  firing   one two\n"


async def test_preview_says_when_it_would_have_fired(
    run: Run, connection: Connection, organization_id: int, tmp_path: Path
) -> None:
    hour = now().replace(minute=0, second=0, microsecond=0)
    await put_scores(connection, organization_id, hour - 3 * HOUR, [{"relevance": 60}])
    (tmp_path / "monitor.toml").write_text(TOML)
    fired, told = (await run("preview", "monitor.toml", "--days", "1")).splitlines()
    assert re.fullmatch(r"\S+  until \S+  relevance average 60.0 is below 70: 1 score, .*", fired)
    assert told == "24 periods, 1 groups: would have fired 1 times; 23 times there was too little data"


async def test_what_goes_wrong_is_said(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text(json.dumps({"name": "n", "statistic": "mean"}))
    for arguments, said in (
        (("show", "no\nsuch"), "there is no monitor no such"),
        (("apply", "none.toml"), "none.toml: No such file or directory"),
        (("apply", "bad.json"), "answers 400: statistic: expected "),
    ):
        with pytest.raises(NotAsked) as raised:
            await run(*arguments)
        assert said in str(raised.value)
        assert raised.value.exit_status == 3
    with pytest.raises(NotAsked, match="HELISCORE_API_KEY is not set"):
        await run("list", HELISCORE_API_KEY="")
