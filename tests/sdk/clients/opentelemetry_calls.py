"""Calls a model and evaluates its answers, as users of OpenTelemetry's SDK and of OpenLLMetry do.

OTEL_EXPORTER_OTLP_ENDPOINT and KEY lead to the service, the argument is the provider's address.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Any

import openai  # type: ignore[import-not-found]
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.openai import OpenAIInstrumentor  # type: ignore[import-not-found]
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

ADDRESS = os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"]
HEADERS = {"Authorization": f"Bearer {os.environ['KEY']}"}
MESSAGES = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Where is the library?"},
]
TOOLS = [{"type": "function", "function": {"name": "find_room", "parameters": {"type": "object"}}}]

tracers = TracerProvider(resource=Resource.create({"service.name": "python"}))
exporter = OTLPSpanExporter(
    endpoint=f"{ADDRESS}/v1/trace/log-python", headers=HEADERS, compression=Compression.Gzip
)
tracers.add_span_processor(BatchSpanProcessor(exporter))
trace.set_tracer_provider(tracers)
loggers = LoggerProvider()
loggers.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter(headers=HEADERS)))
OpenAIInstrumentor(enable_trace_context_propagation=False).instrument()

client = openai.OpenAI(base_url=f"{sys.argv[1]}/v1", api_key="none", max_retries=0)
tracer, logger = trace.get_tracer("library"), loggers.get_logger("relevance-judge", "2")


def evaluate(name: str, value: float, **attributes: str) -> None:
    """In the context of whatever span is open."""
    given: dict[str, Any] = {f"gen_ai.{key.replace('_', '.')}": text for key, text in attributes.items()}
    given |= {"gen_ai.evaluation.name": name, "gen_ai.evaluation.score.value": value}
    logger.emit(event_name="gen_ai.evaluation.result", attributes=given)


with tracer.start_as_current_span("agent") as agent:
    agent.set_attribute("gen_ai.operation.name", "invoke_agent")
    whole = client.chat.completions.create(model="gpt-4o", messages=MESSAGES, tools=TOOLS, user="alice")
    # The evaluation comes first: no span was exported yet.
    evaluate("relevance", 0.75, response_id=whole.id, evaluation_explanation="It says where.")
    loggers.force_flush()
    stream = client.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True)
    ids = [chunk.id for chunk in stream]
    client.embeddings.create(model="text-embedding-3-small", input="library")
    with suppress(openai.RateLimitError):
        client.chat.completions.create(model="broken", messages=MESSAGES)
tracers.force_flush()
evaluate("relevance", 1.0, response_id=ids[0])
loggers.shutdown()
tracers.shutdown()
