"""Helicone's log calls: clients log requests that they sent to a provider themselves."""

from __future__ import annotations

from typing import Final

from starlette.responses import PlainTextResponse, Response

from heliscore.api.helicone.log_body import BODY, NAMING_BODY, read_log
from heliscore.api.http.endpoints import ApiCall, Endpoint, Handler
from heliscore.api.shared import envelope
from heliscore.store import request_log as store


def make_log_handler(provider: str | None) -> Handler:
    """Make the handler of one provider's path; None: the body names the provider."""

    async def log_request(call: ApiCall) -> Response:
        """Log a request and its response; returns `ok`, and the request's id in the header `helicone-id`.

        Metadata comes from the HTTP headers or `providerRequest.meta`: `Helicone-Request-Id`,
        `Helicone-User-Id`, `Helicone-Property-<Name>`, `Helicone-Session-Id`, `-Path` and `-Name`,
        `Helicone-Prompt-Id`, `Helicone-Model-Override`, `Helicone-Omit-Request` and `-Omit-Response`. A
        request that was scored before it is logged keeps its scores; logging an id again replaces what was
        logged, and keeps scores and what other calls have set.
        """
        request = read_log(await call.body(), call.request.headers, provider, call.principal.organization_id)
        async with call.services.database.connection() as connection:
            await store.log(connection, request)
        # Header values are bytes: an id beyond ASCII is sent in UTF-8, as it was received.
        return PlainTextResponse("ok", headers={"helicone-id": request.request_id.encode().decode("latin-1")})

    return log_request


_PROVIDERS: Final = {
    "/custom/v1/log": "CUSTOM",
    "/oai/v1/log": "OPENAI",
    "/anthropic/v1/log": "ANTHROPIC",
    "/googleapis/v1/log": "GOOGLE",
    "/v1/trace/custom/v1/log": None,
    "/v1/trace/custom/log": None,
}

ENDPOINTS: Final = tuple(
    Endpoint(
        method="POST",
        path=path,
        handler=make_log_handler(provider),
        render_error=envelope.render_error,
        tag="Logging",
        permission="w",
        body=NAMING_BODY if provider is None else BODY,
        answer={"const": "ok"},
        answer_type="text/plain",
        answer_example="ok",
    )
    for path, provider in _PROVIDERS.items()
)
