"""The report in Markdown: each table beside the goal that it answers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from .bulk import Bulk
from .disk import Disk
from .goals import goals
from .load import Load
from .plan import SATURATION
from .posts import ALONE, CEILING, FASTAPI, NAIVE, OURS, Posts
from .quantiles import Spread
from .reading import Reading
from .shapes import EVALUATIONS, SEARCHES, Shape


class Findings(msgspec.Struct, frozen=True):
    """Everything that one run measured."""

    machine: str
    command: str
    posts: Posts
    bulk: Bulk
    readings: list[Reading]
    disk: Disk

    def reading(self, shape: Shape, size: int) -> Reading:
        return next(one for one in self.readings if one.shape == shape and one.size == size)

    @property
    def sizes(self) -> list[int]:
        return sorted({one.size for one in self.readings})


def written(findings: Findings) -> str:
    """The whole report."""
    sections = (
        f"# Benchmark\n\n{findings.machine}\n\n    {findings.command}\n\n"
        "Load generator, service and PostgreSQL share the machine; rivals took turns within each round, each "
        "on a database of its own in one server: trust the ratios.",
        "## Goals\n\n" + _goals(findings),
        "## Posts of five scores\n\n" + _posts(findings.posts),
        "## Latency\n\nMilliseconds, p50 / p95 / p99.\n\n" + _latency(findings.posts),
        "## Bulk\n\n" + _bulk(findings.bulk),
        "## Search\n\n" + _searches(findings),
        "## Evaluation\n\n" + _readings(findings, EVALUATIONS),
        "## Memory\n\nResident MiB.\n\n" + _memory(findings),
        "## Disk\n\n" + _disk(findings.disk),
    )
    return "\n\n".join(sections) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _goals(findings: Findings) -> str:
    rows = [(goal.figure, goal.goal, goal.measured, goal.verdict) for goal in goals(findings)]
    return table(("figure", "goal", "measured", "reached"), rows)


def _posts(posts: Posts) -> str:
    ours = posts.loads[OURS, SATURATION]
    rows = []
    for name in (OURS, NAIVE, FASTAPI, CEILING, ALONE):
        load = posts.loads[name, 1 if name == ALONE else SATURATION]
        ratio = f"{ours.posts_per_s / load.posts_per_s:.2f}"
        rows.append((name, f"{load.posts_per_s:,.0f}", ratio, percentiles(load.latency), failures(load)))
    head = ("", "posts/s", "Heliscore / this", "p50 / p95 / p99 ms", "failed")
    return (
        f"{SATURATION} connections, one process. (a) runs our statement once a call and (c) our decoding, "
        "both on plain Starlette and uvicorn, which ours trims, so that (c) is no hard limit. (d) counts the "
        "statement's time only, its latency is a batch's.\n\n" + table(head, rows)
    )


def _latency(posts: Posts) -> str:
    counts = sorted({connections for name, connections in posts.loads if name == OURS})
    rows = [
        (str(connections), *(_load(posts.loads[name, connections]) for name in (OURS, NAIVE)))
        for connections in counts
    ]
    return table(("connections", OURS, NAIVE), rows)


def _load(load: Load) -> str:
    failed = f", {load.failed} failed" if load.failed else ""
    return f"{percentiles(load.latency)} ({load.posts_per_s:,.0f}/s{failed})"


def failures(load: Load) -> str:
    return str(load.failed) if load.failed else "-"


def _bulk(bulk: Bulk) -> str:
    rows = [
        ("POST /v1/scores/batch, NDJSON, partial", f"{bulk.ours_per_s:,.0f}"),
        ("COPY and merge in PostgreSQL alone, 5,000 posts a transaction", f"{bulk.alone_per_s:,.0f}"),
        ("ratio", f"{bulk.ours_per_s / bulk.alone_per_s:.2f}"),
    ]
    return f"{bulk.posts:,} new requests of 5 scores an upload; the first round is not counted.\n\n" + table(
        ("", "scores/s"), rows
    )


def _searches(findings: Findings) -> str:
    return (
        "100 rows a page with their scores, one client. HTTP is the whole call; SQL is the same statements "
        "by pgbench, prepared, planned for their values each time, the one that looks how rare a score is "
        "included. A default service ends a statement after 10 s with a 503; this one was given 60.\n\n"
        + _readings(findings, SEARCHES)
    )


def _readings(findings: Findings, shapes: Sequence[Shape]) -> str:
    sizes = findings.sizes
    rows = [
        _row(findings.reading(shape, size), _growth(findings, shape) if size == sizes[-1] else "")
        for shape in shapes
        for size in sizes
    ]
    http, sql = (f"{side} p50 / p95 / p99 ms" for side in ("HTTP", "SQL"))
    return table(("", "requests", "found", http, sql, "p50 ratio", "added ms", "growth"), rows)


def _row(reading: Reading, growth: str) -> tuple[str, ...]:
    name, size, sql = reading.shape.name, f"{reading.size:,}", reading.sql
    if reading.http is None:
        return name, size, "-", "refused", percentiles(sql), "-", "-", growth
    ratio, added = reading.http.p50 / sql.p50, reading.http.p50 - sql.p50
    found = f"{reading.found:,}"
    return (
        name,
        size,
        found,
        percentiles(reading.http),
        percentiles(sql),
        f"{ratio:.2f}",
        f"{added:.2f}",
        growth,
    )


def _growth(findings: Findings, shape: Shape) -> str:
    if len(findings.sizes) == 1:
        return "-"
    first, last = (findings.reading(shape, size).http for size in (findings.sizes[0], findings.sizes[-1]))
    return f"{last.p50 / first.p50:.1f} x" if first and last else "-"


def _memory(findings: Findings) -> str:
    posts = findings.posts
    rows = [(name, f"{idle:.0f}", f"{posts.peak_mib[name]:.0f}") for name, idle in posts.idle_mib.items()]
    rows.append((f"{OURS}, bulk uploads", "-", f"{findings.bulk.peak_mib:.0f}"))
    return table(("", "idle", f"peak under {SATURATION} connections"), rows)


def _disk(disk: Disk) -> str:
    rows = [(name, f"{size:.1f}", f"{disk.upserted[name]:.1f}") for name, size in disk.fresh.items()]
    rows.append(("in all", f"{sum(disk.fresh.values()):.1f}", f"{sum(disk.upserted.values()):.1f}"))
    return (
        f"Bytes per score, {disk.size:,} requests of 5 scores: as seeded in order of arrival, and after "
        f"{disk.upserts:,} upserts of single scores at random and a plain VACUUM.\n\n"
        + table(("", "fresh", "upserted"), rows)
    )


def percentiles(spread: Spread) -> str:
    return " / ".join(
        f"{value:,.3g}" if value < 100 else f"{value:,.0f}" for value in (spread.p50, spread.p95, spread.p99)
    )
