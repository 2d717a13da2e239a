"""Clients that post scores, some hundreds a second, and remember what was acknowledged, to be compared with
what is there in the end."""

from __future__ import annotations

import asyncio
import json
import os
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import msgspec

ROUNDS: Final = int(os.environ.get("FAULT_ROUNDS", "3"))
"""How often a fault is provoked that can be provoked repeatedly."""

CLIENTS: Final = 8
HEAL_S: Final = 5.0
PATIENCE_S: Final = 60.0
"""For what happens sooner or later, a single healing that was unlucky too; the median is held closer."""

_ANSWER_TIMEOUT_S: Final = 60
_QUIET_S: Final = 0.3
_PAUSE_S: Final = 0.012
_PAUSE_AFTER_FAILURE_S: Final = 0.05
_ALLOWED: Final = {200, 429, 503}
_DUPLICATES: Final = 40
"""Of the posts with keys, from all times of a load: that many are repeated in the end."""


class _Written(msgspec.Struct):
    """What a request's score may be: the newest value that was acknowledged, or one of those sent later."""

    acknowledged: int | None = None
    later: list[int] = []
    overwritten: set[int] = set()
    """What was acknowledged before: it must be in the history."""


class Load:
    """Several clients, each of which posts to a new request and to one of its own in turn. Every other one
    sends an Idempotency-Key with each post."""

    def __init__(self, address: str, key: str) -> None:
        self.address = address
        self.key = key
        self.statuses: Counter[int] = Counter()
        self.unanswered = 0
        self.acknowledged = 0
        self.healed_s: list[float] = []
        self._written: dict[str, _Written] = {}
        self._keyed: list[tuple[str, int]] = []
        self._name = uuid.uuid4().hex
        """Begins its keys: there may be several loads."""
        """The acknowledged posts with keys, each by its request and number."""
        self._succeeded_at = [0.0] * CLIENTS
        self._failed_at = 0.0
        self._stopping = False

    async def run(self) -> None:
        await asyncio.gather(*(self._post_on(client) for client in range(CLIENTS)))

    def stop(self) -> None:
        self._stopping = True

    async def reach(self, more: int) -> None:
        """Wait until so many more posts were acknowledged."""
        wanted = self.acknowledged + more
        async with asyncio.timeout(PATIENCE_S):
            while self.acknowledged < wanted:  # noqa: ASYNC110
                await asyncio.sleep(0.005)

    async def error_response(self) -> None:
        """Wait until posts are refused."""
        before = self.statuses[503]
        async with asyncio.timeout(PATIENCE_S):
            while self.statuses[503] <= before:  # noqa: ASYNC110
                await asyncio.sleep(0.005)

    async def heal(self, since: float | None = None) -> None:
        """Wait until each client succeeds with a post begun after now (or that time) and after the last
        failure of any, and none fails for a moment."""
        begun = time.monotonic() if since is None else since
        healed_at: float | None = None
        while healed_at is None or time.monotonic() - healed_at < _QUIET_S:
            if min(self._succeeded_at) < max(begun, self._failed_at):
                healed_at = None
            elif healed_at is None:
                healed_at = time.monotonic()
            assert time.monotonic() - begun < PATIENCE_S, f"not healed: {self.statuses}, {self.unanswered}"
            await asyncio.sleep(0.005)
        self.healed_s.append(healed_at - begun)

    async def _post_on(self, client: int) -> None:
        connection = _Connection(self.address, self.key, self._name)
        number = 0
        while not self._stopping:
            number += 1
            for request_id in (f"own-{client}", f"new-{client}-{number}"):
                begun = time.monotonic()
                written = self._written.setdefault(request_id, _Written())
                written.later.append(number)
                status = await connection.post(request_id, number, has_key=client % 2 == 1)
                if status is None:
                    self.unanswered += 1
                else:
                    self.statuses[status] += 1
                if status == 200:
                    if written.acknowledged is not None:
                        written.overwritten.add(written.acknowledged)
                    written.acknowledged, written.later = number, []
                    if client % 2 == 1:
                        self._keyed.append((request_id, number))
                    self.acknowledged += 1
                    self._succeeded_at[client] = begun
                else:
                    self._failed_at = time.monotonic()
                await asyncio.sleep(_PAUSE_S if status == 200 else _PAUSE_AFTER_FAILURE_S)
        connection.close()

    async def lost(self) -> list[str]:
        """The requests whose acknowledged scores are not there, also after late duplicates of earlier ones,
        or not in the history where others followed; no answer may be of another status."""
        assert set(self.statuses) <= _ALLOWED, self.statuses
        await self._repeat()
        found = await _read_all(self.address, self.key)
        own = {id_: written.overwritten for id_, written in self._written.items() if written.overwritten}
        histories = await _read_histories(self.address, self.key, own)
        lost = [
            f"{request_id}: no history of {missing}"
            for request_id, overwritten in own.items()
            if (missing := overwritten - histories[request_id])
        ]
        for request_id, written in self._written.items():
            values = [*written.later, *([] if written.acknowledged is None else [written.acknowledged])]
            expected: list[dict[str, int] | None] = [{"n": n, "twice": 2 * n} for n in values]
            if written.acknowledged is None:
                expected.append(None)
            if found.get(request_id) not in expected:
                lost.append(f"{request_id}: {written}, found {found.get(request_id)}")
        return lost

    async def _repeat(self) -> None:
        """Post some of what was acknowledged once more, with its key."""
        connection = _Connection(self.address, self.key, self._name)
        for request_id, number in self._keyed[:: len(self._keyed) // _DUPLICATES + 1]:
            status = None
            async with asyncio.timeout(PATIENCE_S):
                while status != 200:
                    assert status in (None, 429, 503)
                    status = await connection.post(request_id, number, has_key=True)
        connection.close()


@asynccontextmanager
async def under_load(address: str, key: str, after: int = 100) -> AsyncIterator[Load]:
    """Post until the block ends; it begins when that many posts went well."""
    load = Load(address, key)
    running = asyncio.create_task(load.run())
    try:
        await load.reach(after)
        yield load
    finally:
        load.stop()
        async with asyncio.timeout(PATIENCE_S):
            await running


class _Connection:
    """One client's connection, made anew when it breaks."""

    def __init__(self, address: str, key: str, load: str) -> None:
        self._load = load
        self._url = urlsplit(address)
        self._head = f"Host: test\r\nAuthorization: Bearer {key}\r\n"
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, request_id: str, number: int, *, has_key: bool) -> int | None:
        """The status of the answer, None if there was none."""
        body = json.dumps({"scores": {"n": number, "twice": 2 * number}})
        key = f"Idempotency-Key: {self._load} {request_id} {number}\r\n" if has_key else ""
        head = (
            f"POST /v1/request/{request_id}/score HTTP/1.1\r\n{self._head}{key}"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        try:
            async with asyncio.timeout(_ANSWER_TIMEOUT_S):
                if self._streams is None:
                    self._streams = await asyncio.open_connection(self._url.hostname, self._url.port)
                reader, writer = self._streams
                writer.write((head + body).encode())
                answer = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
                await reader.readexactly(int(answer.partition("content-length: ")[2].split()[0]))
        except (OSError, EOFError):
            self.close()
            return None
        if "connection: close" in answer:
            self.close()
        return int(answer.split()[1])

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
        self._streams = None


async def _read_all(address: str, key: str) -> dict[str, Any]:
    """The scores of every request, as the service's clients see them."""
    found: dict[str, Any] = {}
    query: dict[str, Any] = {"filter": "all", "limit": 1000}
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=address, headers=headers, timeout=60) as client:
        while True:
            answer = (await client.post("/v1/request/query", json=query)).raise_for_status().json()
            found |= {row["request_id"]: row["scores"] for row in answer["data"]}
            if (cursor := answer.get("nextCursor")) is None:
                return found
            query["cursor"] = cursor


async def _read_histories(address: str, key: str, request_ids: Iterable[str]) -> dict[str, set[int]]:
    """All values that the score `n` of each request ever had."""
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=address, headers=headers, timeout=60) as client:
        found = {}
        for request_id in request_ids:
            answer = (await client.get(f"/v1/request/{request_id}/scores")).raise_for_status().json()
            history = answer["data"]["scores"]["n"]["history"]
            found[request_id] = {change["value"] for change in history}
        return found
