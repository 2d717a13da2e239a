"""Finds the fields of our own in the rows of others, and converts their values."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Any, Final, NamedTuple

import msgspec

from heliscore.domain.export_columns import REQUEST_COLUMNS, ColumnKind
from heliscore.domain.messages import described
from heliscore.domain.times import EPOCH, read_time

Sources = Mapping[str, tuple[str, ...]]
"""Where our fields come from: columns, or dotted paths into JSON, the first that has a value; `=text` is the
text itself."""

CONSTANT: Final = "="

_FIRST_MILLISECONDS: Final = 4_102_444_800
"""A number from here on counts milliseconds, below it seconds (up to the year 2100)."""

_JSON_STARTS: Final = ("{", "[")

_decoder: Final = json.JSONDecoder(parse_float=Decimal)
_encoder: Final = msgspec.json.Encoder(decimal_format="number")


class Unfit(ValueError):
    """Why a value cannot be taken."""


class Found(NamedTuple):
    """The fields of a row."""

    sources: Sources
    values: Mapping[str, Any]

    def get(self, name: str) -> Any:
        """The value of a field; None where it is missing, null or empty."""
        for source in self.sources.get(name, ()):
            value = source[1:] if source.startswith(CONSTANT) else _look_up(self.values, source)
            if not is_nothing(value):
                return value
        return None

    def text(self, name: str) -> str | None:
        value = self.get(name)
        return None if value is None else as_text(value)


def is_nothing(value: Any) -> bool:
    """Whether a cell is empty; data frames have NaN there."""
    return value is None or value == "" or value != value


def _look_up(values: Mapping[str, Any], source: str) -> Any:
    """A value by its name, or along a path."""
    if source in values:
        return values[source]
    first, dot, rest = source.partition(".")
    inner = values.get(first)
    if isinstance(inner, str) and inner.startswith("{"):
        inner = as_json(inner)
    return _look_up(inner, rest) if dot and isinstance(inner, dict) else None


def as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, datetime):
        return value.isoformat()
    return _encoder.encode(value).decode()


def as_json(value: Any) -> Any:
    """A cell that holds JSON, decoded; other strings as they are. Some double quotes once too often."""
    if not isinstance(value, str) or not value.lstrip().startswith(_JSON_STARTS):
        return value
    for text in (value, value.replace('""', '"')):
        try:
            return _decoder.decode(text)
        except (json.JSONDecodeError, RecursionError):
            continue
    return value


def as_object(value: Any) -> dict[str, Any]:
    read = as_json(value)
    if not isinstance(read, dict):
        raise Unfit(f"expected an object, got {described(plain(value))}")
    return read


def as_texts_by_name(value: Any) -> dict[str, str]:
    """Properties are strings."""
    return {name: as_text(one) for name, one in as_object(value).items() if one is not None}


def as_list(value: Any) -> list[Any]:
    read = as_json(value)
    if isinstance(read, str):
        return [part.strip() for part in read.split(",")]
    if not isinstance(read, list):
        raise Unfit(f"expected a list, got {described(plain(value))}")
    return read


def as_texts(value: Any) -> list[str]:
    return [as_text(one) for one in as_list(value) if one is not None]


def as_decimal(value: Any) -> Decimal:
    """A number, exactly as it is written."""
    if isinstance(value, int | float | Decimal | str) and not isinstance(value, bool):
        try:
            number = Decimal(str(value).strip())
        except InvalidOperation:
            number = Decimal("NaN")
        if number.is_finite():
            return number
    raise Unfit(f"expected a number, got {described(plain(value))}")


def as_number(value: Any) -> int | float:
    number = as_decimal(value)
    return int(number) if number == number.to_integral_value() else float(number)


def as_integer(value: Any) -> int:
    number = as_decimal(value)
    if number != number.to_integral_value():
        raise Unfit(f"expected an integer, got {described(plain(value))}")
    return int(number)


def as_milliseconds(value: Any) -> int:
    """Some measure more exactly."""
    return int(as_decimal(value).to_integral_value(ROUND_HALF_EVEN))


def as_boolean(value: Any) -> bool:
    if isinstance(value, str) and value.strip().lower() in ("true", "false", "1", "0"):
        return value.strip().lower() in ("true", "1")
    if isinstance(value, int | float | Decimal) and value in (0, 1):
        return value == 1
    raise Unfit(f"expected true or false, got {described(plain(value))}")


def as_time(value: Any) -> str:
    """ISO 8601 with a zone, UTC where none is given; numbers count seconds or milliseconds since 1970."""
    if isinstance(value, datetime):
        time: datetime | None = value if value.tzinfo else value.replace(tzinfo=UTC)
    elif isinstance(value, str) and not value.replace(".", "", 1).isdecimal():
        time = read_time(value.strip())
    else:
        number = as_decimal(value)
        unit = 1_000_000 if number < _FIRST_MILLISECONDS else 1000
        try:
            time = EPOCH + timedelta(microseconds=int(number * unit))
        except OverflowError:
            time = None
    if time is None:
        raise Unfit(f"expected an ISO 8601 time, got {described(plain(value))}")
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def plain(value: Any) -> Any:
    """A value as JSON has it, for messages and for the file of rows that were not taken."""
    match value:
        case Decimal():
            return msgspec.Raw(str(value).encode()) if value.is_finite() else None
        case float() if value != value:
            return None
        case datetime():
            return value.isoformat()
        case dict():
            return {str(key): plain(one) for key, one in value.items()}
        case list():
            return [plain(one) for one in value]
    return value


Convert = Callable[[Any], Any]

_BY_KIND: Final[Mapping[ColumnKind, Convert]] = {
    ColumnKind.STRING: as_text,
    ColumnKind.STRINGS: as_texts,
    ColumnKind.INTEGER: as_integer,
    ColumnKind.NUMBER: as_number,
    ColumnKind.BOOLEAN: as_boolean,
    ColumnKind.TIME: as_time,
    ColumnKind.JSON: as_json,
}

COLUMNS: Final[Mapping[str, Convert]] = {
    **{name: _BY_KIND[kind] for name, kind in REQUEST_COLUMNS.items() if name != "model"},
    "latency_ms": as_milliseconds,
    "time_to_first_token_ms": as_milliseconds,
    "properties": as_texts_by_name,
}
"""Our columns of a request, and how their values are read; its model follows from others."""

SCORE_FIELDS: Final = tuple(
    f"score.{field}" for field in ("name", "value", "label", "at", "author", "comment")
)
"""Of a row that is one score."""
