"""Evaluation in Helicone's shapes, with exact numbers: score names, summaries, distributions, averages."""

from __future__ import annotations

from itertools import groupby
from typing import Final

from starlette.responses import Response

from heliscore.api.http.body_fields import Values, ValueType, make_body, optional, required
from heliscore.api.http.endpoints import ApiCall
from heliscore.api.http.json_schema import COUNT, NUMBER, STRING, list_of_objects
from heliscore.api.http.path_parameters import read_path_parameter
from heliscore.api.http.value_types import ANY, count
from heliscore.api.shared import envelope
from heliscore.api.shared.bucket_fields import INCREMENT, MINUTES, UNITS, ZONE, check_clock, find_clock
from heliscore.api.shared.filter_schema import FILTER, FILTER_MISSING
from heliscore.api.shared.score_commands import record_scores
from heliscore.api.shared.score_maps import SCORE_NAME, SCORE_SCHEMA, read_entry
from heliscore.api.shared.score_selection import EXAMPLE_TIMES, FILTER_FIELD, TIME_FIELD, make_selection
from heliscore.domain.errors import NotFound
from heliscore.domain.score import MAX_VALUE, Score
from heliscore.domain.times import format_time
from heliscore.store import evaluations as store

_MAX_BINS: Final = 10

_OFFSET: Final = optional("offset", count(MAX_VALUE), default=0)
_LIMIT: Final = optional("limit", count(MAX_VALUE))
_BODY: Final = make_body(
    FILTER_FIELD,
    TIME_FIELD,
    MINUTES,
    ZONE,
    _OFFSET,
    _LIMIT,
    name="EvaluationQuery",
    is_unique=True,
    check=check_clock,
    example={"filter": "all", "timeFilter": EXAMPLE_TIMES, "timeZoneDifference": 0},
)

_USER_FILTER: Final = required("userFilter", FILTER, missing=FILTER_MISSING)
_INCREMENT: Final = required("dbIncrement", INCREMENT)
_DASHBOARD_BODY: Final = make_body(
    _USER_FILTER,
    TIME_FIELD,
    MINUTES,
    ZONE,
    _INCREMENT,
    is_unique=True,
    check=check_clock,
    example={"userFilter": "all", "timeFilter": EXAMPLE_TIMES, "dbIncrement": "day"},
)


def _check_score(values: Values) -> None:
    if (name := values.find(_NAME)) is not None and values.has(_SCORE):
        for error in read_entry(name, values[_SCORE], {}):
            values.reject(_SCORE, error)


_NAME: Final = required("name", SCORE_NAME)
_SCORE: Final = required("score", ValueType[object](SCORE_SCHEMA, ANY.read))
_SCORE_BODY: Final = make_body(_NAME, _SCORE, check=_check_score, example={"name": "accuracy", "score": 95})


async def list_score_names(call: ApiCall) -> Response:
    """List the names of all scores, sorted."""
    async with call.services.database.connection() as connection:
        return envelope.answer(await store.list_names(connection, call.principal.organization_id))


async def query_evaluations(call: ApiCall) -> Response:
    """Summarise each score: average, minimum, maximum, count, and both count and average by the hour.

    Averages are exact. Times are those of the requests; the range excludes its end.
    """
    body = _BODY.decode(await call.body())
    selection = make_selection(call.principal.organization_id, body[FILTER_FIELD], body[TIME_FIELD])
    async with call.services.database.connection() as connection:
        clock = await find_clock(connection, body)
        buckets = await store.over_time(connection, call.services.ids.names, selection, "hour", clock)
    evaluations = [
        _summary(name, list(group)) for name, group in groupby(buckets, lambda bucket: bucket.name)
    ]
    return envelope.answer(evaluations[body[_OFFSET] :][: body[_LIMIT]])


def _summary(name: str, buckets: list[store.Bucket]) -> dict[str, object]:
    count = sum(bucket.count for bucket in buckets)
    return {
        "name": name,
        "averageScore": sum(bucket.sum for bucket in buckets) / count,
        "minScore": min(bucket.lowest for bucket in buckets),
        "maxScore": max(bucket.highest for bucket in buckets),
        "count": count,
        "overTime": [{"date": format_time(b.begins_at), "count": b.count} for b in buckets],
        "averageOverTime": [{"date": format_time(b.begins_at), "value": b.sum / b.count} for b in buckets],
    }


async def query_distributions(call: ApiCall) -> Response:
    """Count the values of each score in bins.

    Up to 10 bins of equal width from the lowest to the highest value; each but the last excludes its upper
    edge. If there are fewer than 10 integers in the range, each has a bin. An edge that is a whole number is
    an exact integer; a fraction that a double cannot hold, beyond 2^52, is rounded up to one.
    """
    body = _BODY.decode(await call.body())
    selection = make_selection(call.principal.organization_id, body[FILTER_FIELD], body[TIME_FIELD])
    async with call.services.database.connection() as connection:
        await find_clock(connection, body)  # which has no effect here, but may be wrong
        bins = await store.distributions(connection, call.services.ids.names, selection, _MAX_BINS)
    distributions = [
        {
            "name": name,
            "distribution": [{"lower": b.lower, "upper": b.upper, "value": b.count} for b in group],
        }
        for name, group in groupby(bins, lambda bin_: bin_.name)
    ]
    return envelope.answer(distributions[body[_OFFSET] :][: body[_LIMIT]])


async def query_dashboard(call: ApiCall) -> Response:
    """Average each score by time. `score_sum` is Helicone's name for the average."""
    body = _DASHBOARD_BODY.decode(await call.body())
    selection = make_selection(call.principal.organization_id, body[_USER_FILTER], body[TIME_FIELD])
    unit = UNITS[body[_INCREMENT]]
    async with call.services.database.connection() as connection:
        clock = await find_clock(connection, body)
        buckets = await store.over_time(connection, call.services.ids.names, selection, unit, clock)
    return envelope.answer(
        [
            {"score_key": b.name, "score_sum": b.sum / b.count, "created_at_trunc": format_time(b.begins_at)}
            for b in buckets
        ]
    )


async def post_evaluation(call: ApiCall) -> Response:
    """Add one score to a request, by the rules of score maps."""
    request_id = read_path_parameter(call.request, "requestId")
    body = _SCORE_BODY.decode(await call.body())
    scores: dict[str, Score] = {}
    read_entry(body[_NAME], body[_SCORE], scores)
    return envelope.done(await record_scores(call, request_id, scores, "evaluation"))


_TAG: Final = "Evaluation"

ENDPOINTS: Final = (
    envelope.endpoint(
        "GET",
        "/v1/evals/scores",
        list_score_names,
        "r",
        _TAG,
        data={"type": "array", "items": STRING},
        data_example=["accuracy", "has_citations"],
    ),
    envelope.endpoint(
        "POST",
        "/v1/evals/query",
        query_evaluations,
        "r",
        _TAG,
        body=_BODY,
        data=list_of_objects(
            {
                "name": STRING,
                "averageScore": NUMBER,
                "minScore": {"type": "integer"},
                "maxScore": {"type": "integer"},
                "count": COUNT,
                "overTime": list_of_objects({"date": STRING, "count": COUNT}),
                "averageOverTime": list_of_objects({"date": STRING, "value": NUMBER}),
            }
        ),
    ),
    envelope.endpoint(
        "POST",
        "/v1/evals/score-distributions/query",
        query_distributions,
        "r",
        _TAG,
        body=_BODY,
        data=list_of_objects(
            {
                "name": STRING,
                "distribution": list_of_objects({"lower": NUMBER, "upper": NUMBER, "value": COUNT}),
            }
        ),
    ),
    envelope.endpoint(
        "POST",
        "/v1/evals/{requestId}",
        post_evaluation,
        "w",
        _TAG,
        body=_SCORE_BODY,
        beside={"warnings": envelope.WARNINGS},
        errors=(NotFound,),
    ),
    envelope.endpoint(
        "POST",
        "/v1/dashboard/scores/query",
        query_dashboard,
        "r",
        _TAG,
        body=_DASHBOARD_BODY,
        data=list_of_objects({"score_key": STRING, "score_sum": NUMBER, "created_at_trunc": STRING}),
    ),
)
