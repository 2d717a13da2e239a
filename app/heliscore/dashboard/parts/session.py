"""Who is looking: an API key, turned into a signed cookie when its holder signs in.

The cookie holds the key's number and is signed with the key's hash, which the database knows and no client
is told. So it is good in every process and after every restart without a secret of the service's own, it ends
with the key, at once, and nobody reads the key out of it. Whoever can read the table of keys could sign one:
a backup is as secret as what is in it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from typing import Final
from urllib.parse import urlsplit

import msgspec
from itsdangerous import BadData, URLSafeTimedSerializer
from starlette.requests import Request
from starlette.responses import Response

from heliscore.domain.errors import Forbidden
from heliscore.store import keys
from heliscore.store.connections.pool import Database
from heliscore.store.keys import SignedInKey

COOKIE: Final = "heliscore_session"
LIFETIME_S: Final = 12 * 3600

_NUMBER: Final = re.compile(r"[1-9]\d{0,9}", re.ASCII)
_MAX_NUMBER: Final = 2**31 - 1
_CONTROL_OR_BACKSLASH: Final = re.compile(r"[\x00-\x20\x7f\\]")


class Session(msgspec.Struct, frozen=True):
    """A person who is signed in."""

    holder: SignedInKey

    csrf_token: str
    """What a form of ours knows and another site's does not."""

    @property
    def may_write(self) -> bool:
        return self.holder.principal.may("w")


async def find_session(request: Request, database: Database) -> Session | None:
    """Return the session of the request's cookie; None where there is none, or it or its key is over."""
    number, _, token = request.cookies.get(COOKIE, "").partition(".")
    if not _NUMBER.fullmatch(number) or int(number) > _MAX_NUMBER:
        return None
    async with database.connection() as connection:
        holder = await keys.find_signed_in_key(connection, int(number))
    if holder is None:
        return None
    try:
        csrf_token = make_serializer(holder.key_hash).loads(token, max_age=LIFETIME_S)
    except BadData:
        return None
    return Session(holder, csrf_token)


def start_session(response: Response, request: Request, key_id: int, key_hash: bytes) -> None:
    """Give the browser a session of that key. It lasts 12 hours.

    SameSite=Lax lets a colleague follow a link into a view; a foreign site's form still comes without the
    cookie. Secure, where the browser itself says that it is on https: proxies are not asked.
    """
    token = make_serializer(key_hash).dumps(secrets.token_urlsafe(16))
    response.set_cookie(
        COOKIE,
        f"{key_id}.{token}",
        max_age=LIFETIME_S,
        path="/",
        secure=_is_https(request),
        httponly=True,
        samesite="lax",
    )


def end_session(response: Response, request: Request) -> None:
    """Have the browser forget its session."""
    response.delete_cookie(COOKIE, path="/", secure=_is_https(request), httponly=True, samesite="lax")


def make_serializer(key_hash: bytes) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(
        key_hash,
        salt="heliscore session",
        signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256},
    )


def _is_https(request: Request) -> bool:
    return request.url.scheme == "https" or request.headers.get("origin", "").startswith("https://")


def check_token(session: Session, token: str) -> None:
    """Raises Forbidden where a call that changes something does not come from a page of this session."""
    if not hmac.compare_digest(token.encode(), session.csrf_token.encode()):
        raise Forbidden("this page is out of date: load it again, then repeat what you did")


def check_site(request: Request) -> None:
    """Raises Forbidden where the browser says that a call that changes something comes from another site."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        foreign = site not in ("same-origin", "none")
    else:
        # Browsers keep Sec-Fetch-Site from plain http beyond this machine; Origin they always send.
        origin = request.headers.get("origin")
        foreign = origin is not None and urlsplit(origin).netloc != request.headers.get("host")
    if foreign:
        raise Forbidden("this call comes from another site")


def local_path(target: str) -> str:
    """The path to go on to after signing in, or `/` for what could lead to another site: browsers take `//`
    and `/\\` for the beginning of a host, and leave out control characters."""
    safe = target.startswith("/") and not target.startswith("//") and not _CONTROL_OR_BACKSLASH.search(target)
    return target if safe else "/"
