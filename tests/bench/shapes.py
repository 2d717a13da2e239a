"""What is asked of the databases: each search and evaluation as the body of a call."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

import msgspec

from .seed import ENVIRONMENTS, MODELS, PERIOD, SHARES, START

_QUERY: Final = "/v1/request/query"
_COUNT: Final = "/v1/request/count/query"
_EVALUATIONS: Final = "/v1/evals/query"
_DISTRIBUTIONS: Final = "/v1/evals/score-distributions/query"
_COMPARE: Final = "/v1/evals/compare"


class Shape(msgspec.Struct, frozen=True):
    """One call."""

    name: str
    path: str
    body: bytes
    is_indexed: bool
    """Whether the goals say that it may not grow with the database: counts and evaluations read all."""


def _score(name: str, bound: int) -> dict[str, Any]:
    return {"request_response_rmt": {"scores": {name: {"gte": bound}}}}


def _both(operator: str, *filters: dict[str, Any]) -> dict[str, Any]:
    left, *rest = filters
    return {"left": left, "operator": operator, "right": _both(operator, *rest)} if rest else left


def _search(name: str, tree: object, **more: object) -> Shape:
    return Shape(name, _QUERY, msgspec.json.encode({"filter": tree, "limit": 100, **more}), True)


_RARE, _MEDIUM, _BROAD = (_score(name, 90) for name in ("rare", "medium", "broad"))
_FLAGGED: Final = _score("flagged", 1)
_LAST_TENTH: Final = (START + PERIOD - PERIOD / 10).isoformat()
_SEVERAL: Final = _both(
    "and",
    _BROAD,
    {"properties": {"environment": {"equals": ENVIRONMENTS[0]}}},
    {"request_response_rmt": {"model": {"equals": MODELS[0]}}},
    {"request_response_rmt": {"request_created_at": {"gte": _LAST_TENTH}}},
)

SEARCHES: Final = (
    _search("score, 0.1 % match", _RARE),
    _search("score, 10 % match", _MEDIUM),
    _search("score, 60 % match", _BROAD),
    _search("score, none match", _score("broad", 1000)),
    _search("AND: 0.1 % & 60 %", _both("and", _RARE, _BROAD)),
    _search("AND: 10 % & 10 %", _both("and", _MEDIUM, _FLAGGED)),
    _search("OR: 0.1 %, 10 %", _both("or", _RARE, _MEDIUM)),
    _search("sort by score", _MEDIUM, sort={"scores": {"medium": "desc"}}),
    _search("score, property, model, time", _SEVERAL),
    _search("unscored, 1 % are", "all", isScored=False),
    Shape("count, 10 % match", _COUNT, msgspec.json.encode({"filter": _MEDIUM}), False),
)

_TIMES: Final = {
    "timeFilter": {"start": START.isoformat(), "end": (START + PERIOD + timedelta(days=1)).isoformat()}
}
_ALL_TIME: Final = msgspec.json.encode({"filter": "all", **_TIMES, "timeZoneDifference": 0})
_BY_MODEL: Final = {"filter": "all", **_TIMES, "scores": list(SHARES), "groupBy": "model"}

EVALUATIONS: Final = (
    Shape("evaluations by the hour", _EVALUATIONS, _ALL_TIME, False),
    Shape("score distributions", _DISTRIBUTIONS, _ALL_TIME, False),
    Shape("compare 4 models, 5 scores", _COMPARE, msgspec.json.encode(_BY_MODEL), False),
)
