"""What happens to a cluster while clients post: a server is killed or frozen, shards move or are split."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

import asyncpg
import msgspec
from heliscore.store.connections.pool import Connection

from tests.bench.databases import connected
from tests.bench.plan import progress
from tests.bench.processes import family

_ATTEMPTS: Final = 5
_PAUSE_S: Final = 3

_SHARDS: Final = """
SELECT s.shardid, s.shardminvalue, s.shardmaxvalue, n.nodename, n.nodeport, n.nodeid
FROM pg_dist_shard AS s
JOIN pg_dist_placement AS p ON p.shardid = s.shardid
JOIN pg_dist_node AS n ON n.groupid = p.groupid
WHERE s.logicalrelid = 'score'::regclass AND s.shardid = ANY (
    SELECT get_shard_id_for_distribution_column('score', o.id) FROM unnest($1::integer[]) AS o (id)
)
ORDER BY s.shardid
"""

_NODES: Final = """
SELECT nodename, nodeport, nodeid FROM pg_dist_node
WHERE isactive AND shouldhaveshards AND noderole = 'primary' ORDER BY nodeid
"""


class Server(msgspec.Struct, frozen=True):
    """A PostgreSQL of this machine by its data folder, and the command that starts it."""

    folder: Path
    start: str

    @property
    def port(self) -> int:
        return int((self.folder / "postmaster.pid").read_text().splitlines()[3])

    def processes(self) -> list[int]:
        return family(int((self.folder / "postmaster.pid").read_text().splitlines()[0]))


def kill(server: Server, away_s: float) -> None:
    """Kill a server and all its processes as a failing machine would, and start it again later."""
    _signal(server, signal.SIGKILL)
    progress(f"killed {server.folder}")
    time.sleep(away_s)
    command = shlex.split(server.start.format(folder=server.folder))
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    progress(f"started {server.folder}")


def freeze(server: Server, away_s: float) -> None:
    """Let a server answer nothing for some time, and refuse nothing either."""
    _signal(server, signal.SIGSTOP)
    progress(f"froze {server.folder}")
    time.sleep(away_s)
    _signal(server, signal.SIGCONT)
    progress(f"thawed {server.folder}")


def _signal(server: Server, number: signal.Signals) -> None:
    for pid in server.processes():  # the postmaster first: it starts no other then
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def move(dsn: str, organizations: list[int], moves: int) -> None:
    """Move shards of organizations to another node, one after the other, and each of them back."""
    for number in range(moves):
        connected(dsn, partial(_move_one, organizations=organizations, number=number))


async def _move_one(connection: Connection, organizations: list[int], number: int) -> None:
    shards = await connection.fetch(_SHARDS, organizations)
    nodes = await connection.fetch(_NODES)
    shard = shards[number // 2 % len(shards)]
    other = next(node for node in nodes if node["nodeid"] != shard["nodeid"])
    begun = time.monotonic()
    for attempt in range(_ATTEMPTS):
        try:
            await connection.execute(
                "SELECT citus_move_shard_placement($1, $2, $3::integer, $4, $5::integer, 'force_logical')",
                *(
                    shard["shardid"],
                    shard["nodename"],
                    shard["nodeport"],
                    other["nodename"],
                    other["nodeport"],
                ),
                timeout=300,
            )
            break
        except asyncpg.InternalServerError as error:  # what the last move left could not be dropped yet
            progress(f"refused: {error}")
            if attempt == _ATTEMPTS - 1:
                raise
            await asyncio.sleep(_PAUSE_S)
    progress(
        f"moved {shard['shardid']} from {shard['nodeport']} to {other['nodeport']}"
        f" in {time.monotonic() - begun:.1f} s"
    )


def split(dsn: str, organizations: list[int]) -> None:
    """Split the shard of the first organization in two, of which one goes to another node. Its writes wait
    meanwhile: a split beside them (`force_logical`) does not get over the generated column of `request`."""
    connected(dsn, partial(_split_one, organizations=organizations[:1]))


async def _split_one(connection: Connection, organizations: list[int]) -> None:
    (shard,) = await connection.fetch(_SHARDS, organizations)
    nodes = await connection.fetch(_NODES)
    point = (int(shard["shardminvalue"]) + int(shard["shardmaxvalue"])) // 2
    places = [shard["nodeid"], next(n["nodeid"] for n in nodes if n["nodeid"] != shard["nodeid"])]
    begun = time.monotonic()
    await connection.execute(
        "SELECT citus_split_shard_by_split_points($1, $2, $3, 'block_writes')",
        *(shard["shardid"], [str(point)], places),
        timeout=300,
    )
    progress(f"split {shard['shardid']} in {time.monotonic() - begun:.1f} s")


Event = Callable[[], None]
