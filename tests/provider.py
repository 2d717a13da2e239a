"""A provider of models on this machine: an HTTP server in a thread, which outlives the tests' event loops.

The model that a call asks for says how it is answered.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from typing import Any, Final, Self

import msgspec

Json = dict[str, Any]

SERVER_KEY: Final = "sk-proj-of-the-server-0815"
"""The key that a service has for this provider."""

ANSWER: Final = "Qubits hold [1] several states."
LONG: Final = [str(digit) for digit in range(10)] * 10
"""The pieces of an answer whose stream is long."""

SCORES: Final = {"accuracy": 95, "clarity": 88, "completeness": 90}
ERROR: Final = {"error": {"message": "no such model", "type": "invalid_request_error", "code": "x"}}
SENT_HEADERS: Final = {"x-request-id": "req_of_the_provider", "openai-version": "2020-10-01"}


class Got(msgspec.Struct, frozen=True):
    """A call as it came."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Json:
        asked = json.loads(self.body) if self.body else {}
        return asked if isinstance(asked, dict) else {}

    @property
    def model(self) -> str:
        return str(self.json.get("model", ""))


class Reply(msgspec.Struct, frozen=True):
    """An answer: a body, or pieces that are sent as they come."""

    status: int = 200
    headers: dict[str, str] = {}
    body: bytes = b""
    pieces: AsyncIterator[bytes] | None = None


class Provider:
    """Answers calls, and keeps them."""

    def __init__(self) -> None:
        self.got: list[Got] = []
        self.left = threading.Event()
        """A caller left amid an answer."""
        self.go_on = asyncio.Event()
        """Lets streams of the model `waits` go on after their first chunk."""
        self.failures = 0
        """So many calls of the model `fails-first` get 500."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.address = ""

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    @property
    def last(self) -> Got:
        return self.got[-1]

    def begin(self) -> None:
        """Forget what came before."""
        self.got.clear()
        self.left.clear()
        self._loop.call_soon_threadsafe(self.go_on.clear)

    def release(self) -> None:
        """Let streams that wait go on."""
        self._loop.call_soon_threadsafe(self.go_on.set)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.address = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _end(self) -> None:
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                got = await _read(reader)
                self.got.append(got)
                if not await self._write(reader, writer, make_reply(self, got)):
                    return
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _write(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, reply: Reply) -> bool:
        """Whether the connection can be used again."""
        if not reply.status:
            await reader.read()  # says nothing at all
            return False
        headers = SENT_HEADERS | reply.headers
        if reply.pieces is None:
            headers |= {"content-length": str(len(reply.body))}
        else:
            headers |= {"transfer-encoding": "chunked"}
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        writer.write(f"HTTP/1.1 {reply.status} Said\r\n{head}\r\n".encode())
        if reply.pieces is None:
            writer.write(reply.body)
            await writer.drain()
            return True
        gone = asyncio.ensure_future(reader.read(1))
        sending = asyncio.ensure_future(self._stream(writer, reply.pieces))
        await asyncio.wait([gone, sending], return_when=asyncio.FIRST_COMPLETED)
        if gone.done():
            self.left.set()
        gone.cancel()
        if not sending.done():
            sending.cancel()
            with suppress(asyncio.CancelledError):
                await sending
            return False
        return sending.result()

    async def _stream(self, writer: asyncio.StreamWriter, pieces: AsyncIterator[bytes]) -> bool:
        async for piece in pieces:
            if not piece:
                return False  # breaks off
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            await writer.drain()
        writer.write(b"0\r\n\r\n")
        return False


async def _read(reader: asyncio.StreamReader) -> Got:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.rstrip().split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return Got(method, target, headers, await reader.readexactly(int(headers.get("content-length", "0"))))


def make_reply(provider: Provider, got: Got) -> Reply:
    """Answer by the model, or else by the path."""
    if (special := _SPECIAL.get(got.model)) is not None:
        return special(provider, got)
    path = got.target.partition("?")[0]
    if path.endswith("/messages"):
        return _events(ANTHROPIC_EVENTS) if got.json.get("stream") else _json(anthropic_message())
    if path.endswith("/chat/completions"):
        return _events(chat_chunks(got.json)) if got.json.get("stream") else _json(chat_completion(got.json))
    return _json(OTHERS.get(path.rpartition("/")[2], {"object": "other", "path": path}))


def _json(value: object, status: int = 200, headers: Mapping[str, str] = {}) -> Reply:
    body = json.dumps(value).encode()
    return Reply(status, {"content-type": "application/json", **headers}, body)


def chat_completion(asked: Json) -> Json:
    """A completion; a judge gives scores."""
    messages = asked.get("messages") or [{}]
    is_judge = str(messages[0].get("content", "")).lstrip().startswith("Evaluate")
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1767225600,
        "model": "gpt-4-0613",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": json.dumps(SCORES) if is_judge else ANSWER},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 9, "completion_tokens": 12, "total_tokens": 21},
    }


def chat_chunks(asked: Json) -> list[str]:
    """Four chunks, and one with usage where that is asked for."""
    deltas: list[tuple[Json, str | None]] = [
        ({"role": "assistant", "content": ""}, None),
        ({"content": "Qubits hold "}, None),
        ({"content": "[1] several states."}, None),
        ({}, "stop"),
    ]
    if pieces := asked.get("pieces"):
        deltas = [({"content": piece}, None) for piece in pieces]
    if asked.get("tools"):
        call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": ""}}
        deltas = [
            ({"role": "assistant", "tool_calls": [call]}, None),
            ({"tool_calls": [{"index": 0, "function": {"arguments": '{"a":'}}]}, None),
            ({"tool_calls": [{"index": 0, "function": {"arguments": " 1}"}}]}, None),
            ({}, "tool_calls"),
        ]
    head = {"id": "chatcmpl-2", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4-0613"}
    chunks: list[Json] = [
        {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}
        for delta, reason in deltas
    ]
    if (asked.get("stream_options") or {}).get("include_usage"):
        usage = {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14}
        chunks.append({**head, "choices": [], "usage": usage})
    return [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks] + ["data: [DONE]\n\n"]


def anthropic_message() -> Json:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5",
        "content": [{"type": "text", "text": ANSWER}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 9, "output_tokens": 12},
    }


def _event(name: str, **data: object) -> str:
    return f"event: {name}\ndata: {json.dumps({'type': name, **data})}\n\n"


_DELTA: Final = "content_block_delta"
ANTHROPIC_EVENTS: Final = [
    _event(
        "message_start",
        message=anthropic_message()
        | {"content": [], "stop_reason": None, "usage": {"input_tokens": 9, "output_tokens": 1}},
    ),
    _event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
    _event(_DELTA, index=0, delta={"type": "text_delta", "text": "Qubits hold "}),
    _event(_DELTA, index=0, delta={"type": "text_delta", "text": "[1] several states."}),
    _event("content_block_stop", index=0),
    _event(
        "message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, usage={"output_tokens": 12}
    ),
    _event("message_stop"),
]

OTHERS: Final[dict[str, Json]] = {
    "models": {
        "object": "list",
        "data": [{"id": "gpt-4", "object": "model", "created": 1, "owned_by": "us"}],
    },
    "embeddings": {
        "object": "list",
        "model": "text-embedding-3-small",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.5, 0.25]}],
        "usage": {"prompt_tokens": 3, "total_tokens": 3},
    },
}


def _events(events: list[str]) -> Reply:
    async def pieces() -> AsyncIterator[bytes]:
        for event in events:
            yield event.encode()
            await asyncio.sleep(0.001)

    return Reply(200, {"content-type": "text/event-stream"}, pieces=pieces())


def _waiting(provider: Provider, got: Got) -> Reply:
    """The first two chunks, and the others when the test says so."""
    chunks = chat_chunks(got.json)

    async def pieces() -> AsyncIterator[bytes]:
        yield "".join(chunks[:2]).encode()
        await provider.go_on.wait()
        yield "".join(chunks[2:]).encode()

    return Reply(200, {"content-type": "text/event-stream"}, pieces=pieces())


def _breaking(_: Provider, got: Got) -> Reply:
    async def pieces() -> AsyncIterator[bytes]:
        yield "".join(chat_chunks(got.json)[:2]).encode()
        yield b""

    return Reply(200, {"content-type": "text/event-stream"}, pieces=pieces())


def _silent(_: Provider, got: Got) -> Reply:
    """Nothing more after the first chunk."""

    async def pieces() -> AsyncIterator[bytes]:
        yield chat_chunks(got.json)[0].encode()
        await asyncio.Event().wait()

    return Reply(200, {"content-type": "text/event-stream"}, pieces=pieces())


def _mute(_: Provider, __: Got) -> Reply:
    return Reply(pieces=None, status=0)


def _failing_first(provider: Provider, got: Got) -> Reply:
    if provider.failures > 0:
        provider.failures -= 1
        return _json(ERROR, 500)
    return _json(chat_completion(got.json))


def _echoing(_: Provider, got: Got) -> Reply:
    """Repeats the key, as some providers do."""
    return _json({"error": {"message": f"wrong key: {got.headers.get('authorization')}", "type": "t"}}, 401)


_SPECIAL: Final[dict[str, Callable[[Provider, Got], Reply]]] = {
    "waits": _waiting,
    "breaks": _breaking,
    "silent": _silent,
    "mute": _mute,
    "echo": _echoing,
    "fails-first": _failing_first,
    "bad": lambda _, __: _json(ERROR, 400),
    "busy": lambda _, __: _json(ERROR, 429, {"retry-after": "7", "x-ratelimit-limit-requests": "3"}),
    "long": lambda _, __: _events(chat_chunks({"pieces": LONG})),
    "moved": lambda _, __: Reply(307, {"location": "http://127.0.0.1:9/elsewhere"}),
    "zipped": lambda _, got: Reply(
        200,
        {"content-type": "application/json", "content-encoding": "gzip"},
        gzip.compress(json.dumps(chat_completion(got.json)).encode()),
    ),
    "sound": lambda _, __: Reply(200, {"content-type": "audio/mpeg"}, b"\xff\xfb\x00" * 10),
    "cookies": lambda _, got: _json(
        chat_completion(got.json),
        headers={"set-cookie": "session=theirs", "strict-transport-security": "max-age=1"},
    ),
}
