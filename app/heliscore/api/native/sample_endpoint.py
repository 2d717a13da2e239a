"""`POST /v1/evals/sample`: requests that are worth a human's look."""

from __future__ import annotations

import secrets
from typing import Any, Final, Literal

from starlette.responses import Response

from heliscore.api.http.body_fields import Field, Values, ValueType, make_body, optional, required
from heliscore.api.http.endpoints import ApiCall
from heliscore.api.http.field_errors import FieldErrors
from heliscore.api.http.json_schema import COUNT, STRING, closed_object, list_of_objects, nullable
from heliscore.api.http.value_types import NUMBER, choice, integer, list_of
from heliscore.api.native import sample_reasons as reasons
from heliscore.api.shared import envelope
from heliscore.api.shared.filter_leaves import GIVEN_BACK, of_ids
from heliscore.api.shared.group_fields import GROUP_FIELD
from heliscore.api.shared.score_maps import SCORE_NAME, plain_name
from heliscore.api.shared.score_selection import FILTER_FIELD, TIME_RANGE, make_selection
from heliscore.domain.score import MAX_VALUE
from heliscore.domain.times import encode_time
from heliscore.store import samples as store
from heliscore.store.connections.pool import Connection
from heliscore.store.samples import Sample, Sampled
from heliscore.store.scores import ScoreNames

_MAX_SIZE: Final = 1000
_DEFAULT_SIZE: Final = 50
_MAX_JUDGES: Final = 10

_DRAWN_SEEDS: Final = 2**53
"""Seeds that are drawn are below this, so that a client whose numbers are doubles can send one back."""

By = Literal["random", "stratified", "threshold", "disagreement", "leverage"]
_KINDS: Final[tuple[By, ...]] = ("random", "stratified", "threshold", "disagreement", "leverage")


def _read_name(raw: object, path: str, errors: FieldErrors) -> str:
    return plain_name(SCORE_NAME.read(raw, path, errors))


def _read_judges(raw: object, path: str, errors: FieldErrors) -> list[str]:
    if isinstance(raw, list) and len(raw) <= _MAX_JUDGES:
        names = list(dict.fromkeys(plain_name(name) for name in _NAMES.read(raw, path, errors)))
        if len(names) >= 2:
            return names
    errors.add(path, f"expected a list of 2 to {_MAX_JUDGES} different names")
    return []


_NAMES: Final = list_of(SCORE_NAME)
_TIMES: Final = optional("timeFilter", TIME_RANGE)
_BY: Final = required("by", choice(_KINDS))
_SIZE: Final = optional("size", integer(1, _MAX_SIZE), default=_DEFAULT_SIZE)
_SEED: Final = optional(
    "seed",
    integer(0, MAX_VALUE),
    description="Of the random order; drawn, and returned, where it is missing.",
)
_ALLOCATIONS: Final[tuple[store.Allocation, ...]] = ("equal", "proportional")
_GROUP_BY: Final[Field[Any]] = GROUP_FIELD
_ALLOCATION: Final[Field[Any]] = optional(
    "allocation",
    choice(_ALLOCATIONS, name="Allocation"),
    description="Of `stratified`: as many of each group, or (the default) in proportion to their sizes.",
)
_SCORE: Final[Field[Any]] = optional(
    "score", ValueType(SCORE_NAME.schema, _read_name), description="Of `threshold` and `leverage`."
)
_THRESHOLD: Final[Field[Any]] = optional("threshold", NUMBER, description="Of `threshold`.")
_JUDGES: Final[Field[Any]] = optional(
    "scores",
    ValueType(_NAMES.schema | {"minItems": 2, "maxItems": _MAX_JUDGES}, _read_judges),
    description="Of `disagreement`.",
)

_NEEDED: Final[dict[By, tuple[Field[Any], ...]]] = {
    "random": (),
    "stratified": (_GROUP_BY,),
    "threshold": (_SCORE, _THRESHOLD),
    "disagreement": (_JUDGES,),
    "leverage": (_SCORE,),
}
_ALLOWED: Final[dict[By, tuple[Field[Any], ...]]] = {"stratified": (_ALLOCATION,), "leverage": (_GROUP_BY,)}


def _check_kind(values: Values) -> None:
    by = values.find(_BY)
    if by is None:
        return
    needed = _NEEDED[by]
    for field in (_GROUP_BY, _ALLOCATION, _SCORE, _THRESHOLD, _JUDGES):
        if not values.has(field):
            continue
        if field in needed and values[field] is None:
            values.reject(field, f'missing; a sample by "{by}" needs it')
        elif values[field] is not None and field not in (*needed, *_ALLOWED.get(by, ())):
            values.reject(field, f'a sample by "{by}" does not take it')


_BODY: Final = make_body(
    FILTER_FIELD,
    _TIMES,
    _BY,
    _SIZE,
    _SEED,
    _GROUP_BY,
    _ALLOCATION,
    _SCORE,
    _THRESHOLD,
    _JUDGES,
    check=_check_kind,
    is_unique=True,
    example={"filter": "all", "by": "threshold", "score": "accuracy", "threshold": 80, "size": 20, "seed": 7},
)


async def sample_requests(call: ApiCall) -> Response:
    """Choose requests that are worth a human's look.

    `by` says which:

    * `random`: any, each with the same chance;
    * `stratified`: some of each group, at random within it. With `allocation` `equal`, as many of each (of a
      small group all); with `proportional`, in proportion to the groups' sizes by largest remainder, at least
      one of each. Where there are more groups than `size`, the largest come first;
    * `threshold`: those whose score is nearest to the threshold;
    * `disagreement`: of the requests with at least two of the scores, those whose highest and lowest are
      furthest apart;
    * `leverage`: those whose score has most weight in the mean of its group: |value - mean| / n, with the n
      scores of the group. So far would the mean move if the value were the mean. Without `groupBy` all
      requests are one group.

    The random order, which is also that among equals, is a hash of the request's id and the seed: the same
    seed gives the same requests as long as the same ones match, and a new request takes at most the last
    one's place in a random sample. `matching` is how many requests qualify; `filter` finds exactly those of
    the sample.
    """
    body = _BODY.decode(await call.body())
    selection = make_selection(call.principal.organization_id, body[FILTER_FIELD], body[_TIMES])
    seed = body[_SEED]
    if seed is None:
        seed = secrets.randbelow(_DRAWN_SEEDS)
    draw = store.Draw(selection, seed, body[_SIZE])
    async with call.services.database.connection() as connection:
        sample = await _draw(connection, call.services.ids.names, draw, body)
    return envelope.answer(
        {
            "seed": seed,
            "matching": sample.matching,
            "requests": [
                {
                    "requestId": request.request_id,
                    "createdAt": encode_time(request.created_at),
                    "group": request.group,
                    "scores": request.scores,
                    "reason": _explain(body, sample, request),
                }
                for request in sample.requests
            ],
            "filter": of_ids(request.request_id for request in sample.requests),
        }
    )


async def _draw(connection: Connection, names: ScoreNames, draw: store.Draw, body: Values) -> Sample:
    match body[_BY]:
        case "random":
            return await store.sample_at_random(connection, names, draw)
        case "stratified":
            allocation: store.Allocation = body[_ALLOCATION] or "proportional"
            return await store.sample_strata(connection, names, draw, body[_GROUP_BY], allocation)
        case "threshold":
            return await store.sample_nearest(connection, names, draw, body[_SCORE], body[_THRESHOLD])
        case "disagreement":
            return await store.sample_disagreements(connection, names, draw, body[_JUDGES])
        case "leverage":
            return await store.sample_leverage(connection, names, draw, body[_SCORE], body[_GROUP_BY])


def _explain(body: Values, sample: Sample, request: Sampled) -> str:
    match body[_BY]:
        case "random":
            return f"at random, of {sample.matching} requests"
        case "stratified":
            return reasons.explain_stratified(request)
        case "threshold":
            return reasons.explain_threshold(request, body[_THRESHOLD])
        case "disagreement":
            return reasons.explain_disagreement(request)
        case "leverage":
            return reasons.explain_leverage(request)


ENDPOINTS: Final = (
    envelope.endpoint(
        "POST",
        "/v1/evals/sample",
        sample_requests,
        "r",
        "Evaluation",
        body=_BODY,
        data=closed_object(
            {
                "seed": COUNT,
                "matching": COUNT,
                "requests": list_of_objects(
                    {
                        "requestId": STRING,
                        "createdAt": STRING,
                        "group": nullable(STRING),
                        "scores": {"type": "object", "additionalProperties": {"type": "integer"}},
                        "reason": STRING,
                    }
                ),
                "filter": GIVEN_BACK,
            },
            required=("seed", "matching", "requests", "filter"),
        ),
    ),
)
