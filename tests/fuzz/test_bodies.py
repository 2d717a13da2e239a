"""Bodies, filters and headers as no client would send them: refused in the dialect's words, or taken."""

from __future__ import annotations

import base64
import gzip
import json
import re
from typing import Any
from urllib.parse import quote

import httpx
from heliscore.api.http.endpoints import Endpoint
from heliscore.api.promptlayer.search_fields import FIELDS, OPERATORS
from heliscore.api.shared import envelope
from hypothesis import given
from hypothesis import strategies as st

from tests.api.calls import BODIES, DELIVERY, DESTINATION, MONITOR, PROTECTED, QUEUE, REQUEST, VIEW, WEBHOOK
from tests.api.test_query_filters import FILTERS
from tests.api.test_query_pages import SORTS
from tests.fuzz.conftest import Headers, Target, tries

PLACES = {
    "requestId": REQUEST,
    "request_id": REQUEST,
    "name": "accuracy",
    "key": "env",
    "propertyKey": "env",
    "monitorId": MONITOR,
    "viewId": VIEW,
    "queueId": QUEUE,
    "destinationId": DESTINATION,
    "deliveryId": DELIVERY,
    "webhookId": WEBHOOK,
    "id": "1",
    "path": "v1/models",
    "model": "gpt-4",
}
ENDPOINT = {(endpoint.method, endpoint.path): endpoint for endpoint in PROTECTED}
TAKING_BODIES = [endpoint for endpoint in PROTECTED if BODIES[endpoint.method, endpoint.path] is not None]

WORDS = [
    *(
        "filter",
        "left",
        "right",
        "operator",
        "and",
        "or",
        "not",
        "all",
        "equals",
        "in",
        "exists",
        "like",
        "gte",
    ),
    *(
        "request_response_rmt",
        "scores",
        "properties",
        "accuracy",
        "env",
        "created_at",
        "status",
        "sort",
        "desc",
    ),
    *("cursor", "limit", "offset", "items", "mode", "requestId", "scores", "name", "score", "request_id"),
    *(
        "field",
        "value",
        "nested_key",
        "filters",
        "logic",
        "AND",
        "OR",
        "between",
        "timeFilter",
        "start",
        "end",
    ),
    *("groupBy", "property", "metadata", "tags", "usage", "null", "__empty__", "api_key", "rating"),
    *("", "\0", "%", "_", "\\", "'; DROP TABLE score; --", '"', "\ud800", "\ufeff", "1e400", "😀" * 300),
]

texts = st.sampled_from(WORDS) | st.text(max_size=8)
numbers = (
    st.sampled_from(
        [0, -1, 1, 95.0, 2**31, 2**53 + 1, 2**63, -(2**63), -(2**63) - 1, 10**400, 1e308, -0.0, 1e-400]
    )
    | st.integers()
    | st.floats()
)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


def call(target: Target, endpoint: Endpoint, body: bytes, headers: Headers | None = None) -> httpx.Response:
    return target.call(endpoint.method, endpoint.path.format(**PLACES), body, headers)


def check(endpoint: Endpoint, response: httpx.Response) -> None:
    """The answer is one of the endpoint's own, in the words of its dialect."""
    assert response.status_code < 500 or response.status_code == 503, response.text
    type_ = response.headers["content-type"].partition(";")[0]
    if response.is_success and endpoint.tag == "Logging" and type_ == "application/json":
        assert response.json()["warnings"]  # a log that was taken without what could not be understood
        return
    if response.is_success:
        assert (response.status_code, type_) == (endpoint.success, endpoint.answer_type)
        return
    body = response.json()
    assert type_ == "application/json"
    if endpoint.render_error is envelope.render_error:
        assert body.keys() - {"details"} == {"data", "error"}
        assert body["data"] is None
        assert body["error"]
    elif endpoint.is_forwarded:
        assert body.keys() == {"error"}
        assert body["error"].keys() == {"message", "type", "code"}
        assert body["error"]["message"]
    elif endpoint.error_schema == "OtlpStatus":
        assert body.keys() - {"details"} == {"code", "message"}
        assert body["message"]
    else:
        assert body.keys() == {"success", "message", "error"}
        assert body["success"] is False
        assert body["message"]


def encode(value: object) -> bytes:
    """JSON as Python writes it: numbers of any size, NaN, lone surrogates."""
    return json.dumps(value).encode()


# Whole bodies


@st.composite
def mangled(draw: st.DrawFn, body: bytes) -> bytes:
    """A body with something done to its bytes."""
    at = draw(st.integers(0, len(body)))
    match draw(st.integers(0, 7)):
        case 0:
            return body[:at]
        case 1:
            return body[:at] + draw(st.binary(min_size=1, max_size=6)) + body[at:]
        case 2:
            return body[:at] + body[at + 1 :]
        case 3:
            return body.decode().encode(draw(st.sampled_from(["utf-16", "utf-32", "utf-8-sig", "utf-16-le"])))
        case 4:
            depth = draw(st.sampled_from([10, 60, 1000, 100_000]))
            return draw(st.sampled_from([b"[", b'{"filter":', b'{"not":', b'{"a":['])) * depth
        case 5:  # every key twice
            return body.replace(
                b'{"', b'{"' + draw(st.sampled_from([b"filter", b"scores", b"api_key"])) + b'": 1, "'
            )
        case 6:
            return draw(
                st.sampled_from(
                    [b"NaN", b"Infinity", b"-", b"1" * 5000, b'"\\ud800"', b"{}{}", b"\0", b"\xff"]
                )
            )
        case _:
            return body + draw(st.sampled_from([b"}", b",", b" " * 1000, b"\0", b"\n{}"]))


@tries(250)
@given(st.data())
def test_mangled_body_is_refused_or_taken(target: Target, data: st.DataObject) -> None:
    endpoint = data.draw(st.sampled_from(TAKING_BODIES), label="endpoint")
    body = data.draw(mangled(encode(BODIES[endpoint.method, endpoint.path])), label="body")
    check(endpoint, call(target, endpoint, body))


@st.composite
def mutated(draw: st.DrawFn, value: Any) -> Any:
    """A JSON value with something in it replaced, added or taken away."""
    if isinstance(value, dict) and value and draw(st.integers(0, 3)):
        key = draw(st.sampled_from(sorted(value)))
        match draw(st.integers(0, 4)):
            case 0:
                return {name: kept for name, kept in value.items() if name != key}
            case 1:
                return {**value, draw(texts): draw(values)}
            case 2:
                return {draw(texts) if name == key else name: kept for name, kept in value.items()}
            case _:
                return {**value, key: draw(mutated(value[key]))}
    if isinstance(value, list) and value and draw(st.integers(0, 3)):
        at = draw(st.integers(0, len(value) - 1))
        changed = draw(st.just([]) | st.builds(lambda one: [one], mutated(value[at])))
        return [*value[:at], *changed, *value[at + draw(st.integers(0, 1)) :]]
    return draw(values)


@tries(500)
@given(st.data())
def test_mutated_body_is_refused_or_taken(target: Target, data: st.DataObject) -> None:
    endpoint = data.draw(st.sampled_from(TAKING_BODIES), label="endpoint")
    value = data.draw(mutated(BODIES[endpoint.method, endpoint.path]), label="body")
    check(endpoint, call(target, endpoint, encode(value)))


@tries(100)
@given(st.data())
def test_body_that_is_anything_is_refused_or_taken(target: Target, data: st.DataObject) -> None:
    endpoint = data.draw(st.sampled_from(TAKING_BODIES), label="endpoint")
    body = data.draw(values.map(encode) | st.binary(max_size=50), label="body")
    check(endpoint, call(target, endpoint, body))


# Filters and orders


leaves = st.sampled_from([filter_ for filter_, _ in FILTERS])
filters = st.recursive(
    leaves,
    lambda inner: (
        st.builds(
            lambda left, operator, right: {"left": left, "operator": operator, "right": right},
            inner,
            st.sampled_from(["and", "or"]),
            inner,
        )
        | st.builds(lambda part: {"not": part}, inner)
    ),
    max_leaves=8,
)
queries = st.fixed_dictionaries(
    {"filter": filters},
    optional={
        "sort": st.sampled_from([*SORTS, {"random": True}, None]),
        "limit": st.integers(0, 1000),
        "offset": st.integers(0, 10_000),
        "isScored": st.booleans(),
    },
)


@tries(150)
@given(queries)
def test_good_query_is_answered(target: Target, query: Any) -> None:
    response = target.call("POST", "/v1/request/query", encode(query))
    assert response.status_code == 200, response.text
    count = target.call("POST", "/v1/request/count/query", encode({"filter": query["filter"]}))
    assert count.status_code == 200, count.text
    assert len(response.json()["data"]) <= count.json()["data"]


@tries(250)
@given(queries.flatmap(mutated))
def test_mutated_query_is_refused_or_answered(target: Target, query: Any) -> None:
    for path in ("/v1/request/query", "/v1/request/count/query"):
        check(ENDPOINT["POST", path], target.call("POST", path, encode(query)))


conditions = st.fixed_dictionaries(
    {
        "field": st.sampled_from(FIELDS) | values,
        "operator": st.sampled_from(OPERATORS) | values,
    },
    optional={"value": values | st.lists(values, min_size=2, max_size=2), "nested_key": values},
)
groups = st.recursive(
    conditions,
    lambda inner: st.fixed_dictionaries(
        {"filters": st.lists(inner, max_size=4)}, optional={"logic": st.sampled_from(["AND", "OR"]) | values}
    ),
    max_leaves=8,
)
searches = st.fixed_dictionaries(
    {},
    optional={
        "filter_group": groups,
        "filters": st.lists(groups, max_size=3),
        "q": texts,
        "sort_by": st.sampled_from(["score", "score.accuracy", "created_at"]) | texts | values,
        "sort_order": st.sampled_from(["asc", "desc"]) | values,
        "page": st.integers(0, 3) | values,
        "per_page": st.integers(0, 30) | values,
    },
)


@tries(120)
@given(searches)
def test_search_is_refused_or_answered(target: Target, search: Any) -> None:
    path = "/api/public/v2/requests/search"
    check(ENDPOINT["POST", path], target.call("POST", path, encode(search)))


@tries(100)
@given(st.data())
def test_changed_cursor_is_refused_or_followed(target: Target, data: st.DataObject) -> None:
    query = {"filter": "all", "sort": data.draw(st.sampled_from(SORTS), label="sort")}
    for id_ in ("a", "b"):
        target.call("POST", f"/v1/request/{id_}/score", encode({"scores": {"accuracy": 1}}))
    page = target.call("POST", "/v1/request/query", encode({**query, "limit": 1}))
    cursor = json.loads(base64.urlsafe_b64decode(page.json()["nextCursor"]))
    changed = base64.urlsafe_b64encode(encode(data.draw(mutated(cursor), label="cursor"))).decode()
    sent = data.draw(st.just(changed) | texts | values, label="sent")
    response = target.call("POST", "/v1/request/query", encode({**query, "cursor": sent}))
    check(ENDPOINT["POST", "/v1/request/query"], response)


# Uploads, paths and headers


@tries(150)
@given(st.data())
def test_upload_is_refused_or_taken(target: Target, data: st.DataObject) -> None:
    item = {"requestId": "r", "scores": {"accuracy": 1}}
    line = st.just(encode(item)) | mutated(item).map(encode) | mangled(encode(item)) | st.binary(max_size=20)
    body = b"\n".join(data.draw(st.lists(line, max_size=6), label="lines"))
    headers = {"Content-Type": "application/x-ndjson"}
    if data.draw(st.booleans(), label="gzip"):
        body = gzip.compress(body)
        body = data.draw(st.just(body) | st.integers(0, len(body)).map(lambda end: body[:end]), label="cut")
        headers["Content-Encoding"] = "gzip"
    mode = data.draw(
        st.sampled_from(
            ["", "?mode=atomic", "?mode=partial", "?mode=x", "?mode=%00", "?scale=100", "?scale=%00"]
        ),
        label="mode",
    )
    response = target.call("POST", f"/v1/scores/batch{mode}", body, headers)
    check(ENDPOINT["POST", "/v1/scores/batch"], response)


@tries(200)
@given(st.data())
def test_any_text_in_a_path_is_refused_or_taken(target: Target, data: st.DataObject) -> None:
    endpoint = data.draw(st.sampled_from([e for e in PROTECTED if "{" in e.path]), label="endpoint")
    part = texts.map(lambda text: quote(text.encode("utf-8", "surrogatepass"), safe="")) | st.sampled_from(
        ["%", "%zz", "%ff", "%00", "%2F%2F", "%2e%2e", "a" * 2000, "😀", ";", "a;b=c", "%25"]
    )
    path = re.sub(r"{\w+}", lambda _: data.draw(part, label="part"), endpoint.path)
    body = BODIES[endpoint.method, endpoint.path]
    response = target.call(endpoint.method, path, None if body is None else encode(body))
    assert response.status_code < 500 or response.status_code == 503, response.text


NAMES = [
    *(
        "Content-Type",
        "Content-Encoding",
        "Accept",
        "Accept-Encoding",
        "Origin",
        "Range",
        "If-None-Match",
        "TE",
    ),
    *(
        "Helicone-Property-Env",
        "Helicone-User-Id",
        "Helicone-Request-Id",
        "Helicone-Prompt-Id",
        "X-Request-Id",
    ),
    *(
        "Helicone-Model-Override",
        "Helicone-Property-",
        "X-Forwarded-For",
        "Traceparent",
        "Cookie",
        "X-HTTP-Method",
    ),
]
header_values = st.binary(max_size=30).map(
    lambda value: re.sub(rb"[\0-\x1f\x7f]", b"", value).strip()
) | st.sampled_from(
    [b"gzip", b"application/x-ndjson", b"text/plain; charset=utf-16", b"a" * 5000, b"\xff", b"br"]
)


@tries(250)
@given(st.data())
def test_odd_headers_are_refused_or_ignored(target: Target, data: st.DataObject) -> None:
    endpoint = data.draw(st.sampled_from(TAKING_BODIES), label="endpoint")
    sent = data.draw(
        st.dictionaries(st.sampled_from(NAMES), header_values, min_size=1, max_size=4), label="headers"
    )
    body = encode(BODIES[endpoint.method, endpoint.path])
    check(endpoint, call(target, endpoint, body, sent))


@tries(150)
@given(
    st.sampled_from(PROTECTED),
    header_values,
    st.sampled_from(["Authorization", "Helicone-Auth", "X-API-KEY"]),
)
def test_odd_key_is_refused(target: Target, endpoint: Endpoint, key: bytes, name: str) -> None:
    body = BODIES[endpoint.method, endpoint.path]
    content = None if body is None else encode(body)
    response = target.anonymous(endpoint.method, endpoint.path.format(**PLACES), content, {name: key})
    assert response.status_code == 401
    check(endpoint, response)
