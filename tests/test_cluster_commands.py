"""What commands do on a single PostgreSQL with what belongs to clusters: refuse it, or leave it out."""

from __future__ import annotations

import os
from pathlib import Path

import asyncpg
import pytest
from heliscore.domain.errors import Unavailable
from heliscore.settings import Settings
from heliscore.store import organizations
from heliscore.store.cluster import nodes
from heliscore.store.connections import outages
from heliscore.store.connections.pool import Connection, Database, open_database
from heliscore.store.connections.server_checks import Finding

from tests.store import schema
from tests.test_cli import Run, assert_fails, run, run_with

__all__ = ["run"]

COORDINATOR = nodes.Coordinator(15, "13.2-1", 300, 300, "logical", "on", "on", 2000, 16, False)
FACTS = nodes.Facts(15, "13.2-1", 300, 300, "logical", "on", "on")
NODE = nodes.Node("a", 5432, True, FACTS, None)
POOR = nodes.Node("b", 5432, True, nodes.Facts(16, "12.1-1", 100, 0, "replica", "off", "on"), None)
AWAY = nodes.Node("c", 5432, True, None, "failed to connect to c:5432")

LOST = "could not commit transaction for shard 102564 on at least one active node"
DEFECT = "unrecognized node type: 7"

FROM_NODE_3 = (3 << 48) + 5
"""A number of a request that a cluster's node gave."""


# heliscore distribute


def test_database_without_citus_is_refused(dsn: str) -> None:
    finished = run_with("distribute", DATABASE_URL=dsn)
    assert (finished.returncode, finished.stdout) == (1, "")
    assert finished.stderr.startswith("heliscore: the database has no Citus: ")
    assert finished.stderr.endswith(", on every node, and add the nodes\n")


@pytest.mark.parametrize("settings", [{}, {"DATABASE_URL": "postgresql://a/b", "PGBOUNCER": "true"}])
def test_address_that_is_not_the_coordinators_is_refused(settings: dict[str, str]) -> None:
    message = "HELISCORE_DATABASE_URL must be the address of the coordinator itself"
    assert_fails(run_with("distribute", **settings), message)


def test_cluster_that_is_in_order_has_no_obstacle_and_no_advice() -> None:
    assert nodes.find_obstacles(COORDINATOR, [NODE]) == []
    assert nodes.check(COORDINATOR, [NODE]) == [
        Finding("cluster", "16 shards on 1 nodes", None),
        Finding("citus.recover_2pc_interval", "2s", None),
        Finding("wal_level of the coordinator", "logical", None),
        Finding("max_prepared_transactions of the coordinator", "300", None),
        Finding("wal_level of a:5432", "logical", None),
        Finding("max_prepared_transactions of a:5432", "300", None),
        Finding("max_connections of a:5432", "300", None),
        Finding("fsync of a:5432", "on", None),
        Finding("synchronous_commit of a:5432", "on", None),
    ]


def test_each_obstacle_is_named() -> None:
    assert nodes.find_obstacles(COORDINATOR, []) == [
        "the cluster has no node that takes shards: SELECT citus_add_node(…) on the coordinator"
    ]
    assert nodes.find_obstacles(COORDINATOR, [NODE, POOR, AWAY]) == [
        "the node c:5432 does not answer: failed to connect to c:5432",
        "b:5432 runs PostgreSQL 16, not 15",
        "b:5432 has Citus 12.1-1, not 13.2-1",
        "b:5432 has max_prepared_transactions = 0: set it to that of max_connections",
    ]


def test_settings_of_each_node_get_advice() -> None:
    findings = nodes.check(COORDINATOR, [POOR, AWAY])
    assert [(one.setting, one.value) for one in findings if one.advice] == [
        ("c:5432", "does not answer"),
        ("wal_level of b:5432", "replica"),
        ("max_prepared_transactions of b:5432", "0"),
        ("max_connections of b:5432", "100"),
        ("fsync of b:5432", "off"),
    ]


# A node is lost: the server's errors are made by a block


@pytest.fixture
async def database(dsn: str) -> Database:
    return await open_database(Settings(database_url=dsn), size=1)


async def fail(database: Database, message: str) -> None:
    async with database.connection() as connection:
        await connection.execute(f"DO $$ BEGIN RAISE '{message}' USING ERRCODE = 'internal_error'; END $$")


async def test_lost_node_is_unavailable_and_a_defect_is_not(database: Database) -> None:
    with pytest.raises(Unavailable) as unavailable:
        await fail(database, LOST)
    with pytest.raises(asyncpg.InternalServerError) as defect:
        await fail(database, DEFECT)
    assert outages.passes(unavailable.value.__cause__ or unavailable.value)
    assert not outages.passes(defect.value)
    await database.close()


@pytest.mark.parametrize(
    "message",
    [
        LOST,
        "failure on connection marked as essential: 127.0.0.1:27501",
        "failed to commit transaction on 127.0.0.1:27501",
        "connection to the remote node postgres@127.0.0.1:1 failed with the following error: refused",
    ],
)
def test_lost_node_passes(message: str) -> None:
    assert outages.passes(asyncpg.InternalServerError(message))
    assert not outages.passes(asyncpg.InternalServerError(f"something else: {message}"))


# Backups


@pytest.fixture
async def of_cluster(connection: Connection) -> None:
    """A database that looks as a cluster does to pg_dump."""
    organization_id = await organizations.ensure(connection, "one")
    await connection.execute("ALTER TABLE score_name DROP CONSTRAINT score_name_organization_id_fkey")
    await connection.execute("ALTER TABLE score_day REPLICA IDENTITY FULL")
    await connection.execute(
        "INSERT INTO score_name (organization_id, name) VALUES ($1, 'kept'), ($1 + 1, 'ownerless')",
        organization_id,
    )
    await connection.execute(
        "INSERT INTO request (request_no, organization_id, request_id, created_at, updated_at)"
        " VALUES ($1, $2, 'r', now(), now())",
        FROM_NODE_3,
        organization_id,
    )


@pytest.mark.skipif("TEST_DATABASE_URL" in os.environ, reason="other versions dump other text")
@pytest.mark.usefixtures("of_cluster")
async def test_backup_of_a_cluster_becomes_a_whole_single_database(
    run: Run, empty_dsn: str, tmp_path: Path
) -> None:
    file = tmp_path / "cluster.backup"
    run("backup", str(file))
    assert run_with("restore", str(file), DATABASE_URL=empty_dsn).stderr == ""
    assert schema.dump(empty_dsn) == schema.PATH.read_text(encoding="utf-8")
    restored = await asyncpg.connect(empty_dsn)
    assert [name for (name,) in await restored.fetch("SELECT name FROM score_name")] == ["kept"]
    assert await restored.fetchval("SELECT nextval('request_request_no_seq')") == FROM_NODE_3 + 1
    await restored.close()


async def test_backup_leaves_out_what_is_the_clusters_own(
    dsn: str, connection: Connection, empty_dsn: str, tmp_path: Path
) -> None:
    file = tmp_path / "cluster.backup"
    await connection.execute("CREATE TABLE carried (organization_id integer)")
    assert run_with("backup", str(file), DATABASE_URL=dsn).stderr == ""
    assert run_with("restore", str(file), DATABASE_URL=empty_dsn).stderr == ""
    restored = await asyncpg.connect(empty_dsn)
    assert await restored.fetchval("SELECT to_regclass('carried') IS NULL")
    await restored.close()


async def test_database_whose_distribution_was_interrupted_lets_no_command_in(
    dsn: str, connection: Connection
) -> None:
    await connection.execute("CREATE TABLE carried (organization_id integer)")
    await connection.execute("COMMENT ON TABLE carried IS 'unfinished'")
    message = (
        "cannot connect to the database: its tables are being distributed; if that was interrupted, run "
        "heliscore distribute"
    )
    assert_fails(run_with("keys", "list", DATABASE_URL=dsn), message)
