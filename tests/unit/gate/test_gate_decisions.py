"""Each rule of a gate, on counted values."""

from __future__ import annotations

from typing import Any

import pytest
from heliscore.domain.gate.checks import Case, Check, Evidence, Gate, Outcome
from heliscore.domain.gate.gate_decisions import decide
from heliscore.domain.gate.gate_report import CheckResult
from heliscore.domain.statistics.compared import Arm, Pairs, UnitSums
from heliscore.domain.statistics.samples import Counts, Sample

GATE = Gate(name="release")

HIGH: Counts = {90: 100, 100: 100}
"""95.0 on average, give or take 0.7."""

LOW: Counts = {86: 100, 96: 100}
"""91.0 on average."""


def arm(counts: Counts | None) -> Arm:
    return Arm(sample=None if counts is None else Sample.of(counts))


def evidence(candidate: Counts | None, base: Counts | None = None, **more: Any) -> Evidence:
    return Evidence(**{"measure": "mean", "candidate": arm(candidate), "base": arm(base), **more})


def decided(check: Check, found: Evidence, gate: Gate = GATE) -> CheckResult:
    [result] = decide(gate, [Case(check, None, found)]).checks
    return result


def not_worse_by(margin: float, **more: Any) -> Check:
    return Check(score="accuracy", not_worse_by=margin, **more)


@pytest.mark.parametrize(
    ("check", "candidate", "base", "result", "reason"),
    [
        (
            not_worse_by(5),
            LOW,
            HIGH,
            "pass",
            "accuracy fell by 4.00 (95 % \u22124.99 to \u22123.01), allowed 5; 200 against 200 requests",
        ),
        (
            not_worse_by(3),
            LOW,
            HIGH,
            "fail",
            "accuracy fell by 4.00 (95 % \u22124.99 to \u22123.01), allowed 3; 200 against 200 requests",
        ),
        (
            not_worse_by(4.5),
            LOW,
            HIGH,
            "inconclusive",
            "accuracy fell by 4.00 (95 % \u22124.99 to \u22123.01), allowed 4.5, not sure yet; "
            "200 against 200 requests",
        ),
        (
            not_worse_by(1),
            {90: 20, 100: 20},
            {90: 20, 100: 20},
            "inconclusive",
            "accuracy did not change (95 % \u22122.25 to 2.25), allowed 1, not sure yet; "
            "40 against 40 requests, about 363 more requests a group needed",
        ),
        (
            not_worse_by(1),
            HIGH,
            LOW,
            "pass",
            "accuracy rose by 4.00 (95 % 3.01 to 4.99), allowed 1; 200 against 200 requests",
        ),
        (
            not_worse_by(1, direction="down"),
            HIGH,
            LOW,
            "fail",
            "accuracy rose by 4.00 (95 % 3.01 to 4.99), allowed 1; 200 against 200 requests",
        ),
        (
            not_worse_by(1, direction="down"),
            LOW,
            HIGH,
            "pass",
            "accuracy fell by 4.00 (95 % \u22124.99 to \u22123.01), allowed 1; 200 against 200 requests",
        ),
    ],
)
def test_loss_is_allowed_by_the_end_of_the_interval(
    check: Check, candidate: Counts, base: Counts, result: Outcome, reason: str
) -> None:
    found = decided(check, evidence(candidate, base))
    assert (found.result, found.reason) == (result, reason)


def test_result_has_the_numbers_of_its_reason() -> None:
    found = decided(not_worse_by(1), evidence({90: 20, 100: 20}, {90: 20, 100: 20}))
    assert found.interval is not None
    assert (found.value, found.p, found.needed_more, found.pairs) == (0.0, 1.0, 363, None)
    assert (found.base, found.candidate) == (found.candidate, found.base)
    assert found.candidate is not None
    assert (found.candidate.n, found.candidate.mean) == (40, 95.0)


def test_definition_says_which_direction_is_worse_unless_the_check_does() -> None:
    lower_is_better = evidence(HIGH, LOW, direction="down")
    assert decided(not_worse_by(1), lower_is_better).result == "fail"
    assert decided(not_worse_by(1, direction="up"), lower_is_better).result == "pass"


def test_shares_are_compared_and_shown_as_shares() -> None:
    found = decided(not_worse_by(0.05), evidence({0: 20, 1: 380}, {0: 8, 1: 392}, measure="share"))
    assert (found.result, found.reason) == (
        "inconclusive",
        "accuracy fell by 3.0 points (95 % \u22125.8 to \u22120.4), allowed 5 points, not sure yet; "
        "400 against 400 requests",
    )


@pytest.mark.parametrize(
    ("candidate", "base", "result"),
    [
        ({5: 3}, {5: 3}, "inconclusive"),
        ({5: 4}, {5: 4}, "pass"),
        ({4: 4}, {5: 4}, "pass"),
        ({2: 4}, {5: 4}, "fail"),
        ({2: 3}, {5: 3}, "inconclusive"),
        ({5: 1}, {5: 1}, "inconclusive"),
        ({5: 1}, {5: 100}, "inconclusive"),
    ],
)
def test_values_that_do_not_vary_decide_where_an_exact_test_could(
    candidate: Counts, base: Counts, result: Outcome
) -> None:
    assert decided(not_worse_by(2), evidence(candidate, base)).result == result


@pytest.mark.parametrize(("items", "result"), [(5, "inconclusive"), (6, "pass")])
def test_pairs_that_do_not_vary_decide_where_a_sign_test_could(items: int, result: Outcome) -> None:
    pairs = Pairs(items={(5, 1, 5, 1): items})
    assert decided(not_worse_by(2), evidence({5: items}, {5: items}, pairs=pairs)).result == result


def test_items_are_paired() -> None:
    spread = {(value, 1, value - 1, 1): 5 for value in range(0, 100, 10)}
    unpaired = evidence(dict.fromkeys(range(-1, 99, 10), 5), dict.fromkeys(range(0, 100, 10), 5))
    assert decided(not_worse_by(2), unpaired).result == "inconclusive"
    pairs = Pairs(items={**spread, (50, 1, 50, 1): 5}, only_base=1, only_other=2)
    found = decided(not_worse_by(2), evidence({1: 55}, {1: 55}, pairs=pairs))
    assert (found.result, found.pairs, found.reason) == (
        "pass",
        55,
        "accuracy fell by 0.909 (95 % \u22120.988 to \u22120.831), allowed 2; 55 pairs",
    )
    few = decided(not_worse_by(2, at_least_scores=56), evidence({1: 60}, {1: 60}, pairs=pairs))
    assert (few.result, few.reason) == ("inconclusive", "55 pairs with accuracy, at least 56 asked")
    none = decided(not_worse_by(2), evidence({1: 60}, {1: 60}, pairs=Pairs(items={})))
    assert (none.result, none.reason) == (
        "inconclusive",
        "no item has accuracy in both the candidate and the base",
    )


def test_requests_of_one_user_count_as_one_case() -> None:
    """Two users, each with a hundred requests that are all alike."""
    units = UnitSums(
        units=2, count=200, sum=19000, sum_squares=181000000, products=1900000, count_squares=20000
    )
    of_users = Arm(sample=Sample.of(HIGH), units=units)
    by_user = Evidence(measure="mean", candidate=of_users, base=of_users)
    assert decided(not_worse_by(2), evidence(HIGH, HIGH)).result == "pass"
    assert decided(not_worse_by(2), by_user).result == "inconclusive"
    bound = Check(score="accuracy", at_least=93, sure=True)
    assert decided(bound, evidence(HIGH)).result == "pass"
    assert decided(bound, by_user).result == "inconclusive"


def test_users_of_one_request_each_are_requests() -> None:
    sample = Sample.of(HIGH)
    units = UnitSums(200, 200, int(sample.sum), int(sample.squares), int(sample.sum), 200)
    of_users = Evidence(measure="mean", candidate=Arm(sample=sample, units=units), base=arm(None))
    check = Check(score="accuracy", at_least=93, sure=True)
    assert decided(check, of_users).interval == pytest.approx(decided(check, evidence(HIGH)).interval)


def bounded(**bounds: Any) -> Check:
    return Check(**{"score": "ok", **bounds})


@pytest.mark.parametrize(
    ("check", "result", "reason"),
    [
        (
            bounded(at_least=0.9),
            "pass",
            "ok is 92.0 % (95 % 89.3 to 94.1), at least 90 % asked; 500 requests",
        ),
        (
            bounded(at_least=0.92),
            "pass",
            "ok is 92.0 % (95 % 89.3 to 94.1), at least 92 % asked; 500 requests",
        ),
        (
            bounded(at_least=0.93),
            "fail",
            "ok is 92.0 % (95 % 89.3 to 94.1), at least 93 % asked; 500 requests",
        ),
        (bounded(at_most=0.92), "pass", "ok is 92.0 % (95 % 89.3 to 94.1), at most 92 % asked; 500 requests"),
        (bounded(at_most=0.9), "fail", "ok is 92.0 % (95 % 89.3 to 94.1), at most 90 % asked; 500 requests"),
        (
            bounded(at_least=0.9, at_most=0.95),
            "pass",
            "ok is 92.0 % (95 % 89.3 to 94.1), at least 90 % and at most 95 % asked; 500 requests",
        ),
        (
            bounded(at_least=0.89, sure=True),
            "pass",
            "ok is 92.0 % (95 % 89.3 to 94.1), at least 89 % asked; 500 requests",
        ),
        (
            bounded(at_least=0.9, sure=True),
            "inconclusive",
            "ok is 92.0 % (95 % 89.3 to 94.1), at least 90 % asked, not sure yet; 500 requests",
        ),
        (
            bounded(at_least=0.95, sure=True),
            "fail",
            "ok is 92.0 % (95 % 89.3 to 94.1), at least 95 % asked; 500 requests",
        ),
        (
            bounded(at_least=0.5, at_most=0.93, sure=True),
            "inconclusive",
            "ok is 92.0 % (95 % 89.3 to 94.1), at least 50 % and at most 93 % asked, not sure yet; "
            "500 requests",
        ),
        (
            bounded(at_least=0.5, at_most=0.89, sure=True),
            "fail",
            "ok is 92.0 % (95 % 89.3 to 94.1), at least 50 % and at most 89 % asked; 500 requests",
        ),
    ],
)
def test_bounds_are_of_the_average_or_surely_of_its_interval(
    check: Check, result: Outcome, reason: str
) -> None:
    found = decided(check, evidence({0: 40, 1: 460}, measure="share"))
    assert (found.result, found.reason) == (result, reason)
    assert (found.value, found.base, found.p) == (0.92, None, None)


@pytest.mark.parametrize(
    ("counts", "result"),
    [({95: 5}, "inconclusive"), ({95: 6}, "pass"), ({80: 6}, "fail"), ({95: 1}, "inconclusive")],
)
def test_averages_that_do_not_vary_are_sure_where_a_sign_test_could_be(
    counts: Counts, result: Outcome
) -> None:
    assert decided(bounded(at_least=90, sure=True), evidence(counts)).result == result


def test_other_statistics_have_bounds() -> None:
    found = evidence({100: 90, 900: 10}, statistics={"p90": 180.0, "max": 900})
    p90 = decided(bounded(statistic="p90", at_most=500), found)
    assert (p90.check, p90.result, p90.value, p90.interval, p90.reason) == (
        "p90 atMost 500",
        "pass",
        180.0,
        None,
        "p90 of ok is 180, at most 500 asked; 100 requests",
    )
    assert decided(bounded(statistic="max", at_most=500), found).result == "fail"


def better(score: str = "accuracy") -> Check:
    return Check(score=score, better=True)


def test_better_must_be_shown() -> None:
    up = decided(better(), evidence(HIGH, LOW))
    assert (up.check, up.result, up.reason) == (
        "better",
        "pass",
        "accuracy rose by 4.00 (95 % 3.01 to 4.99), p below 0.0001; 200 against 200 requests",
    )
    assert decided(better(), evidence(LOW, HIGH)).result == "fail"
    same = decided(better(), evidence(HIGH, HIGH))
    assert (same.result, same.reason) == (
        "inconclusive",
        "accuracy did not change (95 % \u22120.985 to 0.985), p 1, not sure yet; 200 against 200 requests",
    )


def test_only_checks_for_better_are_corrected_for_each_other() -> None:
    nearly = evidence({90: 80, 100: 120}, {90: 100, 100: 100})
    alone = decide(Gate(name="g", correction="holm"), [Case(better(), None, nearly)])
    assert [check.result for check in alone.checks] == ["pass"]
    cases = [Case(better(), None, nearly), Case(better("tone"), None, evidence(HIGH, HIGH))]
    cases.append(Case(not_worse_by(2), None, nearly))
    corrected = decide(Gate(name="g", correction="holm"), cases)
    assert [check.result for check in corrected.checks] == ["inconclusive", "inconclusive", "pass"]
    assert corrected.checks[0].p == pytest.approx(2 * (alone.checks[0].p or 0))
    assert corrected.checks[2].p == alone.checks[0].p
    uncorrected = decide(GATE, cases)
    assert [check.result for check in uncorrected.checks] == ["pass", "inconclusive", "pass"]


@pytest.mark.parametrize(
    ("check", "found", "reason"),
    [
        (not_worse_by(2), evidence(None, None, is_known=False), "no score is called accuracy"),
        (not_worse_by(2), evidence(None, HIGH), "no request of the candidate has accuracy"),
        (not_worse_by(2), evidence(HIGH, None), "no request of the base has accuracy"),
        (better(), evidence(HIGH, None), "no request of the base has accuracy"),
        (bounded(at_least=0), evidence(None), "no request of the candidate has ok"),
        (
            not_worse_by(50, at_least_scores=201),
            evidence(HIGH, HIGH),
            "200 against 200 requests with accuracy, at least 201 asked",
        ),
        (
            not_worse_by(50, at_least_scores=100),
            evidence(HIGH, {5: 99}),
            "200 against 99 requests with accuracy, at least 100 asked",
        ),
        (bounded(at_least=0, at_least_scores=2), evidence({5: 1}), "1 request with ok, at least 2 asked"),
    ],
)
def test_too_little_is_never_a_pass(check: Check, found: Evidence, reason: str) -> None:
    for gate in (GATE, Gate(name="release", on_too_few="pass")):
        result = decided(check, found, gate)
        assert (result.result, result.reason) == ("inconclusive", reason)


def test_gate_asks_for_scores_unless_the_check_does() -> None:
    gate = Gate(name="release", at_least_requests=201)
    assert decided(bounded(at_least=1), evidence(HIGH), gate).result == "inconclusive"
    assert decided(bounded(at_least=1, at_least_scores=200), evidence(HIGH), gate).result == "pass"


PASS, FAIL, UNSURE = (
    Case(bounded(at_least=bound, sure=True), None, evidence(HIGH)) for bound in (90, 99, 95)
)
SKIPPED = Case(bounded(skip=True), None, evidence(None))


@pytest.mark.parametrize(
    ("cases", "result"),
    [
        ([PASS, PASS], "pass"),
        ([PASS, SKIPPED], "pass"),
        ([PASS, UNSURE], "inconclusive"),
        ([UNSURE, FAIL, PASS], "fail"),
    ],
)
def test_worst_check_is_the_result(cases: list[Case], result: Outcome) -> None:
    assert decide(GATE, cases).result == result


@pytest.mark.parametrize(
    ("on_too_few", "code", "conclusion"),
    [
        ("fail", 1, "inconclusive, counts as fail"),
        ("pass", 0, "inconclusive, counts as pass"),
        ("inconclusive", 2, "inconclusive"),
    ],
)
def test_inconclusive_counts_for_what_was_asked(on_too_few: Outcome, code: int, conclusion: str) -> None:
    gate = Gate(name="release", on_too_few=on_too_few)
    unsure = decide(gate, [UNSURE])
    assert (unsure.result, unsure.exit_code, unsure.conclusion) == ("inconclusive", code, conclusion)
    failed = decide(gate, [UNSURE, FAIL])
    assert (failed.result, failed.exit_code, failed.conclusion) == ("fail", 1, "fail")
    assert decide(gate, [PASS]).exit_code == 0


def test_skipped_check_is_listed() -> None:
    [result] = decide(GATE, [SKIPPED]).checks
    assert (result.result, result.check, result.reason) == ("skipped", "skip", "skip is true")
    of_rule = decided(not_worse_by(2, skip=True), evidence(None))
    assert (of_rule.result, of_rule.check) == ("skipped", "notWorseBy 2")


def test_integers_of_64_bits_are_compared_exactly() -> None:
    most = 2**63 - 1
    found = decided(not_worse_by(1), evidence({most: 3, most - 1: 3}, {most: 3, most - 1: 3}))
    assert (found.value, found.result) == (0.0, "pass")
