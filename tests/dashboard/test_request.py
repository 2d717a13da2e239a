from __future__ import annotations

import json
import re
from html import unescape
from typing import Any
from urllib.parse import quote, urlsplit

import asyncpg
import httpx
from heliscore.dashboard import PAGES
from heliscore.domain.score import FEEDBACK

from tests.conftest import Service
from tests.dashboard.conftest import SignIn, csrf_token
from tests.dashboard.test_requests import HOSTILE, LOW, address, links, log, post


async def stored(client: httpx.AsyncClient, request_id: str = "a") -> dict[str, int]:
    """The scores of a request as the API tells them."""
    answer = await client.get(f"/v1/request/{quote(request_id, safe='')}")
    scores: dict[str, int] = answer.json()["data"]["scores"]
    return scores


async def kinds(service: Service) -> dict[str, bool]:
    """Whether each score was stored as a boolean."""
    connection = await asyncpg.connect(service.dsn)
    rows = await connection.fetch("SELECT name, is_boolean FROM score JOIN score_name AS n ON n.id = name_id")
    await connection.close()
    return {name: bool(is_boolean) for name, is_boolean in rows}


def fields(page: str) -> dict[str, tuple[str, str]]:
    """Kind and value of each score that can be given."""
    found = re.findall(r'data-name="([^"]*)" data-kind="(\w+)" data-stored="([^"]*)"', page)
    return {unescape(name): (kind, value) for name, kind, value in found}


async def submit(visitor: httpx.AsyncClient, path: str, **data: str) -> httpx.Response:
    return await visitor.post(path, data={"csrf": await csrf_token(visitor)} | data)


async def save(visitor: httpx.AsyncClient, path: str, scores: object, method: str = "PUT") -> httpx.Response:
    headers = {"X-CSRF-Token": await csrf_token(visitor)}
    return await visitor.request(method, path, json={"scores": scores}, headers=headers)


async def test_a_request_shows_what_was_said_and_what_is_known(service: Service, sign_in: SignIn) -> None:
    client = await service.client()
    await log(client, "a", "Where is it?", **{"Helicone-Property-env": "prod", "Helicone-User-Id": "eva"})
    await post(client, a={"accuracy": 40, "cited": True, FEEDBACK: False}, b={"toxicity": 3})
    page = (await (await sign_in()).get("/requests/a")).text
    assert re.findall(r'turn-role">(\w+)</h2>\s*<p class="turn-text">(.*?)</p>', page) == [
        ("user", "Where is it?"),
        ("assistant", "Hello"),
    ]
    assert fields(page) == {
        FEEDBACK: ("boolean", "false"),
        "accuracy": ("integer", "40"),
        "cited": ("boolean", "true"),
        "toxicity": ("integer", ""),
    }
    facts = dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", page))
    assert facts["Model"] == "m-1"
    assert (facts["User"], facts["env"], facts["Latency"]) == ("eva", "prod", "2.31 s")


async def test_a_computed_cost_is_marked_until_somebody_says_it(service: Service, sign_in: SignIn) -> None:
    client, visitor = await service.client(), await sign_in()
    usage = {"prompt_tokens": 1000, "completion_tokens": 100}
    response: dict[str, Any] = {"json": {"model": "gpt-4o", "usage": usage}}
    for cost, shown in ((None, "$0.0035 (computed)"), (0.25, "$0.25")):
        request = {"meta": {"Helicone-Request-Id": "a"}}
        body = {"providerRequest": request, "providerResponse": response | ({"cost": cost} if cost else {})}
        (await client.post("/oai/v1/log", json=body)).raise_for_status()
        page = (await visitor.get("/requests/a")).text
        assert dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", page))["Cost"] == shown


async def test_a_request_that_was_never_logged_shows_its_scores(service: Service, sign_in: SignIn) -> None:
    await post(await service.client(), a={"accuracy": 40})
    page = await (await sign_in()).get("/requests/a")
    assert page.status_code == 200
    assert "never logged" in page.text
    assert fields(page.text)["accuracy"] == ("integer", "40")


async def test_next_leads_through_the_search(service: Service, sign_in: SignIn) -> None:
    client, visitor = await service.client(), await sign_in()
    items: list[dict[str, Any]] = [{"requestId": f"r{n}", "scores": {"accuracy": n % 5}} for n in range(12)]
    items += [{"requestId": f"u{n}", "scores": {"other": n}} for n in range(3)]
    (await client.post("/v1/scores/batch", json={"items": items})).raise_for_status()
    for search in (
        {},
        {"sort": {"scores": {"accuracy": "asc"}}},
        {"sort": {"scores": {"accuracy": "desc"}}, "filter": {"not": {"request": {"id": {"equals": "r3"}}}}},
        {"sort": {"latency": "asc"}},
        {"filter": LOW, "sort": {"created_at": "asc"}},
    ):
        listed = links((await visitor.get(address(**search))).text)
        walked = [listed[0]]
        page = await visitor.get(listed[0])
        while not page.url.path.endswith("/next"):
            found = re.search(r'id="next" href="([^"]+)"', page.text)
            assert found
            page = await visitor.get(unescape(found[1]), follow_redirects=True)
            walked.append(page.url.raw_path.decode())
        assert walked[:-1] == listed, search
        assert "That was the last request" in page.text


async def test_a_search_that_cannot_be_read_is_told_and_all_requests_are_walked(
    service: Service, sign_in: SignIn
) -> None:
    client, visitor = await service.client(), await sign_in()
    await post(client, a={"accuracy": 10})
    await post(client, b={"accuracy": 20})
    page = (await visitor.get("/requests/b?filter={")).text
    assert "The search in the address has errors (filter: not valid JSON" in page
    found = re.search(r'id="next" href="([^"]+)"', page)
    assert found
    after = await visitor.get(unescape(found[1]))
    assert (after.status_code, after.headers["location"]) == (303, "/requests/a")


async def test_what_is_scored_meanwhile_does_not_lose_the_place(service: Service, sign_in: SignIn) -> None:
    client, visitor = await service.client(), await sign_in()
    await post(client, a={"accuracy": 10}, b={"accuracy": 20}, c={"accuracy": 30})
    page = (await visitor.get(address(filter=LOW, sort={"scores": {"accuracy": "asc"}}))).text
    first = (await visitor.get(links(page)[0])).text
    await post(client, a={"accuracy": 90})
    found = re.search(r'id="next" href="([^"]+)"', first)
    assert found
    after = await visitor.get(unescape(found[1]))
    assert (after.status_code, urlsplit(after.headers["location"]).path) == (303, "/requests/b")


async def test_forms_save_integers_and_booleans(service: Service, sign_in: SignIn) -> None:
    client, visitor = await service.client(), await sign_in()
    await post(client, a={"accuracy": 40})
    here = f"/requests/a?{address(filter=LOW).query.decode()}"
    path = here.replace("/a?", "/a/score?")
    for name, value in (
        ("accuracy", " 85 "),
        ("cited", "Yes"),
        ("sure", "false"),
        (FEEDBACK, "true"),
        ("largest", str(2**63 - 1)),
        ("least", str(-(2**63))),
    ):
        response = await submit(visitor, path, name=name, value=value)
        assert (response.status_code, response.headers["location"]) == (303, here)
    expected = {"accuracy": 85, "cited": 1, "sure": 0, FEEDBACK: 1, "largest": 2**63 - 1, "least": -(2**63)}
    assert await stored(client) == expected
    assert await kinds(service) == {
        "accuracy": False,
        "cited": True,
        "sure": True,
        FEEDBACK: True,
        "largest": False,
        "least": False,
    }
    page = (await visitor.get(here)).text
    assert fields(page)["largest"] == ("integer", str(2**63 - 1))
    assert fields(page)["cited"] == ("boolean", "true")
    following = await submit(visitor, path, name="accuracy", value="86", then="/requests/b/next")
    assert following.headers["location"] == "/requests/b/next"
    elsewhere = await submit(visitor, path, name="accuracy", value="87", then="//evil.example/requests/")
    assert elsewhere.headers["location"] == here


async def test_a_form_at_fault_is_shown_again_with_the_reason(service: Service, sign_in: SignIn) -> None:
    client, visitor = await service.client(), await sign_in()
    await post(client, a={"accuracy": 40})
    for name, value, reason in (
        ("accuracy", "9.5", 'expected an integer or a boolean, got "9.5"'),
        ("accuracy", "", 'expected an integer or a boolean, got ""'),
        ("accuracy", str(2**63), "expected an integer of at most 64 bits"),
        (FEEDBACK, "5", "expected true, false, 1 or 0, got 5"),
        ("", "5", "the name must not be empty"),
        ("n" * 256, "5", "the name must have at most 255 characters, got 256"),
        (HOSTILE, HOSTILE, "expected an integer or a boolean, got"),
    ):
        response = await submit(visitor, "/requests/a/score", name=name, value=value)
        assert response.status_code == 400
        assert f'<span class="error">Not saved: {reason}' in unescape(response.text)
        assert f'value="{value}"' in unescape(response.text) or name == FEEDBACK
        assert "<script>alert" not in response.text
    assert await stored(client) == {"accuracy": 40}


async def test_what_was_removed_by_form_can_be_brought_back(service: Service, sign_in: SignIn) -> None:
    client, visitor = await service.client(), await sign_in()
    await post(client, a={"accuracy": 40, "cited": True})
    for name in ("accuracy", "cited"):
        removed = await submit(visitor, "/requests/a/score", name=name, act="remove", value="")
        page = (await visitor.get(removed.headers["location"])).text
        assert name not in await stored(client)
        assert f"{name} was removed." in page
        form = page[page.index('<form class="notice"') :]
        undo = dict(re.findall(r'name="(name|change|act)" value="([^"]*)"', form)[:3])
        await submit(visitor, "/requests/a/score", **undo)
    assert await stored(client) == {"accuracy": 40, "cited": 1}
    assert await kinds(service) == {"accuracy": False, "cited": True}
    again = await submit(visitor, "/requests/a/score", name="never", act="remove")
    assert again.headers["location"] == "/requests/a"


async def test_scripts_are_told_what_is_stored(service: Service, sign_in: SignIn) -> None:
    client, visitor = await service.client(), await sign_in()
    await post(client, a={"accuracy": 40, "cited": True})
    saved = await save(visitor, "/requests/a/scores", {"accuracy": str(2**53 + 1), "__proto__": "yes"})
    after = {"accuracy": str(2**53 + 1), "cited": "true", "__proto__": "true"}
    assert (saved.status_code, saved.json()) == (200, {"scores": after})
    assert await stored(client) == {"accuracy": 2**53 + 1, "cited": 1, "__proto__": 1}
    for name in ("cited", "never"):
        removed = await save(visitor, f"/requests/a/scores/{name}", {}, "DELETE")
        assert removed.json() == {"scores": {key: value for key, value in after.items() if key != "cited"}}


async def test_scripts_save_all_or_nothing(service: Service, sign_in: SignIn) -> None:
    client, visitor = await service.client(), await sign_in()
    await post(client, a={"accuracy": 40})
    for scores, field_error in (
        ({"accuracy": "50", "other": "x"}, 'other: expected an integer or a boolean, got "x"'),
        ({"accuracy": 50}, "scores.accuracy: expected a string, got 50"),
        ([], "scores: expected an object, got an array"),
        ({"cited": "1", "cited-hcone-bool": "1"}, "cited-hcone-bool: the same score as cited"),
    ):
        error_response = await save(visitor, "/requests/a/scores", scores)
        assert error_response.status_code == 400
        assert error_response.json()["error"].startswith(field_error)
    assert await stored(client) == {"accuracy": 40}


async def test_a_request_that_is_gone_is_not_brought_back(service: Service, sign_in: SignIn) -> None:
    client, visitor = await service.client(), await sign_in()
    await post(client, a={"accuracy": 40})
    (await client.delete("/v1/request/a")).raise_for_status()
    missing = {"error": "there is no request a"}
    error_response = await save(visitor, "/requests/a/scores", {"accuracy": "1"})
    assert (error_response.status_code, error_response.json()) == (404, missing)
    assert (await submit(visitor, "/requests/a/score", name="accuracy", value="1")).status_code == 404
    assert [(await visitor.get(f"/requests/a{then}")).status_code for then in ("", "/next")] == [404, 404]
    assert (await client.get("/v1/request/a")).status_code == 404


async def test_nobody_reads_or_scores_requests_of_another_organization(
    service: Service, sign_in: SignIn
) -> None:
    other, visitor = await service.client("other"), await sign_in("mine")
    await log(other, "a", "secret")
    await post(other, a={"secret-name": 40}, b={"secret-name": 1})
    await post(await service.client("mine"), c={"accuracy": 1})
    for method, path in (
        ("GET", "/requests/a"),
        ("GET", "/requests/a/next"),
        ("POST", "/requests/a/score"),
        ("PUT", "/requests/a/scores"),
    ):
        headers = {"X-CSRF-Token": await csrf_token(visitor)}
        content: dict[str, Any] = (
            {"json": {"scores": {"accuracy": "1"}}}
            if method == "PUT"
            else {"data": {"name": "accuracy", "value": "1"}}
        )
        response = await visitor.request(
            method, path, headers=headers, **(content if method != "GET" else {})
        )
        assert response.status_code == 404, path
        assert "secret" not in response.text
    removed = await save(visitor, "/requests/a/scores/secret-name", {}, "DELETE")
    assert removed.json() == {"scores": {}}
    assert "secret" not in (await visitor.get("/requests/c")).text
    assert await stored(other) == {"secret-name": 40}


async def test_who_may_only_read_sees_no_controls(service: Service, sign_in: SignIn) -> None:
    client = await service.client()
    await post(client, a={"accuracy": 40, "cited": True, FEEDBACK: True})
    reader = await sign_in(permissions="r")
    page = (await reader.get("/requests/a?removed=accuracy&was=40")).text
    assert not re.search(r"<form(?! method=\"post\" action=\"/sign-out\"| class=\"notice\")", page)
    assert "<button" not in page.split("</header>")[1].replace('id="previous"', "").split('class="review"')[1]
    assert re.findall(r'<dt>(\w+)</dt><dd class="num">(\w+)</dd>', page) == [
        ("accuracy", "40"),
        ("cited", "yes"),
    ]
    token = {"X-CSRF-Token": await csrf_token(reader)}
    for changing in (page for page in PAGES if page.permission == "w"):
        path = changing.path.replace("{requestId}", "a").replace("{name}", "accuracy")
        response = await reader.request(changing.method, path, headers=token)
        assert response.status_code == 403
    assert await stored(client) == {"accuracy": 40, "cited": 1, FEEDBACK: 1}


async def test_scoring_needs_the_sessions_token(service: Service, sign_in: SignIn) -> None:
    client, visitor = await service.client(), await sign_in()
    await post(client, a={"accuracy": 40})
    form = await visitor.post("/requests/a/score", data={"name": "accuracy", "value": "1"})
    script = await visitor.put("/requests/a/scores", json={"scores": {"accuracy": "1"}})
    assert (form.status_code, script.status_code) == (403, 403)
    foreign = {"Sec-Fetch-Site": "cross-site", "X-CSRF-Token": await csrf_token(visitor)}
    body = {"scores": {"accuracy": "1"}}
    assert (await visitor.put("/requests/a/scores", json=body, headers=foreign)).status_code == 403
    assert await stored(client) == {"accuracy": 40}


async def test_hostile_ids_names_and_bodies_stay_texts(service: Service, sign_in: SignIn) -> None:
    client, visitor = await service.client(), await sign_in()
    request_id = f"a/b%2F?#&=\\{HOSTILE}"
    await log(client, request_id, HOSTILE * 500, **{f"Helicone-Property-{HOSTILE}": HOSTILE})
    path = f"/requests/{quote(request_id, safe='')}"
    saved = await submit(visitor, f"{path}/score", name=HOSTILE, value="7")
    assert (saved.status_code, saved.headers["location"]) == (303, path)
    page = (await visitor.get(path)).text
    assert "<script>alert" not in page
    assert fields(page)[HOSTILE] == ("integer", "7")
    assert await stored(client, request_id) == {HOSTILE: 7}
    removed = await save(visitor, f"{path}/scores/{quote(HOSTILE, safe='')}", {}, "DELETE")
    assert removed.json() == {"scores": {}}
    notice = await visitor.get(
        f"{path}?removed={quote(HOSTILE)}&was={quote(HOSTILE)}&filter={quote(HOSTILE)}"
    )
    assert notice.status_code == 200
    assert "<script>alert" not in notice.text
    assert "The search in the address has errors" in notice.text


async def test_many_names_get_no_field_each(service: Service, sign_in: SignIn) -> None:
    client, visitor = await service.client(), await sign_in()
    await post(client, a={"accuracy": 1}, b={f"n{number:02}": 1 for number in range(20)})
    assert list(fields((await visitor.get("/requests/a")).text)) == [FEEDBACK, "accuracy"]
    asked = {"filter": json.dumps({"not": {"request_response_rmt": {"scores": {"n05": {"exists": True}}}}})}
    page = (await visitor.get("/requests/a", params=asked | {"column": "n07"})).text
    assert list(fields(page)) == [FEEDBACK, "accuracy", "n05", "n07"]
    assert len(re.findall(r"<option value=", page)) == 20
