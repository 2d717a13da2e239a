"""`/v1/views`: named searches of requests, which the organization shares on its page of requests."""

from __future__ import annotations

from datetime import date
from typing import Any, Final, Never
from uuid import UUID

import msgspec
from starlette.responses import Response

from heliscore.api.http.body_fields import Values, ValueType, make_body, optional, required
from heliscore.api.http.endpoints import ApiCall
from heliscore.api.http.field_errors import FieldErrors
from heliscore.api.http.json_schema import STRING, Schema, nullable, whole_object
from heliscore.api.http.path_parameters import read_path_parameter, read_uuid
from heliscore.api.http.value_types import NAME, choice, list_of
from heliscore.api.shared import envelope
from heliscore.api.shared.filter_leaves import GIVEN_BACK, SENT_FILTER_OR_ALL
from heliscore.api.shared.sort_fields import SORT, SORT_TYPE, encode_sort
from heliscore.domain.errors import InvalidInput, NotFound
from heliscore.domain.filter_tree import NEWEST_FIRST
from heliscore.domain.messages import described
from heliscore.domain.saved_view import (
    COLUMNS,
    MAX_VIEWS,
    PROPERTY,
    RANGES,
    SavedView,
    Search,
    find_column_error,
    find_search_errors,
)
from heliscore.domain.score import MAX_SCORES_PER_CALL
from heliscore.store import saved_views as store

_MAX_COLUMNS: Final = 100


def _read_column(raw: object, path: str, errors: FieldErrors) -> str:
    name = NAME.read(raw, path, errors)
    if isinstance(raw, str) and (error := find_column_error(name)):
        errors.add(path, f"{error}, got {described(raw)}")
    return name


def _read_day(raw: object, path: str, errors: FieldErrors) -> str:
    try:
        return date.fromisoformat(str(raw)).isoformat()
    except ValueError:
        errors.add_unexpected(path, "a date such as 2026-01-31", raw)
        return ""


_COLUMN: Final = ValueType[str]({"type": "string", "minLength": 1}, _read_column)
_DAY: Final = ValueType[str]({"type": "string", "format": "date"}, _read_day)

_NAME: Final = required("name", NAME)
_SCORES: Final = optional(
    "scores",
    list_of(NAME, of="score names", maximum=MAX_SCORES_PER_CALL),
    default=[],
    description="Scores that have a column; none: those of the requests that are shown.",
)
_COLUMNS: Final = optional(
    "columns",
    list_of(_COLUMN, of="columns", maximum=_MAX_COLUMNS),
    default=[],
    description=f"Other columns: {', '.join(COLUMNS)}, {PROPERTY}KEY; none: the usual ones.",
)
_RANGE: Final = optional(
    "range", choice(RANGES, name="ViewRange"), description="The time until now; null: not limited."
)
_FROM: Final = optional("from", _DAY, description="The first day, in place of a range.")
_TO: Final = optional("to", _DAY, description="The last day; null: today.")
_ZONE: Final = optional("zone", NAME, description="Of the days, as Europe/Berlin; null: UTC.")


def _check(values: Values) -> None:
    if values.find(_RANGE) and (values.find(_FROM) or values.find(_TO)):
        values.reject(_RANGE, "must be null where there are days")
    elif values.find(_TO) and values.has(_FROM) and not values[_FROM]:
        values.reject(_FROM, "missing; a custom range needs a first day")


_EXAMPLE: Final = {
    "name": "Worst of the week",
    "filter": {"request_response_rmt": {"scores": {"accuracy": {"lt": 50}}}},
    "sort": {"scores": {"accuracy": "asc"}},
    "columns": ["answer", "model", "property:env"],
    "range": "7d",
}
_BODY: Final = make_body(
    *(_NAME, SENT_FILTER_OR_ALL, SORT, _SCORES, _COLUMNS, _RANGE, _FROM, _TO, _ZONE),
    check=_check,
    is_unique=True,
    example=_EXAMPLE,
)
_RENAME_BODY: Final = make_body(_NAME, example={"name": "Worst of the last 7 days"})


async def list_views(call: ApiCall) -> Response:
    """List the saved views of the page of requests, by name."""
    async with call.services.database.connection() as connection:
        views = await store.list_views(connection, call.principal.organization_id)
    return envelope.answer([_shown(view) for view in views])


async def create_view(call: ApiCall) -> Response:
    """Save a search of requests under a name, for everybody in the organization.

    The page of requests lists it. A `range` stays relative: it ends whenever the view is opened.
    """
    body = _BODY.decode(await call.body())
    sort = body[SORT]
    filter_ = body[SENT_FILTER_OR_ALL].raw
    search = Search(
        filter="" if filter_ == "all" else msgspec.json.encode(filter_).decode(),
        sort="" if sort == NEWEST_FIRST else msgspec.json.encode(encode_sort(sort)).decode(),
        scores=tuple(dict.fromkeys(body[_SCORES])),
        columns=tuple(dict.fromkeys(body[_COLUMNS])),
        range=body[_RANGE] or "",
        first_day=body[_FROM] or "",
        last_day=body[_TO] or "",
        zone=body[_ZONE] or "",
    )
    if errors := find_search_errors(search):
        raise InvalidInput(errors)
    async with call.services.database.connection() as connection:
        view = await store.add_view(connection, call.principal.organization_id, body[_NAME], search)
    return envelope.answer(_shown(view))


async def rename_view(call: ApiCall) -> Response:
    """Give a saved view another name."""
    name = _RENAME_BODY.decode(await call.body())[_NAME]
    id_ = _read_id(call)
    async with call.services.database.connection() as connection:
        view = await store.rename_view(connection, call.principal.organization_id, str(id_), name)
    return envelope.answer(_shown(view or _missing(id_)))


async def delete_view(call: ApiCall) -> Response:
    """Remove a saved view; no request."""
    id_ = _read_id(call)
    async with call.services.database.connection() as connection:
        removed = await store.remove_view(connection, call.principal.organization_id, str(id_))
    return envelope.DONE if removed else _missing(id_)


def _read_id(call: ApiCall) -> UUID:
    return read_uuid(read_path_parameter(call.request, "viewId"), "view")


def _missing(id_: UUID) -> Never:
    raise NotFound(f"there is no view {id_}")


def _shown(view: SavedView) -> dict[str, Any]:
    search = view.search
    return {
        "id": view.id,
        "name": view.name,
        "filter": _json(search.filter or '"all"'),
        "sort": _json(search.sort or '{"created_at":"desc"}'),
        "scores": search.scores,
        "columns": search.columns,
        "range": search.range or None,
        "from": search.first_day or None,
        "to": search.last_day or None,
        "zone": search.zone or None,
    }


def _json(text: str) -> msgspec.Raw:
    return msgspec.Raw(text.encode())


_TAG: Final = "Saved views"
_PATH: Final = "/v1/views"
_ONE: Final = f"{_PATH}/{{viewId}}"
_STRINGS: Final[Schema] = {"type": "array", "items": STRING}
_VIEW: Final = whole_object(
    "SavedView",
    {
        "id": {"type": "string", "format": "uuid"},
        "name": STRING,
        "filter": GIVEN_BACK,
        "sort": SORT_TYPE.schema,
        "scores": _STRINGS,
        "columns": _STRINGS,
        **dict.fromkeys(("range", "from", "to", "zone"), nullable(STRING)),
    },
)
_SHOWN: Final = {
    "id": "0f8b2a51-6a3c-4b55-9f0e-0c1d2e3f4a5b",
    **dict.fromkeys(("from", "to", "zone")),
    **_EXAMPLE,
    "scores": [],
}

ENDPOINTS: Final = (
    envelope.endpoint(
        "GET",
        _PATH,
        list_views,
        "r",
        _TAG,
        data={"type": "array", "maxItems": MAX_VIEWS, "items": _VIEW},
        data_example=[_SHOWN],
    ),
    envelope.endpoint("POST", _PATH, create_view, "rw", _TAG, body=_BODY, data=_VIEW, data_example=_SHOWN),
    envelope.endpoint(
        "PATCH",
        _ONE,
        rename_view,
        "rw",
        _TAG,
        body=_RENAME_BODY,
        data=_VIEW,
        data_example={**_SHOWN, "name": "Worst of the last 7 days"},
        errors=(NotFound,),
    ),
    envelope.endpoint("DELETE", _ONE, delete_view, "rw", _TAG, errors=(NotFound,)),
)
