"""The addresses of Helicone's gateways, under which calls are forwarded to providers."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response
from starlette.types import Scope

from heliscore.api.http.endpoints import ApiCall, Endpoint, Handler
from heliscore.domain.errors import (
    ApiError,
    FieldError,
    InvalidInput,
    NotFound,
    ProviderFailed,
    ProviderTooSlow,
)
from heliscore.gateway.forwarding import forward, identify
from heliscore.gateway.gateway_errors import render_error

_PREFIX: Final = "/v1/gateway/"


def _make_handler(provider: str, prefix: str) -> Handler:
    async def forward_call(call: ApiCall) -> Response:
        """Forward a call to a provider, and log it.

        The answer is the provider's: status, headers and body, bytes as they come. `Helicone-Id` names the
        request, which is logged when the answer is over. Our key is in `Helicone-Auth`, or beside the
        provider's in `Authorization`. `HELISCORE_GATEWAY_TARGETS` lists the providers; without it every call
        gets 404. An `Idempotency-Key` goes to the provider.
        """
        return await forward(call, provider, prefix)

    return forward_call


def _endpoint(method: str, path: str, operation: str, provider: str = "OPENAI", prefix: str = "") -> Endpoint:
    return Endpoint(
        method=method,
        path=path,
        handler=_make_handler(provider, prefix),
        operation=f"forward_{operation}",
        render_error=render_error,
        error_schema="GatewayError",
        tag="Gateway",
        permission="w",
        identify=identify,
        is_forwarded=True,
        answer={"description": "The provider's answer, of whatever status and type."},
        errors=(NotFound, ProviderFailed, ProviderTooSlow),
    )


_POSTED: Final = {
    "/v1/chat/completions": "chat_completion",
    "/v1/completions": "completion",
    "/v1/responses": "response",
    "/v1/embeddings": "embedding",
    "/v1/moderations": "moderation",
    "/v1/images/generations": "image_generation",
}
_READ: Final = {"/v1/models": "list_of_models", "/v1/models/{model}": "model"}

_PROVIDERS: Final = {"oai": "OPENAI", "anthropic": "ANTHROPIC"}

ENDPOINTS: Final = (
    *(_endpoint("POST", path, operation) for path, operation in _POSTED.items()),
    *(_endpoint("GET", path, operation) for path, operation in _READ.items()),
    *(
        _endpoint(
            method, f"{_PREFIX}{name}/{{path}}", f"{name}_{method.lower()}", provider, f"{_PREFIX}{name}"
        )
        for name, provider in _PROVIDERS.items()
        for method in ("POST", "GET")
    ),
)


def owns(path: str) -> bool:
    """Whether a path is one of the gateway's."""
    return path.startswith((_PREFIX, "/v1/models/")) or path in (*_POSTED, *_READ)


def error_of(scope: Scope) -> ApiError | None:
    """The error of a call whose path is no endpoint's: what Helicone's gateway, which takes POST alone, says
    of a provider that it does not know. None for any other call."""
    if scope["method"] == "POST" and scope["path"].startswith(_PREFIX):
        return InvalidInput([FieldError("", "Invalid provider")])
    return None
