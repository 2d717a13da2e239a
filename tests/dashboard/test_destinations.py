"""The pages of destinations and their deliveries, without script."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

import httpx
import pytest
from heliscore.store.connections.pool import Connection

from tests.conftest import Service, StartService
from tests.dashboard.conftest import SignIn, csrf_token
from tests.dashboard.reading import read_tables, read_text
from tests.outbound.receiver import Receiver, answering

PATH = "/settings/destinations"
FORM = f"{PATH}/form"
API = "/v1/destinations"
TIMEOUT_S = 30

FIELDS = {
    "kind": "webhook",
    "name": "ours <b>",
    "address": "https://1.1.1.1/hook?key=1",
    "event-alert.firing": "on",
    "digest": "",
    "digestHour": "8",
}


@pytest.fixture
async def service(start_service: StartService) -> Service:
    """May call the receiver of the test."""
    return await start_service(outbound_allow="127.0.0.1")


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver().listening() as receiver:
        yield receiver


async def submit(visitor: httpx.AsyncClient, **fields: str) -> httpx.Response:
    data = {"csrf": await csrf_token(visitor), **FIELDS, **fields}
    return await visitor.post(FORM, data={key: value for key, value in data.items() if value != "absent"})


async def act(visitor: httpx.AsyncClient, path: str, act: str) -> httpx.Response:
    return await visitor.post(path, data={"csrf": await csrf_token(visitor), "act": act})


def errors(page: str) -> dict[str, str]:
    found = re.findall(r'<p id="(\w+)-error" class="error" role="alert">(.*?)</p>', page)
    return {field: read_text(message) for field, message in found}


async def test_destination_is_made_tested_paused_changed_and_removed(
    service: Service, sign_in: SignIn, receiver: Receiver
) -> None:
    client, visitor = await service.client(), await sign_in()
    assert "Nothing is sent anywhere yet" in (await visitor.get(PATH)).text
    made = await submit(visitor, address=receiver.url)
    assert made.status_code == 200
    [secret] = re.findall(r'id="secret">(whsec_[^<]+)<', made.text)
    [one] = (await client.get(API)).json()["data"]
    path = f"{PATH}/{one['id']}"
    assert read_tables((await visitor.get(PATH)).text) == [
        [
            ["Destination", "Kind", "Sends", "State"],
            [f"ours <b> {receiver.url}", "webhook", "alert.firing", "ok"],
        ]
    ]
    page = (await visitor.get(path)).text
    assert secret not in page
    assert "None yet: send a test to see one." in page

    tested = await act(visitor, path, "test")
    assert "The receiver took the test, status 200" in read_text(tested.text)
    receiver.behave = answering(500)
    assert "failed the receiver answered 500" in read_text((await act(visitor, path, "test")).text)
    [table] = read_tables((await visitor.get(path)).text)
    assert [row[1:] for row in table] == [
        ["Event", "State", "Attempts", "Last answer"],
        ["destination.test", "parked", "1", "500 the receiver answered 500"],
        ["destination.test", "delivered", "1", "200"],
    ]
    [table] = read_tables((await visitor.get(f"{path}?state=parked")).text)
    assert [row[2] for row in table] == ["State", "parked"]

    assert (await act(visitor, path, "pause")).headers["location"] == path
    assert "disabled through the API" in (await visitor.get(path)).text
    assert read_tables((await visitor.get(PATH)).text)[0][1][3].startswith("paused")
    await act(visitor, path, "enable")

    assert 'name="address" value=""' in (await visitor.get(f"{FORM}?id={one['id']}")).text
    changed = await submit(
        visitor,
        id=one["id"],
        address="",
        name="new",
        digest="weekly",
        digestHour="9",
        scores="a\nb",
        filter="{}",
    )
    assert (changed.status_code, changed.headers["location"]) == (303, path)
    [after] = (await client.get(API)).json()["data"]
    assert {key: after[key] for key in ("name", "address", "events", "digest", "digestHour", "scores")} == {
        "name": "new",
        "address": receiver.url,
        "events": ["alert.firing"],
        "digest": "weekly",
        "digestHour": 9,
        "scores": ["a", "b"],
    }
    rotated = re.findall(r'id="secret">(whsec_[^<]+)<', (await act(visitor, path, "rotate")).text)
    assert len(rotated) == 1
    assert rotated != [secret]
    assert (await act(visitor, path, "remove")).headers["location"] == PATH
    assert (await visitor.get(path)).status_code == 404


async def test_delivery_is_shown_with_its_body_and_sent_again(
    sign_in: SignIn, receiver: Receiver, connection: Connection
) -> None:
    visitor = await sign_in()
    receiver.behave = answering(500)
    await submit(visitor, address=receiver.url)
    id_ = await connection.fetchval("SELECT id FROM destination")
    await act(visitor, f"{PATH}/{id_}", "test")
    [path] = re.findall(rf'href="({PATH}/{id_}/deliveries/[^"]+)"', (await visitor.get(f"{PATH}/{id_}")).text)
    page = read_text((await visitor.get(path)).text)
    assert "the receiver answered 500" in page
    assert f'"data": {{ "destination": {{ "id": "{id_}", "name": "ours <b>" }} }}' in page
    receiver.behave = answering(200)
    again = await act(visitor, path, "resend")
    assert (again.status_code, again.headers["location"]) == (303, f"{PATH}/{id_}#deliveries")
    await receiver.arrived(2)
    async with asyncio.timeout(TIMEOUT_S):
        while await connection.fetchval("SELECT state FROM delivery") != "delivered":  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    await act(visitor, f"{PATH}/{id_}", "pause")
    assert (await act(visitor, path, "resend")).status_code == 409


async def test_form_says_what_is_wrong_beside_the_field(sign_in: SignIn) -> None:
    visitor = await sign_in()
    answer = await submit(
        visitor,
        name="",
        address="http://10.0.0.1",
        digestHour="30",
        scores="\n",
        **{"event-alert.firing": "absent"},
    )
    assert answer.status_code == 400
    assert errors(answer.text) == {
        "name": "must not be empty",
        "events": "expected at least one, or a digest",
        "digestHour": "expected an integer from 0 to 23, got 30",
    }
    assert {*errors((await submit(visitor, address="http://10.0.0.1")).text)} == {"address"}
    assert {*errors((await submit(visitor, filter="{")).text)} == {"filter"}
    assert {*errors((await submit(visitor, kind="slack", **{"event-score.recorded": "on"})).text)} == {
        "events"
    }


async def test_reader_and_other_organization_change_no_destination(
    sign_in: SignIn, connection: Connection
) -> None:
    visitor, reader, other = await sign_in(), await sign_in(permissions="r"), await sign_in("other")
    await submit(visitor)
    path = f"{PATH}/{await connection.fetchval('SELECT id FROM destination')}"
    page = (await reader.get(path)).text
    assert "Send a test" not in page
    assert "key=1" not in page
    assert (await act(reader, path, "remove")).status_code == 403
    assert (await submit(reader)).status_code == 403
    assert (await other.get(path)).status_code == 404
    assert (await act(other, path, "remove")).status_code == 404
    assert (await other.get(f"{FORM}?id={path.rpartition('/')[2]}")).status_code == 404
    assert await connection.fetchval("SELECT count(*) FROM destination") == 1
