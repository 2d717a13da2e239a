"""Helicone's filter language in the OpenAPI document, made of the tables by which it is read."""

from __future__ import annotations

from typing import Final

from heliscore.api.http.body_fields import ValueType
from heliscore.api.http.json_schema import STRING, Schema, closed_object, constant, named, one_of, reference
from heliscore.api.shared.filter_columns import TABLES, Keyed, Special, Table, Target
from heliscore.api.shared.filter_language import OPERATORS, decode_filter
from heliscore.domain.author import KINDS
from heliscore.domain.filter_tree import PARTS, Filter, Kind, Score, kind_of
from heliscore.domain.score import MAX_VALUE, MIN_VALUE

_BOOLEAN: Final[Schema] = {
    "anyOf": [{"type": "boolean"}, one_of(("true", "false"), "BooleanWord")],
}
_SCORE: Final[Schema] = {
    "anyOf": [
        {"type": "integer", "minimum": MIN_VALUE, "maximum": MAX_VALUE},
        {"type": "boolean"},
        {"type": "string", "pattern": r"^([+-]?[0-9]{1,20}|true|false)$"},
    ]
}
_VALUES: Final[dict[Kind, Schema]] = {
    Kind.TEXT: STRING,
    Kind.NUMBER: {"anyOf": [{"type": "number"}, {"type": "string", "description": "a number"}]},
    Kind.TIMESTAMP: {
        "type": "string",
        "description": "ISO 8601 date or date-time; UTC where no zone is given",
    },
    Kind.BOOLEAN: _BOOLEAN,
    Kind.SCORE: _SCORE,
    Kind.AUTHOR: STRING,
    Kind.AUTHOR_KIND: one_of(KINDS, "AuthorKind"),
}


def _conditions(kind: Kind) -> Schema:
    value = _VALUES[kind]
    operators = dict.fromkeys(OPERATORS[kind], value)
    return closed_object({**operators, "in": {"type": "array", "items": value}, "exists": _BOOLEAN})


_CONDITIONS: Final = {
    kind: named(f"{kind.value.title().replace('-', '')}Conditions", _conditions(kind)) for kind in Kind
}

_ONE_SCORE: Final = named(
    "OneScoreConditions",
    closed_object(
        {"value": _CONDITIONS[Kind.SCORE], **{part: _CONDITIONS[kind] for part, kind in PARTS.items()}}
    )
    | {"description": "Conditions on one score. All of them must hold."},
)


def _column(target: Target) -> Schema:
    match target:
        case Keyed():
            return _keyed(target)
        case Special.FEEDBACK_RATING:
            return _CONDITIONS[Kind.BOOLEAN]
        case Special.SCORES_COLUMN:
            return closed_object(dict.fromkeys(("equals", "not-equals"), constant("{}")))
        case Special.PROPERTY_KEY:
            return closed_object({"equals": STRING})
        case Special.SCORE:
            return {"type": "object", "additionalProperties": _ONE_SCORE}
        case _:
            return _CONDITIONS[kind_of(target)]


def _keyed(keyed: Keyed) -> Schema:
    kind = Kind.SCORE if keyed.value is Score else Kind.TEXT
    return {"type": "object", "additionalProperties": _CONDITIONS[kind]}


def _table(columns: Table) -> Schema:
    if isinstance(columns, dict):
        return closed_object({name: _column(target) for name, target in columns.items()})
    return _column(columns)


_LEAF: Final = closed_object({name: _table(columns) for name, columns in TABLES.items()}) | {
    "description": "Conditions by table and column. All of them must hold."
}

_NODE: Final = reference("Filter")
_BRANCH: Final = closed_object(
    {"left": _NODE, "operator": one_of(("and", "or")), "right": _NODE}, ("left", "operator", "right")
)
_FILTER: Final[Schema] = {
    "anyOf": [
        constant("all"),
        named("FilterBranch", _BRANCH),
        named("FilterNot", closed_object({"not": _NODE}, ("not",))),
        named("FilterLeaf", _LEAF),
    ]
}

FILTER: Final = ValueType[Filter](named("Filter", _FILTER), decode_filter)

FILTER_MISSING: Final = 'missing; "all" for every request'
