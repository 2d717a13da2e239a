"""Tells the two keys of a call apart: ours, and the provider's, which is passed on and kept nowhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec
from starlette.datastructures import Headers

from heliscore.api.http.auth import bearer_keys, choose_key
from heliscore.domain.api_key import PREFIX
from heliscore.domain.errors import Unauthenticated

KEY_HEADERS: Final = ("authorization", "x-api-key", "api-key")
"""In which providers take keys."""

_NEEDED: Final = "an API key is needed: Helicone-Auth: Bearer <key>"


class CallerKeys(msgspec.Struct, frozen=True):
    """The keys of a call."""

    ours: str
    providers: Mapping[str, str]
    """By header, as it is sent on; empty where the caller has none."""


def read_keys(headers: Headers) -> CallerKeys:
    """Read the keys. Ours is in `Helicone-Auth`, or else in `Authorization`, alone or beside the provider's,
    or else in `X-API-KEY`. Raises Unauthenticated."""
    sent = {name: value for name in KEY_HEADERS if (value := headers.get(name, "").strip())}
    own = headers.get("helicone-auth", "").strip()
    if own:
        return _with_own(own, sent)
    if "authorization" not in sent:
        if "x-api-key" not in sent:
            raise Unauthenticated(_NEEDED)
        return _without(sent.pop("x-api-key"), sent)
    keys = bearer_keys(sent.pop("authorization"))
    ours = choose_key(keys)
    others = [key for key in keys if key != ours]
    if len(others) > 1:
        raise Unauthenticated("expected at most two keys in Authorization: the provider's and ours")
    if others:
        sent["authorization"] = f"Bearer {others[0]}"
    return _without(ours, sent)


def _with_own(own: str, sent: dict[str, str]) -> CallerKeys:
    keys = bearer_keys(own)
    if len(keys) > 1 or ("authorization" in sent and _has_two(sent["authorization"])):
        raise Unauthenticated("expected our key once: in Helicone-Auth, or beside the provider's key")
    return _without(keys[0], sent)


def _has_two(authorization: str) -> bool:
    try:
        return len(bearer_keys(authorization)) > 1
    except Unauthenticated:
        return False  # a provider may have another scheme


def _without(ours: str, sent: Mapping[str, str]) -> CallerKeys:
    """Our key, and any that looks like one, is sent to nobody."""
    others = {name: value for name, value in sent.items() if ours not in value and PREFIX not in value}
    return CallerKeys(ours, others)


def server_key_header(provider: str, key: str) -> dict[str, str]:
    """The header in which a provider takes a key of ours."""
    return {"x-api-key": key} if provider == "ANTHROPIC" else {"authorization": f"Bearer {key}"}
