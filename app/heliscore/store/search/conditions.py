"""Compile the conditions of a filter tree to SQL conditions on a request's row, which is called r.

SQL text comes only from the constants here and in the modules below. Whatever a client sent, JSON keys and
score names included, goes through Arguments.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, assert_never

import msgspec

from heliscore.domain.filter_tree import (
    COLUMNS,
    AllOf,
    AnyOf,
    Column,
    Compare,
    Everything,
    Exists,
    FeedbackTime,
    Filter,
    HasString,
    HasTag,
    Kind,
    Not,
    OneOf,
    Property,
    Score,
    Scored,
    ScorePart,
    StringMatch,
    Subject,
    Tagged,
    Variable,
)
from heliscore.domain.score import FEEDBACK
from heliscore.store.like_patterns import json_string_patterns, string_pattern
from heliscore.store.search.arguments import Arguments
from heliscore.store.search.comparisons import SubjectCondition, compare
from heliscore.store.search.score_conditions import SAME_REQUEST, ScoreConditions
from heliscore.store.search.score_table import ScoreTable

OUTCOME: Final = (
    "coalesce(r.outcome, CASE WHEN r.status BETWEEN 200 AND 399 THEN 'SUCCESS' "
    "WHEN r.status IS NOT NULL THEN 'ERROR' END)"
)
"""What the client said, or else what follows from the status."""

_COLUMNS: Final[dict[str, str]] = {
    name: f"coalesce(r.{name}, false)" if kind is Kind.BOOLEAN else f"r.{name}"
    for name, kind in COLUMNS.items()
} | {
    "organization_id": "r.organization_id::text",
    "request_body": "r.request_body::text",
    "response_body": "r.response_body::text",
    "request_model": "coalesce(r.request_model, r.response_model)",
    "response_model": "coalesce(r.response_model, r.request_model)",
    "properties": "nullif(r.properties, '{}')::text",
    "numeric_id": "CASE WHEN r.request_id ~ '^[0-9]+$' THEN r.request_id::numeric END",
    "outcome": OUTCOME,
}

_STRINGS: Final = (
    "jsonb_array_elements_text("
    "jsonb_path_query_array(r.{}, 'strict $.** ? (@.type() == \"string\")')) AS s (s)"
)
"""The strings of a body, without the keys of objects. jsonb_path_query alone takes quadratic time."""


class ConditionCompiler(msgspec.Struct, frozen=True):
    """Compiles the conditions of one statement."""

    scores: ScoreConditions

    score_table: ScoreTable | None = None
    """Where a statement that is joined by hash finds which conditions on scores hold; None: they are looked
    up request by request."""

    created_at: str = "r.created_at"
    """The request's time, or a score's copy of it, by which that score's index can be walked."""

    @property
    def arguments(self) -> Arguments:
        return self.scores.arguments

    def condition(self, tree: Filter) -> str:
        match tree:
            case Everything():
                return "true"
            case Not(Scored() | Compare(Score()) | OneOf(Score()) | Exists(Score()) as part):
                return f"NOT {self.condition(part)}"  # it is never null
            case Not(part):
                # Not "NOT": where the part is unknown (a null), the request does not match it, so it
                # matches the complement.
                return f"({self.condition(part)}) IS NOT TRUE"
            case AllOf(parts):
                return self._connected(" AND ", parts, "true")
            case AnyOf(parts):
                return self._connected(" OR ", parts, "false")
            case Scored():
                if self.score_table is not None:
                    return self.score_table.add_any()
                return _exists(f"score AS s WHERE {SAME_REQUEST.format('s', 'r')}")
            case Tagged():
                return "cardinality(r.tags) > 0"
            case HasTag(tag):
                return f"{self.arguments.add(tag, 'text')} = ANY(r.tags)"
            case HasString(body, match, string):
                return self._has_string(body, match, string)
            case Compare(subject) | OneOf(subject) | Exists(subject):
                return self._on(subject, tree)
            case _:
                assert_never(tree)

    def all_of(self, parts: Iterable[Filter]) -> str:
        """The parts of a filter's top level."""
        return " AND ".join(map(self.condition, parts)) or "true"

    def expression(self, subject: Column | Property | Variable) -> str:
        match subject:
            case Column("created_at"):
                return self.created_at
            case Column(name):
                return _COLUMNS[name]
            case Property(key):
                return f"(r.properties ->> {self.arguments.add(key, 'text')})"
            case Variable(key):
                return f"(r.prompt_variables ->> {self.arguments.add(key, 'text')})"
            case _:
                assert_never(subject)

    def _has_string(self, body: Column, match: StringMatch, string: str) -> str:
        """The JSON as a whole is quick to compare. What it has may be half of an escape, or stand between two
        strings: unless that is asked for, each string of what was found is compared too."""
        patterns = json_string_patterns(match, string)
        compared = f"{self.expression(body)} ILIKE ANY({self.arguments.add(patterns, 'text[]')})"
        if match == "contains":
            return compared
        pattern = self.arguments.add(string_pattern(match, string), "text")
        return f"({compared} AND EXISTS (SELECT FROM {_STRINGS.format(body.name)} WHERE s.s ILIKE {pattern}))"

    def _connected(self, connective: str, parts: tuple[Filter, ...], none: str) -> str:
        return f"({connective.join(map(self.condition, parts))})" if parts else none

    def _on(self, subject: Subject, condition: SubjectCondition) -> str:
        match subject:
            case Score(name) | ScorePart(name):
                return self._has_score(name, condition)
            case FeedbackTime():
                return self._has_score(FEEDBACK, condition)
            case Column("response_id") if by_hash := _by_hash("r.response_id", condition, self.arguments):
                return by_hash
            case Column() | Property() | Variable():
                return compare(self.expression(subject), condition, self.arguments)
            case _:
                assert_never(subject)

    def _has_score(self, name: str, condition: SubjectCondition) -> str:
        if name not in self.scores.name_ids:
            return "false"
        if self.score_table is not None:
            return self.score_table.add(self.scores.of_name("s", name, [condition]))
        return _exists(self.scores.of_request("s", "r", name, [condition]))


def _by_hash(column: str, condition: SubjectCondition, arguments: Arguments) -> str | None:
    """A condition on whole strings by the index of their hashes; None where the condition is another. Also
    compares the strings, which may be longer than an index takes."""
    match condition:
        case Compare(_, "=", value):
            parameter = arguments.add(value, "text")
            hashes, wanted = f"hashtextextended({parameter}, 0)", parameter
        case OneOf(_, values):
            parameter = arguments.add(list(values), "text[]")
            hashed = f"SELECT hashtextextended(h.string, 0) FROM unnest({parameter}) AS h (string)"
            hashes, wanted = f"ANY(ARRAY({hashed}))", f"ANY({parameter})"
        case _:
            return None
    return f"(hashtextextended({column}, 0) = {hashes} AND {column} = {wanted})"


def _exists(scores: str) -> str:
    """OFFSET 0: looked up request by request, not joined. The join could be a loop in a loop."""
    return f"EXISTS (SELECT FROM {scores} OFFSET 0)"


def make_conditions(
    name_ids: Mapping[str, int], first_parameter: int, *, by_hash: bool = False
) -> ConditionCompiler:
    """Begin the conditions of a statement, which is joined by hash or not."""
    scores = ScoreConditions(name_ids, Arguments(first_parameter))
    return ConditionCompiler(scores, ScoreTable() if by_hash else None)
