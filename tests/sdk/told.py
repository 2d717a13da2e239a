"""What PromptLayer's packages tell in the tests of each, and how Helicone's calls find it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import httpx

MESSAGE = {"type": "chat", "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]}

LOG = {
    "provider": "openai",
    "model": "gpt-4o",
    "input": MESSAGE,
    "output": MESSAGE,
    "request_start_time": 1.0,
    "request_end_time": 2.5,
    "tags": ["a"],
}

TRACK = {
    "function_name": "openai.chat.completions.create",
    "provider_type": "openai",
    "args": [],
    "kwargs": {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}]},
    "tags": ["a"],
    "request_response": {"usage": {"prompt_tokens": 3, "completion_tokens": 5}},
    "request_start_time": 1.0,
    "request_end_time": 2.5,
    "metadata": {"user_id": "u1"},
    "prompt_id": 17,
    "prompt_version": 2,
    "prompt_input_variables": {"topic": "dogs"},
    "return_prompt_blueprint": True,
}
"""What an SDK's `run` and its wrappers of other packages send."""

DOGS = {"topic": "dogs"}
NEVER = "http://127.0.0.1:1"


async def assert_found(client: httpx.AsyncClient, request_id: int, group_id: int) -> None:
    """The request that was scored 88 and 100 as `summarization`, with the prompt my_template in version 2, is
    found by each of its parts and shown with all of them."""
    conditions = [
        {"request_response_rmt": {"scores": {"default": {"equals": 88}}}},
        {"request_response_rmt": {"scores": {"summarization": {"gte": 100}}}},
        {"request_response_rmt": {"prompt_id": {"equals": "my_template"}, "prompt_version": {"equals": "2"}}},
        {"values": {"topic": {"equals": "dogs"}}},
        {"properties": {"user_id": {"equals": "u1"}, "promptlayer_group_id": {"equals": str(group_id)}}},
    ]
    for condition in conditions:
        response = await client.post("/v1/request/query", json={"filter": condition})
        assert response.status_code == 200
        [row] = response.json()["data"]
        expected = {
            "request_id": str(request_id),
            "request_created_at": "1970-01-01T00:00:01.000Z",
            "delay_ms": 1500,
            "provider": "openai",
            "model": "gpt-4o",
            "request_body": MESSAGE,
            "response_body": MESSAGE,
            "prompt_id": "my_template",
            "prompt_version": "2",
            "properties": {"user_id": "u1", "promptlayer_group_id": str(group_id)},
            "scores": {"default": 88, "summarization": 100},
        }
        assert {key: row[key] for key in expected} == expected


async def assert_tracked(client: httpx.AsyncClient, request_id: int) -> None:
    """The request of TRACK is found by its prompt and shown."""
    condition = {"request_response_rmt": {"prompt_id": {"equals": "17"}, "prompt_version": {"equals": "2"}}}
    response = await client.post("/v1/request/query", json={"filter": condition})
    [row] = response.json()["data"]
    expected = {
        "request_id": str(request_id),
        "request_body": [{"role": "user", "content": "Hi"}],
        "total_tokens": 8,
        "properties": {"user_id": "u1"},
    }
    assert {key: row[key] for key in expected} == expected


async def count(client: httpx.AsyncClient) -> int:
    response = await client.post("/v1/request/count/query", json={"filter": "all"})
    number: int = response.json()["data"]
    return number


@asynccontextmanager
async def losing_answers(address: str, lost: int) -> AsyncIterator[str]:
    """The address of a way to the service on which the first answers get lost, after it has done its work."""
    to = urlsplit(address)
    left = lost

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal left
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            lines = head.lower().split(b"\r\n")
            [length] = [int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length:")]
            body = await reader.readexactly(length)
            service_reader, service_writer = await asyncio.open_connection(to.hostname, to.port)
            # One call a connection: the other side is to close it.
            service_writer.write(head.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") + body)
            answer = await service_reader.read()
            service_writer.close()
            if left:
                left -= 1
            else:
                writer.write(answer)
                await writer.drain()
        finally:
            writer.close()

    server = await asyncio.start_server(forward, "127.0.0.1", 0)
    try:
        yield "http://{}:{}".format(*server.sockets[0].getsockname())
    finally:
        server.close()
        await server.wait_closed()
        assert not left
