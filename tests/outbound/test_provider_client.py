"""The client for providers: HTTP/2 where they speak it, many calls at once, and errors that say no more than
they may."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import suppress

import h2.config
import h2.connection
import h2.events
import pytest
from heliscore.outbound.provider_client import (
    NotSendable,
    ProviderClient,
    ProviderRequest,
    ProviderTimeout,
    ProviderUnreachable,
)

from tests.outbound.receiver import CERTIFICATE

STREAMS = 120
"""More than one HTTP/2 connection has at once."""


class Http2Provider:
    """Answers each call with `so far`, and `, and more` when `go_on` is set."""

    def __init__(self) -> None:
        self.connections = self.calls = 0
        self.targets: list[str] = []
        self.go_on = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        http = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        http.initiate_connection()
        finishing = []
        with suppress(ConnectionError):
            while data := await reader.read(1 << 16):
                for event in http.receive_data(data):
                    if isinstance(event, h2.events.RequestReceived):
                        self.calls += 1
                        self.targets.append(dict(event.headers)[b":path"].decode())
                        http.send_headers(event.stream_id, [(":status", "200"), ("x-a", "b")])
                        http.send_data(event.stream_id, b"so far")
                        finishing.append(asyncio.create_task(self._finish(http, event.stream_id, writer)))
                writer.write(http.data_to_send())
        for task in finishing:
            task.cancel()
        writer.close()

    async def _finish(
        self, http: h2.connection.H2Connection, stream_id: int, writer: asyncio.StreamWriter
    ) -> None:
        await self.go_on.wait()
        http.send_data(stream_id, b", and more", end_stream=True)
        writer.write(http.data_to_send())


@pytest.fixture
async def client() -> AsyncIterator[ProviderClient]:
    client = ProviderClient()
    yield client
    await client.close()


def request(origin: str, target: bytes = b"/v1/x") -> ProviderRequest:
    return ProviderRequest("POST", origin, target, [(b"x-own", b"1")], b"{}")


async def test_many_streams_at_once_over_http2(
    client: ProviderClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = Http2Provider()
    secured = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    secured.load_cert_chain(CERTIFICATE)
    secured.set_alpn_protocols(["h2"])
    found = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda _, *rest, **named: found("127.0.0.1", *rest, **named))
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    server = await asyncio.start_server(provider.serve, "127.0.0.1", 0, ssl=secured)
    origin = f"https://receiver.test:{server.sockets[0].getsockname()[1]}"
    answers = await asyncio.gather(
        *(client.send(request(origin, b"/v1/a%2Fb?c=%20")) for _ in range(STREAMS))
    )
    bodies = [answer.pieces() for answer in answers]
    assert [await anext(body) for body in bodies] == [b"so far"] * STREAMS
    provider.go_on.set()
    assert [b"".join([piece async for piece in body]) for body in bodies] == [b", and more"] * STREAMS
    assert {(answer.status, *answer.headers) for answer in answers} == {(200, (b"x-a", b"b"))}
    assert (provider.calls, provider.connections) == (STREAMS, 3)
    assert set(provider.targets) == {"/v1/a%2Fb?c=%20"}
    for answer in answers:
        await answer.close()
    server.close()


async def test_certificate_of_another_is_no_provider(client: ProviderClient) -> None:
    secured = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    secured.load_cert_chain(CERTIFICATE)
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=secured)
    with pytest.raises(ProviderUnreachable, match="could not be reached, or the connection broke"):
        await client.send(request(f"https://localhost:{server.sockets[0].getsockname()[1]}"))
    server.close()


async def test_proxies_of_the_environment_are_not_asked(
    client: ProviderClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"{}")
        writer.write(b"HTTP/1.1 204 None\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    answered = await client.send(request(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"))
    assert answered.status == 204
    await answered.close()
    server.close()


async def test_what_is_no_http_is_not_sent(client: ProviderClient) -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    origin = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    with pytest.raises(NotSendable):
        await client.send(request(origin, b"/\xe9"))
    server.close()


async def test_connecting_takes_a_bounded_time(
    client: ProviderClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("heliscore.outbound.provider_client.CONNECT_TIMEOUT_S", 0.05)
    monkeypatch.setattr("asyncio.BaseEventLoop.create_connection", lambda *_, **__: asyncio.sleep(10))
    with pytest.raises(ProviderTimeout):
        await client.send(request("http://127.0.0.1:1"))
