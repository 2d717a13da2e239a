"""Arize Phoenix: a request is a span, a score an annotation of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import msgspec

from ..client import ApiCall, Client
from ..databases import KEY
from ..plan import BenchError
from ..processes import Server, free_port, running
from . import environment
from .requests import BOUND, LIMIT, NAME, POSTED, Request, send

PROJECT: Final = "bench"
_ANNOTATIONS: Final = "/v1/span_annotations?sync=true"
_SPANS_A_CALL: Final = 500
_ANNOTATED_A_CALL: Final = 50
_INGESTION_TIMEOUT_S: Final = 120

_SERVE: Final = """
from grpc.aio._server import Server
from phoenix.server.main import main

add = Server.add_insecure_port
Server.add_insecure_port = lambda self, address: add(self, address.replace("[::]", "127.0.0.1"))
main()
"""
"""`phoenix serve`, but for its gRPC port: no setting keeps that from the network."""

_QUERY: Final = """
query ($project: String!, $filter: String!, $first: Int!) {
  getProjectByName(name: $project) {
    spans(first: $first, filterCondition: $filter, sort: {col: startTime, dir: desc}) {
      edges { node { spanId startTime spanAnnotations { name score } } }
    }
  }
}
"""
_VARIABLES: Final = {"project": PROJECT, "filter": f"annotations['{NAME}'].score >= {BOUND}", "first": LIMIT}

SEARCH: Final = ApiCall("/graphql", msgspec.json.encode({"query": _QUERY, "variables": _VARIABLES}))
"""The REST API filters spans by none of their annotations; the query that the pages use does."""


@contextmanager
def serve(dsn: str, home: Path) -> Iterator[Server]:
    """Run Phoenix on that database."""
    port = free_port()
    settings = environment.variables(home) | {
        "PHOENIX_SQL_DATABASE_URL": dsn,
        "PHOENIX_WORKING_DIR": str(home),
        "PHOENIX_HOST": "127.0.0.1",
        "PHOENIX_PORT": str(port),
        "PHOENIX_GRPC_PORT": str(free_port()),
        "PHOENIX_TELEMETRY_ENABLED": "false",
        "PHOENIX_ALLOW_EXTERNAL_RESOURCES": "false",
        "PHOENIX_LOGGING_LEVEL": "error",
    }
    probe = ApiCall("/graphql", b'{"query":"{__typename}"}')
    with running([environment.program("python"), "-c", _SERVE, "serve"], settings, port, probe) as server:
        yield server


def seed(server: Server, requests: list[Request]) -> None:
    """Make a span of each request, and annotate it with its scores."""
    spans = [_span(request) for request in requests]
    path = f"/v1/projects/{PROJECT}/spans"
    batches = [spans[first : first + _SPANS_A_CALL] for first in range(0, len(spans), _SPANS_A_CALL)]
    send(server.port, [_call(path, batch) for batch in batches], status=202)
    _wait_for_spans(server, len(spans))
    shares = [
        requests[first : first + _ANNOTATED_A_CALL] for first in range(0, len(requests), _ANNOTATED_A_CALL)
    ]
    send(
        server.port,
        [
            _call(_ANNOTATIONS, [each for request in share for each in _annotations(request, request.scores)])
            for share in shares
        ],
    )


def posts(requests: list[Request]) -> list[ApiCall]:
    """Five scores in one call, for each request."""
    return [_call(_ANNOTATIONS, _annotations(request, POSTED)) for request in requests]


def found(body: bytes) -> list[str]:
    """The spans of an answer to SEARCH."""
    edges = msgspec.json.decode(body)["data"]["getProjectByName"]["spans"]["edges"]
    return [edge["node"]["spanId"] for edge in edges]


def _call(path: str, data: list[dict[str, Any]]) -> ApiCall:
    return ApiCall(path, msgspec.json.encode({"data": data}))


def _span(request: Request) -> dict[str, Any]:
    return {
        "name": "chat",
        "context": {"trace_id": request.trace, "span_id": request.span},
        "span_kind": "LLM",
        "start_time": request.at,
        "end_time": request.at + timedelta(seconds=1),
        "status_code": "OK",
    }


def _annotations(request: Request, scores: dict[str, int] | dict[str, int | bool]) -> list[dict[str, Any]]:
    return [
        {"span_id": request.span, "name": name, "annotator_kind": "LLM", "result": {"score": int(value)}}
        for name, value in scores.items()
    ]


def _wait_for_spans(server: Server, count: int) -> None:
    query = f'{{ getProjectByName(name: "{PROJECT}") {{ recordCount }} }}'
    deadline = time.monotonic() + _INGESTION_TIMEOUT_S
    with Client(server.port, KEY) as client:
        while time.monotonic() < deadline:
            answer = client.post("/graphql", msgspec.json.encode({"query": query}))
            project = msgspec.json.decode(answer.body)["data"]["getProjectByName"]
            if project and project["recordCount"] == count:
                return
            time.sleep(0.2)
    raise BenchError(f"Phoenix did not take in {count} spans in {_INGESTION_TIMEOUT_S} s")
