"""Snapshots: which transactions are visible, as PostgreSQL writes it ("xmin:xmax:xip,…").

A node of a cluster numbers its transactions by itself. So the numbers of events' transactions, and those in
snapshots of events, have the number of the node in their high bits, 0 on a single PostgreSQL: what one node
has written lies together, and is told from what another has written after the rows were moved there.
"""

from __future__ import annotations

from typing import Final

_NODE_BITS: Final = 48  # as in sql/cluster/carried.sql
_LAST: Final = 2**63 - 1


def node_of(snapshot: str) -> int:
    """Return the node whose snapshot it is."""
    return _first(snapshot) >> _NODE_BITS


def before(node: int) -> str:
    """Return a snapshot in which nothing is visible that the node has written, but all of lower nodes."""
    return _until((node << _NODE_BITS) + 1)  # 0 is no transaction's number


def behind(node: int) -> str:
    """Return a snapshot in which all is visible that the node will ever write."""
    return before(node + 1)


def spans(seen: str, until: str) -> list[tuple[str, str]]:
    """Return pairs of snapshots: what lies between them is what is visible in `until` and not in `seen`.
    Where these are of different nodes, since the rows were moved in between, it is all that the others have
    written, and some of it may have been seen before an earlier move."""
    if node_of(seen) == node_of(until):
        return [(seen, until)]
    node = node_of(seen)
    lower = [(before(0), before(node))] if node else []
    return [(seen, behind(node)), *lower, (behind(node), _until(_LAST))]


def _first(snapshot: str) -> int:
    return int(snapshot.split(":")[0])


def _until(number: int) -> str:
    return f"{number}:{number}:"
