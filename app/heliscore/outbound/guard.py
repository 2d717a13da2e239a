"""Decides which URLs may be called, and at which addresses: a client's URL must not lead into networks that
only this machine can reach."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from typing import Final

import httpx
import msgspec

from heliscore.domain.network_addresses import AllowedHosts, is_covered, is_public

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""Returns the addresses of a host, at least one. Raises OSError."""

MAX_URL_LENGTH: Final = 2048

_HTTPS: Final = 443
_PORTS: Final = range(1, 65536)
_FIRST_FREE_PORT: Final = 1024
"""Below it are services that speak another protocol than HTTP."""

_MAX_ADDRESSES: Final = 4

_HOST: Final = re.compile(rb"[\w:-]+(\.[\w:-]+)*\.?")
"""A name or an address: httpx writes what a host cannot hold with percent signs."""


class Forbidden(Exception):
    """The URL must not be called; `str()` says why, without the URL."""


class NotFound(Exception):
    """The host has no address now."""


class Target(msgspec.Struct, frozen=True):
    """A URL and the addresses at which it may be called."""

    url: httpx.URL
    addresses: list[str]

    @property
    def host(self) -> str:
        return self.url.raw_host.decode("ascii")


async def resolve(host: str, port: int) -> list[str]:
    """Ask the system for the addresses of a host."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class Guard:
    """Checks URLs. What `allowed` covers may have any address and port, and be called by plain HTTP."""

    def __init__(self, allowed: AllowedHosts, resolve: Resolve = resolve) -> None:
        self._allowed = allowed
        self._resolve = resolve

    async def find_target(self, text: str) -> Target:
        """Check a URL and the addresses that its host has now. Raises Forbidden and NotFound."""
        url = _read_url(text)
        host, port = url.raw_host.decode("ascii"), url.port or {"https": _HTTPS, "http": 80}[url.scheme]
        try:
            addresses = await self._resolve(host, port)
        except (OSError, UnicodeError):
            raise NotFound("the host's name leads to no address") from None
        if not is_covered(self._allowed, host, port, addresses):
            _check_public(url, port, addresses)
        return Target(url, addresses[:_MAX_ADDRESSES])


def _read_url(text: str) -> httpx.URL:
    try:
        url = httpx.URL(text) if len(text) <= MAX_URL_LENGTH and text.isprintable() else None
    except httpx.InvalidURL:
        url = None
    if url is None or url.scheme not in ("https", "http") or not _HOST.fullmatch(url.raw_host):
        raise Forbidden(f"expected an https:// URL of at most {MAX_URL_LENGTH} characters")
    if url.port is not None and url.port not in _PORTS:
        raise Forbidden("a URL's port is from 1 to 65535")
    if url.userinfo:
        raise Forbidden("a URL must not hold a user or a password")
    return url


def _check_public(url: httpx.URL, port: int, addresses: list[str]) -> None:
    # Every address: a name of which one is public and one is not would sometimes lead inside.
    if not all(is_public(ip_address(address)) for address in addresses):
        raise Forbidden(
            "the host has an address that is not public, and HELISCORE_OUTBOUND_ALLOW does not list it"
        )
    if url.scheme != "https":
        raise Forbidden(
            "expected https://: only hosts that HELISCORE_OUTBOUND_ALLOW lists are called by http://"
        )
    if port != _HTTPS and port < _FIRST_FREE_PORT:
        raise Forbidden(f"port {port} is for other protocols than HTTP")
