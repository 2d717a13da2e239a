"""Reads what a call asks of the gateway, in its `Helicone-*` headers."""

from __future__ import annotations

from typing import Final

import msgspec
from starlette.datastructures import Headers

from heliscore.api.http.field_errors import FieldErrors
from heliscore.api.shared.log_metadata import Metadata
from heliscore.domain.messages import find_name_error
from heliscore.domain.uuid7 import make_uuid7

_NOT_SERVED: Final = (
    "helicone-moderations-enabled",
    "helicone-llm-security-",
    "helicone-ratelimit-policy",
    "helicone-fallbacks",
    "helicone-cache-enabled",
    "helicone-cache-save",
    "helicone-cache-read",
)
"""A call that relies on one of these must not go on without it: they protect, or save money."""

_MAX_RETRIES: Final = 10
_MAX_PAUSE_MS: Final = 60_000
_MAX_FACTOR: Final = 10


class Retries(msgspec.Struct, frozen=True):
    """How often a call is repeated that the provider answers with 429 or 5xx, and the pauses before it."""

    count: int = 0
    factor: int = 2
    min_pause_ms: int = 1000
    max_pause_ms: int = 10_000

    def pause_s(self, attempt: int) -> float:
        """The pause after an attempt, the first of which is 0."""
        return min(self.min_pause_ms * float(self.factor) ** attempt, self.max_pause_ms) / 1000


class CallOptions(msgspec.Struct, frozen=True):
    """What is asked of the gateway."""

    request_id: str
    retries: Retries
    is_patient: bool
    wants_usage: bool
    """Whether the usage of a stream is asked for in the caller's place."""


def read_options(headers: Headers) -> CallOptions:
    """Raises InvalidInput with every error."""
    errors = FieldErrors()
    for name, value in headers.items():
        if name.startswith(_NOT_SERVED) and value.strip().lower() not in ("", "false"):
            errors.add(_shown(name), "not served here: the call was not forwarded")
    request_id = Metadata(headers, {}, errors).get("Helicone-Request-Id")
    if request_id is not None and (error := find_name_error(request_id)):
        errors.add("Helicone-Request-Id", error)
    retries = _read_retries(headers, errors)
    errors.raise_any()
    return CallOptions(
        request_id or str(make_uuid7()),
        retries,
        _is_on(headers, "helicone-increase-timeout"),
        _is_on(headers, "helicone-stream-usage"),
    )


def _is_on(headers: Headers, name: str) -> bool:
    return headers.get(name, "").strip().lower() == "true"


def _read_retries(headers: Headers, errors: FieldErrors) -> Retries:
    if not _is_on(headers, "helicone-retry-enabled"):
        return Retries()

    def read(name: str, default: int, most: int) -> int:
        sent = headers.get(name, "").strip() or str(default)
        if not (sent.isascii() and sent.isdigit()) or len(sent) > 9 or int(sent) > most:
            errors.add(_shown(name), f"expected a whole number up to {most}")
            return default
        return int(sent)

    return Retries(
        read("helicone-retry-num", 5, _MAX_RETRIES),
        read("helicone-retry-factor", 2, _MAX_FACTOR),
        read("helicone-retry-min-timeout", 1000, _MAX_PAUSE_MS),
        read("helicone-retry-max-timeout", 10_000, _MAX_PAUSE_MS),
    )


def _shown(name: str) -> str:
    return "-".join(word.capitalize() for word in name.split("-"))
