"""Calls made of the OpenAPI document, good ones and bad ones: each answer is as the document says."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import schemathesis
from heliscore.api.http.endpoints import Endpoint
from heliscore.endpoint_table import ENDPOINTS
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.requests import Request
from starlette.responses import Response

from tests.fuzz.conftest import Target, answered, tries

CHECKS = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


LOGS = [endpoint.path for endpoint in ENDPOINTS if endpoint.tag == "Logging"]


def read_document() -> Any:
    [endpoint] = [endpoint for endpoint in ENDPOINTS if endpoint.path == "/openapi.json"]
    response = asyncio.run(_answer(endpoint))
    document = json.loads(bytes(response.body))
    del document["paths"]["/v1/events"]  # its answer has no end: tests/api/test_events.py reads it
    return document


async def _answer(endpoint: Endpoint) -> Response:
    return await endpoint.handler(Request({"type": "http"}))


schema = schemathesis.openapi.from_dict(read_document())
# Every value at every bound, it tries: of a filter's hundred columns and operators for minutes on end.
schema.config.phases.coverage.enabled = False
schema.config.generation.with_security_parameters = False


@schema.parametrize()
@tries(12)
def test_answer_is_as_documented(case: Any, target: Target) -> None:
    response = case.call(base_url=target.address, headers=target.headers, session=target.session)
    answered[response.status_code] += 1
    assert response.status_code < 500 or response.status_code == 503, response.text
    checks = CHECKS if _may_be_taken_all_the_same(case) else [*CHECKS, negative_data_rejection]
    case.validate_response(response, checks=checks)


def _may_be_taken_all_the_same(case: Any) -> bool:
    """Whether a body that the document forbids may be answered with success: of a partial upload what is good
    is taken, of a log too, and a key in the body is not looked at beside the one in the header."""
    keyed = isinstance(case.body, dict) and "api_key" in case.body
    return keyed or case.path in ("/v1/scores/batch", *LOGS)
