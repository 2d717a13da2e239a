"""Measure what statements read, as they are sent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import asyncpg
from heliscore.store.connections.pool import Connection


class Meter:
    """A connection that explains what is sent through it, and adds up the rows and buffers."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.rows = self.buffers = 0

    async def fetch(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        if statement.endswith("$$"):  # settings, which are not planned
            return await self._connection.fetch(statement)
        explain = f"EXPLAIN (ANALYZE, BUFFERS, TIMING off, FORMAT JSON) {statement}"
        [plan] = json.loads(await self._connection.fetchval(explain, *arguments))
        self.rows += sum(map(rows_of, nodes(plan["Plan"])))
        self.buffers += plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"]
        return await self._connection.fetch(statement, *arguments)

    async def fetchval(self, statement: str, *arguments: object) -> Any:
        return (await self.fetch(statement, *arguments))[0][0]

    def transaction(self, **options: Any) -> Any:
        return self._connection.transaction(**options)


def nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", []):
        yield from nodes(child)


def rows_of(node: dict[str, Any]) -> int:
    passed_on: float = node["Actual Rows"]
    removed: float = sum(count for key, count in node.items() if key.startswith("Rows Removed by"))
    loops: int = node["Actual Loops"]
    return round(loops * (passed_on + removed))
