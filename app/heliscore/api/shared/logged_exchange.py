"""Reads a logged call of a model's API, for all dialects: model, tokens, cost, and the whole response.

A stream is stored as the whole response that it carried, in the provider's shape without streaming, so that
searches, counts and pages treat it as any other.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from heliscore.api.shared.logged_bodies import storable, storable_json, string_or_none
from heliscore.providers.exchange import read_models, read_usage
from heliscore.providers.stream_assembly import assemble
from heliscore.providers.usage import amount

_EXTREME_NUMBER: Final = re.compile(r"[eE][+-]?\d{4}|\d{10000}")
"""Perhaps a number with more digits than PostgreSQL's JSON can hold."""


class Response(msgspec.Struct, frozen=True):
    """A logged response: decoded, and as the JSON that is stored."""

    value: Any
    stored: str | None


def read_response(sent: msgspec.Raw, text: str | None = None) -> Response:
    """Read a response that was sent as JSON, or as a string, which counts if it is not empty.

    A string is stored as JSON if it is JSON, otherwise as a string.
    """
    value = text if text else msgspec.json.decode(sent)
    if (assembled := assemble(value)) is not None:
        return Response(assembled.body, storable_json(msgspec.Raw(msgspec.json.encode(assembled.body))))
    if not text:
        return Response(value, storable_json(sent))
    try:
        if not _EXTREME_NUMBER.search(text):
            raw = msgspec.json.decode(text, type=msgspec.Raw)
            return Response(msgspec.json.decode(text), storable_json(raw))
    except (msgspec.DecodeError, RecursionError):
        pass
    return Response(text, msgspec.json.encode(storable(text)).decode())


def exchange_columns(
    request: object, response: Any, url: str | None = None, cost_usd: float | None = None
) -> dict[str, Any]:
    """The columns of models, tokens, cost and the response's id. `cost_usd`, which the logger said, counts
    before what the provider said if it is more than zero: loggers send that for what they do not know."""
    asked, answered = read_models(request, response, url)
    named = request.get("model") if isinstance(request, dict) else None  # an empty name is a name, too
    usage = msgspec.structs.asdict(read_usage(response, request))
    if amount(cost_usd) or usage["cost_usd"] is None:
        usage["cost_usd"] = cost_usd
    return {
        **usage,
        "request_model": string_or_none(asked or named),
        "response_model": string_or_none(answered),
        "response_id": _find_id(response),
    }


def _find_id(response: Any) -> str | None:
    if not isinstance(response, dict):
        return None
    return string_or_none(response.get("id")) or string_or_none(response.get("responseId"))
