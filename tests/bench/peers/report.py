"""The report in Markdown."""

from __future__ import annotations

from ..plan import SATURATION
from ..report import failures, percentiles, table
from .measure import Findings, Measured
from .requests import BOUND, LIMIT
from .systems import OURS


def written(findings: Findings) -> str:
    """The whole report."""
    sections = (
        f"# Peers\n\n{findings.machine}\n\n"
        "Load generator, system and PostgreSQL share the machine; the systems took turns within each of "
        f"{findings.plan.rounds} rounds. All have the defaults of their packages, each on an embedded "
        "PostgreSQL with the same settings (MLflow's two on one): trust the ratios.",
        "## Posts of five scores\n\n" + _posts(findings),
        "## Search\n\n" + _searches(findings),
        "## Memory\n\nResident MiB of all processes of a system, without PostgreSQL.\n\n" + _memory(findings),
    )
    return "\n\n".join(sections) + "\n"


def _posts(findings: Findings) -> str:
    ours = findings.systems[OURS]
    rows = [
        (
            name,
            f"{each.posts_per_s:,.3g}" if each.posts_per_s < 100 else f"{each.posts_per_s:,.0f}",
            _ratio(ours.posts_per_s, each.posts_per_s),
            str(each.calls_a_post),
            percentiles(each.load.latency),
            failures(each.load),
        )
        for name, each in findings.systems.items()
    ]
    head = ("", "posts/s", "Heliscore / this", "calls a post", "a call, p50 / p95 / p99 ms", "failed")
    return (
        f"{SATURATION} connections, one process but where it says otherwise. Heliscore's posts are for "
        "requests that it has never seen, and store these too; the others' are for spans or traces that "
        f"exist, at random of {findings.plan.size:,}. Phoenix takes the five in a list (`sync=true`), MLflow "
        f"one a call. {findings.plan.post_s} seconds a round; calls unanswered at its end do "
        "not count.\n\n" + table(head, rows)
    )


def _searches(findings: Findings) -> str:
    ours = findings.systems[OURS]
    rows = [
        (name, percentiles(each.search), _ratio(each.search.p50, ours.search.p50))
        for name, each in findings.systems.items()
    ]
    return (
        f"One score ≥ {BOUND}, which a tenth of {findings.plan.size:,} requests have; the newest {LIMIT} at "
        "most, with their scores; one client. All systems hold the same requests and found the same, in "
        "the same order. Phoenix by GraphQL: its REST API has no such filter.\n\n"
        + table(("", "p50 / p95 / p99 ms", "this / Heliscore, p50"), rows)
    )


def _memory(findings: Findings) -> str:
    rows = [(name, *_mib(each)) for name, each in findings.systems.items()]
    return table(("", "before load", f"peak under {SATURATION} connections"), rows)


def _mib(each: Measured) -> tuple[str, str]:
    return f"{each.idle_mib:,.0f}", f"{each.peak_mib:,.0f}"


def _ratio(high: float, low: float) -> str:
    if not low:
        return "none was answered"
    ratio = high / low
    return f"{ratio:.2f}" if ratio < 10 else f"{ratio:,.0f}"
