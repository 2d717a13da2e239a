"""Compile the conditions of a filter tree to SQL conditions on a request's row, which is called r.

SQL text comes only from the constants here. Whatever a client sent, JSON keys and score names included, goes
through Arguments.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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
    Operator,
    Property,
    Score,
    Scored,
    ScorePart,
    StringMatch,
    Subject,
    Tagged,
    Variable,
    kind_of,
)
from heliscore.domain.score import FEEDBACK
from heliscore.store.like_patterns import escape_like, json_string_patterns, string_pattern
from heliscore.store.search.arguments import Arguments
from heliscore.store.search.score_parts import compile_part

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

_PATTERN_OPERATORS: Final[dict[Operator, str]] = {
    "like": "LIKE",
    "ilike": "ILIKE",
    "contains": "ILIKE",
    "not-contains": "NOT ILIKE",
    "starts-with": "ILIKE",
    "ends-with": "ILIKE",
}

_PATTERNS: Final[dict[Operator, str]] = {
    "contains": "%{}%",
    "not-contains": "%{}%",
    "starts-with": "{}%",
    "ends-with": "%{}",
}

_NEGATIVE: Final = ("<>", "not-contains")

_SCORE_COLUMNS: Final[dict[type, str]] = {
    Score: "{}.value",
    # Kept to the microsecond, but shown to the millisecond.
    FeedbackTime: "date_trunc('milliseconds', {}.scored_at)",
}

_STRINGS: Final = (
    "jsonb_array_elements_text("
    "jsonb_path_query_array(r.{}, 'strict $.** ? (@.type() == \"string\")')) AS s (s)"
)
"""The strings of a body, without the keys of objects. jsonb_path_query alone takes quadratic time."""

HIDDEN: Final = " + 0"
"""Hides a column from the planner, so that it uses no index on it.

Rows of an organization, or of a score name, that the statistics do not know are estimated at one. Then an
index that begins with the organization looks as good as the one that begins with the request's number, and
each lookup of a row reads all rows of the organization. So of a statement's tables only the one that it
begins at is found by organization, and all others by the request's number alone. (The name is hidden too:
since version 18, PostgreSQL uses an index without its first column.)
"""

SAME_REQUEST: Final = (
    f"{{0}}.request_no = {{1}}.request_no AND {{0}}.organization_id{HIDDEN} = {{1}}.organization_id"
)
"""From one row to another of the same request."""

_VISIBLE: Final = "{0}.organization_id = r.organization_id AND {0}.request_no = r.request_no"
"""The same for statements that are joined by hash (hash_joins.py): each table is read by organization."""

SubjectCondition = Compare | OneOf | Exists

_LOWEST: Final = f"(SELECT '{-(2**63)}'::bigint)"
_HIGHEST: Final = f"(SELECT '{2**63 - 1}'::bigint)"


class ConditionCompiler(msgspec.Struct, frozen=True):
    """Compiles the conditions of one statement."""

    name_ids: Mapping[str, int]
    """The organization's score names. No request has a score of another name."""

    arguments: Arguments

    created_at: str = "r.created_at"
    """The request's time, or a score's copy of it, by which that score's index can be walked."""

    by_hash: bool = False
    """Whether the statement is joined by hash (hash_joins.py)."""

    def condition(self, tree: Filter) -> str:
        match tree:
            case Everything():
                return "true"
            case Not(Scored() | Compare(Score()) | OneOf(Score()) | Exists(Score()) as part):
                return f"NOT {self.condition(part)}"  # EXISTS is never null
            case Not(part):
                # Not "NOT": where the part is unknown (a null), the request does not match it, so it
                # matches the complement.
                return f"({self.condition(part)}) IS NOT TRUE"
            case AllOf(parts):
                return self._connected(" AND ", parts, "true")
            case AnyOf(parts):
                return self._connected(" OR ", parts, "false")
            case Scored():
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
        return " AND ".join(map(self._joined if self.by_hash else self.condition, parts)) or "true"

    def _joined(self, part: Filter) -> str:
        """A part of the top level, of which the absence of a score is an anti-join."""
        match part:
            case Not(Compare(Score(name)) | OneOf(Score(name)) | Exists(Score(name)) as condition):
                if name in self.name_ids:
                    scores = self.joined_scores("s", name, [condition]).replace(" ON ", " WHERE ", 1)
                    return f"NOT EXISTS (SELECT FROM {scores})"
        return self.condition(part)

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

    def scores_of_request(self, alias: str, name: str, conditions: Sequence[SubjectCondition]) -> str:
        """The rows of one score of the request r, `score AS s WHERE …`, that meet all the conditions."""
        meets = self._meets(f"{alias}.name_id{HIDDEN}", alias, name, conditions)
        return f"score AS {alias} WHERE {SAME_REQUEST.format(alias, 'r')} AND {meets}"

    def joined_scores(self, alias: str, name: str, conditions: Sequence[SubjectCondition]) -> str:
        """The same for a statement that is joined by hash, `score AS s1 ON …`."""
        meets = self._meets(f"{alias}.name_id", alias, name, conditions)
        return f"score AS {alias} ON {_VISIBLE.format(alias)} AND {meets}"

    def scores_of_organization(
        self, alias: str, name: str, conditions: Sequence[SubjectCondition], *, hidden: str = ""
    ) -> str:
        """The condition that a row of score is one of that name in the organization, $1, and meets all the
        conditions. With `hidden`, HIDDEN, no index of values is used for them."""
        meets = self._meets(f"{alias}.name_id", alias, name, conditions, hidden)
        return f"{alias}.organization_id = $1 AND {meets}"

    def few_scores(self, alias: str, name: str, conditions: Sequence[SubjectCondition]) -> str:
        """The same where few rows do.

        Values of a subquery are unknown to the planner, and of a range between two of them it expects one in
        200 rows: always so few that it uses the index of values, and not all that the histogram of all scores
        may promise.
        """
        parts = [f"{alias}.organization_id = $1 AND {self._meets(f'{alias}.name_id', alias, name, [])}"]
        for condition in conditions:
            match condition:
                case Compare(ScorePart()) | OneOf(ScorePart()) | Exists(ScorePart()):
                    parts.append(self._met(alias, condition))
                case Compare(_, "=" | ">=" | ">" | "<" | "<=" as operator, value):
                    bound = f"(SELECT {self.arguments.add_value(value, Kind.SCORE)})"
                    lower = bound if operator in ("=", ">=", ">") else _LOWEST
                    upper = bound if operator in ("=", "<=", "<") else _HIGHEST
                    parts.append(f"{alias}.value {'>' if operator == '>' else '>='} {lower}")
                    parts.append(f"{alias}.value {'<' if operator == '<' else '<='} {upper}")
                case OneOf() | Compare():
                    parts.append(self._compared(f"{alias}.value", condition))
                case Exists():
                    pass
        return " AND ".join(parts)

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
            case Column() | Property() | Variable():
                return self._compared(self.expression(subject), condition)
            case _:
                assert_never(subject)

    def _has_score(self, name: str, condition: SubjectCondition) -> str:
        if name not in self.name_ids:
            return "false"
        return _exists(self.scores_of_request("s", name, [condition]))

    def _meets(
        self, name_id: str, alias: str, name: str, conditions: Sequence[SubjectCondition], hidden: str = ""
    ) -> str:
        parts = [
            f"{name_id} = {self.arguments.add(self.name_ids[name], 'integer')}",
            *(
                self._met(alias, condition, hidden)
                for condition in conditions
                if not isinstance(condition, Exists) or isinstance(condition.subject, ScorePart)
            ),
        ]
        return " AND ".join(parts)

    def _met(self, alias: str, condition: SubjectCondition, hidden: str = "") -> str:
        """One condition on a row of score."""
        subject = condition.subject
        if isinstance(subject, ScorePart):
            return compile_part(alias, subject, lambda expression: self._compared(expression, condition))
        return self._compared(_SCORE_COLUMNS[type(subject)].format(alias) + hidden, condition)

    def _compared(self, expression: str, condition: SubjectCondition) -> str:
        kind = kind_of(condition.subject)
        match condition:
            case Exists():
                return f"{expression} IS NOT NULL"
            case OneOf(_, values):
                return f"{expression} = ANY({self.arguments.add_values(values, kind)})"
            case Compare(subject, operator, value):
                if operator in _NEGATIVE and isinstance(subject, Property | Variable):
                    expression = f"coalesce({expression}, '')"
                if operator in _PATTERNS:
                    value = _PATTERNS[operator].format(escape_like(str(value)))
                sql_operator = _PATTERN_OPERATORS.get(operator, operator)
                return f"{expression} {sql_operator} {self.arguments.add_value(value, kind)}"
            case _:
                assert_never(condition)


def _exists(scores: str) -> str:
    """OFFSET 0: looked up request by request, not joined. The join could be a loop in a loop."""
    return f"EXISTS (SELECT FROM {scores} OFFSET 0)"
