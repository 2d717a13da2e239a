"""Makes lines of our own export of the rows of others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from heliscore.domain.export_columns import HISTORY, PROPERTY
from heliscore.imports.fields import COLUMNS, Found, Sources, Unfit, as_decimal, as_object, is_nothing, plain
from heliscore.imports.files import Row
from heliscore.imports.heliscore_rows import HELISCORE, with_formulas
from heliscore.imports.row_formats import SECONDS, GivenScore, RowFormat

_encoder: Final = msgspec.json.Encoder()

Apply = Callable[[GivenScore], int | bool]


class ReadRow(msgspec.Struct, frozen=True):
    """A row that was read: a request and its scores, and what of the row is none."""

    row: Row
    request: dict[str, Any]
    scores: list[GivenScore]
    reasons: tuple[str, ...] = ()

    @property
    def is_lost(self) -> bool:
        """Whether nothing of it can be taken."""
        return "request_id" not in self.request


class MadeLine(msgspec.Struct, frozen=True):
    """A line to be sent; None: nothing of the row can be taken."""

    row: Row
    line: bytes | None
    reasons: tuple[str, ...]


def read_row(row: Row, format_: RowFormat, sources: Sources) -> ReadRow:
    """Read a row of a format; `sources` are its fields, or those that the user named instead."""
    if row.error:
        return ReadRow(row, {}, [], (row.error,))
    values = with_formulas(row.values) if format_ is HELISCORE else row.values
    found = Found(sources, values)
    reasons: list[str] = []
    request = _read_request(found, reasons)
    if "request_id" not in request:
        return ReadRow(row, {}, [], (*reasons, "there is no request id"))
    scores: list[GivenScore] = []
    try:
        scores.extend(format_.read_scores(found))
    except Unfit as unfit:
        reasons.append(str(unfit))
    if not format_.scores_from and not scores:
        return ReadRow(row, {}, [], tuple(reasons) or ("the score has no name",))
    return ReadRow(row, request, scores, tuple(reasons))


def _read_request(found: Found, reasons: list[str]) -> dict[str, Any]:
    request: dict[str, Any] = {}
    for name, convert in {**COLUMNS, SECONDS: as_decimal, HISTORY: as_object}.items():
        if (value := found.get(name)) is None:
            continue
        try:
            request[name] = plain(convert(value))
        except Unfit as unfit:
            reasons.append(f"{name}: {unfit}")
    if request.pop(SECONDS, None) is not None:
        request.setdefault("latency_ms", round(as_decimal(found.get(SECONDS)) * 1000))
    properties = {
        name.removeprefix(PROPERTY): value
        for name, value in found.values.items()
        if name.startswith(PROPERTY) and not is_nothing(value)
    }
    if properties:
        request["properties"] = properties | request.get("properties", {})
    return request


def make_line(read: ReadRow, rules: Mapping[str, Apply], *, author: str | None, time: str) -> MadeLine:
    """Make the line of a row. `author` is of scores that name none, `time` of a row that says none."""
    if read.is_lost:
        return MadeLine(read.row, None, read.reasons)
    scores: dict[str, dict[str, Any]] = {}
    reasons = list(read.reasons)
    for score in read.scores:
        if score.name in scores:
            reasons.append(f"scores.{score.name}: given twice")
            continue
        try:
            if score.error:
                raise Unfit(score.error)
            value = rules[score.name](score)
        except Unfit as unfit:
            reasons.append(f"scores.{score.name}: {unfit}")
            continue
        given = {"value": value, "at": score.at, "author": score.author or author, "comment": score.comment}
        scores[score.name] = {key: one for key, one in given.items() if one is not None}
    if not scores and read.scores and read.request.keys() == {"request_id"}:
        return MadeLine(read.row, None, tuple(reasons))
    line = {**read.request, "scores": scores}
    if "created_at" not in line and not all("at" in score for score in scores.values()):
        line["created_at"] = time
    return MadeLine(read.row, _encoder.encode(line), tuple(reasons))


def pass_on(row: Row) -> MadeLine:
    """The line of our own file of lines as it stands there; columns of properties become keys again."""
    if row.error:
        return MadeLine(row, None, (row.error,))
    properties = {name for name in row.values if name.startswith(PROPERTY)}
    if not properties:
        return MadeLine(row, row.line, ())
    line = {name: plain(value) for name, value in row.values.items() if name not in properties}
    found = {
        name.removeprefix(PROPERTY): row.values[name] for name in properties if row.values[name] is not None
    }
    line["properties"] = found | (line.get("properties") or {})
    return MadeLine(row, _encoder.encode(line), ())
