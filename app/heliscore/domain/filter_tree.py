"""The filter tree: a query's conditions, independent of the dialect that they came in.

    Filter    := Everything | AllOf(parts) | AnyOf(parts) | Not(part) | Condition
    Condition := Compare(subject, operator, value) | OneOf(subject, values) | Exists(subject)
               | Scored() | Tagged() | HasTag(tag) | HasString(body, match, string)
    Subject   := Column(name) | Score(name) | ScorePart(name, part) | Property(key) | Variable(key)
               | FeedbackTime()

The tree is two-valued: a request either matches or it does not. A condition on a subject that the request
does not have (a null column, a missing score) never matches, whatever its operator; Exists tests for that,
and Not turns any part into its exact complement. There is one exception, which is Helicone's: for the two
negative operators, a missing property or prompt variable is an empty string.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Final, Literal

import msgspec

from heliscore.domain.score import FEEDBACK


class Kind(Enum):
    """The type of a subject's values, which decides the operators and values that fit it."""

    TEXT = "text"
    NUMBER = "number"
    TIMESTAMP = "timestamp"
    BOOLEAN = "boolean"
    SCORE = "score"
    AUTHOR = "author"
    AUTHOR_KIND = "author-kind"


COLUMNS: Final[dict[str, Kind]] = {
    "request_id": Kind.TEXT,
    "organization_id": Kind.TEXT,
    "user_id": Kind.TEXT,
    "provider": Kind.TEXT,
    "model": Kind.TEXT,
    "model_override": Kind.TEXT,
    "request_model": Kind.TEXT,
    "response_model": Kind.TEXT,
    "prompt_id": Kind.TEXT,
    "prompt_version": Kind.TEXT,
    "response_id": Kind.TEXT,
    "request_body": Kind.TEXT,
    "response_body": Kind.TEXT,
    "request_path": Kind.TEXT,
    "target_url": Kind.TEXT,
    "properties": Kind.TEXT,
    "outcome": Kind.TEXT,
    "numeric_id": Kind.NUMBER,
    "status": Kind.NUMBER,
    "latency_ms": Kind.NUMBER,
    "time_to_first_token_ms": Kind.NUMBER,
    "total_tokens": Kind.NUMBER,
    "prompt_tokens": Kind.NUMBER,
    "completion_tokens": Kind.NUMBER,
    "prompt_cache_read_tokens": Kind.NUMBER,
    "prompt_cache_write_tokens": Kind.NUMBER,
    "reasoning_tokens": Kind.NUMBER,
    "cost_usd": Kind.NUMBER,
    "prompt_version_number": Kind.NUMBER,
    "created_at": Kind.TIMESTAMP,
    "response_created_at": Kind.TIMESTAMP,
    "updated_at": Kind.TIMESTAMP,
    "threat": Kind.BOOLEAN,
    "cache_enabled": Kind.BOOLEAN,
    "is_passthrough_billing": Kind.BOOLEAN,
    "cached": Kind.BOOLEAN,
}
"""The columns that a request can be filtered by, beside its scores, properties and prompt variables.

The two bodies are JSON, as PostgreSQL writes it. Five columns are made for filters: `properties` is JSON too,
and missing where a request has none; `outcome` is what the client said, or else follows from status;
`request_model` and `response_model` stand in for each other where one of them is not known; `numeric_id` is
the request's id to sort by, missing where that is not all digits. Booleans are never missing: they are false
where nothing says otherwise.
"""


class Column(msgspec.Struct, frozen=True):
    """One of COLUMNS."""

    name: str


class Score(msgspec.Struct, frozen=True):
    """The value of the score of that name, an integer."""

    name: str


Part = Literal["label", "author", "kind", "version", "scored_at", "comment", "changed"]

PARTS: Final[dict[Part, Kind]] = {
    "label": Kind.TEXT,
    "author": Kind.AUTHOR,
    "kind": Kind.AUTHOR_KIND,
    "version": Kind.TEXT,
    "scored_at": Kind.TIMESTAMP,
    "comment": Kind.TEXT,
    "changed": Kind.BOOLEAN,
}
"""What is known of a score beside its value: the word for it in the score's definition, its author as a
string, the author's kind and version, when it was set, why, and whether it was another one before."""


class ScorePart(msgspec.Struct, frozen=True):
    """One of PARTS of the score of that name. A request has one score of a name, so that all conditions on
    its parts and its value meet on that one."""

    name: str
    part: Part


class Property(msgspec.Struct, frozen=True):
    """The value of one property, a string. Keys are case-sensitive."""

    key: str


class Variable(msgspec.Struct, frozen=True):
    """The value of one prompt input variable, as a string."""

    key: str


class FeedbackTime(msgspec.Struct, frozen=True):
    """The time at which the request's feedback was given."""


SortSubject = Column | Score | Property | Variable
Subject = Column | Score | ScorePart | Property | Variable | FeedbackTime

Operator = Literal[
    "=", "<>", ">", ">=", "<", "<=", "like", "ilike", "contains", "not-contains", "starts-with", "ends-with"
]
"""`like` and `ilike` take the caller's `%` and `_`; the last four take a plain string, whatever its case."""

StringMatch = Literal["equals", "starts-with", "ends-with", "contains"]

Value = str | int | float | Decimal | bool | datetime


class Everything(msgspec.Struct, frozen=True):
    """Matches every request."""


class Scored(msgspec.Struct, frozen=True):
    """Matches a request with at least one score."""


class Tagged(msgspec.Struct, frozen=True):
    """Matches a request with at least one tag."""


class HasTag(msgspec.Struct, frozen=True):
    """Matches a request with that tag."""

    tag: str


class HasString(msgspec.Struct, frozen=True):
    """Matches a request with a string in one of its bodies, a value and not a key, that matches so, whatever
    its case. `contains` searches the body's JSON as a whole: keys, numbers, true, false and null too."""

    body: Column
    match: StringMatch
    string: str


class Exists(msgspec.Struct, frozen=True):
    """Matches a request that has the subject."""

    subject: Subject


class Compare(msgspec.Struct, frozen=True):
    """Matches a request whose subject compares so with the value."""

    subject: Subject
    operator: Operator
    value: Value


class OneOf(msgspec.Struct, frozen=True):
    """Matches a request whose subject equals one of the values. Without values it matches nothing."""

    subject: Subject
    values: tuple[Value, ...]


Condition = Compare | OneOf | Exists | Scored | Tagged | HasTag | HasString


class Not(msgspec.Struct, frozen=True):
    """Matches the requests that the part does not match."""

    part: Filter


class AllOf(msgspec.Struct, frozen=True):
    """Matches where every part does. Without parts it matches everything."""

    parts: tuple[Filter, ...]


class AnyOf(msgspec.Struct, frozen=True):
    """Matches where at least one part does. Without parts it matches nothing."""

    parts: tuple[Filter, ...]


Filter = Everything | Not | AllOf | AnyOf | Condition


def kind_of(subject: Subject) -> Kind:
    match subject:
        case Column(name):
            return COLUMNS[name]
        case Score():
            return Kind.SCORE
        case ScorePart(_, part):
            return PARTS[part]
        case Property() | Variable():
            return Kind.TEXT
        case FeedbackTime():
            return Kind.TIMESTAMP


def score_names(tree: Filter) -> frozenset[str]:
    """Return every score name in the tree: the compiler needs their ids."""
    match tree:
        case Not(part):
            return score_names(part)
        case AllOf(parts) | AnyOf(parts):
            return frozenset[str]().union(*map(score_names, parts))
        case Compare(subject) | OneOf(subject) | Exists(subject):
            match subject:
                case Score(name) | ScorePart(name):
                    return frozenset((name,))
                case FeedbackTime():
                    return frozenset((FEEDBACK,))
                case _:
                    return frozenset()
        case Everything() | Scored() | Tagged() | HasTag() | HasString():
            return frozenset()


def conjuncts(tree: Filter) -> list[Filter]:
    """The parts that must all hold, through any depth of AllOf; none for a filter that matches everything."""
    match tree:
        case AllOf(parts):
            return [conjunct for part in parts for conjunct in conjuncts(part)]
        case Everything():
            return []
        case _:
            return [tree]


class Cases(msgspec.Struct, frozen=True):
    """Groups of requests by the one of these filters that matches: its number from 0, as a string; SEVERAL
    where more than one does, none where none does."""

    filters: tuple[Filter, ...]


SEVERAL: Final = "several"

GroupBy = Column | Property | ScorePart | Cases


class Sort(msgspec.Struct, frozen=True):
    """A page's order: by the subject, missing values last, then newest first, then by request id."""

    subject: SortSubject | None
    """None: random order."""

    descending: bool = True


NEWEST_FIRST: Final = Sort(Column("created_at"))
