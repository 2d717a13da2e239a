"""The pages of review queues, without script: made, worked through, and by a link that opens nothing else."""

from __future__ import annotations

import json
import re
from html import unescape
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import httpx
from heliscore.dashboard import PAGES
from heliscore.store.connections.pool import Connection

from tests.api.envelope import log, post
from tests.conftest import Service
from tests.dashboard.conftest import SignIn, csrf_token
from tests.dashboard.reading import read_tables, read_text

FORM: Final = "/queues/form"
FIELDS: Final = {
    "name": "bad <answers>",
    "score:accuracy": "on",
    "moreScores": "tone, ok",
    "instructions": "Be\r\nfair.",
    "reviewersPerItem": "2",
    "reservationMinutes": "30",
    "size": "10",
    "from": "filter",
    "filter": "",
    "sort": '{"created_at": "asc"}',
}


async def fill(client: httpx.AsyncClient, connection: Connection) -> None:
    organization_id = await connection.fetchval("SELECT id FROM organization")
    for number, id_ in enumerate(("first", "a/b?c=1", "third")):
        sent = {"messages": [{"role": "user", "content": f"Question {number}"}]}
        at = f"2026-01-0{number + 1}T00:00:00Z"
        await log(connection, organization_id, id_, at, request_body=json.dumps(sent))
        await post(client, id_, {"accuracy": 50})
    definitions: dict[str, dict[str, Any]] = {
        "accuracy": {
            "type": "integer",
            "min": 0,
            "max": 100,
            "description": "How right",
            "direction": "higher",
        },
        "tone": {"type": "category", "labels": {"1": "rude", "2": "kind"}},
        "ok": {"type": "boolean"},
    }
    for name, definition in definitions.items():
        response = await client.put(f"/v1/score-definitions/{name}", json={**definition, "enforce": "on"})
        assert response.status_code == 200


async def submit(visitor: httpx.AsyncClient, path: str, token: str, **fields: str) -> httpx.Response:
    return await visitor.post(path, data={"csrf": token, **fields})


async def make(visitor: httpx.AsyncClient, **fields: str) -> str:
    """Make a queue and return the path of its page."""
    made = await visitor.post(FORM, data={"csrf": await csrf_token(visitor), **FIELDS, **fields})
    assert made.status_code == 303, made.text
    return made.headers["location"]


def shown(page: httpx.Response) -> str:
    assert page.status_code == 200, page.text
    return read_text(re.sub(r"(?s)^.*<main", "<main", page.text))


async def sign_in_as(client: httpx.AsyncClient, name: str) -> str:
    token = await csrf_token(client)
    await client.post("/reviewer", data={"csrf": token, "name": name, "next": "/"})
    return token


async def test_queue_is_made_reviewed_by_two_and_shows_how_they_agree(
    service: Service, sign_in: SignIn, connection: Connection
) -> None:
    key = await service.make_key()
    client, ann, bob = await service.client(key=key), await sign_in(key=key), await sign_in(key=key)
    await fill(client, connection)
    assert "No queues yet" in shown(await ann.get("/queues"))
    queue = await make(ann)
    assert read_tables((await ann.get("/queues")).text)[0][1][:3] == [
        "bad <answers>",
        "0 of 3 done",
        "accuracy, tone, ok, by 2 reviewers each",
    ]
    given = {"accuracy": ("20", "30"), "tone": ("1", "2"), "ok": ("true", "true")}
    for place, (person, name) in enumerate(((ann, "Ann"), (bob, "Bob"))):
        token = await sign_in_as(person, name)
        start = await person.get(f"{queue}/work")
        assert "Be fair." in shown(start)
        assert "How right Higher is better. 0 to 100." in shown(start)
        at = (await submit(person, f"{queue}/work", token)).headers["location"]
        ids = []
        while "/item?" in at:
            ids.append(parse_qs(urlsplit(at).query)["id"][0])
            page = await person.get(at)
            assert f"{len(ids)} of 3" in shown(page)
            assert f"Question {len(ids) - 1}" in shown(page)
            values = {f"value-{n}": some[place] for n, some in enumerate(given.values())}
            done = await submit(person, at, token, act="done", **values, **{"comment-0": "Why\r\nnot"})
            assert done.status_code == 303, done.text
            at = done.headers["location"]
        assert (at, ids) == (f"{queue}/work", ["first", "a/b?c=1", "third"])
        assert "Nothing is left for you. Thank you." in shown(await person.get(at))
    page = await ann.get(queue)
    assert "3 of 3 done · 6 of 6 reviews" in shown(page)
    tables = read_tables(page.text)
    assert [row[:3] for row in tables[0][1:]] == [["human:Ann", "3", "0"], ["human:Bob", "3", "0"]]
    assert tables[1][1][:3] == ["first", "done 2 of 2", "human:Ann, human:Bob"]
    text = shown(page)
    assert "accuracy: too early to say" in text
    assert "3 requests with two reviewers or more, the same on 0%" in text
    table = (await ann.get(f"{queue}?download=csv")).text
    assert table.count("human:Ann") == 9
    row = (await client.get("/v1/request/first")).json()["data"]
    assert row["scores"] == {"accuracy": 30, "tone": 2, "ok": 1}


async def test_what_could_not_be_saved_stays_in_the_form_and_an_item_can_be_skipped(
    service: Service, sign_in: SignIn, connection: Connection
) -> None:
    key = await service.make_key()
    visitor = await sign_in(key=key)
    await fill(await service.client(key=key), connection)
    queue = await make(visitor, filter='{"request_response_rmt": {"request_id": {"equals": "first"}}}')
    token = await sign_in_as(visitor, "Ann")
    at = (await submit(visitor, f"{queue}/work", token)).headers["location"]
    wrong = await submit(visitor, at, token, **{"value-0": "140", "value-1": "1", "comment-0": "much"})
    assert wrong.status_code == 400
    assert read_text(wrong.text).count("must be at most 100, got 140") == 1
    assert 'value="140"' in wrong.text
    assert ">much</textarea>" in wrong.text
    missing = await submit(visitor, at, token, **{"value-0": "14", "value-1": "1"})
    assert "missing" in read_text(missing.text)
    skipped = await submit(visitor, at, token, act="skip")
    assert skipped.headers["location"] == f"{queue}/work"
    assert "you have done 0 and skipped 1" in shown(await visitor.get(f"{queue}/work"))
    await submit(visitor, queue, token, act="close")
    assert "This queue is closed." in shown(await visitor.get(f"{queue}/work"))
    assert (await submit(visitor, f"{queue}/work", token)).status_code == 409
    await submit(visitor, queue, token, act="open")
    await submit(visitor, queue, token, act="take-out", id="first")
    assert "0 of 0 done" in shown(await visitor.get(queue))
    await submit(visitor, queue, token, act="remove")
    assert (await visitor.get(queue)).status_code == 404


async def test_form_shows_errors_and_samples(
    service: Service, sign_in: SignIn, connection: Connection
) -> None:
    key = await service.make_key()
    visitor = await sign_in(key=key)
    await fill(await service.client(key=key), connection)
    token = await csrf_token(visitor)

    async def errors(**fields: str) -> dict[str, str]:
        page = await submit(visitor, FORM, token, **{**FIELDS, **fields})
        assert page.status_code == 400
        found = re.findall(r'<p id="(\w+)-error" class="error" role="alert">(.*?)</p>', page.text)
        return {field: unescape(message) for field, message in found}

    assert await errors(name="", reviewersPerItem="x") == {
        "name": "must not be empty",
        "reviewersPerItem": 'expected an integer from 1 to 10, got "x"',
    }
    assert await errors(filter="{") != {}
    assert await errors(**{"from": "threshold"}) == {
        "limitScore": 'missing; a sample by "threshold" needs it',
        "limit": 'missing; a sample by "threshold" needs it',
    }
    queue = await make(visitor, **{"from": "random", "size": "2"})
    assert "0 of 2 done" in shown(await visitor.get(queue))
    prefilled = await visitor.get(FORM, params={"filter": '{"x": 1}', "sort": '{"y": 2}'})
    assert ">{&#34;x&#34;: 1}</textarea>" in prefilled.text
    assert 'value="{&#34;y&#34;: 2}"' in prefilled.text


async def test_requests_are_added_from_the_table(
    service: Service, sign_in: SignIn, connection: Connection
) -> None:
    key = await service.make_key()
    visitor = await sign_in(key=key)
    await fill(await service.client(key=key), connection)
    queue = await make(visitor, filter='{"request_response_rmt": {"request_id": {"equals": "first"}}}')
    token, id_ = await csrf_token(visitor), queue.rpartition("/")[2]
    chosen: dict[str, Any] = {"csrf": token, "queue": id_, "id": ["third", "a/b?c=1"]}
    assert (await visitor.post("/queues/add", data=chosen)).headers["location"] == queue
    assert [row[0] for row in read_tables((await visitor.get(queue)).text)[0]] == [
        "Request",
        "first",
        "third",
        "a/b?c=1",
    ]
    found = {"csrf": token, "queue": id_, "which": "all", "search": "range=90d", "id": ["third"]}
    assert (await visitor.post("/queues/add", data=found)).status_code == 303
    assert (await visitor.post("/queues/add", data={"csrf": token, "queue": id_})).status_code == 400
    new = await visitor.post("/queues/add", data={**chosen, "queue": ""})
    assert '"third","a/b?c=1"' in unescape(new.text)


async def test_link_signs_a_reviewer_in_who_sees_that_queue_and_nothing_else(
    service: Service, sign_in: SignIn, visitor: httpx.AsyncClient, connection: Connection
) -> None:
    key = await service.make_key()
    owner = await sign_in(key=key)
    await fill(await service.client(key=key), connection)
    queue, other = await make(owner, blind="on"), await make(owner, name="other")
    token = await csrf_token(owner)
    made = await submit(owner, queue, token, act="link", name="Ann", days="3")
    found = re.search(r'id="new-link" value="(.*?)"', made.text)
    assert found is not None
    link = found[1]
    assert link.startswith(f"{service.address}/join#sk-helicone-")
    noted = "SELECT actor FROM audit_entry WHERE action = 'key.made' ORDER BY id DESC LIMIT 1"
    assert await connection.fetchval(noted) == "session"
    assert "sk-helicone-" not in (await owner.get(queue)).text
    bad = await submit(owner, queue, token, act="link", days="x")
    assert (bad.status_code, "days: expected an integer from 1 to 90" in bad.text) == (400, True)
    assert "You were asked to score" in (await visitor.get("/join")).text
    for sent, status in ((link, 400), (f"{link}x", 401), (f"/join#{key}", 403)):
        refused = await visitor.post("/join", data={"key": sent, "name": "" if sent == link else "Ann"})
        assert refused.status_code == status
    joined = await visitor.post("/join", data={"key": link, "name": "Ann"})
    assert (joined.status_code, joined.headers["location"]) == (303, f"{queue}/work")
    page = await visitor.get(f"{queue}/work")
    menu = re.findall(r'<a href="(.*?)" aria-current', page.text)
    assert menu == [f"{queue}/work"] * 2  # in both of its forms
    own = re.search(r'<meta name="csrf-token" content="([^"]+)">', page.text)
    assert own is not None
    at = (await submit(visitor, f"{queue}/work", own[1])).headers["location"]
    item = await visitor.get(at)
    assert "Others' scores are shown once yours are given." in unescape(read_text(item.text))
    values = {"value-0": "20", "value-1": "1", "value-2": "false"}
    assert (await submit(visitor, at, own[1], **values)).status_code == 303
    allowed = set()
    for one in PAGES:
        if one.permission is None:
            continue
        path = re.sub(r"{\w+}", "first", one.path.replace("{queueId}", queue.rpartition("/")[2]))
        headers = {"X-CSRF-Token": own[1]}
        response = await visitor.request(one.method, path, headers=headers)
        if response.status_code != 403:
            allowed.add(one.path)
        if "{queueId}" in one.path:
            path = re.sub(r"{\w+}", other.rpartition("/")[2], one.path)
            assert (await visitor.request(one.method, path, headers=headers)).status_code == 403
        if one.path == "/sign-out":
            await visitor.post("/join", data={"key": link, "name": "Ann"})
            page = await visitor.get(f"{queue}/work")
            own = re.search(r'<meta name="csrf-token" content="([^"]+)">', page.text)
            assert own is not None
    assert allowed == {"/queues/{queueId}/work", "/queues/{queueId}/item", "/reviewer", "/sign-out"}
    # The link is revoked on the page of the queue, and ends the session.
    [number] = re.findall(r'name="link" value="(\d+)"', (await owner.get(queue)).text)
    await submit(owner, queue, token, act="revoke", link=number)
    assert (await visitor.get(f"{queue}/work")).headers["location"].startswith("/sign-in")
