"""The fields of an export, in a body or in the query of an address."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from starlette.datastructures import QueryParams

from heliscore.api.http.body_fields import Values, ValueType, make_body, optional, required
from heliscore.api.http.field_errors import FieldErrors
from heliscore.api.http.json_codec import decode_unique
from heliscore.api.http.json_schema import STRING as STRING_SCHEMA
from heliscore.api.http.json_schema import Schema, one_of
from heliscore.api.http.query_parameters import Query
from heliscore.api.http.value_types import BOOLEAN, choice, list_of
from heliscore.api.shared.export_stream import MAX_SCORES, WantedExport
from heliscore.api.shared.filter_schema import FILTER, FILTER_MISSING
from heliscore.api.shared.score_maps import score_names
from heliscore.api.shared.sort_fields import CURSOR_TYPE, SORT, decode_cursor
from heliscore.domain.errors import InvalidInput
from heliscore.domain.export_columns import (
    BODIES,
    CURSOR,
    HISTORY,
    PROPERTY,
    REQUEST_COLUMNS,
    SCORE_DETAILS,
    SCORES,
)
from heliscore.domain.messages import MAX_NAME_LENGTH
from heliscore.exports import parquet_file
from heliscore.exports.writer import FORMATS, Format

_MAX_COLUMNS: Final = 200
_COMMON: Final = (*REQUEST_COLUMNS, SCORES, HISTORY, CURSOR)
_FLAT: Final = (*_COMMON, SCORE_DETAILS)


def _read_format(raw: object, path: str, errors: FieldErrors) -> Format:
    format_ = _FORMAT_CHOICE.read(raw, path, errors)
    if raw == "parquet" and not parquet_file.is_possible():
        errors.add(path, parquet_file.INSTALL)
    return format_


def _read_column(raw: object, path: str, errors: FieldErrors) -> str:
    name = raw if isinstance(raw, str) else ""
    key = name.removeprefix(PROPERTY)
    is_property = key != name and 0 < len(key) <= MAX_NAME_LENGTH and "\0" not in key
    if name not in _FLAT and not is_property:
        known = f"{', '.join(_FLAT)} and {PROPERTY}<name>"
        errors.add_unexpected(path, f"a column; known are {known}", raw)
    return name


_FORMAT_CHOICE: Final = choice(FORMATS, name="ExportFormat")
_FORMAT: Final = optional("format", ValueType[Format](_FORMAT_CHOICE.schema, _read_format), default="jsonl")
_COLUMN: Final = ValueType[str](
    {
        "anyOf": [
            one_of(_FLAT, "ExportColumn"),
            {**STRING_SCHEMA, "pattern": f"^{PROPERTY.replace('.', '[.]')}"},
        ]
    },
    _read_column,
)
_FILTER: Final = required("filter", FILTER, missing=FILTER_MISSING)
_COLUMNS: Final = optional(
    "columns",
    list_of(_COLUMN, of="columns", maximum=_MAX_COLUMNS),
    description="Only these, in this order in flat formats. Default: all, the bodies only in JSONL.",
)
_SCORES: Final = optional(
    "scores", score_names(MAX_SCORES), description="Only scores of these names. Default: all."
)
_HISTORY: Final = optional(
    "history", BOOLEAN, default=False, description="true: with the column `history`, of replaced scores."
)
_BODIES: Final = optional("includeBodies", BOOLEAN, description="Whether the two bodies are columns.")
_CURSOR: Final = optional(
    "cursor",
    CURSOR_TYPE,
    description="Go on behind the row that had this `cursor`, or a page's `nextCursor`.",
)


def _check(values: Values) -> None:
    if values.find(_FORMAT) == "jsonl":
        flat = [
            name for name in values.find(_COLUMNS) or () if name == SCORE_DETAILS or name.startswith(PROPERTY)
        ]
        if flat:
            values.reject(_COLUMNS, f"{flat[0]} is a column of CSV and Parquet alone")
    cursor, sort = values.find(_CURSOR), values.find(SORT)
    if sort is None:
        return
    if cursor is not None and decode_cursor(cursor, sort) is None:
        values.reject(_CURSOR, "not a cursor of a search with this sort")
    if sort.subject is None and CURSOR in (values.find(_COLUMNS) or ()):
        values.reject(_COLUMNS, "a random order has no cursor")


BODY: Final = make_body(
    _FILTER,
    SORT,
    _FORMAT,
    _COLUMNS,
    _SCORES,
    _HISTORY,
    _BODIES,
    _CURSOR,
    is_unique=True,
    check=_check,
    example={
        "filter": {"request_response_rmt": {"scores": {"accuracy": {"lt": 50}}}},
        "format": "csv",
        "columns": ["request_id", "created_at", "model", "properties.variant", "scores"],
    },
)


def decode_export(body: bytes) -> WantedExport:
    """Read a body. Raises InvalidInput with every error."""
    return _make_wanted(BODY.decode(body))


def read_export(sent: QueryParams) -> WantedExport:
    """Read the query of an address. Raises InvalidInput."""
    given = QUERY.read(sent)
    raw = {field.key: given[field] for field in QUERY.fields}
    return _make_wanted(BODY.read({"filter": "all"} | {k: v for k, v in raw.items() if v is not None}))


def _make_wanted(values: Values) -> WantedExport:
    sort, cursor, scores = values[SORT], values[_CURSOR], values[_SCORES]
    return WantedExport(
        tree=values[_FILTER],
        sort=sort,
        after=None if cursor is None else decode_cursor(cursor, sort),
        format=values[_FORMAT],
        columns=_choose_columns(values),
        scores=None if scores is None else tuple(scores),
    )


def _choose_columns(values: Values) -> tuple[str, ...]:
    has_bodies = values[_BODIES]
    if (chosen := values[_COLUMNS]) is None:
        if has_bodies is None:
            has_bodies = values[_FORMAT] == "jsonl"
        chosen = [name for name in (*REQUEST_COLUMNS, SCORES) if has_bodies or name not in BODIES]
    elif has_bodies:
        chosen = [*chosen, *BODIES]
    if values[_HISTORY]:
        chosen = [*chosen, HISTORY]
    return tuple(dict.fromkeys(chosen))


def _in_query(schema: Schema, read: Callable[[str], Any], expected: str) -> ValueType[Any]:
    """A parameter of a query, which is a string."""

    def read_string(raw: object, path: str, errors: FieldErrors) -> Any:
        try:
            return read(raw) if isinstance(raw, str) else errors.add(path, "given twice")
        except InvalidInput as error:
            errors.add(path, f"expected {expected}: {error}")
        return None

    return ValueType(schema, read_string)


_JSON: Final = _in_query(STRING_SCHEMA, lambda text: decode_unique(text.encode()), "JSON")
_LIST: Final = _in_query(STRING_SCHEMA, lambda text: text.split(","), "names")
_FLAG: Final = _in_query(one_of(("true", "false")), {"true": True, "false": False}.get, "true or false")
_TEXT: Final = _in_query(STRING_SCHEMA, str, "a string")

QUERY: Final = Query(
    optional("filter", _JSON, description='JSON, as in the body. Default: `"all"`.'),
    optional("sort", _JSON, description="JSON, as in the body."),
    optional("format", _in_query(_FORMAT_CHOICE.schema, str, "a format"), description="Default: `jsonl`."),
    optional("columns", _LIST, description="Separated by commas."),
    optional("scores", _LIST, description="Names, separated by commas."),
    optional("history", _FLAG, description="true: with the column `history`."),
    optional("includeBodies", _FLAG, description="Whether the two bodies are columns."),
    optional("cursor", _TEXT, description="Go on behind the row that had this `cursor`."),
)
