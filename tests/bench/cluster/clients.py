"""Clients that post, remember what was acknowledged, and read some of it back at once."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import msgspec

from tests.bench.client import Answer, Client
from tests.bench.cluster.ledger import ADDED, Call, Ledger, Request
from tests.bench.cluster.tenants import Tenant

_HOT_SHARE: Final = 0.25
_READ_SHARE: Final = 0.2
_REFUSED_S: Final = 0.02
"""A refused client waits as little: what waits behind a node that is away shall be seen."""

_READERS: Final = 8


class Caller:
    """Calls the service for one organization, on one connection until that breaks; logs every call."""

    def __init__(self, port: int, number: int, tenant: Tenant, ledger: Ledger) -> None:
        self._port, self._number, self._tenant, self._ledger = port, number, tenant, ledger
        self._client: Client | None = None

    def call(self, method: str, path: str, body: bytes = b"") -> Answer:
        """The answer; its status is 0 where the connection broke."""
        begun = time.monotonic()
        try:
            if self._client is None:
                self._client = Client(self._port, self._tenant.key)
            answer = self._client.call(method, path, body)
        except OSError:
            self.close()
            answer = Answer(0, b"", 0)
        seconds = time.monotonic() - begun
        self._ledger.log(Call(begun, self._number, answer.status, seconds, is_post=method == "POST"))
        return answer

    def post(self, request_id: str, value: int) -> bool:
        request = self._number, request_id
        self._ledger.send(request, value)
        body = msgspec.json.encode({"scores": dict.fromkeys(ADDED, value)})
        is_written = self.call("POST", f"/v1/request/{request_id}/score", body).status == 200
        if is_written:
            self._ledger.acknowledge(request, value)
        return is_written

    def read(self, request_id: str) -> bool | None:
        """Whether what was acknowledged is there, None where the service did not say."""
        request = self._number, request_id
        expected = self._ledger.posted[request].value
        answer = self.call("GET", f"/v1/request/{request_id}")
        if answer.status not in (200, 404):
            return None
        scores = msgspec.json.decode(answer.body)["data"]["scores"] if answer.status == 200 else None
        return self._ledger.check(request, expected, scores)

    def close(self) -> None:
        if self._client is not None:
            self._client.__exit__()
            self._client = None


def post_until(over: threading.Event, port: int, number: int, tenant: Tenant, ledger: Ledger) -> None:
    """One client: a quarter of its posts goes to one request, with rising values."""
    caller = Caller(port, number, tenant, ledger)
    name = f"{random.getrandbits(40):010x}"
    count = 0
    while not over.is_set():
        count += 1
        request_id = f"{name}-hot" if random.random() < _HOT_SHARE else f"{name}-{count}"
        if not caller.post(request_id, count):
            time.sleep(_REFUSED_S)
        elif random.random() < _READ_SHARE:
            caller.read(request_id)
    caller.close()


def watch_missing(over: threading.Event, port: int, tenants: list[Tenant], ledger: Ledger) -> None:
    """Read what was missing again and again, to see for how long it was."""
    callers = [Caller(port, number, tenant, ledger) for number, tenant in enumerate(tenants)]
    while not over.wait(0.1):
        for number, request_id in [
            key for key, missing in [*ledger.missing.items()] if missing.until is None
        ]:
            callers[number].read(request_id)


def read_all(
    requests: Iterable[Request], port: int, tenants: list[Tenant], ledger: Ledger, patience_s: float
) -> list[Request]:
    """Read each of them, those that are not there again and again; returns those that never came."""
    local = threading.local()

    def read(request: Request) -> bool | None:
        number, request_id = request
        if number not in (callers := local.__dict__.setdefault("callers", {})):
            callers[number] = Caller(port, number, tenants[number], ledger)
        result: bool | None = callers[number].read(request_id)
        return result

    left, deadline = list(requests), time.monotonic() + patience_s
    with ThreadPoolExecutor(_READERS) as pool:
        while left and time.monotonic() < deadline:
            answers = list(pool.map(read, left))
            left = [request for request, answer in zip(left, answers, strict=True) if not answer]
            if left:
                time.sleep(0.3)
    return left
