"""Reads the values in filter conditions, and limits their number, for all dialects."""

from __future__ import annotations

import re
import sys
from datetime import datetime
from typing import Final

from heliscore.api.http.field_errors import FieldErrors
from heliscore.domain.author import KINDS
from heliscore.domain.filter_tree import Everything, Filter, Kind, Value
from heliscore.domain.messages import described
from heliscore.domain.score import MAX_VALUE, MIN_VALUE, score_error
from heliscore.domain.times import now, read_time

MAX_DEPTH: Final = 50
MAX_CONDITIONS: Final = 500

_NUMBER: Final = re.compile(r"[+-]?\d{1,400}(\.\d{0,400})?([eE][+-]?\d{1,4})?", re.ASCII)
_INTEGER: Final = re.compile(r"[+-]?\d{1,20}", re.ASCII)
_MIN, _MAX = -sys.float_info.max, sys.float_info.max


class ConditionReader:
    """Reads the values of conditions. After an error, in `errors`, the values mean nothing."""

    def __init__(self, errors: FieldErrors) -> None:
        self.errors = errors
        self.counted = 0

    def reject(self, path: str, message: str) -> Filter:
        self.errors.add(path, message)
        return Everything()

    def count(self, path: str) -> None:
        self.counted += 1
        if self.counted == MAX_CONDITIONS + 1:
            self.errors.add(path, f"more than {MAX_CONDITIONS} conditions")

    def value(self, kind: Kind, raw: object, path: str) -> Value:
        match kind:
            case Kind.TEXT | Kind.AUTHOR:
                return self.text(raw, path)
            case Kind.NUMBER:
                return self.number(raw, path)
            case Kind.TIMESTAMP:
                return self.timestamp(raw, path)
            case Kind.BOOLEAN:
                return self.boolean(raw, path)
            case Kind.SCORE:
                return self.score(raw, path)
            case Kind.AUTHOR_KIND:
                return self.author_kind(raw, path)

    def text(self, raw: object, path: str) -> str:
        if not isinstance(raw, str):
            self.errors.add(path, f"expected a string, got {described(raw)}")
        elif "\0" in raw:
            self.errors.add(path, "must not contain NUL")
        else:
            return raw
        return ""

    def number(self, raw: object, path: str) -> int | float:
        value = raw
        if isinstance(raw, str) and _NUMBER.fullmatch(raw):
            value = float(raw) if set(raw) & set(".eE") else int(raw)
        if isinstance(value, int | float) and not isinstance(value, bool) and _MIN < value < _MAX:
            return value
        self.errors.add(path, f"expected a number, got {described(raw)}")
        return 0

    def timestamp(self, raw: object, path: str) -> datetime:
        time = read_time(raw) if isinstance(raw, str) else None
        if time is None:
            self.errors.add(path, f"expected an ISO 8601 date or date-time, got {described(raw)}")
        return time or now()

    def boolean(self, raw: object, path: str) -> bool:
        match raw:
            case True | "true":
                return True
            case False | "false":
                return False
        self.errors.add(path, f"expected true or false, got {described(raw)}")
        return False

    def score(self, raw: object, path: str) -> int:
        if isinstance(raw, str) and raw in ("true", "false"):
            return int(raw == "true")
        value = int(raw) if isinstance(raw, str) and _INTEGER.fullmatch(raw) else raw
        if isinstance(value, int) and MIN_VALUE <= value <= MAX_VALUE:
            return int(value)
        self.errors.add(path, score_error(raw))
        return 0

    def author_kind(self, raw: object, path: str) -> str:
        if raw not in KINDS:
            self.errors.add(path, f"expected {', '.join(KINDS[:-1])} or {KINDS[-1]}, got {described(raw)}")
        return str(raw)
