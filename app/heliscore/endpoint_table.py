"""Every endpoint of the service, and the OpenAPI document that is made of them."""

from __future__ import annotations

from typing import Final

from heliscore.api import promptlayer
from heliscore.api.helicone import (
    evaluation_endpoints,
    key_endpoints,
    log_endpoints,
    property_endpoints,
    request_endpoints,
    score_endpoints,
    webhook_endpoints,
)
from heliscore.api.http import openapi
from heliscore.api.http.endpoints import Endpoint
from heliscore.api.native import (
    ab_endpoint,
    agreement_endpoint,
    audit_endpoint,
    batch_endpoint,
    changes_endpoint,
    comparison_endpoint,
    coverage_endpoint,
    definition_endpoints,
    delivery_endpoints,
    destination_endpoints,
    document_endpoint,
    event_endpoint,
    export_endpoint,
    gate_endpoint,
    health,
    history_endpoints,
    import_endpoint,
    metrics_endpoint,
    monitor_endpoints,
    monitor_preview_endpoint,
    queue_endpoints,
    queue_result_endpoints,
    request_deletion_endpoint,
    revert_endpoint,
    review_endpoints,
    sample_endpoint,
    saved_view_endpoints,
    score_deletion_endpoint,
)
from heliscore.api.opentelemetry import otlp_answers, otlp_endpoints
from heliscore.api.promptlayer import answers
from heliscore.api.shared import envelope
from heliscore.gateway import gateway_endpoints, gateway_errors

_API: Final = (
    *score_endpoints.ENDPOINTS,
    *request_endpoints.ENDPOINTS,
    *log_endpoints.ENDPOINTS,
    *gateway_endpoints.ENDPOINTS,
    *otlp_endpoints.ENDPOINTS,
    *property_endpoints.ENDPOINTS,
    *evaluation_endpoints.ENDPOINTS,
    *key_endpoints.ENDPOINTS,
    *webhook_endpoints.ENDPOINTS,
    *history_endpoints.ENDPOINTS,
    *revert_endpoint.ENDPOINTS,
    *batch_endpoint.ENDPOINTS,
    *comparison_endpoint.ENDPOINTS,
    *ab_endpoint.ENDPOINTS,
    *agreement_endpoint.ENDPOINTS,
    *coverage_endpoint.ENDPOINTS,
    *sample_endpoint.ENDPOINTS,
    *changes_endpoint.ENDPOINTS,
    *gate_endpoint.ENDPOINTS,
    *definition_endpoints.ENDPOINTS,
    *event_endpoint.ENDPOINTS,
    *destination_endpoints.ENDPOINTS,
    *delivery_endpoints.ENDPOINTS,
    *monitor_endpoints.ENDPOINTS,
    *monitor_preview_endpoint.ENDPOINTS,
    *request_deletion_endpoint.ENDPOINTS,
    *score_deletion_endpoint.ENDPOINTS,
    *audit_endpoint.ENDPOINTS,
    *saved_view_endpoints.ENDPOINTS,
    *export_endpoint.ENDPOINTS,
    *import_endpoint.ENDPOINTS,
    *queue_endpoints.ENDPOINTS,
    *review_endpoints.ENDPOINTS,
    *queue_result_endpoints.ENDPOINTS,
    *promptlayer.ENDPOINTS,
    *health.ENDPOINTS,
    *metrics_endpoint.ENDPOINTS,
)

DOCUMENT: Final = openapi.make_document(
    _API,
    {
        "Error": envelope.ERROR_SCHEMA,
        "PromptLayerError": answers.ERROR_SCHEMA,
        "GatewayError": gateway_errors.ERROR_SCHEMA,
        "OtlpStatus": otlp_answers.ERROR_SCHEMA,
    },
)
"""The OpenAPI document."""

ENDPOINTS: Final[tuple[Endpoint, ...]] = (*_API, document_endpoint.make_endpoint(DOCUMENT))
"""Every endpoint of the service."""
