"""What was acknowledged, and whether it is still there."""

from __future__ import annotations

import threading
import time
from typing import Final

import msgspec

Request = tuple[int, str]
"""The number of the client's organization, and the request's id."""

ADDED: Final = ("accuracy", "relevance")
"""The scores of each post, all of one value: they are stored together or not at all."""


class Posted(msgspec.Struct):
    """One request's acknowledged value, and the newest that was sent, which may be there too."""

    value: int
    newest: int


class Call(msgspec.Struct, frozen=True):
    """One answered or broken call. A status of 0: the connection broke."""

    at: float
    organization: int
    status: int
    seconds: float
    is_post: bool


class Missing(msgspec.Struct):
    """A request whose acknowledged value was not there when it was read."""

    since: float
    value: int
    seen: int | None
    until: float | None = None
    """When it was there again."""


class Ledger:
    """Shared by all clients. Values of one request only rise, and one client sends them."""

    def __init__(self) -> None:
        self.posted: dict[Request, Posted] = {}
        self.acknowledged: dict[Request, list[int]] = {}
        self.missing: dict[Request, Missing] = {}
        self.calls: list[Call] = []
        self.torn: list[tuple[Request, dict[str, int]]] = []
        self._lock = threading.Lock()

    def send(self, request: Request, value: int) -> None:
        """Note a value before it is sent."""
        with self._lock:
            self.posted.setdefault(request, Posted(-1, value)).newest = value

    def acknowledge(self, request: Request, value: int) -> None:
        with self._lock:
            self.posted[request].value = value
            self.acknowledged.setdefault(request, []).append(value)

    def check(self, request: Request, expected: int, scores: dict[str, int] | None) -> bool:
        """Compare what was read with what was acknowledged before the read; None: there was no request."""
        found = {name: (scores or {}).get(name, -1) for name in ADDED}
        least = min(found.values())
        if len(set(found.values())) > 1:
            with self._lock:
                self.torn.append((request, found))
        with self._lock:
            is_there = expected <= least <= self.posted[request].newest
            known = self.missing.get(request)
            if is_there and known is not None and known.until is None:
                known.until = time.monotonic()
            if not is_there and known is None:
                self.missing[request] = Missing(time.monotonic(), expected, None if scores is None else least)
        return is_there

    def log(self, call: Call) -> None:
        with self._lock:
            self.calls.append(call)
