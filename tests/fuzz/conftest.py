"""One real service process for all random calls, and the count of what it answered.

`make test` tries the same calls each time, `make fuzz` other ones, and more of them: FUZZ_TIMES as many.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Iterator, Mapping

import asyncpg
import httpx
import pytest
import requests
from heliscore.domain.api_key import mint_key
from hypothesis import HealthCheck, settings

from tests.conftest import TEMPLATE, at_database
from tests.test_cli import serving

DATABASE = f"{TEMPLATE}_fuzz"

TIMES = int(os.environ.get("FUZZ_TIMES", "0"))


def tries(count: int) -> settings:
    """Settings for a property with that many examples in `make test`."""
    return settings(
        max_examples=count * max(TIMES, 1),
        derandomize=TIMES == 0,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


Headers = Mapping[str, str | bytes]

answered: Counter[int] = Counter()
"""How many calls were answered with which status."""


class Target:
    """The service and a key of it."""

    def __init__(self, address: str, key: str) -> None:
        self.address = address
        self._client = httpx.Client(base_url=address, timeout=30)
        self.session = requests.Session()
        self.headers = {"Authorization": f"Bearer {key}", "X-API-KEY": key}

    def call(
        self, method: str, path: str, body: bytes | None = None, headers: Headers | None = None
    ) -> httpx.Response:
        """Make a call with the key in every place where it is looked for."""
        return self.anonymous(method, path, body, {**self.headers, **(headers or {})})

    def anonymous(self, method: str, path: str, body: bytes | None, headers: Headers) -> httpx.Response:
        sent = [
            (name.encode(), value if isinstance(value, bytes) else value.encode())
            for name, value in headers.items()
        ]
        response = self._client.request(method, path, content=body, headers=sent)
        answered[response.status_code] += 1
        return response

    def close(self) -> None:
        self._client.close()
        self.session.close()


@pytest.fixture(scope="session")
def target(server: str) -> Iterator[Target]:
    """A service on a database of its own; it must live through everything and have met no defect."""

    async def make_database() -> None:
        connection = await asyncpg.connect(server)
        await connection.execute(f"CREATE DATABASE {DATABASE} TEMPLATE {TEMPLATE}")
        await connection.close()
        connection = await asyncpg.connect(at_database(server, DATABASE))
        # Else calls that revoke keys would come upon the very key that makes them.
        await connection.execute("ALTER TABLE api_key ALTER COLUMN id RESTART WITH 1717171717")
        await connection.close()

    asyncio.run(make_database())
    key = mint_key()
    with serving() as serve:
        served = serve(DATABASE_URL=at_database(server, DATABASE), API_KEY=key, PORT="0", LOG_LEVEL="error")
        target = Target(served.wait_until_ready(), key)
        yield target
        target.close()
        assert served.stop(signal.SIGTERM) == ""
        # A service that is never available would pass every test.
        assert answered[503] * 10 <= answered.total()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if answered:
        counts = ", ".join(f"{count} x {status}" for status, count in sorted(answered.items()))
        terminalreporter.write_line(f"fuzz: {answered.total()} calls were answered: {counts}")
