"""What this project promises of its speed, beside what was measured."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import TYPE_CHECKING, Final

import msgspec

from .plan import SATURATION
from .posts import CEILING, NAIVE, OURS
from .shapes import SEARCHES

if TYPE_CHECKING:
    from .report import Findings

_LARGEST: Final = 5_000_000
_RANDOM_UPSERTS: Final = 1_000_000


class Goal(msgspec.Struct, frozen=True):
    """One promise. `is_reached`: None where this run cannot tell."""

    figure: str
    goal: str
    measured: str
    is_reached: bool | None

    @property
    def verdict(self) -> str:
        return {True: "yes", False: "**no**", None: "not at this size"}[self.is_reached]


def goals(findings: Findings) -> list[Goal]:
    """All of them, in the order of the tables."""
    return [*_writing(findings), *_searching(findings), *_keeping(findings)]


def _writing(findings: Findings) -> Iterator[Goal]:
    loads = findings.posts.loads
    ours, naive, ceiling = (loads[name, SATURATION].posts_per_s for name in (OURS, NAIVE, CEILING))
    yield _at_least(f"posts, {SATURATION} connections / naive upsert", 3, ours / naive)
    yield _at_least(f"posts, {SATURATION} connections / HTTP ceiling", 0.6, ours / ceiling)
    alone, naive_alone = (loads[name, 1].latency.p50 for name in (OURS, NAIVE))
    yield _at_most("p50 at one connection / naive", 1.1, alone / naive_alone)
    bulk = findings.bulk
    yield _at_least("bulk / COPY and merge", 0.7, bulk.ours_per_s / bulk.alone_per_s)


def _searching(findings: Findings) -> Iterator[Goal]:
    first, last = findings.sizes[0], findings.sizes[-1]
    ratios: list[tuple[float, str]] = []
    growths: list[tuple[float, str]] = []
    for shape in SEARCHES:
        small, large = findings.reading(shape, first), findings.reading(shape, last)
        ratios.append((inf if large.http is None else large.http.p50 / large.sql.p50, shape.name))
        if shape.is_indexed:
            grown = inf if not (large.http and small.http) else large.http.p50 / small.http.p50
            growths.append((grown, shape.name))
    yield _worst(f"search p50 / bare SQL, worst shape, {last:,} requests", 1.5, ratios, last)
    if first != last:
        figure = f"growth of search p50, {first:,} → {last:,}, worst indexed shape"
        yield _worst(figure, 2, growths, last)


def _worst(figure: str, limit: float, found: list[tuple[float, str]], size: int) -> Goal:
    """The promise is for the largest size: a smaller one can break it but not keep it."""
    worst, name = max(found)
    missed = sum(value > limit for value, _ in found)
    measured = f"{worst:.2f} ({name}); {len(found) - missed} of {len(found)} within"
    return Goal(figure, f"≤ {limit:g}", measured, None if size < _LARGEST and not missed else not missed)


def _keeping(findings: Findings) -> Iterator[Goal]:
    peak = max(findings.posts.peak_mib[OURS], findings.bulk.peak_mib)
    yield _at_most("memory under load, MiB", 120, peak)
    disk = findings.disk
    goal = _at_most(
        f"bytes per score after {disk.upserts:,} random upserts", 200, sum(disk.upserted.values())
    )
    yield goal if disk.upserts >= _RANDOM_UPSERTS else msgspec.structs.replace(goal, is_reached=None)


def _at_least(figure: str, limit: float, measured: float) -> Goal:
    return Goal(figure, f"≥ {limit:g}", f"{measured:.2f}", measured >= limit)


def _at_most(figure: str, limit: float, measured: float) -> Goal:
    return Goal(figure, f"≤ {limit:g}", f"{measured:.2f}", measured <= limit)
