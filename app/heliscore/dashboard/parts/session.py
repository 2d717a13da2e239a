"""Sessions: a signed cookie in place of the API key with which a person signed in.

The cookie holds the key's number and the session's id. It is signed with a secret of the database, so it is
valid in every process and after a restart, and for the key's hash: after an older backup was restored, the
number may become another key's. The session ends at once, in every process, when the person signs out, the
key is revoked or the secret is rotated (`heliscore keys rotate-secret session`).

A second cookie holds the name of the person, who is the author of scores given by hand. It is not signed:
a key that may write may name any author.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from datetime import datetime
from typing import Final
from urllib.parse import quote, unquote, urlsplit

import msgspec
from itsdangerous import BadData, TimestampSigner
from starlette.requests import Request
from starlette.responses import Response

from heliscore.domain.author import Author, read_author
from heliscore.domain.errors import FieldError, Forbidden, InvalidInput
from heliscore.store import sessions
from heliscore.store.connections.pool import Database
from heliscore.store.sessions import SignedInKey

COOKIE: Final = "heliscore_session"
REVIEWER_COOKIE: Final = "heliscore_reviewer"
LIFETIME_S: Final = 12 * 3600

_COOKIE: Final = re.compile(r"([1-9]\d{0,9})\.(([\w-]{22})\.[\w-]+\.[\w-]+)", re.ASCII)
"""The key's number; what is signed: the session's id, the time, the signature."""

_MAX_NUMBER: Final = 2**31 - 1
_CONTROL_OR_BACKSLASH: Final = re.compile(r"[\x00-\x20\x7f\\]")


class Session(msgspec.Struct, frozen=True):
    """A person who is signed in."""

    holder: SignedInKey

    csrf_token: str
    """Known to our forms and not to another site's. It is the session's id too."""

    reviewer: Author | None = None
    """Who the person says that they are."""

    @property
    def author(self) -> Author:
        """The author of scores given by hand: the person, or else the key's author."""
        return self.reviewer or self.holder.principal.author

    @property
    def may_write(self) -> bool:
        return self.holder.principal.may("w")

    @property
    def queue_id(self) -> str | None:
        """The queue that is all that the person may review; None for others."""
        return self.holder.queue_id


async def find_session(request: Request, database: Database) -> Session | None:
    """Return the session of the request's cookie; None if there is none, or it or its key has expired."""
    cookie = _COOKIE.fullmatch(request.cookies.get(COOKIE, ""))
    if cookie is None or int(cookie[1]) > _MAX_NUMBER:
        return None
    async with database.connection() as connection:
        holder = await sessions.find_signed_in_key(connection, int(cookie[1]), cookie[3])
    if holder is None:
        return None
    try:
        csrf_token = make_signer(holder.secret, holder.key_hash).unsign(cookie[2], max_age=LIFETIME_S)
    except BadData:
        return None
    return Session(holder, csrf_token.decode(), find_reviewer(request))


async def find_end(request: Request, database: Database) -> str | None:
    """Say why the session of the request's cookie has ended; None where there was none. A key is named only
    to a browser with a cookie that was signed for it."""
    cookie = _COOKIE.fullmatch(request.cookies.get(COOKIE, ""))
    if cookie is None or int(cookie[1]) > _MAX_NUMBER:
        return None
    async with database.connection() as connection:
        key = await sessions.find_past_key(connection, int(cookie[1]))
    if key is None or not make_signer(key.secret, key.key_hash).validate(cookie[2]):
        return "Your session has ended."
    name = f"{key.name} {key.hint}".strip()
    if key.revoked_at is not None:
        return f"You are signed out: the API key {name} was revoked on {_say(key.revoked_at)}."
    if key.expired_at is not None:
        return f"You are signed out: the API key {name} expired on {_say(key.expired_at)}."
    return "Your session has ended. It lasts 12 hours at most."


def _say(time: datetime) -> str:
    return f"{time:%d %b %Y} at {time:%H:%M} UTC"


def start_session(response: Response, request: Request, key_id: int, signer: TimestampSigner) -> None:
    """Set the cookie of a session of that key. It lasts 12 hours.

    SameSite=Lax lets people follow links into the dashboard; another site's form is still sent without the
    cookie. Secure is set if the browser says that it uses https: headers of proxies are not trusted.
    """
    _set_cookie(response, request, COOKIE, f"{key_id}.{signer.sign(secrets.token_urlsafe(16)).decode()}")


async def end_session(response: Response, request: Request, session: Session, database: Database) -> None:
    """Remove the cookies, and make copies of the session's invalid."""
    async with database.connection() as connection:
        await sessions.end_session(connection, session.csrf_token, LIFETIME_S)
    _delete_cookie(response, request, COOKIE)
    set_reviewer(response, request, None)


def find_reviewer(request: Request) -> Author | None:
    """The person of the request's cookie; None if there is none, or it holds no name."""
    cookie = request.cookies.get(REVIEWER_COOKIE)
    author = None if cookie is None else read_author(f"human:{unquote(cookie)}")
    return author if isinstance(author, Author) else None


def read_reviewer(name: str) -> Author | None:
    """Read the name that a person entered; None for an empty one. Raises InvalidInput."""
    if not name.strip():
        return None
    author = read_author(f"human:{name}")
    if isinstance(author, str):
        raise InvalidInput([FieldError("name", author)])
    return author


def set_reviewer(response: Response, request: Request, reviewer: Author | None) -> None:
    """Set the cookie of a person, for as long as a session may last, or with None remove it."""
    if reviewer is not None:
        _set_cookie(response, request, REVIEWER_COOKIE, quote(reviewer.name, safe=""))
    elif REVIEWER_COOKIE in request.cookies:
        _delete_cookie(response, request, REVIEWER_COOKIE)


def _set_cookie(response: Response, request: Request, name: str, value: str) -> None:
    response.set_cookie(
        name,
        value,
        max_age=LIFETIME_S,
        path="/",
        secure=_is_https(request),
        httponly=True,
        samesite="lax",
    )


def _delete_cookie(response: Response, request: Request, name: str) -> None:
    response.delete_cookie(name, path="/", secure=_is_https(request), httponly=True, samesite="lax")


def make_signer(secret: bytes, key_hash: bytes) -> TimestampSigner:
    """The signer of a key's sessions."""
    return TimestampSigner(
        secret,
        salt=b"heliscore session" + key_hash,
        key_derivation="hmac",
        digest_method=hashlib.sha256,
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


def work_path(queue_id: str) -> str:
    """The page where a person begins to review a queue."""
    return f"/queues/{queue_id}/work"


def local_path(target: str) -> str:
    """Return the path to open after signing in, or `/` if it could lead to another site: browsers treat `//`
    and `/\\` as the beginning of a host, and drop control characters."""
    safe = target.startswith("/") and not target.startswith("//") and not _CONTROL_OR_BACKSLASH.search(target)
    return target if safe else "/"
