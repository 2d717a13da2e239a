"""`POST /v1/scores/batch`: many score maps in one call, as JSON and as lines, all or the good ones."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx
import pytest
from heliscore.store.connections.pool import Connection

from tests.api.envelope import faulty, post, read, scores_of
from tests.conftest import Service, StartService
from tests.ways_out import MULTIPLY, NO_POINT

PATH: Final = "/v1/scores/batch"
LINES: Final = {"Content-Type": "application/x-ndjson"}
GZIP: Final = {**LINES, "Content-Encoding": "gzip"}
MAX_LINE: Final = 2**20
MAX: Final = 2**63 - 1
FEEDBACK: Final = "helicone-score-feedback"

json_and_lines = pytest.mark.parametrize("form", ["json", "lines"])
both_modes = pytest.mark.parametrize("mode", ["atomic", "partial"])


def item(request_id: str, **scores: object) -> dict[str, Any]:
    return {"requestId": request_id, "scores": scores}


def line(request_id: str, **scores: object) -> bytes:
    return json.dumps(item(request_id, **scores)).encode()


def line_of(size: int, request_id: str) -> bytes:
    """A good item that is that many bytes long."""
    rest = b'"requestId": "%s", "scores": {"a": 1}}' % request_id.encode()
    return b"{" + b" " * (size - len(rest) - 1) + rest


async def upload(
    client: httpx.AsyncClient, form: str, items: Sequence[object], mode: str | None = None
) -> httpx.Response:
    """Send items as JSON or as lines, with the mode where that form has it."""
    if form == "json":
        return await client.post(PATH, json={"items": items} | ({"mode": mode} if mode else {}))
    body = b"".join(json.dumps(item).encode() + b"\n" for item in items)
    return await upload_lines(client, body, mode)


async def upload_lines(
    client: httpx.AsyncClient,
    body: bytes | AsyncIterator[bytes],
    mode: str | None = None,
    headers: dict[str, str] = LINES,
) -> httpx.Response:
    return await client.post(PATH, content=body, params={"mode": mode} if mode else {}, headers=headers)


async def pieces(body: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


def taken(accepted: int, *errors: tuple[int, str | None, str]) -> dict[str, Any]:
    """The body of a 200 with those (index, request id, message) rejected."""
    listed = [{"index": index, "requestId": id_, "message": message} for index, id_, message in errors]
    return {"data": {"accepted": accepted, "rejected": len(errors), "errors": listed}, "error": None}


def got(response: httpx.Response) -> tuple[int, Any]:
    return response.status_code, response.json()


async def stored(connection: Connection, organization_id: int) -> dict[str, dict[str, int]]:
    """Every request of the organization, with its scores."""
    rows = await connection.fetch(
        """
        SELECT r.request_id, n.name, s.value FROM request AS r
        LEFT JOIN score AS s ON s.request_no = r.request_no AND s.organization_id = r.organization_id
        LEFT JOIN score_name AS n ON n.id = s.name_id
        WHERE r.organization_id = $1
        """,
        organization_id,
    )
    found: dict[str, dict[str, int]] = {}
    for request_id, name, value in rows:
        scores = found.setdefault(request_id, {})
        if name is not None:
            scores[name] = value
    return found


ANYBODY_WAITS = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted) FROM pg_sleep(0.01)"
"""In the transaction of `locked`, where pg_stat_activity would show the same again and again."""


@asynccontextmanager
async def locked(connection: Connection, organization_id: int, request_id: str) -> AsyncIterator[None]:
    """Let every writer of the request wait."""
    async with connection.transaction():
        await connection.execute(
            "SELECT FROM request WHERE organization_id = $1 AND request_id = $2 FOR UPDATE",
            organization_id,
            request_id,
        )
        yield


# What is good


@json_and_lines
@both_modes
async def test_good_items_are_readable_at_once(client: httpx.AsyncClient, form: str, mode: str) -> None:
    response = await upload(client, form, [item("a/b 🎯", accuracy=95, cited=True), item("s", tone=-3)], mode)
    assert got(response) == (200, taken(2))
    assert await scores_of(client, "a/b 🎯") == {"accuracy": 95, "cited": 1}
    assert await scores_of(client, "s") == {"tone": -3}


@json_and_lines
@both_modes
async def test_thousands_are_stored_when_the_answer_arrives(
    client: httpx.AsyncClient, connection: Connection, organization_id: int, form: str, mode: str
) -> None:
    items = [item(f"r{i}", a=i, **{f"b{i % 10}": -i}) for i in range(5_000)]
    assert got(await upload(client, form, items, mode)) == (200, taken(5_000))
    assert await stored(connection, organization_id) == {i["requestId"]: i["scores"] for i in items}


@json_and_lines
@both_modes
async def test_scores_join_those_that_were_there(client: httpx.AsyncClient, form: str, mode: str) -> None:
    await post(client, "r", {"kept": 1, "changed": 2})
    assert got(await upload(client, form, [item("r", changed=3, new=4)], mode)) == (200, taken(1))
    assert await scores_of(client, "r") == {"kept": 1, "changed": 3, "new": 4}


@json_and_lines
@both_modes
async def test_limits_of_an_item_are_taken(client: httpx.AsyncClient, form: str, mode: str) -> None:
    scores = {f"s{i}": i for i in range(253)} | {"x" * 255: 1, "min": -MAX - 1, "max": MAX}
    items = [{"requestId": "🎯" * 255, "scores": scores}]
    assert got(await upload(client, form, items, mode)) == (200, taken(1))
    assert await scores_of(client, "🎯" * 255) == scores


@json_and_lines
@both_modes
async def test_empty_score_map_is_accepted_and_does_nothing(
    client: httpx.AsyncClient, connection: Connection, organization_id: int, form: str, mode: str
) -> None:
    assert got(await upload(client, form, [item("r"), item("s", a=1)], mode)) == (200, taken(2))
    assert await stored(connection, organization_id) == {"s": {"a": 1}}


@json_and_lines
@both_modes
async def test_no_items_are_none_accepted(client: httpx.AsyncClient, form: str, mode: str) -> None:
    assert got(await upload(client, form, [], mode)) == (200, taken(0))


@json_and_lines
@both_modes
@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ({"cited": True, "safe": False}, {"cited": 1, "safe": 0}),
        ({"cited-hcone-bool": True}, {"cited": 1}),
        ({"cited-hcone-bool": 0}, {"cited": 0}),
        ({"cited-hcone-bool-hcone-bool": 1}, {"cited": 1}),
    ],
)
async def test_booleans_are_stored_as_such(
    client: httpx.AsyncClient,
    connection: Connection,
    organization_id: int,
    form: str,
    mode: str,
    sent: dict[str, object],
    shown: dict[str, int],
) -> None:
    assert got(await upload(client, form, [item("r", **sent)], mode)) == (200, taken(1))
    assert await scores_of(client, "r") == shown
    flags = await connection.fetch("SELECT is_boolean FROM score WHERE organization_id = $1", organization_id)
    assert [flag for (flag,) in flags] == [True] * len(shown)


@json_and_lines
@both_modes
@pytest.mark.parametrize(("sent", "rating"), [(True, True), (False, False), (1, True), (0, False)])
async def test_feedback_is_the_rating(
    client: httpx.AsyncClient, form: str, mode: str, sent: object, rating: bool
) -> None:
    assert got(await upload(client, form, [item("r", **{FEEDBACK: sent})], mode)) == (200, taken(1))
    row = await read(client, "r")
    assert row is not None
    assert (row["feedback_rating"], row["scores"]) == (rating, {FEEDBACK: int(rating)})


# One score several times

FILLER: Final = [item(f"filler {i}", **{f"f{n}": n for n in range(200)}) for i in range(40)]
"""More than one chunk, and so more than one statement."""


@json_and_lines
@both_modes
@pytest.mark.parametrize("between", [[], FILLER], ids=["one chunk", "two chunks"])
async def test_later_item_for_one_score_counts(
    client: httpx.AsyncClient, form: str, mode: str, between: list[object]
) -> None:
    items = [item("r", a=1, b=1, c=1), item("r", a=2, b=2), *between, item("r", a=3, d=True), item("r", d=5)]
    assert got(await upload(client, form, items, mode)) == (200, taken(len(items)))
    assert await scores_of(client, "r") == {"a": 3, "b": 2, "c": 1, "d": 5}


@json_and_lines
@pytest.mark.parametrize("between", [[], FILLER], ids=["one chunk", "two chunks"])
async def test_rejected_later_item_leaves_the_earlier(
    client: httpx.AsyncClient, form: str, between: list[object]
) -> None:
    items = [item("r", a=1), *between, item("r", a=2, b=0.5)]
    field_error = (
        len(items) - 1,
        "r",
        f"scores.b: expected an integer or a boolean, got 0.5; {MULTIPLY}",
    )
    assert got(await upload(client, form, items, "partial")) == (200, taken(len(items) - 1, field_error))
    assert await scores_of(client, "r") == {"a": 1}


# What is at fault

NOT_INTEGER: Final = "expected an integer or a boolean, got"
BAD_ITEMS: Final[list[tuple[object, str | None, list[tuple[str, str]]]]] = [
    (None, None, [("", "expected a JSON object, got null")]),
    (5, None, [("", "expected a JSON object, got 5")]),
    ("r", None, [("", 'expected a JSON object, got "r"')]),
    ([item("r", a=1)], None, [("", "expected a JSON object, got an array")]),
    ({}, None, [("requestId", "missing"), ("scores", "missing")]),
    ({"scores": {"a": 1}}, None, [("requestId", "missing")]),
    ({"requestId": None, "scores": {"a": 1}}, None, [("requestId", "expected a string, got null")]),
    ({"requestId": 5, "scores": {"a": 1}}, None, [("requestId", "expected a string, got 5")]),
    ({"requestId": True, "scores": {"a": 1}}, None, [("requestId", "expected a string, got true")]),
    ({"requestId": ["r"], "scores": {"a": 1}}, None, [("requestId", "expected a string, got an array")]),
    (item("", a=1), "", [("requestId", "must not be empty")]),
    (item("a\0b", a=1), "a\0b", [("requestId", "must not contain control characters")]),
    ({"requestId": "r"}, "r", [("scores", "missing")]),
    ({"requestId": "r", "scores": None}, "r", [("scores", "expected an object, got null")]),
    ({"requestId": "r", "scores": []}, "r", [("scores", "expected an object, got an array")]),
    ({"requestId": "r", "scores": 5}, "r", [("scores", "expected an object, got 5")]),
    (
        item("r", a=95.0),
        "r",
        [("scores.a", f"{NOT_INTEGER} 95.0; {NO_POINT}")],
    ),
    (item("r", a="5"), "r", [("scores.a", f'{NOT_INTEGER} "5"')]),
    (item("r", a=None), "r", [("scores.a", f"{NOT_INTEGER} null")]),
    (item("r", a=[1]), "r", [("scores.a", f"{NOT_INTEGER} an array")]),
    (item("r", a=MAX + 1), "r", [("scores.a", "expected an integer of at most 64 bits")]),
    (item("r", **{"": 1}), "r", [("scores.", "the name must not be empty")]),
    (item("r", **{"a\nb": 1}), "r", [("scores.a\\u000ab", "the name must not contain control characters")]),
    (
        item("r", **{"x" * 256: 1}),
        "r",
        [(f"scores.{'x' * 80}…", "the name must have at most 255 characters, got 256")],
    ),
    (item("r", **{f"s{i}": i for i in range(257)}), "r", [("scores", "at most 256 in a call, got 257")]),
    (item("r", **{FEEDBACK: 2}), "r", [(f"scores.{FEEDBACK}", "expected true, false, 1 or 0, got 2")]),
    (
        item("r", **{"a-hcone-bool": 2}),
        "r",
        [("scores.a-hcone-bool", "expected true, false, 1 or 0, got 2")],
    ),
    (
        item("r", **{"a": True, "a-hcone-bool": True}),
        "r",
        [("scores.a-hcone-bool", "the same score as a, which is in this call too")],
    ),
    ({**item("r", a=1), "id": 1}, "r", [("id", "unknown key; known are author, requestId, scores")]),
    (
        {"request_id": "r", "scores": {"a": 1}},
        None,
        [("request_id", "unknown key; known are author, requestId, scores"), ("requestId", "missing")],
    ),
    (
        item("", a=0.5, b=1, c="x"),
        "",
        [
            ("requestId", "must not be empty"),
            ("scores.a", f"{NOT_INTEGER} 0.5; {MULTIPLY}"),
            ("scores.c", f'{NOT_INTEGER} "x"'),
        ],
    ),
]


def errors_at(index: int, errors: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """The body of an atomic upload's 400 with those faults of one item."""
    place = f"items[{index}]"
    return faulty(*((f"{place}.{path}" if path else place, message) for path, message in errors))


def message_of(errors: Sequence[tuple[str, str]]) -> str:
    return "; ".join(f"{path}: {message}" if path else message for path, message in errors)


@json_and_lines
@pytest.mark.parametrize(("bad", "request_id", "errors"), BAD_ITEMS)
async def test_atomic_upload_with_a_fault_stores_nothing(
    client: httpx.AsyncClient,
    connection: Connection,
    organization_id: int,
    form: str,
    bad: object,
    request_id: str | None,  # noqa: ARG001 - only partial answers tell it
    errors: list[tuple[str, str]],
) -> None:
    response = await upload(client, form, [item("good", a=1), bad, item("fine", a=1)], "atomic")
    assert got(response) == (400, errors_at(1, errors))
    assert await stored(connection, organization_id) == {}


@json_and_lines
@pytest.mark.parametrize(("bad", "request_id", "errors"), BAD_ITEMS)
async def test_partial_upload_names_the_bad_and_stores_the_good(
    client: httpx.AsyncClient,
    connection: Connection,
    organization_id: int,
    form: str,
    bad: object,
    request_id: str | None,
    errors: list[tuple[str, str]],
) -> None:
    response = await upload(client, form, [item("good", a=1), bad, item("fine", a=1)], "partial")
    assert got(response) == (200, taken(2, (1, request_id, message_of(errors))))
    assert await stored(connection, organization_id) == {"good": {"a": 1}, "fine": {"a": 1}}


@json_and_lines
async def test_too_long_id_is_refused(
    client: httpx.AsyncClient, connection: Connection, organization_id: int, form: str
) -> None:
    response = await upload(client, form, [item("good", a=1), item("x" * 256, a=1)])
    assert got(response) == (
        400,
        faulty(("items[1].requestId", "must have at most 255 characters, got 256")),
    )
    assert await stored(connection, organization_id) == {}


async def test_answer_stays_small_whatever_the_ids(client: httpx.AsyncClient) -> None:
    response = await upload(client, "lines", [item("x" * 500_000, a=1)] * 20, "partial")
    assert (response.status_code, response.json()["data"]["rejected"]) == (200, 20)
    assert len(response.content) < 100_000


@json_and_lines
async def test_unknown_keys_are_named_in_their_order(client: httpx.AsyncClient, form: str) -> None:
    keys = [f"key{i}" for i in range(8)]
    response = await upload(client, form, [{**item("r", a=1), **dict.fromkeys(keys, 1)}])
    errors = [(key, "unknown key; known are author, requestId, scores") for key in keys]
    assert got(response) == (400, errors_at(0, errors))


@json_and_lines
async def test_mode_is_atomic_unless_said(
    client: httpx.AsyncClient, connection: Connection, organization_id: int, form: str
) -> None:
    response = await upload(client, form, [item("good", a=1), item("r", a=0.5)])
    assert got(response) == (400, faulty(("items[1].scores.a", f"{NOT_INTEGER} 0.5; {MULTIPLY}")))
    assert await stored(connection, organization_id) == {}


@json_and_lines
async def test_atomic_upload_with_a_fault_at_the_end_of_thousands_stores_nothing(
    client: httpx.AsyncClient, connection: Connection, organization_id: int, form: str
) -> None:
    items = [item(f"r{i}", a=i) for i in range(7_000)]
    response = await upload(client, form, [*items, item("last", a=0.5)], "atomic")
    assert got(response) == (400, faulty(("items[7000].scores.a", f"{NOT_INTEGER} 0.5; {MULTIPLY}")))
    assert await stored(connection, organization_id) == {}


@json_and_lines
async def test_refused_atomic_upload_leaves_former_scores_alone(client: httpx.AsyncClient, form: str) -> None:
    await post(client, "r", {"a": 1})
    before = await read(client, "r")
    assert (await upload(client, form, [item("r", a=2, b=2), item("s", a=0.5)], "atomic")).status_code == 400
    assert await read(client, "r") == before


@json_and_lines
async def test_atomic_upload_lists_a_thousand_faults_and_counts_all(
    client: httpx.AsyncClient, form: str
) -> None:
    response = await upload(client, form, [item(f"r{i}", a=0.5, b=0.5) for i in range(5_000)], "atomic")
    errors = [
        (f"items[{i}].scores.{name}", f"{NOT_INTEGER} 0.5; {MULTIPLY}") for i in range(500) for name in "ab"
    ]
    assert got(response) == (400, faulty(*errors, found=10_000))


@json_and_lines
async def test_partial_upload_lists_a_thousand_errors(
    client: httpx.AsyncClient, connection: Connection, organization_id: int, form: str
) -> None:
    items = [item(f"r{i}", a=i if i % 2 else i + 0.5) for i in range(7_000)]
    body = taken(
        3_500, *((i, f"r{i}", f"scores.a: {NOT_INTEGER} {i}.5; {MULTIPLY}") for i in range(0, 7_000, 2))
    )
    body["data"]["errors"] = body["data"]["errors"][:1000]
    assert got(await upload(client, form, items, "partial")) == (200, body)
    assert await stored(connection, organization_id) == {f"r{i}": {"a": i} for i in range(1, 7_000, 2)}


@json_and_lines
async def test_partial_upload_may_be_all_bad(client: httpx.AsyncClient, form: str) -> None:
    response = await upload(client, form, [item("", a=1), item("", a=2)], "partial")
    field_error = "requestId: must not be empty"
    assert got(response) == (200, taken(0, (0, "", field_error), (1, "", field_error)))


# The JSON body


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({}, [("items", "missing")]),
        ({"items": None}, [("items", "expected a list, got null")]),
        ({"items": {}}, [("items", "expected a list, got an object")]),
        ({"items": "[]"}, [("items", 'expected a list, got "[]"')]),
        ({"items": [], "more": 1}, [("more", "unknown key; known are items, mode")]),
        ({"items": [], "mode": "all"}, [("mode", 'expected "atomic" or "partial", got "all"')]),
        ({"items": [], "mode": "Partial"}, [("mode", 'expected "atomic" or "partial", got "Partial"')]),
        ({"items": [], "mode": ""}, [("mode", 'expected "atomic" or "partial", got ""')]),
        ({"items": [], "mode": 5}, [("mode", "expected a string, got 5")]),
        ({"items": [], "mode": True}, [("mode", "expected a string, got true")]),
        ([], [("", "expected a JSON object, got an array")]),
        (
            {"Items": [], "mode": "x"},
            [
                ("Items", "unknown key; known are items, mode"),
                ("items", "missing"),
                ("mode", 'expected "atomic" or "partial", got "x"'),
            ],
        ),
    ],
)
async def test_wrong_json_is_refused(
    client: httpx.AsyncClient, body: object, errors: list[tuple[str, str]]
) -> None:
    assert got(await client.post(PATH, json=body)) == (400, faulty(*errors))


async def test_mode_may_be_null(client: httpx.AsyncClient) -> None:
    assert got(await client.post(PATH, json={"items": [item("r", a=1)], "mode": None})) == (200, taken(1))


async def test_json_may_be_gzip(client: httpx.AsyncClient) -> None:
    body = gzip.compress(json.dumps({"items": [item("r", a=1)]}).encode())
    response = await client.post(PATH, content=body, headers={"Content-Encoding": "gzip"})
    assert got(response) == (200, taken(1))
    assert await scores_of(client, "r") == {"a": 1}


async def test_json_is_held_to_the_limit_of_bodies(start_service: StartService) -> None:
    client = await (await start_service(max_body_bytes=1024)).client()
    response = await upload(client, "json", [item(f"r{i}", a=i) for i in range(100)])
    assert got(response) == (413, {"data": None, "error": "the body is larger than the limit of 1024 bytes"})


# Lines


@both_modes
async def test_lines_may_be_more_than_the_limit_of_bodies(start_service: StartService, mode: str) -> None:
    client = await (await start_service(max_body_bytes=1024)).client()
    response = await upload(client, "lines", [item(f"r{i}", a=i) for i in range(100)], mode)
    assert got(response) == (200, taken(100))
    assert await scores_of(client, "r99") == {"a": 99}


@pytest.mark.parametrize("mode", ["all", "Partial", ""])
async def test_unknown_mode_of_lines_is_refused(
    client: httpx.AsyncClient, connection: Connection, organization_id: int, mode: str
) -> None:
    response = await client.post(f"{PATH}?mode={mode}", content=line("r", a=1), headers=LINES)
    assert got(response) == (400, faulty(("mode", f'expected "atomic" or "partial", got "{mode}"')))
    assert await stored(connection, organization_id) == {}


@pytest.mark.parametrize(
    "content_type",
    [
        "application/x-ndjson",
        "Application/X-NDJSON",
        "application/x-ndjson; charset=utf-8",
        "application/ndjson",
        "application/jsonl",
    ],
)
async def test_content_type_tells_lines(client: httpx.AsyncClient, content_type: str) -> None:
    body = line("r", a=1) + b"\n" + line("s", a=2)
    response = await upload_lines(client, body, headers={"Content-Type": content_type})
    assert got(response) == (200, taken(2))


@both_modes
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"%s\n%s\n", id="LF"),
        pytest.param(b"%s\r\n%s\r\n", id="CRLF"),
        pytest.param(b"%s\n%s", id="no newline at the end"),
        pytest.param(b"%s\r\n%s", id="CRLF, none at the end"),
        pytest.param(b"\n%s\n\n \t \n%s\n\n\n", id="blank lines"),
        pytest.param(b"\r\n%s\r\n\r\n%s\r\n\r\n", id="blank lines, CRLF"),
        pytest.param(b"  %s  \n\t%s\t\n   ", id="blanks around"),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 10_000])
async def test_lines_end_as_they_like_and_come_in_any_pieces(
    client: httpx.AsyncClient,
    connection: Connection,
    organization_id: int,
    mode: str,
    body: bytes,
    size: int,
) -> None:
    sent = body % (line("r", a=1), line("s", b=2))
    assert got(await upload_lines(client, pieces(sent, size), mode)) == (200, taken(2))
    assert await stored(connection, organization_id) == {"r": {"a": 1}, "s": {"b": 2}}


@both_modes
@pytest.mark.parametrize("body", [b"", b"\n", b"\r\n \n\n"])
async def test_nothing_but_blank_lines_is_nothing(client: httpx.AsyncClient, mode: str, body: bytes) -> None:
    assert got(await upload_lines(client, body, mode)) == (200, taken(0))


async def test_index_counts_items_not_blank_lines(client: httpx.AsyncClient) -> None:
    body = b"\n" + line("r", a=1) + b"\n\n\n" + line("", a=1) + b"\n"
    response = await upload_lines(client, body, "partial")
    assert got(response) == (200, taken(1, (1, "", "requestId: must not be empty")))


async def test_index_goes_on_across_pieces(client: httpx.AsyncClient) -> None:
    body = b"\n".join([*(line(f"r{i}", a=i) for i in range(20)), line("", a=1)])
    response = await upload_lines(client, pieces(body, 50), "partial")
    assert got(response) == (200, taken(20, (20, "", "requestId: must not be empty")))


NO_JSON: Final = "the line is not valid JSON: "
MALFORMED: Final = [
    pytest.param(b"{", NO_JSON + "Input data was truncated", id="cut off"),
    pytest.param(b"r", NO_JSON + "JSON is malformed: invalid character (byte 0)", id="bare word"),
    pytest.param(
        line("r", a=1) * 2, NO_JSON + "JSON is malformed: trailing characters (byte 39)", id="two in a line"
    ),
    pytest.param(
        b'{"requestId": "\xff"}',
        NO_JSON + "'utf-8' codec can't decode byte 0xff in position 0: invalid start byte",
        id="invalid UTF-8",
    ),
    pytest.param(b"[" * 100_000, NO_JSON + "nested too deeply", id="100,000 open brackets"),
]


@pytest.mark.parametrize(("bad", "message"), MALFORMED)
async def test_malformed_line_refuses_an_atomic_upload(
    client: httpx.AsyncClient, connection: Connection, organization_id: int, bad: bytes, message: str
) -> None:
    body = b"\n".join([line("good", a=1), bad, line("fine", a=1)])
    assert got(await upload_lines(client, body, "atomic")) == (400, faulty(("items[1]", message)))
    assert await stored(connection, organization_id) == {}


@pytest.mark.parametrize(("bad", "message"), MALFORMED)
async def test_malformed_line_of_a_partial_upload_is_named(
    client: httpx.AsyncClient, connection: Connection, organization_id: int, bad: bytes, message: str
) -> None:
    body = b"\n".join([line("good", a=1), bad, line("fine", a=1)])
    assert got(await upload_lines(client, body, "partial")) == (200, taken(2, (1, None, message)))
    assert await stored(connection, organization_id) == {"good": {"a": 1}, "fine": {"a": 1}}


# Long lines

TOO_LONG: Final = "the line is longer than 1048576 bytes"
LONG_LINES: Final = [
    pytest.param(line_of(MAX_LINE + 1, "long"), id="by one byte"),
    pytest.param(line_of(MAX_LINE * 3, "long"), id="by far"),
    pytest.param(b"{" * (MAX_LINE + 1), id="malformed"),
    pytest.param(b" " * (MAX_LINE + 1) + line("long", a=1) + b" " * 300_000, id="behind a million of blanks"),
]


@both_modes
async def test_line_of_1_mib_is_taken(client: httpx.AsyncClient, mode: str) -> None:
    assert got(await upload_lines(client, line_of(MAX_LINE, "long") + b"\n", mode)) == (200, taken(1))
    assert await scores_of(client, "long") == {"a": 1}


@pytest.mark.parametrize("long", LONG_LINES)
async def test_longer_line_is_rejected_while_its_neighbours_are_stored(
    client: httpx.AsyncClient, connection: Connection, organization_id: int, long: bytes
) -> None:
    body = b"\n".join([line("good", a=1), long, line("fine", a=1)])
    response = await upload_lines(client, pieces(body, 100_000), "partial")
    assert got(response) == (200, taken(2, (1, None, TOO_LONG)))
    assert await stored(connection, organization_id) == {"good": {"a": 1}, "fine": {"a": 1}}


@pytest.mark.parametrize("long", LONG_LINES)
async def test_longer_line_refuses_an_atomic_upload(
    client: httpx.AsyncClient, connection: Connection, organization_id: int, long: bytes
) -> None:
    body = b"\n".join([line("good", a=1), long, line("fine", a=1)])
    response = await upload_lines(client, pieces(body, 100_000), "atomic")
    assert got(response) == (400, faulty(("items[1]", TOO_LONG)))
    assert await stored(connection, organization_id) == {}


async def test_longer_line_may_be_the_last(client: httpx.AsyncClient) -> None:
    body = line("good", a=1) + b"\n" + line_of(MAX_LINE * 2, "long")
    response = await upload_lines(client, body, "partial")
    assert got(response) == (200, taken(1, (1, None, TOO_LONG)))


# gzip

TWO: Final = line("r", a=1) + b"\n" + line("s", b=2) + b"\n"


@both_modes
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(gzip.compress(TWO), id="one member"),
        pytest.param(gzip.compress(TWO[:50]) + gzip.compress(TWO[50:]), id="two, cut within a line"),
        pytest.param(b"".join(gzip.compress(bytes([byte])) for byte in TWO), id="a member a byte"),
        pytest.param(gzip.compress(b"") + gzip.compress(TWO) + gzip.compress(b""), id="empty ones around"),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 10_000])
async def test_lines_may_be_gzip(
    client: httpx.AsyncClient,
    connection: Connection,
    organization_id: int,
    mode: str,
    body: bytes,
    size: int,
) -> None:
    assert got(await upload_lines(client, pieces(body, size), mode, GZIP)) == (200, taken(2))
    assert await stored(connection, organization_id) == {"r": {"a": 1}, "s": {"b": 2}}


@both_modes
async def test_thousands_of_lines_may_be_gzip(
    client: httpx.AsyncClient, connection: Connection, organization_id: int, mode: str
) -> None:
    body = gzip.compress(b"".join(line(f"r{i}", a=i) + b"\n" for i in range(7_000)))
    assert got(await upload_lines(client, body, mode, GZIP)) == (200, taken(7_000))
    assert await stored(connection, organization_id) == {f"r{i}": {"a": i} for i in range(7_000)}


NO_GZIP: Final = "the body is not valid gzip"
BROKEN_GZIP: Final = [
    pytest.param(TWO, NO_GZIP, id="not gzip"),
    pytest.param(gzip.compress(TWO)[:-4], NO_GZIP + ": it ends too early", id="cut off"),
    pytest.param(gzip.compress(TWO)[:5], NO_GZIP + ": it ends too early", id="cut off in its head"),
    pytest.param(gzip.compress(TWO)[:-8] + b"\0" * 8, NO_GZIP, id="wrong checksum"),
    pytest.param(gzip.compress(TWO) + TWO, NO_GZIP, id="garbage behind"),
    pytest.param(
        gzip.compress(TWO) + gzip.compress(TWO)[:-4], NO_GZIP + ": it ends too early", id="second cut off"
    ),
]


@pytest.mark.parametrize(("body", "message"), BROKEN_GZIP)
async def test_broken_gzip_refuses_an_atomic_upload(
    client: httpx.AsyncClient, connection: Connection, organization_id: int, body: bytes, message: str
) -> None:
    assert got(await upload_lines(client, body, "atomic", GZIP)) == (400, faulty(("", message)))
    assert await stored(connection, organization_id) == {}


@pytest.mark.parametrize(("body", "message"), BROKEN_GZIP)
async def test_broken_gzip_ends_a_partial_upload(
    client: httpx.AsyncClient, body: bytes, message: str
) -> None:
    assert got(await upload_lines(client, body, "partial", GZIP)) == (400, faulty(("", message)))


async def test_nothing_is_written_after_the_answer(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    await post(client, "r", {"a": 0})
    async with locked(connection, organization_id, "r"):
        broken = gzip.compress(TWO) + b"broken"
        uploading = asyncio.create_task(upload_lines(client, broken, "partial", GZIP))
        answered, _ = await asyncio.wait({uploading}, timeout=0.5)
    await uploading
    assert not answered


@both_modes
async def test_other_encoding_is_refused(client: httpx.AsyncClient, mode: str) -> None:
    response = await upload_lines(client, TWO, mode, {**LINES, "Content-Encoding": "br"})
    assert got(response) == (400, faulty(("Content-Encoding", 'expected gzip or none, got "br"')))


# Requests that must exist


@pytest.fixture
async def strict(start_service: StartService) -> Service:
    """A service that refuses scores of unknown requests, but for `known0` to `known2`."""
    service = await start_service(unknown_requests="reject")
    client = await service.client()
    for number in range(3):
        body = {
            "providerRequest": {
                "url": "https://example.com/v1/chat",
                "json": {"model": "m"},
                "meta": {"Helicone-Request-Id": f"known{number}"},
            },
            "providerResponse": {"json": {}, "status": 200, "headers": {}},
        }
        assert (await client.post("/custom/v1/log", json=body)).status_code == 200
    return service


@json_and_lines
async def test_partial_upload_names_unknown_requests(strict: Service, form: str) -> None:
    client = await strict.client()
    items = [item("known0", a=1), item("new", a=2), item("known1", a=0.5), item("known2", a=3)]
    assert got(await upload(client, form, items, "partial")) == (
        200,
        taken(
            2,
            (1, "new", "there is no request new"),
            (2, "known1", f"scores.a: {NOT_INTEGER} 0.5; {MULTIPLY}"),
        ),
    )
    scores = [await scores_of(client, id_) for id_ in ("known0", "new", "known1", "known2")]
    assert scores == [{"a": 1}, None, {}, {"a": 3}]


@json_and_lines
async def test_atomic_upload_with_unknown_requests_stores_nothing(strict: Service, form: str) -> None:
    client = await strict.client()
    items = [item("known0", a=1), item("new", a=2), item("known1", a=3), item("more", a=4)]
    assert got(await upload(client, form, items, "atomic")) == (
        400,
        faulty(
            ("items[1].requestId", "there is no request new"),
            ("items[3].requestId", "there is no request more"),
        ),
    )
    scores = [await scores_of(client, id_) for id_ in ("known0", "new", "known1", "more")]
    assert scores == [{}, None, {}, None]


@json_and_lines
async def test_atomic_upload_with_an_unknown_request_at_the_end_of_thousands_stores_nothing(
    strict: Service, form: str
) -> None:
    client = await strict.client()
    items = [item(f"known{i % 3}", a=i) for i in range(7_000)]
    response = await upload(client, form, [*items, item("new", a=1)], "atomic")
    assert got(response) == (400, faulty(("items[7000].requestId", "there is no request new")))
    assert [await scores_of(client, f"known{i}") for i in range(3)] == [{}, {}, {}]


@json_and_lines
@both_modes
async def test_known_requests_are_scored(strict: Service, form: str, mode: str) -> None:
    client = await strict.client()
    items = [item("known0", a=1), item("known1", a=2), item("known0", b=3)]
    assert got(await upload(client, form, items, mode)) == (200, taken(3))
    assert [await scores_of(client, f"known{i}") for i in range(2)] == [{"a": 1, "b": 3}, {"a": 2}]


@json_and_lines
@both_modes
async def test_request_of_another_organization_is_unknown(strict: Service, form: str, mode: str) -> None:
    client = await strict.client("other")
    response = await upload(client, form, [item("known0", a=1)], mode)
    message = "there is no request known0"
    if mode == "atomic":
        assert got(response) == (400, faulty(("items[0].requestId", message)))
    else:
        assert got(response) == (200, taken(0, (0, "known0", message)))
    assert await scores_of(await strict.client(), "known0") == {}


# Names that are new

again = pytest.mark.parametrize("again", ["score", "atomic", "partial"])


async def score_again(client: httpx.AsyncClient, how: str, request_id: str, **scores: object) -> None:
    """Send scores that must be taken, one way or another."""
    if how == "score":
        await post(client, request_id, scores)
    else:
        assert got(await upload(client, "json", [item(request_id, **scores)], how)) == (200, taken(1))


@json_and_lines
@again
async def test_new_name_is_usable_after_an_upload_was_rolled_back(
    strict: Service, form: str, again: str
) -> None:
    client = await strict.client()
    response = await upload(client, form, [item("known0", fresh=1), item("new", fresh=2, other=3)], "atomic")
    assert got(response) == (400, faulty(("items[1].requestId", "there is no request new")))
    await score_again(client, again, "known0", fresh=4, other=5)
    assert await scores_of(client, "known0") == {"fresh": 4, "other": 5}


@json_and_lines
@again
async def test_new_name_is_usable_after_an_upload_was_refused(
    client: httpx.AsyncClient, form: str, again: str
) -> None:
    response = await upload(client, form, [item("r", fresh=1), item("s", other=0.5)], "atomic")
    assert got(response) == (400, faulty(("items[1].scores.other", f"{NOT_INTEGER} 0.5; {MULTIPLY}")))
    await score_again(client, again, "r", fresh=4, other=5)
    assert await scores_of(client, "r") == {"fresh": 4, "other": 5}


# Others


@json_and_lines
@both_modes
async def test_organizations_with_equal_ids_stay_apart(
    shared: Service, organization: str, form: str, mode: str
) -> None:
    mine, theirs = await shared.client(organization), await shared.client(f"another {organization}")
    for client, value in (mine, 1), (theirs, 2):
        assert got(await upload(client, form, [item("r", a=value), item("s", a=value)], mode)) == (
            200,
            taken(2),
        )
    found = [await scores_of(client, id_) for client, id_ in itertools.product((mine, theirs), "rs")]
    assert found == [{"a": 1}, {"a": 1}, {"a": 2}, {"a": 2}]


def filler(name: str) -> list[dict[str, Any]]:
    return [item(f"{name} {i['requestId']}", **i["scores"]) for i in FILLER]


@json_and_lines
async def test_atomic_uploads_that_cross_are_both_taken(
    client: httpx.AsyncClient, connection: Connection, organization_id: int, form: str
) -> None:
    await post(client, "gate", {"a": 0})
    there = [item("x", a=1), *filler("there"), item("gate", a=1), item("y", a=1)]
    back = [item("y", a=2), *filler("back"), item("gate", a=2), item("x", a=2)]
    async with locked(connection, organization_id, "gate"):
        uploads = [asyncio.create_task(upload(client, form, items, "atomic")) for items in (there, back)]
        await asyncio.wait(uploads, timeout=0.7)  # both have written their first chunk and wait
    assert [got(response) for response in await asyncio.gather(*uploads)] == [
        (200, taken(len(there))),
        (200, taken(len(back))),
    ]


@json_and_lines
async def test_post_of_another_request_does_not_wait_for_an_atomic_upload(
    client: httpx.AsyncClient, connection: Connection, organization_id: int, form: str
) -> None:
    await post(client, "gate", {"a": 0})
    items = [item("x", a=1), *filler("upload"), item("gate", a=1)]
    async with locked(connection, organization_id, "gate"):
        uploading = asyncio.create_task(upload(client, form, items, "atomic"))
        while not await connection.fetchval(ANYBODY_WAITS):
            pass  # its first chunk is being written
        same = asyncio.create_task(post(client, "x", {"a": 2}))
        async with asyncio.timeout(30):
            await asyncio.gather(*(post(client, f"other {n}", {"a": n}) for n in range(20)))
        assert not uploading.done()
        assert not same.done()
    assert got(await uploading) == (200, taken(len(items)))
    await same
    assert await scores_of(client, "x") == {"a": 2}
