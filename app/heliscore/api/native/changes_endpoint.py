"""`POST /v1/evals/changes`: which scores moved from one time to the next, where, and since when."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from starlette.responses import Response

from heliscore.api.http.body_fields import Values, make_body, optional, required
from heliscore.api.http.endpoints import ApiCall
from heliscore.api.http.json_schema import (
    COUNT,
    NUMBER,
    STRING,
    Schema,
    closed_object,
    list_of_objects,
    named,
    nullable,
    one_of,
)
from heliscore.api.http.value_types import CONFIDENCE, choice, integer, list_of
from heliscore.api.shared import envelope, period_changes
from heliscore.api.shared.comparison_answers import INTERVAL, show_interval
from heliscore.api.shared.filter_leaves import GIVEN_BACK, SENT_FILTER_OR_ALL, both, count_repetitions
from heliscore.api.shared.group_fields import ITEM
from heliscore.api.shared.period_changes import LEAST, ChangesQuestion, FoundChanges, leaves_of
from heliscore.api.shared.score_maps import score_names
from heliscore.api.shared.score_selection import EXAMPLE_TIMES, TIME_RANGE, read_times
from heliscore.domain.changes.change import Change, Side
from heliscore.domain.changes.change_words import describe_change
from heliscore.domain.changes.period_scores import TwoPeriods
from heliscore.domain.filter_tree import Column, Property
from heliscore.domain.times import encode_time
from heliscore.store.period_groups import MAX_GROUPS, MAX_SCORES, PeriodSelection

_WEEK: Final = timedelta(days=7)
_LONGEST: Final = timedelta(days=366)
_FIRST_YEAR: Final = 2
_MAX_GROUP_BYS: Final = 5
_MAX_LIMIT: Final = 100
_DEFAULT_LIMIT: Final = 20
_MAX_LEAST: Final = 1_000_000

Against = Literal["previous", "week"]
_AGAINST: Final[tuple[Against, ...]] = ("previous", "week")

_TIMES: Final = required("timeFilter", TIME_RANGE, description=f"At most {_LONGEST.days} days.")
_BASE: Final = optional(
    "against",
    choice(_AGAINST, name="ChangeBase"),
    default="previous",
    description="The time of equal length before; or the same times a week before, of at most 7 days.",
)
_GROUP_BYS: Final = optional(
    "groupBys",
    list_of(ITEM, of="columns or properties", maximum=_MAX_GROUP_BYS),
    default=[],
    description=f"Each is looked at by itself, in its {MAX_GROUPS} largest groups.",
)
_SCORES: Final = optional(
    "scores", score_names(MAX_SCORES), description=f"All by default, or the {MAX_SCORES} with most values."
)
_CONFIDENCE: Final = optional("confidence", CONFIDENCE, default=0.95)
_LIMIT: Final = optional("limit", integer(1, _MAX_LIMIT), default=_DEFAULT_LIMIT, description="Of changes.")
_LEAST: Final = optional(
    "atLeastScores",
    integer(1, _MAX_LEAST),
    default=LEAST,
    description="Of fewer values of a score in a group, in one of the times, nothing is said.",
)


def _check(values: Values) -> None:
    times = values.find(_TIMES)
    if times is not None and not times.errors.count:
        start, end = read_times(times)
        length = end - start
        if not timedelta(0) < length <= _LONGEST or start.year <= _FIRST_YEAR:
            values.reject(_TIMES, f"expected a time of more than 0 and at most {_LONGEST.days} days")
        elif values.find(_BASE) == "week" and length > _WEEK:
            values.reject(_BASE, "the same times a week before need a timeFilter of at most 7 days")
    group_bys = values.find(_GROUP_BYS)
    if group_bys is not None and len(set(group_bys)) < len(group_bys):
        values.reject(_GROUP_BYS, "expected different columns and properties")
    sent = values.find(SENT_FILTER_OR_ALL)
    limit = values.find(_LIMIT)
    if sent is not None and limit is not None and limit > count_repetitions(sent):
        values.reject(_LIMIT, "the answer would have too much of a long filter; ask for fewer changes")


_BODY: Final = make_body(
    SENT_FILTER_OR_ALL,
    _TIMES,
    _BASE,
    _GROUP_BYS,
    _SCORES,
    _CONFIDENCE,
    _LIMIT,
    _LEAST,
    check=_check,
    is_unique=True,
    example={"timeFilter": EXAMPLE_TIMES, "groupBys": ["model", "prompt_version"]},
)


async def list_changes(call: ApiCall) -> Response:
    """List the scores that moved beyond noise from one time to the next, with the groups in which they did.

    Every score, of all requests and in each group, is compared with the time before, corrected for all of
    these comparisons (Holm): where nothing changed, the chance that anything is listed is 1 - confidence. A
    group that is new is compared with all other requests of the time before, a new prompt version with those
    of its prompt (`base` is `othersBefore`). What is worse comes first, then what vanished, what is better,
    and what appeared; of each, what is furthest beyond noise in relation to the score's own spread. Numbers
    are now minus before; `interval` holds for all comparisons together, `p` is corrected. `since` is when the
    change began, to the day or, within two days, the hour (UTC). `filter` finds the requests behind `now`, of
    what vanished those behind `before`.
    """
    body = _BODY.decode(await call.body())
    services, question = call.services, _make_question(call.principal.organization_id, body)
    found = await period_changes.find(services.database, services.ids.names, services.definitions, question)
    # In a thread, which gives way to other calls: each change repeats the filter.
    return envelope.answer(await asyncio.to_thread(_show, body, question, found))


def _make_question(organization_id: int, body: Values) -> ChangesQuestion:
    start, end = read_times(body[_TIMES])
    shift = _WEEK if body[_BASE] == "week" else end - start
    scores = body[_SCORES]
    return ChangesQuestion(
        selection=PeriodSelection(
            organization_id,
            body[SENT_FILTER_OR_ALL].tree,
            TwoPeriods(start - shift, end - shift, start, end),
            tuple(body[_GROUP_BYS]),
        ),
        scores=None if scores is None else tuple(scores),
        confidence=body[_CONFIDENCE],
        least=body[_LEAST],
        limit=body[_LIMIT],
    )


def _show(body: Values, question: ChangesQuestion, found: FoundChanges) -> dict[str, object]:
    periods, raw = question.selection.periods, body[SENT_FILTER_OR_ALL].raw
    return {
        "now": _show_times(periods.start, periods.end),
        "before": _show_times(periods.before_start, periods.before_end),
        "changes": [show_change(change, periods, raw) for change in found.changes],
        "more": found.more,
        "comparisons": found.comparisons,
        "tooFew": found.too_few,
        "scores": found.values,
        "groupsLeftOut": found.groups_left_out,
        "scoresLeftOut": found.scores_left_out,
        "unknownScores": found.unknown_scores,
    }


def _show_times(start: datetime, end: datetime) -> dict[str, object]:
    return {"start": encode_time(start), "end": encode_time(end)}


def show_change(change: Change, periods: TwoPeriods, raw: Any) -> dict[str, object]:
    """A change as answers and digests show it; `raw` is the filter that was asked with."""
    return {
        "score": change.score,
        "groupBy": _show_group_by(change.group.by),
        "group": change.group.value,
        "promptId": change.group.within,
        "direction": change.direction,
        "verdict": change.verdict,
        "measure": change.measure,
        "base": change.base,
        "before": _show_side(change.before),
        "now": _show_side(change.now),
        "difference": change.difference,
        "interval": show_interval(change.interval),
        "p": change.p,
        "since": None if change.since is None else encode_time(change.since),
        "wholeGroup": change.of_whole_group,
        "sentence": describe_change(change, periods),
        "filter": both(raw, *leaves_of(change, periods)),
    }


def _show_group_by(by: Column | Property | None) -> object:
    match by:
        case Column(name):
            return name
        case Property(key):
            return {"property": key}
    return None


def _show_side(side: Side) -> dict[str, object]:
    return {"n": side.n, "mean": side.mean}


_SIDE: Final = named("ChangeSide", closed_object({"n": COUNT, "mean": nullable(NUMBER)}, ("n", "mean")))
_PERIOD: Final = named("Period", closed_object({"start": STRING, "end": STRING}, ("start", "end")))
_CHANGE: Final[dict[str, Schema]] = {
    "score": STRING,
    "groupBy": nullable(ITEM.schema),
    "group": nullable(STRING),
    "promptId": nullable(STRING),
    "direction": one_of(("fell", "rose", "vanished", "appeared")),
    "verdict": nullable(one_of(("worse", "better"), "ChangeVerdict")),
    "measure": one_of(("share", "mean")),
    "base": one_of(("before", "othersBefore")),
    "before": _SIDE,
    "now": _SIDE,
    "difference": nullable(NUMBER),
    "interval": nullable(INTERVAL),
    "p": nullable(NUMBER),
    "since": nullable(STRING),
    "wholeGroup": {"type": "boolean"},
    "sentence": STRING,
    "filter": GIVEN_BACK,
}
_ANSWER: Final = {
    "now": _PERIOD,
    "before": _PERIOD,
    "changes": list_of_objects(_CHANGE, "ScoreChange"),
    "more": COUNT,
    "comparisons": COUNT,
    "tooFew": COUNT,
    "scores": COUNT,
    "groupsLeftOut": COUNT,
    "scoresLeftOut": COUNT,
    "unknownScores": {"type": "array", "items": STRING},
}

ENDPOINTS: Final = (
    envelope.endpoint(
        "POST",
        "/v1/evals/changes",
        list_changes,
        "r",
        "Evaluation",
        body=_BODY,
        data=closed_object(_ANSWER, required=tuple(_ANSWER)),
    ),
)
