"""What Helicone's webhooks are sent: a request that was logged, with its bodies, signed.

As in Helicone's source (valhalla/jawn, lib/clients/webhookSender.ts): `helicone-signature` is the HMAC-SHA256
of the body with the webhook's key, in hexadecimal. Larger bodies are left out here too, but from 1 MiB on.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from heliscore.api.helicone.signed_bodies import make_signer
from heliscore.domain.destination import Delivery, Destination
from heliscore.domain.javascript_json import encode_as_javascript
from heliscore.outbound.messages import HttpMessage
from heliscore.store.connections.pool import Database
from heliscore.store.logged_exchanges import LoggedExchange, find_exchange
from heliscore.store.signing_secrets import RememberedSecret

MAX_BODY_BYTES: Final = 1024 * 1024
"""Of each of the two."""

TOO_LARGE: Final = "the body is too large for a webhook: read it at request_response_url, or in Heliscore"

_LARGE_BYTES: Final = 64 * 1024
"""From that size on, a message is made in a thread."""


class WebhookRenderer:
    """Makes the messages of webhooks."""

    def __init__(self, body_url_secret: RememberedSecret) -> None:
        self._body_url_secret = body_url_secret

    async def render(
        self, database: Database, destination: Destination, delivery: Delivery
    ) -> HttpMessage | None:
        """Make the message of a delivery; None where its request was removed. Raises Unavailable."""
        request_no = msgspec.json.decode(delivery.body)["requestNo"]
        async with database.connection() as connection:
            exchange = await find_exchange(
                connection, destination.organization_id, request_no, MAX_BODY_BYTES
            )
        if exchange is None:
            return None
        url = await self._sign(destination, exchange.request_id)
        size = len(exchange.request_body or "") + len(exchange.response_body or "")
        if size > _LARGE_BYTES:
            body = await asyncio.to_thread(make_body, exchange, destination.options, url)
        else:
            body = make_body(exchange, destination.options, url)
        return HttpMessage(make_headers(body, destination, delivery), body)

    async def _sign(self, destination: Destination, request_id: str) -> str | None:
        """The address of the bodies, where the service was reached when the webhook was made."""
        origin = destination.options.get("origin")
        if not origin:
            return None
        secret = await self._body_url_secret.find()
        return make_signer(secret, destination.organization_id, origin)(request_id)


def make_headers(body: bytes, destination: Destination, delivery: Delivery) -> dict[str, str]:
    key = (destination.secret or "").encode()
    return {
        "Content-Type": "application/json",
        "Helicone-Signature": hmac.digest(key, body, "sha256").hex(),
        "webhook-id": str(delivery.id),
    }


def make_body(exchange: LoggedExchange, options: Mapping[str, Any], url: str | None) -> bytes:
    """Make the body. `url` is where the bodies are read, if they can be."""
    sent: dict[str, Any] = {"request_id": exchange.request_id}
    if exchange.user_id is not None:
        sent["user_id"] = exchange.user_id
    sent["request_body"] = _read(exchange.request_body, is_too_large=exchange.request_is_too_large)
    sent["response_body"] = _read(exchange.response_body, is_too_large=exchange.response_is_too_large)
    if options.get("includeData", True):
        metadata = {
            "cost": exchange.cost_usd,
            "promptTokens": exchange.prompt_tokens,
            "completionTokens": exchange.completion_tokens,
            "totalTokens": exchange.total_tokens,
            "latencyMs": exchange.latency_ms,
        }
        more = {
            "request_response_url": url,
            "model": exchange.model,
            "provider": exchange.provider,
            "metadata": _known(metadata),
        }
        sent |= _known(more)
    return encode_as_javascript(sent)


def _known(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _read(body: str | None, *, is_too_large: bool) -> Any:
    if is_too_large:
        return TOO_LARGE
    return None if body is None else msgspec.json.decode(body)
