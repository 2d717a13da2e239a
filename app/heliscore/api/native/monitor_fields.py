"""The fields of monitors: their definitions as JSON, from clients and in the database."""

from __future__ import annotations

from typing import Any, Final, get_args
from uuid import UUID

from heliscore.api.http.body_fields import (
    Field,
    Values,
    ValueType,
    make_body,
    object_of,
    optional,
    required,
)
from heliscore.api.http.field_errors import FieldErrors
from heliscore.api.http.json_schema import Schema, whole_object
from heliscore.api.http.value_types import (
    BOOLEAN,
    CONFIDENCE,
    NAME,
    NUMBER,
    STRING,
    choice,
    integer,
    list_of,
)
from heliscore.api.shared.filter_leaves import SENT_FILTER, SentFilter
from heliscore.api.shared.group_fields import ITEM
from heliscore.api.shared.score_maps import SCORE_NAME
from heliscore.api.shared.score_selection import EXAMPLE_TIMES, TIME_FIELD
from heliscore.domain.filter_tree import Everything
from heliscore.domain.monitors.monitor_definition import (
    NoData,
    Statistic,
)

_MAX_SCORES: Final = 1_000_000_000
_MAX_PERIODS: Final = 1_000
_MAX_DESTINATIONS: Final = 20
_MONTH_MINUTES: Final = 43_200
_DAY_MINUTES: Final = 1_440

_STATISTICS: Final[tuple[Statistic, ...]] = get_args(Statistic)
_NO_DATA: Final[tuple[NoData, ...]] = get_args(NoData)


def _read_destination(raw: object, path: str, errors: FieldErrors) -> str:
    try:
        return str(UUID(STRING.read(raw, path, errors)))
    except ValueError:
        if isinstance(raw, str):
            errors.add(path, UNKNOWN_DESTINATION)
        return ""


UNKNOWN_DESTINATION: Final = "there is no such destination"

# The condition

BELOW: Final = optional("below", NUMBER)
ABOVE: Final = optional("above", NUMBER)
WORSE_THAN: Final = optional(
    "worseThan",
    choice(("previous", "week"), name="MonitorBase"),
    description="The window before, or the same one a week before.",
)
MARGIN: Final = optional("margin", NUMBER, default=0)
CONFIDENCE_FIELD: Final = optional("confidence", CONFIDENCE, default=0.95)
_KINDS: Final[tuple[Field[Any], ...]] = (BELOW, ABOVE, WORSE_THAN)


def _check_condition(values: Values) -> None:
    if not all(map(values.has, _KINDS)):
        return
    if sum(values[kind] is not None for kind in _KINDS) != 1:
        values.errors.add(values.path, "expected one of below, above and worseThan")
    margin = values.find(MARGIN)
    if margin is not None and margin < 0:
        values.reject(MARGIN, "must not be below 0")


_CONDITION_TYPE: Final = object_of(
    *_KINDS, MARGIN, CONFIDENCE_FIELD, name="MonitorCondition", check=_check_condition
)

# The monitor

NAME_FIELD: Final = required("name", NAME)
SCORE: Final = optional("score", SCORE_NAME, description="null: requests are counted.")
STATISTIC: Final = required(
    "statistic",
    choice(_STATISTICS, name="MonitorStatistic"),
    description="`share`: of scores that are true or 1. `unscored`: the share of requests without the score.",
)
FILTER: Final = optional(
    "filter", SENT_FILTER.value_type, default=SentFilter("all", Everything()), shown="all"
)
GROUP_BY: Final = optional("groupBy", ITEM, description="Watch each group alone, at most 100, the largest.")
WINDOW: Final = optional("windowMinutes", integer(5, _MONTH_MINUTES), default=60)
EVERY: Final = optional("everyMinutes", integer(1, _DAY_MINUTES), default=5)
DELAY: Final = optional(
    "delayMinutes",
    integer(0, _MONTH_MINUTES),
    default=0,
    description="The window ends so long before it is looked at: judges score late.",
)
CONDITION: Final = required("condition", _CONDITION_TYPE)
AT_LEAST_SCORES: Final = optional(
    "atLeastScores", integer(1, _MAX_SCORES), default=1, description="Fewer are no data."
)
NO_DATA: Final = optional(
    "noData",
    choice(_NO_DATA, name="NoData"),
    default="no_data",
    description="What a period without data counts as: recovered, nothing, a state, or bad.",
)
FOR_PERIODS: Final = optional(
    "forPeriods", integer(1, _MAX_PERIODS), default=1, description="Bad periods in a row that make it fire."
)
RECOVER_AT: Final = optional(
    "recoverAt", NUMBER, description="How far a value must be back for recovery; null: at the limit."
)
RECOVER_FOR_PERIODS: Final = optional("recoverForPeriods", integer(1, _MAX_PERIODS), default=1)
RENOTIFY: Final = optional(
    "renotifyMinutes", integer(1, _MONTH_MINUTES), description="While it fires; null: it is told once."
)
DESTINATIONS: Final = optional(
    "destinations",
    list_of(ValueType[str](STRING.schema, _read_destination), of="destinations", maximum=_MAX_DESTINATIONS),
    description="Ids; null: all that take alerts.",
)
PAUSED: Final = optional("paused", BOOLEAN, default=False)

_REST: Final[tuple[Field[Any], ...]] = (
    SCORE,
    STATISTIC,
    FILTER,
    GROUP_BY,
    WINDOW,
    EVERY,
    DELAY,
    CONDITION,
    AT_LEAST_SCORES,
    NO_DATA,
    FOR_PERIODS,
    RECOVER_AT,
    RECOVER_FOR_PERIODS,
    RENOTIFY,
    DESTINATIONS,
    PAUSED,
)


def _check(values: Values) -> None:
    statistic = values.find(STATISTIC)
    if values.has(SCORE) and values[SCORE] is None and statistic not in ("count", None):
        values.reject(SCORE, "missing; without one there is only the count, of requests")
    if statistic == "count" and values.find(AT_LEAST_SCORES) not in (1, None):
        values.reject(AT_LEAST_SCORES, "not with count: a count of nothing is data")
    condition = values.find(CONDITION)
    if condition is not None and statistic is not None and all(map(condition.has, _KINDS)):
        _check_limits(values, condition, statistic)


def _check_limits(values: Values, condition: Values, statistic: Statistic) -> None:
    if condition[WORSE_THAN] is not None and statistic not in ("average", "share"):
        values.reject(CONDITION, "worseThan is only of average and share")
    if statistic in ("share", "unscored"):
        for place, field in ((condition, BELOW), (condition, ABOVE), (values, RECOVER_AT)):
            number = place.find(field)
            if number is not None and not 0 <= number <= 1:
                place.reject(field, "a share is from 0 to 1")
    recover_at = values.find(RECOVER_AT)
    if recover_at is None:
        return
    below, above = condition[BELOW], condition[ABOVE]
    if below is None and above is None:
        values.reject(RECOVER_AT, "only with below or above")
    elif below is not None and recover_at < below:
        values.reject(RECOVER_AT, "must not be below the limit")
    elif above is not None and recover_at > above:
        values.reject(RECOVER_AT, "must not be above the limit")


EXAMPLE: Final[dict[str, Any]] = {
    "name": "relevance of answers",
    "score": "relevance",
    "statistic": "average",
    "filter": "all",
    "groupBy": "prompt_version",
    "windowMinutes": 60,
    "everyMinutes": 5,
    "delayMinutes": 0,
    "condition": {"below": 70},
    "atLeastScores": 20,
    "noData": "no_data",
    "forPeriods": 2,
    "recoverAt": 72,
    "recoverForPeriods": 1,
    "renotifyMinutes": 240,
    "destinations": None,
    "paused": False,
}

BODY: Final = make_body(
    NAME_FIELD, *_REST, name="MonitorFields", is_unique=True, check=_check, example=EXAMPLE
)

PREVIEW_BODY: Final = make_body(
    optional("name", NAME, default="preview"),
    *_REST,
    TIME_FIELD,
    is_unique=True,
    check=_check,
    example={
        "score": "relevance",
        "statistic": "average",
        "windowMinutes": 1440,
        "everyMinutes": 60,
        "condition": {"worseThan": "week", "margin": 5},
        "timeFilter": EXAMPLE_TIMES,
    },
)

DEFINITION_SCHEMA: Final[dict[str, Schema]] = {
    "name": NAME_FIELD.schema,
    **{field.key: field.schema for field in _REST},
}
"""Of a monitor in an answer, which has every key."""


def answer_schema(**beside: Schema) -> Schema:
    """The schema of a monitor in an answer, with more keys."""
    properties = {**beside, **DEFINITION_SCHEMA}
    return whole_object("Monitor", properties)
