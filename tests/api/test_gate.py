"""Gates: a candidate's scores against bounds and against a base's, whole answers in every format."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest
from heliscore.store.connections.pool import Connection

from tests.api.envelope import RMT, faulty, log

GATE = "/v1/evals/gate"

NEW, OLD = ({"property": "version", "equals": version} for version in ("1.4", "1.3"))


@pytest.fixture
async def scored(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> httpx.AsyncClient:
    """Ten items, each answered by two versions: accuracy 80 to 89 in 1.3, one less in 1.4 but for one item.
    The models m1 and m2 take turns; m3 has but one request, of 1.4. One request has no version."""
    items = []
    for version, day in (("1.3", 1), ("1.4", 2)):
        for number in range(10):
            properties = {"version": version, "item": str(number), "odd": str(number % 2)}
            id_ = f"{version}-{number}"
            model = f"m{1 + number % 2}"
            await log(
                connection,
                organization_id,
                id_,
                f"2026-01-0{day}T00:00:00Z",
                request_model=model,
                properties=json.dumps(properties),
            )
            loss = 1 if version == "1.4" and number else 0
            scores = {"accuracy": 80 + number - loss, "ok": number > 0, "cost": 5 + loss}
            items.append({"requestId": id_, "scores": scores})
    more = {"version": "1.4"}
    await log(
        connection,
        organization_id,
        "m3",
        "2026-01-02T00:00:00Z",
        request_model="m3",
        properties=json.dumps(more),
    )
    await log(connection, organization_id, "none", "2026-01-02T00:00:00Z")
    items += [{"requestId": id_, "scores": {"tone": 7}} for id_ in ("m3", "none")]
    answer = await client.post("/v1/scores/batch", json={"items": items})
    assert answer.status_code == 200, answer.text
    definition = {"type": "integer", "direction": "lower"}
    assert (await client.put("/v1/score-definitions/cost", json=definition)).status_code == 200
    return client


async def ask(client: httpx.AsyncClient, checks: list[dict[str, Any]], **body: object) -> dict[str, Any]:
    """The answer to a gate, of 1.4 against 1.3 unless asked otherwise."""
    asked = {"filter": "all", "candidate": NEW, "base": OLD, "checks": checks, **body}
    answer = await client.post(GATE, json=asked)
    assert answer.status_code == 200, answer.text
    data: dict[str, Any] = answer.json()["data"]
    assert answer.json() == {"data": data, "error": None}
    return data


async def results(
    client: httpx.AsyncClient, check: dict[str, Any], **body: object
) -> list[tuple[str | None, str, str]]:
    """The group, result and reason of one check."""
    report = await ask(client, [check], **body)
    return [(one["group"], one["result"], one["reason"]) for one in report["checks"]]


async def reason_of(client: httpx.AsyncClient, check: dict[str, Any], **body: object) -> tuple[str, str]:
    [(group, result, reason)] = await results(client, check, **body)
    assert group is None
    return result, reason


MARGIN = {"score": "accuracy", "notWorseBy": 2}
SKIPPED = {"score": "p90 of latency", "skip": True}
NOT_SURE = (
    "accuracy fell by 0.90 (95 % \u22123.67 to 1.87), allowed 2, not sure yet; 10 against 10 requests, "
    "about 25 more requests a group needed"
)


async def test_whole_answer(scored: httpx.AsyncClient) -> None:
    found = await ask(
        scored, [{"score": "ok", "atLeast": 0.5, "sure": True}, SKIPPED, MARGIN], name="release"
    )
    ok, skipped, margin = found["checks"]
    assert found == {
        "name": "release",
        "result": "inconclusive",
        "onTooFew": "fail",
        "exitCode": 1,
        "checks": [ok, skipped, margin],
    }
    nothing = {
        "group": None,
        "value": None,
        "interval": None,
        "base": None,
        "candidate": None,
        "p": None,
        "neededMore": None,
        "pairs": None,
        "leftOut": 0,
    }
    assert ok == nothing | {
        "score": "ok",
        "check": "atLeast 0.5 sure",
        "result": "pass",
        "reason": "ok is 90.0 % (95 % 59.6 to 98.2), at least 50 % asked; 10 requests",
        "value": 0.9,
        "interval": [pytest.approx(0.5958499732047615), pytest.approx(0.9821237869049271)],
        "candidate": {"n": 10, "mean": 0.9},
    }
    assert skipped == nothing | {
        "score": "p90 of latency",
        "check": "skip",
        "result": "skipped",
        "reason": "skip is true",
    }
    assert margin == nothing | {
        "score": "accuracy",
        "check": "notWorseBy 2",
        "result": "inconclusive",
        "reason": NOT_SURE,
        "value": pytest.approx(-0.9),
        "interval": [pytest.approx(-3.674489769733926), pytest.approx(1.8744897697339145)],
        "base": {"n": 10, "mean": 84.5},
        "candidate": {"n": 10, "mean": 83.6},
        "p": pytest.approx(0.5041689123194387),
        "neededMore": 25,
    }


async def test_items_are_paired(scored: httpx.AsyncClient) -> None:
    paired = await reason_of(scored, MARGIN, pairBy={"property": "item"})
    assert paired == ("pass", "accuracy fell by 0.90 (95 % \u22121.13 to \u22120.67), allowed 2; 10 pairs")
    by_group = await results(scored, MARGIN, pairBy={"property": "item"}, groupBy="model")
    assert by_group == [
        ("m1", "pass", "accuracy fell by 0.80 (95 % \u22121.36 to \u22120.24), allowed 2; 5 pairs"),
        ("m2", "inconclusive", "accuracy fell by 1.00, allowed 2, not sure yet; 5 pairs"),
    ]


async def test_items_of_a_group_without_scores_in_both_are_inconclusive(scored: httpx.AsyncClient) -> None:
    check = {"score": "tone", "notWorseBy": 2}
    assert await reason_of(scored, check, pairBy={"property": "item"}) == (
        "inconclusive",
        "no request of the base has tone",
    )


@pytest.mark.parametrize(
    ("candidate", "base"),
    [
        (NEW, OLD),
        (
            {"filter": {"properties": {"version": {"equals": "1.4"}}}},
            {"times": {"start": "2026-01-01", "end": "2026-01-02"}},
        ),
        ({"times": {"start": "2026-01-02", "end": "2026-01-03"}}, OLD),
        (NEW, {"filter": "all"}),
    ],
)
async def test_candidate_and_base_are_chosen_in_several_ways(
    scored: httpx.AsyncClient, candidate: object, base: object
) -> None:
    """A request of the candidate is not one of the base, too."""
    assert await reason_of(scored, MARGIN, candidate=candidate, base=base) == ("inconclusive", NOT_SURE)


async def test_candidate_may_be_a_column_or_the_requests_without_a_value(scored: httpx.AsyncClient) -> None:
    column = {"column": "model", "equals": "m3"}
    tone = {"score": "tone", "atLeast": 7}
    assert await reason_of(scored, tone, candidate=column) == (
        "pass",
        "tone is 7.00, at least 7 asked; 1 request",
    )
    for without in ({"property": "version", "equals": None}, {"column": "model", "equals": None}):
        found = await ask(scored, [tone], candidate=without)
        assert [check["candidate"] for check in found["checks"]] == [{"n": 1, "mean": 7.0}]


async def test_filter_and_times_narrow_both(scored: httpx.AsyncClient) -> None:
    narrowed = await ask(scored, [MARGIN], filter={RMT: {"model": {"equals": "m1"}}})
    assert [narrowed["checks"][0][side]["n"] for side in ("base", "candidate")] == [5, 5]
    first = {"start": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00Z"}
    assert await reason_of(scored, MARGIN, timeFilter=first) == (
        "inconclusive",
        "no request of the candidate has accuracy",
    )


async def test_direction_is_that_of_the_definition_or_the_check(scored: httpx.AsyncClient) -> None:
    check = {"score": "cost", "notWorseBy": 0.5}
    words = "cost rose by 0.90 (95 % 0.67 to 1.13), allowed 0.5; 10 against 10 requests"
    assert await reason_of(scored, check) == ("fail", words)
    assert await reason_of(scored, {**check, "direction": "up"}) == ("pass", words)
    assert (await reason_of(scored, {"score": "cost", "better": True}))[0] == "fail"
    assert (await reason_of(scored, {"score": "cost", "better": True, "direction": "up"}))[0] == "pass"


async def test_statistics_have_bounds(scored: httpx.AsyncClient) -> None:
    found = {}
    for statistic in ("p50", "p90", "p99", "min", "max"):
        report = await ask(scored, [{"score": "accuracy", "statistic": statistic, "atMost": 88}])
        found[statistic] = report["checks"][0]["value"]
    assert found == {
        "p50": 83.5,
        "p90": pytest.approx(87.1),
        "p99": pytest.approx(87.91),
        "min": 80,
        "max": 88,
    }


async def test_each_group_is_checked(scored: httpx.AsyncClient) -> None:
    """Also a group that the base has not, and the requests without a value."""
    check = {"score": "accuracy", "atLeast": 80}
    by_odd = await results(scored, check, groupBy={"property": "odd"})
    assert [(group, result) for group, result, _ in by_odd] == [("0", "pass"), ("1", "pass")]
    both = await ask(scored, [MARGIN, {"score": "tone", "atLeast": 1}], groupBy="model")
    assert [(one["score"], one["group"], one["result"]) for one in both["checks"]] == [
        ("accuracy", "m1", "inconclusive"),
        ("accuracy", "m2", "inconclusive"),
        ("accuracy", "m3", "inconclusive"),
        ("tone", "m1", "inconclusive"),
        ("tone", "m2", "inconclusive"),
        ("tone", "m3", "pass"),
    ]
    assert both["checks"][2]["reason"] == "no request of the candidate has accuracy"
    everything = {"filter": "all"}
    tone = {"score": "tone", "atLeast": 1}
    assert [group for group, _, _ in await results(scored, tone, candidate=everything, groupBy="model")] == [
        "m3",
        None,
    ]


async def test_gate_without_any_group_does_not_pass(scored: httpx.AsyncClient) -> None:
    check = {"score": "accuracy", "atLeast": 0}
    nobody = {"property": "version", "equals": "9"}
    assert await reason_of(scored, check, candidate=nobody, base=None, groupBy="model") == (
        "inconclusive",
        "no request of the candidate has accuracy",
    )


async def test_requests_of_one_unit_count_as_one_case(scored: httpx.AsyncClient) -> None:
    found = await ask(scored, [MARGIN, {"score": "tone", "atLeast": 1}], unit={"property": "odd"})
    margin, tone = found["checks"]
    assert (margin["base"]["n"], margin["result"], margin["leftOut"]) == (10, "inconclusive", 0)
    assert (tone["result"], tone["reason"], tone["leftOut"]) == (
        "inconclusive",
        "no request of the candidate has tone",
        1,
    )


async def test_unknown_score_is_inconclusive(scored: httpx.AsyncClient) -> None:
    for check in ({"score": "none", "atLeast": 0}, {"score": "none", "notWorseBy": 1}):
        assert await reason_of(scored, check) == ("inconclusive", "no score is called none")


@pytest.mark.parametrize(("on_too_few", "code"), [("fail", 1), ("pass", 0), ("inconclusive", 2)])
async def test_exit_code_of_an_inconclusive_gate_is_chosen(
    scored: httpx.AsyncClient, on_too_few: str, code: int
) -> None:
    found = await ask(scored, [MARGIN], onTooFew=on_too_few)
    assert (found["result"], found["onTooFew"], found["exitCode"]) == ("inconclusive", on_too_few, code)


async def test_least_number_of_scores_is_of_the_gate_or_the_check(scored: httpx.AsyncClient) -> None:
    check = {"score": "accuracy", "atLeast": 80}
    short = ("inconclusive", "10 requests with accuracy, at least 11 asked")
    assert await reason_of(scored, check, atLeastRequests=11) == short
    assert await reason_of(scored, {**check, "atLeastScores": 11}) == short
    assert (await reason_of(scored, {**check, "atLeastScores": 10}, atLeastRequests=11))[0] == "pass"


async def test_markdown_and_junit_are_answered_where_they_are_preferred(scored: httpx.AsyncClient) -> None:
    body = {
        "name": "a <b> & c",
        "filter": "all",
        "candidate": NEW,
        "checks": [{"score": "accuracy", "atLeast": 99}],
    }
    reason = "accuracy is 83.6 (95 % 81.5 to 85.7), at least 99 asked; 10 requests"
    markdown = await scored.post(GATE, json=body, headers={"Accept": "text/markdown"})
    assert (markdown.status_code, markdown.headers["content-type"]) == (200, "text/markdown; charset=utf-8")
    assert markdown.text.splitlines()[0] == r"## a \<b\> \& c: fail"
    assert markdown.text.splitlines()[-1].startswith("| fail | accuracy atLeast 99 | accuracy is 83.6")
    accept = "application/json;q=0.5, application/xml"
    junit = await scored.post(GATE, json=body, headers={"Accept": accept})
    assert (junit.status_code, junit.headers["content-type"]) == (200, "application/xml")
    [suite] = ElementTree.fromstring(junit.content)  # noqa: S314
    assert (suite.attrib["name"], suite.attrib["failures"]) == ("a <b> & c", "1")
    [case] = suite
    [failure] = case
    assert case.attrib["name"] == "accuracy atLeast 99"
    assert (failure.tag, failure.attrib["message"]) == ("failure", reason)


@pytest.mark.parametrize(
    "accept",
    [
        "*/*",
        "application/json",
        "text/html",
        "text/markdown;q=0",
        "application/json, text/markdown",
        "x;q=a,,;",
        "",
    ],
)
async def test_json_is_answered_otherwise(scored: httpx.AsyncClient, accept: str) -> None:
    body = {"filter": "all", "candidate": NEW, "checks": [{"score": "accuracy", "atLeast": 1}]}
    answer = await scored.post(GATE, json=body, headers={"Accept": accept})
    assert answer.json()["data"]["result"] == "pass"
    faulty_answer = await scored.post(GATE, json={}, headers={"Accept": "text/markdown"})
    assert (faulty_answer.status_code, faulty_answer.json()["data"]) == (400, None)


BOUND = {"score": "a", "atLeast": 1}
ONE_OF = "expected one of notWorseBy, better, and atLeast or atMost or both"
WITH_BOUND = "only with atLeast or atMost"


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"filter": None}, ("filter", 'missing; "all" for every request')),
        ({"candidate": None}, ("candidate", "missing")),
        ({"checks": None}, ("checks", "missing")),
        ({"checks": []}, ("checks", "expected at least one check that is not skipped")),
        ({"checks": [SKIPPED]}, ("checks", "expected at least one check that is not skipped")),
        ({"checks": [BOUND] * 101}, ("checks", "at most 100 checks, got 101")),
        ({"checks": [{"score": "a"}]}, ("checks[0]", ONE_OF)),
        ({"checks": [BOUND, {**BOUND, "better": True}]}, ("checks[1]", ONE_OF)),
        ({"checks": [{**BOUND, "notWorseBy": 1}]}, ("checks[0]", ONE_OF)),
        ({"checks": [{"atLeast": 1}]}, ("checks[0].score", "missing")),
        ({"checks": [{**BOUND, "atMost": 0}]}, ("checks[0].atMost", "must not be below atLeast")),
        ({"checks": [{**BOUND, "atMost": "1"}]}, ("checks[0].atMost", 'expected a number, got "1"')),
        (
            {"checks": [{**BOUND, "statistic": "p50", "sure": True}]},
            ("checks[0].sure", "only of averages: other statistics have no interval"),
        ),
        (
            {"checks": [{**BOUND, "statistic": "p95"}]},
            (
                "checks[0].statistic",
                'expected "average", "p50", "p90", "p99", "min" or "max", got "p95"',
            ),
        ),
        ({"base": OLD, "checks": [{**MARGIN, "statistic": "p50"}]}, ("checks[0].statistic", WITH_BOUND)),
        ({"base": OLD, "checks": [{**MARGIN, "sure": True}]}, ("checks[0].sure", WITH_BOUND)),
        (
            {"base": OLD, "checks": [{"score": "a", "notWorseBy": 0}]},
            ("checks[0].notWorseBy", "expected a number above 0 and below 1e+18, got 0"),
        ),
        (
            {"checks": [{**BOUND, "direction": "left"}]},
            ("checks[0].direction", 'expected "up" or "down", got "left"'),
        ),
        (
            {"checks": [{**BOUND, "atLeastScores": 0}]},
            ("checks[0].atLeastScores", "expected an integer from 1 to 1000000000, got 0"),
        ),
        ({"checks": [MARGIN]}, ("base", "missing; notWorseBy and better compare with it")),
        (
            {"checks": [{"score": "a", "better": True}]},
            ("base", "missing; notWorseBy and better compare with it"),
        ),
        ({"pairBy": "user_id"}, ("base", "missing; pairBy compares with it")),
        ({"base": OLD, "pairBy": "user_id", "unit": "user_id"}, ("unit", "cannot be combined with pairBy")),
        (
            {"candidate": {"model": "m"}},
            (
                "candidate",
                "expected an object with one of property, column, filter, times, got an object",
            ),
        ),
        ({"candidate": {"property": "a"}}, ("candidate.equals", "missing")),
        (
            {"candidate": {**NEW, "column": "model"}},
            ("candidate.column", "unknown key; known are equals, property"),
        ),
        ({"base": {"times": {"start": "2026-01-01"}}}, ("base.times.end", "missing")),
        (
            {"confidence": 1 - 1e-16},
            ("confidence", "expected a number above 0.5 and below 0.999999, got 0.9999999999999999"),
        ),
        ({"confidence": 1}, ("confidence", "expected a number above 0.5 and below 0.999999, got 1")),
        ({"atLeastRequests": 0}, ("atLeastRequests", "expected an integer from 1 to 1000000000, got 0")),
        ({"onTooFew": "skip"}, ("onTooFew", 'expected "pass", "fail" or "inconclusive", got "skip"')),
        ({"correction": "all"}, ("correction", 'expected "holm", "bh" or "none", got "all"')),
        (
            {"groupBy": "age"},
            (
                "groupBy",
                "expected one of model, provider, prompt_id, prompt_version, user_id or "
                '{"property": key}, got "age"',
            ),
        ),
        ({"name": ""}, ("name", "must not be empty")),
    ],
    ids=str,
)
async def test_error_names_its_field(
    client: httpx.AsyncClient, change: dict[str, Any], error: tuple[str, str]
) -> None:
    body = {"filter": "all", "candidate": NEW, "checks": [BOUND], **change}
    sent = {key: value for key, value in body.items() if value is not None}
    answer = await client.post(GATE, json=sent)
    assert (answer.status_code, answer.json()) == (400, faulty(error))


async def test_skipped_check_needs_no_rule_and_no_base(scored: httpx.AsyncClient) -> None:
    found = await ask(scored, [{**MARGIN, "skip": True}, {"score": "ok", "atLeast": 0.1}], base=None)
    assert [check["result"] for check in found["checks"]] == ["skipped", "pass"]


async def test_too_many_groups_are_an_error(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    items = []
    for number in range(101):
        await log(
            connection, organization_id, f"r{number}", "2026-01-01T00:00:00Z", request_model=f"m{number}"
        )
        items.append({"requestId": f"r{number}", "scores": {"a": 1}})
    assert (await client.post("/v1/scores/batch", json={"items": items})).status_code == 200
    body: dict[str, Any] = {
        "filter": "all",
        "candidate": {"filter": "all"},
        "groupBy": "model",
        "checks": [BOUND],
    }
    answer = await client.post(GATE, json=body)
    too_many = "at most 100 groups, found 101; narrow the filter"
    assert (answer.status_code, answer.json()) == (400, faulty(("groupBy", too_many)))
    body |= {"filter": {RMT: {"model": {"not-equals": "m0"}}}, "checks": [BOUND] * 11}
    answer = await client.post(GATE, json=body)
    too_many = "at most 1000 results, found 100 groups for 11 checks"
    assert (answer.status_code, answer.json()) == (400, faulty(("groupBy", too_many)))
    body["checks"] = [BOUND]
    answer = await client.post(GATE, json=body)
    assert (answer.status_code, len(answer.json()["data"]["checks"])) == (200, 100)
