"""What is compared: the service, Phoenix, and MLflow with one worker and with four, started and filled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from tests.servers import temporary_server

from .. import load, seed
from ..client import ApiCall
from ..databases import connected, create
from ..load import Load
from ..plan import SATURATION, progress
from ..processes import Server, service
from . import mlflow, phoenix, requests
from .requests import BOUND, LIMIT, NAME, POSTED, Request

OURS: Final = "Heliscore"
PHOENIX: Final = "Arize Phoenix"
MLFLOW: Final = {4: "MLflow, 4 workers", 1: "MLflow, 1 worker"}
"""By workers. They share a database, which the first makes."""

_PREPARED: Final = Path(load.__file__).with_name("prepared.lua")
_FILTER: Final = {"request_response_rmt": {"scores": {NAME: {"gte": BOUND}}}}
_SEARCH: Final = ApiCall("/v1/request/query", msgspec.json.encode({"filter": _FILTER, "limit": LIMIT}))


class System(msgspec.Struct, frozen=True, kw_only=True):
    """One of those that are compared."""

    postgresql: str
    server: Server
    post: Callable[[int], Load]
    """Puts load on it for so many seconds."""

    calls_a_post: int = 1
    search: ApiCall
    found: Callable[[bytes], list[str]]
    """The ids of the requests in an answer to `search`."""

    expected: list[str]
    """What these must be, in this order."""


def started(stack: ExitStack, folder: Path, size: int) -> dict[str, System]:
    """Start each on a PostgreSQL of its own and fill it; the peers keep their files in the folder."""
    progress(f"{OURS}: seeding {size:,} requests")
    postgresql = stack.enter_context(temporary_server())
    dsn = create(postgresql, "bench")
    connected(dsn, partial(seed.fill, size=size))
    held = connected(dsn, partial(requests.read, size=size))
    wanted = [request for request in reversed(held) if request.scores.get(NAME, 0) >= BOUND][:LIMIT]
    server = stack.enter_context(service(dsn))
    ours = System(
        postgresql=postgresql,
        server=server,
        post=partial(load.post, server.url, SATURATION),
        search=_SEARCH,
        found=_found,
        expected=[request.id for request in wanted],
    )
    others = _phoenix(stack, folder, held, wanted), *_mlflows(stack, folder, held, wanted)
    return {OURS: ours} | dict(zip((PHOENIX, *MLFLOW.values()), others, strict=True))


def _phoenix(stack: ExitStack, folder: Path, held: list[Request], wanted: list[Request]) -> System:
    progress(f"{PHOENIX}: starting")
    postgresql = stack.enter_context(temporary_server())
    server = stack.enter_context(phoenix.serve(postgresql, folder))
    progress(f"{PHOENIX}: seeding")
    phoenix.seed(server, held)
    return System(
        postgresql=postgresql,
        server=server,
        post=_prepared(server, folder / "phoenix.calls", phoenix.posts(held)),
        search=phoenix.SEARCH,
        found=phoenix.found,
        expected=[request.span for request in wanted],
    )


def _mlflows(stack: ExitStack, folder: Path, held: list[Request], wanted: list[Request]) -> list[System]:
    postgresql = stack.enter_context(temporary_server())
    systems: list[System] = []
    for workers, name in MLFLOW.items():
        progress(f"{name}: starting")
        server = stack.enter_context(mlflow.serve(postgresql, folder, workers))
        if not systems:
            progress(f"{name}: seeding")
            mlflow.seed(server, held)
        systems.append(
            System(
                postgresql=postgresql,
                server=server,
                post=_prepared(server, folder / "mlflow.calls", mlflow.posts(held)),
                calls_a_post=len(POSTED),
                search=mlflow.SEARCH,
                found=mlflow.found,
                expected=[mlflow.trace_id(request) for request in wanted],
            )
        )
    return systems


def _prepared(server: Server, file: Path, calls: Sequence[ApiCall]) -> Callable[[int], Load]:
    file.write_bytes(b"".join(b"%s\t%s\n" % (call.path.encode(), call.body) for call in calls))
    return partial(load.post, server.url, SATURATION, script=_PREPARED, arguments=[str(file)])


def _found(body: bytes) -> list[str]:
    return [row["request_id"] for row in msgspec.json.decode(body)["data"]]
