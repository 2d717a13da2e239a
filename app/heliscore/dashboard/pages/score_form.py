"""Scores that are given, changed and removed by hand.

What is saved goes the way of every score, and what is answered was read back. Values travel as texts: a
script's numbers would round the larger integers.
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
from heliscore.api.shared.score_maps import plain_name, read_entry
from heliscore.dashboard.pages.request_detail import (
    ONE,
    Field,
    as_text,
    find_request,
    show_request,
)
from heliscore.dashboard.parts.page_routes import Page, PageRequest, answer_data, redirect
from heliscore.dashboard.parts.search_address import PATH, read_search
from heliscore.domain.errors import InvalidInput
from heliscore.domain.score import Score
from heliscore.domain.times import now
from heliscore.store import scores as store

_SCORES: Final = required("scores", mapping_of(STRING))
_BODY: Final = make_body(_SCORES, example={"scores": {"accuracy": "95"}})

_INTEGER: Final = re.compile(r"[+-]?\d{1,20}", re.ASCII)
_WORDS: Final = {"yes": True, "true": True, "no": False, "false": False}


async def save_form(visit: PageRequest) -> Response:
    """Save or remove one score, as a form without script does, and show the request again or the next one."""
    request_id = read_path_parameter(visit.request, "requestId")
    search = read_search(visit.request.query_params)
    name, entered = visit.form.get("name", "").strip(), visit.form.get("value", "").strip()
    here = search.of_request(request_id) or PATH
    if visit.form.get("act") == "remove":
        removed = await _remove(visit, request_id, name)
        if removed is None:
            return redirect(here)
        notice = urlencode({"removed": plain_name(name), "was": as_text(removed)})
        return redirect(f"{here}{'&' if '?' in here else '?'}{notice}")
    try:
        await _save(visit, request_id, {name: entered})
    except InvalidInput as error:
        reason = "; ".join(error.message for error in error.errors)
        return await show_request(
            visit, Field(plain_name(name), is_boolean=False, entered=entered, error=reason)
        )
    target = visit.form.get("then", "")
    return redirect(target if target.startswith(f"{PATH}/") else here)


async def save_scores(visit: PageRequest) -> Response:
    """Save `{"scores": {name: text}}`, all or nothing, and answer all that the request has then."""
    request_id = read_path_parameter(visit.request, "requestId")
    await _save(visit, request_id, _BODY.decode(visit.body)[_SCORES])
    return await _answer_scores(visit, request_id)


async def remove_score(visit: PageRequest) -> Response:
    """Remove one score, and answer all that the request has then."""
    request_id = read_path_parameter(visit.request, "requestId")
    await _remove(visit, request_id, read_path_parameter(visit.request, "name"))
    return await _answer_scores(visit, request_id)


async def _save(visit: PageRequest, request_id: str, entered: dict[str, str]) -> None:
    """Store scores that were entered as texts. Raises InvalidInput in the words of the API, and NotFound: who
    scores by hand sees the request, and must not bring one back that was removed meanwhile."""
    scores: dict[str, Score] = {}
    errors = FieldErrors()
    for name, text in entered.items():
        for error in read_entry(name, _read_value(text), scores):
            errors.add(name, error)
    errors.raise_any()
    async with visit.services.database.connection() as connection:
        await find_request(visit, connection, request_id)
    await record_scores(visit.call, request_id, scores)


def _read_value(text: str) -> object:
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    return int(text) if _INTEGER.fullmatch(text) else text


async def _remove(visit: PageRequest, request_id: str, name: str) -> Score | None:
    """Remove a score and return what it was; None where it was gone already."""
    name = plain_name(name)
    organization_id = visit.organization_id
    async with visit.services.database.connection() as connection:
        given = await store.find_scores(connection, organization_id, request_id)
        ids = await visit.services.names.find(connection, organization_id, [name])
        if name not in given or name not in ids:
            return None
        await store.remove_score(connection, organization_id, request_id, ids[name], now())
    return given[name]


async def _answer_scores(visit: PageRequest, request_id: str) -> Response:
    async with visit.services.database.connection() as connection:
        given = await store.find_scores(connection, visit.organization_id, request_id)
    return answer_data({"scores": {name: as_text(score) for name, score in given.items()}})


PAGES = (
    Page(method="POST", path=f"{ONE}/score", handler=save_form, permission="w"),
    Page(method="PUT", path=f"{ONE}/scores", handler=save_scores, permission="w", data=True),
    Page(method="DELETE", path=f"{ONE}/scores/{{name}}", handler=remove_score, permission="w", data=True),
)
