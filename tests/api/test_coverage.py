"""Which requests lack which scores: by hand, and random ones against plain Python; each filter of an answer
finds as many requests as the answer says."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from heliscore.store.connections.pool import Connection
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.api.envelope import COUNT, RMT, faulty, log, post
from tests.api.test_evaluation import MARCH, ask, evaluated  # noqa: F401
from tests.api.test_evaluation_property import Asker, Question, Row, asker, bucket, questions, rows_  # noqa: F401

COVERAGE = "/v1/evals/coverage"

Json = dict[str, Any]


def missing(name: str, raw: object = "all", **conditions: object) -> object:
    leaf = {RMT: {**conditions, "scores": {name: {"exists": False}}}}
    return leaf if raw == "all" else {"left": raw, "operator": "and", "right": leaf}


def covered(name: str, requests: int, scored: int, **conditions: object) -> Json:
    """One score of a row; `conditions` are those of the row, beside the caller's filter, which is "all"."""
    return {
        name: {
            "scored": scored,
            "missing": requests - scored,
            "share": scored / requests,
            "filter": missing(name, **conditions),
        }
    }


IN_MARCH = {"gte": "2026-03-01T00:00:00Z", "lt": "2026-04-01T00:00:00Z"}


async def test_coverage_counts_all_requests_and_gives_the_filter_of_those_without(
    evaluated: httpx.AsyncClient,  # noqa: F811
) -> None:
    assert await ask(evaluated, COVERAGE, scores=["accuracy", "tone", "never used"]) == {
        "groups": 1,
        "unknownScores": ["never used"],
        "rows": [
            {
                "group": None,
                "time": None,
                "requests": 6,
                "scores": {
                    **covered("accuracy", 6, 5, request_created_at=IN_MARCH),
                    **covered("tone", 6, 1, request_created_at=IN_MARCH),
                    **covered("never used", 6, 0, request_created_at=IN_MARCH),
                },
            }
        ],
    }


async def test_coverage_is_by_group_and_time(evaluated: httpx.AsyncClient) -> None:  # noqa: F811
    def row(group: str | None, month: str, end: str, requests: int, scored: int) -> Json:
        condition = {"exists": False} if group is None else {"in": [group]}
        times = {"gte": "2026-03-01T00:00:00Z" if month < "03" else f"2026-{month}T00:00:00Z", "lt": end}
        conditions = {"model": condition, "request_created_at": times}
        return {
            "group": group,
            "time": f"2026-{month}T00:00:00.000Z",
            "requests": requests,
            "scores": covered("cited", requests, scored, **conditions),
        }

    answer = await ask(evaluated, COVERAGE, scores=["cited"], groupBy="model", increment="week")
    assert answer == {
        "groups": 3,
        "unknownScores": [],
        "rows": [
            row("gpt", "02-23", "2026-03-02T00:00:00Z", 3, 3),
            row("gpt", "03-09", "2026-03-16T00:00:00Z", 1, 0),
            row("claude", "03-02", "2026-03-09T00:00:00Z", 1, 0),
            row(None, "03-02", "2026-03-09T00:00:00Z", 1, 0),
        ],
    }
    first = await ask(evaluated, COVERAGE, scores=["cited"], groupBy="model", increment="week", limit=1)
    assert first == {**answer, "rows": answer["rows"][:2]}


async def test_coverage_of_no_request_has_no_rows(client: httpx.AsyncClient) -> None:
    await post(client, "r", {"a": 1})
    for filter_ in ({RMT: {"model": {"equals": "none"}}}, {RMT: {"scores": {"b": {"gt": 3}}}}):
        answer = await ask(client, COVERAGE, scores=["a"], filter=filter_)
        assert answer == {"groups": 0, "unknownScores": [], "rows": []}


GROUPS = ["null", "__empty__", "", "a b", 'quote " and \\ and $1', "é😀", None]


@pytest.mark.parametrize("by", ["user_id", {"property": "with space . and dot"}])
async def test_filter_finds_groups_of_any_name(
    client: httpx.AsyncClient, connection: Connection, organization_id: int, by: object
) -> None:
    for number, group in enumerate(GROUPS):
        await log(connection, organization_id, str(number), "2026-03-05T00:00:00Z")
        column = (
            "user_id = $1"
            if by == "user_id"
            else "properties = jsonb_strip_nulls(jsonb_build_object('with space . and dot', $1::text))"
        )
        await connection.execute(
            f"UPDATE request SET {column} WHERE organization_id = $2 AND request_id = $3",
            group,
            organization_id,
            str(number),
        )
    names = ["a b", "ok?", 'quote "', "scores"]
    answer = await ask(client, COVERAGE, scores=names, groupBy=by)
    assert {row["group"] for row in answer["rows"]} == {*GROUPS}
    for row in answer["rows"]:
        for name in names:
            response = await client.post(COUNT, json={"filter": row["scores"][name]["filter"]})
            assert response.json()["data"] == row["scores"][name]["missing"] == 1


# Random requests


@settings(max_examples=40, print_blob=True)
@given(
    rows=rows_,
    question=questions,
    names=st.lists(
        st.sampled_from(["accuracy", "tone", "cited", "never used"]), min_size=1, max_size=4, unique=True
    ),
    by=st.sampled_from([None, "model", "variant"]),
    unit=st.sampled_from([None, "min", "hour", "day", "week", "month", "year"]),
)
def test_coverage_is_what_python_counts(
    asker: Asker,  # noqa: F811
    rows: list[Row],
    question: Question,
    names: list[str],
    by: str | None,
    unit: str | None,
) -> None:
    asker.fill(rows)
    body = question.body() | {"scores": names, "increment": unit, "timeZoneDifference": question.minutes}
    body["groupBy"] = {"property": "variant"} if by == "variant" else by
    members: dict[tuple[str | None, str | None], list[Row]] = {}
    for row in question.chosen(rows):
        at = bucket(row.at, unit, question.minutes) if unit else None
        members.setdefault((getattr(row, by) if by else None, at), []).append(row)
    answer = asker.ask(COVERAGE, body)
    assert answer["groups"] == len({group for group, _ in members})
    used = {name for row in rows for name in row.scores}
    assert set(answer["unknownScores"]) >= {"never used"} & {*names}
    assert not {*answer["unknownScores"]} & used
    assert {
        (row["group"], row["time"]): (
            row["requests"],
            {name: (one["scored"], one["missing"], one["share"]) for name, one in row["scores"].items()},
        )
        for row in answer["rows"]
    } == {
        key: (
            len(part),
            {name: counts(len(part), sum(name in row.scores for row in part)) for name in names},
        )
        for key, part in members.items()
    }
    for row in answer["rows"][:6]:
        for one in row["scores"].values():
            assert asker.ask(COUNT, {"filter": one["filter"]}) == one["missing"]


def counts(requests: int, scored: int) -> tuple[int, int, float]:
    return scored, requests - scored, scored / requests


# Large and wrong bodies


def nested(depth: int) -> object:
    filter_: object = {RMT: {"status": {"equals": 200}}}
    for _ in range(depth - 1):
        filter_ = {"not": filter_}
    return filter_


async def test_filter_keeps_room_for_what_the_answer_adds(client: httpx.AsyncClient) -> None:
    await post(client, "r", {"a": 1})
    huge = {RMT: {"latency": {"lt": 10**30}}}
    for filter_ in (nested(49), huge, {"not": huge}):
        answer = await ask(client, COVERAGE, scores=["b"], filter=filter_, timeFilter=None)
        for row in answer["rows"]:
            response = await client.post(COUNT, json={"filter": row["scores"]["b"]["filter"]})
            assert response.json() == {"data": row["requests"], "error": None}
    response = await client.post(COVERAGE, json={"scores": ["b"], "filter": nested(50)})
    too_large = (
        "too large to be given back: the answer's filters are one level deeper, with 7 more conditions"
    )
    assert (response.status_code, response.json()) == (400, faulty(("filter", too_large)))


async def test_answer_of_too_many_counts_is_refused(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    for number in range(101):
        await log(connection, organization_id, str(number), "2026-03-05T00:00:00Z", user_id=f"{number}")
    names = [str(number) for number in range(100)]
    body = {"filter": "all", "scores": names, "groupBy": "user_id", "limit": 101}
    for key, more in (("limit", {}), ("increment", {"increment": "day"})):
        response = await client.post(COVERAGE, json=body | more)
        message = (
            "the answer would have more than 10000 counts, or too much of a long filter; "
            "ask for fewer groups, buckets or scores"
        )
        assert (response.status_code, response.json()) == (400, faulty((key, message)))
    response = await client.post(COVERAGE, json=body | {"limit": 100})
    assert len(response.json()["data"]["rows"]) == 100


@pytest.mark.parametrize(
    ("key", "value", "field_error"),
    [
        ("scores", [], ("scores", "expected a list of 1 to 100 names")),
        ("scores", ["-hcone-bool"], ("scores[0]", "must not be empty")),
        (
            "groupBy",
            {"author": "a"},
            (
                "groupBy",
                "expected one of model, provider, prompt_id, prompt_version, user_id or "
                '{"property": key}, got an object',
            ),
        ),
        (
            "increment",
            "minute",
            ("increment", 'expected one of min, hour, day, week, month, year, got "minute"'),
        ),
        (
            "timeFilter",
            {"start": MARCH["end"], "end": MARCH["start"]},
            ("timeFilter", "start must not be after end"),
        ),
        ("limit", 1001, ("limit", "expected an integer from 0 to 1000, got 1001")),
    ],
)
async def test_wrong_body_is_refused(
    client: httpx.AsyncClient, key: str, value: object, field_error: tuple[str, str]
) -> None:
    response = await client.post(COVERAGE, json={"filter": "all", "scores": ["a"], key: value})
    assert (response.status_code, response.json()) == (400, faulty(field_error))
