"""The larger pieces of Helicone's side of the OpenAPI document, made of the tables that do the work."""

from __future__ import annotations

from typing import Final

import msgspec

from heliscore.api.helicone.filter_columns import SORTABLE, SORTABLE_BY_KEY, TABLES, Keyed, Special, Target
from heliscore.api.helicone.filter_language import OPERATORS
from heliscore.api.helicone.query_bodies import DEFAULT_LIMIT, MAX_LIMIT, MAX_OFFSET
from heliscore.api.helicone.row import Row
from heliscore.api.http.endpoints import Schema, closed_object
from heliscore.domain.filter_tree import Kind, Score, kind_of
from heliscore.domain.score import MAX_VALUE, MIN_VALUE

_REF: Final = "#/components/schemas/"

_TEXT: Final[Schema] = {"type": "string"}
_SCORE: Final[Schema] = {
    "anyOf": [
        {"type": "integer", "minimum": MIN_VALUE, "maximum": MAX_VALUE},
        {"type": "boolean"},
        {"type": "string", "pattern": r"^([+-]?[0-9]{1,20}|true|false)$"},
    ]
}
_VALUES: Final[dict[Kind, Schema]] = {
    Kind.TEXT: _TEXT,
    Kind.NUMBER: {"anyOf": [{"type": "number"}, {"type": "string", "description": "a number"}]},
    Kind.TIMESTAMP: {
        "type": "string",
        "description": "ISO 8601 date or date-time; UTC where no zone is given",
    },
    Kind.BOOLEAN: {"enum": [True, False, "true", "false"]},
    Kind.SCORE: _SCORE,
}


def _ref(name: str) -> Schema:
    return {"$ref": _REF + name}


def _conditions(kind: Kind) -> Schema:
    value = _VALUES[kind]
    operators = dict.fromkeys(OPERATORS[kind], value)
    return closed_object(
        {**operators, "in": {"type": "array", "items": value}, "exists": _VALUES[Kind.BOOLEAN]}
    )


def _name(kind: Kind) -> str:
    return f"{kind.value.capitalize()}Conditions"


def _column(target: Target) -> Schema:
    match target:
        case Keyed():
            return _keyed(target)
        case Special.FEEDBACK_RATING:
            return _ref(_name(Kind.BOOLEAN))
        case Special.SCORES_COLUMN:
            return closed_object({"equals": {"const": "{}"}, "not-equals": {"const": "{}"}})
        case Special.PROPERTY_KEY:
            return closed_object({"equals": _TEXT})
        case _:
            return _ref(_name(kind_of(target)))


def _keyed(keyed: Keyed) -> Schema:
    kind = Kind.SCORE if keyed.value is Score else Kind.TEXT
    return {"type": "object", "additionalProperties": _ref(_name(kind))}


def _table(columns: dict[str, Target] | Keyed) -> Schema:
    if isinstance(columns, Keyed):
        return _keyed(columns)
    return closed_object({name: _column(target) for name, target in columns.items()})


_LEAF: Final[Schema] = closed_object({name: _table(columns) for name, columns in TABLES.items()}) | {
    "description": "Conditions by table and column. All of them must hold."
}

_FILTER: Final[Schema] = {
    "anyOf": [
        {"const": "all"},
        {
            "type": "object",
            "properties": {
                "left": _ref("Filter"),
                "operator": {"enum": ["and", "or"]},
                "right": _ref("Filter"),
            },
            "required": ["left", "operator", "right"],
            "additionalProperties": False,
        },
        closed_object({"not": _ref("Filter")}) | {"required": ["not"]},
        _ref("FilterLeaf"),
    ]
}

_rows, _row_components = msgspec.json.schema_components([Row], ref_template=_REF + "{name}")

COMPONENTS: Final[dict[str, Schema]] = {
    "Filter": _FILTER,
    "FilterLeaf": _LEAF,
    **{_name(kind): _conditions(kind) for kind in Kind},
    **_row_components,
}

ROW: Final = _ref("Row")
FILTER: Final = _ref("Filter")

CURSOR: Final[Schema] = {"type": "string", "description": "Where the next page begins; absent on the last."}

_DIRECTION: Final[Schema] = {"enum": ["asc", "desc"]}
_BY_KEY: Final[Schema] = {
    "type": "object",
    "minProperties": 1,
    "maxProperties": 1,
    "additionalProperties": _DIRECTION,
}
_FLAG: Final[Schema] = {"type": ["boolean", "null"]}


def count(default: int | None, maximum: int = MAX_VALUE) -> Schema:
    """An integer from 0 on, or a text that is one."""
    integer = {"type": "integer", "minimum": 0, "maximum": maximum}
    digits = {"type": "string", "pattern": "^[0-9]{1,9}$"}
    return {"anyOf": [integer, digits, {"type": "null"}], "default": default}


QUERY: Final[Schema] = closed_object(
    {
        "filter": _ref("Filter"),
        "offset": count(0, MAX_OFFSET),
        "limit": count(DEFAULT_LIMIT, MAX_LIMIT),
        "cursor": {"type": ["string", "null"], "description": "`nextCursor` of the page before."},
        "sort": {
            "type": ["object", "null"],
            "maxProperties": 1,
            "description": "Missing values come last, ties are broken by time and id.",
            "default": {"created_at": "desc"},
            "properties": {
                **dict.fromkeys(SORTABLE, _DIRECTION),
                **dict.fromkeys(SORTABLE_BY_KEY, _BY_KEY),
                "random": {"const": True},
            },
            "additionalProperties": False,
        },
        "isScored": _FLAG | {"description": "true: only scored requests, false: only unscored ones."},
        "isCached": _FLAG | {"description": "Accepted, without effect."},
        "includeInputs": _FLAG | {"description": "Accepted, without effect."},
        "isPartOfExperiment": _FLAG | {"description": "Accepted, without effect."},
    }
) | {"required": ["filter"]}

IDS: Final[Schema] = closed_object(
    {
        "requestIds": {
            "type": "array",
            "maxItems": MAX_LIMIT,
            "items": {"type": "string", "minLength": 1, "maxLength": 255},
        }
    }
) | {"required": ["requestIds"]}

QUERY_EXAMPLE: Final = {
    "filter": {"request_response_rmt": {"scores": {"accuracy": {"gte": 90}}}},
    "sort": {"created_at": "desc"},
    "limit": 100,
}
