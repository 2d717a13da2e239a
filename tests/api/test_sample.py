"""Samples of requests: by hand, and random ones against plain Python with the hash of PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import httpx
import pytest
from heliscore.domain.allocation import allocate_equally, allocate_in_proportion
from heliscore.store.connections.pool import Connection
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.api.envelope import RMT, faulty, ids, log, log_dozen, post
from tests.api.test_evaluation import MARCH, ask, evaluated  # noqa: F401
from tests.api.test_evaluation_property import Asker, Question, Row, asker, questions, rows_  # noqa: F401
from tests.conftest import Service

SAMPLE = "/v1/evals/sample"

Json = dict[str, Any]


def of_ids(*request_ids: str) -> Json:
    return {RMT: {"request_id": {"in": list(request_ids)}}}


async def sampled(client: httpx.AsyncClient, **body: object) -> list[tuple[str, str | None, Json, str]]:
    """Id, group, scores and reason of each request; the filter must find the same ones."""
    answer = await ask(client, SAMPLE, seed=1, **body)
    requests = answer["requests"]
    assert answer["filter"] == of_ids(*(request["requestId"] for request in requests))
    assert sorted(await ids(client, answer["filter"])) == sorted(request["requestId"] for request in requests)
    return [
        (request["requestId"], request["group"], request["scores"], request["reason"]) for request in requests
    ]


async def test_nearest_to_the_threshold_come_first(evaluated: httpx.AsyncClient) -> None:  # noqa: F811
    answer = await ask(evaluated, SAMPLE, by="threshold", score="accuracy", threshold=80, size=2, seed=3)
    first, second = answer["requests"]
    assert first == {
        "requestId": "a2",
        "createdAt": "2026-03-01T10:55:00.000Z",
        "group": None,
        "scores": {"accuracy": 80},
        "reason": "accuracy is 80, at the threshold",
    }
    assert second["requestId"] in ("a1", "b2")
    assert answer == {
        "seed": 3,
        "matching": 5,
        "requests": [first, second],
        "filter": of_ids("a2", second["requestId"]),
    }
    assert await sampled(evaluated, by="threshold", score="accuracy", threshold=69.5, size=2) == [
        ("b2", None, {"accuracy": 70}, "accuracy is 70, 0.5 above the threshold 69.5"),
        ("b1", None, {"accuracy": 61}, "accuracy is 61, 8.5 below the threshold 69.5"),
    ]


async def test_scores_that_disagree_most_come_first(evaluated: httpx.AsyncClient) -> None:  # noqa: F811
    names = ["accuracy", "cited", "tone", "never used"]
    assert await sampled(evaluated, by="disagreement", scores=names, size=3) == [
        ("a1", None, {"accuracy": 90, "cited": 1}, "cited is 1 and accuracy is 90, 89 apart"),
        ("a2", None, {"accuracy": 80, "cited": 0}, "cited is 0 and accuracy is 80, 80 apart"),
        ("b2", None, {"accuracy": 70, "tone": -5}, "tone is -5 and accuracy is 70, 75 apart"),
    ]
    await post(evaluated, "c1", {"same": 100})
    same = {RMT: {"scores": {"same": {"exists": True}}}}
    assert await sampled(evaluated, by="disagreement", scores=["accuracy", "same"], filter=same) == [
        ("c1", None, {"accuracy": 100, "same": 100}, "all 2 scores are 100")
    ]


async def test_requests_that_move_their_mean_most_come_first(
    evaluated: httpx.AsyncClient,  # noqa: F811
) -> None:
    body = {"by": "leverage", "score": "accuracy", "size": 1}
    mean = "the mean of 5 is 80.20"
    assert await sampled(evaluated, **body) == [
        ("c1", None, {"accuracy": 100}, f"accuracy is 100 where {mean}: it moves that by 3.96")
    ]
    [(id_, group, _, reason)] = await sampled(evaluated, **body, groupBy="model")
    assert (id_, group) == ("b1", "gpt")
    assert reason == "accuracy is 61 where the mean of 3 is 77.00: it moves that by 5.33"


async def test_strata_are_groups(evaluated: httpx.AsyncClient) -> None:  # noqa: F811
    rows = await sampled(evaluated, by="stratified", groupBy="model", allocation="equal", size=4)
    assert [(group, reason) for _, group, _, reason in rows] == [
        ("gpt", "at random, of 4 requests of the group gpt"),
        ("gpt", "at random, of 4 requests of the group gpt"),
        ("claude", "at random, of 1 requests of the group claude"),
        (None, "at random, of 1 requests without a group"),
    ]


@pytest.mark.parametrize(
    "kind",
    [
        {"by": "random"},
        {"by": "stratified", "groupBy": "model"},
        {"by": "threshold", "score": "a", "threshold": 1},
        {"by": "disagreement", "scores": ["a", "b"]},
        {"by": "leverage", "score": "a"},
    ],
)
async def test_sample_of_nothing_is_empty(
    client: httpx.AsyncClient, shared: Service, organization: str, kind: Json
) -> None:
    stranger = await shared.client(f"not {organization}")
    await post(stranger, "r", {"a": 1, "b": 2})
    assert await ask(stranger, SAMPLE, timeFilter=None, **kind) != []
    empty = {"seed": 5, "matching": 0, "requests": [], "filter": of_ids()}
    assert await ask(client, SAMPLE, seed=5, **kind) == empty
    await post(client, "r", {"c": 1})
    none = {RMT: {"scores": {"c": {"gt": 3}}}}
    assert await ask(client, SAMPLE, seed=5, timeFilter=None, **kind, filter=none) == empty


# The seed


async def test_seed_repeats_a_sample_and_is_drawn_where_it_is_missing(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    await log_dozen(connection, organization_id)
    body = {"filter": "all", "by": "random", "size": 6}
    first, second = [(await client.post(SAMPLE, json=body)).json()["data"] for _ in range(2)]
    assert 0 <= first["seed"] < 2**53
    assert first["seed"] != second["seed"]
    response = await client.post(SAMPLE, json=body | {"seed": first["seed"]})
    assert response.json()["data"] == first
    assert first["requests"][0]["reason"] == "at random, of 12 requests"
    seeds = [0, 1, 2**53, 2**63 - 1]
    answers = [(await client.post(SAMPLE, json=body | {"seed": seed})).json()["data"] for seed in seeds]
    assert [answer["seed"] for answer in answers] == seeds
    assert len({str(answer["filter"]) for answer in answers}) == len(seeds)


async def test_new_request_takes_at_most_one_place(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    await log_dozen(connection, organization_id)
    body = {"filter": "all", "by": "random", "size": 6, "seed": 9}

    async def draw() -> list[str]:
        response = await client.post(SAMPLE, json=body)
        return [request["requestId"] for request in response.json()["data"]["requests"]]

    for number in range(10):
        before = await draw()
        await log(connection, organization_id, f"new {number}", "2026-01-02T00:00:00Z")
        after = await draw()
        assert [id_ for id_ in after if id_ != f"new {number}"] in (before, before[:-1])


# Random requests

Chosen = list[tuple[str, Row]]
Key = Callable[[str], tuple[object, ...]]

COMMON = settings(max_examples=30, print_blob=True)
seeds = st.integers(0, 2**63 - 1)
sizes = st.sampled_from([1, 2, 3, 5, 8, 1000])


class Case:
    """What Python knows of an example, and the sample that the service draws of it."""

    def __init__(self, asker: Asker, rows: list[Row], question: Question, seed: int, size: int) -> None:  # noqa: F811
        asker.fill(rows)
        self.asker, self.question, self.seed, self.size = asker, question, seed, size
        self.rows = {str(number): row for number, row in enumerate(rows)}
        chosen = question.chosen(rows)
        self.chosen = [id_ for id_, row in self.rows.items() if any(row is one for one in chosen)]
        self.hashes = asker.hashes(seed)

    def order(self, id_: str) -> tuple[int, str]:
        return self.hashes[id_], id_

    def draw(self, **kind: object) -> Json:
        body = self.question.body() | {"seed": self.seed, "size": self.size, **kind}
        answer: Json = self.asker.ask(SAMPLE, body)
        assert self.asker.ask(SAMPLE, body) == answer
        assert answer["seed"] == self.seed
        return answer

    def score(self, id_: str, name: str) -> int:
        return int(self.rows[id_].scores[name])

    def having(self, name: str) -> list[str]:
        return [id_ for id_ in self.chosen if name in self.rows[id_].scores]


def ids_of(answer: Json) -> list[str]:
    return [request["requestId"] for request in answer["requests"]]


@COMMON
@given(rows=rows_, question=questions, seed=seeds, size=sizes)
def test_random_sample_is_the_first_by_hash(
    asker: Asker,  # noqa: F811
    rows: list[Row],
    question: Question,
    seed: int,
    size: int,
) -> None:
    case = Case(asker, rows, question, seed, size)
    answer = case.draw(by="random")
    assert answer["matching"] == len(case.chosen)
    assert ids_of(answer) == sorted(case.chosen, key=case.order)[:size]


@COMMON
@given(rows=rows_, question=questions, seed=seeds, size=sizes, equal=st.booleans())
def test_stratified_sample_is_the_first_of_each_group(
    asker: Asker,  # noqa: F811
    rows: list[Row],
    question: Question,
    seed: int,
    size: int,
    equal: bool,
) -> None:
    case = Case(asker, rows, question, seed, size)
    members: dict[str | None, list[str]] = {}
    for id_ in sorted(case.chosen, key=case.order):
        members.setdefault(case.rows[id_].variant, []).append(id_)
    groups = sorted(members, key=lambda group: (-len(members[group]), group is None, group or ""))
    allocate = allocate_equally if equal else allocate_in_proportion
    shares = allocate([len(members[group]) for group in groups], size)
    answer = case.draw(
        by="stratified",
        groupBy={"property": "variant"},
        **({"allocation": "equal"} if equal else {}),
    )
    assert answer["matching"] == len(case.chosen)
    assert [(request["group"], request["requestId"]) for request in answer["requests"]] == [
        (group, id_) for group, share in zip(groups, shares, strict=True) for id_ in members[group][:share]
    ]


@COMMON
@given(
    rows=rows_,
    question=questions,
    seed=seeds,
    size=sizes,
    threshold=st.integers(-5, 15) | st.sampled_from([0.5, -2.25, 1e15]),
)
def test_threshold_sample_is_the_nearest(
    asker: Asker,  # noqa: F811
    rows: list[Row],
    question: Question,
    seed: int,
    size: int,
    threshold: float,
) -> None:
    case = Case(asker, rows, question, seed, size)
    scored = case.having("accuracy")
    answer = case.draw(by="threshold", score="accuracy", threshold=threshold)

    def key(id_: str) -> tuple[object, ...]:
        return abs(case.score(id_, "accuracy") - Fraction(threshold)), *case.order(id_)

    assert answer["matching"] == len(scored)
    assert [(request["requestId"], request["scores"]) for request in answer["requests"]] == [
        (id_, {"accuracy": case.score(id_, "accuracy")}) for id_ in sorted(scored, key=key)[:size]
    ]


@COMMON
@given(rows=rows_, question=questions, seed=seeds, size=sizes)
def test_disagreement_sample_is_the_widest(
    asker: Asker,  # noqa: F811
    rows: list[Row],
    question: Question,
    seed: int,
    size: int,
) -> None:
    case = Case(asker, rows, question, seed, size)
    names = ["accuracy", "tone", "cited", "never used"]
    values = {
        id_: {name: case.score(id_, name) for name in names if name in case.rows[id_].scores}
        for id_ in case.chosen
    }
    several = [id_ for id_, of_names in values.items() if len(of_names) >= 2]

    def key(id_: str) -> tuple[object, ...]:
        return min(values[id_].values()) - max(values[id_].values()), *case.order(id_)

    answer = case.draw(by="disagreement", scores=names)
    assert answer["matching"] == len(several)
    assert [(request["requestId"], request["scores"]) for request in answer["requests"]] == [
        (id_, values[id_]) for id_ in sorted(several, key=key)[:size]
    ]


@COMMON
@given(rows=rows_, question=questions, seed=seeds, size=sizes, by_model=st.booleans())
def test_leverage_sample_moves_its_means_most(
    asker: Asker,  # noqa: F811
    rows: list[Row],
    question: Question,
    seed: int,
    size: int,
    by_model: bool,
) -> None:
    case = Case(asker, rows, question, seed, size)
    scored = case.having("accuracy")
    groups: dict[str | None, list[int]] = {}
    group_of = {id_: case.rows[id_].model if by_model else None for id_ in scored}
    for id_ in scored:
        groups.setdefault(group_of[id_], []).append(case.score(id_, "accuracy"))

    def key(id_: str) -> tuple[object, ...]:
        values = groups[group_of[id_]]
        distance = abs(case.score(id_, "accuracy") - Fraction(sum(values), len(values)))
        return -distance / len(values), *case.order(id_)

    answer = case.draw(by="leverage", score="accuracy", **({"groupBy": "model"} if by_model else {}))
    assert answer["matching"] == len(scored)
    assert [(request["requestId"], request["group"]) for request in answer["requests"]] == [
        (id_, group_of[id_]) for id_ in sorted(scored, key=key)[:size]
    ]


# Bad input

KINDS = 'expected "random", "stratified", "threshold", "disagreement" or "leverage"'
JUDGES = "expected a list of 2 to 10 different names"


@pytest.mark.parametrize(
    ("body", "field_error"),
    [
        ({}, ("by", "missing")),
        ({"by": "luck"}, ("by", f'{KINDS}, got "luck"')),
        ({"by": "random", "score": "a"}, ("score", 'a sample by "random" does not take it')),
        ({"by": "random", "groupBy": "model"}, ("groupBy", 'a sample by "random" does not take it')),
        ({"by": "stratified"}, ("groupBy", 'missing; a sample by "stratified" needs it')),
        (
            {"by": "stratified", "groupBy": "model", "threshold": 0},
            ("threshold", 'a sample by "stratified" does not take it'),
        ),
        (
            {"by": "threshold", "score": "a"},
            ("threshold", 'missing; a sample by "threshold" needs it'),
        ),
        (
            {"by": "threshold", "score": "a", "threshold": 1e16},
            ("threshold", "expected a number up to 1e+15, got 1e16"),
        ),
        ({"by": "threshold", "threshold": 1}, ("score", 'missing; a sample by "threshold" needs it')),
        ({"by": "disagreement"}, ("scores", 'missing; a sample by "disagreement" needs it')),
        ({"by": "disagreement", "scores": ["a", "a-hcone-bool"]}, ("scores", JUDGES)),
        ({"by": "disagreement", "scores": [f"{n}" for n in range(11)]}, ("scores", JUDGES)),
        (
            {"by": "leverage", "score": "a", "allocation": "equal"},
            ("allocation", 'a sample by "leverage" does not take it'),
        ),
        ({"by": "leverage", "score": ""}, ("score", "must not be empty")),
        ({"by": "random", "size": 0}, ("size", "expected an integer from 1 to 1000, got 0")),
        (
            {"by": "random", "seed": -1},
            ("seed", "expected an integer from 0 to 9223372036854775807, got -1"),
        ),
        (
            {"by": "random", "timeFilter": {"start": MARCH["end"], "end": MARCH["start"]}},
            ("timeFilter", "start must not be after end"),
        ),
    ],
)
async def test_wrong_body_is_refused(
    client: httpx.AsyncClient, body: Json, field_error: tuple[str, str]
) -> None:
    response = await client.post(SAMPLE, json={"filter": "all", **body})
    assert (response.status_code, response.json()) == (400, faulty(field_error))
