"""Raters of the same requests: against scipy, scikit-learn and krippendorff on random ratings, by hand where
there is little to measure; and every filter of an answer finds as many requests as the answer says."""

from __future__ import annotations

import asyncio
import json
import random
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import combinations
from typing import Any

import asyncpg
import httpx
import krippendorff
import numpy as np
import pytest
import scipy.stats
import sklearn.metrics
from heliscore.api.shared import agreements, filter_leaves
from heliscore.domain.author import Origin
from heliscore.domain.score import Score
from heliscore.domain.statistics.pair_tables import Level
from heliscore.store import organizations, ratings, score_scan
from heliscore.store.connections.pool import Connection
from heliscore.store.scores import ScoreIds, ScoreWrite, record
from heliscore.store.search import selectivity
from statsmodels.stats.inter_rater import fleiss_kappa
from statsmodels.stats.proportion import proportion_confint

from tests.api.conftest import SHARED
from tests.api.envelope import COUNT, faulty
from tests.api.experiments import ADA, JUDGE_1, JUDGE_2, NOW, Json, Row, put
from tests.api.test_ab import close, rmt
from tests.conftest import Service, at_database

AGREEMENT = "/v1/evals/agreement"
MAX = 2**63 - 1

ORGANIZATION = f"raters {uuid.uuid4()}"
AUTHORS = (JUDGE_1, ADA, JUDGE_2)


_MISSING = {
    "human": 0.3,
    "judge": 0.05,
    "third": 0.3,
    "good": 0.3,
    "guess": 0.05,
    "wide": 0.5,
    "broad": 0.4,
}
"""The share of the requests without a rater's score."""


def _make(chance: random.Random, number: int) -> tuple[Row, list[int | None]]:
    """A request with the scores of several raters; and what AUTHORS gave to it under one name, in order."""
    truth = chance.randrange(1, 6)
    noisy = [min(5, max(1, truth + chance.choice([-1, 0, 0, 0, 1]))) for _ in range(3)]
    scores: dict[str, int | bool] = {
        "human": noisy[0],
        "judge": noisy[1],
        "third": noisy[2],
        "good": noisy[0] >= 3,
        "guess": bool(noisy[1] >= 3) if number % 2 else int(noisy[1] >= 3),
        "wide": truth * 37 + chance.randrange(-30, 30),
        "broad": truth * 37 + chance.randrange(-30, 30),
    }
    for name in list(scores):
        if chance.random() < _MISSING[name]:
            del scores[name]
    user = chance.randrange(15)
    row = Row(
        request_id=f"r{number}",
        at=NOW - timedelta(hours=3 * number + 1),
        model=chance.choice(["x", "y", None]),
        variant=None,
        user=None if user == 0 else f"u{user}",
        item=None,
        latency=chance.randrange(500),
        author=JUDGE_1,
        scores=scores,
    )
    given = [value if chance.random() < 0.7 else None for value in (noisy[1], noisy[0], noisy[2])]
    return row, given


_CHANCE = random.Random(11)
_MADE = [_make(_CHANCE, number) for number in range(120)]
ROWS = [row for row, _ in _MADE]
GIVEN = {row.request_id: given for row, given in _MADE}


async def _fill(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    organization_id = await organizations.ensure(connection, ORGANIZATION)
    await put(connection, organization_id, ROWS)
    for place, author in enumerate(AUTHORS):
        await give(
            connection,
            organization_id,
            Origin(author, "score"),
            {id_: given[place] for id_, given in GIVEN.items() if given[place] is not None},
        )
    await connection.close()


async def give(
    connection: Connection, organization_id: int, origin: Origin, values: dict[str, int | None]
) -> None:
    writes = [
        ScoreWrite(organization_id, id_, {"graded": Score(value, False)}, NOW, origin)
        for id_, value in values.items()
        if value is not None
    ]
    await record(connection, ScoreIds(), writes)


@pytest.fixture(scope="module")
def filled(shared_address: str, server: str) -> None:  # noqa: ARG001
    asyncio.run(_fill(at_database(server, SHARED)))


@pytest.fixture
async def rated(filled: None, shared: Service) -> httpx.AsyncClient:  # noqa: ARG001
    """A client of the organization that has ROWS."""
    return await shared.client(ORGANIZATION)


async def ask(client: httpx.AsyncClient, *raters: object, **body: object) -> Json:
    response = await client.post(AGREEMENT, json={"filter": "all", "raters": raters, **body})
    assert response.status_code == 200, response.text
    assert response.json()["error"] is None
    found: Json = response.json()["data"]
    return found


# What raters gave, in Python

Rate = Callable[[Row], int | None]


def by_name(name: str) -> Rate:
    return lambda row: int(row.scores[name]) if name in row.scores else None


def by_authors(*places: int) -> Rate:
    """The newest opinion of some of AUTHORS, who gave theirs in that order."""

    def rate(row: Row) -> int | None:
        given = [GIVEN[row.request_id][place] for place in places]
        return next((value for value in reversed(given) if value is not None), None)

    return rate


def by_current(row: Row) -> int | None:
    """A human's value stands (precedence), else the newest."""
    return by_authors(0, 2, 1)(row)


JUDGES = {"name": "graded", "author": {"kind": "judge"}}
NAMED = {"name": "graded-hcone-bool", "author": {"name": "ada"}}
FIRST = {"name": "graded", "author": {"version": "1"}}
SECOND = {"name": "graded", "author": {"kind": "judge", "name": "j", "version": "2"}}
NOBODY = {"name": "graded", "author": {"kind": "code"}}

RATERS: dict[str, list[tuple[object, Rate, str]]] = {
    "names": [("human", by_name("human"), "human"), ("judge-hcone-bool", by_name("judge"), "judge")],
    "shares": [("good", by_name("good"), "good"), ("guess", by_name("guess"), "guess")],
    "many values": [("wide", by_name("wide"), "wide"), ("broad", by_name("broad"), "broad")],
    "authors": [
        (NAMED, by_authors(1), "graded by any:ada"),
        (JUDGES, by_authors(0, 2), "graded by judge:any"),
    ],
    "versions": [
        (FIRST, by_authors(0), "graded by any:any@1"),
        (SECOND, by_authors(2), "graded by judge:j@2"),
    ],
    "name and authors": [
        ("judge", by_name("judge"), "judge"),
        (NAMED, by_authors(1), "graded by any:ada"),
    ],
    "nobody": [("judge", by_name("judge"), "judge"), (NOBODY, lambda _: None, "graded by code:any")],
    "three": [(name, by_name(name), name) for name in ("human", "judge", "third")],
    "three of authors": [
        (FIRST, by_authors(0), "graded by any:any@1"),
        ({"name": "third"}, by_name("third"), "third"),
        (NAMED, by_authors(1), "graded by any:ada"),
    ],
}

WITHIN: dict[str, tuple[Json, Callable[[Row], bool]]] = {
    "all": ({}, lambda _: True),
    "some": (
        {
            "filter": {
                "left": rmt(latency={"lt": 300}),
                "operator": "or",
                "right": rmt(scores={"judge": {"gte": 4}}),
            },
            "timeFilter": {"start": (NOW - timedelta(days=20)).isoformat(), "end": NOW.isoformat()},
        },
        lambda row: (
            ((row.latency is not None and row.latency < 300) or row.scores.get("judge", 0) >= 4)
            and row.at >= NOW - timedelta(days=20)
        ),
    ),
    "of users": ({"unit": "user_id"}, lambda row: row.user is not None),
    "of a property": (
        {"unit": {"property": "variant"}, "filter": rmt(properties={"variant": {"exists": False}})},
        lambda _: False,
    ),
}


def coefficients(x: Sequence[int], y: Sequence[int], level: Level, tolerance: int = 0) -> Json:
    """By the reference implementations, of ratings of which no rater's are constant."""
    differences = np.array(x, float) - np.array(y, float)
    labels = sorted({*x, *y})
    found = {
        "observedAgreement": np.mean(differences == 0),
        "withinTolerance": np.mean(abs(differences) <= tolerance),
        "cohenKappa": sklearn.metrics.cohen_kappa_score(x, y),
        "krippendorffAlpha": krippendorff.alpha(np.array([x, y], float), level_of_measurement=level),
        "spearman": scipy.stats.spearmanr(x, y).statistic,
        "kendallTauB": scipy.stats.kendalltau(x, y).statistic,
        "pearson": scipy.stats.pearsonr(x, y).statistic,
        "meanAbsoluteError": np.mean(abs(differences)),
        "rootMeanSquareError": np.sqrt(np.mean(differences**2)),
        "bias": np.mean(differences),
        "limitsOfAgreement": np.mean(differences),
    }
    if labels == list(range(labels[0], labels[-1] + 1)):  # scikit-learn's weights are of places.
        for name, weights in (("linearKappa", "linear"), ("quadraticKappa", "quadratic")):
            found[name] = sklearn.metrics.cohen_kappa_score(x, y, weights=weights)
    return found


def assert_pair(
    pair: Json, patterns: list[tuple[int | None, int | None]], level: Level, confidence: float
) -> None:
    both = [(x, y) for x, y in patterns if x is not None and y is not None]
    assert pair["pairs"] == len(both)
    assert pair["only"] == {
        "a": sum(x is not None and y is None for x, y in patterns),
        "b": sum(x is None and y is not None for x, y in patterns),
    }
    if not both:
        assert {one["reason"] for one in pair["coefficients"].values()} == {"noPairs"}
        return
    x, y = zip(*both, strict=True)
    expected = coefficients(x, y, level)
    assert {name: pair["coefficients"][name]["value"] for name in expected} == close(expected)
    equal = sum(a == b for a, b in both)
    if "unit" not in pair:
        wilson = list(proportion_confint(equal, len(both), 1 - confidence, method="wilson"))
        assert pair["coefficients"]["observedAgreement"]["interval"] == close(wilson)
    table = Counter(both)
    cells = {(*cell["a"], *cell["b"]): cell["count"] for cell in pair["confusion"]}
    assert cells == {
        bounds: sum(
            count
            for (a, b), count in table.items()
            if bounds[0] <= a <= bounds[1] and bounds[2] <= b <= bounds[3]
        )
        for bounds in cells
    }
    assert sum(cells.values()) == len(both)
    worst = sorted(((a, b) for a, b in table if a != b), key=lambda ab: (-abs(ab[0] - ab[1]), -table[ab], ab))
    assert [(one["a"], one["b"], one["count"]) for one in pair["disagreements"]] == [
        (*ab, table[ab]) for ab in worst[:20]
    ]


async def assert_filters_find(client: httpx.AsyncClient, pair: Json) -> None:
    """Whether each filter finds as many requests as the answer says."""
    cells = pair["confusion"] + pair["disagreements"]
    filters = {json.dumps(cell["filter"]): cell["filter"] for cell in cells}
    answers = await asyncio.gather(*(client.post(COUNT, json={"filter": one}) for one in filters.values()))
    found = dict(zip(filters, (answer.json()["data"] for answer in answers), strict=True))
    assert [found[json.dumps(cell["filter"])] for cell in cells] == [cell["count"] for cell in cells]


@pytest.mark.parametrize(
    ("within", "way"),
    [*((within, "one by one") for within in WITHIN), ("some", "by hash"), ("of users", "by hash")],
)
@pytest.mark.parametrize("raters", RATERS)
async def test_raters_agree_as_the_references_say(
    rated: httpx.AsyncClient, raters: str, within: str, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if way == "by hash":
        monkeypatch.setattr(score_scan, "_MAX_LOOKUPS", 0)
        monkeypatch.setattr(selectivity, "MIN_THRESHOLD", 1)
        monkeypatch.setattr(selectivity, "MAX_THRESHOLD", 1)
    body, matches = WITHIN[within]
    sent, rates, labels = zip(*RATERS[raters], strict=True)
    found = await ask(rated, *sent, **body)
    patterns = [tuple(rate(row) for rate in rates) for row in ROWS if matches(row)]
    given = {value for pattern in patterns for value in pattern if value is not None}
    level: Level = "nominal" if given <= {0, 1} else "ordinal"
    assert (found["raters"], found["level"], found["unknownScores"]) == ([*labels], level, [])
    rated_at_all = sum(any(rate(row) is not None for rate in rates) for row in ROWS)
    if "unit" in body:
        counted = sum(any(value is not None for value in pattern) for pattern in patterns)
        assert found["leftOut"] == rated_at_all - counted
    else:
        assert found["leftOut"] == 0
    pairs = [found] if len(rates) == 2 else found["pairwise"]
    for pair, (first, second) in zip(pairs, combinations(range(len(rates)), 2), strict=True):
        assert (pair["a"], pair["b"]) == (labels[first], labels[second])
        assert_pair(
            pair | ({"unit": True} if "unit" in body else {}),
            [(pattern[first], pattern[second]) for pattern in patterns],
            level,
            0.95,
        )
        if way == "one by one":
            await assert_filters_find(rated, pair)
    if len(rates) > 2:
        assert_together(found, patterns, level)


def assert_together(found: Json, patterns: list[tuple[int | None, ...]], level: Level) -> None:
    rated_twice = [pattern for pattern in patterns if sum(value is not None for value in pattern) > 1]
    assert found["requests"] == len(rated_twice)
    assert found["complete"] == sum(None not in pattern for pattern in patterns)
    if not rated_twice:
        assert found["coefficients"]["krippendorffAlpha"]["reason"] == "noPairs"
        return
    table = np.array(rated_twice, dtype=float).T
    alpha = krippendorff.alpha(table, level_of_measurement=level)
    assert found["coefficients"]["krippendorffAlpha"]["value"] == close(alpha)
    assert found["coefficients"]["fleissKappa"]["reason"] == "missingRatings"
    equal = sum(len({*pattern} - {None}) == 1 for pattern in rated_twice)
    assert found["coefficients"]["allEqual"]["value"] == close(equal / len(rated_twice))


async def test_complete_ratings_have_fleiss_kappa(rated: httpx.AsyncClient) -> None:
    complete: Json = rmt(scores={name: {"exists": True} for name in ("human", "judge", "third")})
    found = await ask(rated, "human", "judge", "third", filter=complete)
    patterns = [
        [int(row.scores[name]) for name in ("human", "judge", "third")]
        for row in ROWS
        if {"human", "judge", "third"} <= row.scores.keys()
    ]
    table = [[pattern.count(value) for value in range(1, 6)] for pattern in patterns]
    assert found["requests"] == found["complete"] == len(patterns)
    assert found["coefficients"]["fleissKappa"]["value"] == close(fleiss_kappa(np.array(table)))


# What the call chooses


@pytest.mark.parametrize("level", ["nominal", "ordinal", "interval"])
async def test_level_is_forced(rated: httpx.AsyncClient, level: Level) -> None:
    found = await ask(rated, "human", "judge", level=level)
    both = [
        (int(row.scores["human"]), int(row.scores["judge"]))
        for row in ROWS
        if {"human", "judge"} <= row.scores.keys()
    ]
    expected = krippendorff.alpha(np.array(both, float).T, level_of_measurement=level)
    assert found["level"] == level
    assert found["coefficients"]["krippendorffAlpha"]["value"] == close(expected)
    of_order = found["coefficients"]["spearman"]
    assert (of_order["reason"] == "nominal") == (level == "nominal")


@pytest.mark.parametrize("tolerance", [0, 1, 4])
async def test_tolerance_is_a_difference_that_still_agrees(rated: httpx.AsyncClient, tolerance: int) -> None:
    found = await ask(rated, "human", "judge", tolerance=tolerance, confidence=0.8)
    apart = [
        abs(row.scores["human"] - row.scores["judge"])
        for row in ROWS
        if {"human", "judge"} <= row.scores.keys()
    ]
    within = sum(one <= tolerance for one in apart)
    assert found["coefficients"]["withinTolerance"] == {
        "value": close(within / len(apart)),
        "interval": close(list(proportion_confint(within, len(apart), 0.2, method="wilson"))),
        "reason": None,
    }


@pytest.mark.parametrize(
    ("raters", "reference", "threshold", "least"),
    [
        (["good", "guess"], "good", None, 1),
        (["guess", "good"], "good-hcone-bool", None, 1),
        (["human", "judge"], "human", 3, 3),
        (["judge", "human"], "human", 5, 5),
    ],
)
async def test_judge_is_measured_by_a_reference(
    rated: httpx.AsyncClient, raters: list[str], reference: str, threshold: int | None, least: int
) -> None:
    found = await ask(rated, *raters, reference=reference, threshold=threshold)
    right = reference.removesuffix("-hcone-bool")
    [judge] = [name for name in raters if name != right]
    both = [
        (row.scores[right] >= least, row.scores[judge] >= least)
        for row in ROWS
        if {right, judge} <= row.scores.keys()
    ]
    truth, said = zip(*both, strict=True)
    true_negatives, false_positives, false_negatives, true_positives = sklearn.metrics.confusion_matrix(
        truth, said
    ).ravel()
    measured = found["againstReference"]
    assert {name: measured[name] for name in measured if name.startswith(("true", "false"))} == {
        "truePositives": true_positives,
        "falsePositives": false_positives,
        "falseNegatives": false_negatives,
        "trueNegatives": true_negatives,
    }
    recall = true_positives / (true_positives + false_negatives)
    passed = true_negatives / (true_negatives + false_positives)
    judged = [row.scores[judge] >= least for row in ROWS if judge in row.scores]
    expected = {
        "precision": sklearn.metrics.precision_score(truth, said),
        "recall": sklearn.metrics.recall_score(truth, said),
        "trueNegativeRate": passed,
        "f1": sklearn.metrics.f1_score(truth, said),
        "balancedAccuracy": sklearn.metrics.balanced_accuracy_score(truth, said),
        "matthewsCorrelation": sklearn.metrics.matthews_corrcoef(truth, said),
        "cohenKappa": sklearn.metrics.cohen_kappa_score(truth, said),
        "correctedShare": min(max((np.mean(judged) + passed - 1) / (recall + passed - 1), 0), 1),
    }
    assert {name: one["value"] for name, one in measured["coefficients"].items()} == close(expected)
    calibration: dict[int, list[int]] = {}
    for row in ROWS:
        if {right, judge} <= row.scores.keys():
            calibration.setdefault(int(row.scores[judge]), []).append(int(row.scores[right]))
    shown = [
        (one["from"], one["to"], one["count"], one["mean"], one["share"]["value"])
        for one in measured["calibration"]
    ]
    assert shown == [
        (
            value,
            value,
            len(given),
            close(np.mean(given)),
            close(np.mean([one >= least for one in given])),
        )
        for value, given in sorted(calibration.items())
    ]


async def test_nothing_says_which_values_pass(rated: httpx.AsyncClient) -> None:
    without = await ask(rated, "human", "judge", reference="human")
    assert without["againstReference"] is None
    assert "noThreshold" in without["warnings"]
    assert (await ask(rated, "good", "guess"))["againstReference"] is None


async def test_reference_of_three_measures_its_pairs(rated: httpx.AsyncClient) -> None:
    found = await ask(rated, "third", "human", "judge", reference="human", threshold=3)
    measured = [(pair["a"], pair["b"]) for pair in found["pairwise"] if pair["againstReference"] is not None]
    assert measured == [("third", "human"), ("human", "judge")]


async def test_confidence_widens_intervals(rated: httpx.AsyncClient) -> None:
    widths = []
    for confidence in (0.8, 0.95, 0.999):
        found = await ask(rated, "human", "judge", confidence=confidence)
        low, high = found["coefficients"]["krippendorffAlpha"]["interval"]
        widths.append(high - low)
    assert widths == sorted(widths)


# Opinions


async def test_removed_and_taken_back_values_are_no_ratings(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    rows = [Row(id_, NOW, None, None, None, None, None, JUDGE_1, {}) for id_ in "abcd"]
    await put(connection, organization_id, rows)
    judge, ada = Origin(JUDGE_1, "score"), Origin(ADA, "score")
    await give(connection, organization_id, judge, {"a": 1, "b": 2, "c": 3, "d": 4})
    await give(connection, organization_id, ada, {"a": 1, "b": 3, "c": 3, "d": 5})
    raters = ({"name": "graded", "author": {"kind": "human"}}, JUDGES)
    assert (await ask(client, *raters))["pairs"] == 4
    headers = {"Heliscore-Author": str(ADA)}
    assert (await client.delete("/v1/request/a/score/graded", headers=headers)).status_code == 200
    await connection.execute(
        "UPDATE score_history SET taken_back_at = now() WHERE organization_id = $1 AND value = 2",
        organization_id,
    )
    found = await ask(client, *raters)
    assert (found["pairs"], found["only"]) == (2, {"a": 1, "b": 1})
    assert [(one["a"], one["b"], one["count"]) for one in found["disagreements"]] == [(5, 4, 1)]
    await assert_filters_find(client, found)


async def test_cells_of_authors_list_a_thousand_requests(
    rated: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = await ask(rated, NAMED, JUDGES)
    monkeypatch.setattr(agreements, "MAX_CELL_IDS", 2)
    monkeypatch.setattr("heliscore.api.native.agreement_answers.MAX_CELL_IDS", 2)
    some = await ask(rated, NAMED, JUDGES)

    def sizes(found: Json) -> list[int]:
        return [
            len(cell["filter"]["request_response_rmt"]["request_id"]["in"]) for cell in found["confusion"]
        ]

    counts = [cell["count"] for cell in whole["confusion"]]
    assert max(counts) > 2
    assert sizes(whole) == counts
    assert sizes(some) == [min(count, 2) for count in counts]
    monkeypatch.setattr(agreements, "_MAX_IDS", 1)
    assert set(sizes(await ask(rated, NAMED, JUDGES))) == {1}


# Too many patterns


@pytest.mark.parametrize(
    ("unit", "matches"), [(None, lambda _: True), ("user_id", lambda row: row.user is not None)]
)
@pytest.mark.parametrize("raters", ["names", "authors", "many values"])
async def test_sums_of_too_many_values_say_the_same(
    rated: httpx.AsyncClient,
    raters: str,
    unit: str | None,
    matches: Callable[[Row], bool],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent, rates, _ = zip(*RATERS[raters], strict=True)
    body = {"unit": unit, "level": "interval", "tolerance": 1}
    whole = await ask(rated, *sent, **body)
    monkeypatch.setattr(ratings, "MAX_PATTERNS", 3)
    found = await ask(rated, *sent, **body)
    for key in ("raters", "level", "leftOut", "unknownScores", "a", "b", "pairs", "only", "warnings"):
        assert found[key] == whole[key]
    known = {name: one for name, one in found["coefficients"].items() if one["reason"] != "tooManyValues"}
    assert {*known} == {
        "observedAgreement",
        "withinTolerance",
        "quadraticKappa",
        "krippendorffAlpha",
        "pearson",
        "meanAbsoluteError",
        "rootMeanSquareError",
        "bias",
        "limitsOfAgreement",
    }
    for name, one in known.items():
        assert one["value"] == close(whole["coefficients"][name]["value"])
    if unit is not None:  # The same groups are left out.
        assert known == {name: close(whole["coefficients"][name]) for name in known}
    assert (found["observed"], found["confusion"], found["disagreements"]) == (
        close(whole["observed"]),
        [],
        [],
    )
    both = [row for row in ROWS if matches(row) and all(rate(row) is not None for rate in rates)]
    assert found["pairs"] == len(both)


async def test_too_many_values_of_an_unknown_name_are_no_pairs(
    rated: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ratings, "MAX_PATTERNS", 3)
    found = await ask(rated, "wide", "never")
    assert (found["pairs"], found["only"]["b"], found["unknownScores"]) == (0, 0, ["never"])
    assert found["only"]["a"] == sum("wide" in row.scores for row in ROWS)
    assert {one["reason"] for one in found["coefficients"].values()} == {"noPairs"}


async def test_too_many_values_of_three_raters_are_an_error(
    rated: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ratings, "MAX_PATTERNS", 3)
    response = await rated.post(AGREEMENT, json={"filter": "all", "raters": ["human", "judge", "third"]})
    message = "they gave too many different values together; compare two at a time"
    assert (response.status_code, response.json()) == (400, faulty(("raters", message)))


# Where there is little to measure


def made(*given: tuple[int | None, int | None]) -> list[Row]:
    """Requests by what a and b gave."""
    return [
        Row(
            f"r{number}",
            NOW,
            None,
            None,
            None,
            None,
            None,
            JUDGE_1,
            {name: value for name, value in zip("ab", values, strict=True) if value is not None},
        )
        for number, values in enumerate(given)
    ]


BOUNDED = (
    "cohenKappa",
    "linearKappa",
    "quadraticKappa",
    "krippendorffAlpha",
    "fleissKappa",
    "gwetAC1",
    "spearman",
    "kendallTauB",
    "pearson",
)


@pytest.mark.parametrize(
    ("given", "reasons", "values"),
    [
        (
            [(1, None), (None, 0)],
            dict.fromkeys(("observedAgreement", "cohenKappa", "spearman", "bias"), "noPairs"),
            {"observedAgreement": None, "cohenKappa": None},
        ),
        (
            [(7, 7)] * 6,
            dict.fromkeys(set(BOUNDED) - {"gwetAC1"}, "oneValueOnly") | {"observedAgreement": None},
            {"observedAgreement": 1, "cohenKappa": None, "krippendorffAlpha": None, "bias": 0},
        ),
        (
            [(7, 7)] * 3 + [(7, 6)] * 3,
            {"cohenKappa": "constantRater", "spearman": "constantRater", "pearson": "constantRater"},
            {"cohenKappa": 0, "quadraticKappa": 0, "spearman": None, "kendallTauB": None, "pearson": None},
        ),
        (
            [(1, 1), (0, 0), (1, 1)],
            {"cohenKappa": "perfect", "spearman": "perfect", "observedAgreement": None},
            {"cohenKappa": 1, "krippendorffAlpha": 1, "spearman": 1, "observedAgreement": 1},
        ),
        (
            [(1, 20), (2, 40), (3, 90), (5, 80)],
            {"cohenKappa": "scales", "bias": "scales", "observedAgreement": "scales", "spearman": None},
            {"cohenKappa": None, "spearman": 0.8},
        ),
        (
            [(MAX, MAX), (-MAX - 1, MAX), (MAX, -MAX - 1), (-MAX - 1, -MAX - 1)],
            {"observedAgreement": None, "cohenKappa": None},
            {"observedAgreement": 0.5, "cohenKappa": 0, "pearson": 0, "meanAbsoluteError": 2.0**63},
        ),
    ],
    ids=["no pairs", "one value", "constant rater", "perfect", "scales", "extremes"],
)
async def test_what_cannot_be_measured_has_a_reason(
    client: httpx.AsyncClient,
    connection: Connection,
    organization_id: int,
    given: list[tuple[int | None, int | None]],
    reasons: dict[str, str | None],
    values: dict[str, float | None],
) -> None:
    await put(connection, organization_id, made(*given))
    found = await ask(client, "a", "b")
    assert {name: found["coefficients"][name]["reason"] for name in reasons} == reasons
    assert {name: found["coefficients"][name]["value"] for name in values} == close(values)
    pairs = [one for one in given if None not in one]
    assert found["warnings"] == (["few"] if pairs else []) + (
        ["scales"] if "scales" in reasons.values() else []
    )
    await assert_filters_find(client, found)


async def test_bins_end_where_scores_do(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    step = 2**63 // 14
    given = [(-MAX - 1 + place * step, MAX - place * step) for place in range(28)]
    await put(connection, organization_id, made(*given))
    found = await ask(client, "a", "b")
    assert sum(cell["count"] for cell in found["confusion"]) == 28
    assert any(cell["count"] > 1 for cell in found["confusion"])
    await assert_filters_find(client, found)


async def test_unknown_scores_are_listed(rated: httpx.AsyncClient) -> None:
    found = await ask(rated, "judge", {"name": "never", "author": {"kind": "human"}}, "nothing")
    assert found["unknownScores"] == ["never", "nothing"]
    found = await ask(rated, "never", "nothing")
    assert (found["unknownScores"], found["pairs"]) == (["never", "nothing"], 0)


# Bad input

MISSING = object()
CONFIDENCE = "expected a number above 0.5 and below 0.999999"
RATER = 'expected a name or {"name": …, "author": …}'
INTEGER = f"expected an integer from {-MAX - 1} to {MAX}"
ITEM = 'expected one of model, provider, prompt_id, prompt_version, user_id or {"property": key}'
KNOWN = "confidence, filter, level, raters, reference, threshold, timeFilter, tolerance, unit"

BAD: list[tuple[str, object, tuple[str, str]]] = [
    ("filter", MISSING, ("filter", 'missing; "all" for every request')),
    ("filter", rmt(bogus={"equals": 1}), ("filter.request_response_rmt.bogus", "unknown column")),
    ("timeFilter", {"start": "2026-01-01"}, ("timeFilter.end", "missing")),
    (
        "timeFilter",
        {"start": "2026-02-01", "end": "2026-01-01"},
        ("timeFilter", "start must not be after end"),
    ),
    ("raters", MISSING, ("raters", "missing")),
    ("raters", "human", ("raters", 'expected a list of raters, got "human"')),
    ("raters", [], ("raters", "expected two raters or more")),
    ("raters", ["human"], ("raters", "expected two raters or more")),
    ("raters", ["human", "human-hcone-bool"], ("raters", "the raters must differ")),
    ("raters", [str(number) for number in range(11)], ("raters", "at most 10 raters, got 11")),
    ("raters", ["human", "-hcone-bool"], ("raters[1]", "must not be empty")),
    ("raters", ["human", {"name": "-hcone-bool"}], ("raters[1].name", "must not be empty")),
    ("raters", ["human", 5], ("raters[1]", f"{RATER}, got 5")),
    ("raters", ["human", ""], ("raters[1]", "must not be empty")),
    ("raters", ["human", {"author": {"kind": "human"}}], ("raters[1].name", "missing")),
    (
        "raters",
        ["human", {"name": "a", "author": {}}],
        ("raters[1].author", "expected a kind, a name or a version"),
    ),
    (
        "raters",
        ["human", {"name": "a", "author": {"kind": "robot"}}],
        ("raters[1].author.kind", 'expected "human", "judge", "code" or "api", got "robot"'),
    ),
    (
        "raters",
        ["human", {"name": "a", "author": {"name": ""}}],
        ("raters[1].author.name", "must not be empty"),
    ),
    (
        "raters",
        ["human", {"name": "a", "author": "human:ada"}],
        ("raters[1].author", 'expected an object, got "human:ada"'),
    ),
    ("reference", "third", ("reference", "is not among the raters")),
    ("reference", 5, ("reference", f"{RATER}, got 5")),
    (
        "level",
        "ratio",
        ("level", 'expected "auto", "nominal", "ordinal" or "interval", got "ratio"'),
    ),
    ("threshold", 0.5, ("threshold", f"{INTEGER}, got 0.5")),
    ("threshold", MAX + 1, ("threshold", f"{INTEGER}, got an integer of more than 64 bits")),
    ("tolerance", -1, ("tolerance", f"expected an integer from 0 to {MAX}, got -1")),
    ("confidence", 0.5, ("confidence", f"{CONFIDENCE}, got 0.5")),
    ("confidence", 1, ("confidence", f"{CONFIDENCE}, got 1")),
    ("confidence", "0.9", ("confidence", f'{CONFIDENCE}, got "0.9"')),
    ("unit", "session", ("unit", f'{ITEM}, got "session"')),
    ("offset", 1, ("offset", f"unknown key; known are {KNOWN}")),
]


@pytest.mark.parametrize(("key", "value", "field_error"), BAD)
async def test_wrong_body_is_refused(
    client: httpx.AsyncClient, key: str, value: Any, field_error: tuple[str, str]
) -> None:
    sent = {"filter": "all", "raters": ["human", "judge"], key: value}
    response = await client.post(
        AGREEMENT, json={name: one for name, one in sent.items() if one is not MISSING}
    )
    assert (response.status_code, response.json()) == (400, faulty(field_error))


async def test_filter_that_is_too_long_for_every_cell_is_refused(
    rated: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = await ask(rated, "human", "judge")
    cells = len(found["confusion"]) + len(found["disagreements"])
    monkeypatch.setattr(filter_leaves, "_MAX_FILTER_BYTES", cells * len('"all"') - 1)
    response = await rated.post(AGREEMENT, json={"filter": "all", "raters": ["human", "judge"]})
    message = f"too long to be given back with each of {cells} cells; compare fewer raters"
    assert (response.status_code, response.json()) == (400, faulty(("filter", message)))
