"""Sessions: a signed cookie in place of the API key with which a person signed in.

The cookie holds the key's number and is signed with the key's hash, which no client is given. So it is valid
in every process and after a restart without another secret, ends at once when the key is revoked, and does
not reveal the key. Read access to the table of keys is enough to forge a cookie: protect backups accordingly.
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
    """Known to our forms and not to another site's."""

    @property
    def may_write(self) -> bool:
        return self.holder.principal.may("w")


async def find_session(request: Request, database: Database) -> Session | None:
    """Return the session of the request's cookie; None if there is none, or it or its key has expired."""
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
    """Set the cookie of a session of that key. It lasts 12 hours.

    SameSite=Lax lets people follow links into the dashboard; another site's form is still sent without the
    cookie. Secure is set if the browser says that it uses https: headers of proxies are not trusted.
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
    """Remove the cookie."""
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
    """Check that a call that changes something comes from a page of this session. Raises Forbidden."""
    if not hmac.compare_digest(token.encode(), session.csrf_token.encode()):
        raise Forbidden("this page is out of date: reload it and try again")


def check_site(request: Request) -> None:
    """Check that a call that changes something does not come from another site. Raises Forbidden."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        foreign = site not in ("same-origin", "none")
    else:
        # Over plain http to another machine browsers send no Sec-Fetch-Site, but always Origin.
        origin = request.headers.get("origin")
        foreign = origin is not None and urlsplit(origin).netloc != request.headers.get("host")
    if foreign:
        raise Forbidden("this call comes from another site")


def local_path(target: str) -> str:
    """Return the path to open after signing in, or `/` if it could lead to another site: browsers treat `//`
    and `/\\` as the beginning of a host, and drop control characters."""
    safe = target.startswith("/") and not target.startswith("//") and not _CONTROL_OR_BACKSLASH.search(target)
    return target if safe else "/"
