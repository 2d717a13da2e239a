"""The fields of bodies about review queues: what is asked of reviewers, and which requests are in one."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from heliscore.api.http.body_fields import Values, ValueType, make_body, object_of, optional, required
from heliscore.api.http.field_errors import FieldErrors
from heliscore.api.http.value_types import BOOLEAN, NAME, STORABLE_STRING, choice, integer, list_of
from heliscore.api.native.commented_scores import COMMENTED_SCORES, CommentedScores
from heliscore.api.native.sample_fields import check_kind, sample_fields, size_up_to
from heliscore.api.shared.filter_schema import FILTER
from heliscore.api.shared.score_maps import score_names
from heliscore.api.shared.sort_fields import SORT_TYPE
from heliscore.domain.filter_tree import NEWEST_FIRST, Filter, Sort
from heliscore.domain.review_queue import (
    MAX_INSTRUCTIONS_LENGTH,
    MAX_ITEMS,
    MAX_LINK_DAYS,
    MAX_RESERVATION_MINUTES,
    MAX_REVIEWERS_PER_ITEM,
    MAX_SCORES,
    QueueTerms,
)


def _read_instructions(raw: object, path: str, errors: FieldErrors) -> str:
    text = STORABLE_STRING.read(raw, path, errors)
    if len(text) > MAX_INSTRUCTIONS_LENGTH:
        errors.add(path, f"must have at most {MAX_INSTRUCTIONS_LENGTH} characters, got {len(text)}")
    return text


_INSTRUCTIONS_TYPE: Final = ValueType[str](
    {"type": "string", "maxLength": MAX_INSTRUCTIONS_LENGTH}, _read_instructions
)
_MINUTES: Final = integer(1, MAX_RESERVATION_MINUTES)

NAME_FIELD: Final = required("name", NAME)
INSTRUCTIONS: Final = optional(
    "instructions", _INSTRUCTIONS_TYPE, default="", description="For reviewers, above each request."
)
SCORES: Final = required(
    "scores", score_names(MAX_SCORES), description="The names of those that each reviewer gives."
)
REVIEWERS_PER_ITEM: Final = optional("reviewersPerItem", integer(1, MAX_REVIEWERS_PER_ITEM), default=1)
BLIND: Final = optional(
    "blind",
    BOOLEAN,
    default=False,
    description="Whether reviewers see each other's scores of a request only once they have given their own.",
)
RESERVATION_MINUTES: Final = optional(
    "reservationMinutes",
    _MINUTES,
    default=30,
    description="How long a request stays reserved for the reviewer to whom it was handed out.",
)

_REQUEST_IDS: Final = optional(
    "requestIds",
    list_of(NAME, of="ids", maximum=MAX_ITEMS),
    description="In this order; unknown ones are left out.",
)
_FILTER: Final = optional("filter", FILTER, description="All requests that it finds, in the order of `sort`.")
_SORT: Final = optional("sort", SORT_TYPE)
_SIZE: Final = optional(
    "size", integer(1, MAX_ITEMS), description="Of what the filter finds, only so many: the first."
)
_SAMPLE_SIZE: Final = size_up_to(MAX_ITEMS)
_SAMPLE: Final = optional(
    "sample",
    object_of(*sample_fields(_SAMPLE_SIZE), name="QueueSample", check=check_kind),
    description="A sample, as `POST /v1/evals/sample` draws it.",
)

_CHOICES: Final[tuple[Any, ...]] = (_REQUEST_IDS, _FILTER, _SAMPLE)


def _check_choice(values: Values) -> None:
    """At most one way to choose requests."""
    if not all(values.has(field) for field in (*_CHOICES, _SORT, _SIZE)):
        return
    given = [field for field in _CHOICES if values[field] is not None]
    for field in given[1:]:
        values.reject(field, f"cannot be combined with {given[0].key}")
    for field in (_SORT, _SIZE):
        if values[field] is not None and values[_FILTER] is None:
            values.reject(field, "belongs to a filter")
    sort = values[_SORT]
    if sort is not None and sort.subject is None:
        values.reject(_SORT, 'a random order has no beginning: draw a sample by "random"')


def _check_some(values: Values) -> None:
    _check_choice(values)
    if all(values.has(field) and values[field] is None for field in _CHOICES):
        values.reject(_REQUEST_IDS, "missing, and so are filter and sample")


_EXAMPLE: Final = {
    "filter": {"request_response_rmt": {"scores": {"accuracy": {"lt": 50}}}},
    "sort": {"scores": {"accuracy": "asc"}},
    "size": 40,
}
QUEUE_BODY: Final = make_body(
    *(NAME_FIELD, INSTRUCTIONS, SCORES, REVIEWERS_PER_ITEM, BLIND, RESERVATION_MINUTES),
    *(*_CHOICES, _SORT, _SIZE),
    check=_check_choice,
    is_unique=True,
    example={"name": "bad answers", "scores": ["accuracy"], "reviewersPerItem": 2, **_EXAMPLE},
)
ITEMS_BODY: Final = make_body(*_CHOICES, _SORT, _SIZE, check=_check_some, is_unique=True, example=_EXAMPLE)

NEW_NAME: Final = optional("name", NAME)
NEW_INSTRUCTIONS: Final = optional("instructions", _INSTRUCTIONS_TYPE)
NEW_MINUTES: Final = optional("reservationMinutes", _MINUTES)
CLOSED: Final = optional("closed", BOOLEAN, description="Nothing is handed out of a closed queue.")
CHANGE_BODY: Final = make_body(
    NEW_NAME, NEW_INSTRUCTIONS, NEW_MINUTES, CLOSED, is_unique=True, example={"closed": True}
)

GIVEN: Final = optional(
    "scores",
    COMMENTED_SCORES,
    default=CommentedScores({}, {}),
    shown={},
    description="Some may be there already.",
)
DONE_BODY: Final = make_body(
    GIVEN, is_unique=True, example={"scores": {"accuracy": {"value": 20, "comment": "invents a refund"}}}
)

DAYS: Final = optional("days", integer(1, MAX_LINK_DAYS), default=7, description="After which it expires.")
LINK_NAME: Final = optional("name", NAME, description="To tell it from others; by default the queue's.")
LINK_BODY: Final = make_body(LINK_NAME, DAYS, is_unique=True, example={"name": "for Ann", "days": 7})

FORMATS: Final = ("jsonl", "csv")
FORMAT: Final = optional("format", choice(FORMATS, name="OpinionFormat"), default="jsonl")


class Chosen(msgspec.Struct, frozen=True):
    """Requests to be put into a queue, chosen in one of three ways; None: not in this one."""

    ids: list[str] | None = None
    tree: Filter | None = None
    sort: Sort = NEWEST_FIRST
    size: int | None = None
    sample: Values | None = None

    @property
    def is_nothing(self) -> bool:
        return self.ids is None and self.tree is None and self.sample is None


SAMPLE_SIZE: Final = _SAMPLE_SIZE


def read_chosen(values: Values) -> Chosen:
    """The requests that a body chooses."""
    return Chosen(
        values[_REQUEST_IDS], values[_FILTER], values[_SORT] or NEWEST_FIRST, values[_SIZE], values[_SAMPLE]
    )


def read_terms(values: Values) -> QueueTerms:
    """What a body asks of reviewers."""
    return QueueTerms(
        name=values[NAME_FIELD],
        instructions=values[INSTRUCTIONS],
        scores=tuple(values[SCORES]),
        reviewers_per_item=values[REVIEWERS_PER_ITEM],
        is_blind=values[BLIND],
        reservation_minutes=values[RESERVATION_MINUTES],
    )
