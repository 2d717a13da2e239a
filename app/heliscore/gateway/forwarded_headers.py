"""Chooses the headers that are passed on, of a call to its provider and of the answer to the caller."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from heliscore.gateway.caller_keys import KEY_HEADERS
from heliscore.outbound.provider_client import Headers

_OF_A_CONNECTION: Final = frozenset(
    (
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    )
)

_NOT_SENT: Final = _OF_A_CONNECTION | {
    *(name.encode() for name in KEY_HEADERS),
    b"host",
    b"content-length",
    b"accept-encoding",  # replaced
    b"content-encoding",  # the body was read
    b"cookie",  # the dashboard's
    b"expect",
}
_OURS: Final = (b"helicone-", b"heliscore-")

_NOT_ANSWERED: Final = _OF_A_CONNECTION | {
    # They speak for the provider's host, not for ours.
    b"alt-svc",
    b"date",
    b"set-cookie",
    b"strict-transport-security",
}


def request_headers(sent: Headers, keys: Mapping[str, str]) -> Headers:
    """The headers for the provider: the caller's, and the provider's key."""
    named = _named_in_connection(sent)
    passed = [
        (name, value)
        for name, value in sent
        if name not in _NOT_SENT and name not in named and not name.startswith(_OURS)
    ]
    return passed + [(name.encode(), value.encode("latin-1")) for name, value in keys.items()]


def answer_headers(sent: Headers, added: Mapping[str, str]) -> Headers:
    """The headers for the caller: the provider's, and ours."""
    named = _named_in_connection(sent)
    passed = [
        (name, value)
        for name, value in sent
        if name not in _NOT_ANSWERED and name not in named and not name.startswith(_OURS)
    ]
    return passed + [(name.lower().encode(), value.encode("latin-1")) for name, value in added.items()]


def _named_in_connection(headers: Headers) -> set[bytes]:
    """The headers that are for the next hop alone."""
    return set(_tokens(value for name, value in headers if name == b"connection"))


def _tokens(values: Iterable[bytes]) -> Iterable[bytes]:
    for value in values:
        yield from (token.strip().lower() for token in value.split(b","))
