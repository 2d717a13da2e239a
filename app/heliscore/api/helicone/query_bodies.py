"""The body of a query: filter, sort and page."""

from __future__ import annotations

from typing import Final

import msgspec

from heliscore.api.http.body_fields import Values, make_body, optional, required
from heliscore.api.http.value_types import BOOLEAN, NAME, choice, count, list_of
from heliscore.api.shared.filter_schema import FILTER, FILTER_MISSING
from heliscore.api.shared.sort_fields import CURSOR_TYPE, SORT, decode_cursor
from heliscore.domain.filter_tree import AllOf, Column, Compare, Filter, Not, Scored, Sort
from heliscore.store.search.page_order import Position

MAX_LIMIT: Final = 1000
MAX_OFFSET: Final = 10_000
DEFAULT_LIMIT: Final = 10


class Query(msgspec.Struct, frozen=True):
    """A decoded query body."""

    filter: Filter
    sort: Sort
    after: Position | None
    offset: int
    limit: int
    with_details: bool = False
    """Of scores: author, time, comment."""

    explain: bool = False


def decode_query(body: bytes) -> Query:
    """Read the body of a query. Raises InvalidInput with every error."""
    values = QUERY_BODY.decode(body)
    tree = values[_FILTER]
    if (is_scored := values[_IS_SCORED]) is not None:
        tree = AllOf((tree, Scored() if is_scored else Not(Scored())))
    if (is_cached := values[_IS_CACHED]) is not None:
        tree = AllOf((tree, Compare(Column("cached"), "=", is_cached)))
    with_details = _SCORE_DETAILS in values[_INCLUDE]
    return Query(
        tree,
        values[SORT],
        _find_position(values),
        values[_OFFSET],
        values[_LIMIT],
        with_details,
        values[_EXPLAIN],
    )


def decode_ids(body: bytes) -> list[str]:
    """Read `{"requestIds": [id, …]}`, at most as many as a page holds. Raises InvalidInput."""
    return IDS_BODY.decode(body)[_REQUEST_IDS]


def _find_position(values: Values) -> Position | None:
    cursor, sort = values.find(_CURSOR), values.find(SORT)
    return None if cursor is None or sort is None else decode_cursor(cursor, sort)


def _check_cursor(values: Values) -> None:
    if values.find(_CURSOR) is not None:
        if values.find(SORT) is not None and _find_position(values) is None:
            values.reject(_CURSOR, "not a cursor of a query with this sort")
        if values.find(_OFFSET):
            values.reject(_OFFSET, "cannot be combined with a cursor")


_FILTER: Final = required("filter", FILTER, missing=FILTER_MISSING)
_IS_SCORED: Final = optional(
    "isScored", BOOLEAN, description="true: only scored requests, false: only unscored ones."
)
_IS_CACHED: Final = optional(
    "isCached", BOOLEAN, description="true: nothing, since no request is answered from a cache; false: all."
)
_OFFSET: Final = optional("offset", count(MAX_OFFSET, hint=" (beyond, use the cursor)"), default=0)
_LIMIT: Final = optional("limit", count(MAX_LIMIT), default=DEFAULT_LIMIT)
_CURSOR: Final = optional("cursor", CURSOR_TYPE, description="`nextCursor` of the page before.")
_SCORE_DETAILS: Final = "scoreDetails"
_INCLUDE: Final = optional(
    "include",
    list_of(choice((_SCORE_DETAILS,), f'"{_SCORE_DETAILS}"')),
    default=[],
    description="`scoreDetails`: rows have `score_details`, each score's author, time and comment.",
)
_EXPLAIN: Final = optional(
    "explain",
    BOOLEAN,
    default=False,
    description="true: `explain` beside `data` says how many requests meet each condition of the filter.",
)
_WITHOUT_EFFECT: Final = tuple(
    optional(key, BOOLEAN, description="Accepted, without effect.")
    for key in ("includeInputs", "isPartOfExperiment")
)

QUERY_BODY: Final = make_body(
    _FILTER,
    _IS_SCORED,
    _IS_CACHED,
    *_WITHOUT_EFFECT,
    SORT,
    _OFFSET,
    _LIMIT,
    _CURSOR,
    _INCLUDE,
    _EXPLAIN,
    check=_check_cursor,
    is_unique=True,
    example={
        "filter": {"request_response_rmt": {"scores": {"accuracy": {"gte": 90}}}},
        "sort": {"created_at": "desc"},
        "limit": 100,
    },
)

_REQUEST_IDS: Final = required("requestIds", list_of(NAME, of="ids", maximum=MAX_LIMIT))
IDS_BODY: Final = make_body(_REQUEST_IDS, example={"requestIds": ["req_abc123def456"]})
