"""From a filter tree to SQL: every condition counts, and every value is a parameter.

SQL text comes only from the constants here. Whatever a client sent, JSON keys and score names included, goes
through `_Arguments.add`, which numbers it and casts it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Final, Literal, assert_never

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
    Kind,
    Not,
    OneOf,
    Operator,
    Property,
    Score,
    Scored,
    Sort,
    SortSubject,
    Subject,
    Value,
    Variable,
    kind_of,
)
from heliscore.domain.score import FEEDBACK

_EXPRESSIONS: Final[dict[str, str]] = {name: f"r.{name}" for name in COLUMNS} | {
    "organization_id": "r.organization_id::text",
    "request_body": "r.request_body::text",
    "response_body": "r.response_body::text",
    "request_model": "coalesce(r.request_model, r.response_model)",
    "response_model": "coalesce(r.response_model, r.request_model)",
    "assets": "array_to_string(r.assets, ',')",
    "tags": r"(E'\n' || coalesce(array_to_string(r.tags, E'\n'), '') || E'\n')",
    "properties": "nullif(r.properties, '{}')::text",
    "numeric_id": "CASE WHEN r.request_id ~ '^[0-9]+$' THEN r.request_id::numeric END",
    "outcome": (
        "coalesce(r.outcome, CASE WHEN r.status BETWEEN 200 AND 399 THEN 'SUCCESS' "
        "WHEN r.status IS NOT NULL THEN 'ERROR' END)"
    ),
}

_TYPES: Final[dict[Kind, str]] = {
    Kind.TEXT: "text",
    Kind.NUMBER: "numeric",
    Kind.TIMESTAMP: "timestamptz",
    Kind.BOOLEAN: "boolean",
    Kind.SCORE: "bigint",
}

_PATTERN_OPERATORS: Final[dict[Operator, str]] = {
    "like": "LIKE",
    "ilike": "ILIKE",
    "contains": "ILIKE",
    "not-contains": "NOT ILIKE",
}

_MAX_DRIVERS: Final = 4
"""Scores beyond these are looked up request by request: planning time grows steeply with joins."""

_NEGATIVE: Final = ("<>", "not-contains")

_SCORE_COLUMNS: Final[dict[type, str]] = {Score: "value", FeedbackTime: "scored_at"}

_SAME_REQUEST: Final = "organization_id = r.organization_id AND {0}.request_no = r.request_no"


Bodies = Literal["whole", "preview", "none"]
"""What a search reads of bodies; `preview` is the request's if it is not large."""

_BODIES: Final[dict[Bodies, dict[str, str]]] = {
    "whole": {},
    "preview": {  # by what it takes on disk: that is known without reading it
        "bodies": (
            "CASE WHEN pg_column_size(r.request_body) <= 32768 THEN r.request_body END AS request_body, "
            "NULL::jsonb AS response_body"
        )
    },
    "none": {"bodies": "NULL::jsonb AS request_body, NULL::jsonb AS response_body"},
}

_ScoreConditions = list[Compare | OneOf | Exists]


class Position(msgspec.Struct, frozen=True):
    """Where a page ended: the last row's sort value, and its time and id, which break ties."""

    value: Value | None
    created_at: datetime
    request_id: str


class Compiled(msgspec.Struct, frozen=True):
    """What goes into a statement."""

    slots: dict[str, str]
    """SQL by slot; see sql/queries."""

    arguments: tuple[object, ...]
    """The values of the parameters after the statement's own."""


def driving_scores(tree: Filter) -> list[str]:
    """The scores with a condition that every match must meet: a search can begin at any of them."""
    return list(_split(tree)[0])


def compile_rarity(tree: Filter, name_ids: Mapping[str, int], first_parameter: int) -> Compiled:
    """Compile, for the slot counts, how many scores meet the conditions on each of the driving scores,
    counted no further than what the statement calls few."""
    compiler = _Compiler(name_ids, first_parameter)
    counts = (
        f"(SELECT count(*) FROM (SELECT FROM {scores} LIMIT few) AS first)"
        for scores in (compiler.scores_that("s", *driver) for driver in _split(tree)[0].items())
    )
    return Compiled({"counts": ", ".join(counts)}, tuple(compiler.arguments))


def compile_reach(
    tree: Filter, score: Score, *, descending: bool, name_ids: Mapping[str, int], first_parameter: int
) -> Compiled:
    """Compile, for the slots scores and direction, the conditions on a driving score, in its order."""
    compiler = _Compiler(name_ids, first_parameter)
    conditions = _split(tree)[0][score.name]
    slots = {
        "scores": compiler.scores_that("s", score.name, conditions),
        "direction": "DESC" if descending else "ASC",
    }
    return Compiled(slots, tuple(compiler.arguments))


def compile_search(
    tree: Filter,
    sort: Sort,
    after: Position | None,
    name_ids: Mapping[str, int],
    first_parameter: int,
    rare: str | None = None,
    bodies: Bodies = "whole",
) -> Compiled:
    """Compile a filter and an order, for the slots bodies, source, joins, where, order and sort_value.

    `name_ids` knows the organization's score names; one that is not in it was never used, so no request has
    such a score. Parameters are numbered from `first_parameter`. `rare`: the driving score whose conditions
    so few meet that the search shall begin there, whatever the planner thinks.
    """
    compiler = _Compiler(name_ids, first_parameter)
    where = compiler.conjunction(tree) if rare is None else compiler.conjunction_from(rare, tree, sort)
    by = None if sort.subject is None else compiler.sorted_by(sort.subject)
    if after is not None and by is not None:
        where = f"{where} AND {compiler.after(by, sort, after)}"
    slots = {
        "joins": "\n".join(compiler.joins.values()),
        "where": where,
        **compiler.source,
        "order": "random()" if by is None else compiler.order(by, sort),
        "sort_value": by or "NULL",
        **_BODIES[bodies],
    }
    return Compiled(slots, tuple(compiler.arguments))


def compile_rows(request_nos: list[int], sort: Sort, first_parameter: int, bodies: Bodies) -> Compiled:
    """Compile a search for rows that are known by their numbers. The order must be one of time."""
    compiler = _Compiler({}, first_parameter)
    where = f"r.request_no = ANY({compiler.add(request_nos, 'bigint[]')})"
    by = compiler.created_at
    slots = {"where": where, "order": compiler.order(by, sort), "sort_value": by, **_BODIES[bodies]}
    return Compiled(slots, tuple(compiler.arguments))


def compile_count(tree: Filter, name_ids: Mapping[str, int], first_parameter: int) -> Compiled:
    """Compile a filter for the slots source, joins and where. If it asks for a score, and for nothing else
    that a score's row does not know, those rows stand in for the requests: mostly an index is enough then."""
    compiler = _Compiler(name_ids, first_parameter)
    where = compiler.conjunction_of_scores(tree)
    slots = {"joins": "\n".join(compiler.joins.values()), "where": where, **compiler.source}
    return Compiled(slots, tuple(compiler.arguments))


def compile_conditions(
    tree: Filter,
    name_ids: Mapping[str, int],
    first_parameter: int,
    group_by: Column | Property | None = None,
) -> Compiled:
    """Compile a filter without an order, for the slots joins, where and group. The slot request, where a
    statement can do without the request's row, is emptied if neither filter nor group needs it."""
    compiler = _Compiler(name_ids, first_parameter)
    slots = {"where": compiler.conjunction(tree), "joins": "\n".join(compiler.joins.values())}
    if slots == {"where": "true", "joins": ""} and group_by is None:
        slots["request"] = ""
    if group_by is not None:
        slots["group"] = compiler.expression(group_by)
    return Compiled(slots, tuple(compiler.arguments))


class _Compiler:
    def __init__(self, name_ids: Mapping[str, int], first_parameter: int) -> None:
        self.name_ids = name_ids
        self.first_parameter = first_parameter
        self.arguments: list[object] = []
        self.joins: dict[str, str] = {}
        self.source: dict[str, str] = {}
        self.created_at = "r.created_at"  # or a score's copy of it, by which its index can be walked

    def add(self, value: object, type_: str) -> str:
        self.arguments.append(value)
        return f"${self.first_parameter + len(self.arguments) - 1}::{type_}"

    # Conditions

    def conjunction(self, tree: Filter) -> str:
        """Compile the top level. Conditions on scores that must all hold become joins, so that the planner
        can begin at the score and walk its index newest first."""
        drivers, rest = _split(tree)
        for name, conditions in drivers.items():
            if name not in self.name_ids:
                return "false"
            self.joins[name] = f"JOIN {self.score_rows(self.alias(), name, conditions, ' ON ')}"
            self.created_at = "s1.request_created_at"
        return " AND ".join(self.condition(part) for part in rest) or "true"

    def conjunction_from(self, rare: str, tree: Filter, sort: Sort) -> str:
        """Compile the top level so that the search begins at one score's few rows and visits their requests
        one by one, in the order asked for if that is time, so that it can stop when the page is full. The
        planner would often read a whole table instead: it takes the values of all scores for alike. OFFSET 0
        keeps it from taking the two halves apart."""
        drivers, rest = _split(tree)
        few = self.scores_that("s", rare, drivers.pop(rare))
        conditions = (self.condition(part) for part in rest)
        same = "r.organization_id = s1.organization_id AND r.request_no = s1.request_no"
        where = " AND ".join((same, *conditions))
        columns = "s.organization_id, s.request_no, s.request_created_at, s.value"
        in_time = f" ORDER BY s.request_created_at {_direction(sort)}"
        order = in_time if sort.subject == Column("created_at") else ""
        self.source["source"] = (
            f"(SELECT {columns} FROM {few}{order} OFFSET 0) AS s1\n"
            f"CROSS JOIN LATERAL (SELECT r.* FROM request AS r WHERE {where} OFFSET 0) AS r"
        )
        self.joins[rare] = ""
        self.created_at = "s1.request_created_at"
        for name, conditions_on_it in drivers.items():
            rows = self.score_rows("s", name, conditions_on_it, " WHERE ")
            self.joins[name] = f"CROSS JOIN LATERAL (SELECT s.value FROM {rows} OFFSET 0) AS {self.alias()}"
        return "true"

    def conjunction_of_scores(self, tree: Filter) -> str:
        """Compile the top level so that, where that is enough, the rows of a score are the requests."""
        drivers, rest = _split(tree)
        if not drivers or not drivers.keys() <= self.name_ids.keys() or not _is_of_scores(tree):
            return self.conjunction(tree)
        first, *_ = drivers
        rows = self.scores_that("s", first, drivers.pop(first))
        columns = "s.organization_id, s.request_no, s.request_created_at AS created_at"
        self.source["source"] = f"(SELECT {columns} FROM {rows}) AS r"
        others = (condition for conditions in drivers.values() for condition in conditions)
        return self.conjunction(AllOf((*others, *rest)))

    def alias(self) -> str:
        return f"s{len(self.joins) + 1}"

    def condition(self, tree: Filter) -> str:
        match tree:
            case Everything():
                return "true"
            case Not(Scored() | Compare(Score()) | OneOf(Score()) | Exists(Score()) as part):
                return f"NOT {self.condition(part)}"  # EXISTS knows no null, and so plans as an anti-join
            case Not(part):
                # Not "NOT": where the part is unknown (a null), the request does not match it, so it
                # matches the complement.
                return f"({self.condition(part)}) IS NOT TRUE"
            case AllOf(parts):
                return self.joined(" AND ", parts, "true")
            case AnyOf(parts):
                return self.joined(" OR ", parts, "false")
            case Scored():
                return f"EXISTS (SELECT FROM score AS s WHERE s.{_SAME_REQUEST.format('s')})"
            case Compare(subject) | OneOf(subject) | Exists(subject):
                return self.on(subject, tree)
            case _:
                assert_never(tree)

    def joined(self, connective: str, parts: tuple[Filter, ...], none: str) -> str:
        return f"({connective.join(map(self.condition, parts))})" if parts else none

    def on(self, subject: Subject, condition: Compare | OneOf | Exists) -> str:
        match subject:
            case Score(name):
                return self.exists(name, condition)
            case FeedbackTime():
                return self.exists(FEEDBACK, condition)
            case Column() | Property() | Variable():
                return self.compared(self.expression(subject), condition)
            case _:
                assert_never(subject)

    def exists(self, name: str, condition: Compare | OneOf | Exists) -> str:
        if name not in self.name_ids:
            return "false"
        return f"EXISTS (SELECT FROM {self.score_rows('s', name, [condition], ' WHERE ')})"

    def score_rows(self, alias: str, name: str, conditions: _ScoreConditions, where: str) -> str:
        """The rows of one score of the request at hand, `score AS s ON …`, that meet all the conditions."""
        same = _SAME_REQUEST.format(alias)
        return f"score AS {alias}{where}{alias}.{same} AND {self.meets(alias, name, conditions)}"

    def scores_that(self, alias: str, name: str, conditions: _ScoreConditions) -> str:
        """The rows of one score of any request that meet all the conditions; $1 is the organization."""
        return (
            f"score AS {alias} WHERE {alias}.organization_id = $1 AND {self.meets(alias, name, conditions)}"
        )

    def meets(self, alias: str, name: str, conditions: _ScoreConditions) -> str:
        parts = [
            f"{alias}.name_id = {self.add(self.name_ids[name], 'integer')}",
            *(
                self.compared(f"{alias}.{_SCORE_COLUMNS[type(condition.subject)]}", condition)
                for condition in conditions
                if not isinstance(condition, Exists)
            ),
        ]
        return " AND ".join(parts)

    def compared(self, expression: str, condition: Compare | OneOf | Exists) -> str:
        kind = kind_of(condition.subject)
        type_ = _TYPES[kind]
        match condition:
            case Exists():
                return f"{expression} IS NOT NULL"
            case OneOf(_, values):
                return f"{expression} = ANY({self.add([_argument(v, kind) for v in values], type_ + '[]')})"
            case Compare(subject, operator, value):
                if operator in _NEGATIVE and isinstance(subject, Property | Variable):
                    expression = f"coalesce({expression}, '')"
                if operator in ("contains", "not-contains"):
                    value = f"%{escaped(str(value))}%"
                sql_operator = _PATTERN_OPERATORS.get(operator, operator)
                return f"{expression} {sql_operator} {self.add(_argument(value, kind), type_)}"
            case _:
                assert_never(condition)

    def expression(self, subject: Column | Property | Variable) -> str:
        match subject:
            case Column("created_at"):
                return self.created_at
            case Column(name):
                return _EXPRESSIONS[name]
            case Property(key):
                return f"(r.properties ->> {self.add(key, 'text')})"
            case Variable(key):
                return f"(r.prompt_variables ->> {self.add(key, 'text')})"
            case _:
                assert_never(subject)

    # Order

    def sorted_by(self, subject: SortSubject) -> str:
        """The expression that a page is sorted by. A score must be one that the filter asks for."""
        match subject:
            case Column("created_at"):
                return self.created_at
            case Score(name):
                return f"s{list(self.joins).index(name) + 1}.value"
            case _:
                return self.expression(subject)

    def order(self, by: str, sort: Sort) -> str:
        """Missing values come last either way. Times and scores are never missing here, and to say so of them
        would keep the planner from reading an index backwards."""
        direction = _direction(sort)
        if by == self.created_at:
            return f"{by} {direction}, r.request_id"
        if not isinstance(sort.subject, Score):
            direction += " NULLS LAST"
        return f"{by} {direction}, {self.created_at} DESC, r.request_id"

    def after(self, by: str, sort: Sort, position: Position) -> str:
        """The rows behind a position, as a condition: nothing is counted, so rows that arrive in the
        meantime shift nothing."""
        beyond = "<" if sort.descending else ">"
        time = self.add(position.created_at, "timestamptz")
        later_id = f"r.request_id > {self.add(position.request_id, 'text')}"
        if by == self.created_at:
            return f"{by} {beyond}= {time} AND ({by} {beyond} {time} OR {later_id})"
        tied = f"({self.created_at} < {time} OR ({self.created_at} = {time} AND {later_id}))"
        if position.value is None or sort.subject is None:
            return f"{by} IS NULL AND {tied}"
        kind = kind_of(sort.subject)
        value = self.add(_argument(position.value, kind), _TYPES[kind])
        return f"({by} {beyond} {value} OR {by} IS NULL OR ({by} = {value} AND {tied}))"


def _is_of_scores(tree: Filter) -> bool:
    """Whether nothing is asked for but scores and the time, of which scores have a copy."""
    match tree:
        case Not(part):
            return _is_of_scores(part)
        case AllOf(parts) | AnyOf(parts):
            return all(map(_is_of_scores, parts))
        case Compare(subject) | OneOf(subject) | Exists(subject):
            return isinstance(subject, Score | FeedbackTime) or subject == Column("created_at")
        case Everything() | Scored():
            return True


def _direction(sort: Sort) -> str:
    return "DESC" if sort.descending else "ASC"


def _split(tree: Filter) -> tuple[dict[str, _ScoreConditions], list[Filter]]:
    """The top level's conditions by score, of a few scores, and all the rest."""
    drivers: dict[str, _ScoreConditions] = {}
    rest: list[Filter] = []
    for part in conjuncts(tree):
        match part:
            case Compare(Score(name)) | OneOf(Score(name)) | Exists(Score(name)) if (
                name in drivers or len(drivers) < _MAX_DRIVERS
            ):
                drivers.setdefault(name, []).append(part)
            case _:
                rest.append(part)
    return drivers, rest


def conjuncts(tree: Filter) -> list[Filter]:
    """The parts that must all hold, through any depth of AllOf."""
    match tree:
        case AllOf(parts):
            return [conjunct for part in parts for conjunct in conjuncts(part)]
        case Everything():
            return []
        case _:
            return [tree]


def _argument(value: Value, kind: Kind) -> Value:
    """asyncpg checks types itself and casts nothing: numeric wants a Decimal, bigint no boolean."""
    if kind is Kind.NUMBER and isinstance(value, int | float):
        return Decimal(repr(value))
    if kind is Kind.SCORE and isinstance(value, bool):
        return int(value)
    return value


def escaped(text: str) -> str:
    """Make a text stand for itself inside a LIKE pattern."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
