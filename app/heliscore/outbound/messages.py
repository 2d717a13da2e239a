"""Makes of a delivery the message that is sent: a signed webhook, a message for Slack, or an e-mail."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from standardwebhooks import Webhook

from heliscore.domain.destination import Delivery, Destination, DestinationKind
from heliscore.outbound.alert_text import describe
from heliscore.outbound.smtp import Mail

_JSON: Final = {"Content-Type": "application/json"}

_MAX_SLACK_TEXT: Final = 2900
"""Slack refuses a section of more than 3,000 characters."""

_SLACK_ESCAPES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


class HttpMessage(msgspec.Struct, frozen=True):
    """A body to post, and its headers."""

    headers: Mapping[str, str]
    body: bytes


Message = HttpMessage | Mail


def make_webhook(destination: Destination, delivery: Delivery) -> HttpMessage:
    """Sign a body as the Standard Webhooks specification says, with each secret that is valid."""
    id_, now = str(delivery.id), datetime.now(UTC)
    signatures = (Webhook(secret).sign(id_, now, delivery.body) for secret in destination.secrets)
    headers = {
        "webhook-id": id_,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
    return HttpMessage(_JSON | headers, delivery.body.encode())


def make_slack_message(destination: Destination, delivery: Delivery) -> HttpMessage:
    """Lay an alert or a digest out for Slack's incoming webhooks."""
    text = describe(destination, delivery)
    title, sentence = _escaped(text.title), _escaped(text.sentence)
    facts = [f"*{_escaped(name)}:* {_escaped(fact)}" for name, fact in text.facts]
    if text.link is not None:
        facts.append(f"<{_escaped(text.link).replace('|', '%7C')}|Open>")
    blocks: list[dict[str, Any]] = [_section(f"*{title}*\n{sentence}".rstrip())]
    blocks += map(_section, _split(_escaped(text.body)))
    if facts:
        elements = [{"type": "mrkdwn", "text": fact[:_MAX_SLACK_TEXT]} for fact in facts]
        blocks.append({"type": "context", "elements": elements})
    fallback = f"{title}: {sentence}" if sentence else title
    body = {"text": fallback[:_MAX_SLACK_TEXT], "blocks": blocks}
    return HttpMessage(_JSON, msgspec.json.encode(body))


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text[:_MAX_SLACK_TEXT]}}


def _split(text: str) -> list[str]:
    """Parts that fit into a section each, in whole lines; a longer line is cut there."""
    parts: list[str] = []
    for line in text.splitlines():
        if parts and len(parts[-1]) + 1 + len(line) <= _MAX_SLACK_TEXT:
            parts[-1] += f"\n{line}"
        else:
            parts.append(line)
    return [part for part in parts if part.strip()]


def _escaped(text: str) -> str:
    return text.translate(_SLACK_ESCAPES)


def make_mail(destination: Destination, delivery: Delivery) -> Mail:
    """Write an alert or a digest as an e-mail."""
    text = describe(destination, delivery)
    facts = "\n".join(f"{name}: {fact}" for name, fact in text.facts)
    parts = (text.sentence, text.body, facts, text.link, "Sent by Heliscore.")
    return Mail(
        id=str(delivery.id),
        subject=text.title,
        text="\n\n".join(part for part in parts if part) + "\n",
    )


MAKERS: Final[Mapping[DestinationKind, Callable[[Destination, Delivery], Message]]] = {
    "webhook": make_webhook,
    "slack": make_slack_message,
    "email": make_mail,
}
"""Of the kinds whose messages hold nothing but the delivery."""
