"""Calls to receivers that behave badly, and to names whose addresses change."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from heliscore import __version__
from heliscore.domain.network_addresses import read_allowed_hosts
from heliscore.outbound.guard import Guard, Resolve
from heliscore.outbound.http_client import Answer, HttpClient

from tests.outbound.receiver import Got, Receiver, answering, trusting

PUBLIC = "93.184.215.14"
BODY = b'{"type":"alert.firing"}'


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver().listening() as receiver:
        yield receiver


def client(
    resolve: Resolve | None = None, *, allowed: str = "127.0.0.1", timeout_s: float = 10
) -> HttpClient:
    hosts = read_allowed_hosts(allowed)
    guard = Guard(hosts) if resolve is None else Guard(hosts, resolve)
    return HttpClient(guard, trusted=trusting(), timeout_s=timeout_s)


async def post(http: HttpClient, url: str) -> Answer:
    try:
        return await http.post(url, {"Content-Type": "application/json", "webhook-id": "1"}, BODY)
    finally:
        await http.close()


async def test_body_arrives_with_headers_of_ours_only(receiver: Receiver) -> None:
    assert await post(client(), receiver.url + "?a=b") == Answer(200)
    [got] = receiver.got
    assert got == Got(
        "POST",
        "/hook?a=b",
        {
            "host": f"127.0.0.1:{receiver.port}",
            "content-type": "application/json",
            "webhook-id": "1",
            "user-agent": f"heliscore/{__version__}",
            "accept-encoding": "identity",
            "connection": "close",
            "content-length": str(len(BODY)),
        },
        BODY,
    )


@pytest.mark.parametrize("status", [200, 201, 204, 299])
async def test_every_2xx_is_a_success(receiver: Receiver, status: int) -> None:
    receiver.behave = answering(status)
    assert await post(client(), receiver.url) == Answer(status)


@pytest.mark.parametrize("status", [301, 302, 304, 307, 308, 400, 401, 404, 410, 429, 500, 503])
async def test_every_other_status_is_an_error_and_no_redirect_is_followed(
    receiver: Receiver, status: int
) -> None:
    receiver.behave = answering(status, f"Location: {receiver.url}", "Set-Cookie: a=b")
    assert await post(client(), receiver.url) == Answer(status, f"the receiver answered {status}")
    assert len(receiver.got) == 1


async def test_cookies_are_not_kept(receiver: Receiver) -> None:
    receiver.behave = answering(200, "Set-Cookie: a=b")
    http = client()
    for _ in range(2):
        assert await http.post(receiver.url, {}, BODY) == Answer(200)
    await http.close()
    assert all("cookie" not in got.headers for got in receiver.got)


async def test_proxies_of_the_environment_are_not_used(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert await post(client(), receiver.url) == Answer(200)


async def stall(_: Got, writer: asyncio.StreamWriter) -> None:
    await writer.wait_closed()


async def drip_head(_: Got, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    for number in range(1000):
        writer.write(f"X-{number}: a\r\n".encode())
        await writer.drain()
        await asyncio.sleep(0.02)


async def drip_interim(_: Got, writer: asyncio.StreamWriter) -> None:
    for _number in range(1000):
        writer.write(b"HTTP/1.1 103 Early Hints\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("behave", [stall, drip_head, drip_interim])
async def test_receiver_that_does_not_come_to_an_answer_is_left(receiver: Receiver, behave: object) -> None:
    receiver.behave = behave  # type: ignore[assignment]
    begun = time.monotonic()
    answer = await post(client(timeout_s=0.2), receiver.url)
    assert answer == Answer(error="no answer within 0.2 seconds")
    assert time.monotonic() - begun < 5


async def gigabytes(_: Got, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    sent = 0
    try:
        while sent < 1 << 30:
            writer.write(bytes(1 << 16))
            await writer.drain()
            sent += 1 << 16
    finally:
        SENT.put_nowait(sent)


SENT: asyncio.Queue[int] = asyncio.Queue()


async def test_answer_of_gigabytes_is_not_read(receiver: Receiver) -> None:
    receiver.behave = gigabytes
    assert await post(client(), receiver.url) == Answer(200)
    assert await asyncio.wait_for(SENT.get(), 10) < 64 << 20  # what buffers of the system hold


async def drip_body(_: Got, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    for _number in range(1000):
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.02)


async def test_body_that_drips_is_left_since_the_status_is_known(receiver: Receiver) -> None:
    receiver.behave = drip_body
    assert await post(client(), receiver.url) == Answer(200)


async def no_http(_: Got, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 mail.example.org ESMTP\r\n")


async def large_head(_: Got, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nX: " + b"a" * (1 << 20) + b"\r\n\r\n")


async def hang_up(_: Got, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


@pytest.mark.parametrize(
    ("behave", "error"),
    [
        (no_http, "the answer was not HTTP"),
        (large_head, "the answer was not HTTP"),
    ],
)
async def test_answer_that_is_not_http_is_an_error(receiver: Receiver, behave: object, error: str) -> None:
    receiver.behave = behave  # type: ignore[assignment]
    assert await post(client(), receiver.url) == Answer(error=error)


async def test_connection_that_breaks_is_an_error(receiver: Receiver) -> None:
    receiver.behave = hang_up
    answer = await post(client(), receiver.url)
    assert answer.status is None
    assert answer.error in ("the answer was not HTTP", "no connection: Connection reset by peer")


async def test_closed_port_is_an_error(receiver: Receiver) -> None:
    answer = await post(client(), "http://127.0.0.1:1/")
    assert answer == Answer(error="no connection: Connection refused")
    assert receiver.got == []


# Names


async def test_name_is_looked_up_once_a_call_and_the_checked_address_is_called(receiver: Receiver) -> None:
    """A name that leads to a public address first, and to this machine when it is asked again."""
    asked: list[str] = []

    async def rebind(host: str, _: int) -> list[str]:
        asked.append(host)
        return [PUBLIC] if len(asked) == 1 else ["127.0.0.1"]

    http = client(rebind, allowed="", timeout_s=0.3)
    url = f"https://receiver.test:{receiver.port}/"
    answer = await http.post(url, {}, BODY)
    assert answer.status is None  # the public address does not answer, or there is no way to it
    assert asked == ["receiver.test"]
    answer = await http.post(url, {}, BODY)
    assert answer.error is not None
    assert "not public" in answer.error
    assert receiver.got == []
    await http.close()


async def test_certificate_and_server_name_are_those_of_the_name() -> None:
    async def here(_: str, __: int) -> list[str]:
        return ["127.0.0.1"]

    async with Receiver().listening(tls=True) as receiver:
        port = receiver.port
        assert await post(client(here), f"https://receiver.test:{port}/") == Answer(200)
        assert receiver.server_names == ["receiver.test"]
        assert receiver.got[0].headers["host"] == f"receiver.test:{port}"

        wrong = await post(client(here), f"https://other.test:{port}/")
        assert wrong.error is not None
        assert wrong.error.startswith("the certificate is not valid: Hostname mismatch")
        untrusting = HttpClient(Guard(read_allowed_hosts("127.0.0.1"), here))
        answer = await post(untrusting, f"https://receiver.test:{port}/")
        assert answer.error is not None
        assert answer.error.startswith("the certificate is not valid: self")
        assert len(receiver.got) == 1


async def test_next_address_is_tried_where_one_cannot_be_connected_to(receiver: Receiver) -> None:
    async def two(_: str, __: int) -> list[str]:
        return ["127.0.0.2", "127.0.0.1"]

    http = client(two, allowed="127.0.0.0/8")
    assert await post(http, f"http://receiver.test:{receiver.port}/") == Answer(200)
    assert len(receiver.got) == 1


async def test_resolver_that_stalls_is_left() -> None:
    async def stalled(_: str, __: int) -> list[str]:
        await asyncio.Event().wait()
        return []

    answer = await post(client(stalled, timeout_s=0.1), "https://receiver.test/")
    assert answer == Answer(error="no answer within 0.1 seconds")


async def test_error_shows_nothing_of_the_url() -> None:
    answer = await post(client(), "http://127.0.0.1:1/services/hunter2?token=hunter2")
    assert answer.error is not None
    assert "hunter2" not in answer.error
