"""OTLP over HTTP: `/v1/traces`, with the addresses of Helicone's async loggers, and `/v1/logs`."""

from __future__ import annotations

from typing import Any, Final

from starlette.responses import Response

from heliscore.api.http.body_fields import Body, ValueType, make_body, optional
from heliscore.api.http.endpoints import ApiCall, Endpoint, Handler
from heliscore.api.http.json_schema import named
from heliscore.api.opentelemetry.evaluation_commands import record_evaluations
from heliscore.api.opentelemetry.otlp_answers import (
    Signal,
    answer,
    answer_schema,
    choose_error_format,
    render_error,
)
from heliscore.api.opentelemetry.otlp_exports import decode_request, read_logs, read_traces
from heliscore.api.shared.computed_costs import with_cost
from heliscore.store import request_log


async def export_traces(call: ApiCall) -> Response:
    """Take an OpenTelemetry export of spans, in JSON or protobuf (`application/x-protobuf`).

    Each span of a model's call is stored as a logged request, under the id of its attribute
    `helicone.request.id`, else `<trace id>-<span id>` in hex; other spans are taken and kept nowhere. Events
    `gen_ai.evaluation.result` become scores of the span's request, or of the one that they name. Names of
    attributes are those of OpenTelemetry's conventions for generative AI, of OpenLLMetry and of
    OpenInference. `partialSuccess` says what was refused and why; a message with a count of zero is a
    warning. An export that is sent again changes nothing.
    """
    found = await read_traces(call)
    for encoded in found.requests:
        request = await with_cost(decode_request(encoded), call.services.prices)
        async with call.services.database.connection() as connection:
            found.messages += map(str, await request_log.log(connection, request))
    recorded = await record_evaluations(call, found.evaluations)
    return answer(call.request, "traces", found.refused, [*found.messages, *recorded.messages])


async def export_logs(call: ApiCall) -> Response:
    """Take an OpenTelemetry export of log records, in JSON or protobuf (`application/x-protobuf`).

    Records with the event name `gen_ai.evaluation.result` become scores; others are taken and kept nowhere.
    The score is that of the request that `helicone.request.id` names, else of the request whose response has
    the id `gen_ai.response.id`, which may be logged up to 7 days later, else of the record's span. Integers
    and booleans are kept; a double is multiplied by the `scale` of the score's definition, without one by 100
    from 0 to 1, and is refused otherwise; a label alone is looked up in the definition. `partialSuccess` says
    which records were refused, and why.
    """
    found = await read_logs(call)
    recorded = await record_evaluations(call, found.evaluations)
    refused = found.refused + recorded.refused
    return answer(call.request, "logs", refused, [*found.messages, *recorded.messages])


def _body(key: str, example: object) -> Body:
    items = named("OtlpResource", {"type": "object"})
    resources = ValueType[Any]({"type": "array", "items": items}, lambda raw, *_: raw)
    return make_body(optional(key, resources), is_open=True, example={key: [example]})


def _attribute(key: str, **value: object) -> dict[str, object]:
    return {"key": key, "value": value}


_TRACE: Final = {"traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174"}

_TRACES: Final = _body(
    "resourceSpans",
    {
        "scopeSpans": [
            {
                "spans": [
                    {
                        **_TRACE,
                        "name": "chat gpt-4o",
                        "startTimeUnixNano": "1767225600000000000",
                        "endTimeUnixNano": "1767225601250000000",
                        "attributes": [
                            _attribute("gen_ai.operation.name", stringValue="chat"),
                            _attribute("gen_ai.request.model", stringValue="gpt-4o"),
                            _attribute("gen_ai.usage.input_tokens", intValue="3"),
                        ],
                    }
                ]
            }
        ]
    },
)
_LOGS: Final = _body(
    "resourceLogs",
    {
        "scopeLogs": [
            {
                "logRecords": [
                    {
                        **_TRACE,
                        "eventName": "gen_ai.evaluation.result",
                        "attributes": [
                            _attribute("gen_ai.evaluation.name", stringValue="relevance"),
                            _attribute("gen_ai.evaluation.score.value", doubleValue=0.85),
                        ],
                    }
                ]
            }
        ]
    },
)


def _endpoint(path: str, operation: str, handler: Handler, signal: Signal, body: Body) -> Endpoint:
    return Endpoint(
        method="POST",
        path=path,
        handler=handler,
        operation=operation,
        render_error=render_error,
        choose_error_format=choose_error_format,
        error_schema="OtlpStatus",
        tag="OpenTelemetry",
        permission="w",
        body=body,
        answer=answer_schema(signal),
        answer_example={},
    )


ENDPOINTS: Final = (
    *(
        _endpoint(path, operation, export_traces, "traces", _TRACES)
        for path, operation in (
            ("/v1/traces", "export_traces"),
            ("/v1/trace/log", "export_traces_of_javascript"),
            ("/v1/trace/log-python", "export_traces_of_python"),
        )
    ),
    _endpoint("/v1/logs", "export_logs", export_logs, "logs", _LOGS),
)
