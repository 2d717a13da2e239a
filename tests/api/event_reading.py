"""A client of /v1/events that reads as the HTML standard says (9.2.6), for tests."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import msgspec

TIMEOUT_S = 20


class Frame(msgspec.Struct, frozen=True):
    event: str
    data: Any


class EventClient:
    """An open answer."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.last_id: str | None = None
        self.retry_ms: int | None = None
        self.comments: list[str] = []
        self._lines = response.aiter_lines()

    async def next(self) -> Frame | None:
        """The next frame; None: the answer has ended."""
        async with asyncio.timeout(TIMEOUT_S):
            return await self._next()

    async def _next(self) -> Frame | None:
        event, data = "message", ""
        async for line in self._lines:
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            match field:
                case "" if not line:
                    if data:
                        return Frame(event, json.loads(data))
                    event = "message"
                case "":
                    self.comments.append(value)
                case "event":
                    event = value
                case "data":
                    data += value
                case "id":
                    self.last_id = value
                case "retry":
                    self.retry_ms = int(value)
                case _:
                    raise AssertionError(line)
        return None

    async def scores(self, count: int) -> list[tuple[str, str, Any]]:
        """Request, name and value of the next so many scores."""
        found = []
        for _ in range(count):
            frame = await self.next()
            assert frame is not None
            assert frame.event == frame.data["type"] == "score.recorded", frame
            data = frame.data["data"]
            found.append((data["requestId"], data["name"], data["value"]))
        return found


@asynccontextmanager
async def listening(
    client: httpx.AsyncClient, last_id: str | None = None, **query: str
) -> AsyncIterator[EventClient]:
    """Listen, from the frame after `ready` on."""
    headers = {} if last_id is None else {"Last-Event-ID": last_id}
    async with client.stream("GET", "/v1/events", params=query, headers=headers) as response:
        assert response.status_code == 200, await response.aread()
        listener = EventClient(response)
        frame = await listener.next()
        assert frame is not None
        assert frame.event == "ready"
        assert listener.last_id is not None
        yield listener
