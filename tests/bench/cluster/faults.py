"""Clients post while something happens to the cluster; then all that was acknowledged is read."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

import msgspec
from heliscore.store.connections.pool import Connection

from tests.bench.cluster.clients import post_until, read_all, watch_missing
from tests.bench.cluster.ledger import Call, Ledger, Request
from tests.bench.cluster.tenants import Tenant, find_ports, make_tenants, require_cluster
from tests.bench.databases import connected
from tests.bench.processes import Server as Service

CLIENTS: Final = 24
TENANTS: Final = 20
_STOP_S: Final = 60
_PATIENCE_S: Final = 45
_WARM_UP_S: Final = 2

_HISTORY: Final = """
SELECT r.request_id, h.value, count(*)
FROM request AS r
JOIN score_history AS h ON h.organization_id = r.organization_id AND h.request_no = r.request_no
JOIN score_name AS n ON n.organization_id = r.organization_id AND n.id = h.name_id
WHERE r.organization_id = $1 AND h.organization_id = $1 AND n.organization_id = $1
    AND r.request_id = ANY ($2::text[]) AND n.name = 'accuracy'
GROUP BY r.request_id, h.value
"""


class Run(msgspec.Struct, frozen=True):
    """One event, and all that came of it. Times are those of the monotonic clock."""

    ledger: Ledger
    begun: float
    event: float
    back: float
    over: float
    ports: dict[int, int]
    """The port of each organization's node, by its number, before the event."""

    struck: int | None
    """The port of the node that the event was about."""

    lost: list[Request]
    unkept: int
    """Acknowledged values of which the history has none."""

    doubled: int
    """Values that the history has twice."""


def prepare(dsn: str) -> list[Tenant]:
    """Make the organizations of all runs."""

    async def work(connection: Connection) -> list[Tenant]:
        await require_cluster(connection)
        return await make_tenants(connection, TENANTS)

    return connected(dsn, work)


def run(
    dsn: str,
    service: Service,
    tenants: list[Tenant],
    event: Callable[[], None],
    struck: int | None,
    *,
    before_s: float,
    after_s: float,
) -> Run:
    """Let clients post, let it happen, let them go on, and read everything."""
    ledger, over, seen = Ledger(), threading.Event(), threading.Event()
    found = connected(dsn, partial(find_ports, tenants=tenants))
    ports = {number: found[tenant.organization_id] for number, tenant in enumerate(tenants)}
    with ThreadPoolExecutor(CLIENTS + 1) as pool:
        for client in range(CLIENTS):
            number = client % len(tenants)
            pool.submit(post_until, over, service.port, number, tenants[number], ledger)
        watching = pool.submit(watch_missing, seen, service.port, tenants, ledger)
        time.sleep(_WARM_UP_S)
        begun = time.monotonic()
        time.sleep(before_s)
        happened = time.monotonic()
        try:
            event()
            back = time.monotonic()
            time.sleep(after_s)
        finally:
            over.set()
            ended = time.monotonic()
            seen.set()
        watching.result(_STOP_S)
    lost = read_all([*ledger.acknowledged], service.port, tenants, ledger, _PATIENCE_S)
    unkept, doubled = connected(dsn, partial(_compare_history, tenants=tenants, ledger=ledger))
    return Run(ledger, begun, happened, back, ended, ports, struck, lost, unkept, doubled)


async def _compare_history(connection: Connection, tenants: list[Tenant], ledger: Ledger) -> tuple[int, int]:
    """How many acknowledged values are neither a score nor in its history, and how many are there twice."""
    unkept = doubled = 0
    for number, tenant in enumerate(tenants):
        hot = {
            request_id: values
            for (organization, request_id), values in ledger.acknowledged.items()
            if organization == number and len(values) > 1
        }
        rows = await connection.fetch(_HISTORY, tenant.organization_id, list(hot))
        kept = {(request_id, value): count for request_id, value, count in rows}
        doubled += sum(count > 1 for count in kept.values())
        # The last may have been replaced by one that was not acknowledged, and is in the history then.
        unkept += sum(
            (request_id, value) not in kept for request_id, values in hot.items() for value in values[:-1]
        )
    return unkept, doubled


def describe(name: str, found: Run) -> str:
    """The figures of a run, a few lines."""
    ledger = found.ledger
    acknowledged = sum(map(len, ledger.acknowledged.values()))
    returned = [m for m in ledger.missing.values() if m.until is not None]
    longest = max((m.until - m.since for m in returned if m.until), default=0.0)
    late = max((m.until - found.back for m in returned if m.until), default=0.0)
    slowest = max((call for call in ledger.calls if call.at >= found.begun), key=lambda call: call.seconds)
    lines = [
        f"{name}: {acknowledged:,} acknowledged, {len(found.lost)} lost or older for good, "
        f"{len(ledger.torn)} torn, {found.unkept} not in the history, {found.doubled} twice in it",
        f"  invisible for a while: {len(returned)}, at most {longest:.1f} s, and {max(late, 0):.1f} s after "
        "the node was back",
        f"  from the event to its end {found.back - found.event:.1f} s",
        f"  slowest call {slowest.seconds:.2f} s, {slowest.at - found.event:+.1f} s from the event, "
        f"organization of {found.ports[slowest.organization]}",
    ]
    return "\n".join([*lines, *_rates(found)])


def _rates(found: Run) -> list[str]:
    phases = {
        "before": (found.begun, found.event),
        "during": (found.event, found.back),
        "after": (found.back, found.over),
    }
    lines = []
    for port in sorted(set(found.ports.values())):
        calls = [call for call in found.ledger.calls if found.ports[call.organization] == port]
        shown = [
            f"{phase} {_rate(calls, *times):,.0f} posts/s ({_statuses(calls, *times)})"
            for phase, times in phases.items()
        ]
        mark = ", struck" if port == found.struck else ""
        lines.append(f"  organizations of {port}{mark}: {'; '.join(shown)}")
    return lines


def _rate(calls: list[Call], begin: float, end: float) -> float:
    written = sum(call.is_post and call.status == 200 and begin <= call.at < end for call in calls)
    return written / max(end - begin, 0.001)


def _statuses(calls: list[Call], begin: float, end: float) -> str:
    counts: dict[int, int] = {}
    for call in calls:
        if begin <= call.at < end:
            counts[call.status] = counts.get(call.status, 0) + 1
    return ", ".join(f"{count:,} times {status or 'broken'}" for status, count in sorted(counts.items()))
