"""MLflow: a request is a trace, a score an assessment of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from ..client import ApiCall
from ..processes import Server, free_port, running
from . import environment
from .requests import BOUND, LIMIT, NAME, POSTED, Request, send

_TRACES: Final = "/api/3.0/mlflow/traces"
_LOCATION: Final = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "0"}}

SEARCH: Final = ApiCall(
    f"{_TRACES}/search",
    msgspec.json.encode(
        {
            "locations": [_LOCATION],
            "filter": f"feedback.{NAME} >= {BOUND}",
            "max_results": LIMIT,
            "order_by": ["timestamp_ms DESC"],
        }
    ),
)


@contextmanager
def serve(dsn: str, home: Path, workers: int) -> Iterator[Server]:
    """Run MLflow's server on that database; what it has besides workers stays as it comes."""
    port = free_port()
    command = [environment.program("mlflow"), "server", "--host", "127.0.0.1", "--port", str(port)]
    store = dsn.replace("postgresql://", "postgresql+psycopg2://")
    command += ["--backend-store-uri", store, "--artifacts-destination", str(home), "--workers", str(workers)]
    command += ["--uvicorn-opts", "--log-level error --no-access-log"]
    settings = environment.variables(home) | {"MLFLOW_DISABLE_TELEMETRY": "true"}
    with running(command, settings, port, SEARCH) as server:
        yield server


def seed(server: Server, requests: list[Request]) -> None:
    """Make a trace of each request, with its scores."""
    send(server.port, [ApiCall(_TRACES, msgspec.json.encode(_trace(request))) for request in requests])


def posts(requests: list[Request]) -> list[ApiCall]:
    """Five calls for each request, a score each: the API takes no more."""
    return [
        ApiCall(
            f"{_TRACES}/{trace_id(request)}/assessments",
            msgspec.json.encode({"assessment": _assessment(request, name, value)}),
        )
        for request in requests
        for name, value in POSTED.items()
    ]


def found(body: bytes) -> list[str]:
    """The traces of an answer to SEARCH."""
    return [trace["trace_id"] for trace in msgspec.json.decode(body).get("traces", [])]


def trace_id(request: Request) -> str:
    return f"tr-{request.trace}"


def _trace(request: Request) -> dict[str, Any]:
    info = {
        "trace_id": trace_id(request),
        "trace_location": _LOCATION,
        "request_time": _text(request.at),
        "execution_duration": "1s",
        "state": "OK",
        "assessments": [_assessment(request, name, value) for name, value in request.scores.items()],
    }
    return {"trace": {"trace_info": info}}


def _assessment(request: Request, name: str, value: int | bool) -> dict[str, Any]:
    return {
        "trace_id": trace_id(request),
        "assessment_name": name,
        "source": {"source_type": "LLM_JUDGE", "source_id": "bench"},
        "feedback": {"value": value},
        "create_time": _text(request.at),
        "last_update_time": _text(request.at),
        "valid": True,
    }


def _text(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
