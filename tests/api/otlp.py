"""Exports as OpenTelemetry's SDKs send them, in both encodings."""

from __future__ import annotations

import json
from typing import Any

import httpx
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

Json = dict[str, Any]

TRACE = "5b8efff798038103d269b633813fc60c"
SPAN = "eee19b7ec3c1b174"
OWN_ID = f"{TRACE}-{SPAN}"
START_NS = 1_767_225_600_005_000_000
END_NS = START_NS + 1_245_000_000
PROTOBUF = {"Content-Type": "application/x-protobuf"}
EVALUATION = "gen_ai.evaluation.result"


def value(raw: object) -> Json:
    """An `AnyValue`."""
    match raw:
        case bool():
            return {"boolValue": raw}
        case int():
            return {"intValue": str(raw)}
        case float():
            return {"doubleValue": raw}
        case list():
            return {"arrayValue": {"values": [value(each) for each in raw]}}
        case dict():
            return {"kvlistValue": {"values": attributes(raw)}}
    return {"stringValue": raw}


def attributes(given: Json) -> list[Json]:
    return [{"key": key, "value": value(each)} for key, each in given.items()]


def event(name: str, given: Json, at_ns: int = START_NS) -> Json:
    return {"name": name, "timeUnixNano": str(at_ns), "attributes": attributes(given)}


def span(given: Json, *, events: list[Json] | None = None, **more: object) -> Json:
    """A span of a model's call: GPT-4o's, unless the attributes say otherwise."""
    given = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o"} | given
    return {
        "traceId": TRACE,
        "spanId": SPAN,
        "name": "chat gpt-4o",
        "startTimeUnixNano": str(START_NS),
        "endTimeUnixNano": str(END_NS),
        "attributes": attributes({key: each for key, each in given.items() if each is not None}),
        "events": events or [],
        **more,
    }


def traces(*spans: Json, resource: Json | None = None, scope: str = "") -> Json:
    scope_spans = [{"scope": {"name": scope, "version": "1.2"}, "spans": list(spans)}]
    held = {"resource": {"attributes": attributes(resource or {})}, "scopeSpans": scope_spans}
    return {"resourceSpans": [held]}


def evaluation(name: str, score: object = None, **more: object) -> Json:
    """The attributes of an evaluation; `_` in a name stands for a dot."""
    given = {} if score is None else {"gen_ai.evaluation.score.value": score}
    others = {f"gen_ai.{key.replace('_', '.')}": each for key, each in more.items()}
    return {"gen_ai.evaluation.name": name, **given, **others}


def record(given: Json, **more: object) -> Json:
    return {"eventName": EVALUATION, "attributes": attributes(given), **more}


def logs(*records: Json, resource: Json | None = None, scope: str = "evals") -> Json:
    scope_logs = [{"scope": {"name": scope, "version": "1.2"}, "logRecords": list(records)}]
    held = {"resource": {"attributes": attributes(resource or {})}, "scopeLogs": scope_logs}
    return {"resourceLogs": [held]}


def as_protobuf(export: Json) -> bytes:
    """The same export in protobuf, by its package."""
    is_logs = "resourceLogs" in export
    message = (ExportLogsServiceRequest if is_logs else ExportTraceServiceRequest)()
    for of_resource in export["resourceLogs" if is_logs else "resourceSpans"]:
        resource = message.resource_logs.add() if is_logs else message.resource_spans.add()
        _fill_attributes(resource.resource.attributes, of_resource["resource"]["attributes"])
        for of_scope in of_resource["scopeLogs" if is_logs else "scopeSpans"]:
            scope = resource.scope_logs.add() if is_logs else resource.scope_spans.add()
            scope.scope.name, scope.scope.version = of_scope["scope"]["name"], of_scope["scope"]["version"]
            for item in of_scope["logRecords" if is_logs else "spans"]:
                _fill(scope.log_records.add() if is_logs else scope.spans.add(), item)
    return bytes(message.SerializeToString())


def _fill(message: Any, item: Json) -> None:
    message.trace_id = bytes.fromhex(item.get("traceId", ""))
    message.span_id = bytes.fromhex(item.get("spanId", ""))
    if "eventName" in item:
        message.event_name = item["eventName"]
    else:
        message.name = item["name"]
        message.start_time_unix_nano = int(item["startTimeUnixNano"])
        message.end_time_unix_nano = int(item["endTimeUnixNano"])
        message.status.code = item.get("status", {}).get("code", 0)
        message.status.message = item.get("status", {}).get("message", "")
        for each in item["events"]:
            added = message.events.add(name=each["name"], time_unix_nano=int(each["timeUnixNano"]))
            _fill_attributes(added.attributes, each["attributes"])
    _fill_attributes(message.attributes, item["attributes"])


def _fill_attributes(pairs: Any, given: list[Json]) -> None:
    for each in given:
        _fill_value(pairs.add(key=each["key"]).value, each["value"])


def _fill_value(message: Any, any_value: Json) -> None:
    [(kind, raw)] = any_value.items()
    match kind:
        case "arrayValue":
            message.array_value.SetInParent()
            for each in raw["values"]:
                _fill_value(message.array_value.values.add(), each)
        case "kvlistValue":
            message.kvlist_value.SetInParent()
            _fill_attributes(message.kvlist_value.values, raw["values"])
        case _:
            name = kind.removesuffix("Value") + "_value"
            setattr(message, name, int(raw) if kind == "intValue" else raw)


async def send(client: httpx.AsyncClient, export: Json, path: str | None = None) -> Json:
    """Send an export in JSON that must be taken, and return the answer."""
    path = path or ("/v1/logs" if "resourceLogs" in export else "/v1/traces")
    response = await client.post(
        path, content=json.dumps(export), headers={"Content-Type": "application/json"}
    )
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json"), (
        response.text
    )
    answer: Json = response.json()
    return answer


async def send_protobuf(client: httpx.AsyncClient, export: Json, **headers: str) -> Any:
    """Send an export in protobuf that must be taken, and return the answer's partial success."""
    is_logs = "resourceLogs" in export
    path, content = "/v1/logs" if is_logs else "/v1/traces", as_protobuf(export)
    response = await client.post(path, content=content, headers={**PROTOBUF, **headers})
    assert response.status_code == 200, response.content
    assert response.headers["content-type"] == "application/x-protobuf"
    answer = ExportLogsServiceResponse() if is_logs else ExportTraceServiceResponse()
    answer.ParseFromString(response.content)
    return answer.partial_success
