"""The SQL behind a call, recorded from the store's own functions, and run by pgbench."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final, cast

import msgspec
from heliscore.api.helicone.query_bodies import decode_query
from heliscore.domain.filter_tree import Column, Everything
from heliscore.postgres.binaries import find_binaries
from heliscore.store import evaluations, score_groups
from heliscore.store.connections.pool import Connection
from heliscore.store.score_scan import ScoreSelection
from heliscore.store.scores import ScoreNames
from heliscore.store.search import request_search
from heliscore.store.statements import load

from .databases import ORGANIZATION_ID, client_flags
from .plan import BenchError
from .shapes import Shape

_WARM_UP: Final = 2
_TIMEOUT_S: Final = 300
_BINS: Final = 10

_REMEMBERED: Final = load("request")["table_sizes"]
"""The service asks for it every ten seconds."""

_LINE_COMMENT: Final = re.compile(r"--[^\n]*")
_BLOCK_COMMENT: Final = re.compile(r"/\*.*?\*/", re.DOTALL)
_PARAMETER: Final = re.compile(r"\$(\d+)")


class Statement(msgspec.Struct, frozen=True):
    """One statement as it was sent."""

    sql: str
    arguments: tuple[object, ...]


class _Recorder:
    """Passes statements on to a connection and remembers them."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.sent: list[Statement] = []

    async def fetch(self, sql: str, *arguments: object) -> Sequence[Any]:
        if sql != _REMEMBERED:
            self.sent.append(Statement(sql, arguments))
        return await self._connection.fetch(sql, *arguments)

    def transaction(self, **options: Any) -> Any:
        """Not remembered: what begins and ends a transaction is the service's to pay for."""
        return self._connection.transaction(**options)

    async def fetchval(self, sql: str, *arguments: object) -> Any:
        self.sent.append(Statement(sql, arguments))
        return await self._connection.fetchval(sql, *arguments)


async def recorded(connection: Connection, shape: Shape) -> list[Statement]:
    """What the service sends for a call, once it knows the score names: the statement that looks how rare
    the scores are belongs to it."""
    names = ScoreNames()
    recorder = _Recorder(connection)
    for _ in range(2):
        recorder.sent.clear()
        await _ask(cast("Connection", recorder), names, shape)
    return recorder.sent


async def _ask(connection: Connection, names: ScoreNames, shape: Shape) -> None:
    if shape.path.startswith("/v1/request/"):
        query = decode_query(shape.body)
        if "count" in shape.path:
            await request_search.count(connection, names, ORGANIZATION_ID, query.filter)
        else:
            await request_search.search(
                connection, names, ORGANIZATION_ID, query.filter, sort=query.sort, limit=query.limit
            )
        return
    body = msgspec.json.decode(shape.body)
    start, end = (datetime.fromisoformat(body["timeFilter"][key]) for key in ("start", "end"))
    range_ = ScoreSelection(ORGANIZATION_ID, Everything(), start, end)
    if "compare" in shape.path:
        await score_groups.compare(connection, names, range_, body["scores"], Column(body["groupBy"]))
    elif "distributions" in shape.path:
        await evaluations.distributions(connection, names, range_, _BINS)
    else:
        await evaluations.over_time(connection, names, range_, "hour", 0)


def run_pgbench(dsn: str, statements: list[Statement], times: int) -> list[float]:
    """Run the statements of one call so many times over one connection; returns the milliseconds of each.

    As the service runs them: prepared once, planned for their values each time.
    """
    with tempfile.TemporaryDirectory(prefix="heliscore-bench-") as folder:
        script, log = Path(folder, "script.sql"), Path(folder, "log")
        script.write_text("".join(_scripted(number, one) for number, one in enumerate(statements)))
        command = [str(find_binaries() / "pgbench"), "--no-vacuum", "--protocol=prepared", "--client=1"]
        command += [f"--transactions={times + _WARM_UP}", f"--file={script}", "--log", f"--log-prefix={log}"]
        for number, statement in enumerate(statements):
            for place, value in enumerate(statement.arguments, 1):
                command += ["--define", f"s{number}_{place}={_text(value)}"]
        done = subprocess.run(
            [*command, *client_flags(dsn)],
            env=os.environ | {"PGOPTIONS": "-c plan_cache_mode=force_custom_plan -c timezone=UTC"},
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
        if done.returncode != 0:
            raise BenchError(f"pgbench failed: {done.stderr}")
        lines = [line.split() for path in Path(folder).glob("log.*") for line in path.open()]
        return [int(line[2]) / 1000 for line in lines][_WARM_UP:]


def _scripted(number: int, statement: Statement) -> str:
    """pgbench would replace a parameter that a comment mentions, too."""
    sql = _BLOCK_COMMENT.sub("", _LINE_COMMENT.sub("", statement.sql))
    return _PARAMETER.sub(rf":s{number}_\1", sql) + ";\n"


def _text(value: object) -> str:
    match value:
        case list() | tuple():
            return "{" + ",".join(map(_text, value)) + "}"
        case datetime():
            return value.isoformat()
        case _:
            return str(value)
