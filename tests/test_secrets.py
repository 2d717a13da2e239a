"""What nobody may read in answers or in what the service writes: keys, bodies, the database's password.

A real service is driven into every kind of failure there is, under secrets that stand nowhere else.
"""

from __future__ import annotations

import asyncio
import json
import signal
import tempfile
from base64 import b64encode
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import httpx
import pytest
from heliscore.domain.api_key import mint_key
from heliscore.postgres.embedded import EmbeddedPostgres

from tests.test_cli import TIMEOUT_S, run_with, serving

PASSWORD = "pw-hunter2-of-the-database"
MARK = "only-in-the-body-4711"
"""Part of whatever is sent in a body and is not asked for by name."""

LOG = {
    "providerRequest": {
        "url": f"https://example.com/{MARK}",
        "json": {"model": "m", "messages": MARK},
        "meta": {"Helicone-Request-Id": "r", "Helicone-Property-Secret": MARK},
    },
    "providerResponse": {"json": {"text": MARK}, "status": 200, "headers": {}},
}


def with_password(dsn: str) -> str:
    """The same address with a password, for which the tests' server does not ask."""
    parts = urlsplit(dsn)
    user, _, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{user or 'postgres'}:{PASSWORD}@{host}"))


class Told:
    """Everything that callers were answered."""

    def __init__(self, address: str, key: str) -> None:
        self._client = httpx.Client(base_url=address, timeout=30)
        self._key = key
        self.answers = ""

    def call(
        self,
        status: int,
        method: str,
        path: str,
        body: object = None,
        *,
        headers: dict[str, str] | None = None,
    ) -> None:
        """Make a call that must be answered with that status."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {"Authorization": f"Bearer {self._key}"} if headers is None else headers
        response = self._client.request(method, path, content=content, headers=given)
        assert response.status_code == status, response.text
        self.answers += f"{response.headers}{response.text}\n"

    def close(self) -> None:
        self._client.close()


async def provoke(told: Told, server: str, dsn: str, key: str, unknown: str) -> None:
    """Let every kind of call fail, in each way in which it can."""
    score, log = "/v1/request/r/score", "/custom/v1/log"

    # What the caller does wrong
    told.call(200, "POST", score, {"scores": {MARK: 1}})
    told.call(400, "POST", score, {"scores": {"accuracy": MARK}})
    told.call(400, "POST", score, b'{"scores": {"' + MARK.encode())
    told.call(400, "POST", score, b"\xff" + MARK.encode())
    told.call(200, "POST", log, LOG | {"timing": MARK})  # with a warning
    told.call(400, "POST", log, MARK)
    told.call(400, "POST", f"/v1/request/%zz/score?api_key={key}", {"scores": {}})
    told.call(404, "GET", f"/v1/request/nothing?key={key}&mark={MARK}")
    told.call(404, "POST", f"/nothing?key={key}", {"a": MARK})
    told.call(405, "GET", f"{score}?key={key}")
    told.call(413, "POST", score, {"scores": {MARK: "x" * 5000}})
    for headers in (
        {},
        {"Authorization": f"Bearer {unknown}"},
        {"Authorization": key},
        {"Authorization": f"Basic {key}"},
        {"Helicone-Auth": f"Bearer {unknown}", "Authorization": f"Bearer {key}"},
        {"X-API-KEY": unknown},
    ):
        told.call(401, "POST", score, {"scores": {MARK: 1}}, headers=headers)
    track = "/library-track-score"
    told.call(400, "POST", track, {"api_key": key, "score": MARK}, headers={})
    told.call(401, "POST", track, {"api_key": unknown, "score": 1}, headers={})
    told.call(400, "POST", track, f'{{"api_key": "{key}", '.encode(), headers={})
    told.call(400, "POST", "/log-request", {"api_key": key, "input": MARK}, headers={})

    # What the dashboard does
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    told.call(303, "POST", "/sign-in", f"key={key}".encode(), headers=form)
    told.call(200, "GET", "/")
    told.call(400, "GET", "/requests?filter=abc")
    told.call(200, "POST", "/v1/request/query", {"filter": "all"})

    connection = await asyncpg.connect(dsn)
    # What the database does
    async with connection.transaction():
        await connection.execute("LOCK TABLE request")
        told.call(503, "GET", "/v1/request/r")
        told.call(503, "POST", log, LOG)
    name = await connection.fetchval("SELECT current_database()")
    await connection.close()
    connection = await asyncpg.connect(server)
    await connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    terminate = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = $1"
    await connection.fetch(terminate, name)
    told.call(503, "POST", score, {"scores": {MARK: 1}})
    told.call(503, "POST", log, LOG)
    told.call(503, "GET", "/readyz")
    await connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    await connection.close()

    # What we do wrong: PostgreSQL shows the whole row to who breaks a constraint
    connection = await asyncpg.connect(dsn)
    for table in ("request", "score"):
        await connection.execute(f"ALTER TABLE {table} ADD CONSTRAINT none_at_all CHECK (false) NOT VALID")
    told.call(500, "POST", log, LOG)
    told.call(500, "POST", score, {"scores": {MARK: 1}})
    told.call(500, "POST", track, {"api_key": key, "request_id": 1, "score": 1, "name": MARK}, headers={})
    await connection.execute("ALTER TABLE api_key RENAME COLUMN name TO title")
    told.call(500, "POST", "/v1/api-keys", {"api_key_name": MARK})
    await connection.close()


async def read_signing_secrets(dsn: str) -> list[str]:
    """As somebody might write them."""
    connection = await asyncpg.connect(dsn)
    found = [secret for (secret,) in await connection.fetch("SELECT secret FROM signing_secret")]
    await connection.close()
    assert len(found) == 2
    return [text for secret in found for text in (secret.hex(), b64encode(secret)[:42].decode(), str(secret))]


async def test_secrets_are_neither_logged_nor_answered(server: str, dsn: str) -> None:
    key, unknown = mint_key(), mint_key()
    signing = await read_signing_secrets(dsn)
    with serving() as serve:
        served = serve(
            DATABASE_URL=with_password(dsn),
            API_KEY=key,
            PORT="0",
            LOG_LEVEL="debug",
            STATEMENT_TIMEOUT_MS="2000",
            MAX_BODY_BYTES="4096",
        )
        with closing(Told(served.wait_until_ready(), key)) as told:
            await provoke(told, server, dsn, key, unknown)
        served.process.send_signal(signal.SIGTERM)
        printed, _ = served.process.communicate(timeout=TIMEOUT_S)
        written = "\n".join(served.printed) + printed + served.errors()
    assert "CheckViolationError" in written  # the defects were reported, or all this would prove nothing
    for secret in (key, unknown, PASSWORD, *signing):
        assert secret not in written
        assert secret not in told.answers
    assert MARK not in written


@pytest.mark.parametrize("command", [["serve", "--port", "0"], ["migrate"], ["keys", "list"]], ids=" ".join)
async def test_command_that_fails_tells_no_secret(dsn: str, command: list[str]) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute("UPDATE schema_migration SET checksum = 'x'")
    await connection.close()
    key = mint_key()
    finished = run_with(*command, DATABASE_URL=with_password(dsn), API_KEY=key, LOG_LEVEL="debug")
    assert finished.returncode == 1
    told = finished.stdout + finished.stderr
    assert "was applied to this database with another text" in told
    assert PASSWORD not in told
    assert key not in told


def test_log_of_our_own_postgresql_holds_no_rows() -> None:
    """It does say what failed, for whom it is kept: the operator."""
    with tempfile.TemporaryDirectory(prefix="heliscore-test-") as folder:
        Path(folder).chmod(0o755)
        with EmbeddedPostgres(Path(folder)) as dsn:
            asyncio.run(break_constraint(dsn))
        log = Path(folder, "postgres.log").read_text()
    assert "violates check constraint" in log
    assert MARK not in log


async def break_constraint(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute("CREATE TABLE t (body text CHECK (body = ''))")
    with pytest.raises(asyncpg.CheckViolationError, match=MARK):
        await connection.execute("INSERT INTO t VALUES ($1)", MARK)
    await connection.close()
