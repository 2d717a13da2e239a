"""Arms of requests compared: against scipy and statsmodels on random requests, and by hand where there is
little to compare."""

from __future__ import annotations

import asyncio
import math
import statistics
import uuid
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import httpx
import numpy as np
import pytest
import scipy.stats
from heliscore.store.connections.pool import Connection
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from tests.api.conftest import SHARED
from tests.api.envelope import faulty
from tests.api.experiments import (
    NOW,
    WEEK,
    Belongs,
    Json,
    Row,
    adjusted,
    always_valid,
    clustered,
    fill,
    make_rows,
    paired,
    put,
    unpaired,
    values_of,
)
from tests.conftest import Service, at_database

AB = "/v1/evals/ab"
MAX = 2**63 - 1

ORGANIZATION = f"experiments {uuid.uuid4()}"
ROWS = make_rows()

ALL_SCORES = ["accuracy", "ok", "tone"]
BY_VARIANT: Json = {"by": {"property": "variant"}, "base": "A", "others": ["B", "C"]}
BODY: Json = {"filter": "all", "scores": ["accuracy"], "arms": BY_VARIANT}


@pytest.fixture(scope="module")
def filled(shared_address: str, server: str) -> None:  # noqa: ARG001
    asyncio.run(fill(at_database(server, SHARED), ORGANIZATION, ROWS))


@pytest.fixture
async def experimenter(filled: None, shared: Service) -> httpx.AsyncClient:  # noqa: ARG001
    """A client of the organization that has ROWS."""
    return await shared.client(ORGANIZATION)


async def ask(client: httpx.AsyncClient, **body: object) -> Json:
    response = await client.post(AB, json=BODY | body)
    assert response.status_code == 200, response.text
    answer = response.json()
    assert answer["error"] is None
    found: Json = answer["data"]
    return found


def close(expected: Any) -> Any:
    """Numbers as near as two ways to compute them are."""
    match expected:
        case dict():
            return {key: close(value) for key, value in expected.items()}
        case list():
            return [close(value) for value in expected]
        case None | str():
            return expected
        case number:
            return pytest.approx(float(number), rel=1e-9, abs=1e-12)


def assert_found(comparison: Json, expected: Json) -> None:
    """Whether the comparison has all expected numbers. An effect's interval is not among them."""
    effect = comparison["effect"] and {key: comparison["effect"][key] for key in ("name", "value")}
    found = {key: effect if key == "effect" else comparison[key] for key in expected}
    assert found == close(expected)


def made(variant: str | None, number: int, scores: dict[str, int | bool], item: str | None = None) -> Row:
    """A request of an organization that is made by hand."""
    author = ROWS[0].author
    return Row(f"{variant}{number}", NOW, None, variant, None, item, None, author, scores)


def is_variant(*variants: str | None) -> Belongs:
    return lambda row: row.variant in variants


def rmt(**conditions: object) -> Json:
    return {"request_response_rmt": conditions}


A, B, C = map(is_variant, "ABC")

# Arms


def of_accuracy(part: Callable[[Row], str | None]) -> Callable[[Row], str | None]:
    return lambda row: part(row) if "accuracy" in row.scores else None


def made_of(by: object, part: Callable[[Row], str | None], *arms: str | None) -> tuple[Json, list[Belongs]]:
    """Arms by a value, and the requests that belong to each."""
    base, *others = arms
    belong: list[Belongs] = [lambda row, arm=arm: part(row) == arm for arm in arms]  # type: ignore[misc]
    return {"by": by, "base": base, "others": others}, belong


def _is_recent(row: Row) -> bool:
    return row.at >= NOW - timedelta(days=8)


TIMES = [
    {"start": (NOW - timedelta(days=days)).isoformat(), "end": (NOW - timedelta(days=days - 8)).isoformat()}
    for days in (16, 8)
]

ARMS: dict[str, tuple[Json, list[Belongs]]] = {
    **{
        column: made_of(column, lambda row: row.model, "x", "y", "", None)
        for column in ("model", "provider", "prompt_id", "prompt_version")
    },
    "user": made_of("user_id", lambda row: row.user, "u1", "u2", "u3"),
    "property": made_of({"property": "variant"}, lambda row: row.variant, "A", "B", "C", None),
    "null": made_of({"property": "variant"}, lambda row: row.variant, None, "B"),
    "author": made_of(
        {"author": "accuracy"},
        of_accuracy(lambda row: str(row.author)),
        "judge:j@1",
        "judge:j@2",
        "human:ada",
    ),
    "kind": made_of({"kind": "accuracy"}, of_accuracy(lambda row: row.author.kind), "human", "judge", None),
    "version": made_of(
        {"version": "accuracy"}, of_accuracy(lambda row: row.author.version or None), "1", "2", None
    ),
    "filters": (
        {
            "filters": [
                {"name": "old", "filter": rmt(properties={"variant": {"equals": "A"}})},
                {"name": "new", "filter": rmt(properties={"variant": {"in": ["B", "C"]}})},
            ]
        },
        [is_variant("A"), is_variant("B", "C")],
    ),
    "filters of scores": (
        {
            "filters": [
                {"name": "low", "filter": rmt(scores={"before": {"lt": 50}})},
                {"name": "high", "filter": rmt(scores={"before": {"gte": 50}})},
            ]
        },
        [
            lambda row: "before" in row.scores and row.scores["before"] < 50,
            lambda row: "before" in row.scores and row.scores["before"] >= 50,
        ],
    ),
    "times": (
        {"times": TIMES},
        [
            lambda row: NOW - timedelta(days=16) <= row.at < NOW - timedelta(days=8),
            lambda row: NOW - timedelta(days=8) <= row.at < NOW,
        ],
    ),
}

WITHIN: list[tuple[Json, Belongs]] = [
    ({}, lambda _: True),
    (
        {
            "filter": rmt(latency={"gte": 150}),
            "timeFilter": {"start": (NOW - timedelta(days=15)).isoformat(), "end": NOW.isoformat()},
        },
        lambda row: row.latency is not None and row.latency >= 150 and row.at >= NOW - timedelta(days=15),
    ),
]


@pytest.mark.parametrize("within", [0, 1], ids=["all", "some"])
@pytest.mark.parametrize("arms", ARMS)
async def test_arms_are_compared_as_scipy_does(
    experimenter: httpx.AsyncClient, arms: str, within: int
) -> None:
    body, belong = ARMS[arms]
    chosen, matches = WITHIN[within]
    rows = [row for row in ROWS if matches(row)]
    found = await ask(experimenter, scores=ALL_SCORES, arms=body, **chosen)
    assert len(found["comparisons"]) == 3 * (len(belong) - 1)
    for comparison in found["comparisons"]:
        name = comparison["score"]
        place = 1 + [one["arm"] for one in found["comparisons"] if one["score"] == name].index(
            comparison["arm"]
        )
        base, other = (values_of(rows, belongs, name) for belongs in (belong[0], belong[place]))
        if min(len(base), len(other)) < 2:
            assert (comparison["verdict"], comparison["base"]["n"]) == ("tooFew", len(base))
            assert comparison["other"]["n"] == len(other)
        elif "pooledVariance" not in comparison["warnings"]:
            assert_found(comparison, unpaired(base, other, share=name == "ok"))
    assert (found["unknownScores"], found["inSeveralArms"], found["sampleRatio"]) == ([], 0, None)


@pytest.mark.parametrize("arms", ["model", "property", "author", "filters", "filters of scores", "times"])
async def test_requests_of_arms_are_counted_where_shares_are_expected(
    experimenter: httpx.AsyncClient, arms: str
) -> None:
    body, belong = ARMS[arms]
    plain = await ask(experimenter, arms=body)
    labels = [plain["base"], *(one["arm"] for one in plain["comparisons"])]
    keys = ["null" if label is None else label for label in labels]
    shares = {key: 0.5 / (len(keys) - 1) for key in keys[1:]}
    found = await ask(experimenter, arms=body, expectedShares=shares)
    counts = [sum(map(belongs, ROWS)) for belongs in belong]
    expected = {keys[0]: 0.5, **shares}
    p = scipy.stats.chisquare(counts, [sum(counts) * share for share in expected.values()]).pvalue
    ratio = found.pop("sampleRatio")
    assert ratio == {
        "observed": dict(zip(keys, counts, strict=True)),
        "expected": close(expected),
        "p": close(p),
        "mismatch": bool(p < 0.001),
    }
    assert found | {"sampleRatio": None} == plain


async def test_mismatch_is_said_and_no_requests_have_none(experimenter: httpx.AsyncClient) -> None:
    arms = BY_VARIANT | {"others": ["B"]}
    found = await ask(experimenter, arms=arms, expectedShares={"A": 0.95, "B": 0.05})
    assert found["sampleRatio"]["mismatch"]
    assert found["sampleRatio"]["p"] < 1e-9
    found = await ask(experimenter, arms=arms, expectedShares={"A": 0.5}, filter=rmt(model={"equals": "?"}))
    assert found["sampleRatio"] == {
        "observed": {"A": 0, "B": 0},
        "expected": {"A": 0.5, "B": 0.5},
        "p": None,
        "mismatch": False,
    }


@pytest.mark.parametrize("pair_by", [None, {"property": "item"}])
async def test_request_of_several_arms_is_in_none(experimenter: httpx.AsyncClient, pair_by: object) -> None:
    filters = [
        {"name": "a", "filter": rmt(properties={"variant": {"in": ["A", "B"]}})},
        {"name": "b", "filter": rmt(properties={"variant": {"in": ["B", "C"]}})},
    ]
    found = await ask(
        experimenter, arms={"filters": filters}, pairBy=pair_by, expectedShares={"a": 0.5, "b": 0.5}
    )
    assert found["inSeveralArms"] == len(values_of(ROWS, B, "accuracy"))
    assert found["sampleRatio"]["observed"] == {"a": sum(map(A, ROWS)), "b": sum(map(C, ROWS))}
    [comparison] = found["comparisons"]
    if pair_by is None:
        a, c = (values_of(ROWS, belongs, "accuracy") for belongs in (A, C))
        assert_found(comparison, unpaired(a, c, share=False))
    else:
        assert_found(comparison, paired(ROWS, A, C, "accuracy"))


# Ways to compare


@pytest.mark.parametrize("confidence", [0.95, 0.8])
async def test_items_are_compared_with_themselves(experimenter: httpx.AsyncClient, confidence: float) -> None:
    found = await ask(experimenter, scores=ALL_SCORES, pairBy={"property": "item"}, confidence=confidence)
    expected = [paired(ROWS, A, belongs, name, confidence) for name in ALL_SCORES for belongs in (B, C)]
    assert [one["measure"] for one in found["comparisons"]] == [
        "mean",
        "mean",
        "share",
        "share",
        "mean",
        "mean",
    ]
    for comparison, one in zip(found["comparisons"], expected, strict=True):
        assert_found(comparison, one)


async def test_arm_without_scores_has_only_the_items_of_the_base(experimenter: httpx.AsyncClient) -> None:
    items = {row.item for row in ROWS if A(row) and "accuracy" in row.scores and row.item}
    none = sum(A(row) and row.item is None and "accuracy" in row.scores for row in ROWS)
    arms = BY_VARIANT | {"others": ["nobody"]}
    [comparison] = (await ask(experimenter, arms=arms, pairBy={"property": "item"}))["comparisons"]
    assert_found(
        comparison, {"verdict": "tooFew", "pairs": 0, "onlyBase": len(items), "onlyOther": 0, "leftOut": none}
    )
    [comparison] = (
        await ask(experimenter, arms=arms | {"base": "nobody", "others": ["A"]}, pairBy={"property": "item"})
    )["comparisons"]
    assert_found(
        comparison, {"verdict": "tooFew", "pairs": 0, "onlyBase": 0, "onlyOther": len(items), "leftOut": none}
    )


@pytest.mark.parametrize(
    ("key", "unit"),
    [("user_id", lambda row: row.user), ({"property": "item"}, lambda row: row.item)],
    ids=["user", "item"],
)
async def test_requests_of_a_unit_depend_on_each_other(
    experimenter: httpx.AsyncClient, key: object, unit: Callable[[Row], str | None]
) -> None:
    found = await ask(experimenter, scores=["accuracy", "ok"], unit=key)
    for comparison, (name, belongs) in zip(
        found["comparisons"], [(n, b) for n in ("accuracy", "ok") for b in (B, C)], strict=True
    ):
        assert_found(comparison, clustered(ROWS, A, belongs, name, unit))


async def test_request_is_a_unit_by_itself(experimenter: httpx.AsyncClient) -> None:
    assert await ask(experimenter, unit="request") == await ask(experimenter)
    assert await ask(experimenter, unit=None, sequential=False) == await ask(experimenter)


async def test_scores_that_are_all_of_no_unit_are_left_out(experimenter: httpx.AsyncClient) -> None:
    arms = {"by": "user_id", "base": "u1", "others": [None]}
    [comparison] = (await ask(experimenter, arms=arms, unit="user_id"))["comparisons"]
    none = len(values_of(ROWS, lambda row: row.user is None, "accuracy"))
    assert none > 0
    assert_found(comparison, {"verdict": "tooFew", "leftOut": none, "reason": "tooFew"})


@pytest.mark.parametrize(
    ("covariate", "read"),
    [
        ({"score": "before"}, lambda row: row.scores.get("before")),
        ({"score": "before-hcone-bool"}, lambda row: row.scores.get("before")),
        ("latency", lambda row: row.latency),
    ],
    ids=["score", "suffix", "column"],
)
@pytest.mark.parametrize("arms", ["property", "author"])
async def test_scores_are_adjusted_by_a_covariate(
    experimenter: httpx.AsyncClient, arms: str, covariate: object, read: Callable[[Row], int | bool | None]
) -> None:
    body, belong = ARMS[arms]
    found = await ask(experimenter, arms=body, covariate=covariate)
    for comparison, other in zip(found["comparisons"], belong[1:], strict=True):
        assert_found(comparison, adjusted(ROWS, belong[0], other, "accuracy", read))
        assert comparison["warnings"] == []


@pytest.mark.parametrize("column", ["time_to_first_token", "prompt_tokens", "total_tokens", "cost"])
async def test_covariate_that_no_request_has_is_not_used(
    experimenter: httpx.AsyncClient, column: str
) -> None:
    plain = await ask(experimenter)
    found = await ask(experimenter, covariate=column)
    assert [one.pop("warnings") for one in found["comparisons"]] == [["covariateUnused"]] * 2
    assert [one.pop("warnings") for one in plain["comparisons"]] == [[]] * 2
    assert found == plain


@pytest.mark.parametrize(("sequential", "tuning"), [(True, 5000), ({}, 5000), ({"tuning": 60}, 60)])
async def test_intervals_hold_at_every_look(
    experimenter: httpx.AsyncClient, sequential: object, tuning: int
) -> None:
    found = await ask(experimenter, sequential=sequential)
    a = values_of(ROWS, A, "accuracy")
    for comparison, belongs in zip(found["comparisons"], (B, C), strict=True):
        b = values_of(ROWS, belongs, "accuracy")
        assert_found(comparison, always_valid(a, b, tuning) | {"warnings": ["arrivalOrder"]})


async def test_mixed_booleans_and_integers_are_a_share_unless_the_call_says_else(
    experimenter: httpx.AsyncClient,
) -> None:
    a, b = (values_of(ROWS, belongs, "ok") for belongs in (A, B))
    arms = BY_VARIANT | {"others": ["B"]}
    for measure, share in (({}, True), ({"ok": "share"}, True), ({"ok-hcone-bool": "mean"}, False)):
        found = await ask(experimenter, scores=["ok-hcone-bool"], arms=arms, measure=measure)
        assert_found(found["comparisons"][0], unpaired(a, b, share=share))


@pytest.mark.parametrize("how", [{}, {"unit": "user_id"}, {"pairBy": {"property": "item"}}])
async def test_other_values_than_0_and_1_are_no_share(experimenter: httpx.AsyncClient, how: Json) -> None:
    body = {"filter": "all", "scores": ["ok", "accuracy"], "arms": BY_VARIANT, **how}
    response = await experimenter.post(AB, json=body | {"measure": {"accuracy": "share"}})
    message = "accuracy has values other than 0 and 1, so it is no share"
    assert (response.status_code, response.json()) == (400, faulty(("measure", message)))


@pytest.mark.parametrize(("correction", "method"), [("holm", "holm"), ("bh", "fdr_bh"), ("none", None)])
@pytest.mark.parametrize("primary", [None, ["accuracy", "tone-hcone-bool"]])
async def test_comparisons_are_corrected_for_each_other(
    experimenter: httpx.AsyncClient, correction: str, method: str | None, primary: list[str] | None
) -> None:
    scores = ["accuracy", "tone", "before"]
    found = await ask(experimenter, scores=scores, correction=correction, primary=primary)
    comparisons = found["comparisons"]
    taking_part = comparisons if primary is None else comparisons[:4]
    p = [one["p"] for one in taking_part]
    adjusted_p = p if method is None else list(multipletests(p, method=method)[1])
    assert [one["pAdjusted"] for one in taking_part] == close(adjusted_p)
    assert [one["verdict"] in ("better", "worse") for one in taking_part] == [
        one < 0.05 for one in adjusted_p
    ]
    confidence = 0.95 if method is None else 1 - 0.05 / len(taking_part)
    a = values_of(ROWS, A, "accuracy")
    for comparison, belongs in zip(comparisons[:2], (B, C), strict=True):
        other = scipy.stats.ttest_ind(values_of(ROWS, belongs, "accuracy"), a, equal_var=False)
        assert comparison["intervalAdjusted"] == close(list(other.confidence_interval(confidence)))
    for one in comparisons[len(taking_part) :]:
        assert (one["pAdjusted"], one["reasons"]["pAdjusted"]) == (None, "notPrimary")
        assert (one["intervalAdjusted"], one["reasons"]["intervalAdjusted"]) == (None, "notPrimary")
    if primary is None:
        assert (
            comparisons
            == (await ask(experimenter, scores=scores, correction=correction, primary=scores))["comparisons"]
        )


async def test_scores_that_are_needed_take_as_many_days_as_last_week(experimenter: httpx.AsyncClient) -> None:
    [comparison] = (
        await ask(
            experimenter,
            arms=BY_VARIANT | {"others": ["B"]},
            minimumEffect={"accuracy": 3},
            power=0.9,
            correction="none",
        )
    )["comparisons"]
    a, b = (values_of(ROWS, belongs, "accuracy") for belongs in (A, B))
    ratio = len(b) / len(a)
    z = scipy.stats.norm.ppf(0.975) + scipy.stats.norm.ppf(0.9)
    per_arm = math.ceil(z**2 * (np.var(a, ddof=1) + np.var(b, ddof=1) / ratio) / 9)
    more = per_arm - len(a)
    assert more > 0
    last_a, last_b = (
        len(values_of([row for row in ROWS if row.at >= NOW - WEEK], belongs, "accuracy"))
        for belongs in (A, B)
    )
    days = max(7 * more / last_a, 7 * more * ratio / last_b)
    assert_found(comparison, {"neededPerArm": per_arm, "neededMore": more, "neededDays": days})


async def test_direction_and_margin_make_the_verdict(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    rows = [
        made(variant, number, {"a": value, "d": value, "near": value - 2 * (variant == "B") + (value == 15)})
        for variant, values in (("A", [10, 11, 12, 13] * 5), ("B", [12, 13, 14, 15] * 5))
        for number, value in enumerate(values)
    ]
    await put(connection, organization_id, rows)
    definition = {"type": "integer", "direction": "lower"}
    assert (await client.put("/v1/score-definitions/d", json=definition)).status_code in (200, 201)
    arms = BY_VARIANT | {"others": ["B"]}

    async def verdicts(**body: object) -> list[tuple[str, str]]:
        found = await ask(client, scores=["a", "d"], arms=arms, **body)
        return [(one["direction"], one["verdict"]) for one in found["comparisons"]]

    assert await verdicts() == [("up", "better"), ("down", "worse")]
    assert await verdicts(direction={"a": "down", "d-hcone-bool": "up"}) == [
        ("down", "worse"),
        ("up", "better"),
    ]
    shown = [
        (await ask(client, scores=["near"], arms=arms, margin=margin))["comparisons"][0]["verdict"]
        for margin in ({}, {"near": 0.5}, {"near": 1}, {"near-hcone-bool": 2})
    ]
    assert shown == ["noDifferenceShown", "noDifferenceShown", "notWorse", "equivalent"]


async def test_unknown_scores_are_listed(experimenter: httpx.AsyncClient) -> None:
    found = await ask(
        experimenter, scores=["nothing", "accuracy", "no-hcone-bool"], covariate={"score": "never"}
    )
    assert found["unknownScores"] == ["nothing", "no", "never"]
    assert [(one["score"], one["arm"]) for one in found["comparisons"]] == [
        ("accuracy", "B"),
        ("accuracy", "C"),
    ]


async def test_week_before_the_first_day_is_no_error(experimenter: httpx.AsyncClient) -> None:
    found = await ask(experimenter, timeFilter={"start": "0001-01-01", "end": "0001-01-02"})
    assert {one["verdict"] for one in found["comparisons"]} == {"tooFew"}


# Where there is little to compare

NOTHING: Json = {
    "arm": "B",
    "measure": "mean",
    "direction": "up",
    "method": None,
    "difference": None,
    "interval": None,
    "p": None,
    "pAdjusted": None,
    "intervalAdjusted": None,
    "lift": None,
    "liftInterval": None,
    "effect": None,
    "superiority": None,
    "superiorityP": None,
    "verdict": "tooFew",
    "uncorrectedVerdict": "tooFew",
    "neededPerArm": None,
    "neededMore": None,
    "neededDays": None,
    "pairs": None,
    "onlyBase": None,
    "onlyOther": None,
    "leftOut": 0,
    "warnings": [],
}


def without(reason: str, *numbers: str) -> dict[str, str]:
    return dict.fromkeys(numbers, reason)


NOT_ASKED = without("notAsked", "neededPerArm", "neededMore", "neededDays")
NO_INTERVALS = ("interval", "intervalAdjusted", "liftInterval")
TOO_FEW = without("tooFew", *NO_INTERVALS, "p", "pAdjusted", "lift", "effect") | NOT_ASKED
CONSTANT = without("noVariance", *NO_INTERVALS, "effect") | NOT_ASKED


def of(values: Sequence[int | bool]) -> Json:
    """The summary of exact integers."""
    n = len(values)
    return {
        "n": n,
        "sum": sum(values),
        "mean": sum(values) / n if n else None,
        "sd": statistics.stdev(map(int, values)) if n > 1 else None,
    }


DEGENERATE: dict[str, tuple[list[int | bool], list[int | bool]]] = {
    "empty": ([], [1, 2, 3, 4]),
    "single": ([5], [1, 2, 3, 4]),
    "same": ([7, 7, 7], [7, 7, 7, 7]),
    "same share": ([1, True], [True, 1, 1]),
    "different": ([7, 7, 7], [9, 9, 9, 9]),
    "different share": ([False, False], [True, True]),
    "extreme": ([MAX, MAX, -MAX - 1], [-MAX - 1, MAX, MAX, MAX]),
}
"""The scores of A and of B. The n-th ones are of one item."""

ALL_NULL = without("tooFew", *NOTHING.keys() & {*TOO_FEW, "difference", "superiority", "superiorityP"})

UNPAIRED: dict[str, Json] = {
    "empty": {
        "reason": "tooFew",
        "reasons": ALL_NULL,
        "summary": "empty: too few scores to compare B with A; 4 against 0 scores",
    },
    "single": {
        "method": "welch",
        "difference": -2.5,
        "superiority": 0,
        "superiorityP": 0.1572992070502852,
        "warnings": [],
        "reason": "tooFew",
        "reasons": TOO_FEW,
        "summary": "single: too few scores to compare B with A, 2.50 against 5.00, "
        "\N{MINUS SIGN}2.50; 4 against 1 scores",
    },
    "same": {
        "method": "welch",
        "difference": 0,
        "p": 1,
        "pAdjusted": 1,
        "lift": 0,
        "superiority": 0.5,
        "verdict": "identical",
        "uncorrectedVerdict": "identical",
        "reason": "noVariance",
        "reasons": CONSTANT | {"superiorityP": "noVariance"},
        "summary": "same: all values of B and A are the same, 7.00 against 7.00, 0.00, p 1; 4 "
        "against 3 scores",
    },
    "same share": {
        "measure": "share",
        "method": "newcombe",
        "difference": 0,
        "interval": [-0.5614970317550454, 0.6576197724933468],
        "p": 1,
        "pAdjusted": 1,
        "intervalAdjusted": [-0.5614970317550454, 0.6576197724933468],
        "lift": 0,
        "effect": {"name": "h", "value": 0, "interval": [-1.7891941437171566, 1.7891941437171566]},
        "superiority": 0.5,
        "verdict": "identical",
        "uncorrectedVerdict": "identical",
        "warnings": ["fewScores"],
        "reason": None,
        "reasons": without("noVariance", "liftInterval", "superiorityP") | NOT_ASKED,
        "summary": "same share: all values of B and A are the same, 100.0 % against 100.0 %, 0.0 points "
        "(95 % \N{MINUS SIGN}56.1 to 65.8), p 1; 3 against 2 scores",
    },
    "different": {
        "method": "welch",
        "difference": 2,
        "p": 2 / math.comb(7, 3),
        "pAdjusted": 2 / math.comb(7, 3),
        "lift": 2 / 7,
        "superiority": 1,
        "superiorityP": 0.014305878435429633,
        "verdict": "noDifferenceShown",
        "uncorrectedVerdict": "noDifferenceShown",
        "reason": "noVariance",
        "reasons": CONSTANT,
        "summary": "different: no difference shown between B and A, 9.00 against 7.00, +2.00, p 0.057; "
        "4 against 3 scores",
    },
    "different share": {
        "measure": "share",
        "method": "newcombe",
        "difference": 1,
        "interval": [0.06998519885519972, 1],
        "p": 0.027994158562490087,
        "pAdjusted": 0.027994158562490087,
        "intervalAdjusted": [0.06998519885519972, 1],
        "effect": {"name": "h", "value": math.pi, "interval": [1.1816286690497395, 5.101556638129846]},
        "superiority": 1,
        "superiorityP": 0.08326451666355043,
        "verdict": "better",
        "uncorrectedVerdict": "better",
        "warnings": ["fewScores"],
        "reason": None,
        "reasons": without("baseMayBe0", "lift", "liftInterval") | NOT_ASKED,
        "summary": "different share: B is better than A, 100.0 % against 0.0 %, +100.0 points "
        "(95 % 7.0 to 100.0), p 0.028; 2 against 2 scores",
    },
    "extreme": {
        "method": "welch",
        "difference": 2**64 / 12,
        "interval": [-1.973576571233835e19, 2.2810223057956606e19],
        "p": 0.8511627527132344,
        "pAdjusted": 0.8511627527132344,
        "intervalAdjusted": [-1.973576571233835e19, 2.2810223057956606e19],
        "effect": {
            "name": "g",
            "value": 0.13183669286003144,
            "interval": [-1.3667026380060374, 1.6303760237261002],
        },
        "superiority": 6.5 / 12,
        "superiorityP": 0.8230632737581215,
        "verdict": "noDifferenceShown",
        "uncorrectedVerdict": "noDifferenceShown",
        "reason": None,
        "reasons": without("baseMayBe0", "lift", "liftInterval") | NOT_ASKED,
        "summary": "extreme: no difference shown between B and A, 4,611,686,018,427,387,904 against "
        "3,074,457,345,618,258,432, +1,537,228,672,809,129,216 (95 % "
        "\N{MINUS SIGN}19,735,765,712,338,350,080 to "
        "22,810,223,057,956,605,952), p 0.85; 4 against 3 scores",
    },
}

PAIRED: dict[str, Json] = {
    "empty": {
        "pairs": 0,
        "onlyBase": 0,
        "onlyOther": 4,
        "reason": "tooFew",
        "reasons": ALL_NULL,
        "summary": "empty: too few scores to compare B with A; 0 pairs",
    },
    "single": {
        "method": "paired",
        "difference": -4,
        "superiority": 0,
        "superiorityP": 1,
        "pairs": 1,
        "onlyBase": 0,
        "onlyOther": 3,
        "reason": "tooFew",
        "reasons": TOO_FEW,
        "summary": "single: too few scores to compare B with A, 1.00 against 5.00, "
        "\N{MINUS SIGN}4.00; 1 pair",
    },
    "same": {
        "method": "paired",
        "difference": 0,
        "p": 1,
        "pAdjusted": 1,
        "lift": 0,
        "superiority": 0.5,
        "superiorityP": 1,
        "verdict": "identical",
        "uncorrectedVerdict": "identical",
        "pairs": 3,
        "onlyBase": 0,
        "onlyOther": 1,
        "reason": "noVariance",
        "reasons": CONSTANT,
        "summary": "same: all values of B and A are the same, 7.00 against 7.00, 0.00, p 1; 3 pairs",
    },
    "different": {
        "method": "paired",
        "difference": 2,
        "p": 0.25,
        "pAdjusted": 0.25,
        "lift": 2 / 7,
        "superiority": 1,
        "superiorityP": 0.25,
        "verdict": "noDifferenceShown",
        "uncorrectedVerdict": "noDifferenceShown",
        "pairs": 3,
        "onlyBase": 0,
        "onlyOther": 1,
        "reason": "noVariance",
        "reasons": CONSTANT,
        "summary": "different: no difference shown between B and A, 9.00 against 7.00, +2.00, p "
        "0.25; 3 pairs",
    },
    "different share": {
        "measure": "share",
        "method": "mcnemar",
        "difference": 1,
        "interval": [-0.34868930055712855, 1],
        "p": 0.5,
        "pAdjusted": 0.5,
        "intervalAdjusted": [-0.34868930055712855, 1],
        "effect": {"name": "h", "value": math.pi, "interval": [1.1816286690497395, 5.101556638129846]},
        "superiority": 1,
        "superiorityP": 0.5,
        "verdict": "noDifferenceShown",
        "uncorrectedVerdict": "noDifferenceShown",
        "pairs": 2,
        "onlyBase": 0,
        "onlyOther": 0,
        "reason": None,
        "reasons": without("baseMayBe0", "lift", "liftInterval") | NOT_ASKED,
        "summary": "different share: no difference shown between B and A, 100.0 % against 0.0 %, "
        "+100.0 points (95 % \N{MINUS SIGN}34.9 to 100.0), p 0.5; 2 pairs",
    },
}


@pytest.mark.parametrize(
    ("pair_by", "expected"), [(None, UNPAIRED), ({"property": "item"}, PAIRED)], ids=["unpaired", "paired"]
)
async def test_what_cannot_be_said_has_a_reason(
    client: httpx.AsyncClient,
    connection: Connection,
    organization_id: int,
    pair_by: object,
    expected: dict[str, Json],
) -> None:
    rows = [
        made(
            variant,
            number,
            {
                name: values[place][number]
                for name, values in DEGENERATE.items()
                if number < len(values[place])
            },
            item=f"i{number}",
        )
        for place, variant in enumerate("AB")
        for number in range(4)
    ]
    await put(connection, organization_id, rows)
    arms = BY_VARIANT | {"others": ["B"]}
    found = await ask(client, scores=list(expected), arms=arms, pairBy=pair_by, correction="none")

    def sides(name: str) -> Json:
        counts = [len(values) for values in DEGENERATE[name]]
        paired_only = counts if pair_by is None else [min(counts)] * 2
        return {
            side: of(values[:count])
            for side, values, count in zip(("base", "other"), DEGENERATE[name], paired_only, strict=True)
        }

    assert found["comparisons"] == close(
        [NOTHING | {"score": name} | sides(name) | given for name, given in expected.items()]
    )


async def test_looks_need_five_scores_in_each_arm(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    for count, verdict in ((4, "tooFew"), (5, "noDifferenceShown")):
        rows = [made(variant, number, {"a": number}) for variant in "AB" for number in range(count)]
        await put(connection, organization_id, rows)
        found = await ask(client, scores=["a"], arms=BY_VARIANT | {"others": ["B"]}, sequential=True)
        assert [one["verdict"] for one in found["comparisons"]] == [verdict]


async def test_items_with_one_answer_each_are_mcnemars(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    pairs = [(0, 1)] * 9 + [(1, 0)] * 3 + [(1, 1)] * 5 + [(0, 0)] * 2
    rows = [
        made(variant, number, {"ok": bool(pair[place])}, item=f"i{number}")
        for number, pair in enumerate(pairs)
        for place, variant in enumerate("AB")
    ]
    await put(connection, organization_id, rows)
    arms = BY_VARIANT | {"others": ["B"]}
    [comparison] = (await ask(client, scores=["ok"], arms=arms, pairBy={"property": "item"}))["comparisons"]
    n, z = len(pairs), scipy.stats.norm.ppf(0.975)
    up, down = 10 / (n + 2), 4 / (n + 2)
    margin = z * math.sqrt((up + down - (up - down) ** 2) / (n + 2))
    p = mcnemar([[2, 9], [3, 5]], exact=True).pvalue
    assert_found(
        comparison,
        {
            "method": "mcnemar",
            "measure": "share",
            "difference": 6 / n,
            "interval": [up - down - margin, up - down + margin],
            "p": p,
            "superiorityP": p,
            "pairs": n,
        },
    )


# Bad input

MISSING = object()
SHARES = "expected a share for each arm, or all but one, that add up to 1"
COVARIATE = (
    "expected one of latency, time_to_first_token, prompt_tokens, completion_tokens, total_tokens, cost, "
    '{"score": name}'
)
ITEM = 'expected one of model, provider, prompt_id, prompt_version, user_id or {"property": key}'
AMOUNT = "expected a number above 0 and below 1e+18"
RANGES = [{"start": "2026-01-01", "end": "2026-02-01"}, {"start": "2026-02-01", "end": "2026-03-01"}]
KNOWN = (
    "arms, confidence, correction, covariate, direction, expectedShares, filter, margin, measure, "
    "minimumEffect, pairBy, power, primary, scores, sequential, timeFilter, unit"
)

BAD: list[tuple[str, object, tuple[str, str]]] = [
    ("filter", MISSING, ("filter", 'missing; "all" for every request')),
    ("filter", rmt(bogus={"equals": 1}), ("filter.request_response_rmt.bogus", "unknown column")),
    ("timeFilter", {"start": "2026-01-01"}, ("timeFilter.end", "missing")),
    (
        "timeFilter",
        {"start": "2026-02-01", "end": "2026-01-01"},
        ("timeFilter", "start must not be after end"),
    ),
    ("scores", MISSING, ("scores", "missing")),
    ("scores", [], ("scores", "expected a list of 1 to 50 names")),
    ("scores", [str(number) for number in range(51)], ("scores", "expected a list of 1 to 50 names")),
    ("scores", ["accuracy", 5], ("scores[1]", "expected a string, got 5")),
    ("arms", MISSING, ("arms", "missing")),
    ("arms", 5, ("arms", "expected an object, got 5")),
    ("arms", {"base": "A", "others": ["B"]}, ("arms.by", "missing")),
    ("arms", {"by": "model", "others": ["B"]}, ("arms.base", "missing")),
    ("arms", {"by": "model", "base": "A"}, ("arms.others", "missing")),
    ("arms", {"by": "model", "base": "A", "others": []}, ("arms.others", "expected at least one group")),
    ("arms", {"by": "model", "base": 5, "others": ["B"]}, ("arms.base", "expected a string, got 5")),
    ("arms", {"by": "model", "base": "a\0", "others": ["B"]}, ("arms.base", "must not contain NUL")),
    (
        "arms",
        {"by": "model", "base": "A", "others": ["B", "A"]},
        ("arms.others", "the groups must differ from each other and from the base"),
    ),
    (
        "arms",
        {"by": "model", "base": None, "others": [None]},
        ("arms.others", "the groups must differ from each other and from the base"),
    ),
    (
        "arms",
        {"by": "model", "base": "A", "others": [str(number) for number in range(11)]},
        ("arms.others", "at most 10 groups, got 11"),
    ),
    (
        "arms",
        {"filters": [{"name": "a", "filter": "all"}]},
        ("arms.filters", "expected two filters or more, the base first"),
    ),
    (
        "arms",
        {"filters": [{"name": "a", "filter": "all"}, {"name": "a", "filter": {}}]},
        ("arms.filters", "the names must differ"),
    ),
    (
        "arms",
        {"filters": [{"name": "a", "filter": "all"}, {"name": "b"}]},
        ("arms.filters[1].filter", "missing"),
    ),
    (
        "arms",
        {"filters": [{"name": name, "filter": "all"} for name in "ab"], "by": "model"},
        ("arms.by", "unknown key; known are filters"),
    ),
    ("arms", {"times": RANGES[:1]}, ("arms.times", "expected two ranges of time or more, the base first")),
    ("arms", {"times": RANGES[:1] * 2}, ("arms.times", "the ranges must differ")),
    ("arms", {"times": [*RANGES, {"start": "2026-01-01"}]}, ("arms.times[2].end", "missing")),
    ("pairBy", "status", ("pairBy", f'{ITEM}, got "status"')),
    ("pairBy", {"author": "accuracy"}, ("pairBy", f"{ITEM}, got an object")),
    ("unit", "session", ("unit", f'{ITEM}, got "session"')),
    ("direction", {"accuracy": "left"}, ("direction.accuracy", 'expected "up" or "down", got "left"')),
    ("direction", {"tone": "up"}, ("direction", "tone is not among scores")),
    ("measure", {"accuracy": "sum"}, ("measure.accuracy", 'expected "share" or "mean", got "sum"')),
    ("measure", {"tone": "mean"}, ("measure", "tone is not among scores")),
    ("margin", {"accuracy": 0}, ("margin.accuracy", f"{AMOUNT}, got 0")),
    ("margin", {"accuracy": True}, ("margin.accuracy", f"{AMOUNT}, got true")),
    ("margin", {"tone": 1}, ("margin", "tone is not among scores")),
    ("minimumEffect", {"accuracy": -1}, ("minimumEffect.accuracy", f"{AMOUNT}, got -1")),
    ("minimumEffect", {"tone": 1}, ("minimumEffect", "tone is not among scores")),
    ("primary", ["tone"], ("primary", "tone is not among scores")),
    ("primary", "accuracy", ("primary", 'expected a list of names, got "accuracy"')),
    ("confidence", 0.5, ("confidence", "expected a number above 0.5 and below 0.999999, got 0.5")),
    ("confidence", 1, ("confidence", "expected a number above 0.5 and below 0.999999, got 1")),
    (
        "confidence",
        0.9999999999999999,
        ("confidence", "expected a number above 0.5 and below 0.999999, got 0.9999999999999999"),
    ),
    ("power", 1, ("power", "expected a number above 0.5 and below 1, got 1")),
    ("sequential", 5000, ("sequential", 'expected true, false or {"tuning": number}, got 5000')),
    (
        "sequential",
        {"tuning": 0},
        ("sequential.tuning", "expected an integer from 1 to 1000000000, got 0"),
    ),
    ("correction", "bonferroni", ("correction", 'expected "holm", "bh" or "none", got "bonferroni"')),
    ("covariate", "status", ("covariate", f'{COVARIATE}, got "status"')),
    ("covariate", {"score": ""}, ("covariate", f"{COVARIATE}, got an object")),
    ("covariate", {"score": "-hcone-bool"}, ("covariate", f"{COVARIATE}, got an object")),
    ("covariate", {"score": "accuracy-hcone-bool"}, ("covariate", "accuracy is among scores")),
    ("expectedShares", {"A": 0.5, "B": 0.2, "C": 0.2}, ("expectedShares", SHARES)),
    ("expectedShares", {"A": 0.5, "B": 0.5}, ("expectedShares", SHARES)),
    ("expectedShares", {"A": 0.5}, ("expectedShares", SHARES)),
    ("expectedShares", {"A": 1}, ("expectedShares.A", "expected a number above 0 and below 1, got 1")),
    ("expectedShares", {"A": 0.5, "B": 0.2, "D": 0.3}, ("expectedShares", "D is not among the arms")),
    ("offset", 1, ("offset", f"unknown key; known are {KNOWN}")),
]


@pytest.mark.parametrize(("key", "value", "field_error"), BAD)
async def test_wrong_body_is_refused(
    client: httpx.AsyncClient, key: str, value: object, field_error: tuple[str, str]
) -> None:
    body = {name: one for name, one in (BODY | {key: value}).items() if one is not MISSING}
    response = await client.post(AB, json=body)
    assert (response.status_code, response.json()) == (400, faulty(field_error))


@pytest.mark.parametrize(
    ("fields", "path", "other"),
    [
        ({"pairBy": "user_id", "unit": "user_id"}, "unit", "pairBy"),
        ({"pairBy": "user_id", "covariate": "cost"}, "covariate", "pairBy"),
        ({"unit": "user_id", "covariate": "cost"}, "covariate", "unit"),
    ],
)
async def test_ways_to_compare_exclude_each_other(
    client: httpx.AsyncClient, fields: Json, path: str, other: str
) -> None:
    response = await client.post(AB, json=BODY | fields)
    message = f"cannot be combined with {other}"
    assert (response.status_code, response.json()) == (400, faulty((path, message)))
    allowed = await client.post(AB, json=BODY | {"pairBy": "user_id", "unit": "request"})
    assert allowed.status_code == 200


async def test_shares_of_an_arm_called_null_are_not_guessed(client: httpx.AsyncClient) -> None:
    arms = {"by": "model", "base": None, "others": ["null"]}
    response = await client.post(AB, json=BODY | {"arms": arms, "expectedShares": {"null": 0.5}})
    assert response.status_code == 400
    assert ("expectedShares", "null is the name of two arms") in [
        (error["path"], error["message"]) for error in response.json()["details"]
    ]
