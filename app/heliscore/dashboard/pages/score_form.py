"""Saves, removes and undoes scores that people enter, with their names as authors.

They are stored as scores of the API are, and answers are read back from the database. Values are sent as
strings: a script's numbers would round large integers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from starlette.responses import Response

from heliscore.api.http.body_fields import ValueType, make_body, object_of, optional, required
from heliscore.api.http.field_errors import FieldErrors
from heliscore.api.http.path_parameters import read_path_parameter
from heliscore.api.http.value_types import STRING, integer, mapping_of
from heliscore.api.native.commented_scores import COMMENT
from heliscore.api.shared.score_commands import record_scores, restore_score
from heliscore.api.shared.score_commands import remove_score as remove
from heliscore.api.shared.score_maps import plain_name, read_entry
from heliscore.dashboard.pages.request_detail import (
    REQUEST_PATH,
    find_request,
    show_request,
)
from heliscore.dashboard.parts.page_routes import Page, PageRequest, answer_data, redirect
from heliscore.dashboard.parts.score_fields import ScoreField, value_string
from heliscore.dashboard.parts.search_address import PATH, read_search
from heliscore.domain.errors import Conflict, InvalidInput
from heliscore.domain.score import Score
from heliscore.domain.score_changes import RESTORE, find_undone, newest_shown, read_number
from heliscore.store import score_history
from heliscore.store import scores as store


class Entry(msgspec.Struct, frozen=True):
    """A score as a person entered it."""

    value: str
    comment: str | None = None


_VALUE: Final = required("value", STRING)
_COMMENT: Final = optional("comment", COMMENT)
_COMMENTED: Final = object_of(_VALUE, _COMMENT)


def _read_entry(raw: Any, path: str, errors: FieldErrors) -> Entry:
    if not isinstance(raw, dict):
        return Entry(STRING.read(raw, path, errors))
    read = _COMMENTED.read(raw, path, errors)
    return Entry(read.find(_VALUE) or "", read.find(_COMMENT))


_SCORES: Final = required("scores", mapping_of(ValueType[Entry]({}, _read_entry)))
_BODY: Final = make_body(
    _SCORES, example={"scores": {"accuracy": "95", "tone": {"value": "2", "comment": "curt"}}}
)
_CHANGE: Final = required("change", integer(0, 2**53))
_UNDO_BODY: Final = make_body(_CHANGE, example={"change": 1793541600123456})

CALL: Final = "page"

_INTEGER: Final = re.compile(r"[+-]?\d{1,20}", re.ASCII)
_WORDS: Final = {"yes": True, "true": True, "no": False, "false": False}


async def save_form(page: PageRequest) -> Response:
    """Save, remove or undo one score from a form without script, then show this request or the next one."""
    request_id = read_path_parameter(page.request, "requestId")
    search = read_search(page.request.query_params)
    name, entered = page.form.get("name", "").strip(), page.form.get("value", "").strip()
    here = search.request_href(request_id, place=search.place) or PATH
    if page.form.get("act") == "remove":
        if await _remove(page, request_id, name):
            here += f"{'&' if '?' in here else '?'}{urlencode({'removed': plain_name(name)})}"
        return redirect(here)
    if page.form.get("act") == "undo":
        number = page.form.get("change", "")
        body = {_CHANGE.key: int(number) if _INTEGER.fullmatch(number) else number}
        await _undo(page, request_id, name, _UNDO_BODY.read(body)[_CHANGE])
        return redirect(here)
    comment = page.form.get("comment", "").replace("\r\n", "\n")
    try:
        await _save(page, request_id, {name: _enter(entered, comment)})
    except InvalidInput as error:
        reason = "; ".join(error.message for error in error.errors)
        field = ScoreField(plain_name(name), is_boolean=False, entered=entered, comment=comment, error=reason)
        return await show_request(page, field)
    target = page.form.get("then", "")
    return redirect(target if target.startswith(f"{PATH}/") else here)


def _enter(value: str, comment: str) -> Entry:
    """Raises InvalidInput."""
    errors = FieldErrors()
    entry = Entry(value, COMMENT.read(comment, _COMMENT.key, errors))
    errors.raise_any()
    return entry


async def save_scores(page: PageRequest) -> Response:
    """Save `{"scores": {name: string | {"value": string, "comment": string}}}`, all or nothing, and answer
    all scores of the request, and what definitions warn of."""
    request_id = read_path_parameter(page.request, "requestId")
    warnings = await _save(page, request_id, _BODY.decode(page.body)[_SCORES])
    return await _answer_scores(page, request_id, warnings)


async def remove_score(page: PageRequest) -> Response:
    """Remove one score, and answer all scores of the request."""
    request_id = read_path_parameter(page.request, "requestId")
    await _remove(page, request_id, read_path_parameter(page.request, "name"))
    return await _answer_scores(page, request_id)


async def undo_score(page: PageRequest) -> Response:
    """Undo the newest change of a score, and answer all scores of the request."""
    request_id = read_path_parameter(page.request, "requestId")
    name = read_path_parameter(page.request, "name")
    await _undo(page, request_id, name, _UNDO_BODY.decode(page.body)[_CHANGE])
    return await _answer_scores(page, request_id)


async def _save(page: PageRequest, request_id: str, entered: Mapping[str, Entry]) -> list[str]:
    """Store scores that were entered, and return what definitions warn of. Raises InvalidInput with the API's
    messages, and NotFound: a request that was removed meanwhile must not come back by a score."""
    scores: dict[str, Score] = {}
    errors = FieldErrors()
    for name, entry in entered.items():
        for error in read_entry(name, read_value(entry.value), scores):
            errors.add(name, error)
    errors.raise_any()
    comments = {plain_name(name): entry.comment for name, entry in entered.items() if entry.comment}
    async with page.services.database.connection() as connection:
        await find_request(page, connection, request_id)
    author = page.signed_in.author
    return await record_scores(page.call, request_id, scores, CALL, comments=comments, author=author)


def read_value(text: str) -> object:
    """What a person entered, as the API takes it."""
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    return int(text) if _INTEGER.fullmatch(text) else text


async def _remove(page: PageRequest, request_id: str, name: str) -> bool:
    """Remove a score; False if there was none."""
    name = plain_name(name)
    async with page.services.database.connection() as connection:
        given = await store.find_scores(connection, page.organization_id, request_id)
    return name in given and await remove(page.call, request_id, name, CALL, author=page.signed_in.author)


async def _undo(page: PageRequest, request_id: str, name: str, number: int) -> None:
    """Set a score back to what it was before the person's own change of that number, or remove it. Raises
    Conflict if that is not the newest change, or another's."""
    name, author = plain_name(name), page.signed_in.author
    async with page.services.database.connection() as connection:
        found = await score_history.find_changes(connection, page.organization_id, request_id, name) or {}
    changes = found.get(name, [])
    present = newest_shown(changes)
    if present is None or present.number != number:
        raise Conflict(f"the score {name} was changed meanwhile: reload the page")
    if present.author != author:
        raise Conflict(f"the score {name} is not {author}'s: only its author undoes it")
    before = find_undone(changes)
    await restore_score(
        page.call,
        request_id,
        name,
        None if before is None else before.at,
        RESTORE,
        instead_of=read_number(number),
        author=author,
    )


async def _answer_scores(page: PageRequest, request_id: str, warnings: Sequence[str] = ()) -> Response:
    async with page.services.database.connection() as connection:
        given = await store.find_scores(connection, page.organization_id, request_id)
    scores = {name: value_string(score) for name, score in given.items()}
    return answer_data({"scores": scores} | ({"warnings": warnings} if warnings else {}))


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
    Page(
        method="POST",
        path=f"{REQUEST_PATH}/scores/{{name}}/undo",
        handler=undo_score,
        permission="w",
        data=True,
    ),
)
