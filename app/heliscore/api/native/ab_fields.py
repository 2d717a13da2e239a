"""The body of `POST /v1/evals/ab`, and the experiment that it asks for."""

from __future__ import annotations

from typing import Any, Final, get_args

from heliscore.api.http.body_fields import Field, Values, ValueType, make_body, object_of, optional, required
from heliscore.api.http.field_errors import FieldErrors
from heliscore.api.http.json_schema import one_of
from heliscore.api.http.value_types import (
    CONFIDENCE,
    NAME,
    choice,
    integer,
    list_of,
    mapping_of,
    number_between,
)
from heliscore.api.shared.arm_comparisons import DEFAULT_TUNING, Experiment
from heliscore.api.shared.experiment_arms import ARMS, Arms
from heliscore.api.shared.group_fields import ITEM, UNIT
from heliscore.api.shared.score_maps import plain_name, score_names
from heliscore.api.shared.score_selection import FILTER_FIELD, TIME_RANGE, make_selection
from heliscore.domain.filter_tree import Column, Score
from heliscore.domain.messages import find_name_error
from heliscore.domain.statistics.compared import Correction, Direction, Measure
from heliscore.store.search.covariates import Covariate

_MAX_SCORES: Final = 50
_MAX_AMOUNT: Final = 1e18
_MAX_TUNING: Final = 10**9
_NULL: Final = "null"
"""The arm of the requests without a value, where arms are keys."""

_COVARIATES: Final[dict[str, Column]] = {
    "latency": Column("latency_ms"),
    "time_to_first_token": Column("time_to_first_token_ms"),
    "prompt_tokens": Column("prompt_tokens"),
    "completion_tokens": Column("completion_tokens"),
    "total_tokens": Column("total_tokens"),
    "cost": Column("cost_usd"),
}
_EXPECTED_COVARIATE: Final = f'one of {", ".join(_COVARIATES)}, {{"score": name}}'


def _read_covariate(raw: object, path: str, errors: FieldErrors) -> Covariate:
    match raw:
        case str() if raw in _COVARIATES:
            return _COVARIATES[raw]
        case {"score": str() as name, **rest} if not rest and not find_name_error(plain_name(name)):
            return Score(plain_name(name))
    errors.add_unexpected(path, _EXPECTED_COVARIATE, raw)
    return Score("")


_TUNING: Final = optional("tuning", integer(1, _MAX_TUNING), default=DEFAULT_TUNING)
_TUNED: Final = object_of(_TUNING, name="SequentialTuning")


def _read_sequential(raw: object, path: str, errors: FieldErrors) -> int | None:
    if isinstance(raw, bool):
        return DEFAULT_TUNING if raw else None
    if not isinstance(raw, dict):
        errors.add_unexpected(path, 'true, false or {"tuning": number}', raw)
        return None
    values = _TUNED.read(raw, path, errors)
    return values.find(_TUNING)


_AMOUNT: Final = number_between(0, _MAX_AMOUNT)
_SCORES: Final = required("scores", score_names(_MAX_SCORES))
_ARMS: Final = required("arms", ARMS)
_TIMES: Final = optional("timeFilter", TIME_RANGE)
_PAIR_BY: Final = optional(
    "pairBy", ITEM, description="Compare item by item: what two requests of a pair have in common."
)
_UNIT: Final = optional(
    "unit", UNIT, description="What counts as one case, where requests of one user or session are alike."
)
_DIRECTION: Final = optional(
    "direction",
    mapping_of(choice(("up", "down"), name="BetterDirection"), name="DirectionByScore"),
    default={},
    description="By score, whether higher values are better; otherwise as its definition says, or `up`.",
)
_MEASURE: Final = optional(
    "measure",
    mapping_of(choice(("share", "mean"), name="Measure"), name="MeasureByScore"),
    default={},
    description="By score; otherwise a share where all values are 0 or 1.",
)
_CONFIDENCE: Final = optional("confidence", CONFIDENCE, default=0.95)
_MARGIN: Final = optional(
    "margin",
    mapping_of(_AMOUNT, name="AmountByScore"),
    default={},
    description="By score, a loss that does not matter.",
)
_MINIMUM_EFFECT: Final = optional(
    "minimumEffect",
    mapping_of(_AMOUNT, name="AmountByScore"),
    default={},
    description="By score, the difference that must not be missed: tells how many scores that needs.",
)
_POWER: Final = optional("power", number_between(0.5, 1), default=0.8)
_SEQUENTIAL: Final = optional(
    "sequential",
    ValueType[int | None]({"anyOf": [{"type": "boolean"}, _TUNED.schema]}, _read_sequential),
    description="Intervals that stay valid however often one looks; narrowest at `tuning` scores, 5000.",
)
_CORRECTIONS: Final[tuple[Correction, ...]] = get_args(Correction)
_CORRECTION: Final = optional("correction", choice(_CORRECTIONS, name="Correction"), default="holm")
_PRIMARY: Final = optional(
    "primary",
    list_of(NAME, of="names", maximum=_MAX_SCORES),
    description="The scores that are corrected for each other; the others are not corrected. All by default.",
)
_EXPECTED_SHARES: Final = optional(
    "expectedShares",
    mapping_of(number_between(0, 1), name="ShareByArm"),
    description="By arm, the share of requests that it should have; one may be left out, and has the rest.",
)
_COVARIATE: Final = optional(
    "covariate",
    ValueType[Covariate](
        {
            "anyOf": [
                one_of(_COVARIATES, "CovariateColumn"),
                object_of(required("score", NAME), name="CovariateScore").schema,
            ]
        },
        _read_covariate,
    ),
    description="A number that the arms cannot have moved, by which scores are adjusted (CUPED).",
)

_BY_SCORE: Final[tuple[Field[dict[str, Any]], ...]] = (_DIRECTION, _MEASURE, _MARGIN, _MINIMUM_EFFECT)


def _check(values: Values) -> None:
    fields: tuple[Field[Any], ...] = (_PAIR_BY, _UNIT, _COVARIATE)
    alternatives = [field for field in fields if values.find(field) is not None]
    for field in alternatives[1:]:
        values.reject(field, f"cannot be combined with {alternatives[0].key}")
    scores, arms = values.find(_SCORES), values.find(_ARMS)
    if scores is not None:
        for field in _BY_SCORE:
            _check_names(values, field, values.find(field) or {}, scores)
        _check_names(values, _PRIMARY, values.find(_PRIMARY) or (), scores)
        covariate = values.find(_COVARIATE)
        if isinstance(covariate, Score) and covariate.name in scores:
            values.reject(_COVARIATE, f"{covariate.name} is among scores")
    shares = values.find(_EXPECTED_SHARES)
    if arms is not None and shares is not None:
        _check_shares(values, shares, arm_keys(arms))


def _check_names(values: Values, field: Field[Any], names: Any, scores: list[str]) -> None:
    for name in names:
        if plain_name(name) not in scores:
            values.reject(field, f"{name} is not among scores")


def arm_keys(arms: Arms) -> list[str]:
    """The arms as keys of objects."""
    return [_NULL if label is None else label for label in arms.labels]


def _check_shares(values: Values, shares: dict[str, float], labels: list[str]) -> None:
    if len(set(labels)) < len(labels):
        values.reject(_EXPECTED_SHARES, f"{_NULL} is the name of two arms")
    for name in shares.keys() - set(labels):
        values.reject(_EXPECTED_SHARES, f"{name} is not among the arms")
    total = sum(shares.values())
    left = len(labels) - len(shares)
    if left > 1 or (left == 1 and total >= 1) or (left == 0 and abs(total - 1) > 1e-6):
        values.reject(_EXPECTED_SHARES, "expected a share for each arm, or all but one, that add up to 1")


BODY: Final = make_body(
    FILTER_FIELD,
    _TIMES,
    _SCORES,
    _ARMS,
    _PAIR_BY,
    _UNIT,
    _DIRECTION,
    _MEASURE,
    _CONFIDENCE,
    _MARGIN,
    _MINIMUM_EFFECT,
    _POWER,
    _SEQUENTIAL,
    _CORRECTION,
    _PRIMARY,
    _EXPECTED_SHARES,
    _COVARIATE,
    check=_check,
    is_unique=True,
    example={
        "filter": "all",
        "scores": ["accuracy"],
        "arms": {"by": {"property": "variant"}, "base": "A", "others": ["B"]},
        "margin": {"accuracy": 2},
    },
)


def _by_score(values: Values, field: Field[dict[str, Any]]) -> dict[str, Any]:
    return {plain_name(name): value for name, value in values[field].items()}


def make_experiment(organization_id: int, body: Values) -> Experiment:
    """Make what a body asks for."""
    directions: dict[str, Direction] = _by_score(body, _DIRECTION)
    measures: dict[str, Measure] = _by_score(body, _MEASURE)
    primary = body[_PRIMARY]
    return Experiment(
        selection=make_selection(organization_id, body[FILTER_FIELD], body[_TIMES]),
        scores=tuple(body[_SCORES]),
        arms=body[_ARMS],
        pair_by=body[_PAIR_BY],
        unit=body[_UNIT],
        covariate=body[_COVARIATE],
        directions=directions,
        measures=measures,
        margins=_by_score(body, _MARGIN),
        minimum_effects=_by_score(body, _MINIMUM_EFFECT),
        confidence=body[_CONFIDENCE],
        power=body[_POWER],
        tuning=body[_SEQUENTIAL],
        correction=body[_CORRECTION],
        primary=None if primary is None else frozenset(map(plain_name, primary)),
        expected_shares=_read_shares(body[_ARMS], body[_EXPECTED_SHARES]),
    )


def _read_shares(arms: Arms, shares: dict[str, float] | None) -> tuple[float, ...] | None:
    """By arm; the one that was left out has the rest."""
    if shares is None:
        return None
    rest = 1 - sum(shares.values())
    return tuple(shares.get(key, rest) for key in arm_keys(arms))
