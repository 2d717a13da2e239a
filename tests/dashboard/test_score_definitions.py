"""The pages of score names and their definitions, without script."""

from __future__ import annotations

import re
from typing import Any, Final

import httpx

from tests.conftest import Service
from tests.dashboard.conftest import SignIn, csrf_token
from tests.dashboard.reading import read_tables, read_text

FORM: Final = "/scores/definition"
API: Final = "/v1/score-definitions"
HEAD: Final = ["Score", "Values", "Unit", "Better", "Other values", "What counts"]

EMPTY: Final = {
    "type": "integer",
    "min": "",
    "max": "",
    "direction": "",
    "unit": "",
    "description": "",
    "labels": "",
    "enforce": "off",
    "precedence": "newest",
    "scale": "",
}


async def submit(visitor: httpx.AsyncClient, name: str, act: str = "save", **fields: str) -> httpx.Response:
    data = {"csrf": await csrf_token(visitor), "name": name, **EMPTY, **fields, "act": act}
    return await visitor.post(FORM, data=data)


async def defined(client: httpx.AsyncClient) -> dict[str, Any]:
    """The definitions as the API shows them, by name."""
    return {one.pop("name"): one for one in (await client.get(API)).json()["data"]}


def entered(page: str) -> dict[str, str]:
    """What stands in the fields of the form."""
    fields = dict(re.findall(r'<input class="input" id="(\w+)" name="\w+" value="(.*?)"', page))
    fields |= dict(re.findall(r'<textarea [^>]*name="(\w+)"[^>]*>(.*?)</textarea>', page, re.DOTALL))
    for name, options in re.findall(r'<select [^>]*name="(\w+)"[^>]*>(.*?)</select>', page, re.DOTALL):
        fields[name] = (re.findall(r'value="(\w*)" selected', options) or [""])[0]
    return fields


def errors(page: str) -> dict[str, str]:
    """The messages beside fields."""
    found = re.findall(r'<p id="(\w+)-error" class="error" role="alert">(.*?)</p>', page)
    return {field: read_text(message) for field, message in found}


async def test_scores_are_listed_with_their_definitions(service: Service, sign_in: SignIn) -> None:
    client, visitor = await service.client(), await sign_in()
    assert "No scores yet" in (await visitor.get("/scores")).text
    scores = {"accuracy": 1, "grade": 1, "plain": 1}
    (await client.post("/v1/request/r/score", json={"scores": scores})).raise_for_status()
    bounds = {"type": "integer", "min": 0, "max": 100, "unit": "%", "direction": "higher", "enforce": "on"}
    for name, definition in {
        "accuracy": {**bounds, "description": "How <right>"},
        "grade": {"type": "category", "labels": {"0": "wrong", "1": "right"}, "enforce": "warn"},
        "new": {"type": "boolean", "precedence": "human"},
        "low": {"type": "integer", "max": 5, "direction": "lower"},
        "high": {"type": "integer", "min": 5},
        "any": {"type": "integer"},
    }.items():
        (await client.put(f"{API}/{name}", json=definition)).raise_for_status()
    newest = ["taken", "the newest value"]
    assert read_tables((await visitor.get("/scores")).text) == [
        [
            HEAD,
            ["accuracy How <right>", "0 to 100", "%", "higher", "refused", "the newest value"],
            ["any no scores yet", "any integer", "", "", *newest],
            ["grade", "0 wrong, 1 right", "", "", "warned of", "the newest value"],
            ["high no scores yet", "5 or more", "", "", *newest],
            ["low no scores yet", "5 or less", "", "lower", *newest],
            ["new no scores yet", "true or false", "", "", "taken", "a human's value"],
            ["plain", "not defined: any value"],
        ]
    ]


async def test_form_defines_changes_and_removes(service: Service, sign_in: SignIn) -> None:
    client, visitor = await service.client(), await sign_in()
    name = 'a/b & "c"'
    fields = {
        "type": "category",
        "min": "-1",
        "max": "+2",
        "direction": "higher",
        "unit": "points",
        "description": "One\r\ntwo",
        "labels": "2 = very = right\r\n\r\n -1=wrong ",
        "enforce": "warn",
        "precedence": "human",
        "scale": "10",
    }
    new = await visitor.get(FORM, params={"name": name})
    assert (entered(new.text), "Remove definition" in new.text) == (EMPTY, False)
    saved = await submit(visitor, name, **fields)
    assert (saved.status_code, saved.headers["location"]) == (303, "/scores")
    definition = {
        "type": "category",
        "min": -1,
        "max": 2,
        "direction": "higher",
        "unit": "points",
        "description": "One\ntwo",
        "labels": {"-1": "wrong", "2": "very = right"},
        "enforce": "warn",
        "precedence": "human",
        "scale": 10,
    }
    assert await defined(client) == {name: definition}
    [target] = re.findall(r'<a class="clip" href="(.*?)"', (await visitor.get("/scores")).text)
    shown = (await visitor.get(target)).text
    lines = {"description": "One\ntwo", "labels": "-1 = wrong\n2 = very = right"}
    assert entered(shown) == {**fields, **lines, "max": "2"}
    await submit(visitor, name, **{**fields, "labels": "0 = ok"})
    assert (await defined(client))[name] == {**definition, "labels": {"0": "ok"}}
    assert "Remove definition" in shown
    visitor.cookies.set("heliscore_reviewer", "Ada")
    removed = await submit(visitor, name, "remove")
    assert (removed.status_code, await defined(client)) == (303, {})
    noted = [entry for entry in (await client.get("/v1/audit")).json()["data"] if entry["actor"] == "session"]
    assert [(entry["action"], entry["person"], entry["subject"]) for entry in noted] == [
        ("definition.removed", "human:Ada", {"score": name}),
        ("definition.set", None, {"score": name}),
        ("definition.set", None, {"score": name}),
    ]
    assert len({entry["key"] for entry in noted}) == 1


async def test_form_with_errors_is_shown_again(service: Service, sign_in: SignIn) -> None:
    client, visitor = await service.client(), await sign_in()
    for fields, expected in (
        ({"min": "low"}, {"min": f'expected an integer from {-(2**63)} to {2**63 - 1}, got "low"'}),
        ({"min": "2", "max": "1"}, {"min": "must be at most max, which is 1, got 2"}),
        ({"type": "category"}, {"labels": "must not be empty: a category is one of its labels"}),
        ({"labels": "wrong"}, {"labels": 'expected "value = label", got "wrong"'}),
        ({"labels": "0 = a\n0 = b"}, {"labels": "0 has two labels"}),
        ({"labels": "0 = a\n1 = a"}, {"labels": "1: must not be the label of 0 too"}),
        (
            {"type": "boolean", "labels": "x = a", "max": "1.5"},
            {
                "labels": "x: expected an integer of at most 64 bits as the key",
                "max": f'expected an integer from {-(2**63)} to {2**63 - 1}, got "1.5"',
            },
        ),
    ):
        response = await submit(visitor, "a", **fields)
        assert (response.status_code, errors(response.text)) == (400, expected)
        assert entered(response.text) == {**EMPTY, **fields}
    assert await defined(client) == {}
    for path in (FORM, f"{FORM}?name=", f"{FORM}?name={'x' * 256}"):
        assert (await visitor.get(path)).status_code == 400


async def test_stored_values_are_checked_before_a_definition_is_saved(
    service: Service, sign_in: SignIn
) -> None:
    client, visitor = await service.client(), await sign_in()
    for request_id, value in (("a/b", 140), (".", -1), ("c", 50)):
        items = [{"requestId": request_id, "scores": {"accuracy": value}}]
        (await client.post("/v1/scores/batch", json={"items": items})).raise_for_status()
    page = (await submit(visitor, "accuracy", "check", min="0", max="100")).text
    [found] = re.findall(r'<section class="card" aria-labelledby="check">(.*?)</section>', page, re.DOTALL)
    assert re.findall(r'href="(.*?)"', found) == ["/requests/a%2Fb"]
    text = read_text(found)
    assert text == (
        "2 of 3 stored values break this definition 1 too low, 1 too high. It is not saved yet. "
        "a/b : must be at most 100, got 140 .: must be at least 0, got -1"
    )
    assert await defined(client) == {}
    good = read_text((await submit(visitor, "accuracy", "check", min="-5")).text)
    assert "0 of 3 stored values break this definition It is not saved yet." in good


async def test_key_that_only_reads_is_shown_definitions(service: Service, sign_in: SignIn) -> None:
    client, visitor = await service.client(), await sign_in(permissions="r")
    (await client.put(f"{API}/a", json={"type": "boolean"})).raise_for_status()
    page = (await visitor.get(FORM, params={"name": "a"})).text
    assert "Your API key can view definitions, not change them." in page
    assert ("<button" in page.partition("<main")[2], page.count(" disabled>")) == (False, 10)


async def test_score_given_by_hand_is_checked(service: Service, sign_in: SignIn) -> None:
    client, visitor = await service.client(), await sign_in()
    (await client.put(f"{API}/a", json={"type": "integer", "max": 5, "enforce": "on"})).raise_for_status()
    (await client.post("/v1/request/r/score", json={"scores": {"a": 1}})).raise_for_status()
    token = await csrf_token(visitor)
    refused = await visitor.post("/requests/r/score", data={"csrf": token, "name": "a", "value": "7"})
    assert (refused.status_code, "must be at most 5, got 7" in refused.text) == (400, True)
    answer = await visitor.put(
        "/requests/r/scores", json={"scores": {"a": "7"}}, headers={"X-CSRF-Token": token}
    )
    assert (answer.status_code, answer.json()) == (400, {"error": "scores.a: must be at most 5, got 7"})
    row = (await client.get("/v1/request/r")).json()["data"]
    assert row["scores"] == {"a": 1}
