"""`/v1/destinations`: where events are sent, and what became of each delivery."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from heliscore.domain.digest_schedule import next_due
from heliscore.domain.times import format_time, now
from heliscore.store.connections.pool import Connection
from standardwebhooks import Webhook

from tests.api.calls import DELIVERY, DESTINATION, make_destination
from tests.api.envelope import DONE, post
from tests.conftest import Service, StartService
from tests.outbound.mail_receiver import MailReceiver
from tests.outbound.receiver import Got, Receiver, answering

PATH = "/v1/destinations"
WEBHOOK = {"kind": "webhook", "name": "ours", "address": "https://1.1.1.1/hook", "events": ["alert.firing"]}
UNKNOWN = "b5a3c1de-0000-4000-8000-0000000000ff"


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver().listening() as receiver:
        yield receiver


async def create(client: httpx.AsyncClient, **changed: object) -> dict[str, Any]:
    response = await client.post(PATH, json=WEBHOOK | changed)
    assert response.status_code == 200, response.text
    data: dict[str, Any] = response.json()["data"]
    return data


async def get(client: httpx.AsyncClient, path: str) -> Any:
    response = await client.get(path)
    assert response.status_code == 200, response.text
    return response.json()["data"]


async def errors_of(response: httpx.Response) -> list[tuple[str, str]]:
    assert response.status_code == 400, response.text
    return [(error["path"], error["message"]) for error in response.json()["details"]]


# What is stored


async def test_destination_is_shown_as_it_was_created_without_its_secret(client: httpx.AsyncClient) -> None:
    filter_ = {"request_response_rmt": {"properties": {"env": {"equals": "prod"}}}}
    events = ["score.recorded", "alert.firing", "score.recorded"]
    scores = ["accuracy", "accuracy-hcone-bool"]
    created = await create(client, events=events, filter=filter_, scores=scores)
    assert created.pop("secret").startswith("whsec_")
    assert created == {
        "id": created["id"],
        "kind": "webhook",
        "name": "ours",
        "address": "https://1.1.1.1/hook",
        "events": ["score.recorded", "alert.firing"],
        "filter": filter_,
        "scores": ["accuracy"],
        "digest": None,
        "digestHour": 8,
        "nextDigestAt": None,
        "enabled": True,
        "disabledReason": None,
        "failingSince": None,
        "oldSecretValidUntil": None,
        "createdAt": created["createdAt"],
    }
    assert await get(client, f"{PATH}/{created['id']}") == created
    assert await get(client, PATH) == [created]


async def test_what_makes_an_address_a_secret_is_not_shown(client: httpx.AsyncClient) -> None:
    webhook = await create(client, address="https://1.1.1.1/hook?token=hunter2")
    slack = await create(client, kind="slack", address="https://1.1.1.1:8443/services/hunter2")
    assert webhook["address"] == "https://1.1.1.1/hook?…"
    assert (slack["address"], slack["secret"]) == ("https://1.1.1.1:8443/…", None)
    assert "hunter2" not in (await client.get(PATH)).text


async def test_change_changes_what_is_given(client: httpx.AsyncClient) -> None:
    created = await create(client, scores=["accuracy"], filter={"request": {"user_id": {"equals": "u"}}})
    path = f"{PATH}/{created['id']}"
    del created["secret"]
    response = await client.patch(path, json={"name": "new", "enabled": False})
    created |= {"name": "new", "enabled": False, "disabledReason": "disabled through the API"}
    assert response.json() == {"data": created, "error": None}
    changes = {"enabled": True, "filter": "all", "scores": [], "events": ["score.recorded"]}
    response = await client.patch(path, json=changes | {"address": "https://1.0.0.1/"})
    created |= changes | {"address": "https://1.0.0.1/", "disabledReason": None}
    assert response.json() == {"data": created, "error": None}
    assert await get(client, path) == created


async def test_digest_is_due_at_its_hour_until_it_is_taken_away(client: httpx.AsyncClient) -> None:
    created = await create(client, events=[], digest="weekly", digestHour=5)
    path = f"{PATH}/{created['id']}"
    shown = (created["events"], created["digest"], created["digestHour"], created["nextDigestAt"])
    assert shown == ([], "weekly", 5, format_time(next_due("weekly", 5, now())))

    response = await client.patch(path, json={"digest": None})
    assert await errors_of(response) == [("events", "expected at least one, or a digest")]
    changed = (await client.patch(path, json={"digest": "daily", "digestHour": 6})).json()["data"]
    assert changed["nextDigestAt"] == format_time(next_due("daily", 6, now()))
    named = (await client.patch(path, json={"name": "new", "digestHour": None})).json()["data"]
    assert named == changed | {"name": "new"}

    taken = {"events": ["alert.firing"], "digest": None}
    changed = (await client.patch(path, json=taken)).json()["data"]
    assert changed == named | taken | {"nextDigestAt": None}
    assert await get(client, path) == changed


async def test_removed_destination_is_gone_with_its_deliveries(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    await make_destination(connection, organization_id, "ours")
    response = await client.delete(f"{PATH}/{DESTINATION}")
    assert (response.status_code, response.json()) == (200, DONE)
    assert await get(client, PATH) == []
    assert await connection.fetchval("SELECT count(*) FROM delivery WHERE id = $1", DELIVERY) == 0


@pytest.mark.parametrize(
    ("changed", "path", "message"),
    [
        ({"kind": "pigeon"}, "kind", 'expected "webhook", "slack" or "email", got "pigeon"'),
        ({"kind": "helicone"}, "kind", 'expected "webhook", "slack" or "email", got "helicone"'),
        ({"name": ""}, "name", "must not be empty"),
        ({"events": []}, "events", "expected at least one, or a digest"),
        ({"digest": "hourly"}, "digest", 'expected "daily" or "weekly", got "hourly"'),
        ({"events": [], "digest": 7}, "digest", "expected a string, got 7"),
        ({"digest": "daily", "digestHour": 24}, "digestHour", "expected an integer from 0 to 23, got 24"),
        ({"events": ["all"]}, "events[0]", None),
        ({"kind": "slack", "events": ["score.recorded"]}, "events", None),
        ({"filter": {"nonsense": {}}}, "filter.nonsense", None),
        ({"scores": [7]}, "scores[0]", "expected a string, got 7"),
        ({"address": 7}, "address", "expected a string, got 7"),
        ({"address": "http://1.1.1.1/"}, "address", None),
        ({"address": "https://127.0.0.1/"}, "address", None),
        ({"address": "https://localhost/"}, "address", None),
        ({"address": "https://[::ffff:10.0.0.1]/"}, "address", None),
        ({"address": "https://169.254.169.254/latest/meta-data"}, "address", None),
        ({"address": "https://user:hunter2@1.1.1.1/"}, "address", None),
        ({"address": "https://1.1.1.1:25/"}, "address", None),
        ({"kind": "slack", "address": "ops@example.org"}, "address", None),
        ({"kind": "email"}, "kind", "no e-mail can be sent: HELISCORE_SMTP_URL is not set"),
        ({"secret": "mine"}, "secret", None),
    ],
)
async def test_destination_that_cannot_be_is_refused(
    client: httpx.AsyncClient, changed: dict[str, object], path: str, message: str | None
) -> None:
    response = await client.post(PATH, json=WEBHOOK | changed)
    [(found, said)] = await errors_of(response)
    assert found == path
    assert message in (None, said)
    assert "hunter2" not in response.text
    assert await get(client, PATH) == []


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"events": ["score.recorded"]}, "events"),
        ({"events": []}, "events"),
        ({"digest": "hourly"}, "digest"),
        ({"digestHour": -1}, "digestHour"),
        ({"address": "https://127.0.0.1/"}, "address"),
        ({"filter": {"nonsense": {}}}, "filter.nonsense"),
        ({"enabled": "no"}, "enabled"),
        ({"kind": "webhook"}, "kind"),
    ],
)
async def test_change_to_what_cannot_be_is_refused(
    client: httpx.AsyncClient, change: dict[str, object], path: str
) -> None:
    created = await create(client, kind="slack")
    del created["secret"]
    response = await client.patch(f"{PATH}/{created['id']}", json=change)
    assert [found for found, _ in await errors_of(response)] == [path]
    assert await get(client, f"{PATH}/{created['id']}") == created


async def test_organization_has_at_most_fifty(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    await connection.execute(
        "INSERT INTO destination (organization_id, kind, name, address, events) "
        "SELECT $1, 'webhook', 'ours', 'https://1.1.1.1/', '{alert.firing}' FROM generate_series(1, 49)",
        organization_id,
    )
    await create(client)
    response = await client.post(PATH, json=WEBHOOK)
    assert await errors_of(response) == [("", "there may be at most 50 destinations")]


@pytest.mark.parametrize("id_", [UNKNOWN, "1", "x%2Fy"])
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "", None),
        ("PATCH", "", {"name": "new"}),
        ("DELETE", "", None),
        ("POST", "/test", None),
        ("POST", "/rotate-secret", {}),
        ("GET", "/deliveries", None),
        ("POST", f"/deliveries/{DELIVERY}/resend", None),
    ],
)
async def test_destination_that_is_not_there_is_404(
    client: httpx.AsyncClient, method: str, path: str, body: object, id_: str
) -> None:
    response = await client.request(method, f"{PATH}/{id_}{path}", json=body)
    assert response.status_code == 404
    assert response.json()["error"].startswith("there is no destination ")


async def test_webhooks_in_helicones_format_are_not_among_them(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    await make_destination(connection, organization_id, "ours")
    await connection.execute("UPDATE destination SET kind = 'helicone' WHERE id = $1", DESTINATION)
    assert await get(client, PATH) == []
    assert (await client.get(f"{PATH}/{DESTINATION}")).status_code == 404
    assert (await client.delete(f"{PATH}/{DESTINATION}")).status_code == 404


@pytest.mark.parametrize("permissions", ["r", "w"])
async def test_key_that_does_not_read_and_write_creates_none(
    shared: Service, organization: str, permissions: Any
) -> None:
    client = await shared.client(organization, permissions)
    assert (await client.post(PATH, json=WEBHOOK)).status_code == 403


# Secrets


async def test_rotated_secret_is_shown_once_and_the_old_one_stays_for_a_day(
    client: httpx.AsyncClient, connection: Connection
) -> None:
    created = await create(client)
    path = f"{PATH}/{created['id']}"
    before = datetime.now(UTC)
    rotated = (await client.post(f"{path}/rotate-secret", json={})).json()["data"]
    assert rotated["secret"] not in (None, created["secret"])
    until = datetime.fromisoformat(rotated["oldSecretValidUntil"])
    assert timedelta(hours=23) < until - before < timedelta(hours=25)
    stored = await connection.fetchrow(
        "SELECT secret, old_secret FROM destination WHERE id::text = $1", created["id"]
    )
    assert tuple(stored or ()) == (rotated["secret"], created["secret"])
    assert "secret" not in await get(client, path)

    at_once = (await client.post(f"{path}/rotate-secret", json={"oldValidHours": 0})).json()["data"]
    assert at_once["oldSecretValidUntil"] is None
    response = await client.post(f"{path}/rotate-secret", json={"oldValidHours": 169})
    assert [found for found, _ in await errors_of(response)] == ["oldValidHours"]


async def test_slack_has_no_secret_to_rotate(client: httpx.AsyncClient) -> None:
    created = await create(client, kind="slack")
    response = await client.post(f"{PATH}/{created['id']}/rotate-secret", json={})
    assert await errors_of(response) == [("", "a destination of the kind slack has no secret")]


# Deliveries


async def test_score_arrives_signed_with_both_secrets(
    start_service: StartService, receiver: Receiver
) -> None:
    """From the call that posts it to the receiver, through everything between."""
    service = await start_service(outbound_allow="127.0.0.1")
    client = await service.client()
    created = await create(client, address=receiver.url, events=["score.recorded"], scores=["accuracy"])
    path = f"{PATH}/{created['id']}"
    rotated = (await client.post(f"{path}/rotate-secret", json={})).json()["data"]
    await post(client, "r1", {"accuracy": 93, "other": 1})
    await receiver.arrived(1)
    [got] = receiver.got
    for secret in (created["secret"], rotated["secret"]):
        body = Webhook(secret).verify(got.body, got.headers)
    [event] = body["data"]["events"]
    assert body == {
        "type": "score.recorded",
        "timestamp": event["timestamp"],
        "data": {
            "events": [
                {
                    "id": "evt_1",
                    "type": "score.recorded",
                    "timestamp": event["timestamp"],
                    "data": {
                        "requestId": "r1",
                        "name": "accuracy",
                        "value": 93,
                        "author": {"kind": "api", "name": "test", "version": None},
                        "comment": None,
                        "scoredAt": event["data"]["scoredAt"],
                    },
                }
            ]
        },
    }
    [delivery] = await get(client, f"{path}/deliveries")
    while delivery["state"] == "waiting":  # until the service has noted the answer
        await asyncio.sleep(0.02)
        [delivery] = await get(client, f"{path}/deliveries")
    assert delivery == {
        "id": got.headers["webhook-id"],
        "type": "score.recorded",
        "state": "delivered",
        "attempts": 1,
        "createdAt": delivery["createdAt"],
        "nextAttemptAt": None,
        "lastAttemptAt": delivery["lastAttemptAt"],
        "lastStatus": 200,
        "lastError": None,
    }


async def test_test_event_is_sent_at_once_and_listed(start_service: StartService, receiver: Receiver) -> None:
    service = await start_service(outbound_allow="127.0.0.1")
    client = await service.client()
    created = await create(client, address=receiver.url)
    path = f"{PATH}/{created['id']}"
    tested = (await client.post(f"{path}/test")).json()["data"]
    assert tested == {
        "deliveryId": receiver.got[0].headers["webhook-id"],
        "status": 200,
        "error": None,
        "latencyMs": tested["latencyMs"],
    }
    body = Webhook(created["secret"]).verify(receiver.got[0].body, receiver.got[0].headers)
    assert body == {
        "type": "destination.test",
        "timestamp": body["timestamp"],
        "data": {"destination": {"id": created["id"], "name": "ours"}},
    }

    async def refuse(got: Got, writer: asyncio.StreamWriter) -> None:
        await answering(302, "Location: https://1.1.1.1/")(got, writer)

    receiver.behave = refuse
    failed = (await client.post(f"{path}/test")).json()["data"]
    assert (failed["status"], failed["error"]) == (302, "the receiver answered 302")
    shown = [(one["type"], one["state"], one["lastError"]) for one in await get(client, f"{path}/deliveries")]
    assert shown == [
        ("destination.test", "parked", "the receiver answered 302"),
        ("destination.test", "delivered", None),
    ]

    slack = await create(client, kind="slack", address=receiver.url)
    receiver.behave = answering(200)
    assert (await client.post(f"{PATH}/{slack['id']}/test")).json()["data"]["error"] is None
    assert json.loads(receiver.got[-1].body)["text"] == (
        "Test from Heliscore: This is a test of the destination ours: alerts will arrive here."
    )


async def test_email_is_sent_where_there_is_a_mail_server(start_service: StartService) -> None:
    async with MailReceiver().listening() as receiver:
        url = f"smtp://127.0.0.1:{receiver.port}?from=heliscore@example.org"
        client = await (await start_service(smtp_url=url)).client()
        created = await create(client, kind="email", address="ops@example.org")
        assert created["secret"] is None
        tested = (await client.post(f"{PATH}/{created['id']}/test")).json()["data"]
        assert (tested["status"], tested["error"]) == (None, None)
        [(_, to, mail)] = receiver.mails
        assert (to, mail["Subject"]) == ("ops@example.org", "Test from Heliscore")
        response = await client.post(PATH, json=WEBHOOK | {"kind": "email", "address": "a@b.org, c@d.org"})
        assert await errors_of(response) == [("address", "expected one e-mail address in ASCII")]


async def test_deliveries_come_page_by_page(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    await make_destination(connection, organization_id, "ours")
    await connection.execute(
        "INSERT INTO delivery (organization_id, destination_id, type, body, state, attempts) "
        "SELECT $1, $2, 'alert.firing', '{}', CASE WHEN n % 2 = 0 THEN 'delivered' ELSE 'parked' END, n "
        "FROM generate_series(1, 6) AS n",
        organization_id,
        DESTINATION,
    )
    path = f"{PATH}/{DESTINATION}/deliveries"

    async def page(query: str) -> list[int]:
        return [delivery["attempts"] for delivery in await get(client, f"{path}?{query}")]

    assert await page("") == [6, 5, 4, 3, 2, 1, 0]
    assert await page("limit=2") == [6, 5]
    last = (await get(client, f"{path}?limit=2"))[-1]["id"]
    assert await page(f"limit=2&after={last}") == [4, 3]
    assert await page("state=delivered") == [6, 4, 2]
    assert await page("state=waiting") == []
    assert await page(f"after={UNKNOWN}") == []
    for query in ("state=lost", "limit=101", "after=1"):
        assert (await client.get(f"{path}?{query}")).status_code == 400


async def test_delivery_is_sent_again_under_its_id(start_service: StartService, receiver: Receiver) -> None:
    client = await (await start_service(outbound_allow="127.0.0.1")).client()
    created = await create(client, address=receiver.url)
    path = f"{PATH}/{created['id']}"
    id_ = (await client.post(f"{path}/test")).json()["data"]["deliveryId"]
    response = await client.post(f"{path}/deliveries/{id_}/resend")
    assert (response.status_code, response.json()) == (200, DONE)
    await receiver.arrived(2)
    assert [got.headers["webhook-id"] for got in receiver.got] == [id_, id_]
    assert receiver.got[0].body == receiver.got[1].body
    assert (await client.post(f"{path}/deliveries/{UNKNOWN}/resend")).status_code == 404

    await client.patch(path, json={"enabled": False})
    response = await client.post(f"{path}/deliveries/{id_}/resend")
    assert response.status_code == 409
    assert response.json()["error"] == "the destination is disabled: enable it first"
