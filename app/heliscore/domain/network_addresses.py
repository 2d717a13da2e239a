"""Tells public addresses of the internet from those of machines and networks that a client must not reach."""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Final, TypeAlias

import msgspec

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

_MAX_PORT: Final = 65535

_SPECIAL: Final = tuple(
    ip_network(text)
    for text in (
        "100.64.0.0/10",  # shared by the customers of a provider
        "192.0.0.0/24",  # assignments of the IETF
        "192.88.99.0/24",  # relays of 6to4
        "224.0.0.0/4",  # multicast
        "3fff::/20",  # documentation
    )
)
"""Beyond those that Python's ipaddress calls private; which these are differs from version to version."""

_UNICAST: Final = IPv6Network("2000::/3")
"""All that is assigned to machines on the internet; loopback, local and multicast addresses are outside."""

_NAT64: Final = IPv6Network("64:ff9b::/96")


def is_public(address: Address) -> bool:
    """Whether an address is one of the internet, also the IPv4 address in an IPv6 one."""
    address = unwrapped(address)
    if isinstance(address, IPv6Address) and address not in _UNICAST:
        return False
    return address.is_global and not any(address in network for network in _SPECIAL)


def unwrapped(address: Address) -> Address:
    """The IPv4 address that packets to an IPv6 address reach in the end: mapped, 6to4, NAT64. Teredo's
    addresses are no public ones anyway."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


class AllowedHost(msgspec.Struct, frozen=True):
    """A host that may be called although its addresses are not public, and by plain HTTP."""

    host: str | Network
    port: int | None = None
    """None: any."""

    def covers(self, host: str, port: int, address: Address) -> bool:
        """Whether it is that host, by its name or by the address that the name has."""
        if self.port is not None and self.port != port:
            return False
        return self.host == host if isinstance(self.host, str) else unwrapped(address) in self.host


AllowedHosts = tuple[AllowedHost, ...]


def read_allowed_hosts(text: str) -> AllowedHosts:
    """Read `10.0.0.0/8, hooks.internal:8443, [::1]:9000`. Raises ValueError, which names the wrong entry."""
    return tuple(_read_allowed(entry.strip()) for entry in text.split(",") if entry.strip())


def _read_allowed(entry: str) -> AllowedHost:
    host, port = _split_port(entry)
    try:
        return AllowedHost(ip_network(host.strip("[]"), strict=False), port)
    except ValueError:
        pass
    name = plain_host(host)
    if not name or not name.isascii() or any(not (char.isalnum() or char in "-._") for char in name):
        raise ValueError(f"expected hosts, addresses and networks separated by commas, got {entry!r}")
    return AllowedHost(name, port)


def _split_port(entry: str) -> tuple[str, int | None]:
    host, colon, port = entry.rpartition(":")
    if not colon or (":" in host and not host.endswith("]")):  # an IPv6 address without a port
        return entry, None
    if not (port.isascii() and port.isdigit()) or not 0 < int(port) <= _MAX_PORT:
        raise ValueError(f"expected a port from 1 to {_MAX_PORT} in {entry!r}")
    return host, int(port)


def plain_host(host: str) -> str:
    """The name of a host in one spelling: `Example.org.` is `example.org`."""
    return host.lower().removesuffix(".")


def is_covered(allowed: AllowedHosts, host: str, port: int, addresses: Collection[str]) -> bool:
    """Whether a host is allowed at all of its addresses."""
    return all(
        any(entry.covers(plain_host(host), port, ip_address(address)) for entry in allowed)
        for address in addresses
    )
