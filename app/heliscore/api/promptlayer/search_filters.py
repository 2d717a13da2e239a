"""Reads PromptLayer's filter groups into the filter tree, with every error at its path.

Group     := {"logic": "AND" | "OR", "filters": [Group | Condition, …]}
Condition := {"field": …, "operator": …, "value": …, "nested_key": …}

On bodies, `contains` and its negation search the JSON as a whole; the other operators match any single string
in it, a value or a key.
"""

from __future__ import annotations

from typing import Any, Final

from heliscore.api.http.field_errors import FieldErrors, step
from heliscore.api.promptlayer.field_types import DEFAULT_SCORE
from heliscore.api.promptlayer.search_fields import (
    ABSENT,
    BODIES,
    COLUMNS,
    ENDS,
    EQUALITY,
    FIELDS,
    HAS_ANY,
    KEYED,
    LISTS,
    OF_LISTS,
    OPERATORS_BY_KIND,
    ORDER,
    PRESENT,
    TEXT,
)
from heliscore.api.shared.filter_values import MAX_DEPTH, ConditionReader
from heliscore.api.shared.score_maps import plain_name
from heliscore.domain.filter_tree import (
    AllOf,
    AnyOf,
    Column,
    Compare,
    Exists,
    Filter,
    HasString,
    Kind,
    Not,
    OneOf,
    Property,
    Score,
    StringMatch,
    Value,
    kind_of,
)
from heliscore.domain.messages import described, find_name_error

_NEGATIVE: Final = ("is_not", "neq", "key_not_equals", "not_contains", "not_in")

_BODY_MATCHES: Final[dict[str, StringMatch]] = {
    "contains": "contains",
    "key_contains": "contains",
    "not_contains": "contains",
    "starts_with": "starts-with",
    "ends_with": "ends-with",
}
"""The others compare whole strings."""

_GROUP_KEYS: Final = ("logic", "filters")
_CONDITION_KEYS: Final = ("field", "operator", "value", "nested_key")


def decode_group(raw: object, path: str, errors: FieldErrors) -> Filter:
    """Read a Group. Errors are collected in `errors`; if there are any, discard the returned tree."""
    return _Decoder(errors).node(raw, path, 1)


def contains_text(text: str) -> Filter:
    """Make the filter for requests that contain a string, or whose response does, ignoring case."""
    return AnyOf(tuple(HasString(body, "contains", text) for body in BODIES))


def score_named(name: str) -> Score:
    """The score of that name; the default one if it is empty."""
    return Score(plain_name(name or DEFAULT_SCORE))


class _Decoder(ConditionReader):
    def node(self, raw: object, path: str, depth: int) -> Filter:
        if not isinstance(raw, dict):
            return self.reject(path, f"expected an object, got {described(raw)}")
        if depth > MAX_DEPTH:
            return self.reject(path, f"nested more than {MAX_DEPTH} levels deep")
        is_condition = "filters" not in raw and not raw.keys().isdisjoint(_CONDITION_KEYS)
        known = _CONDITION_KEYS if is_condition else _GROUP_KEYS
        for key in raw.keys() - set(known):
            self.errors.add(step(path, key), f"unknown key; known are {', '.join(known)}")
        return self.condition(raw, path) if is_condition else self.group(raw, path, depth)

    def group(self, raw: dict[str, Any], path: str, depth: int) -> Filter:
        parts, place = raw.get("filters"), step(path, "filters")
        if not isinstance(parts, list):
            error = f"expected a list, got {described(parts)}" if "filters" in raw else "missing"
            return self.reject(place, error)
        nodes = tuple(self.node(part, f"{place}[{index}]", depth + 1) for index, part in enumerate(parts))
        match raw.get("logic", "AND"):
            case "AND":
                return AllOf(nodes)
            case "OR" if nodes:
                return AnyOf(nodes)
            case "OR":
                return self.reject(place, "empty: nothing could match")
            case other:
                return self.reject(f"{path}.logic", f'expected "AND" or "OR", got {described(other)}')

    def condition(self, raw: dict[str, Any], path: str) -> Filter:
        self.count(path)
        field, operator, value = raw.get("field"), raw.get("operator"), raw.get("value")
        if field not in FIELDS:
            error = "unknown" if "field" in raw else "missing"
            return self.reject(f"{path}.field", f"{error}; known are {', '.join(FIELDS)}")
        key = raw.get("nested_key")
        if key is not None and field not in KEYED:
            self.errors.add(f"{path}.nested_key", f"only {' and '.join(KEYED)} take one")
        subject = COLUMNS.get(field) or self.keyed(field, key, path)
        known = OF_LISTS if subject is None else OPERATORS_BY_KIND[kind_of(subject)]
        if operator not in known:
            error = f"unknown for {field}" if "operator" in raw else "missing"
            return self.reject(f"{path}.operator", f"{error}; known are {', '.join(known)}")
        path = f"{path}.value"
        if subject is None:
            return self.listed(field, operator, value, path)
        if operator in (*ABSENT, *PRESENT):
            return _presence(subject, operator)
        if isinstance(subject, Column) and subject in BODIES:
            return self.on_body(subject, operator, value, path)
        return self.on_value(subject, operator, value, path)

    def keyed(self, field: str, key: object, path: str) -> Property | Score | None:
        """The subject of a field with a key; None if the field is a list."""
        if field in LISTS:
            return None
        if field == "score":
            return score_named("" if key is None else self.text(key, f"{path}.nested_key"))
        return Property(self.text(key, f"{path}.nested_key"))

    # Conditions

    def on_value(self, subject: Column | Property | Score, operator: str, raw: object, path: str) -> Filter:
        def value(raw: object, path: str) -> Value:
            return self.typed(subject, raw, path)

        if operator in ENDS:
            return Compare(subject, ENDS[operator], self.text(raw, path))
        if operator == "between":
            if not isinstance(raw, list) or len(raw) != 2:
                return self.reject(path, f"expected [low, high], got {described(raw)}")
            low, high = value(raw[0], f"{path}[0]"), value(raw[1], f"{path}[1]")
            return AllOf((Compare(subject, ">=", low), Compare(subject, "<=", high)))
        if operator in ("in", "not_in"):
            values = tuple(value(one, at) for one, at in self.items(raw, path))
            if operator == "in":
                return OneOf(subject, values)
            # Like the other negative operators: a missing property is treated as an empty string.
            others = Not(OneOf(subject, values))
            may_miss = isinstance(subject, Property) and "" not in values
            return others if may_miss else AllOf((Exists(subject), others))
        known = EQUALITY | ORDER | TEXT
        return Compare(subject, known[operator], value(raw, path))

    def on_body(self, subject: Column, operator: str, raw: object, path: str) -> Filter:
        match = _BODY_MATCHES.get(operator, "equals")
        several = self.items(raw, path) if operator in ("in", "not_in") else [(raw, path)]
        found = AnyOf(tuple(HasString(subject, match, self.text(one, at)) for one, at in several))
        return AllOf((Exists(subject), Not(found))) if operator in _NEGATIVE else found

    def listed(self, field: str, operator: str, raw: object, path: str) -> Filter:
        """A condition on a list; a missing list is empty."""
        if operator in ABSENT:
            return Not(HAS_ANY[field])
        if operator in PRESENT:
            return HAS_ANY[field]
        several = self.items(raw, path) if operator in ("in", "not_in") else [(raw, path)]
        has_one = AnyOf(tuple(LISTS[field](self.item(one, at)) for one, at in several))
        return Not(has_one) if operator in _NEGATIVE else has_one

    # Values

    def items(self, raw: object, path: str) -> list[tuple[object, str]]:
        if isinstance(raw, list):
            return [(one, f"{path}[{index}]") for index, one in enumerate(raw)]
        self.errors.add(path, f"expected a list, got {described(raw)}")
        return []

    def item(self, raw: object, path: str) -> str:
        text = self.text(raw, path)
        if isinstance(raw, str) and (error := find_name_error(text)):
            self.errors.add(path, error)
        return text

    def typed(self, subject: Column | Property | Score, raw: object, path: str) -> Value:
        match subject:
            case Column("outcome"):
                return self.text(raw, path).upper()
            case Column("request_id" | "prompt_id") if isinstance(raw, int) and not isinstance(raw, bool):
                return str(raw)
            case _:
                return self.value(kind_of(subject), raw, path)


def _presence(subject: Column | Property | Score, operator: str) -> Filter:
    """Whether there is a value; an empty string is empty, but not null."""
    present: Filter = Exists(subject)
    if operator.endswith("_empty") and kind_of(subject) is Kind.TEXT:
        present = Compare(subject, "<>", '""' if subject in BODIES else "")
    return present if operator in PRESENT else Not(present)
