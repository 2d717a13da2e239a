"""Reads Helicone's filter JSON into the filter tree, with every error at its path.

FilterNode := "all" | {} | {"left": FilterNode, "operator": "and" | "or", "right": FilterNode}
            | {"not": FilterNode} | Leaf
Leaf       := {table: {column: {operator: value, …}, …}, …}      all conditions must hold
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from heliscore.api.http.field_errors import FieldErrors, step
from heliscore.api.shared.filter_columns import TABLES, UNRECORDED, Keyed, Special, Target
from heliscore.api.shared.filter_values import MAX_DEPTH, ConditionReader
from heliscore.api.shared.score_maps import plain_name
from heliscore.domain.filter_tree import (
    PARTS,
    AllOf,
    AnyOf,
    Column,
    Compare,
    Everything,
    Exists,
    Filter,
    Kind,
    Not,
    OneOf,
    Operator,
    Property,
    Score,
    Scored,
    ScorePart,
    Subject,
    kind_of,
)
from heliscore.domain.messages import described
from heliscore.domain.score import FEEDBACK

_MAX_NODES: Final = 5_000
_ALL: Final = Everything()

_BRANCH_KEYS: Final = {"left", "operator", "right"}

_TEXT: Final[dict[str, Operator]] = {
    "equals": "=",
    "not-equals": "<>",
    "like": "like",
    "ilike": "ilike",
    "contains": "contains",
    "not-contains": "not-contains",
}

OPERATORS: Final[dict[Kind, dict[str, Operator]]] = {
    Kind.TEXT: _TEXT,
    Kind.NUMBER: {"equals": "=", "not-equals": "<>", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="},
    Kind.TIMESTAMP: {"equals": "=", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="},
    Kind.BOOLEAN: {"equals": "="},
    Kind.SCORE: {"equals": "=", "not-equals": "<>", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="},
    Kind.AUTHOR: _TEXT | {"starts-with": "starts-with"},
    Kind.AUTHOR_KIND: {"equals": "=", "not-equals": "<>"},
}

_ENDS_IN_ESCAPE: Final = re.compile(r"(?<!\\)(\\\\)*\\\Z")


def decode_filter(raw: object, path: str, errors: FieldErrors) -> Filter:
    """Read a FilterNode. Errors are collected in `errors`; if there are any, discard the returned tree."""
    return _Decoder(errors).node(raw, path, 1)


class _Decoder(ConditionReader):
    nodes = 0

    def node(self, raw: object, path: str, depth: int) -> Filter:
        self.nodes += 1
        if self.nodes > _MAX_NODES:
            return (
                self.reject(path, f"more than {_MAX_NODES} nodes") if self.nodes == _MAX_NODES + 1 else _ALL
            )
        if raw == "all" or raw == {}:
            return Everything()
        if not isinstance(raw, dict):
            return self.reject(path, f'expected "all" or a filter object, got {described(raw)}')
        if depth > MAX_DEPTH:
            return self.reject(path, f"nested more than {MAX_DEPTH} levels deep")
        if "not" in raw:
            if len(raw) > 1:
                return self.reject(path, 'expected nothing beside "not"')
            return Not(self.node(raw["not"], f"{path}.not", depth + 1))
        if raw.keys() & _BRANCH_KEYS:
            return self.branch(raw, path, depth)
        return AllOf(tuple(self.table(name, value, path) for name, value in raw.items()))

    def branch(self, raw: dict[str, Any], path: str, depth: int) -> Filter:
        for key in sorted(raw.keys() - _BRANCH_KEYS):
            self.errors.add(step(path, key), "unknown key beside left, operator and right")
        for key in ("left", "right"):
            if key not in raw:
                self.errors.add(f"{path}.{key}", "missing")
        parts = tuple(
            self.node(raw[key], f"{path}.{key}", depth + 1) for key in ("left", "right") if key in raw
        )
        match raw.get("operator"):
            case "and":
                return AllOf(parts)
            case "or":
                return AnyOf(parts)
            case other:
                return self.reject(f"{path}.operator", f'expected "and" or "or", got {described(other)}')

    # Leaves

    def table(self, name: str, raw: object, path: str) -> Filter:
        path = step(path, name)
        match TABLES.get(name):
            case None:
                return self.reject(path, f"unknown table; known are {', '.join(TABLES)}")
            case Keyed() | Special() as target:
                return self.column(target, raw, path)
            case columns:
                unrecorded = UNRECORDED.get(name, frozenset())

                def one(key: str, value: object, at: str) -> Filter:
                    if key in unrecorded:
                        return self.reject(at, "Heliscore does not record this column")
                    return self.column(columns.get(key), value, at)

                return self.every(raw, path, one)

    def every(self, raw: object, path: str, decode: Callable[[str, object, str], Filter]) -> Filter:
        """All conditions of an object, joined by AND."""
        if not isinstance(raw, dict):
            return self.reject(path, f"expected an object, got {described(raw)}")
        return AllOf(tuple(decode(key, value, step(path, key)) for key, value in raw.items()))

    def column(self, target: Target | None, raw: object, path: str) -> Filter:
        match target:
            case None:
                return self.reject(path, "unknown column")
            case Keyed():
                return self.keyed(target, raw, path)
            case Special.FEEDBACK_RATING:
                return self.conditions(Score(FEEDBACK), Kind.BOOLEAN, raw, path)
            case Special.SCORES_COLUMN:
                return self.every(raw, path, self.scores_column)
            case Special.PROPERTY_KEY:
                return self.every(raw, path, self.property_key)
            case Special.SCORE:
                return self.every(raw, path, self.score_parts)
            case _:
                return self.conditions(target, kind_of(target), raw, path)

    def keyed(self, keyed: Keyed, raw: object, path: str) -> Filter:
        def one(key: str, value: object, at: str) -> Filter:
            name = self.score_name(key, at) if keyed is Keyed.SCORES else self.text(key, at)
            subject = keyed.subject(name)
            return self.conditions(subject, kind_of(subject), value, at)

        return self.every(raw, path, one)

    def score_parts(self, key: str, raw: object, path: str) -> Filter:
        name = self.score_name(key, path)

        def one(part: str, value: object, at: str) -> Filter:
            subject = _score_part(name, part)
            if subject is None:
                return self.reject(at, f"unknown; expected {Special.SCORE.value}")
            return self.conditions(subject, kind_of(subject), value, at)

        return self.every(raw, path, one)

    def score_name(self, key: str, path: str) -> str:
        name = plain_name(key)
        if not name:
            self.errors.add(path, "the name must not be empty")
        return self.text(name, path)

    def scores_column(self, operator: str, value: object, path: str) -> Filter:
        self.count(path)
        if operator not in ("equals", "not-equals") or value != "{}":
            return self.reject(path, f"expected {Special.SCORES_COLUMN.value}")
        return Scored() if operator == "not-equals" else Not(Scored())

    def property_key(self, operator: str, value: object, path: str) -> Filter:
        self.count(path)
        if operator != "equals":
            return self.reject(path, f"unknown operator; expected {Special.PROPERTY_KEY.value}")
        return Exists(Property(self.text(value, path)))

    # Conditions

    def conditions(self, subject: Subject, kind: Kind, raw: object, path: str) -> Filter:
        return self.every(raw, path, lambda key, value, at: self.condition(subject, kind, key, value, at))

    def condition(self, subject: Subject, kind: Kind, operator: str, raw: object, path: str) -> Filter:
        self.count(path)
        known = OPERATORS[kind]
        if operator == "exists":
            return Exists(subject) if self.boolean(raw, path) else Not(Exists(subject))
        if operator == "in":
            if not isinstance(raw, list):
                return self.reject(path, f"expected a list of values, got {described(raw)}")
            values = (self.value(kind, one, f"{path}[{index}]") for index, one in enumerate(raw))
            return OneOf(subject, tuple(values))
        if operator not in known:
            return self.reject(path, f"unknown operator; known are {', '.join(known)}, in, exists")
        value = self.value(kind, raw, path)
        if kind in (Kind.TEXT, Kind.AUTHOR):
            return self.text_condition(subject, known[operator], str(value), path)
        return Compare(subject, known[operator], value)

    def text_condition(self, subject: Subject, operator: Operator, value: str, path: str) -> Filter:
        if operator in ("like", "ilike") and _ENDS_IN_ESCAPE.search(value):
            return self.reject(path, "the pattern ends in a backslash that escapes nothing")
        if isinstance(subject, Column) and operator in ("=", "<>"):
            if value == "null":
                return Not(Exists(subject)) if operator == "=" else Exists(subject)
            if value == "__empty__":
                value = ""
        return Compare(subject, operator, value)


def _score_part(name: str, part: str) -> Score | ScorePart | None:
    if part == "value":
        return Score(name)
    return next((ScorePart(name, known) for known in PARTS if known == part), None)
