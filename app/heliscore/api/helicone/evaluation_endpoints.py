"""Evaluation: what the scores say together. Upstream's shapes, with right numbers; `compare` is ours."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import groupby
from typing import Final

from starlette.responses import Response

from heliscore.api.helicone import schemas
from heliscore.api.helicone.filter_language import decode_filter
from heliscore.api.http.body_fields import Fields, decode_object
from heliscore.api.http.endpoints import ApiCall, Schema, closed_object
from heliscore.api.http.path_parameters import read_path_parameter
from heliscore.api.shared import envelope
from heliscore.api.shared.score_commands import record
from heliscore.api.shared.score_maps import SCORE, plain_name, read_entry
from heliscore.domain.errors import NotFound
from heliscore.domain.filter_tree import Column, Property
from heliscore.domain.messages import described, find_name_error
from heliscore.domain.score import MAX_VALUE, Score
from heliscore.domain.times import format_time
from heliscore.store import evaluations as store

_MAX_BINS: Final = 10
_MAX_MINUTES: Final = 1440
_MAX_COMPARED: Final = 100
_DEFAULT_GROUPS: Final = 100
_MAX_GROUPS: Final = 1000

_UNITS: Final[dict[str, store.BucketUnit]] = {
    "min": "minute",
    "hour": "hour",
    "day": "day",
    "week": "week",
    "month": "month",
    "year": "year",
}

_GROUPABLE: Final = ("model", "provider", "prompt_id", "prompt_version", "user_id")

_EVER: Final = {"start": datetime(1, 1, 2, tzinfo=UTC), "end": datetime(9999, 12, 30, tzinfo=UTC)}


async def list_scores(call: ApiCall) -> Response:
    """List the names of all scores, sorted."""
    async with call.services.database.connection() as connection:
        return envelope.answer(await store.list_names(connection, call.principal.organization_id))


async def query_evaluations(call: ApiCall) -> Response:
    """Summarise each score: average, minimum, maximum, count, and both count and average by the hour.

    Averages are exact. Times are those of the requests; the end of the range does not belong to it.
    """
    fields = _decode(await call.body(), *_RANGE, "offset", "limit", "timeZoneDifference")
    range_, minutes = _read_range(call, fields), _read_minutes(fields)
    offset, limit = fields.count("offset", MAX_VALUE) or 0, fields.count("limit", MAX_VALUE)
    fields.errors.raise_any()
    async with call.services.database.connection() as connection:
        buckets = await store.over_time(connection, call.services.names, range_, "hour", minutes)
    evaluations = [
        _summary(name, list(group)) for name, group in groupby(buckets, lambda bucket: bucket.name)
    ]
    return envelope.answer(evaluations[offset:][:limit])


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
    """Show how the values of each score spread.

    At most 10 bins of equal width from the lowest to the highest value, each without its upper edge but the
    last; where there are fewer integers than that, one bin each.
    """
    fields = _decode(await call.body(), *_RANGE, "offset", "limit", "timeZoneDifference")
    range_ = _read_range(call, fields)
    _read_minutes(fields)
    offset, limit = fields.count("offset", MAX_VALUE) or 0, fields.count("limit", MAX_VALUE)
    fields.errors.raise_any()
    async with call.services.database.connection() as connection:
        bins = await store.distributions(connection, call.services.names, range_, _MAX_BINS)
    distributions = [
        {
            "name": name,
            "distribution": [{"lower": b.lower, "upper": b.upper, "value": b.count} for b in group],
        }
        for name, group in groupby(bins, lambda bin_: bin_.name)
    ]
    return envelope.answer(distributions[offset:][:limit])


async def query_dashboard(call: ApiCall) -> Response:
    """Average each score by time. `score_sum` is upstream's name for the average."""
    fields = _decode(await call.body(), "userFilter", "timeFilter", "dbIncrement", "timeZoneDifference")
    range_, minutes = _read_range(call, fields, filter_key="userFilter"), _read_minutes(fields)
    increment = fields.text("dbIncrement", required=True)
    unit = _UNITS.get(increment or "")
    if unit is None and increment is not None:
        fields.reject("dbIncrement", f"expected one of {', '.join(_UNITS)}, got {described(increment)}")
    fields.errors.raise_any()
    async with call.services.database.connection() as connection:
        buckets = await store.over_time(connection, call.services.names, range_, unit or "hour", minutes)
    return envelope.answer(
        [
            {"score_key": b.name, "score_sum": b.sum / b.count, "created_at_trunc": format_time(b.begins_at)}
            for b in buckets
        ]
    )


async def post_evaluation(call: ApiCall) -> Response:
    """Add one score to a request, by the rules of score maps."""
    request_id = read_path_parameter(call.request, "requestId")
    fields = decode_object(await call.body(), frozenset(("name", "score")))
    scores: dict[str, Score] = {}
    name = fields.text("name", required=True)
    if "score" not in fields.raw:
        fields.reject("score", "missing")
    if name is not None and (error := find_name_error(plain_name(name))):
        fields.reject("name", error)
    elif name is not None and "score" in fields.raw:
        for error in read_entry(name, fields.raw["score"], scores):
            fields.reject("score", error)
    fields.errors.raise_any()
    await record(call, request_id, scores)
    return envelope.DONE


async def compare(call: ApiCall) -> Response:
    """Compare groups of requests by their scores: variant A with B, one model with another.

    Groups are the values of a column or of a property, null for requests without it; those with the most
    scores come first. The deviation is the sample's, null where there is one score; percentiles are
    interpolated; `shareTrue` is null unless all of the group's values were sent as booleans.
    """
    fields = _decode(await call.body(), *_RANGE, "scores", "groupBy", "limit")
    range_ = _read_range(call, fields, required=False)
    names, group_by = _read_names(fields), _read_group(fields)
    limit = fields.count("limit", _MAX_GROUPS)
    fields.errors.raise_any()
    async with call.services.database.connection() as connection:
        groups = await store.compare(connection, call.services.names, range_, names, group_by)
    found = [list(members) for _, members in groupby(groups, lambda group: group.value)]
    found.sort(key=lambda members: -sum(group.count for group in members))
    return envelope.answer(
        [
            {"group": members[0].value, "scores": {group.name: _statistics(group) for group in members}}
            for members in found[: _DEFAULT_GROUPS if limit is None else limit]
        ]
    )


def _statistics(group: store.Group) -> dict[str, object]:
    return {
        "count": group.count,
        "average": group.sum / group.count,
        "standardDeviation": group.deviation,
        "min": group.lowest,
        **{f"p{p}": value for p, value in zip(store.PERCENTILES, group.percentiles, strict=True)},
        "max": group.highest,
        "shareTrue": group.sum / group.count if group.all_boolean else None,
    }


# Bodies

_RANGE: Final = ("filter", "timeFilter")


def _decode(body: bytes, *known: str) -> Fields:
    """A body with a filter in it: of a key that came twice, a condition would be lost."""
    return decode_object(body, frozenset(known), unique=True)


def _read_range(
    call: ApiCall, fields: Fields, *, filter_key: str = "filter", required: bool = True
) -> store.ScoreSelection:
    """The filter and the time range; where that is not required and not given, all time."""
    if filter_key not in fields.raw:
        fields.reject(filter_key, 'missing; "all" for every request')
    tree = decode_filter(fields.raw.get(filter_key, "all"), filter_key, fields.errors)
    times = fields.object("timeFilter", required=required)
    given = isinstance(fields.raw.get("timeFilter"), dict)
    for key in times.raw.keys() - {"start", "end"}:
        times.reject(key, "unknown key; known are end, start")
    start, end = (times.time(key, required=given) or ever for key, ever in _EVER.items())
    return store.ScoreSelection(call.principal.organization_id, tree, start, end)


def _read_minutes(fields: Fields) -> int:
    """How far the caller's clock is behind UTC, as JavaScript's getTimezoneOffset counts."""
    return fields.integer("timeZoneDifference", -_MAX_MINUTES, _MAX_MINUTES) or 0


def _read_names(fields: Fields) -> list[str]:
    raw = fields.raw.get("scores")
    if not isinstance(raw, list) or not 1 <= len(raw) <= _MAX_COMPARED:
        fields.reject("scores", f"expected a list of 1 to {_MAX_COMPARED} names")
        return []
    for index, name in enumerate(raw):
        error = find_name_error(name) if isinstance(name, str) else f"expected a text, got {described(name)}"
        if error:
            fields.reject(f"scores[{index}]", error)
    return [plain_name(name) for name in raw if isinstance(name, str)]


def _read_group(fields: Fields) -> Column | Property:
    raw = fields.raw.get("groupBy")
    match raw:
        case str() if raw in _GROUPABLE:
            return Column(raw)
        case {"property": str() as key, **rest} if not rest and not find_name_error(key):
            return Property(key)
    known = ", ".join(_GROUPABLE)
    fields.reject("groupBy", f'expected one of {known} or {{"property": key}}, got {described(raw)}')
    return Column("model")


_TAG: Final = "Evaluation"
_TEXT: Final[Schema] = {"type": "string"}
_NUMBER: Final[Schema] = {"type": "number"}
_COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
_NUMBER_OR_NULL: Final[Schema] = {"type": ["number", "null"]}
_TIMES: Final = {"start": "2026-01-01T00:00:00Z", "end": "2026-02-01T00:00:00Z"}
_MINUTES: Final[Schema] = {
    "type": ["integer", "null"],
    "minimum": -_MAX_MINUTES,
    "maximum": _MAX_MINUTES,
    "description": "How many minutes the caller's clock is behind UTC; moves the edges of the buckets.",
}
_TIME_FILTER: Final = closed_object({"start": _TEXT, "end": _TEXT}, required=("start", "end"))
_QUERY: Final = closed_object(
    {
        "filter": schemas.FILTER,
        "timeFilter": _TIME_FILTER,
        "timeZoneDifference": _MINUTES,
        "offset": schemas.count(0),
        "limit": schemas.count(None),
    },
    required=("filter", "timeFilter"),
)
_QUERY_EXAMPLE: Final = {"filter": "all", "timeFilter": _TIMES, "timeZoneDifference": 0}


def _list(properties: dict[str, Schema]) -> Schema:
    return {"type": "array", "items": closed_object(properties, required=tuple(properties))}


_STATISTICS: Final = {
    "count": _COUNT,
    "average": _NUMBER,
    "standardDeviation": _NUMBER_OR_NULL,
    "min": {"type": "integer"},
    **{f"p{percentile}": _NUMBER for percentile in store.PERCENTILES},
    "max": {"type": "integer"},
    "shareTrue": _NUMBER_OR_NULL,
}

ENDPOINTS: Final = (
    envelope.endpoint(
        "GET",
        "/v1/evals/scores",
        list_scores,
        "r",
        _TAG,
        data={"type": "array", "items": _TEXT},
        data_example=["accuracy", "has_citations"],
    ),
    envelope.endpoint(
        "POST",
        "/v1/evals/query",
        query_evaluations,
        "r",
        _TAG,
        body=_QUERY,
        body_example=_QUERY_EXAMPLE,
        data=_list(
            {
                "name": _TEXT,
                "averageScore": _NUMBER,
                "minScore": {"type": "integer"},
                "maxScore": {"type": "integer"},
                "count": _COUNT,
                "overTime": _list({"date": _TEXT, "count": _COUNT}),
                "averageOverTime": _list({"date": _TEXT, "value": _NUMBER}),
            }
        ),
    ),
    envelope.endpoint(
        "POST",
        "/v1/evals/score-distributions/query",
        query_distributions,
        "r",
        _TAG,
        body=_QUERY,
        body_example=_QUERY_EXAMPLE,
        data=_list(
            {"name": _TEXT, "distribution": _list({"lower": _NUMBER, "upper": _NUMBER, "value": _COUNT})}
        ),
    ),
    envelope.endpoint(
        "POST",
        "/v1/evals/compare",
        compare,
        "r",
        _TAG,
        body=closed_object(
            {
                "filter": schemas.FILTER,
                "timeFilter": {"anyOf": [_TIME_FILTER, {"type": "null"}]},
                "scores": {
                    "type": "array",
                    "minItems": 1,
                    "maxItems": _MAX_COMPARED,
                    "items": {"type": "string", "minLength": 1, "maxLength": 255},
                },
                "groupBy": {
                    "anyOf": [
                        {"enum": list(_GROUPABLE)},
                        closed_object(
                            {"property": {"type": "string", "minLength": 1, "maxLength": 255}},
                            required=("property",),
                        ),
                    ]
                },
                "limit": schemas.count(_DEFAULT_GROUPS, _MAX_GROUPS),
            },
            required=("filter", "scores", "groupBy"),
        ),
        body_example={"filter": "all", "scores": ["accuracy"], "groupBy": {"property": "variant"}},
        data=_list(
            {
                "group": {"type": ["string", "null"]},
                "scores": {
                    "type": "object",
                    "additionalProperties": closed_object(_STATISTICS, required=tuple(_STATISTICS)),
                },
            }
        ),
    ),
    envelope.endpoint(
        "POST",
        "/v1/evals/{requestId}",
        post_evaluation,
        "w",
        _TAG,
        body=closed_object(
            {"name": {"type": "string", "minLength": 1, "maxLength": 255}, "score": SCORE},
            required=("name", "score"),
        ),
        body_example={"name": "accuracy", "score": 95},
        errors=(NotFound,),
    ),
    envelope.endpoint(
        "POST",
        "/v1/dashboard/scores/query",
        query_dashboard,
        "r",
        _TAG,
        body=closed_object(
            {
                "userFilter": schemas.FILTER,
                "timeFilter": _TIME_FILTER,
                "dbIncrement": {"enum": list(_UNITS)},
                "timeZoneDifference": _MINUTES,
            },
            required=("userFilter", "timeFilter", "dbIncrement"),
        ),
        body_example={"userFilter": "all", "timeFilter": _TIMES, "dbIncrement": "day"},
        data=_list({"score_key": _TEXT, "score_sum": _NUMBER, "created_at_trunc": _TEXT}),
    ),
)
