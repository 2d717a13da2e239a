"""The tools: which endpoint each of them calls, what it says to a model, and what it takes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from heliscore.api.http.endpoints import Endpoint
from heliscore.api.http.json_schema import Components, Schema, closed_object
from heliscore.domain.api_key import Permissions

PAGE: Final = 20
"""Requests of one answer."""

_FILTER: Final[Schema] = {
    "description": (
        '"all", or a leaf in Helicone\'s filter language, {"request_response_rmt": {COLUMN: {OPERATOR: '
        'VALUE}}}, or {"left": FILTER, "operator": "and" | "or", "right": FILTER}. Columns: scores and '
        "properties (each by name), model, provider, status, user_id, prompt_id, prompt_version, "
        "created_at, latency, cost_usd, total_tokens, request_body, response_body. Operators: equals, "
        "not-equals, gt, gte, lt, lte, contains, like, in, exists. All columns of a leaf must hold. "
        'Examples: {"request_response_rmt": {"scores": {"accuracy": {"lt": 50}}}}, '
        '{"request_response_rmt": {"properties": {"env": {"equals": "prod"}}, "created_at": {"gte": '
        '"2026-11-01"}}}.'
    ),
    "anyOf": [{"const": "all"}, {"type": "object"}],
}


class Tool(msgspec.Struct, frozen=True):
    """A tool, and the endpoint that does its work."""

    name: str
    description: str
    method: str
    path: str
    takes: tuple[str, ...] = ()
    """The keys of the endpoint's body or query that are offered."""

    page: str | None = None
    """The key that limits the answer, which is PAGE at most."""

    max_string: int = 500
    """Longer strings of the answer are shortened."""


_TOOLS: Final = (
    Tool(
        "search_requests",
        "Find logged LLM requests by scores, properties, model, time and other columns, newest first "
        "unless sorted. Answers 20 at most, with their scores and shortened bodies. For the next page "
        "pass the answer's nextCursor as cursor, with the same filter and sort; for a whole request use "
        "read_request.",
        "POST",
        "/v1/request/query",
        ("filter", "sort", "limit", "cursor", "isScored"),
        "limit",
    ),
    Tool(
        "read_request",
        "Read one request by its id: the conversation, properties, model, cost and scores.",
        "GET",
        "/v1/request/{requestId}",
        max_string=20_000,
    ),
    Tool(
        "read_scores",
        "Read a request's scores: who gave each, when and why, every author's opinion, and all changes.",
        "GET",
        "/v1/request/{requestId}/scores",
        ("asOf",),
        max_string=5_000,
    ),
    Tool(
        "list_scores",
        "List the names of all scores.",
        "GET",
        "/v1/evals/scores",
    ),
    Tool(
        "list_definitions",
        "List the definitions of scores: type, bounds, labels, direction, unit, description. Read them "
        "before scoring.",
        "GET",
        "/v1/score-definitions",
    ),
    Tool(
        "score_request",
        "Give a request scores, integers or booleans, each with a comment that says why. What is replaced"
        ' stays in the history. Sign as a judge by author, such as "judge:NAME@VERSION".',
        "POST",
        "/v1/scores",
        ("requestId", "scores", "author"),
    ),
    Tool(
        "compare_scores",
        "Compare scores between groups of requests, by model, prompt version, user, property or author: "
        "counts, averages, intervals.",
        "POST",
        "/v1/evals/compare",
        ("filter", "timeFilter", "scores", "groupBy", "limit"),
        "limit",
    ),
    Tool(
        "measure_agreement",
        "Measure how far raters agree, for example a judge with people: shares, kappa, alpha, and where "
        "they differ.",
        "POST",
        "/v1/evals/agreement",
        ("filter", "timeFilter", "raters", "reference", "level"),
    ),
    Tool(
        "what_changed",
        "Say which scores moved beyond noise between a time and the one before, where, and since when.",
        "POST",
        "/v1/evals/changes",
        ("filter", "timeFilter", "against", "groupBys", "scores", "limit"),
        "limit",
    ),
)


class BoundTool(msgspec.Struct, frozen=True):
    """A tool with its endpoint."""

    tool: Tool
    permission: Permissions
    path_keys: tuple[str, ...]
    query_keys: tuple[str, ...]
    schema: Schema
    """What it takes, as JSON Schema."""

    @property
    def writes(self) -> bool:
        return self.permission != "r"


def bind_tools(endpoints: Iterable[Endpoint]) -> dict[str, BoundTool]:
    """Return the tools by name."""
    found = {(endpoint.method, endpoint.path): endpoint for endpoint in endpoints}
    return {tool.name: _bind(tool, found[tool.method, tool.path]) for tool in _TOOLS}


def _bind(tool: Tool, endpoint: Endpoint) -> BoundTool:
    path_keys = tuple(re.findall(r"\{(\w+)\}", tool.path))
    properties: dict[str, Schema] = {key: {"type": "string"} for key in path_keys}
    query_keys = tuple(field.key for field in endpoint.query if field.key in tool.takes)
    properties |= {field.key: _inlined(field.schema) for field in endpoint.query if field.key in query_keys}
    required = list(path_keys)
    if endpoint.body is not None:
        body = _inlined(endpoint.body.value_type.schema)
        properties |= {key: body["properties"][key] for key in tool.takes}
        required += [key for key in body.get("required", ()) if key in tool.takes]
    if tool.page is not None:
        properties[tool.page] = {"type": "integer", "minimum": 1, "maximum": PAGE, "default": PAGE}
    schema = closed_object(properties, tuple(required))
    assert endpoint.permission is not None  # noqa: S101
    return BoundTool(tool, endpoint.permission, path_keys, query_keys, schema)


def _inlined(schema: Schema) -> Schema:
    """The same without references, the filter described in words: as a schema it would fill a model's
    context."""
    components = Components()
    inlined: Schema = _resolve(components.take(schema), components.schemas)
    return inlined


def _resolve(part: Any, schemas: dict[str, Schema]) -> Any:
    match part:
        case {"$ref": str(reference), **others}:
            name = reference.rpartition("/")[2]
            return _FILTER if name == "Filter" else _resolve(schemas[name], schemas) | others
        case dict():
            return {key: _resolve(value, schemas) for key, value in part.items()}
        case list():
            return [_resolve(value, schemas) for value in part]
    return part
