"""Hands e-mail to the operator's mail server (`HELISCORE_SMTP_URL`): the operator chose it, so it may be
anywhere, and nothing is checked of its address."""

from __future__ import annotations

import asyncio
import os
import smtplib
import ssl
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as POLICY
from email.utils import format_datetime
from typing import Final

import msgspec

from heliscore.domain.mail_server import MailServer
from heliscore.domain.messages import on_one_line
from heliscore.domain.times import exactly_now
from heliscore.outbound.http_client import Answer

TIMEOUT_S: Final = 10.0
"""For each step that waits for the server; all of them together may take twice as long."""

_MAX_SUBJECT_LENGTH: Final = 200

_TOO_SLOW: Final = "the mail server did not answer in time"


class Mail(msgspec.Struct, frozen=True, kw_only=True):
    """A plain text for one reader."""

    id: str
    """The same however often it is sent: mail programs show it once."""

    subject: str
    text: str


class Mailer:
    """Sends e-mail through one server."""

    def __init__(
        self, server: MailServer, *, trusted: ssl.SSLContext | None = None, timeout_s: float = TIMEOUT_S
    ) -> None:
        self._server = server
        self._trusted = trusted
        self._timeout_s = timeout_s

    async def send(self, to: str, mail: Mail) -> Answer:
        """Hand over an e-mail. Every failure is an Answer too."""
        message = make_message(self._server.sender, to, mail)
        try:
            async with asyncio.timeout(2 * self._timeout_s):
                await asyncio.to_thread(self._send, to, message)
        except TimeoutError:
            return Answer(error=_TOO_SLOW)
        except (smtplib.SMTPException, OSError) as error:
            return Answer(error=_explain(error))
        return Answer()

    def _send(self, to: str, message: EmailMessage) -> None:
        with self._connect() as smtp:
            if self._server.user is not None:
                smtp.login(self._server.user, self._server.password or "")
            smtp.send_message(message, self._server.sender, [to])

    def _connect(self) -> smtplib.SMTP:
        server, trusted = self._server, self._trusted or ssl.create_default_context()
        if server.tls == "from the start":
            return smtplib.SMTP_SSL(server.host, server.port, timeout=self._timeout_s, context=trusted)
        smtp = smtplib.SMTP(server.host, server.port, timeout=self._timeout_s)
        try:
            smtp.ehlo()
            if smtp.has_extn("starttls"):
                smtp.starttls(context=trusted)
                smtp.ehlo()
            elif server.tls == "required" or server.exposes_password:
                raise smtplib.SMTPNotSupportedError("STARTTLS")
        except BaseException:
            smtp.close()
            raise
        return smtp


def make_message(sender: str, to: str, mail: Mail) -> EmailMessage:
    """Compose an e-mail. No value can begin a header: line ends in a subject are blanks."""
    message = EmailMessage(policy=POLICY)
    message["From"] = Address("Heliscore", addr_spec=sender)
    message["To"] = Address(addr_spec=to)
    message["Subject"] = _make_subject(mail.subject)
    message["Date"] = format_datetime(exactly_now())
    message["Message-ID"] = f"<{mail.id}@{sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.text)
    return message


def _make_subject(text: str) -> str:
    return " ".join(on_one_line(text).split())[:_MAX_SUBJECT_LENGTH]


def _explain(error: Exception) -> str:
    match error:
        case smtplib.SMTPServerDisconnected(__context__=TimeoutError()):
            return _TOO_SLOW
        case smtplib.SMTPAuthenticationError():
            return "the mail server does not take the user and the password of HELISCORE_SMTP_URL"
        case smtplib.SMTPNotSupportedError():
            return "the mail server has no STARTTLS, without which neither e-mail nor password is sent"
        case smtplib.SMTPRecipientsRefused(recipients=dict() as recipients) if recipients:
            return f"the mail server does not take the address: {next(iter(recipients.values()))[0]}"
        case smtplib.SMTPResponseException(smtp_code=code):
            return f"the mail server answered {code}"
        case ssl.SSLCertVerificationError(verify_message=reason):
            return f"the mail server's certificate is not valid: {reason}"
        case ssl.SSLError():
            return "no TLS connection to the mail server could be made"
        case smtplib.SMTPException():
            return "the mail server broke off"
        case OSError(errno=int() as number) if number > 0:
            return f"no connection to the mail server: {os.strerror(number)}"
        case _:
            return "no connection to the mail server could be made"
