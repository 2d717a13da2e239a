"""The messages that deliveries become: signed webhooks, Slack's, e-mails."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest
from heliscore.domain.destination import DIGEST_TYPE, TEST_TYPE, Delivery, Destination, mint_secret
from heliscore.outbound.messages import make_mail, make_slack_message, make_webhook
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

ID = UUID("b5a3c1de-0000-4000-8000-000000000002")
SECRET, OLD_SECRET = mint_secret(), mint_secret()

DESTINATION = Destination(
    id=ID,
    organization_id=1,
    kind="webhook",
    name="ours",
    address="https://hooks.example.org/",
    events=["alert.firing"],
    options={},
    secret=SECRET,
    old_secret=None,
    old_secret_until=None,
    created_at=datetime.now(UTC),
    failing_since=None,
    disabled_at=None,
    disabled_reason=None,
    digest=None,
    digest_hour=8,
    digest_at=None,
)

ALERT: dict[str, Any] = {
    "id": "evt_7",
    "monitor": {"id": "m1", "name": "Relevance <prod>"},
    "group": "support & sales",
    "state": "firing",
    "previousState": "ok",
    "value": 0.70123456,
    "baseValue": 0.91,
    "sentence": "relevance fell by 21 points < before, with 95 % confidence",
    "window": {"start": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00Z"},
    "at": "2026-01-02T00:00:00Z",
    "filter": "all",
}


def delivery(data: dict[str, Any], type_: str = "alert.firing") -> Delivery:
    body = {"type": type_, "timestamp": "2026-01-02T00:00:00.000Z", "data": data}
    return Delivery(id=ID, type=type_, body=json.dumps(body))


def test_secret_has_the_form_of_the_specification() -> None:
    prefix, _, encoded = mint_secret().partition("_")
    assert prefix == "whsec"
    assert len(base64.b64decode(encoded, validate=True)) == 32


def test_webhook_is_signed_as_the_specification_says() -> None:
    sent = delivery(ALERT)
    message = make_webhook(DESTINATION, sent)
    assert message.body == sent.body.encode()
    assert Webhook(SECRET).verify(message.body, dict(message.headers)) == json.loads(sent.body)

    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    signed = f"{ID}.{message.headers['webhook-timestamp']}.{sent.body}".encode()
    signature = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert message.headers == {
        "Content-Type": "application/json",
        "webhook-id": str(ID),
        "webhook-timestamp": message.headers["webhook-timestamp"],
        "webhook-signature": f"v1,{signature}",
    }


def test_webhook_has_both_signatures_while_two_secrets_are_valid() -> None:
    message = make_webhook(msgspec.structs.replace(DESTINATION, old_secret=OLD_SECRET), delivery(ALERT))
    headers = dict(message.headers)
    assert len(headers["webhook-signature"].split(" ")) == 2
    for secret in (SECRET, OLD_SECRET):
        Webhook(secret).verify(message.body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(mint_secret()).verify(message.body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(message.body + b" ", headers)


def test_slack_gets_the_sentence_and_what_it_is_about() -> None:
    message = make_slack_message(
        DESTINATION, delivery(ALERT | {"url": "https://scores.example.org/?a=1&b=2"})
    )
    assert message.headers == {"Content-Type": "application/json"}
    assert json.loads(message.body) == {
        "text": "Firing: Relevance &lt;prod&gt;: "
        "relevance fell by 21 points &lt; before, with 95 % confidence",
        "blocks": [
            {
                "type": "section",
                "text": {
                    "type": "mrkdwn",
                    "text": "*Firing: Relevance &lt;prod&gt;*\n"
                    "relevance fell by 21 points &lt; before, with 95 % confidence",
                },
            },
            {
                "type": "context",
                "elements": [
                    {"type": "mrkdwn", "text": "*Group:* support &amp; sales"},
                    {"type": "mrkdwn", "text": "*Value:* 0.7012"},
                    {"type": "mrkdwn", "text": "*Before:* 0.91"},
                    {"type": "mrkdwn", "text": "*State before:* ok"},
                    {"type": "mrkdwn", "text": "*Time:* 2026-01-01T00:00:00Z to 2026-01-02T00:00:00Z"},
                    {"type": "mrkdwn", "text": "<https://scores.example.org/?a=1&amp;b=2|Open>"},
                ],
            },
        ],
    }


@pytest.mark.parametrize("data", [{}, {"monitor": None, "window": "x", "value": None, "sentence": None}])
def test_alert_that_says_little_is_shown_all_the_same(data: dict[str, Any]) -> None:
    sent = delivery(data, "alert.resolved")
    assert json.loads(make_slack_message(DESTINATION, sent).body) == {
        "text": "Resolved",
        "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "*Resolved*"}}],
    }
    mail = make_mail(DESTINATION, sent)
    assert (mail.subject, mail.text) == ("Resolved", "Sent by Heliscore.\n")


def test_long_sentence_fits_slack() -> None:
    body = json.loads(make_slack_message(DESTINATION, delivery({"sentence": "<" * 5000})).body)
    assert len(body["text"]) <= 3000
    assert len(body["blocks"][0]["text"]["text"]) <= 3000


def test_email_has_the_sentence_and_a_line_for_each_fact() -> None:
    mail = make_mail(DESTINATION, delivery(ALERT | {"value": 12345.678, "baseValue": 7}))
    assert mail.id == str(ID)
    assert mail.subject == "Firing: Relevance <prod>"
    assert mail.text == (
        "relevance fell by 21 points < before, with 95 % confidence\n\n"
        "Group: support & sales\nValue: 12346\nBefore: 7\nState before: ok\n"
        "Time: 2026-01-01T00:00:00Z to 2026-01-02T00:00:00Z\n\n"
        "Sent by Heliscore.\n"
    )


def test_test_event_says_what_it_is() -> None:
    mail = make_mail(DESTINATION, delivery({"destination": {"id": "1", "name": "ours"}}, TEST_TYPE))
    assert mail.subject == "Test from Heliscore"
    assert mail.text.startswith("This is a test of the destination ours: alerts will arrive here.")


DIGEST: dict[str, Any] = {
    "sentence": "tone fell 3 points with <b>, 90 answers",
    "text": "1 Jan 2026 to 2 Jan 2026\n\nWorse:\n\n- tone fell 3 points with <b>, 90 answers\n",
}


def test_digest_is_an_email_with_what_matters_most_as_its_subject() -> None:
    mail = make_mail(DESTINATION, delivery(DIGEST, DIGEST_TYPE))
    assert mail.subject == "Heliscore: tone fell 3 points with <b>, 90 answers"
    assert mail.text == f"{DIGEST['text']}\nSent by Heliscore.\n"


def test_digest_is_shown_in_slack_line_by_line() -> None:
    message = make_slack_message(DESTINATION, delivery(DIGEST, DIGEST_TYPE))
    title = "Heliscore: tone fell 3 points with &lt;b&gt;, 90 answers"
    lines = "1 Jan 2026 to 2 Jan 2026\n\nWorse:\n\n- tone fell 3 points with &lt;b&gt;, 90 answers"
    assert json.loads(message.body) == {
        "text": title,
        "blocks": [
            {"type": "section", "text": {"type": "mrkdwn", "text": f"*{title}*"}},
            {"type": "section", "text": {"type": "mrkdwn", "text": lines}},
        ],
    }


def test_long_digest_fits_slack_in_whole_lines() -> None:
    lines = [f"- {number} {'<' * 190}" for number in range(12)]
    text = "\n".join([*lines, "", "x" * 4000])
    body = json.loads(make_slack_message(DESTINATION, delivery({"text": text}, DIGEST_TYPE)).body)
    parts = [block["text"]["text"] for block in body["blocks"][1:]]
    assert all(0 < len(part) <= 3000 for part in parts)
    shown = "\n".join(parts).replace("&lt;", "<").splitlines()
    assert [line for line in shown if line][:12] == lines
