"""The fields of `POST /v1/evals/gate`."""

from __future__ import annotations

from typing import Any, Final, get_args

import msgspec

from heliscore.api.http.body_fields import Field, Values, make_body, object_of, optional, required
from heliscore.api.http.value_types import (
    BOOLEAN,
    CONFIDENCE,
    NAME,
    NUMBER,
    choice,
    integer,
    list_of,
    number_between,
)
from heliscore.api.native.chosen_requests import REQUESTS
from heliscore.api.shared.group_fields import ITEM, UNIT, Unit
from heliscore.api.shared.score_maps import plain_name
from heliscore.api.shared.score_selection import (
    EXAMPLE_TIMES,
    FILTER_FIELD,
    TIME_RANGE,
    make_selection,
)
from heliscore.domain.filter_tree import Filter
from heliscore.domain.gate.checks import Check, Gate, OnTooFew, Statistic
from heliscore.domain.statistics.compared import Correction, Direction
from heliscore.store.score_scan import ScoreSelection

_MAX_CHECKS: Final = 100
_MAX_AMOUNT: Final = 1e18
_MAX_SCORES: Final = 1_000_000_000


class GateCall(msgspec.Struct, frozen=True, kw_only=True):
    """A gate with its checks, and the requests that they are about."""

    gate: Gate
    checks: tuple[Check, ...]
    selection: ScoreSelection
    candidate: Filter
    base: Filter | None
    pair_by: Unit | None
    unit: Unit | None
    group_by: Unit | None


# The checks

_STATISTICS: Final[tuple[Statistic, ...]] = get_args(Statistic)
_DIRECTIONS: Final[tuple[Direction, ...]] = get_args(Direction)
_SCORE: Final = required("score", NAME)
_NOT_WORSE_BY: Final = optional(
    "notWorseBy",
    number_between(0, _MAX_AMOUNT),
    description="The loss against the base that is allowed: a rise, where lower values are better.",
)
_BETTER: Final = optional(
    "better", BOOLEAN, default=False, description="The candidate must be shown to be better than the base."
)
_AT_LEAST: Final = optional("atLeast", NUMBER)
_AT_MOST: Final = optional("atMost", NUMBER)
_SURE: Final = optional(
    "sure",
    BOOLEAN,
    default=False,
    description="The whole interval of the average must be within the bounds, not only the average.",
)
_STATISTIC: Final = optional("statistic", choice(_STATISTICS, name="GateStatistic"), default="average")
_DIRECTION: Final = optional(
    "direction",
    choice(_DIRECTIONS, name="BetterDirection"),
    description="Whether higher values are better; otherwise as the definition says, or `up`.",
)
_AT_LEAST_SCORES: Final = optional(
    "atLeastScores", integer(1, _MAX_SCORES), description="Instead of `atLeastRequests`."
)
_SKIP: Final = optional("skip", BOOLEAN, default=False)
_RULES: Final[tuple[Field[Any], ...]] = (_NOT_WORSE_BY, _BETTER, _AT_LEAST, _AT_MOST)


def _check_rule(values: Values) -> None:
    errors = values.errors
    if values.find(_SKIP) or not all(map(values.has, _RULES)):
        return
    has_bound = values[_AT_LEAST] is not None or values[_AT_MOST] is not None
    given = [values[_NOT_WORSE_BY] is not None, values[_BETTER], has_bound]
    if sum(given) != 1:
        errors.add(values.path, "expected one of notWorseBy, better, and atLeast or atMost or both")
        return
    low, high = values[_AT_LEAST], values[_AT_MOST]
    if low is not None and high is not None and low > high:
        values.reject(_AT_MOST, "must not be below atLeast")
    is_average = values.find(_STATISTIC) in ("average", None)
    if not has_bound and not is_average:
        values.reject(_STATISTIC, "only with atLeast or atMost")
    if values.find(_SURE) and not has_bound:
        values.reject(_SURE, "only with atLeast or atMost")
    elif values.find(_SURE) and not is_average:
        values.reject(_SURE, "only of averages: other statistics have no interval")


_CHECK: Final = object_of(
    _SCORE,
    *_RULES,
    _SURE,
    _STATISTIC,
    _DIRECTION,
    _AT_LEAST_SCORES,
    _SKIP,
    name="GateCheck",
    check=_check_rule,
)

# The body

_NAME: Final = optional("name", NAME, default="gate")
_TIME_FILTER: Final = optional("timeFilter", TIME_RANGE)
_CANDIDATE: Final = required("candidate", REQUESTS)
_BASE: Final = optional(
    "base", REQUESTS, description="Requests that are of the candidate too count for the candidate only."
)
_CHECKS: Final = required("checks", list_of(_CHECK, of="checks", maximum=_MAX_CHECKS))
_PAIR_BY: Final = optional(
    "pairBy", ITEM, description="Compare item by item: what a request of each group has in common."
)
_UNIT: Final = optional(
    "unit", UNIT, description="What counts as one case, where requests of one user or session are alike."
)
_CONFIDENCE: Final = optional("confidence", CONFIDENCE, default=0.95)
_AT_LEAST_REQUESTS: Final = optional(
    "atLeastRequests",
    integer(1, _MAX_SCORES),
    default=1,
    description="Fewer scores in a group, or fewer pairs, are inconclusive.",
)
_OUTCOMES: Final[tuple[OnTooFew, ...]] = get_args(OnTooFew)
_ON_TOO_FEW: Final = optional(
    "onTooFew",
    choice(_OUTCOMES, name="OnTooFew"),
    default="fail",
    description="The result for which an inconclusive one counts in the exit code.",
)
_CORRECTIONS: Final[tuple[Correction, ...]] = get_args(Correction)
_CORRECTION: Final = optional(
    "correction",
    choice(_CORRECTIONS, name="Correction"),
    default="none",
    description="Of the checks for `better` for each other. Checks that must all pass need none.",
)
GROUP_BY: Final = optional("groupBy", ITEM, description="Make each check once for each group.")


def _check(values: Values) -> None:
    if values.find(_PAIR_BY) is not None and values.find(_UNIT) is not None:
        values.reject(_UNIT, "cannot be combined with pairBy")
    if not values.has(_CHECKS):
        return
    checks = values[_CHECKS]
    if not any(not check.find(_SKIP) for check in checks):
        values.reject(_CHECKS, "expected at least one check that is not skipped")
    if not values.has(_BASE) or values[_BASE] is not None:
        return
    if any(_is_relative(check) for check in checks):
        values.reject(_BASE, "missing; notWorseBy and better compare with it")
    elif values.find(_PAIR_BY) is not None:
        values.reject(_BASE, "missing; pairBy compares with it")


def _is_relative(check: Values) -> bool:
    is_asked = check.find(_NOT_WORSE_BY) is not None or check.find(_BETTER)
    return bool(is_asked and not check.find(_SKIP))


BODY: Final = make_body(
    _NAME,
    FILTER_FIELD,
    _TIME_FILTER,
    _CANDIDATE,
    _BASE,
    _CHECKS,
    _PAIR_BY,
    _UNIT,
    _CONFIDENCE,
    _AT_LEAST_REQUESTS,
    _ON_TOO_FEW,
    _CORRECTION,
    GROUP_BY,
    check=_check,
    is_unique=True,
    example={
        "name": "release",
        "filter": "all",
        "timeFilter": EXAMPLE_TIMES,
        "candidate": {"property": "version", "equals": "1.4"},
        "base": {"property": "version", "equals": "1.3"},
        "checks": [
            {"score": "accuracy", "notWorseBy": 2},
            {"score": "ok", "atLeast": 0.9, "sure": True},
            {"score": "toxicity", "atMost": 0.01},
        ],
        "atLeastRequests": 50,
    },
)


def read_gate(organization_id: int, body: bytes) -> GateCall:
    """Decode a body. Raises InvalidInput."""
    values = BODY.decode(body)
    gate = Gate(
        name=values[_NAME],
        confidence=values[_CONFIDENCE],
        at_least_requests=values[_AT_LEAST_REQUESTS],
        on_too_few=values[_ON_TOO_FEW],
        correction=values[_CORRECTION],
    )
    return GateCall(
        gate=gate,
        checks=tuple(map(_make_check, values[_CHECKS])),
        selection=make_selection(organization_id, values[FILTER_FIELD], values[_TIME_FILTER]),
        candidate=values[_CANDIDATE],
        base=values[_BASE],
        pair_by=values[_PAIR_BY],
        unit=values[_UNIT],
        group_by=values[GROUP_BY],
    )


def _make_check(values: Values) -> Check:
    return Check(
        score=plain_name(values[_SCORE]),
        not_worse_by=values[_NOT_WORSE_BY],
        better=values[_BETTER],
        at_least=values[_AT_LEAST],
        at_most=values[_AT_MOST],
        sure=values[_SURE],
        statistic=values[_STATISTIC],
        direction=values[_DIRECTION],
        at_least_scores=values[_AT_LEAST_SCORES],
        skip=values[_SKIP],
    )
