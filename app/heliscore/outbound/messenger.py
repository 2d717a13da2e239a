"""Sends messages to addresses, each by its way."""

from __future__ import annotations

import asyncio
from typing import Final

from heliscore.outbound.guard import Forbidden, Guard, NotFound
from heliscore.outbound.http_client import Answer, HttpClient
from heliscore.outbound.messages import HttpMessage, Message
from heliscore.outbound.smtp import Mailer
from heliscore.settings import Settings

_LOOK_UP_TIMEOUT_S: Final = 3
"""A caller waits for it."""

_NO_MAIL: Final = Answer(error="HELISCORE_SMTP_URL is not set: no e-mail can be sent")


class Messenger:
    """The one way to call out."""

    def __init__(self, guard: Guard, http: HttpClient, mailer: Mailer | None) -> None:
        self._guard = guard
        self._http = http
        self._mailer = mailer

    @property
    def sends_mail(self) -> bool:
        """Whether there is a mail server."""
        return self._mailer is not None

    async def find_error(self, url: str) -> str | None:
        """Return why a URL must not be called, as far as that can be seen now; None: it may. A name may lead
        to no address yet."""
        try:
            async with asyncio.timeout(_LOOK_UP_TIMEOUT_S):
                await self._guard.find_target(url)
        except Forbidden as error:
            return str(error)
        except (NotFound, TimeoutError):
            pass
        return None

    async def send(self, address: str, message: Message) -> Answer:
        """Send a message. Every failure is an Answer too."""
        if isinstance(message, HttpMessage):
            return await self._http.post(address, message.headers, message.body)
        return _NO_MAIL if self._mailer is None else await self._mailer.send(address, message)

    async def close(self) -> None:
        await self._http.close()


def open_messenger(settings: Settings) -> Messenger:
    """Make the messenger that the settings describe."""
    guard = Guard(settings.outbound_allowed)
    server = settings.mail_server
    return Messenger(guard, HttpClient(guard), None if server is None else Mailer(server))
