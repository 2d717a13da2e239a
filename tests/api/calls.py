"""An example call of every endpoint that needs a key, in whatever dialect; each says or changes something
about the REQUEST of the caller, its scores, its properties, its GROUP, its DESTINATION, its WEBHOOK, or the
key of the given id."""

from __future__ import annotations

import json

import httpx
from heliscore.api.http.endpoints import Endpoint
from heliscore.api.native.monitor_fields import EXAMPLE
from heliscore.endpoint_table import ENDPOINTS
from heliscore.store.connections.pool import Connection

from tests.api.envelope import post

PROTECTED = [endpoint for endpoint in ENDPOINTS if endpoint.permission is not None]

REQUEST = "1000000000001"
SCORE = "accuracy"
CHANGE = 1767225600000000  # of the score, at midnight of 2026-01-01
RETIME = "UPDATE score SET scored_at = '2026-01-01T00:00:00Z' WHERE organization_id = $1"
PROPERTY = "env"
GROUP = 2**40  # no number that create-group comes to
MONITOR = "0f8b2a51-6a3c-4b55-9f0e-0c1d2e3f4a5b"
VIEW = "5d1f0c86-2b7e-4c1a-8a55-6f7e8d9c0b1a"
QUEUE = "7d0c1b4e-52f1-4c5e-8a57-1f6f0f8d9c3a"

_QUERY = {"filter": {"request_response_rmt": {"scores": {SCORE: {"gte": 90}}}}}
_TIMES = {"start": "2020-01-01T00:00:00Z", "end": "2120-01-01T00:00:00Z"}
_DAYS = {"start": "2026-01-01T00:00:00Z", "end": "2026-01-03T00:00:00Z"}
_LOG = {
    "providerRequest": {
        "url": "https://example.com/v1/chat",
        "json": {"model": "m"},
        "meta": {"Helicone-Request-Id": REQUEST},
    },
    "providerResponse": {"json": {"usage": {"prompt_tokens": 3}}, "status": 200, "headers": {}},
}

_EVALUATED = {
    "resourceLogs": [
        {
            "scopeLogs": [
                {
                    "logRecords": [
                        {
                            "eventName": "gen_ai.evaluation.result",
                            "attributes": [
                                {"key": "gen_ai.evaluation.name", "value": {"stringValue": SCORE}},
                                {"key": "gen_ai.evaluation.score.value", "value": {"intValue": "11"}},
                                {"key": key, "value": {"stringValue": named}},
                            ],
                        }
                        # Of the request, and of a response that is not logged.
                        for key, named in (
                            ("helicone.request.id", REQUEST),
                            ("gen_ai.response.id", "chatcmpl-0"),
                        )
                    ]
                }
            ]
        }
    ]
}
_TRACED = {
    "resourceSpans": [
        {
            "scopeSpans": [
                {
                    "spans": [
                        {
                            "traceId": "5b8efff798038103d269b633813fc60c",
                            "spanId": "eee19b7ec3c1b174",
                            "attributes": [
                                {"key": "gen_ai.request.model", "value": {"stringValue": "m"}},
                                {"key": "helicone.request.id", "value": {"stringValue": REQUEST}},
                            ],
                        }
                    ]
                }
            ]
        }
    ]
}

_TRACKED = {
    "score": {"request_id": REQUEST, "name": SCORE, "score": 11},
    "prompt": {"request_id": REQUEST, "prompt_name": "new", "version": 2},
    "metadata": {"request_id": REQUEST, "metadata": {PROPERTY: "new"}},
    "group": {"request_id": REQUEST, "group_id": GROUP},
}
_TRACKED_REQUEST = {
    "function_name": "openai.chat.completions.create",
    "provider_type": "openai",
    "kwargs": {"model": "m"},
    "request_response": {"usage": {"prompt_tokens": 3}},
    "request_start_time": 1767225600.0,
    "request_end_time": 1767225601.0,
}
_CHAT = {"type": "chat", "messages": []}

MAKE_DEFINITION = """
INSERT INTO score_definition (organization_id, name, type, labels, enforce, precedence)
VALUES ($1, $2, 'integer', '{}', $3, 'newest')
"""
DESTINATION = "b5a3c1de-0000-4000-8000-000000000001"
DELIVERY = "b5a3c1de-0000-4000-8000-000000000002"
WEBHOOK = "b5a3c1de-0000-4000-8000-000000000003"
MAKE_WEBHOOK = f"""
INSERT INTO destination (id, organization_id, kind, name, address, events, options, secret, claimed_until)
VALUES (
    '{WEBHOOK}', $1, 'helicone', $2, 'https://127.0.0.1:1/hook', '{{request.logged}}',
    '{{"sampleRate": 100, "propertyFilters": [], "includeData": true}}', 'secret', 'infinity'
)
"""
MAKE_DESTINATION = f"""
WITH made AS (
    INSERT INTO destination (id, organization_id, kind, name, address, events, secret, claimed_until)
    VALUES (
        '{DESTINATION}', $1, 'webhook', $2, 'https://127.0.0.1:1/hook', '{{alert.firing}}',
        'whsec_c2VjcmV0LW9mLTI0LWJ5dGVzLWF0LWxlYXN0', 'infinity'
    )
    RETURNING id
)
INSERT INTO delivery (id, organization_id, destination_id, type, body, state)
SELECT '{DELIVERY}', $1, id, 'alert.firing', '{{}}', 'parked' FROM made
"""
"""No service sends to it: it is claimed for ever, and its address is forbidden."""

MAKE_MONITOR = """
WITH made AS (
    INSERT INTO monitor (organization_id, id, name, definition, evaluated_until)
    VALUES ($1, $2, 'old', $3::text::jsonb, '2026-01-01T00:00:00Z')
)
INSERT INTO monitor_change (organization_id, monitor_id, happened_at, state, count, reason)
VALUES ($1, $2, '2026-01-01T00:00:00Z', 'firing', 1, $4)
"""
"""It is paused: what the service finds would be a change that no call made."""

MAKE_VIEW = "INSERT INTO saved_view (organization_id, id, name, search) VALUES ($1, $2, $3, '{}')"

MAKE_QUEUE = """
WITH made AS (
    INSERT INTO review_queue (
        organization_id, id, name, instructions, scores, reviewers_per_item, is_blind, reservation_minutes
    )
    VALUES ($1, $2, $3, '', $4, 2, false, 30)
),
item AS (
    INSERT INTO queue_item (organization_id, queue_id, position, request_no, skipped_by)
    SELECT $1, $2, 1, request_no, '{human:nobody}' FROM request WHERE organization_id = $1 AND request_id = $5
    RETURNING position
)
INSERT INTO queue_review (organization_id, queue_id, position, place)
SELECT $1, $2, position, place FROM item, generate_series(1, 2) AS places (place)
"""

_MONITOR = {
    "name": "new",
    "score": SCORE,
    "statistic": "average",
    "condition": {"below": 90},
    "windowMinutes": 43_200,
    "everyMinutes": 1440,
    "paused": True,
}
MAKE_GROUP = "INSERT INTO promptlayer_group (id, organization_id) VALUES ($1, $2)"

_FORWARDED = (
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/responses",
    "/v1/embeddings",
    "/v1/moderations",
    "/v1/images/generations",
    "/v1/gateway/oai/{path}",
    "/v1/gateway/anthropic/{path}",
)

_ASKED = {"model": "gpt-4", "messages": [{"role": "user", "content": "Hi"}]}

BODIES: dict[tuple[str, str], object] = {
    ("POST", "/v1/request/{requestId}/score"): {"scores": {SCORE: 11, "new": True}},
    ("POST", "/v1/scores"): {"requestId": REQUEST, "scores": {SCORE: {"value": 11, "comment": "new"}}},
    ("GET", "/v1/request/{requestId}/scores"): None,
    ("POST", "/v1/request/{requestId}/score/{name}/restore"): {"change": CHANGE},
    ("POST", "/v1/request/{requestId}/feedback"): {"rating": False},
    ("POST", "/v1/feedback"): {"helicone-id": REQUEST, "rating": "negative"},
    ("DELETE", "/v1/request/{requestId}/score/{name}"): None,
    ("DELETE", "/v1/request/{requestId}/feedback"): None,
    ("POST", "/v1/request/query"): _QUERY,
    ("POST", "/v1/request/query-clickhouse"): _QUERY,
    ("POST", "/v1/request/count/query"): _QUERY,
    ("POST", "/v1/request/query-ids"): {"requestIds": [REQUEST]},
    ("GET", "/v1/request/{requestId}"): None,
    ("DELETE", "/v1/request/{requestId}"): None,
    ("POST", "/custom/v1/log"): _LOG,
    ("POST", "/oai/v1/log"): _LOG,
    ("POST", "/anthropic/v1/log"): _LOG,
    ("POST", "/googleapis/v1/log"): _LOG,
    ("POST", "/v1/trace/custom/v1/log"): _LOG,
    ("POST", "/v1/trace/custom/log"): _LOG,
    ("POST", "/v1/trace/custom/log/typed"): _LOG,
    ("POST", "/v1/traces"): _TRACED,
    ("POST", "/v1/trace/log"): _TRACED,
    ("POST", "/v1/trace/log-python"): _TRACED,
    ("POST", "/v1/logs"): _EVALUATED,
    ("PUT", "/v1/request/{requestId}/property"): {"key": PROPERTY, "value": "new"},
    ("DELETE", "/v1/request/{requestId}/property/{key}"): None,
    ("POST", "/v1/property/query"): {},
    ("POST", "/v1/property/{propertyKey}/search"): {"searchTerm": ""},
    ("GET", "/v1/evals/scores"): None,
    ("POST", "/v1/evals/query"): {"filter": "all", "timeFilter": _TIMES},
    ("POST", "/v1/evals/score-distributions/query"): {"filter": "all", "timeFilter": _TIMES},
    ("POST", "/v1/evals/compare"): {"filter": "all", "scores": [SCORE], "groupBy": {"property": PROPERTY}},
    ("POST", "/v1/evals/ab"): {
        "filter": "all",
        "scores": [SCORE],
        "arms": {"by": {"property": PROPERTY}, "base": "prod", "others": ["new"]},
    },
    ("POST", "/v1/evals/agreement"): {"filter": "all", "raters": [SCORE, "helicone-score-feedback"]},
    ("POST", "/v1/evals/coverage"): {"filter": "all", "scores": [SCORE], "groupBy": {"property": PROPERTY}},
    ("POST", "/v1/evals/sample"): {
        "filter": "all",
        "by": "threshold",
        "score": SCORE,
        "threshold": 90,
        "seed": 1,
    },
    ("POST", "/v1/evals/changes"): {
        "timeFilter": {"start": "2026-01-02T00:00:00Z", "end": "2026-01-04T00:00:00Z"},
        "groupBys": ["user_id", {"property": PROPERTY}],
        "atLeastScores": 1,
    },
    ("POST", "/v1/evals/gate"): {
        "filter": "all",
        "candidate": {"property": PROPERTY, "equals": "prod"},
        "checks": [{"score": SCORE, "atLeast": 90}],
    },
    ("POST", "/v1/evals/{requestId}"): {"name": SCORE, "score": 11},
    ("POST", "/v1/dashboard/scores/query"): {"userFilter": "all", "timeFilter": _TIMES, "dbIncrement": "day"},
    ("POST", "/v1/scores/batch"): {"items": [{"requestId": REQUEST, "scores": {SCORE: 11}}]},
    ("POST", "/v1/import"): {
        "items": [
            {
                "request_id": REQUEST,
                "created_at": "2026-01-01T00:00:00.000Z",
                "provider": "OPENAI",
                "scores": {SCORE: {"value": 11, "at": "2026-01-01T00:00:00.000001Z", "author": "api:test"}},
            }
        ]
    },
    ("GET", "/v1/score-definitions"): None,
    ("GET", "/v1/score-definitions/{name}"): None,
    ("PUT", "/v1/score-definitions/{name}"): {"type": "integer", "min": 0},
    ("DELETE", "/v1/score-definitions/{name}"): None,
    ("POST", "/v1/score-definitions/{name}/check"): {"definition": {"type": "integer", "max": 90}},
    ("GET", "/v1/views"): None,
    ("POST", "/v1/views"): {"name": "best", **_QUERY, "range": "7d"},
    ("PATCH", "/v1/views/{viewId}"): {"name": "renamed"},
    ("DELETE", "/v1/views/{viewId}"): None,
    ("GET", "/v1/destinations"): None,
    ("POST", "/v1/destinations"): {
        "kind": "webhook",
        "name": "new",
        "address": "https://1.1.1.1/hook",
        "events": ["alert.firing"],
    },
    ("GET", "/v1/destinations/{destinationId}"): None,
    ("PATCH", "/v1/destinations/{destinationId}"): {"name": "new"},
    ("DELETE", "/v1/destinations/{destinationId}"): None,
    ("POST", "/v1/destinations/{destinationId}/test"): None,
    ("POST", "/v1/destinations/{destinationId}/rotate-secret"): {},
    ("GET", "/v1/destinations/{destinationId}/deliveries"): None,
    ("POST", "/v1/destinations/{destinationId}/deliveries/{deliveryId}/resend"): None,
    ("GET", "/v1/webhooks"): None,
    ("POST", "/v1/webhooks"): {"destination": "https://1.1.1.1/hook", "config": {"sampleRate": 0}},
    ("DELETE", "/v1/webhooks/{webhookId}"): None,
    ("POST", "/v1/webhooks/{webhookId}/test"): None,
    ("GET", "/v1/monitors"): None,
    ("POST", "/v1/monitors"): _MONITOR,
    ("POST", "/v1/monitors/preview"): {**_MONITOR, "timeFilter": _DAYS},
    ("GET", "/v1/monitors/{monitorId}"): None,
    ("PUT", "/v1/monitors/{monitorId}"): _MONITOR,
    ("DELETE", "/v1/monitors/{monitorId}"): None,
    ("GET", "/v1/monitors/{monitorId}/history"): None,
    ("GET", "/v1/queues"): None,
    ("POST", "/v1/queues"): {"name": "new", "scores": [SCORE], "requestIds": [REQUEST]},
    ("GET", "/v1/queues/{queueId}"): None,
    ("PATCH", "/v1/queues/{queueId}"): {"name": "newer"},
    ("DELETE", "/v1/queues/{queueId}"): None,
    ("GET", "/v1/queues/{queueId}/items"): None,
    ("POST", "/v1/queues/{queueId}/items"): {"requestIds": [REQUEST]},
    ("GET", "/v1/queues/{queueId}/items/{requestId}"): None,
    ("DELETE", "/v1/queues/{queueId}/items/{requestId}"): None,
    ("POST", "/v1/queues/{queueId}/links"): {"name": "for Ann"},
    ("POST", "/v1/queues/{queueId}/next"): None,
    ("POST", "/v1/queues/{queueId}/items/{requestId}/skip"): None,
    ("POST", "/v1/queues/{queueId}/items/{requestId}/done"): {"scores": {SCORE: 11}},
    ("GET", "/v1/queues/{queueId}/agreement"): None,
    ("GET", "/v1/queues/{queueId}/opinions"): None,
    ("POST", "/v1/scores/revert"): {"author": "api:test"},
    ("POST", "/v1/requests/delete"): {"filter": _QUERY["filter"], "expect": 1},
    ("DELETE", "/v1/scores/{name}"): None,
    ("GET", "/v1/audit"): None,
    ("POST", "/v1/export"): _QUERY,
    ("GET", "/v1/export"): None,
    ("GET", "/v1/events"): None,
    ("GET", "/v1/api-keys"): None,
    ("POST", "/v1/api-keys"): {"api_key_name": "new", "key_permissions": "r"},
    ("PATCH", "/v1/api-keys/{id}"): {"api_key_name": "new"},
    ("DELETE", "/v1/api-keys/{id}"): None,
    ("POST", "/rest/track-score"): _TRACKED["score"],
    ("POST", "/library-track-score"): _TRACKED["score"],
    ("POST", "/rest/track-prompt"): _TRACKED["prompt"],
    ("POST", "/library-track-prompt"): _TRACKED["prompt"],
    ("POST", "/rest/track-metadata"): _TRACKED["metadata"],
    ("POST", "/library-track-metadata"): _TRACKED["metadata"],
    ("POST", "/rest/track-group"): _TRACKED["group"],
    ("POST", "/track-group"): _TRACKED["group"],
    ("POST", "/create-group"): {},
    ("POST", "/log-request"): {
        "provider": "openai",
        "model": "m",
        "input": _CHAT,
        "output": _CHAT,
        "request_start_time": 1767225600.0,
        "request_end_time": 1767225601.0,
    },
    ("POST", "/rest/track-request"): _TRACKED_REQUEST,
    ("POST", "/track-request"): _TRACKED_REQUEST,
    **{("POST", path): _ASKED for path in _FORWARDED},
    ("GET", "/v1/models"): None,
    ("GET", "/v1/models/{model}"): None,
    ("GET", "/v1/gateway/oai/{path}"): None,
    ("GET", "/v1/gateway/anthropic/{path}"): None,
    ("GET", "/api/public/v2/requests/{request_id}"): None,
    ("POST", "/api/public/v2/requests/search"): {
        "filter_group": {
            "logic": "AND",
            "filters": [{"field": "score", "nested_key": SCORE, "operator": "gte", "value": 90}],
        }
    },
}
"""By method and path; None: without a body."""

QUERIES = {("DELETE", "/v1/scores/{name}"): "?expect=1"}


async def prepare(client: httpx.AsyncClient, connection: Connection, organization_id: int) -> None:
    """Make what every example call has something to say about."""
    await post(client, REQUEST, {SCORE: 94})
    await connection.execute(RETIME, organization_id)
    await post(client, REQUEST, {SCORE: 95, "helicone-score-feedback": True})
    response = await client.put(f"/v1/request/{REQUEST}/property", json={"key": PROPERTY, "value": "prod"})
    assert response.status_code == 200
    await connection.execute(MAKE_GROUP, GROUP, organization_id)
    await connection.execute(MAKE_DEFINITION, organization_id, SCORE, "off")
    await make_destination(connection, organization_id, "ours")
    await make_queue(connection, organization_id, "old")


async def make_destination(connection: Connection, organization_id: int, name: str) -> None:
    """Make the destination with its delivery, and the webhook. Their ids are the same in each test: those of
    an earlier test go."""
    await connection.execute("DELETE FROM destination WHERE id = ANY ($1::uuid[])", [DESTINATION, WEBHOOK])
    await connection.execute(MAKE_DESTINATION, organization_id, name)
    await connection.execute(MAKE_WEBHOOK, organization_id, name)
    await make_monitor(connection, organization_id, "low")
    await make_view(connection, organization_id, "worst")


async def make_monitor(connection: Connection, organization_id: int, mark: str) -> None:
    """Make the MONITOR of the example calls, with an entry in its history; that of an earlier test goes."""
    await connection.execute("DELETE FROM monitor WHERE id = $1", MONITOR)
    definition = json.dumps({**EXAMPLE, **_MONITOR, "name": mark})
    await connection.execute(MAKE_MONITOR, organization_id, MONITOR, definition, mark)


async def make_view(connection: Connection, organization_id: int, name: str) -> None:
    """Make the VIEW of the example calls; that of an earlier test goes."""
    await connection.execute("DELETE FROM saved_view WHERE id = $1", VIEW)
    await connection.execute(MAKE_VIEW, organization_id, VIEW, name)


async def make_queue(
    connection: Connection, organization_id: int, mark: str, request_id: str = REQUEST
) -> None:
    """Make the QUEUE of the example calls, with that request where it is there."""
    await connection.execute(MAKE_QUEUE, organization_id, QUEUE, mark, [SCORE], request_id)


def name_of(endpoint: Endpoint) -> str:
    return f"{endpoint.method} {endpoint.path}"


async def call(client: httpx.AsyncClient, endpoint: Endpoint, key_id: int = 1) -> httpx.Response:
    """Make the example call. A KeyError says that BODIES lacks the endpoint."""
    body = BODIES[endpoint.method, endpoint.path]
    path = endpoint.path.format(
        requestId=REQUEST,
        request_id=REQUEST,
        name=SCORE,
        key=PROPERTY,
        propertyKey=PROPERTY,
        id=key_id,
        destinationId=DESTINATION,
        deliveryId=DELIVERY,
        webhookId=WEBHOOK,
        monitorId=MONITOR,
        viewId=VIEW,
        queueId=QUEUE,
        path="v1/models",
        model="gpt-4",
    )
    path += QUERIES.get((endpoint.method, endpoint.path), "")
    return await send(client, endpoint, path, None if body is None else json.dumps(body).encode())


async def send(
    client: httpx.AsyncClient, endpoint: Endpoint, path: str, body: bytes | None
) -> httpx.Response:
    """Call an endpoint, with the client's key where the endpoint's dialect looks for it."""
    bearer = client.headers.get("Authorization")
    headers = {"X-API-KEY": bearer.removeprefix("Bearer ")} if bearer else {}
    if endpoint.answer_type == "text/event-stream":
        return await _listen(client, path, headers)
    response = await client.request(endpoint.method, path, content=body, headers=headers)
    if endpoint.is_forwarded and response.is_success:
        await logged(client)
    return response


async def logged(client: httpx.AsyncClient) -> None:
    """Wait until the calls that were forwarded are logged, which is soon after their answers."""
    without_key = httpx.Request("GET", f"{client.base_url}/metrics")
    while True:
        lines = (await client.send(without_key)).raise_for_status().text.splitlines()
        if {"heliscore_gateway_calls 0.0", "heliscore_gateway_waiting_logs 0.0"} <= set(lines):
            return


async def _listen(client: httpx.AsyncClient, path: str, headers: dict[str, str]) -> httpx.Response:
    """The beginning of an answer without an end: up to a score that is posted once it has begun, where the
    client may."""
    async with client.stream("GET", path, headers=headers) as response:
        if not response.is_success:
            await response.aread()
            return response
        lines: list[str] = []
        async for line in response.aiter_lines():
            lines.append(line)
            if line == "event: ready":
                scored = await client.post("/v1/request/heard/score", json={"scores": {SCORE: 1}})
                if not scored.is_success:
                    break
            if line.startswith("data: ") and "score.recorded" in line and "timestamp" in line:
                break
    return httpx.Response(200, headers=response.headers, text="\n".join(lines), request=response.request)
