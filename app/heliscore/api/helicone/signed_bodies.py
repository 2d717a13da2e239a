"""Signs and checks the addresses of a request's bodies, which are read there without a key.

An address is valid for one to two hours, and is the same for a whole hour. The signature covers organization,
request and expiry. A page has up to a thousand addresses, and an HMAC costs several times a keyed BLAKE2,
which is a MAC too (RFC 7693). So HMAC makes a key for one organization and hour, by which BLAKE2 signs.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Final
from urllib.parse import quote

from starlette.requests import Request

from heliscore.domain.errors import NotFound

PATH: Final = "/v1/signed-body/{token}/{requestId}"

_HOUR_S: Final = 3600
_TOKEN: Final = re.compile(r"(\d{1,10})\.(\d{1,12})\.([0-9a-f]{32})", re.ASCII)
_SIGNATURE_BYTES: Final = 16
_PLAIN: Final = re.compile(r"[\w-]+", re.ASCII)
_HOST: Final = re.compile(r"[\w.:\[\]-]+", re.ASCII)

Sign = Callable[[str], str]
"""Takes the id of a request of one organization, returns the address of its bodies."""


def make_signer(secret: bytes, organization_id: int, origin: str) -> Sign:
    """Sign for an organization; `origin` is where this service is reached."""
    expiry = (int(time.time()) // _HOUR_S + 2) * _HOUR_S
    mac = _make_mac(secret, organization_id, expiry)
    begin = f"{origin}{PATH.partition('{')[0]}{organization_id}.{expiry}."

    def sign(request_id: str) -> str:
        quoted = request_id if _PLAIN.fullmatch(request_id) else quote(request_id, "")
        return f"{begin}{_sign(mac, request_id)}/{quoted}"

    return sign


def check_token(secret: bytes, token: str, request_id: str) -> int:
    """Return the organization whose request an address is for. Raises NotFound, whatever is wrong."""
    parts = _TOKEN.fullmatch(token)
    organization_id, expiry, signature = (int(parts[1]), int(parts[2]), parts[3]) if parts else (0, 0, "")
    expected = _sign(_make_mac(secret, organization_id, expiry), request_id)
    if not hmac.compare_digest(signature, expected) or expiry <= time.time():
        raise no_bodies()
    return organization_id


def no_bodies() -> NotFound:
    return NotFound("there is nothing at this address, or no longer")


def origin_of(request: Request) -> str:
    """The address of this service as the caller reached it: `https` is what a proxy says, for only the caller
    sees the answer."""
    scheme = request.headers.get("x-forwarded-proto", "").partition(",")[0].strip().lower()
    if scheme not in ("http", "https"):
        scheme = request.scope["scheme"]
    host = request.headers.get("host", "")
    if not _HOST.fullmatch(host):
        name, port = request.scope["server"]
        host = f"[{name}]:{port}" if ":" in name else f"{name}:{port}"
    return f"{scheme}://{host}"


@lru_cache(maxsize=256)
def _make_mac(secret: bytes, organization_id: int, expiry: int) -> hashlib.blake2b:
    key = hmac.digest(secret, b"%d.%d" % (organization_id, expiry), "sha256")
    return hashlib.blake2b(key=key, digest_size=_SIGNATURE_BYTES)


def _sign(mac: hashlib.blake2b, request_id: str) -> str:
    mac = mac.copy()  # the key is mixed in: that takes a third of a signature
    mac.update(request_id.encode())
    return mac.hexdigest()
