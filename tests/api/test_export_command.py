"""`heliscore export`: files as the endpoint makes them, whole after broken connections too."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from heliscore.api.shared import export_stream
from heliscore.cli import export_command
from heliscore.domain.errors import NotAsked, Unavailable
from heliscore.store import exports
from heliscore.store.connections.pool import Connection
from pyarrow import parquet

from tests.api.envelope import RMT, log, post

Run = Callable[..., Any]


@pytest.fixture
async def run(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, capfdbinary: Any) -> Run:
    """Runs the command in a thread; returns what it wrote to stdout, and what it said on stderr."""
    monkeypatch.setenv("HELISCORE_API_KEY", client.headers["Authorization"].removeprefix("Bearer "))
    monkeypatch.setattr(export_command, "_PAUSE_S", 0.01)

    async def run(*arguments: str) -> tuple[bytes, str]:
        command = [*arguments, "--url", str(client.base_url)]
        await asyncio.to_thread(export_command.export.main, command, standalone_mode=False)
        written = capfdbinary.readouterr()
        return written.out, written.err.decode()

    return run


@pytest.fixture
async def requests(client: httpx.AsyncClient, connection: Connection, organization_id: int) -> None:
    """Two dozen, two of which are of the same time, with bodies of lines and quotation marks."""
    for number in range(24):
        await log(
            connection,
            organization_id,
            f"=r{number:02}",
            f"2026-01-01T00:{number // 2:02}:00.120Z",
            user_id=f'"{number}"\r\nx',
            prompt_id="a\nb",
        )
    await post(client, "=r03", {"accuracy": 95})
    await post(client, "=r17", {"accuracy": -5, "ok": True})


def break_off(monkeypatch: pytest.MonkeyPatch, places: set[int]) -> None:
    """Have answers end amid these pieces, counted over all answers."""
    monkeypatch.setattr(exports, "_BATCH", 5)
    send, sent = export_stream._send, 0

    async def send_some(to: Any, made: bytes) -> None:
        nonlocal sent
        if made:
            sent += 1
        if made and sent in places:
            await send(to, made[: len(made) // 2])
            await asyncio.sleep(0.05)  # so that it is not lost with the connection
            raise Unavailable("broken off by a test")
        await send(to, made)

    monkeypatch.setattr(export_stream, "_send", send_some)


@pytest.mark.usefixtures("requests")
@pytest.mark.parametrize("format_", ["jsonl", "csv"])
async def test_file_has_neither_holes_nor_repetitions_after_broken_connections(
    client: httpx.AsyncClient, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format_: str
) -> None:
    expected = (await client.post("/v1/export", json={"filter": "all", "format": format_})).content
    break_off(monkeypatch, {1, 3, 6})
    # Headers are small, and so is the first piece that is compressed.
    monkeypatch.setattr(export_stream, "_accepts_gzip", lambda _: False)
    _, said = await run(str(tmp_path / f"out.{format_}"))
    assert (tmp_path / f"out.{format_}").read_bytes() == expected
    assert said.count("the connection was broken off, trying again") == 3
    assert "24 of 24 requests, " in said or format_ == "csv"
    assert not (tmp_path / f"out.{format_}.part").exists()


@pytest.mark.usefixtures("requests")
async def test_parquet_begins_again_after_a_broken_connection(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_off(monkeypatch, {2})
    _, said = await run(str(tmp_path / "out.parquet"), "--columns", "request_id,scores")
    read = parquet.read_table(io.BytesIO((tmp_path / "out.parquet").read_bytes()))
    assert read.column("request_id").to_pylist() == [
        f"=r{number:02}" for pair in reversed(range(12)) for number in (2 * pair, 2 * pair + 1)
    ]
    assert read.column("scores.accuracy").to_pylist().count(None) == 22
    assert "trying again" in said
    assert "24 requests, " in said


@pytest.mark.usefixtures("requests")
async def test_filter_columns_and_history_are_sent_and_stdout_is_a_file(run: Run, tmp_path: Path) -> None:
    (tmp_path / "filter.json").write_text('{"request_response_rmt": {"request_id": {"equals": "=r03"}}}')
    chosen = ("--filter", str(tmp_path / "filter.json"), "--columns", "request_id", "--history")
    written, said = await run("-", *chosen)
    assert said.startswith("1 of 1 requests, ")
    assert written == b'{"request_id":"=r03","history":{}}\n'


@pytest.mark.usefixtures("requests")
async def test_what_cannot_be_asked_leaves_the_file_as_it_was(run: Run, tmp_path: Path) -> None:
    (tmp_path / "out.csv").write_text("old")
    with pytest.raises(NotAsked, match="400: columns"):
        await run(str(tmp_path / "out.csv"), "--columns", "nonsense")
    with pytest.raises(NotAsked, match="400: filter"):
        await run(str(tmp_path / "out.csv"), "--filter", f'{{"{RMT}": {{"nonsense": 1}}}}')
    with pytest.raises(NotAsked, match="No such file"):
        await run(str(tmp_path / "no folder" / "out.csv"))
    assert (tmp_path / "out.csv").read_text() == "old"
