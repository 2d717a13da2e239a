"""Review queues, their items and reviewers as answers show them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from heliscore.api.http.json_schema import COUNT, STRING, Schema, nullable, one_of, whole_object
from heliscore.api.shared.definition_fields import SCHEMA as DEFINITION
from heliscore.domain.review_queue import QueueItem, Reviewer, ReviewerLink, ReviewQueue
from heliscore.domain.score_definition import ScoreDefinition
from heliscore.domain.times import encode_time

_STATES: Final = {"left": "left", "in_work": "inWork", "done": "done"}
_STRINGS: Final[Schema] = {"type": "array", "items": STRING}
_BOOLEAN: Final[Schema] = {"type": "boolean"}
_TIME: Final = STRING
_QUEUE: Final[dict[str, Schema]] = {
    "id": STRING,
    "name": STRING,
    "instructions": STRING,
    "scores": _STRINGS,
    "reviewersPerItem": COUNT,
    "blind": _BOOLEAN,
    "reservationMinutes": COUNT,
    "createdAt": _TIME,
    "closedAt": nullable(_TIME),
    "items": whole_object("QueueItemCounts", {"all": COUNT, "done": COUNT, "inWork": COUNT, "left": COUNT}),
    "reviews": whole_object("QueueReviewCounts", {"wanted": COUNT, "done": COUNT}),
}
_REVIEWER: Final[dict[str, Schema]] = {
    "author": STRING,
    "done": COUNT,
    "skipped": COUNT,
    "atWork": _BOOLEAN,
    "lastDoneAt": nullable(_TIME),
}
_LINK: Final[dict[str, Schema]] = {
    "id": COUNT,
    "name": STRING,
    "hint": {"type": "string", "description": "The end of the key."},
    "createdAt": _TIME,
    "expiresAt": _TIME,
}
QUEUE_SCHEMA: Final = whole_object("ReviewQueue", _QUEUE)
ONE_QUEUE_SCHEMA: Final = whole_object(
    "ReviewQueueDetails",
    {
        **_QUEUE,
        "definitions": {"type": "array", "items": DEFINITION},
        "reviewers": {"type": "array", "items": whole_object("QueueReviewer", _REVIEWER)},
        "links": {"type": "array", "items": whole_object("ReviewerLink", _LINK)},
    },
)
LINK_SCHEMA: Final = whole_object(
    "NewReviewerLink",
    {
        **_LINK,
        "apiKey": STRING,
        "path": {
            "type": "string",
            "description": "Where it signs a person in, behind the service's address.",
        },
    },
)
ITEM_SCHEMA: Final = whole_object(
    "QueueItem",
    {
        "position": COUNT,
        "requestId": STRING,
        "createdAt": _TIME,
        "state": one_of(_STATES.values(), "QueueItemState"),
        "doneBy": _STRINGS,
        "reservedBy": _STRINGS,
        "skippedBy": _STRINGS,
    },
)


def _time(time: datetime | None) -> Any:
    return None if time is None else encode_time(time)


def show_queue(queue: ReviewQueue) -> dict[str, Any]:
    """A queue as lists show it."""
    return {
        "id": queue.id,
        "name": queue.name,
        "instructions": queue.instructions,
        "scores": queue.scores,
        "reviewersPerItem": queue.reviewers_per_item,
        "blind": queue.is_blind,
        "reservationMinutes": queue.reservation_minutes,
        "createdAt": encode_time(queue.created_at),
        "closedAt": _time(queue.closed_at),
        "items": {
            "all": queue.items,
            "done": queue.items_done,
            "inWork": queue.items_in_work,
            "left": queue.items_left,
        },
        "reviews": {"wanted": queue.reviews_wanted, "done": queue.reviews_done},
    }


def show_whole_queue(
    queue: ReviewQueue,
    definitions: Iterable[ScoreDefinition],
    reviewers: Iterable[Reviewer],
    links: Iterable[ReviewerLink],
) -> dict[str, Any]:
    """A queue with all that is known of it."""
    return show_queue(queue) | {
        "definitions": list(definitions),
        "reviewers": [
            {
                "author": one.author,
                "done": one.done,
                "skipped": one.skipped,
                "atWork": one.is_at_work,
                "lastDoneAt": _time(one.last_done_at),
            }
            for one in reviewers
        ],
        "links": [show_link(link) for link in links],
    }


def show_link(link: ReviewerLink) -> dict[str, Any]:
    """A link, without its key."""
    return {
        "id": link.id,
        "name": link.name,
        "hint": link.hint,
        "createdAt": encode_time(link.created_at),
        "expiresAt": encode_time(link.expires_at),
    }


def show_item(item: QueueItem) -> dict[str, Any]:
    """A request of a queue."""
    return {
        "position": item.position,
        "requestId": item.request_id,
        "createdAt": encode_time(item.created_at),
        "state": _STATES[item.state],
        "doneBy": item.done_by,
        "reservedBy": item.reserved_by,
        "skippedBy": item.skipped_by,
    }
