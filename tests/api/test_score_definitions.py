"""`/v1/score-definitions`, and what definitions do to each call that writes scores."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any, Final

import httpx
import pytest
from heliscore.domain.score import Score
from heliscore.domain.score_definition import ScoreDefinition, find_breach
from heliscore.store import organizations, score_definitions
from heliscore.store.connections.pool import Connection

from tests.api import promptlayer
from tests.api.calls import MAKE_DEFINITION
from tests.api.envelope import DONE, encoded, faulty, post, scores_of
from tests.api.test_batch import LINES, got, item, taken
from tests.conftest import Service, StartService

PATH: Final = "/v1/score-definitions"
FEEDBACK: Final = "helicone-score-feedback"
MAX: Final = 2**63 - 1

BARE: Final[dict[str, Any]] = {
    "type": "integer",
    "min": None,
    "max": None,
    "direction": None,
    "unit": None,
    "description": None,
    "labels": {},
    "enforce": "off",
    "precedence": "newest",
    "scale": None,
}
"""A definition with the defaults."""

FULL: Final[dict[str, Any]] = {
    "type": "integer",
    "min": -(2**63),
    "max": MAX,
    "direction": "lower",
    "unit": "ms",
    "description": "Time\nto the answer",
    "labels": {"-10": "fast", "-2": "slow", "0": "never", "100": "late"},
    "enforce": "warn",
    "precedence": "human",
    "scale": 1000,
}


async def define(client: httpx.AsyncClient, name: str, **fields: object) -> None:
    response = await client.put(f"{PATH}/{encoded(name)}", json={"type": "integer", **fields})
    assert response.status_code == 200, response.text


def listed(data: object) -> dict[str, Any]:
    return {"data": data, "error": None}


# The calls


async def test_definitions_are_set_shown_and_removed(client: httpx.AsyncClient) -> None:
    assert got(await client.get(PATH)) == (200, listed([]))
    name = "Zeit/ß"
    full = {"name": name, **FULL}
    response = await client.put(f"{PATH}/{encoded(name)}", json=FULL)
    assert got(response) == (200, listed(full))
    bare = {"name": "accuracy", **BARE}
    response = await client.put(f"{PATH}/accuracy", json={"type": "integer", "unit": "", "labels": None})
    assert got(response) == (200, listed(bare))
    assert got(await client.get(PATH)) == (200, listed([full, bare]))
    response = await client.get(f"{PATH}/{encoded(name)}")
    assert got(response) == (200, listed(full))
    assert list(response.json()["data"]["labels"]) == ["-10", "-2", "0", "100"]

    replaced = {"name": name, **BARE, "max": 5}
    response = await client.put(f"{PATH}/{encoded(name)}", json={"type": "integer", "max": 5})
    assert got(response) == (200, listed(replaced))
    assert got(await client.get(PATH)) == (200, listed([replaced, bare]))
    assert got(await client.delete(f"{PATH}/accuracy")) == (200, DONE)
    for response in (await client.get(f"{PATH}/accuracy"), await client.delete(f"{PATH}/accuracy")):
        assert got(response) == (404, {"data": None, "error": "score accuracy has no definition"})
    assert got(await client.get(PATH)) == (200, listed([replaced]))


async def test_name_of_a_boolean_is_the_one_that_is_stored(client: httpx.AsyncClient) -> None:
    response = await client.put(f"{PATH}/cited-hcone-bool", json={"type": "boolean"})
    assert response.json()["data"]["name"] == "cited"


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({}, [("type", "missing")]),
        (
            {
                "type": "float",
                "min": 0.5,
                "max": 2**63,
                "direction": "up",
                "unit": 1,
                "enforce": True,
                "precedence": "oldest",
                "scale": 0,
                "label": {},
            },
            [
                ("label", "unknown key; known are description, direction, enforce, labels, max, min,"),
                ("type", 'expected "integer", "boolean" or "category", got "float"'),
                ("min", f"expected an integer from {-(2**63)} to {MAX}, got 0.5"),
                ("max", f"expected an integer from {-(2**63)} to {MAX}, got an integer of more than 64 bits"),
                ("direction", 'expected "higher" or "lower", got "up"'),
                ("unit", "expected a string, got 1"),
                ("enforce", "expected a string, got true"),
                ("precedence", 'expected "newest" or "human", got "oldest"'),
                ("scale", "expected an integer from 1 to 1000000, got 0"),
            ],
        ),
        (
            {"type": "integer", "labels": {"01": "a", "-0": "b", str(2**63): "c", "x": "d", "1": 1}},
            [
                (f"labels.{key}", "expected an integer of at most 64 bits as the key")
                for key in ("01", "-0", str(2**63), "x")
            ]
            + [("labels.1", "expected a string, got 1")],
        ),
        ({"type": "integer", "min": 2, "max": 1}, [("min", "must be at most max, which is 1, got 2")]),
        ({"type": "category"}, [("labels", "must not be empty: a category is one of its labels")]),
    ],
)
async def test_definition_with_errors_is_refused(
    client: httpx.AsyncClient, body: object, errors: list[tuple[str, str]]
) -> None:
    response = await client.put(f"{PATH}/accuracy", json=body)
    assert response.status_code == 400
    details = response.json()["details"]
    assert [(error["path"], error["message"].partition(" precedence")[0]) for error in details] == errors
    tried = await client.post(f"{PATH}/accuracy/check", json={"definition": body})
    assert [error["path"] for error in tried.json()["details"]] == [
        f"definition.{path}" for path, _ in errors
    ]
    assert got(await client.get(PATH)) == (200, listed([]))


async def test_label_that_is_given_twice_is_refused(client: httpx.AsyncClient) -> None:
    body = '{"type": "category", "labels": {"1": "a", "1": "b"}}'
    response = await client.put(f"{PATH}/accuracy", content=body)
    assert got(response) == (400, faulty(("1", "given twice in one object")))


async def test_feedback_is_a_boolean(client: httpx.AsyncClient) -> None:
    response = await client.put(f"{PATH}/{FEEDBACK}", json={"type": "integer"})
    assert got(response) == (400, faulty(("type", f'must be "boolean" for {FEEDBACK}')))


async def test_number_of_definitions_is_limited(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    await define(client, "first")
    await connection.execute(
        """
        INSERT INTO score_definition (organization_id, name, type, labels, enforce, precedence)
        SELECT $1, 'n' || n, 'integer', '{}', 'off', 'newest' FROM generate_series(2, 1000) AS n
        """,
        organization_id,
    )
    response = await client.put(f"{PATH}/one-more", json={"type": "integer"})
    assert got(response) == (400, faulty(("", "there may be at most 1000 definitions")))
    await define(client, "first", max=1)
    assert len((await client.get(PATH)).json()["data"]) == 1000


@pytest.mark.parametrize("permissions", ["r", "w"])
async def test_key_that_only_reads_or_writes_defines_nothing(
    shared: Service, organization: str, permissions: Any
) -> None:
    client = await shared.client(organization, permissions)
    for response in (
        await client.put(f"{PATH}/a", json={"type": "integer"}),
        await client.delete(f"{PATH}/a"),
    ):
        error = f"the API key has permissions '{permissions}', this needs 'rw'"
        assert got(response) == (403, {"data": None, "error": error})


async def test_definitions_go_with_the_organization(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    await define(client, "accuracy")
    await organizations.remove(connection, organization_id)
    assert await score_definitions.list_definitions(connection, organization_id) == []


# Writing calls


Write = Callable[[httpx.AsyncClient, int], Awaitable[httpx.Response]]
"""Sends one value of `accuracy` for the request 7."""


def track(path: str) -> Write:
    async def write(client: httpx.AsyncClient, value: int) -> httpx.Response:
        return await client.post(path, json={"request_id": 7, "name": "accuracy", "score": value})

    return write


def upload(mode: str, *, lines: bool) -> Write:
    async def write(client: httpx.AsyncClient, value: int) -> httpx.Response:
        items = [item("7", accuracy=value, other=value)]
        if not lines:
            return await client.post("/v1/scores/batch", json={"items": items, "mode": mode})
        body = f'{{"requestId": "7", "scores": {{"accuracy": {value}, "other": {value}}}}}\n'
        return await client.post("/v1/scores/batch", content=body, params={"mode": mode}, headers=LINES)

    return write


async def post_scores(client: httpx.AsyncClient, value: int) -> httpx.Response:
    scores = {"accuracy": value, "other": value}
    return await client.post("/v1/request/7/score", json={"scores": scores})


async def post_evaluation(client: httpx.AsyncClient, value: int) -> httpx.Response:
    return await client.post("/v1/evals/7", json={"name": "accuracy", "score": value})


async def log(client: httpx.AsyncClient, value: int) -> httpx.Response:
    fields = {"score": value, "score_name": "accuracy"}
    return await client.post("/log-request", json={**promptlayer.LOG, **fields})


WRONG = "must be at most 50, got 90"
WARNING = f"scores.accuracy: {WRONG}"

REFUSED = faulty(("scores.accuracy", WRONG))
PROMPTLAYER_REFUSED = promptlayer.error_response(WARNING)
WARNED = {**DONE, "warnings": [WARNING]}
TRACKED = promptlayer.done("the score is stored", warnings=[WARNING])
ITEM = {"index": 0, "requestId": "7", "message": WARNING}
BATCH_WARNED = listed({"accepted": 1, "rejected": 0, "errors": [], "warnings": [ITEM]})

WRITES: Final[dict[str, tuple[Write, tuple[int, Any], tuple[int, Any]]]] = {
    "score": (post_scores, (400, REFUSED), (200, WARNED)),
    "evaluation": (post_evaluation, (400, REFUSED), (200, WARNED)),
    "track-score": (track("/rest/track-score"), (400, PROMPTLAYER_REFUSED), (200, TRACKED)),
    "library-track-score": (track("/library-track-score"), (400, PROMPTLAYER_REFUSED), (200, TRACKED)),
    **{
        f"atomic {form}": (
            upload("atomic", lines=form == "lines"),
            (400, faulty(("items[0].scores.accuracy", WRONG))),
            (200, BATCH_WARNED),
        )
        for form in ("json", "lines")
    },
    **{
        f"partial {form}": (
            upload("partial", lines=form == "lines"),
            (200, taken(0, (0, "7", WARNING))),
            (200, BATCH_WARNED),
        )
        for form in ("json", "lines")
    },
}
"""Each call that scores a request, and its answers where the definition is on and where it warns."""

every_write = pytest.mark.parametrize(("write", "refused", "warned"), WRITES.values(), ids=WRITES.keys())


@every_write
async def test_value_is_refused_or_warned_of(
    client: httpx.AsyncClient, write: Write, refused: tuple[int, Any], warned: tuple[int, Any]
) -> None:
    await define(client, "accuracy", max=50, enforce="on")
    assert got(await write(client, 90)) == refused
    assert await scores_of(client, "7") is None
    good = await write(client, 50)
    assert (good.status_code, "warnings" in good.text) == (200, False)
    await define(client, "accuracy", max=50, enforce="warn")
    assert got(await write(client, 90)) == warned
    stored = await scores_of(client, "7")
    assert stored is not None
    assert stored["accuracy"] == 90
    await define(client, "accuracy", max=50)
    quiet = await write(client, 91)
    assert (quiet.status_code, "warnings" in quiet.text) == (200, False)


async def test_log_call_of_promptlayer_is_refused_or_warned_of(client: httpx.AsyncClient) -> None:
    await define(client, "accuracy", max=50, enforce="on")
    assert got(await log(client, 90)) == (400, PROMPTLAYER_REFUSED)
    counted = await client.post("/v1/request/count/query", json={"filter": "all"})
    assert counted.json() == listed(0)
    assert (await log(client, 50)).status_code == 201
    await define(client, "accuracy", max=50, enforce="warn")
    response = await log(client, 90)
    request_id = response.json()["id"]
    assert got(response) == (
        201,
        promptlayer.done(
            "the request is logged",
            id=request_id,
            request_id=request_id,
            prompt_version=None,
            status="SUCCESS",
            error_type=None,
            error_message=None,
            warnings=[WARNING],
        ),
    )
    assert await scores_of(client, str(request_id)) == {"accuracy": 90}


async def test_feedback_is_checked_too(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    # A definition that no call would take: every rating is a boolean, and keeps the definition of one.
    await connection.execute(MAKE_DEFINITION, organization_id, FEEDBACK, "on")
    ratings = [
        ("/v1/request/7/feedback", {"rating": True}),
        ("/v1/feedback", {"helicone-id": "7", "rating": "positive"}),
    ]
    refused = faulty((f"scores.{FEEDBACK}", "must be an integer, got true"))
    for path, body in ratings:
        assert got(await client.post(path, json=body)) == (400, refused)
    await define(client, FEEDBACK, type="boolean", enforce="on")
    for path, body in ratings:
        assert got(await client.post(path, json=body)) == (200, DONE)


async def test_every_score_is_named_that_is_refused_and_none_is_stored(client: httpx.AsyncClient) -> None:
    await define(client, "a", min=1, enforce="on")
    await define(client, "b", type="boolean", enforce="on")
    await define(client, "c", type="category", labels={"0": "wrong", "1": "right"}, enforce="on")
    await define(client, "d", max=1, enforce="warn")
    scores = {"a": 0, "b": 7, "c": 2, "d": 2, "e": 5}
    response = await client.post("/v1/request/r/score", json={"scores": scores})
    assert got(response) == (
        400,
        faulty(
            ("scores.a", "must be at least 1, got 0"),
            ("scores.b", "must be a boolean, got 7"),
            ("scores.c", "must be one of 0 (wrong), 1 (right), got 2"),
        ),
    )
    assert await scores_of(client, "r") is None


async def test_items_of_an_upload_are_checked_one_by_one(client: httpx.AsyncClient) -> None:
    await define(client, "on", max=1, enforce="on")
    await define(client, "warn", max=1, enforce="warn")
    items = [
        item("a", on=1, warn=1),
        item("b", on=2, warn=2),
        item("c", on=1, warn=2),
        item("d", warn=3, other=9),
    ]
    response = await client.post("/v1/scores/batch", json={"items": items})
    assert got(response) == (400, faulty(("items[1].scores.on", "must be at most 1, got 2")))
    assert [await scores_of(client, id_) for id_ in "abcd"] == [None] * 4
    response = await client.post("/v1/scores/batch", json={"items": items, "mode": "partial"})
    answer = taken(3, (1, "b", "scores.on: must be at most 1, got 2"))
    answer["data"]["warnings"] = [
        {"index": index, "requestId": id_, "message": f"scores.warn: must be at most 1, got {value}"}
        for index, id_, value in ((2, "c", 2), (3, "d", 3))
    ]
    assert got(response) == (200, answer)
    assert [await scores_of(client, id_) for id_ in "abcd"] == [
        {"on": 1, "warn": 1},
        None,
        {"on": 1, "warn": 2},
        {"warn": 3, "other": 9},
    ]


async def test_warnings_of_an_upload_are_listed_up_to_the_limit(client: httpx.AsyncClient) -> None:
    await define(client, "a", max=0, enforce="warn")
    lines = b"".join(b'{"requestId": "r%d", "scores": {"a": 1}}\n' % n for n in range(1001))
    response = await client.post("/v1/scores/batch", content=lines, headers=LINES)
    data = response.json()["data"]
    assert (data["accepted"], len(data["warnings"]), data["warnings"][-1]["index"]) == (1001, 1000, 999)


async def test_scaled_value_is_what_counts(client: httpx.AsyncClient) -> None:
    await define(client, "a", max=50, enforce="on")
    body = {"items": [item("r", a=0.51)], "mode": "partial"}
    response = await client.post("/v1/scores/batch", json=body, params={"scale": "100"})
    assert got(response) == (200, taken(0, (0, "r", "scores.a: must be at most 50, got 51")))


async def test_definition_of_another_organization_does_not_count(
    client: httpx.AsyncClient, shared: Service, organization: str
) -> None:
    await define(client, "a", max=0, enforce="on")
    stranger = await shared.client(f"not {organization}")
    await post(stranger, "r", {"a": 5})
    assert got(await stranger.get(PATH)) == (200, listed([]))


async def test_other_services_follow_within_a_second(start_service: StartService) -> None:
    first, second = [await (await start_service()).client() for _ in range(2)]
    await post(second, "r", {"a": 5})
    await define(first, "a", max=0, enforce="on")
    refused = faulty(("scores.a", "must be at most 0, got 5"))
    assert got(await first.post("/v1/request/r/score", json={"scores": {"a": 5}})) == (400, refused)
    await asyncio.sleep(1)
    assert got(await second.post("/v1/request/r/score", json={"scores": {"a": 5}})) == (400, refused)
    await first.delete(f"{PATH}/a")
    await post(first, "r", {"a": 5})


async def test_breaches_are_counted(client: httpx.AsyncClient) -> None:
    async def counted() -> dict[str, float]:
        text = (await client.get("/metrics")).text
        found = re.findall(r"^heliscore_definition_breaches_total\{(.+)\} (.+)$", text, re.MULTILINE)
        return {labels: float(value) for labels, value in found}

    def grown(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
        return {
            labels: value - before.get(labels, 0)
            for labels, value in after.items()
            if value != before.get(labels, 0)
        }

    before = await counted()
    await define(client, "on", max=1, enforce="on")
    await define(client, "warn", type="boolean", enforce="warn")
    await client.post("/v1/request/r/score", json={"scores": {"on": 2, "warn": 1}})
    await client.post("/v1/request/r/score", json={"scores": {"on": 1, "warn": 1}})
    for mode in ("atomic", "partial"):
        items = [item("r", warn=1)]
        await client.post("/v1/scores/batch", json={"items": items, "mode": mode})
    assert grown(before, await counted()) == {
        'enforce="on",kind="too_high"': 1,
        'enforce="warn",kind="wrong_type"': 3,
    }


# The check


async def test_check_counts_what_breaks_the_definition(client: httpx.AsyncClient) -> None:
    values = [0, 100, 140, -1, -30, 50, True]
    items = [item(f"r{n}", accuracy=value) for n, value in enumerate(values)]
    (await client.post("/v1/scores/batch", json={"items": items})).raise_for_status()
    missing = {"data": None, "error": "score accuracy has no definition"}
    assert got(await client.post(f"{PATH}/accuracy/check", json={})) == (404, missing)
    await define(client, "accuracy", min=0, max=100)
    percent: dict[str, Any] = {
        "checked": 7,
        "broken": 4,
        "kinds": {"tooLow": 2, "tooHigh": 1, "notALabel": 0, "wrongType": 1},
        "worst": [
            {
                "requestId": "r2",
                "value": 140,
                "kind": "tooHigh",
                "message": "must be at most 100, got 140",
            },
            {"requestId": "r4", "value": -30, "kind": "tooLow", "message": "must be at least 0, got -30"},
            {"requestId": "r3", "value": -1, "kind": "tooLow", "message": "must be at least 0, got -1"},
            {
                "requestId": "r6",
                "value": True,
                "kind": "wrongType",
                "message": "must be an integer, got true",
            },
        ],
    }
    assert got(await client.post(f"{PATH}/accuracy/check", json={})) == (200, listed(percent))
    tried = {"definition": {"type": "category", "labels": {str(n): f"{n}" for n in (-30, -1, 0, 50, 100)}}}
    response = await client.post(f"{PATH}/accuracy-hcone-bool/check", json=tried)
    data = response.json()["data"]
    assert data["kinds"] == {"tooLow": 0, "tooHigh": 0, "notALabel": 1, "wrongType": 1}
    assert {one["requestId"] for one in data["worst"]} == {"r2", "r6"}
    good = {"checked": 0, "broken": 0, "kinds": dict.fromkeys(percent["kinds"], 0), "worst": []}
    response = await client.post(f"{PATH}/never/check", json={"definition": {"type": "boolean"}})
    assert got(response) == (200, listed(good))


DEFINITIONS = [
    ScoreDefinition("a", "integer"),
    ScoreDefinition("a", "integer", min=-1, max=1),
    ScoreDefinition("a", "integer", min=2**63 - 1),
    ScoreDefinition("a", "integer", max=-(2**63)),
    ScoreDefinition("a", "boolean"),
    ScoreDefinition("a", "category", labels={0: "no", 1: "yes", MAX: "most"}),
    ScoreDefinition("a", "category", min=0, max=1, labels={0: "no"}),
]


async def test_check_in_the_database_is_the_one_of_a_post(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    scores = [Score(value, False) for value in (-(2**63), -2, -1, 0, 1, 2, MAX)]
    scores += [Score(0, True), Score(1, True)]
    items = [
        item(f"r{n}", a=bool(score.value) if score.is_boolean else score.value)
        for n, score in enumerate(scores)
    ]
    (await client.post("/v1/scores/batch", json={"items": items})).raise_for_status()
    name_id = await connection.fetchval(
        "SELECT id FROM score_name WHERE organization_id = $1 AND name = 'a'", organization_id
    )
    for definition in DEFINITIONS:
        kinds = [find_breach(definition, score) for score in scores]
        arguments = (connection, organization_id, name_id, definition)
        assert await score_definitions.count_breaches(*arguments) == {k: kinds.count(k) for k in kinds}
        worst = await score_definitions.find_worst(*arguments, 100)
        assert {(one.score, one.kind) for one in worst} == {
            (score, kind) for score, kind in zip(scores, kinds, strict=True) if kind
        }
