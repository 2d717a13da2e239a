"""A mail server on this machine, which keeps what it got."""

from __future__ import annotations

import asyncio
import base64
import email.policy
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import EmailMessage

from tests.outbound.receiver import CERTIFICATE


class MailReceiver:
    """An SMTP server: STARTTLS and a password where a test wants them."""

    def __init__(self, *, starttls: bool = False, password: str | None = None) -> None:
        self.mails: list[tuple[str, str, EmailMessage]] = []
        """Sender and reader of the envelope, and the e-mail."""

        self.refuse: str | None = None
        """An address that is not taken."""

        self.secured = 0
        self.port = 0
        self._starttls = starttls
        self._password = password

    def _secure(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
        return context

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sender = to = ""
        writer.write(b"220 mail.test\r\n")
        while line := (await reader.readline()).decode().rstrip():
            verb, _, rest = line.partition(" ")
            answer = b"250 OK\r\n"
            match verb.upper():
                case "EHLO":
                    offers = ["STARTTLS"] if self._starttls and not self.secured else []
                    offers += ["AUTH PLAIN"] if self._password else []
                    lines = ["mail.test", *offers]
                    answer = b"".join(f"250-{offer}\r\n".encode() for offer in lines) + b"250 OK\r\n"
                case "STARTTLS":
                    writer.write(b"220 go\r\n")
                    await writer.drain()
                    await writer.start_tls(self._secure())
                    self.secured += 1
                    continue
                case "AUTH":
                    given = base64.b64decode(rest.removeprefix("PLAIN ")).decode().split("\0")[-1]
                    answer = b"235 OK\r\n" if given == self._password else b"535 no\r\n"
                case "MAIL":
                    sender = rest[6:].partition(">")[0]
                case "RCPT":
                    to = rest[4:].partition(">")[0]
                    answer = b"550 unknown\r\n" if to == self.refuse else answer
                case "DATA":
                    writer.write(b"354 go\r\n")
                    text = (await reader.readuntil(b"\r\n.\r\n")).removesuffix(b".\r\n")
                    mail = email.message_from_bytes(text, policy=email.policy.SMTP)
                    assert isinstance(mail, EmailMessage)
                    self.mails.append((sender, to, mail))
                case "QUIT":
                    break
            writer.write(answer)
        writer.close()

    @asynccontextmanager
    async def listening(self, *, tls: bool = False) -> AsyncIterator[MailReceiver]:
        server = await asyncio.start_server(self._handle, "127.0.0.1", 0, ssl=self._secure() if tls else None)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
