"""What an export wrote comes in elsewhere as it was: an export of that is equal to the first one."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from heliscore.api.native.import_lines import LINE
from heliscore.cli.import_command import import_
from heliscore.domain.export_columns import CURSOR, HISTORY, REQUEST_COLUMNS, SCORES
from heliscore.imports.fields import COLUMNS

from tests.api.envelope import post
from tests.conftest import Service

BODIES = {"includeBodies": True}
DETAILS = {"columns": [*REQUEST_COLUMNS, "score_details", "history"], "history": True}

LOG: dict[str, Any] = {
    "providerRequest": {
        "url": "https://example.com/v1/chat/completions",
        "json": {"model": "gpt-4o", "messages": [{"role": "user", "content": "=1+1 é \\u0000"}], "x": 0.10},
        "meta": {
            "Helicone-Request-Id": "logged",
            "Helicone-User-Id": "=HYPERLINK()",
            "Helicone-Session-Id": "s1",
            "Helicone-Property-Variant": "'+A",
            "Helicone-Prompt-Id": "greeting",
            "Helicone-Prompt-Version": "3",
        },
    },
    "providerResponse": {
        "json": {"id": "c1", "model": "gpt-4o-2024", "usage": {"prompt_tokens": 3, "completion_tokens": 5}},
        "status": 200,
    },
    "timing": {
        "startTime": "2026-01-01T10:00:00Z",
        "endTime": "2026-01-01T10:00:01.25Z",
        "timeToFirstToken": 90,
    },
}
PROMPT: dict[str, Any] = {
    "provider": "openai",
    "model": "gpt-4o",
    "input": {"type": "chat", "messages": []},
    "output": {"type": "chat", "messages": []},
    "request_start_time": 1767225600.0,
    "request_end_time": 1767225601.25,
    "prompt_name": "greeting",
    "prompt_version_number": 2,
    "input_variables": {"topic": "dogs"},
    "tags": ["a", "b,c"],
    "metadata": {"user": "u1"},
    "status": "WARNING",
    "error_message": "late",
    "score": 88,
    "score_name": "summary",
}


async def fill(client: httpx.AsyncClient) -> None:
    """Whatever scores can have behind them: replaced, removed, restored, taken back, aside, commented."""
    assert (await client.post("/v1/trace/custom/log/typed", json=LOG)).is_success
    assert (await client.post("/log-request", json=PROMPT)).is_success
    definition = {"type": "integer", "precedence": "human"}
    assert (await client.put("/v1/score-definitions/tone", json=definition)).is_success
    for author, scores in (
        ("human:ann@example.com", {"tone": {"value": 2, "comment": 'so "good", or not'}, "flag": True}),
        ("judge:j@1", {"tone": {"value": 1, "comment": "curt"}, "accuracy": 40, "flag": False}),
        ("judge:j@2", {"accuracy": 95, "gone": 1, "back": 3}),
    ):
        for request_id in ("logged", "only scored"):
            body = {"requestId": request_id, "author": author, "scores": scores}
            assert (await client.post("/v1/scores", json=body)).is_success
    await post(client, "only scored", {"back": 4})
    assert (await client.delete("/v1/request/logged/score/gone")).is_success
    shown = (await client.get("/v1/request/only scored/scores")).json()["data"]["scores"]["back"]["history"]
    change = {"change": shown[-1]["change"]}
    assert (await client.post("/v1/request/only scored/score/back/restore", json=change)).is_success
    assert (await client.post("/v1/scores/revert", json={"author": "judge:j@1"})).is_success
    await post(client, "only scored", {"late": 1})


async def export(client: httpx.AsyncClient, **body: object) -> bytes:
    response = await client.post("/v1/export", json={"filter": "all", "sort": {"created_at": "asc"}, **body})
    assert response.status_code == 200, response.text
    return response.content


async def lines(client: httpx.AsyncClient, *, history: bool = True) -> list[Any]:
    """The lines of an export; the order of names in them says nothing."""
    return [json.loads(line) for line in (await export(client, history=history)).splitlines()]


async def changes(client: httpx.AsyncClient, request_id: str) -> dict[str, Any]:
    """All that is known of a request's scores, but how the present values came: exports do not say."""
    scores = (await client.get(f"/v1/request/{request_id}/scores")).json()["data"]["scores"]
    for score in scores.values():
        for key in ("call", "action", "restoredBy"):
            next(change for change in score["history"] if not change["isAside"]).pop(key)
    return dict(scores)


async def take_in(service: Service, organization: str, file: Path) -> str:
    environment = {
        "HELISCORE_URL": service.address,
        "HELISCORE_API_KEY": await service.make_key(organization),
    }
    result = await asyncio.to_thread(CliRunner().invoke, import_, [str(file)], env=environment)
    assert (result.exit_code, result.exception) == (0, None), result.output
    return result.output.splitlines()[-1].removeprefix(f"{file}: ")


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("past.jsonl", {"history": True}),
        ("present.jsonl", {"history": False}),
        ("past.csv", {"format": "csv", **BODIES, **DETAILS}),
        ("past.parquet", {"format": "parquet", **BODIES, **DETAILS}),
    ],
)
async def test_an_export_of_an_import_is_the_export(
    shared: Service,
    client: httpx.AsyncClient,
    organization: str,
    tmp_path: Path,
    name: str,
    options: dict[str, Any],
) -> None:
    await fill(client)
    file = tmp_path / name
    file.write_bytes(await export(client, **options))
    elsewhere = f"{organization} elsewhere"
    assert await take_in(shared, elsewhere, file) == "3 rows are stored, 0 of them without a change"
    other = await shared.client(elsewhere)
    history = bool(options["history"])
    assert await lines(other, history=history) == await lines(client, history=history)
    if name == "past.jsonl":
        for request_id in ("logged", "only scored"):
            assert await changes(other, request_id) == await changes(client, request_id)
    # Where it came from, and where it is already, nothing is new.
    for known in (organization, elsewhere):
        assert await take_in(shared, known, file) == "3 rows are stored, 3 of them without a change"
    assert await lines(other, history=history) == await lines(client, history=history)


async def test_pieces_of_an_export_in_any_order_come_to_the_whole(
    shared: Service, client: httpx.AsyncClient, organization: str, tmp_path: Path
) -> None:
    elsewhere = f"{organization} elsewhere"
    await fill(client)
    file = tmp_path / "export.jsonl"
    early = await export(client, history=True)
    await post(client, "logged", {"accuracy": 96, "new": 1})
    await post(client, "only scored", {"back": 5})
    late = await export(client, history=True)
    for word in (b"is_aside", b"taken_back_at", b"restored_by", b"comment"):
        assert word in late
    for content in (late, early):
        file.write_bytes(content)
        await take_in(shared, elsewhere, file)
    assert await lines(await shared.client(elsewhere)) == [json.loads(line) for line in late.splitlines()]


def test_imports_take_the_columns_that_exports_have() -> None:
    columns = {*REQUEST_COLUMNS, SCORES, HISTORY, CURSOR}
    assert set(LINE.schema["properties"]) == columns
    assert {*COLUMNS, "model", SCORES, HISTORY, CURSOR} == columns
    assert json.dumps(LINE.schema)
