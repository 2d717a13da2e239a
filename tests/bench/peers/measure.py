"""The systems in turns: posts a second, latency, memory, and one search."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import msgspec

from .. import load, machine
from ..client import Answer, Client
from ..databases import KEY, checkpoint
from ..load import Load
from ..plan import SATURATION, BenchError, progress
from ..quantiles import Spread, spread
from ..reading import call
from . import environment
from .plan import Plan
from .systems import System, started

_WARM_UP_SEARCHES: Final = 3
_SETTLE_TIMEOUT_S: Final = 180
_SETTLE_S: Final = 3
_IDLE_SHARE: Final = 0.25
"""Of a core. MLflow's job runners are never quite idle."""


class Measured(msgspec.Struct, frozen=True):
    """One system's figures. A call of its load is a part of a post where it takes one score at a time."""

    load: Load
    calls_a_post: int
    search: Spread
    idle_mib: float
    peak_mib: float

    @property
    def posts_per_s(self) -> float:
        return self.load.posts_per_s / self.calls_a_post


class Findings(msgspec.Struct, frozen=True):
    """Everything that one run measured."""

    machine: str
    plan: Plan
    systems: dict[str, Measured]


def measure(plan: Plan) -> Findings:
    """Start all systems, fill them with the same requests, and let them take turns."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="heliscore-peers-")))
        systems = started(stack, folder, plan.size)
        progress("waiting until all have started")
        _settle(systems)
        idle_mib = {name: system.server.resident_mib() for name, system in systems.items()}
        searches = _search(systems, plan)
        loads, peak_mib = _post(systems, plan)
        versions = environment.versions("arize-phoenix", "mlflow")
        described = machine.described(next(iter(systems.values())).postgresql)
        measured = {
            name: Measured(
                load.median_load(loads[name]),
                system.calls_a_post,
                spread(searches[name]),
                idle_mib[name],
                peak_mib[name],
            )
            for name, system in systems.items()
        }
        return Findings(f"{described} Peers: {versions}.", plan, measured)


def _search(systems: dict[str, System], plan: Plan) -> dict[str, list[float]]:
    """Milliseconds of each call. All must find the same requests in the same order."""
    times_ms: dict[str, list[float]] = {name: [] for name in systems}
    for number in range(plan.rounds):
        for name, system in systems.items():
            progress(f"search, round {number + 1} of {plan.rounds}: {name}")
            with Client(system.server.port, KEY) as client:
                for _ in range(_WARM_UP_SEARCHES):
                    answer = client.post(system.search.path, system.search.body)
                _compare(name, system, answer)
                times_ms[name] += call(client, system.search.path, system.search.body, plan.search_s)
    return times_ms


def _compare(name: str, system: System, answer: Answer) -> None:
    if answer.status != 200:
        raise BenchError(f"{name} answered {answer.status}: {answer.body[:300]!r}")
    if system.found(answer.body) != system.expected:
        raise BenchError(f"{name} found other requests: {answer.body[:300]!r}")


def _post(systems: dict[str, System], plan: Plan) -> tuple[dict[str, list[Load]], dict[str, float]]:
    """The loads of each round, and the most memory in any of them."""
    loads: dict[str, list[Load]] = {name: [] for name in systems}
    peak_mib = dict.fromkeys(systems, 0.0)
    for number in range(plan.rounds):
        for name, system in systems.items():
            progress(f"posts, round {number + 1} of {plan.rounds}: {name}, {SATURATION} connections")
            checkpoint(system.postgresql)
            system.server.forget_peak()
            system.post(plan.warm_up_s)
            _settle(systems)
            loads[name].append(system.post(plan.post_s))
            peak_mib[name] = max(peak_mib[name], system.server.peak_mib())
            _settle(systems)
    return loads, peak_mib


def _settle(systems: dict[str, System]) -> None:
    """Wait until none computes. A peer goes on starting after its first answer, and finishes calls that wrk
    left behind: either would slow down whoever is measured next."""
    deadline = time.monotonic() + _SETTLE_TIMEOUT_S
    while time.monotonic() < deadline:
        before = {name: system.server.processor_s() for name, system in systems.items()}
        time.sleep(_SETTLE_S)
        shares = {name: systems[name].server.processor_s() - before[name] for name in systems}
        busy = [name for name, spent_s in shares.items() if spent_s > _IDLE_SHARE * _SETTLE_S]
        if not busy:
            return
    raise BenchError(f"still computing after {_SETTLE_TIMEOUT_S} s without load: {', '.join(busy)}")
