"""OpenTelemetry's SDKs, unmodified: Python's in protobuf with OpenLLMetry's instrumentation of openai,
JavaScript's in JSON with its own, and Helicone's async logger. A provider in this process answers them."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import Service
from tests.sdk.conftest import RunHelpers, RunPython
from tests.sdk.reading import ANSWER, QUESTION, SAID, assert_shown, find_rows, part

Json = dict[str, Any]

USAGE = {"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30}
COUNTS: Json = {**USAGE, "request_model": "gpt-4o", "model": "gpt-4o-2024-08-06", "provider": "OPENAI"}


class Provider(BaseHTTPRequestHandler):
    """Answers as OpenAI does; each answer to a chat has the next id."""

    count = 0

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        Provider.count += 1
        head = {"id": f"chatcmpl-{self.count}", "created": 1767225600, "model": "gpt-4o-2024-08-06"}
        if asked["model"] == "broken":
            self.answer(429, {"error": {"message": "slow down", "type": "requests", "code": "rate_limit"}})
        elif self.path.endswith("/embeddings"):
            data = [{"object": "embedding", "index": 0, "embedding": [0.5]}]
            usage = {"prompt_tokens": 10, "total_tokens": 10}
            self.answer(200, {"object": "list", "model": asked["model"], "data": data, "usage": usage})
        elif asked.get("stream"):
            pieces = [{"role": "assistant", "content": ANSWER[:5]}, {"content": ANSWER[5:]}]
            chunks: list[list[Json]] = [
                [{"index": 0, "delta": piece, "finish_reason": None}] for piece in pieces
            ]
            chunks.append([{"index": 0, "delta": {}, "finish_reason": "stop"}])
            events = [{**head, "object": "chat.completion.chunk", "choices": choices} for choices in chunks]
            events.append({**head, "object": "chat.completion.chunk", "choices": [], "usage": USAGE})
            lines = [f"data: {json.dumps(event)}\n\n" for event in events] + ["data: [DONE]\n\n"]
            self.send("text/event-stream", 200, "".join(lines).encode())
        else:
            message = {"role": "assistant", "content": ANSWER}
            choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
            self.answer(200, {**head, "object": "chat.completion", "choices": [choice], "usage": USAGE})

    def answer(self, status: int, body: Json) -> None:
        self.send("application/json", status, json.dumps(body).encode())

    def send(self, type_: str, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", type_)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def provider() -> Iterator[str]:
    """The provider's address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


async def test_exports_of_all_clients_are_requests_and_scores(
    client: httpx.AsyncClient,
    service: Service,
    provider: str,
    run_python: RunPython,
    opentelemetry_python: Path,
    run_opentelemetry: RunHelpers,
    run_helicone: RunHelpers,
) -> None:
    python, *_ = await asyncio.gather(
        run_python(
            opentelemetry_python,
            "opentelemetry_calls.py",
            provider,
            address="OTEL_EXPORTER_OTLP_ENDPOINT",
            key="KEY",
        ),
        run_opentelemetry(provider),
        run_helicone("async"),
    )
    assert python.errors == ""
    rows = await find_rows(client)
    assert len(rows) == 7
    by_service = {
        name: [row for row in rows if row["properties"].get("service.name") == name]
        for name in ("python", "javascript", None)
    }
    assert [len(some) for some in by_service.values()] == [4, 2, 1]
    await assert_calls_of_python(service, by_service["python"])
    assert_calls_of_javascript(by_service["javascript"])
    await assert_call_of_helicone(service, by_service[None][0])


async def assert_calls_of_python(service: Service, rows: list[Json]) -> None:
    """OpenLLMetry: a whole answer, a stream, an embedding and an error."""
    by_kind = {row["request_model"] + "-stream" * is_stream(row): row for row in rows}
    whole, stream = by_kind["gpt-4o"], by_kind["gpt-4o-stream"]
    for row in (whole, stream):
        assert part(row, COUNTS) == COUNTS
        assert row["response_id"].startswith("chatcmpl-")
        assert row["properties"] == {"service.name": "python"}
        await assert_shown(service, row["request_id"])
    assert (whole["scores"], stream["scores"]) == ({"relevance": 75}, {"relevance": 100})
    assert whole["request_user_id"] == "alice"
    assert whole["request_body"]["tools"][0]["function"]["name"] == "find_room"
    assert stream["time_to_first_token"] is not None
    embedding = by_kind["text-embedding-3-small"]
    assert embedding["request_body"]["input"] == ["library"]
    assert embedding["prompt_tokens"] == 10
    broken = by_kind["broken"]
    assert broken["response_status"] == 500
    assert "slow down" in broken["response_body"]["error"]["message"]


def is_stream(row: Json) -> bool:
    return (row["request_body"] or {}).get("stream") is True


def assert_calls_of_javascript(rows: list[Json]) -> None:
    """Its instrumentation writes content to log records only; a span written by hand has it."""
    by_model = {row["request_model"]: row for row in rows}
    called, by_hand = by_model["gpt-4o"], by_model["by-hand"]
    counts = {key: value for key, value in COUNTS.items() if key != "total_tokens"}
    assert part(called, counts) == counts
    assert called["scores"] == {"quality": 50}
    assert by_hand["request_body"]["messages"] == [{"role": "user", "content": "Hi"}]
    assert by_hand["properties"] == {"Helicone-Session-Id": "s1", "service.name": "javascript"}
    assert by_hand["scores"] == {"quality": 100}


async def assert_call_of_helicone(service: Service, row: Json) -> None:
    expected = {
        **USAGE,
        "request_model": "gpt-4o",
        "provider": "OPENAI",
        "request_user_id": "alice",
        "properties": {"Env": "prod", "Helicone-Session-Id": "s1", "team": "search"},
    }
    assert part(row, expected) == expected
    await assert_shown(service, row["request_id"], [("user", QUESTION), SAID[-1]])
