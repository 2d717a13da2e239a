"""Tell that a cluster's coordinator lost a node during a statement: Citus says so in words only, with the
code of an internal error."""

from __future__ import annotations

import re
from typing import Final

import asyncpg

_LOST: Final = re.compile(
    r"^(?:failure on connection marked as essential"
    r"|could not commit transaction (?:for shard \d+ )?on at least one active node"
    r"|failed to (?:prepare|commit) transaction"
    r"|connection (?:not open|to the remote node .+ failed)"
    r"|lost synchronization with server"
    r"|could not (?:connect to|establish connection)"
    r"|failed to (?:connect|send .+|execute .+ on) )"
)


def is_lost_node(error: BaseException) -> bool:
    """Whether the coordinator could not reach a node, or does not know whether it committed."""
    return isinstance(error, asyncpg.InternalServerError) and bool(_LOST.match(str(error)))
