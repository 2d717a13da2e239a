"""A search of requests in a page's address, so that it can be bookmarked and shared: filter and sort in the
API's JSON, the scores that have a column, and the cursor."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote, urlencode

import msgspec
from starlette.datastructures import QueryParams

from heliscore.api.helicone.query_bodies import Query, decode_query
from heliscore.api.http.field_errors import FieldErrors
from heliscore.domain.filter_tree import NEWEST_FIRST, Column, Property, Score, Sort, score_names
from heliscore.store.search.found_requests import Request
from heliscore.store.search.page_order import Position

PATH: Final = "/requests"

MAX_NAMES: Final = 500
"""At most this many score names are offered on pages of requests; others can be typed."""

_MAX_DIGITS: Final = 12


class SearchAddress(msgspec.Struct, frozen=True):
    """The parameters of an address; empty if it does not have them."""

    filter: str = ""
    sort: str = ""
    columns: tuple[str, ...] = ()
    cursor: str = ""
    place: int = 0
    """The number of the request, or of the first one of the page, in the search's order; 0 if unknown."""

    def href(self, path: str = PATH, *, place: int = 0, **changes: Any) -> str:
        """The address of a page with this search, or with some of its parameters changed."""
        changed = msgspec.structs.replace(self, **changes)
        pairs = [("filter", changed.filter), ("sort", changed.sort)]
        pairs += [("column", name) for name in changed.columns]
        pairs += [("cursor", changed.cursor), ("n", str(place or ""))]
        query = urlencode([(key, text) for key, text in pairs if text])
        return f"{path}?{query}" if query else path

    def request_href(self, request_id: str, then: str = "", cursor: str = "", place: int = 0) -> str | None:
        """The address of a request that this search found. None for the ids `.` and `..`, which browsers
        resolve as path segments, however they are encoded."""
        if request_id in (".", ".."):
            return None
        return self.href(f"{PATH}/{quote(request_id, safe='')}{then}", place=place, cursor=cursor)


def read_search(params: QueryParams) -> SearchAddress:
    columns = tuple(dict.fromkeys(name for name in params.getlist("column") if name))
    texts = {key: params.get(key, "").strip() for key in ("filter", "sort", "cursor")}
    place = params.get("n", "")
    known = int(place) if place.isascii() and place.isdigit() and len(place) < _MAX_DIGITS else 0
    return SearchAddress(columns=columns, place=known, **texts)


def decode_search(search: SearchAddress, limit: int) -> Query:
    """Decode it as the API does. Raises InvalidInput with every error."""
    errors = FieldErrors()
    body: dict[str, object] = {"limit": limit, "cursor": search.cursor or None}
    for key, text in (("filter", search.filter or '"all"'), ("sort", search.sort or "{}")):
        try:
            msgspec.json.decode(text)
        except msgspec.DecodeError as error:
            errors.add(key, f"not valid JSON: {error}")
        except RecursionError:
            errors.add(key, "nested too deeply")
        body[key] = msgspec.Raw(text.encode())
    errors.raise_any()
    return decode_query(msgspec.json.encode(body))


def mentioned_scores(query: Query) -> list[str]:
    """The scores of a query: of its sort, then of its filter."""
    sorted_by = [query.sort.subject.name] if isinstance(query.sort.subject, Score) else []
    return list(dict.fromkeys([*sorted_by, *sorted(score_names(query.filter))]))


_COLUMNS: Final = {*Request.__struct_fields__} - {"scored"}


def find_position(request: Request, sort: Sort, scores: dict[str, int]) -> Position | None:
    """Find the position of a request in a sort order. None if the order is random, or by a column that is not
    read with the request."""
    match sort.subject:
        case Column(name) if name in _COLUMNS:
            value = getattr(request, name)
            if isinstance(value, bytes):  # a body is sorted by its text
                value = value.decode()
        case Score(name):
            value = scores.get(name)
        case Property(key):
            value = msgspec.json.decode(request.properties, type=dict[str, Any]).get(key)
        case _:
            return None
    return Position(value, request.created_at, request.request_id)


_SORT_KEYS: Final = {
    "created_at": "created_at",
    "latency_ms": "latency",
    "model": "body_model",
    "user_id": "user_id",
}
"""The columns by which the table can be sorted, and their names in the API."""


def format_sort(subject: Column | Score, *, descending: bool) -> str:
    """Format a sort order for an address; empty for the default one."""
    if Sort(subject, descending) == NEWEST_FIRST:
        return ""
    direction = "desc" if descending else "asc"
    sort: dict[str, object] = (
        {"scores": {subject.name: direction}}
        if isinstance(subject, Score)
        else {_SORT_KEYS[subject.name]: direction}
    )
    return msgspec.json.encode(sort).decode()
