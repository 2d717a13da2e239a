"""Helicone's log calls: clients log requests that they sent to a provider themselves."""

from __future__ import annotations

from typing import Final

from starlette.responses import PlainTextResponse, Response

from heliscore.api.helicone.log_body import BODY, NAMING_BODY, read_log
from heliscore.api.http.endpoints import ApiCall, Endpoint, Handler
from heliscore.api.http.json_schema import NULL, constant
from heliscore.api.shared import envelope
from heliscore.api.shared.computed_costs import with_cost
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

        A log is taken whatever is odd about it: a value that cannot be understood is left out, and the answer
        is JSON that names it under `warnings`. A stream in `textBody`, server-sent events or lines of JSON,
        is stored as the whole response that it carried. Where neither `cost` nor the response says what the
        call cost, that is computed from the token counts and the model's prices.
        """
        body = await call.large_body()
        arguments = (body, call.request.headers, provider, call.principal.organization_id)
        log = await call.services.large_work.run(read_log, *arguments, size_bytes=len(body))
        request = await with_cost(log.request, call.services.prices)
        async with call.services.database.connection() as connection:
            warnings = [*log.warnings, *await store.log(connection, request)]
        # Header values are bytes: an id beyond ASCII is sent in UTF-8, as it was received.
        headers = {"helicone-id": log.request.request_id.encode().decode("latin-1")}
        if warnings:
            return envelope.answer(None, headers, warnings=warnings)
        return PlainTextResponse("ok", headers=headers)

    return log_request


_PATHS: Final = (
    ("/custom/v1/log", "log_request", "CUSTOM"),
    ("/oai/v1/log", "log_openai_request", "OPENAI"),
    ("/anthropic/v1/log", "log_anthropic_request", "ANTHROPIC"),
    ("/googleapis/v1/log", "log_google_request", "GOOGLE"),
    ("/v1/trace/custom/v1/log", "log_trace", None),
    ("/v1/trace/custom/log", "log_custom_trace", None),
    ("/v1/trace/custom/log/typed", "log_typed_trace", None),
)

ENDPOINTS: Final = tuple(
    Endpoint(
        method="POST",
        path=path,
        handler=make_log_handler(provider),
        operation=operation,
        render_error=envelope.render_error,
        tag="Logging",
        permission="w",
        body=NAMING_BODY if provider is None else BODY,
        answer=constant("ok"),
        answer_type="text/plain",
        warned_answer=envelope.schema(NULL, warnings=envelope.DETAILS),
        answer_example="ok",
    )
    for path, operation, provider in _PATHS
)
