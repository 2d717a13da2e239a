"""`POST /api/public/v2/requests/search`: requests out, in PromptLayer's shape."""

from __future__ import annotations

from typing import Final

import msgspec
from starlette.responses import Response

from heliscore.api.http.body_fields import Fields, decode_object
from heliscore.api.http.endpoints import ApiCall, Schema
from heliscore.api.http.json_codec import Json
from heliscore.api.promptlayer import answers
from heliscore.api.promptlayer.search_filters import (
    COLUMNS,
    FIELDS,
    OPERATORS,
    contains_text,
    decode_group,
    score_named,
)
from heliscore.api.promptlayer.search_rows import SearchItem, make_item
from heliscore.domain.filter_tree import NEWEST_FIRST, AllOf, Column, Filter, Sort
from heliscore.domain.messages import described
from heliscore.store.search import request_search as store

MAX_PAGE: Final = 1_000_000
MAX_PER_PAGE: Final = 25
DEFAULT_PER_PAGE: Final = 10

_KEYS: Final = frozenset(
    (
        *("filter_group", "filters", "q", "sort_by", "sort_order", "page", "per_page"),
        *("include_prompt_name", "api_key"),
    )
)
_SCORE_PREFIX: Final = "score."
_SORTABLE: Final = COLUMNS | {"pl_id": Column("numeric_id")}


class Search(msgspec.Struct, frozen=True):
    """What a search body asks for."""

    filter: Filter
    sort: Sort
    page: int
    per_page: int


async def search_requests(call: ApiCall) -> Response:
    """Find requests by their scores, prompts, metadata, tags, times, texts and whatever else is served.

    Every condition counts; what is not understood is refused and never left out. The field `score` takes a
    score's name as its `nested_key` (`default` without one), and `sort_by` takes `score` or `score.<name>`. A
    request that does not have the field matches no operator on it but `is_null` and `is_empty`, which an
    empty text matches too; lists that are missing are empty, missing metadata reads as an empty text for
    `is_not`, `not_in` and `not_contains`.
    """
    search = decode_search(await call.body())
    services, organization_id = call.services, call.principal.organization_id
    async with services.database.connection() as connection:
        total = await store.count(connection, services.names, organization_id, search.filter)
        page = await store.search(
            connection,
            services.names,
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
    """Read the body of a search. Raises InvalidInput with every fault."""
    fields = decode_object(body, _KEYS, unique=True)
    raw, errors = fields.raw, fields.errors
    trees: list[Filter] = []
    if raw.get("filter_group") is not None:
        trees.append(decode_group(raw["filter_group"], "filter_group", errors))
    if raw.get("filters") is not None:
        trees.append(decode_group({"filters": raw["filters"]}, "", errors))
    if text := fields.text("q"):
        if "\0" in text:
            fields.reject("q", "must not contain NUL")
        trees.append(contains_text(text))
    sort = _decode_sort(fields)
    page = fields.integer("page", 1, MAX_PAGE)
    per_page = fields.integer("per_page", 1, MAX_PER_PAGE)
    errors.raise_any()
    return Search(AllOf(tuple(trees)), sort, page or 1, per_page or DEFAULT_PER_PAGE)


def _decode_sort(fields: Fields) -> Sort:
    by, order = fields.text("sort_by"), fields.text("sort_order")
    if order not in (None, "asc", "desc"):
        fields.reject("sort_order", f'expected "asc" or "desc", got {described(order)}')
    if by is None:
        subject = NEWEST_FIRST.subject
    elif by == "score" or by.startswith(_SCORE_PREFIX):
        subject = score_named(by.removeprefix("score").removeprefix("."))
    else:
        subject = _SORTABLE.get(by)
        if subject is None:
            fields.reject("sort_by", f"unknown; known are {', '.join(_SORTABLE)}, score and score.<name>")
    if "\0" in (by or ""):
        fields.reject("sort_by", "must not contain NUL")
    return Sort(subject, order != "asc")


_REF: Final = "#/components/schemas/"
_items, _components = msgspec.json.schema_components([SearchItem], ref_template=_REF + "{name}")

COMPONENTS: Final[dict[str, Schema]] = {
    **_components,
    "PromptLayerError": answers.ERROR_SCHEMA,
    "FilterGroup": {
        "type": "object",
        "properties": {
            "logic": {"enum": ["AND", "OR"], "default": "AND"},
            "filters": {
                "type": "array",
                "items": {"anyOf": [{"$ref": _REF + "FilterGroup"}, {"$ref": _REF + "FilterCondition"}]},
            },
        },
        "required": ["filters"],
        "additionalProperties": False,
    },
    "FilterCondition": {
        "type": "object",
        "properties": {
            "field": {"enum": list(FIELDS)},
            "operator": {"enum": list(OPERATORS)},
            "value": {"description": "`between` takes [low, high], `in` and `not_in` a list"},
            "nested_key": {
                "type": ["string", "null"],
                "description": "the key of `metadata`, the name of a `score`",
            },
        },
        "required": ["field", "operator"],
        "additionalProperties": False,
    },
}

_COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
_PAGE: Final[Schema] = {"type": ["integer", "null"]}

ENDPOINTS: Final = (
    answers.endpoint(
        "/api/public/v2/requests/search",
        search_requests,
        permission="r",
        body={
            "type": "object",
            "properties": {
                "filter_group": {"anyOf": [{"$ref": _REF + "FilterGroup"}, {"type": "null"}]},
                "filters": {
                    "type": ["array", "null"],
                    "items": {"$ref": _REF + "FilterCondition"},
                    "description": "more conditions, which must all hold",
                },
                "q": {"type": ["string", "null"], "description": "a text in the request or its response"},
                "sort_by": {
                    "anyOf": [
                        {"enum": [*_SORTABLE, "score", None]},
                        {"type": "string", "pattern": r"^score\."},
                    ],
                    "description": "Missing values come last, and by `pl_id` ids that are no numbers.",
                },
                "sort_order": {"enum": ["asc", "desc", None]},
                "page": {"type": ["integer", "null"], "minimum": 1, "maximum": MAX_PAGE, "default": 1},
                "per_page": {
                    "type": ["integer", "null"],
                    "minimum": 1,
                    "maximum": MAX_PER_PAGE,
                    "default": DEFAULT_PER_PAGE,
                },
                "include_prompt_name": {"description": "Accepted, without effect."},
            },
            "additionalProperties": False,
        },
        body_example={
            "filter_group": {
                "logic": "AND",
                "filters": [
                    {"field": "score", "nested_key": "summarization", "operator": "gte", "value": 90}
                ],
            },
            "sort_by": "score.summarization",
            "sort_order": "asc",
        },
        answer={
            "type": "object",
            "properties": {
                "success": {"const": True},
                "items": {"type": "array", "items": {"$ref": _REF + "SearchItem"}},
                **dict.fromkeys(("page", "pages", "per_page", "total"), _COUNT),
                "has_next": {"type": "boolean"},
                "has_prev": {"type": "boolean"},
                **dict.fromkeys(("next_num", "prev_num"), _PAGE),
            },
            "required": ["success", "items", "page", "pages", "per_page", "total", "has_next", "has_prev"],
        },
    ),
)
