"""What every call has: an id, and a line in the log once it is over."""

from __future__ import annotations

import asyncio
import calendar
import gzip
import json
import os
import re
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import httpx
import pytest
from heliscore.domain.api_key import mint_key
from heliscore.observability.log_lines import RequestLine
from heliscore.server import http_server
from heliscore.server.timeouts import Timeouts

from tests.api.calls import PROTECTED, call, name_of
from tests.api.raw import read_answer, request
from tests.api.test_unavailable import COUNT_WAITING, connected, locked
from tests.conftest import Service, StartService

MADE = re.compile("[0-9a-f]{16}")
SCORES = {"scores": {"accuracy": 95}}
SCORE = "/v1/request/{requestId}/score"


# The id


@pytest.mark.parametrize("id_", ["a", "x" * 128, "A0._~:/+=@-", "7d1f-42"])
async def test_id_that_was_sent_comes_back(client: httpx.AsyncClient, id_: str) -> None:
    response = await client.get("/healthz", headers={"X-Request-Id": id_})
    assert response.headers.get_list("x-request-id") == [id_]


@pytest.mark.parametrize("id_", [None, "", "x" * 129, "a b", 'a"b', "a\\b", "ä".encode(), "a\tb", "{}"])
async def test_id_is_made_where_none_that_is_good_was_sent(
    client: httpx.AsyncClient, id_: str | bytes | None
) -> None:
    headers = [] if id_ is None else [(b"X-Request-Id", id_ if isinstance(id_, bytes) else id_.encode())]
    made = set()
    for _ in range(3):
        response = await client.get("/healthz", headers=headers)
        [id_back] = response.headers.get_list("x-request-id")
        assert MADE.fullmatch(id_back)
        made.add(id_back)
    assert len(made) == 3


async def test_every_answer_has_its_id(shared: Service, client: httpx.AsyncClient) -> None:
    nobody = await shared.client(key="")
    stranger = await shared.client(key=mint_key())
    html = {"Accept": "text/html"}
    answers = [
        (200, await client.post("/v1/request/r/score", json=SCORES)),
        (400, await client.post("/v1/request/r/score", json={})),
        (401, await nobody.get("/v1/request/r")),
        (401, await stranger.get("/v1/request/r")),
        (401, await nobody.post("/library-track-score", json={})),
        (404, await client.get("/nowhere")),
        (404, await client.get("/nowhere", headers=html)),
        (405, await client.get("/v1/request/r/score")),
        (303, await nobody.get("/", headers=html)),
        (200, await nobody.get("/docs")),
        (200, await nobody.get("/metrics")),
        (401, await stranger.get("/metrics")),
        (200, await nobody.head("/healthz")),
    ]
    assert [answer.status_code for _, answer in answers] == [status for status, _ in answers]
    ids = [answer.headers.get_list("x-request-id") for _, answer in answers]
    assert all(len(found) == 1 and MADE.fullmatch(found[0]) for found in ids)
    assert len({found[0] for found in ids}) == len(ids)


async def test_answer_to_a_defect_has_its_id(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    client = await service.client()
    connection = await asyncpg.connect(service.dsn)
    await connection.execute("ALTER TABLE request ADD CONSTRAINT none_at_all CHECK (false) NOT VALID")
    await connection.close()
    response = await client.post("/v1/request/r/score", json=SCORES, headers={"X-Request-Id": "mine"})
    assert (response.status_code, response.headers["x-request-id"]) == (500, "mine")
    assert response.json() == {"data": None, "error": "internal error: please report it"}
    [record] = [record for record in caplog.records if record.name == "heliscore"]
    assert record.getMessage() == f"defect in POST {SCORE}"
    assert record.__dict__["fields"] == {"id": "mine"}


# Caches


async def test_no_answer_of_the_api_may_be_kept_by_a_cache(
    shared: Service, client: httpx.AsyncClient
) -> None:
    nobody = await shared.client(key="")
    answers = {name_of(endpoint): await call(client, endpoint) for endpoint in PROTECTED}
    answers |= {path: await client.get(path) for path in ("/healthz", "/readyz", "/metrics", "/openapi.json")}
    answers["401"] = await nobody.get("/v1/request/r")
    answers["404"] = await client.get("/nowhere")
    answers["405"] = await client.get("/v1/request/r/score")
    answers["HEAD"] = await client.head("/v1/request/r")
    answers["promptlayer"] = await nobody.post("/library-track-score", json={})
    rules = {
        name: [answer.headers.get_list(header) for header in ("cache-control", "vary")]
        for name, answer in answers.items()
    }
    vary = "Authorization, Helicone-Auth, X-API-KEY"
    assert {name: rule for name, rule in rules.items() if rule != [["no-store"], [vary]]} == {}


async def test_pages_are_not_kept_and_files_are(shared: Service) -> None:
    nobody = await shared.client(key="")
    page = await nobody.get("/sign-in")
    assert page.headers.get_list("cache-control") == ["no-store"]
    found = re.search(r'href="(/static/[^"]+)"', page.text)
    assert found
    file = await nobody.get(found[1])
    assert file.headers.get_list("cache-control") == ["public, max-age=31536000, immutable"]
    assert file.headers.get_list("vary") == ["Accept-Encoding"]


# The line

Lines = Callable[[int], Awaitable[list[dict[str, Any]]]]


@pytest.fixture
def read_lines(capfd: pytest.CaptureFixture[str]) -> Lines:
    """Wait for so many lines, then for a tenth of a second in which there must be no more."""

    async def read(count: int) -> list[dict[str, Any]]:
        written = ""
        deadline = time.monotonic() + 30
        while written.count("\n") < count and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
            written += capfd.readouterr().out
        await asyncio.sleep(0.1)
        written += capfd.readouterr().out
        lines = [json.loads(line) for line in written.splitlines()]
        assert len(lines) == count
        assert all(line.keys() == set(RequestLine.__struct_fields__) for line in lines)
        return lines

    return read


def line(route: str | None, status: int, organization: int | None = None, **others: object) -> dict[str, Any]:
    """What a line says beside time, milliseconds and id."""
    return {
        "level": "info",
        "method": "GET",
        "route": route,
        "status": status,
        "organization": organization,
        "bytes_in": 0,
        **others,
    }


def unlike(found: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if name not in ("time", "ms", "id")}


async def test_line_says_what_is_known_of_a_call(start_service: StartService, read_lines: Lines) -> None:
    service = await start_service(log_level="info")
    client = await service.client()
    nobody = await service.client(key="")
    stranger = await service.client(key=mint_key())
    reader = await service.client(permissions="r")
    body = json.dumps(SCORES).encode()
    packed = gzip.compress(body)
    post, get = "POST", "GET"
    path = "/v1/request/a%2Fb/score?api_key=secret"
    calls: list[tuple[httpx.AsyncClient, str, str, bytes, dict[str, str], dict[str, Any]]] = [
        (client, post, path, body, {}, line(SCORE, 200, 1, method=post, bytes_in=len(body))),
        (
            client,
            post,
            path,
            packed,
            {"Content-Encoding": "gzip"},
            line(SCORE, 200, 1, method=post, bytes_in=len(packed)),
        ),
        (client, post, path, b"{", {}, line(SCORE, 400, 1, method=post, bytes_in=1)),
        (stranger, post, path, body, {}, line(SCORE, 401, method=post)),
        (reader, post, path, body, {}, line(SCORE, 403, 1, method=post)),
        (client, get, path, b"", {}, line(SCORE, 405)),
        (client, get, "/nowhere/secret?secret", b"", {}, line(None, 404)),
        (nobody, get, "/healthz", b"", {}, line("/healthz", 200)),
        (nobody, "HEAD", "/healthz", b"", {}, line("/healthz", 200, method="HEAD")),
        (client, get, "/v1/request/r", b"", {}, line("/v1/request/{requestId}", 404, 1)),
        (nobody, get, "/", b"", {"Accept": "text/html"}, line("/", 303)),
    ]
    begun = time.time()
    expected = []
    for number, (caller, method, target, content, headers, said) in enumerate(calls):
        headers |= {"X-Request-Id": f"call-{number}"}
        response = await caller.request(method, target, content=content, headers=headers)
        assert response.status_code == said["status"]
        expected.append(said | {"bytes_out": len(response.content)})
    lines = await read_lines(len(calls))
    assert [unlike(found) for found in lines] == expected
    assert [found["id"] for found in lines] == [f"call-{number}" for number in range(len(calls))]
    for found in lines:
        written = time.strptime(found["time"][:19] + found["time"][-1], "%Y-%m-%dT%H:%M:%SZ")
        assert abs(calendar.timegm(written) - begun) < 60
        assert 0 < found["ms"] < 30_000
    assert "secret" not in json.dumps(lines)


async def test_client_that_breaks_off_its_body_is_499(start_service: StartService, read_lines: Lines) -> None:
    service = await start_service(log_level="info")
    key = await service.make_key()
    whole = request("POST", "/v1/request/r/score", key, b"x" * 100, Expect="100-continue")
    host, port = service.address.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(whole[:-50])
    await reader.readuntil(b"100 Continue\r\n\r\n")  # said when the body begins to be read
    writer.close()
    [found] = await read_lines(1)
    assert unlike(found) == line(SCORE, 499, 1, method="POST", bytes_in=50, bytes_out=0)


@pytest.fixture
def quick_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have services look at their connections twenty times a second."""
    monkeypatch.setattr(http_server, "Timeouts", lambda: Timeouts(check_interval_s=0.05))


@pytest.mark.usefixtures("quick_checks")
@pytest.mark.parametrize("is_reset", [True, False], ids=["reset", "closed"])
async def test_client_that_does_not_wait_for_its_answer_is_499(
    start_service: StartService, read_lines: Lines, is_reset: bool
) -> None:
    service = await start_service(log_level="info")
    client = await service.client()
    await client.post("/v1/request/r/score", json=SCORES)
    host, port = service.address.removeprefix("http://").split(":")
    async with locked(service.dsn, "score"), connected(service.dsn) as connection:
        _, writer = await asyncio.open_connection(host, int(port))
        if is_reset:
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.write(
            request("POST", "/v1/request/r/score", await service.make_key(), b'{"scores": {"a": 1}}')
        )
        while not await connection.fetchval(COUNT_WAITING):
            pass
        writer.close()
        await asyncio.sleep(0.1 if is_reset else 1)  # some more checks than are needed
    _, found = await read_lines(2)
    assert (found["status"], found["organization"]) == (499, 1)
    # It was written all the same.
    row = (await client.get("/v1/request/r")).json()["data"]
    assert row["scores"] == {"accuracy": 95, "a": 1}


@pytest.mark.usefixtures("quick_checks")
async def test_client_that_closes_its_half_gets_a_late_answer(start_service: StartService) -> None:
    """After an interim response, by which the service finds out that there still is a client."""
    service = await start_service()
    await (await service.client()).post("/v1/request/r/score", json=SCORES)
    host, port = service.address.removeprefix("http://").split(":")
    async with locked(service.dsn, "score"), connected(service.dsn) as connection:
        reader, writer = await asyncio.open_connection(host, int(port))
        body = b'{"scores": {"a": 1}}'
        writer.write(request("POST", "/v1/request/r/score", await service.make_key(), body))
        writer.write_eof()
        while not await connection.fetchval(COUNT_WAITING):
            pass
        assert await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30) == b"HTTP/1.1 100 Continue\r\n\r\n"
        await asyncio.sleep(0.3)  # it is looked at again
    answer = await read_answer(reader)
    assert (answer.status, answer.json()) == (200, {"data": None, "error": None})
    assert await reader.read() == b""
    writer.close()


async def test_level_warning_switches_the_lines_off(start_service: StartService, read_lines: Lines) -> None:
    client = await (await start_service(log_level="warning")).client()
    assert (await client.post("/v1/request/r/score", json=SCORES)).status_code == 200
    assert await read_lines(0) == []


WRITE = """
import sys
from datetime import UTC, datetime
from heliscore.observability.log_lines import RequestLine, RequestLog

log = RequestLog(1)
for number in range(5_000):
    id_ = f"{sys.argv[1]}-{number}"
    log.write(RequestLine(datetime.now(UTC), "info", id_, "GET", "/r", 200, 1.0, 1, 0, 0))
log.close()
"""


def test_lines_of_two_processes_are_not_mixed_up() -> None:
    read, write = os.pipe()
    processes = [subprocess.Popen([sys.executable, "-c", WRITE, name], stdout=write) for name in "ab"]
    os.close(write)
    with os.fdopen(read, "rb") as lines:
        written = lines.read()
    assert [process.wait(30) for process in processes] == [0, 0]
    ids = [json.loads(found)["id"] for found in written.splitlines()]
    for name in "ab":
        assert [id_ for id_ in ids if id_[0] == name] == [f"{name}-{number}" for number in range(5_000)]


STUCK = """
import time
from datetime import UTC, datetime
from heliscore.observability.log_lines import RequestLine, RequestLog

log = RequestLog(1)
begun = time.monotonic()
for number in range(120_000):
    log.write(RequestLine(datetime.now(UTC), "info", "id", "GET", "/r", 200, 1.0, 1, 0, 0))
log.close()
print(len(log._lines) <= 50_000, file=__import__("sys").stderr)
"""


def test_log_that_nobody_reads_holds_nobody_up() -> None:
    read, write = os.pipe()
    process = subprocess.Popen([sys.executable, "-c", STUCK], stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    try:
        _, errors = process.communicate(timeout=30)
    finally:
        process.kill()
        os.close(read)
    assert (process.returncode, errors) == (0, "True\n")
