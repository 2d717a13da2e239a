"""Reads the gateway's settings: the origins of providers to which calls are forwarded, and their keys."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

_PORTS: Final = {"https": 443, "http": 80}
_HOST: Final = re.compile(r"[a-z0-9_:-]+(\.[a-z0-9_-]+)*", re.ASCII)
_KEY: Final = re.compile(r"[!-~]+")
_NO_ORIGIN: Final = "expected a URL such as https://api.openai.com"


def read_origin(url: str) -> str:
    """The origin of an `https://` or `http://` URL in one spelling: lower case, no default port. Raises
    ValueError, which does not repeat the URL: it may hold a key."""
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError(_NO_ORIGIN) from None
    if parts.scheme not in _PORTS or not _HOST.fullmatch(host) or parts.username is not None:
        raise ValueError(_NO_ORIGIN)
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" + ("" if port in (None, _PORTS[parts.scheme]) else f":{port}")


def read_origins(text: str) -> tuple[str, ...]:
    """Read `https://api.openai.com, http://127.0.0.1:11434`. Raises ValueError."""
    return tuple(dict.fromkeys(read_origin(entry) for entry in text.split(",") if entry.strip()))


def read_provider_keys(text: str) -> Mapping[str, str]:
    """Read `https://api.openai.com=sk-…, https://api.anthropic.com=sk-ant-…`: a key for each origin. Raises
    ValueError, which repeats nothing of it."""
    keys = {}
    for entry in text.split(","):
        if entry.strip():
            url, _, key = entry.strip().partition("=")
            if not _KEY.fullmatch(key):
                raise ValueError("expected entries such as https://api.openai.com=<key>, separated by commas")
            keys[read_origin(url)] = key
    return keys
