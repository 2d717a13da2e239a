"""A search of requests in a page's address, so that it can be bookmarked and shared: filter and sort in the
API's JSON, the range of time, the columns of the table, and the cursor."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlencode

import msgspec
from starlette.datastructures import QueryParams

from heliscore.api.helicone.query_bodies import Query, decode_query
from heliscore.api.http.field_errors import FieldErrors
from heliscore.api.shared.filter_leaves import between
from heliscore.api.shared.sort_fields import encode_sort
from heliscore.dashboard.parts.table_columns import DEFAULT_COLUMNS
from heliscore.dashboard.parts.time_range import RANGES, TimeRange, read_time_range
from heliscore.domain import saved_view
from heliscore.domain.filter_tree import (
    NEWEST_FIRST,
    AllOf,
    Column,
    Compare,
    Property,
    Score,
    Sort,
    SortSubject,
    score_names,
)
from heliscore.domain.saved_view import PROPERTY, find_column_error
from heliscore.domain.times import now
from heliscore.store.search.found_requests import Request
from heliscore.store.search.page_order import Position

PATH: Final = "/requests"

MAX_NAMES: Final = 500
"""At most this many score names are offered on pages of requests; others can be typed."""

RANGE_KEYS: Final = ("range", "from", "to", "zone")
"""The parameters of the time, those of pages of numbers."""

_MAX_DIGITS: Final = 12


class SearchAddress(msgspec.Struct, frozen=True):
    """The parameters of an address; empty if it does not have them."""

    filter: str = ""
    sort: str = ""
    columns: tuple[str, ...] = ()
    """Scores that have a column."""

    cursor: str = ""
    shown: tuple[str, ...] = ()
    """The other columns, unless they are the usual ones."""

    times: tuple[tuple[str, str], ...] = ()
    """Those of RANGE_KEYS; relative ranges stay relative."""

    place: int = 0
    """The number of the request, or of the first one of the page, in the search's order; 0 if unknown."""

    def href(self, path: str = PATH, *, place: int = 0, **changes: Any) -> str:
        """The address of a page with this search, or with some of its parameters changed."""
        query = msgspec.structs.replace(self, **changes).query
        if place:
            query += f"{'&' if query else ''}n={place}"
        return f"{path}?{query}" if query else path

    def request_href(self, request_id: str, then: str = "", cursor: str = "", place: int = 0) -> str | None:
        """The address of a request that this search found. None for the ids `.` and `..`, which browsers
        resolve as path segments, however they are encoded."""
        if request_id in (".", ".."):
            return None
        return self.href(f"{PATH}/{quote(request_id, safe='')}{then}", place=place, cursor=cursor)

    @property
    def query(self) -> str:
        """The part of the address behind the question mark, but for the place."""
        return urlencode([(key, text) for key, text in self.pairs if text])

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The parameters by name."""
        pairs = [("filter", self.filter), ("sort", self.sort), *self.times]
        pairs += [("column", name) for name in self.columns]
        pairs.append(("show", ",".join(name for name in self.shown if not name.startswith(PROPERTY))))
        pairs += [("show", name) for name in self.shown if name.startswith(PROPERTY)]
        return [*pairs, ("cursor", self.cursor)]

    @property
    def table_columns(self) -> tuple[str, ...]:
        """The columns that are shown, beside those of scores."""
        return self.shown or DEFAULT_COLUMNS

    def time(self, key: str) -> str:
        """One of RANGE_KEYS, empty where it is not given."""
        return dict(self.times).get(key, "")

    @property
    def ranges(self) -> list[tuple[str, str, bool]]:
        """Of each range the name, empty for all time, the address, and whether it is that of the search."""
        zone = tuple(pair for pair in self.times if pair[0] == "zone")
        here = "custom" if self.time("from") else self.time("range")
        return [
            (name, self.href(times=((("range", name),) if name else ()) + zone, cursor=""), name == here)
            for name in ("", *RANGES)
        ]

    def time_range(self) -> TimeRange | None:
        """The time that the search is limited to as of now; None: all."""
        if not any(self.time(key) for key in ("range", "from", "to")):
            return None
        return read_time_range(QueryParams(list(self.times)), now(), frozenset())


def read_search(params: QueryParams) -> SearchAddress:
    columns = tuple(dict.fromkeys(name for name in params.getlist("column") if name))
    texts = {key: params.get(key, "").strip() for key in ("filter", "sort", "cursor")}
    times = tuple((key, params[key]) for key in RANGE_KEYS if params.get(key))
    place = params.get("n", "")
    known = int(place) if place.isascii() and place.isdigit() and len(place) < _MAX_DIGITS else 0
    return SearchAddress(columns=columns, shown=_read_shown(params), times=times, place=known, **texts)


def read_query(query: str) -> SearchAddress:
    """Read the part of an address behind the question mark."""
    return read_search(QueryParams(parse_qsl(query, keep_blank_values=True)))


def _read_shown(params: QueryParams) -> tuple[str, ...]:
    """Columns that do not exist are left out: an address may be older than they."""
    names = [
        name
        for value in params.getlist("show")
        for name in ([value] if value.startswith(PROPERTY) else value.split(","))
    ]
    if typed := params.get("property", "").strip():
        names = [*(names or DEFAULT_COLUMNS), PROPERTY + typed]
    shown = tuple(name for name in dict.fromkeys(names) if name and not find_column_error(name))
    return () if set(shown) == set(DEFAULT_COLUMNS) else shown


def decode_search(search: SearchAddress, limit: int) -> Query:
    """Decode it as the API does, limited to the range of time. Raises InvalidInput with every error."""
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
    time_range = search.time_range()
    for wrong in time_range.errors if time_range else ():
        errors.add(wrong.path, wrong.message)
    errors.raise_any()
    query = decode_query(msgspec.json.encode(body))
    if time_range is None:
        return query
    return msgspec.structs.replace(query, filter=AllOf((query.filter, *_limits(time_range))))


def _limits(time_range: TimeRange) -> tuple[Compare, Compare]:
    created_at = Column("created_at")
    return Compare(created_at, ">=", time_range.start), Compare(created_at, "<", time_range.end)


def fix_times(search: SearchAddress) -> SearchAddress:
    """The same search with its range as a condition of the filter: of the present moment, whenever it is
    used. The search must have no errors."""
    begin, end = wrap_filter(search)
    if not begin:
        return search
    return msgspec.structs.replace(search, filter=begin + (search.filter or '"all"') + end, times=())


def wrap_filter(search: SearchAddress) -> tuple[str, str]:
    """The JSON around a filter that limits it to the range of the search; empty without one."""
    time_range = search.time_range()
    if time_range is None or time_range.errors:
        return "", ""
    limits = msgspec.json.encode(between(time_range.start, time_range.end)).decode()
    return '{"left": ', f', "operator": "and", "right": {limits}}}'


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


def format_sort(subject: SortSubject, *, descending: bool) -> str:
    """Format a sort order for an address; empty for the default one."""
    sort = Sort(subject, descending)
    return "" if sort == NEWEST_FIRST else msgspec.json.encode(encode_sort(sort)).decode()


def to_saved(search: SearchAddress) -> saved_view.Search:
    """The search as a view keeps it: without the cursor."""
    return saved_view.Search(
        filter=search.filter,
        sort=search.sort,
        scores=search.columns,
        columns=search.shown,
        range=search.time("range"),
        first_day=search.time("from"),
        last_day=search.time("to"),
        zone=search.time("zone"),
    )


def from_saved(saved: saved_view.Search) -> SearchAddress:
    """The search of a view."""
    times = (saved.range, saved.first_day, saved.last_day, saved.zone)
    return SearchAddress(
        filter=saved.filter,
        sort=saved.sort,
        columns=saved.scores,
        shown=saved.columns,
        times=tuple((key, text) for key, text in zip(RANGE_KEYS, times, strict=True) if text),
    )
