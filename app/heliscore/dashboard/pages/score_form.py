"""Saves and removes scores that people enter.

They are stored as scores of the API are, and answers are read back from the database. Values are sent as
strings: a script's numbers would round large integers.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlencode

from starlette.responses import Response

from heliscore.api.http.body_fields import make_body, required
from heliscore.api.http.field_errors import FieldErrors
from heliscore.api.http.path_parameters import read_path_parameter
from heliscore.api.http.value_types import STRING, mapping_of
from heliscore.api.shared.score_commands import record_scores
from heliscore.api.shared.score_commands import remove_score as remove
from heliscore.api.shared.score_maps import plain_name, read_entry
from heliscore.dashboard.pages.request_detail import (
    REQUEST_PATH,
    ScoreField,
    find_request,
    show_request,
    value_string,
)
from heliscore.dashboard.parts.page_routes import Page, PageRequest, answer_data, redirect
from heliscore.dashboard.parts.search_address import PATH, read_search
from heliscore.domain.errors import InvalidInput
from heliscore.domain.score import Score
from heliscore.store import scores as store

_SCORES: Final = required("scores", mapping_of(STRING))
_BODY: Final = make_body(_SCORES, example={"scores": {"accuracy": "95"}})

CALL: Final = "page"

_INTEGER: Final = re.compile(r"[+-]?\d{1,20}", re.ASCII)
_WORDS: Final = {"yes": True, "true": True, "no": False, "false": False}


async def save_form(page: PageRequest) -> Response:
    """Save or remove one score from a form without script, then show this request or the next one."""
    request_id = read_path_parameter(page.request, "requestId")
    search = read_search(page.request.query_params)
    name, entered = page.form.get("name", "").strip(), page.form.get("value", "").strip()
    here = search.request_href(request_id) or PATH
    if page.form.get("act") == "remove":
        removed = await _remove(page, request_id, name)
        if removed is None:
            return redirect(here)
        notice = urlencode({"removed": plain_name(name), "was": value_string(removed)})
        return redirect(f"{here}{'&' if '?' in here else '?'}{notice}")
    try:
        await _save(page, request_id, {name: entered})
    except InvalidInput as error:
        reason = "; ".join(error.message for error in error.errors)
        return await show_request(
            page, ScoreField(plain_name(name), is_boolean=False, entered=entered, error=reason)
        )
    target = page.form.get("then", "")
    return redirect(target if target.startswith(f"{PATH}/") else here)


async def save_scores(page: PageRequest) -> Response:
    """Save `{"scores": {name: string}}`, all or nothing, and answer all scores of the request."""
    request_id = read_path_parameter(page.request, "requestId")
    await _save(page, request_id, _BODY.decode(page.body)[_SCORES])
    return await _answer_scores(page, request_id)


async def remove_score(page: PageRequest) -> Response:
    """Remove one score, and answer all scores of the request."""
    request_id = read_path_parameter(page.request, "requestId")
    await _remove(page, request_id, read_path_parameter(page.request, "name"))
    return await _answer_scores(page, request_id)


async def _save(page: PageRequest, request_id: str, entered: dict[str, str]) -> None:
    """Store scores that were entered as strings. Raises InvalidInput with the API's messages, and NotFound: a
    request that was removed meanwhile must not come back by a score."""
    scores: dict[str, Score] = {}
    errors = FieldErrors()
    for name, text in entered.items():
        for error in read_entry(name, _read_value(text), scores):
            errors.add(name, error)
    errors.raise_any()
    async with page.services.database.connection() as connection:
        await find_request(page, connection, request_id)
    await record_scores(page.call, request_id, scores, CALL)


def _read_value(text: str) -> object:
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    return int(text) if _INTEGER.fullmatch(text) else text


async def _remove(page: PageRequest, request_id: str, name: str) -> Score | None:
    """Remove a score and return its value; None if there was none."""
    name = plain_name(name)
    async with page.services.database.connection() as connection:
        given = await store.find_scores(connection, page.organization_id, request_id)
    if name not in given or not await remove(page.call, request_id, name, CALL):
        return None
    return given[name]


async def _answer_scores(page: PageRequest, request_id: str) -> Response:
    async with page.services.database.connection() as connection:
        given = await store.find_scores(connection, page.organization_id, request_id)
    return answer_data({"scores": {name: value_string(score) for name, score in given.items()}})


PAGES = (
    Page(method="POST", path=f"{REQUEST_PATH}/score", handler=save_form, permission="w"),
    Page(method="PUT", path=f"{REQUEST_PATH}/scores", handler=save_scores, permission="w", data=True),
    Page(
        method="DELETE",
        path=f"{REQUEST_PATH}/scores/{{name}}",
        handler=remove_score,
        permission="w",
        data=True,
    ),
)
