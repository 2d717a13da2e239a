"""The organizations of a run, each with a key of its own, and the nodes of their rows."""

from __future__ import annotations

from typing import Final

import msgspec
from heliscore.domain.api_key import mint_key
from heliscore.settings import Settings
from heliscore.store import keys, organizations
from heliscore.store.connections.pool import Connection
from heliscore.store.schema import bootstrap

from tests.bench.databases import KEY
from tests.bench.plan import BenchError

_IS_DISTRIBUTED: Final = """
SELECT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = to_regclass('score'))
"""

_NODES: Final = """
SELECT o.id, n.nodeport
FROM unnest($1::integer[]) AS o (id)
JOIN pg_dist_placement AS p ON p.shardid = get_shard_id_for_distribution_column('score', o.id)
JOIN pg_dist_node AS n ON n.groupid = p.groupid AND n.noderole = 'primary'
"""


class Tenant(msgspec.Struct, frozen=True):
    """An organization and its key."""

    organization_id: int
    key: str


async def make_tenants(connection: Connection, count: int) -> list[Tenant]:
    """Make organizations, and the key that the service is probed with. The schema must be there."""
    await bootstrap.prepare(connection, Settings(api_key=KEY))
    made = []
    for number in range(count):
        organization_id, key = await organizations.ensure(connection, f"bench {number}"), mint_key()
        await keys.register(connection, organization_id, key, name="bench", permissions="rw")
        made.append(Tenant(organization_id, key))
    return made


async def require_cluster(connection: Connection) -> None:
    """Raise BenchError where the tables are not distributed."""
    has_citus = await connection.fetchval("SELECT to_regclass('pg_dist_partition') IS NOT NULL")
    if not has_citus or not await connection.fetchval(_IS_DISTRIBUTED):
        raise BenchError("the tables of the cluster are not distributed: run heliscore distribute")


async def find_ports(connection: Connection, tenants: list[Tenant]) -> dict[int, int]:
    """Return the port of each organization's node."""
    ids = [tenant.organization_id for tenant in tenants]
    return dict(map(tuple, await connection.fetch(_NODES, ids)))
