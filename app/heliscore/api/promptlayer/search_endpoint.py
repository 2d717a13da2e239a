"""`POST /api/public/v2/requests/search`: finds requests, in PromptLayer's shape."""

from __future__ import annotations

from typing import Final

import msgspec
from starlette.responses import Response

from heliscore.api.http.body_fields import ValueType, make_body, optional
from heliscore.api.http.endpoints import ApiCall
from heliscore.api.http.field_errors import FieldErrors
from heliscore.api.http.json_codec import Json
from heliscore.api.http.json_schema import (
    COUNT,
    closed_object,
    constant,
    named,
    nullable,
    one_of,
    reference,
    struct_schema,
)
from heliscore.api.http.value_types import ANY, STORABLE_STRING, choice, integer
from heliscore.api.promptlayer import answers
from heliscore.api.promptlayer.field_types import API_KEY
from heliscore.api.promptlayer.search_fields import COLUMNS, FIELDS, OPERATORS
from heliscore.api.promptlayer.search_filters import contains_text, decode_group, score_named
from heliscore.api.promptlayer.search_rows import SearchItem, make_item
from heliscore.domain.filter_tree import NEWEST_FIRST, AllOf, Column, Filter, Score, Sort
from heliscore.store.search import request_search as store

MAX_PAGE: Final = 1_000_000
MAX_PER_PAGE: Final = 25
DEFAULT_PER_PAGE: Final = 10

_SCORE_PREFIX: Final = "score."
_SORTABLE: Final = COLUMNS | {"pl_id": Column("numeric_id")}


class Search(msgspec.Struct, frozen=True):
    """A decoded search body."""

    filter: Filter
    sort: Sort
    page: int
    per_page: int


async def search_requests(call: ApiCall) -> Response:
    """Find requests by score, prompt, metadata, tag, time, text and more.

    Every condition counts: an unknown one is an error and never ignored. The field `score` takes a score's
    name as its `nested_key` (`default` without one), and `sort_by` takes `score` or `score.<name>`. A request
    without the field matches only `is_null` and `is_empty`, which an empty string matches too; missing lists
    are empty, and missing metadata is treated as an empty string by `is_not`, `not_in` and `not_contains`.
    """
    search = decode_search(await call.body())
    services, organization_id = call.services, call.principal.organization_id
    async with services.database.connection() as connection:
        total = await store.count(connection, services.ids.names, organization_id, search.filter)
        page = await store.search(
            connection,
            services.ids.names,
            organization_id,
            search.filter,
            sort=search.sort,
            offset=(search.page - 1) * search.per_page,
            limit=search.per_page,
            bodies="none",
        )
    pages = -(-total // search.per_page)
    body = {
        "success": True,
        "items": [make_item(request) for request in page.requests],
        "page": search.page,
        "pages": pages,
        "per_page": search.per_page,
        "total": total,
        "has_next": search.page < pages,
        "has_prev": search.page > 1,
        "next_num": search.page + 1 if search.page < pages else None,
        "prev_num": search.page - 1 if search.page > 1 else None,
    }
    return Json(body)


def decode_search(body: bytes) -> Search:
    """Read the body of a search. Raises InvalidInput with every error."""
    values = _BODY.decode(body)
    text = values[_TEXT]
    found = (values[_GROUP], values[_FILTERS], contains_text(text) if text else None)
    trees = tuple(tree for tree in found if tree is not None)
    sort = Sort(values[_SORT_BY] or NEWEST_FIRST.subject, values[_SORT_ORDER] != "asc")
    return Search(AllOf(trees), sort, values[_PAGE], values[_PER_PAGE])


def _read_filters(raw: object, _: str, errors: FieldErrors) -> Filter:
    return decode_group({"filters": raw}, "", errors)


def _read_sort_by(raw: object, path: str, errors: FieldErrors) -> Column | Score | None:
    by = STORABLE_STRING.read(raw, path, errors)
    if by == "score" or by.startswith(_SCORE_PREFIX):
        return score_named(by.removeprefix("score").removeprefix("."))
    subject = _SORTABLE.get(by)
    if subject is None and isinstance(raw, str):
        errors.add(path, f"unknown; known are {', '.join(_SORTABLE)}, score and score.<name>")
    return subject


_CONDITION: Final = named(
    "FilterCondition",
    closed_object(
        {
            "field": one_of(FIELDS),
            "operator": one_of(OPERATORS),
            "value": {"description": "`between` takes [low, high], `in` and `not_in` a list"},
            "nested_key": {
                "type": ["string", "null"],
                "description": "the key of `metadata`, the name of a `score`",
            },
        },
        ("field", "operator"),
    ),
)
_GROUP_SCHEMA: Final = named(
    "FilterGroup",
    closed_object(
        {
            "logic": {**one_of(("AND", "OR")), "default": "AND"},
            "filters": {"type": "array", "items": {"anyOf": [reference("FilterGroup"), _CONDITION]}},
        },
        ("filters",),
    ),
)
_GROUP: Final = optional("filter_group", ValueType[Filter](_GROUP_SCHEMA, decode_group))
_FILTERS: Final = optional(
    "filters",
    ValueType[Filter]({"type": "array", "items": _CONDITION}, _read_filters),
    description="more conditions, all of which must hold",
)
_TEXT: Final = optional("q", STORABLE_STRING, description="a string in the request or its response")
_SORT_BY: Final = optional(
    "sort_by",
    ValueType[Column | Score | None](
        {
            "anyOf": [
                one_of((*_SORTABLE, "score"), "SearchColumn"),
                {"type": "string", "pattern": r"^score\."},
            ]
        },
        _read_sort_by,
    ),
    description="Missing values come last, and by `pl_id` ids that are not numbers.",
)
_SORT_ORDER: Final = optional("sort_order", choice(("asc", "desc"), name="SortDirection"))
_PAGE: Final = optional("page", integer(1, MAX_PAGE), default=1)
_PER_PAGE: Final = optional("per_page", integer(1, MAX_PER_PAGE), default=DEFAULT_PER_PAGE)
_BODY: Final = make_body(
    _GROUP,
    _FILTERS,
    _TEXT,
    _SORT_BY,
    _SORT_ORDER,
    _PAGE,
    _PER_PAGE,
    optional("include_prompt_name", ANY, description="Accepted, without effect."),
    API_KEY,
    is_unique=True,
    example={
        "filter_group": {
            "logic": "AND",
            "filters": [{"field": "score", "nested_key": "summarization", "operator": "gte", "value": 90}],
        },
        "sort_by": "score.summarization",
        "sort_order": "asc",
    },
)


ENDPOINTS: Final = (
    answers.endpoint(
        "/api/public/v2/requests/search",
        search_requests,
        permission="r",
        body=_BODY,
        answer={
            "type": "object",
            "properties": {
                "success": constant(True),
                "items": {"type": "array", "items": struct_schema(SearchItem)},
                **dict.fromkeys(("page", "pages", "per_page", "total"), COUNT),
                "has_next": {"type": "boolean"},
                "has_prev": {"type": "boolean"},
                **dict.fromkeys(("next_num", "prev_num"), nullable({"type": "integer"})),
            },
            "required": ["success", "items", "page", "pages", "per_page", "total", "has_next", "has_prev"],
        },
    ),
)
