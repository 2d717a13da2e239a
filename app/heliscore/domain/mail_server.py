"""The mail server that e-mail is sent by, as a URL says it."""

from __future__ import annotations

import re
from typing import Final, Literal
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec

EXPECTED: Final = "expected smtp://user:password@host:port?from=address, or smtps://…"

_ATOM: Final = r"[!#-'*+\-/0-9=?A-Z^_`a-z{|}~]+"
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS: Final = re.compile(rf"{_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})*")
_MAX_ADDRESS_LENGTH: Final = 254
_THIS_MACHINE: Final = ("localhost", "127.0.0.1", "::1")
_PORTS: Final = {"smtp": 587, "smtps": 465}

Tls = Literal["offered", "required", "from the start"]


class MailServer(msgspec.Struct, frozen=True, kw_only=True):
    """Where e-mail is handed over, and as whom."""

    host: str
    port: int
    sender: str
    user: str | None = None
    password: str | None = None
    tls: Tls = "offered"
    """`offered`: STARTTLS where the server has it."""

    @property
    def exposes_password(self) -> bool:
        """Whether others could read a password that is sent without TLS."""
        return self.password is not None and self.host not in _THIS_MACHINE


def read_mail_server(url: str) -> MailServer:
    """Read the URL. Raises ValueError, whose message repeats nothing of it: it holds a password."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS[parts.scheme]
        query = parse_qs(parts.query, strict_parsing=bool(parts.query))
        [sender] = query.pop("from")
        [starttls] = query.pop("starttls", ["offered"])
    except (KeyError, ValueError):
        raise ValueError(EXPECTED) from None
    if not parts.hostname or query or parts.path not in ("", "/") or not is_mail_address(sender):
        raise ValueError(EXPECTED)
    if starttls not in ("offered", "required"):
        raise ValueError("expected starttls=required, or nothing of the kind")
    return MailServer(
        host=parts.hostname,
        port=port,
        sender=sender,
        user=None if parts.username is None else unquote(parts.username),
        password=None if parts.password is None else unquote(parts.password),
        tls="from the start"
        if parts.scheme == "smtps"
        else "required"
        if starttls == "required"
        else "offered",
    )


def is_mail_address(text: str) -> bool:
    """Whether it is one e-mail address, in ASCII and without a name before it."""
    return len(text) <= _MAX_ADDRESS_LENGTH and _ADDRESS.fullmatch(text) is not None
