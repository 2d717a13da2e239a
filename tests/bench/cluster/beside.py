"""Posts, uploads and searches on a cluster beside the same on one PostgreSQL, in turns within one run."""

from __future__ import annotations

import random
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from statistics import median
from typing import Final

import msgspec

from tests.bench import load
from tests.bench.client import Client
from tests.bench.cluster.tenants import Tenant, make_tenants, require_cluster
from tests.bench.databases import connected
from tests.bench.plan import BenchError, progress
from tests.bench.processes import Server, service

CONNECTIONS: Final = 64
TENANTS: Final = 20
SIDES: Final = ("plain", "cluster")
_CALLS: Final = 15
_BATCH: Final = 20_000

_SEARCHES: Final[dict[str, dict[str, object]]] = {
    "accuracy ≥ 90, newest 100": {"filter": {"request_response_rmt": {"scores": {"accuracy": {"gte": 90}}}}},
    "accuracy = 100 and not factual": {
        "filter": {
            "left": {"request_response_rmt": {"scores": {"accuracy": {"equals": 100}}}},
            "operator": "and",
            "right": {"request_response_rmt": {"scores": {"is_factual": {"equals": 0}}}},
        }
    },
    "sorted by accuracy": {"filter": "all", "sort": {"scores": {"accuracy": "desc"}}},
    "all, newest 100": {"filter": "all"},
}


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How much is measured."""

    rounds: int
    seconds: int
    uploaded: int
    searched: int


class Figures(msgspec.Struct):
    """By what was done, and by side, the figure of each round."""

    posts: dict[tuple[int, str], list[float]] = msgspec.field(default_factory=dict)
    """Posts a second, by the number of organizations."""

    failed: int = 0
    uploads: dict[str, list[float]] = msgspec.field(default_factory=dict)
    """Scores a second."""

    searches: dict[tuple[str, str], list[float]] = msgspec.field(default_factory=dict)
    """Milliseconds of each call."""


class _Side(msgspec.Struct, frozen=True):
    name: str
    server: Server
    tenants: list[Tenant]
    """The last one is searched."""


def measure(plain: str, cluster: str, plan: Plan) -> Figures:
    """Measure both, which takes turns in being the first one."""
    connected(cluster, require_cluster)
    figures = Figures()
    with ExitStack() as stack:
        sides = []
        for name, dsn in zip(SIDES, (plain, cluster), strict=True):
            tenants = connected(dsn, partial(make_tenants, count=TENANTS + 1))
            sides.append(_Side(name, stack.enter_context(service(dsn)), tenants))
        for number in range(plan.rounds + 1):
            order = sides if number % 2 else sides[::-1]
            # The first round makes files grow and plans; it does not count.
            into = figures if number else Figures()
            progress(f"posts and uploads, round {number} of {plan.rounds}")
            for count in (1, TENANTS):
                for side in order:
                    _post(side, count, plan, into)
            for side in order:
                into.uploads.setdefault(side.name, []).append(_upload(side, side.tenants[0], plan.uploaded))
        for side in sides:
            progress(f"filling {side.name}")
            for first in range(0, plan.searched, _BATCH):
                _upload(side, side.tenants[-1], min(_BATCH, plan.searched - first))
        for dsn in (plain, cluster):
            connected(
                dsn, lambda connection: connection.execute("VACUUM (ANALYZE) request, score", timeout=600)
            )
        for number in range(plan.rounds):
            for side in sides if number % 2 else sides[::-1]:
                _search(side, figures)
    return figures


def _post(side: _Side, count: int, plan: Plan, figures: Figures) -> None:
    keys = [tenant.key for tenant in side.tenants[:count]]
    done = load.post(side.server.url, CONNECTIONS, plan.seconds, Path(__file__).with_name("post.lua"), keys)
    figures.posts.setdefault((count, side.name), []).append(done.posts_per_s)
    figures.failed += done.failed


def _upload(side: _Side, tenant: Tenant, count: int) -> float:
    """Scores a second."""
    prefix = f"{random.getrandbits(40):010x}"
    encode = msgspec.json.Encoder().encode
    body = b"\n".join(encode({"requestId": f"{prefix}-{n}", "scores": _scores()}) for n in range(count))
    with Client(side.server.port, tenant.key) as client:
        answer = client.post("/v1/scores/batch?mode=partial", body, "application/x-ndjson")
    if answer.status != 200 or msgspec.json.decode(answer.body)["data"]["accepted"] != count:
        raise BenchError(f"the upload was answered {answer.status}: {answer.body[:200]!r}")
    return count * len(_scores()) / answer.ms * 1000


def _scores() -> dict[str, int | bool]:
    return {
        "accuracy": random.randint(0, 100),
        "relevance": random.randint(0, 100),
        "helpfulness": random.randint(0, 100),
        "has_citations": random.random() < 0.5,
        "is_factual": random.random() < 0.9,
    }


def _search(side: _Side, figures: Figures) -> None:
    for name, body in _SEARCHES.items():
        with Client(side.server.port, side.tenants[-1].key) as client:
            for number in range(_CALLS + 1):
                answer = client.post("/v1/request/query", msgspec.json.encode({**body, "limit": 100}))
                if answer.status != 200:
                    raise BenchError(f"{name} was answered {answer.status}: {answer.body[:200]!r}")
                if number:
                    figures.searches.setdefault((name, side.name), []).append(answer.ms)


def describe(figures: Figures) -> str:
    """Each figure of both, and the ratio or difference beside its goal."""
    lines = [f"failed posts: {figures.failed}"]
    for count, goal in ((1, 0.6), (TENANTS, 0.5)):
        plain, cluster = (figures.posts[count, side] for side in SIDES)
        lines.append(_ratio(f"posts/s, {count} organizations", plain, cluster, goal))
    lines.append(_ratio("bulk, scores/s", figures.uploads["plain"], figures.uploads["cluster"], 0.6))
    for name in _SEARCHES:
        plain_ms, cluster_ms = (median(figures.searches[name, side]) for side in SIDES)
        lines.append(
            f"{name}: p50 plain {plain_ms:.1f} ms, cluster {cluster_ms:.1f} ms, "
            f"{cluster_ms - plain_ms:+.1f} (goal ≤ +3)"
        )
    return "\n".join(lines)


def _ratio(name: str, plain: list[float], cluster: list[float], goal: float) -> str:
    ratio = median(theirs / ours for ours, theirs in zip(plain, cluster, strict=True))
    return (
        f"{name}: plain {median(plain):,.0f}, cluster {median(cluster):,.0f}, "
        f"ratio of the rounds' median {ratio:.2f} (goal ≥ {goal})"
    )
