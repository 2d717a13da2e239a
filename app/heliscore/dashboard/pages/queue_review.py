"""Working through a review queue: its beginning, and one item with the conversation and the scores that are
wanted. It needs no script."""

from __future__ import annotations

import asyncio
from typing import Any, Final
from urllib.parse import quote

import msgspec
from starlette.responses import Response

from heliscore.api.http.html import make_policy
from heliscore.api.http.large_work import LARGE_BYTES
from heliscore.api.native.queue_commands import ID, find_queue
from heliscore.api.native.queue_fields import DONE_BODY, GIVEN
from heliscore.api.native.review_commands import (
    Review,
    find_review,
    finish,
    reserve_next,
    reviewer_of,
    skip,
)
from heliscore.dashboard.pages.score_form import read_value
from heliscore.dashboard.parts.conversation import Layout, lay_out, working_size
from heliscore.dashboard.parts.page_routes import Page, PageRequest, redirect
from heliscore.dashboard.parts.provenance import format_labelled
from heliscore.dashboard.parts.queue_words import ShownQueue
from heliscore.dashboard.parts.score_fields import value_string
from heliscore.dashboard.parts.search_address import MAX_NAMES
from heliscore.dashboard.parts.session import work_path
from heliscore.domain.author import Author
from heliscore.domain.errors import Conflict, FieldError, InvalidInput
from heliscore.domain.score import FEEDBACK, MAX_COMMENT_LENGTH
from heliscore.domain.score_changes import Change
from heliscore.domain.score_definition import ScoreDefinition
from heliscore.store import queue_reviews, review_queues
from heliscore.store import scores as score_store

_HEADERS: Final = {"Content-Security-Policy": make_policy(media_src="data:")}
_MAX_OPTIONS: Final = 12
"""More labels than so many are chosen by their numbers."""


class WantedScore(msgspec.Struct, frozen=True, kw_only=True):
    """The field of a score that is wanted."""

    name: str
    definition: ScoreDefinition | None
    options: tuple[tuple[str, str], ...]
    """Values and words; none for a number."""

    value: str
    comment: str
    error: str
    others: tuple[tuple[str, str, str | None], ...]
    """Author, value and comment of the opinions of others, unless they are hidden."""


def _find_options(name: str, definition: ScoreDefinition | None, is_boolean: bool) -> tuple[Any, ...]:
    labels = {} if definition is None else definition.labels
    if name == FEEDBACK or is_boolean:
        yes, no = ("Up", "Down") if name == FEEDBACK else ("Yes", "No")
        return (("true", labels.get(1, yes)), ("false", labels.get(0, no)))
    if definition is not None and definition.type == "category" and len(labels) <= _MAX_OPTIONS:
        return tuple((str(value), label) for value, label in labels.items())
    return ()


def _make_fields(
    review: Review,
    definitions: dict[str, ScoreDefinition],
    kinds: dict[str, bool],
    form: dict[str, str],
    errors: tuple[FieldError, ...],
) -> list[WantedScore]:
    fields = []
    for index, name in enumerate(review.queue.scores):
        definition = definitions.get(name)
        is_boolean = kinds.get(name, False) if definition is None else definition.type == "boolean"
        given = review.given.get(name)
        stored = "" if given is None or given.score is None else value_string(given.score)
        comment = "" if given is None else given.comment or ""
        fields.append(
            WantedScore(
                name=name,
                definition=definition,
                options=_find_options(name, definition, is_boolean),
                value=form.get(f"value-{index}", stored),
                comment=form.get(f"comment-{index}", comment),
                error="; ".join(
                    one.message
                    for one in errors
                    if one.path == f"scores.{name}" or one.path.startswith(f"scores.{name}.")
                ),
                others=tuple(
                    (str(opinion.author), _show_value(name, opinion, definition), opinion.comment)
                    for other, opinion in review.others or ()
                    if other == name
                ),
            )
        )
    return fields


def _show_value(name: str, opinion: Change, definition: ScoreDefinition | None) -> str:
    return "" if opinion.score is None else format_labelled(name, opinion.score, definition)


def _reviewer(page: PageRequest) -> Author:
    return reviewer_of(page.call, page.signed_in.author)


async def show_work(page: PageRequest) -> Response:
    """Show what is asked, and whether something is left."""
    async with page.services.database.connection() as connection:
        queue = await find_queue(page.call, connection)
        reviewers = await review_queues.list_reviewers(connection, page.organization_id, queue.id)
        reviewer = str(_reviewer(page))
        is_left = await queue_reviews.has_left(connection, page.organization_id, queue.id, reviewer)
    definitions = (await page.services.definitions.find(page.organization_id)).by_name
    return page.render(
        "pages/queue_start.html",
        queue=queue,
        shown=ShownQueue(queue),
        definitions=definitions,
        is_left=is_left,
        own=next((one for one in reviewers if one.author == reviewer), None),
        needs_name=page.signed_in.reviewer is None,
        here=work_path(queue.id),
    )


async def take_item(page: PageRequest) -> Response:
    """Reserve the next item and show it, or say that none is left."""
    request_id = await reserve_next(page.call, _reviewer(page))
    return redirect(_next_path(page, request_id))


def _next_path(page: PageRequest, request_id: str | None) -> str:
    queue_id = page.request.path_params[ID]
    return work_path(queue_id) if request_id is None else _item_path(queue_id, request_id)


def _item_path(queue_id: str, request_id: str) -> str:
    return f"/queues/{queue_id}/item?id={quote(request_id, safe='')}"


async def show_item(page: PageRequest, errors: tuple[FieldError, ...] = (), message: str = "") -> Response:
    """Show an item; `errors` say why what was entered could not be saved."""
    request_id = page.request.query_params.get("id", "")
    review = await find_review(page.call, request_id, _reviewer(page))
    definitions = dict((await page.services.definitions.find(page.organization_id)).by_name)
    async with page.services.database.connection() as connection:
        kinds = await score_store.list_kinds(connection, page.organization_id, MAX_NAMES)
    bodies = review.request.request_body, review.request.response_body
    size = working_size(*bodies)
    layout = await page.services.large_work.run(lay_out, *bodies, size_bytes=size)
    fields = _make_fields(review, definitions, kinds, page.form, errors)
    if size >= LARGE_BYTES:
        return await asyncio.to_thread(_render, page, review, layout, fields, message, bool(errors))
    return _render(page, review, layout, fields, message, bool(errors))


def _render(
    page: PageRequest,
    review: Review,
    layout: Layout,
    fields: list[WantedScore],
    message: str,
    is_wrong: bool,
) -> Response:
    return page.render(
        "pages/queue_item.html",
        status=409 if message else 400 if is_wrong else 200,
        headers=_HEADERS,
        review=review,
        queue=review.queue,
        item=review.item,
        layout=layout,
        fields=fields,
        message=message,
        here=_item_path(review.queue.id, review.request.request_id),
        start=work_path(review.queue.id),
        max_comment_length=MAX_COMMENT_LENGTH,
    )


async def submit_item(page: PageRequest) -> Response:
    """Save the scores and go to the next item, or skip this one."""
    request_id, reviewer = page.request.query_params.get("id", ""), _reviewer(page)
    try:
        if page.form.get("act") == "skip":
            await skip(page.call, request_id, reviewer)
        else:
            async with page.services.database.connection() as connection:
                queue = await find_queue(page.call, connection)
            sent = DONE_BODY.read({"scores": _read_scores(page.form, queue.scores)})[GIVEN]
            await finish(page.call, request_id, sent, reviewer)
    except InvalidInput as error:
        return await show_item(page, error.errors)
    except Conflict as error:
        return await show_item(page, message=str(error))
    return await take_item(page)


def _read_scores(form: dict[str, str], names: tuple[str, ...]) -> dict[str, Any]:
    """What was entered, as the API takes it; empty fields are left out."""
    scores: dict[str, Any] = {}
    for index, name in enumerate(names):
        if value := form.get(f"value-{index}", "").strip():
            comment = form.get(f"comment-{index}", "").replace("\r\n", "\n")
            scores[name] = {"value": read_value(value), "comment": comment}
    return scores


_WORK: Final = f"/queues/{{{ID}}}/work"
_ITEM: Final = f"/queues/{{{ID}}}/item"

PAGES = (
    Page(path=_WORK, handler=show_work, for_reviewers=True),
    Page(method="POST", path=_WORK, handler=take_item, permission="rw", for_reviewers=True),
    Page(path=_ITEM, handler=show_item, for_reviewers=True),
    Page(method="POST", path=_ITEM, handler=submit_item, permission="rw", for_reviewers=True),
)
