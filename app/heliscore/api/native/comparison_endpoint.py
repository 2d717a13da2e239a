"""`POST /v1/evals/compare`: groups of requests compared by their scores."""

from __future__ import annotations

from itertools import groupby
from typing import Final

from starlette.responses import Response

from heliscore.api.http.body_fields import Values, make_body, optional, required
from heliscore.api.http.endpoints import ApiCall
from heliscore.api.http.json_schema import COUNT, NUMBER, STRING, list_of_objects, nullable, whole_object
from heliscore.api.http.value_types import choice, count
from heliscore.api.shared import envelope
from heliscore.api.shared.group_fields import GROUP_BY
from heliscore.api.shared.score_maps import score_names
from heliscore.api.shared.score_selection import FILTER_FIELD, TIME_RANGE, make_selection
from heliscore.domain.filter_tree import ScorePart
from heliscore.store import score_groups as store

_MAX_COMPARED: Final = 100
_DEFAULT_GROUPS: Final = 100
_MAX_GROUPS: Final = 1000


_SCORES: Final = required("scores", score_names(_MAX_COMPARED))
_GROUP_BY: Final = required("groupBy", GROUP_BY)
_OVER: Final = optional(
    "over",
    choice(("current", "opinions"), name="ComparedScores"),
    default="current",
    description="`opinions`: the newest value of each author that was not taken back, instead of the score. "
    "Only of the one score whose authors are the groups.",
)


def _check_opinions(values: Values) -> None:
    group, scores = values.find(_GROUP_BY), values.find(_SCORES)
    if values.find(_OVER) != "opinions" or group is None or scores is None:
        return
    if not isinstance(group, ScorePart):
        values.reject(_OVER, "opinions can be grouped by author, kind or version only")
    elif set(scores) != {group.name}:
        values.reject(_SCORES, "expected only the score whose opinions are compared")


_TIMES: Final = optional("timeFilter", TIME_RANGE)
_LIMIT: Final = optional("limit", count(_MAX_GROUPS), default=_DEFAULT_GROUPS)
_BODY: Final = make_body(
    FILTER_FIELD,
    _TIMES,
    _SCORES,
    _GROUP_BY,
    _OVER,
    _LIMIT,
    check=_check_opinions,
    is_unique=True,
    example={"filter": "all", "scores": ["accuracy"], "groupBy": {"property": "variant"}},
)


async def compare_groups(call: ApiCall) -> Response:
    """Compare groups of requests by their scores: variant A with B, one model with another.

    Groups are the values of a column or of a property, or of one score the author, the author's kind or
    version; null for requests without it. Those with the most scores come first. The deviation is the
    sample's, null if there is one score; percentiles are interpolated; `shareTrue` is null unless all values
    of the group were sent as booleans. Where `limit` leaves groups out, `groups` is how many there are.
    """
    body = _BODY.decode(await call.body())
    selection = make_selection(call.principal.organization_id, body[FILTER_FIELD], body[_TIMES])
    async with call.services.database.connection() as connection:
        names, group_by = call.services.ids.names, body[_GROUP_BY]
        if body[_OVER] == "opinions" and isinstance(group_by, ScorePart):
            groups = await store.compare_opinions(connection, names, selection, group_by)
        else:
            groups = await store.compare(connection, names, selection, body[_SCORES], group_by)
    found = [list(members) for _, members in groupby(groups, lambda group: group.value)]
    found.sort(key=lambda members: -sum(group.sample.count for group in members))
    left_out: dict[str, object] = {"groups": len(found)} if len(found) > body[_LIMIT] else {}
    rows = [
        {"group": members[0].value, "scores": {group.name: _statistics(group) for group in members}}
        for members in found[: body[_LIMIT]]
    ]
    return envelope.answer(rows, None, **left_out)


def _statistics(group: store.Group) -> dict[str, object]:
    return {
        "count": group.sample.count,
        "average": group.sample.mean,
        "standardDeviation": group.sample.deviation,
        "min": group.lowest,
        **{f"p{p}": value for p, value in zip(store.PERCENTILES, group.percentiles, strict=True)},
        "max": group.highest,
        "shareTrue": group.sample.mean if group.all_boolean else None,
    }


_STATISTICS: Final = {
    "count": COUNT,
    "average": NUMBER,
    "standardDeviation": nullable(NUMBER),
    "min": {"type": "integer"},
    **{f"p{percentile}": NUMBER for percentile in store.PERCENTILES},
    "max": {"type": "integer"},
    "shareTrue": nullable(NUMBER),
}

ENDPOINTS: Final = (
    envelope.endpoint(
        "POST",
        "/v1/evals/compare",
        compare_groups,
        "r",
        "Evaluation",
        body=_BODY,
        data=list_of_objects(
            {
                "group": nullable(STRING),
                "scores": {
                    "type": "object",
                    "additionalProperties": whole_object("GroupStatistics", _STATISTICS),
                },
            }
        ),
        beside={"groups": COUNT},
    ),
)
