"""Looks at the nodes of a cluster: whether they answer, and the settings that make it durable and quick."""

from __future__ import annotations

from typing import Final

import msgspec

from heliscore.store.connections.pool import Connection
from heliscore.store.connections.server_checks import Finding, check_setting
from heliscore.store.statements import load

_SQL = load("node", "cluster/queries")

_LONGEST_RECOVERY_MS: Final = 10_000

_AS_ANYWHERE: Final = ("fsync", "synchronous_commit")
"""Settings of a node that get the advice which a single PostgreSQL gets."""


class Facts(msgspec.Struct, frozen=True):
    """A server's versions and settings. `postgres` is the major version."""

    postgres: int
    citus: str | None
    connections: int
    prepared_transactions: int
    wal_level: str
    fsync: str
    synchronous_commit: str


class Node(msgspec.Struct, frozen=True):
    """A node beside the coordinator: its address, and what it says of itself, or why it says nothing."""

    name: str
    port: int
    takes_shards: bool
    facts: Facts | None
    error: str | None

    @property
    def address(self) -> str:
        return f"{self.name}:{self.port}"


class Coordinator(Facts, frozen=True):
    """The coordinator: what it says of itself, and of the distributed tables (`shards`: of each)."""

    recovery_ms: int
    shards: int
    takes_shards: bool


class Answer(msgspec.Struct, frozen=True):
    """Whether a node answers the coordinator just now."""

    name: str
    port: int
    answers: bool


async def look(connection: Connection) -> tuple[Coordinator, list[Node]]:
    """Ask all nodes of the connection's cluster for what they are."""
    async with connection.transaction():
        await connection.execute(_SQL["be_quick"])
        rows = await connection.fetch(_SQL["look"])
        own = await connection.fetchrow(_SQL["look_at_coordinator"])
    nodes = [
        Node(
            row["name"],
            row["port"],
            row["takes_shards"],
            None if row["facts"] is None else _read_facts(row["facts"]),
            row["error"],
        )
        for row in rows
    ]
    return msgspec.convert(dict(own or ()), Coordinator), nodes


def _read_facts(facts: object) -> Facts:
    """Services read JSON as values, commands as text."""
    return msgspec.json.decode(facts, type=Facts) if isinstance(facts, str) else msgspec.convert(facts, Facts)


async def ping(connection: Connection) -> list[Answer]:
    """Ask all nodes, each for two seconds at most, whether they answer."""
    async with connection.transaction():
        await connection.execute(_SQL["be_quick"])
        return [Answer(*row) for row in await connection.fetch(_SQL["ping"])]


def find_obstacles(coordinator: Coordinator, nodes: list[Node]) -> list[str]:
    """Return why tables cannot be distributed over these nodes, or transactions not be committed on them."""
    if not (coordinator.takes_shards or any(node.takes_shards for node in nodes)):
        return ["the cluster has no node that takes shards: SELECT citus_add_node(…) on the coordinator"]
    obstacles = [f"the node {node.address} does not answer: {node.error}" for node in nodes if node.error]
    for place, facts in _places(coordinator, nodes):
        if facts.postgres != coordinator.postgres:
            obstacles.append(f"{place} runs PostgreSQL {facts.postgres}, not {coordinator.postgres}")
        if facts.citus != coordinator.citus:
            obstacles.append(f"{place} has Citus {facts.citus}, not {coordinator.citus}")
        if not facts.prepared_transactions:
            obstacles.append(f"{place} has max_prepared_transactions = 0: set it to that of max_connections")
    return obstacles


def check(coordinator: Coordinator, nodes: list[Node]) -> list[Finding]:
    """Check what matters to a cluster, in a fixed order."""
    place = f"{len(nodes)} nodes and the coordinator" if coordinator.takes_shards else f"{len(nodes)} nodes"
    found = [
        Finding("cluster", f"{coordinator.shards} shards on {place}", None),
        _check_recovery(coordinator),
    ]
    found += [Finding(node.address, "does not answer", node.error) for node in nodes if node.error]
    for place, facts in _places(coordinator, nodes):
        found += _check_facts(place, facts, coordinator)
    return found


def _places(coordinator: Coordinator, nodes: list[Node]) -> list[tuple[str, Facts]]:
    return [("the coordinator", coordinator), *((node.address, node.facts) for node in nodes if node.facts)]


def _check_recovery(coordinator: Coordinator) -> Finding:
    long = coordinator.recovery_ms > _LONGEST_RECOVERY_MS
    advice = "set it to 2s: so long may rows stay locked after a node crashed during a commit"
    return Finding(
        "citus.recover_2pc_interval", f"{coordinator.recovery_ms / 1000:g}s", advice if long else None
    )


def _check_facts(place: str, facts: Facts, coordinator: Coordinator) -> list[Finding]:
    logical = facts.wal_level == "logical"
    prepared = facts.prepared_transactions >= facts.connections
    found = [
        Finding(
            f"wal_level of {place}",
            facts.wal_level,
            None if logical else "set it to logical, or posts wait while a shard is moved",
        ),
        Finding(
            f"max_prepared_transactions of {place}",
            str(facts.prepared_transactions),
            None if prepared else f"set it to max_connections, {facts.connections}",
        ),
    ]
    if facts is coordinator:
        return found
    enough = facts.connections >= coordinator.connections
    found.append(
        Finding(
            f"max_connections of {place}",
            str(facts.connections),
            None if enough else f"set it to {coordinator.connections} at least, as on the coordinator",
        )
    )
    for name in _AS_ANYWHERE:
        value = getattr(facts, name)
        found.append(msgspec.structs.replace(check_setting(name, value, value), setting=f"{name} of {place}"))
    return found
