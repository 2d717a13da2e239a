"""`POST /v1/evals/coverage`: which requests lack which scores."""

from __future__ import annotations

import asyncio
from typing import Final

from starlette.responses import Response

from heliscore.api.http.body_fields import Values, make_body, optional, required
from heliscore.api.http.endpoints import ApiCall
from heliscore.api.http.json_schema import (
    COUNT,
    NUMBER,
    STRING,
    closed_object,
    list_of_objects,
    nullable,
    whole_object,
)
from heliscore.api.http.value_types import integer
from heliscore.api.shared import envelope
from heliscore.api.shared.bucket_fields import INCREMENT, MINUTES, UNITS
from heliscore.api.shared.filter_leaves import (
    GIVEN_BACK,
    SENT_FILTER,
    Leaf,
    between,
    both,
    count_repetitions,
    equals,
    lacks_score,
)
from heliscore.api.shared.group_fields import GROUP_FIELD
from heliscore.api.shared.score_maps import score_names
from heliscore.api.shared.score_selection import TIME_RANGE, make_selection
from heliscore.domain.errors import FieldError, InvalidInput
from heliscore.domain.times import encode_time
from heliscore.store import coverage as store
from heliscore.store.score_scan import ScoreSelection

_MAX_SCORES: Final = 100
_MAX_GROUPS: Final = 1000
_DEFAULT_GROUPS: Final = 100
_MAX_COUNTS: Final = 10_000
"""Of an answer, each with its filter: 4 MB of JSON."""

_SCORES: Final = required("scores", score_names(_MAX_SCORES))
_TIMES: Final = optional("timeFilter", TIME_RANGE)
_INCREMENT: Final = optional(
    "increment",
    INCREMENT,
    description="The length of the buckets of time; without it there are none.",
)
_LIMIT: Final = optional("limit", integer(1, _MAX_GROUPS), default=_DEFAULT_GROUPS, description="Of groups.")
_BODY: Final = make_body(
    SENT_FILTER,
    _TIMES,
    _SCORES,
    GROUP_FIELD,
    _INCREMENT,
    MINUTES,
    _LIMIT,
    is_unique=True,
    example={"filter": "all", "scores": ["accuracy"], "groupBy": {"property": "variant"}, "increment": "day"},
)


async def count_coverage(call: ApiCall) -> Response:
    """Count which requests have which scores, by group and time, and get the filters of those that lack them.

    Every request that the filter finds counts, those without any score too. `filter` finds exactly the
    `missing` requests of its row: send it to `/v1/request/query`. Groups with the most requests come first,
    `groups` says how many there are; buckets are named by the instant at which they begin, in order, without
    those that have no request. A name that no score has is no error: it is listed in `unknownScores`. All
    counts are of the same moment.
    """
    body = _BODY.decode(await call.body())
    selection = make_selection(call.principal.organization_id, body[SENT_FILTER].tree, body[_TIMES])
    max_rows = _max_rows(body)
    async with call.services.database.connection() as connection:
        coverage = await store.count_scored(
            connection,
            call.services.ids.names,
            selection,
            body[_SCORES],
            body[GROUP_FIELD],
            store.Buckets(UNITS.get(body[_INCREMENT] or ""), body[MINUTES] or 0),
            limit=body[_LIMIT],
            max_rows=max_rows + 1,
        )
    if len(coverage.rows) > max_rows:
        raise InvalidInput([FieldError("limit" if body[_INCREMENT] is None else "increment", _TOO_MANY)])
    # In a thread, which gives way to other calls: 10,000 counts with their filters take 0.13 s.
    rows = await asyncio.to_thread(_make_rows, body, selection, coverage.rows)
    return envelope.answer({"groups": coverage.groups, "unknownScores": coverage.unknown, "rows": rows})


_TOO_MANY: Final = (
    f"the answer would have more than {_MAX_COUNTS} counts, or too much of a long filter; "
    "ask for fewer groups, buckets or scores"
)


def _max_rows(body: Values) -> int:
    return min(_MAX_COUNTS, count_repetitions(body[SENT_FILTER])) // len(body[_SCORES])


def _make_rows(body: Values, selection: ScoreSelection, rows: list[store.Covered]) -> list[dict[str, object]]:
    return [_make_row(body, selection, row) for row in rows]


def _make_row(body: Values, selection: ScoreSelection, row: store.Covered) -> dict[str, object]:
    leaves = _leaves(body, selection, row)
    return {
        "group": row.group,
        "time": None if row.begins_at is None else encode_time(row.begins_at),
        "requests": row.count,
        "scores": {
            name: {
                "scored": (scored := row.scored.get(name, 0)),
                "missing": row.count - scored,
                "share": scored / row.count,
                "filter": both(body[SENT_FILTER].raw, *leaves, lacks_score(name)),
            }
            for name in body[_SCORES]
        },
    }


def _leaves(body: Values, selection: ScoreSelection, row: store.Covered) -> list[Leaf]:
    """The conditions of a row's requests, beside the caller's filter."""
    group_by, leaves = body[GROUP_FIELD], []
    if group_by is not None:
        leaves.append(equals(group_by, row.group))
    if row.begins_at is not None and row.ends_at is not None:
        leaves.append(between(max(row.begins_at, selection.start), row.ends_at))
    elif body[_TIMES] is not None:
        leaves.append(between(selection.start, selection.end))
    return leaves


_SCORE: Final = {"scored": COUNT, "missing": COUNT, "share": NUMBER, "filter": GIVEN_BACK}

ENDPOINTS: Final = (
    envelope.endpoint(
        "POST",
        "/v1/evals/coverage",
        count_coverage,
        "r",
        "Evaluation",
        body=_BODY,
        data=closed_object(
            {
                "groups": COUNT,
                "unknownScores": {"type": "array", "items": STRING},
                "rows": list_of_objects(
                    {
                        "group": nullable(STRING),
                        "time": nullable(STRING),
                        "requests": COUNT,
                        "scores": {
                            "type": "object",
                            "additionalProperties": whole_object("ScoreCoverage", _SCORE),
                        },
                    }
                ),
            },
            required=("groups", "unknownScores", "rows"),
        ),
    ),
)
