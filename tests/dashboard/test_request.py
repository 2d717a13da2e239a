from __future__ import annotations

import json
import re
from html import unescape
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import asyncpg
import httpx
from heliscore.dashboard import PAGES
from heliscore.domain.score import FEEDBACK

from tests.conftest import Service
from tests.dashboard.conftest import SignIn, csrf_token
from tests.dashboard.reading import read_text
from tests.dashboard.test_requests import HOSTILE, LOW, address, ids, links, log, post


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


def read_facts(page: str) -> dict[str, str]:
    found = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", page)
    return {title: read_text(value) for title, value in found}


def places(page: str) -> list[str]:
    """The number of the request in its search, wherever the page says it."""
    return [read_text(shown) for shown in re.findall(r'num place"[^>]*>(.*?)<span', page)]


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
    facts = read_facts(page)
    assert facts["Model"] == "m-1"
    assert (facts["User"], facts["env"], facts["Latency"]) == ("eva", "prod", "2.31 s")


async def test_facts_and_properties_lead_to_the_requests_that_share_them(
    service: Service, sign_in: SignIn
) -> None:
    client, visitor = await service.client(), await sign_in()
    same = {"Helicone-Property-env": "null", "Helicone-User-Id": "eva", "Helicone-Prompt-Id": "reply"}
    for request_id in ("a", "b"):
        await log(client, request_id, **same)
    await log(client, "c", **{"Helicone-User-Id": "ada", "Helicone-Property-env": "prod"})
    page = (await visitor.get("/requests/a")).text
    found = {
        title: sorted(ids((await visitor.get(unescape(href))).text))
        for title, href in re.findall(r'<dt>(.*?)</dt><dd><a href="(.*?)"', page)
    }
    everything, shared = ["a", "b", "c"], ["a", "b"]
    assert found == {
        "Model": everything,
        "Provider": everything,
        "Path": everything,
        "Status": everything,
        "Prompt": shared,
        "User": shared,
        "env": shared,
        "Helicone-Prompt-Id": shared,
    }


async def test_the_place_in_the_search_is_counted_on(service: Service, sign_in: SignIn) -> None:
    client, visitor = await service.client(), await sign_in()
    items = [{"requestId": f"r{n:02}", "scores": {"accuracy": n}} for n in range(60)]
    (await client.post("/v1/scores/batch", json={"items": items})).raise_for_status()
    table = (await visitor.get(address(filter=LOW, sort={"scores": {"accuracy": "asc"}}))).text
    assert [parse_qs(urlsplit(link).query)["n"] for link in links(table)] == [[str(n)] for n in range(1, 51)]
    more = (await visitor.get("/requests?sort={}")).text
    following = (await visitor.get(unescape(re.findall(r'id="more" rel="next" href="(.*?)"', more)[0]))).text
    assert [parse_qs(urlsplit(link).query)["n"] for link in links(following)] == [
        [str(n)] for n in range(51, 61)
    ]
    page = (await visitor.get(links(table)[48])).text
    assert places(page) == ["Request 49", "49"]
    counted = unescape(re.findall(r'data-count="(.*?)"', page)[0])
    assert (await visitor.get(counted)).json() == {"count": 50}
    for place in ("50", "51"):
        next_ = unescape(re.findall(r'id="next" href="(.*?)"', page)[0])
        page = (await visitor.get(next_, follow_redirects=True)).text
        if place == "50":
            assert places(page) == ["Request 50", "50"]
    assert "That was the last request" in page
    saved = await submit(visitor, f"/requests/r01/score?n=7&filter={quote('{')}", name="accuracy", value="2")
    assert saved.headers["location"] == f"/requests/r01?filter={quote('{')}&n=7"
    for unknown in ("", "?n=", "?n=-1", "?n=x", "?n=0", f"?n={'9' * 30}", "?n=٣"):
        assert places((await visitor.get(f"/requests/r01{unknown}")).text) == []
    # The search has errors: its order is not the one in which the place was counted.
    assert places((await visitor.get("/requests/r01?n=7&filter={")).text) == []


async def test_a_computed_cost_is_marked_until_somebody_says_it(service: Service, sign_in: SignIn) -> None:
    client, visitor = await service.client(), await sign_in()
    usage = {"prompt_tokens": 1000, "completion_tokens": 100}
    response: dict[str, Any] = {"json": {"model": "gpt-4o", "usage": usage}}
    for cost, shown in ((None, "$0.0035 (computed)"), (0.25, "$0.25")):
        request = {"meta": {"Helicone-Request-Id": "a"}}
        body = {"providerRequest": request, "providerResponse": response | ({"cost": cost} if cost else {})}
        (await client.post("/oai/v1/log", json=body)).raise_for_status()
        page = (await visitor.get("/requests/a")).text
        assert read_facts(page)["Cost"] == shown


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


async def test_many_names_are_grouped_and_those_not_given_are_offered(
    service: Service, sign_in: SignIn
) -> None:
    client, visitor = await service.client(), await sign_in()
    given = ["Zeal", "\u00fcber", "alone.x", *(f"rag.{n}" for n in "cbA"), *(f"s/{n}" for n in range(8))]
    await post(client, a=dict.fromkeys(given, 1), b={"never": True, "Else": 1})
    page = (await visitor.get("/requests/a?n=3")).text
    assert list(fields(page)) == [
        FEEDBACK,
        *("alone.x", "\u00fcber", "Zeal", "rag.A", "rag.b", "rag.c"),
        *(f"s/{n}" for n in range(8)),
    ]
    assert re.findall(r'<h3 class="score-group">(.*?)</h3>', page) == ["rag", "s"]
    assert (
        read_text(re.findall(r'<label class="score-name" for="score-rag.b".*?</label>', page)[0]) == "rag. b"
    )
    offered = r'<button class="pick" name="(\w+)" value="(.*?)"'
    assert re.findall(offered, page) == [("score", "Else"), ("score", "never")]
    asked = (await visitor.get("/requests/a?n=3&score=never")).text
    assert fields(asked)["never"] == ("boolean", "")
    assert 'data-marked="never"' in asked
    assert re.findall(offered, asked) == [("score", "Else")]


async def test_many_properties_are_folded_in_the_order_of_their_keys(
    service: Service, sign_in: SignIn
) -> None:
    client, visitor = await service.client(), await sign_in()
    for request_id, count in (("few", 3), ("many", 13)):
        await log(client, request_id, **{f"Helicone-Property-{'kK'[n % 2]}{n:02}": "x" for n in range(count)})
        page = (await visitor.get(f"/requests/{request_id}")).text
        keys = [key for key in read_facts(page) if key[0] in "kK"]
        assert [int(key[1:]) for key in keys] == list(range(count))
        assert ('<details class="card properties">' in page) == (request_id == "many")


async def test_long_conversation_is_folded_before_its_answer(service: Service, sign_in: SignIn) -> None:
    client, visitor = await service.client(), await sign_in()
    said = [{"role": ("user", "assistant")[n % 2], "content": f"turn {n}"} for n in range(31)]
    sent = {
        "providerRequest": {"json": {"messages": said}, "meta": {"Helicone-Request-Id": "a"}},
        "providerResponse": {"json": {"choices": [{"message": {"content": "The end."}}]}},
    }
    (await client.post("/custom/v1/log", json=sent)).raise_for_status()
    page = (await visitor.get("/requests/a")).text
    earlier, later = page.split('<details class="earlier">')[1].split("</details>")[:2]
    assert "<summary>28 earlier turns</summary>" in earlier
    assert re.findall(r"turn \d+", earlier) == [f"turn {n}" for n in range(28)]
    assert re.findall(r"turn \d+", later)[:3] == [f"turn {n}" for n in range(28, 31)]
    answer = later[later.index('id="answer"') :]
    assert "The end." in answer
    assert 'href="#answer"' in page


async def test_readers_find_the_keys_too(service: Service, sign_in: SignIn) -> None:
    await post(await service.client(), a={"accuracy": 40})
    reader, reviewer = await sign_in(permissions="r"), await sign_in()
    shown = [
        read_text(
            re.findall(r'<dl class="keys">(.*?)</dl>', (await who.get("/requests/a")).text, re.DOTALL)[0]
        )
        for who in (reader, reviewer)
    ]
    assert shown[0] == "j k or \u2192 \u2190 next and previous request a the answer ? this list"
    assert shown[0] in shown[1]
    assert "c comment on the selected score" in shown[1]
