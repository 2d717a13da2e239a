"""`POST /v1/evals/sample`: requests that are worth a human's look."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from heliscore.api.http.body_fields import Values, make_body
from heliscore.api.http.endpoints import ApiCall
from heliscore.api.http.json_schema import COUNT, STRING, closed_object, list_of_objects, nullable
from heliscore.api.native import sample_reasons as reasons
from heliscore.api.native.sample_fields import (
    BY,
    MAX_SIZE,
    THRESHOLD,
    check_kind,
    draw,
    sample_fields,
    size_up_to,
)
from heliscore.api.shared import envelope
from heliscore.api.shared.filter_leaves import GIVEN_BACK, of_ids
from heliscore.domain.times import encode_time
from heliscore.store.samples import Sample, Sampled

_SIZE: Final = size_up_to(MAX_SIZE)
_BODY: Final = make_body(
    *sample_fields(_SIZE),
    check=check_kind,
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
    async with call.services.database.connection() as connection:
        names, organization_id = call.services.ids.names, call.principal.organization_id
        drawn = await draw(connection, names, organization_id, body, _SIZE)
    sample = drawn.sample
    return envelope.answer(
        {
            "seed": drawn.seed,
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


def _explain(body: Values, sample: Sample, request: Sampled) -> str:
    match body[BY]:
        case "random":
            return f"at random, of {sample.matching} requests"
        case "stratified":
            return reasons.explain_stratified(request)
        case "threshold":
            return reasons.explain_threshold(request, body[THRESHOLD])
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
