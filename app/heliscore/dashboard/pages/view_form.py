"""Saves, renames and removes the views that the page of requests lists."""

from __future__ import annotations

from typing import Final

import msgspec
from starlette.datastructures import QueryParams
from starlette.responses import Response

from heliscore.api.http.body_fields import make_body, required
from heliscore.api.http.path_parameters import read_path_parameter, read_uuid
from heliscore.api.http.value_types import NAME
from heliscore.dashboard.pages.request_list import show_requests
from heliscore.dashboard.parts.page_routes import Page, PageRequest, redirect
from heliscore.dashboard.parts.search_address import decode_search, read_query, to_saved
from heliscore.domain.errors import InvalidInput, NotFound
from heliscore.domain.saved_view import find_search_errors
from heliscore.store import saved_views as store

_NAME: Final = required("name", NAME)
_BODY: Final = make_body(_NAME, example={"name": "Worst of the week"})


async def save_view(page: PageRequest) -> Response:
    """Save a search under a name, and show it."""
    search = msgspec.structs.replace(read_query(page.form.get("search", "")), cursor="")
    decode_search(search, 1)
    saved = to_saved(search)
    try:
        name = _BODY.read({_NAME.key: page.form.get("name", "").strip()})[_NAME]
        if errors := find_search_errors(saved):
            raise InvalidInput(errors)
        async with page.services.database.connection() as connection:
            await store.add_view(connection, page.organization_id, name, saved)
    except InvalidInput as error:
        return await show_requests(page, QueryParams(search.query), error.errors)
    return redirect(search.href())


async def change_view(page: PageRequest) -> Response:
    """Rename or remove a view, and show the table as it was."""
    id_ = str(read_uuid(read_path_parameter(page.request, "viewId"), "view"))
    search = msgspec.structs.replace(read_query(page.form.get("search", "")), cursor="")
    is_removal = page.form.get("act") == "remove"
    try:
        name = "" if is_removal else _BODY.read({_NAME.key: page.form.get("name", "").strip()})[_NAME]
        async with page.services.database.connection() as connection:
            if is_removal:
                found = await store.remove_view(connection, page.organization_id, id_)
            else:
                found = await store.rename_view(connection, page.organization_id, id_, name) is not None
    except InvalidInput as error:
        return await show_requests(page, QueryParams(search.query), error.errors)
    if not found:
        raise NotFound(f"there is no view {id_}")
    return redirect(search.href())


PAGES = (
    Page(method="POST", path="/saved-views", handler=save_view, permission="w"),
    Page(method="POST", path="/saved-views/{viewId}", handler=change_view, permission="w"),
)
