"""A search of requests as a page's address holds it, so that a view can be kept, and sent to a colleague:
filter and sort in the API's own JSON, the scores that have a column, and the cursor."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote, urlencode

import msgspec
from starlette.datastructures import QueryParams

from heliscore.api.helicone.query_bodies import Query, decode_query
from heliscore.api.http.field_errors import FieldErrors
from heliscore.domain.filter_tree import NEWEST_FIRST, Column, Property, Score, Sort, score_names
from heliscore.store.search.page_order import Position
from heliscore.store.search.request_search import Request

PATH: Final = "/requests"


class Search(msgspec.Struct, frozen=True):
    """The texts of an address; empty where it does not have them."""

    filter: str = ""
    sort: str = ""
    columns: tuple[str, ...] = ()
    cursor: str = ""

    def address(self, path: str = PATH, **changes: Any) -> str:
        """The address of a page that shows this search with some changes."""
        changed = msgspec.structs.replace(self, **changes)
        pairs = [("filter", changed.filter), ("sort", changed.sort)]
        pairs += [("column", name) for name in changed.columns]
        query = urlencode([(key, text) for key, text in (*pairs, ("cursor", changed.cursor)) if text])
        return f"{path}?{query}" if query else path

    def of_request(self, request_id: str, then: str = "", cursor: str = "") -> str | None:
        """The address of a request that was found by this search. None for the two ids that no browser can
        ask for: it takes them for steps in the path, however they are encoded."""
        if request_id in (".", ".."):
            return None
        return self.address(f"{PATH}/{quote(request_id, safe='')}{then}", cursor=cursor)


def read_search(params: QueryParams) -> Search:
    columns = tuple(dict.fromkeys(name for name in params.getlist("column") if name))
    texts = {key: params.get(key, "").strip() for key in ("filter", "sort", "cursor")}
    return Search(columns=columns, **texts)


def decode_search(search: Search, limit: int) -> Query:
    """Read it as the API does. Raises InvalidInput with every fault."""
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


def names_in(query: Query) -> list[str]:
    """The scores that a search speaks of: those of its order, then those of its filter."""
    sorted_by = [query.sort.subject.name] if isinstance(query.sort.subject, Score) else []
    return list(dict.fromkeys([*sorted_by, *sorted(score_names(query.filter))]))


_COLUMNS: Final = {*Request.__struct_fields__} - {"scored"}


def place(request: Request, sort: Sort, scores: dict[str, int]) -> Position | None:
    """Where a request stands in an order. None where that cannot be told: a random order, or one by what is
    not read with the request."""
    match sort.subject:
        case Column(name) if name in _COLUMNS:
            value = getattr(request, name)
            if isinstance(value, bytes):  # sorted by a body: by its text
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
"""The columns that the table is sorted by, and their names in the API."""


def sort_text(subject: Column | Score, *, descending: bool) -> str:
    """How an order of the table stands in an address; empty for the usual one."""
    if Sort(subject, descending) == NEWEST_FIRST:
        return ""
    direction = "desc" if descending else "asc"
    sort: dict[str, object] = (
        {"scores": {subject.name: direction}}
        if isinstance(subject, Score)
        else {_SORT_KEYS[subject.name]: direction}
    )
    return msgspec.json.encode(sort).decode()
