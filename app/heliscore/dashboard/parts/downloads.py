"""What a page shows, as a CSV file: with `download=csv` in its address."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from starlette.datastructures import QueryParams
from starlette.responses import Response

from heliscore.api.http.html import HEADERS
from heliscore.dashboard.parts.trends import Card
from heliscore.domain.spreadsheet_cells import defuse
from heliscore.exports.csv_file import write_rows

DOWNLOAD: Final = "download"
"""The parameter of an address."""

Cell = str | int | float | bool | None


def wants_csv(query: QueryParams) -> bool:
    """Whether an address asks for a file."""
    return query.get(DOWNLOAD) == "csv"


def answer_csv(name: str, rows: Iterable[Sequence[Cell]]) -> Response:
    """Answer a file of that name. The header is the first row."""
    content = write_rows([_defuse_all(row) for row in rows])
    headers = {**HEADERS, "Content-Disposition": f'attachment; filename="{name}.csv"'}
    return Response(content, headers=headers, media_type="text/csv; charset=utf-8; header=present")


def _defuse_all(row: Sequence[Cell]) -> list[Cell]:
    return [defuse(cell) if isinstance(cell, str) else cell for cell in row]


_CARD: Final = (
    *("score", "measure", "value", "scores", "lowest", "highest"),
    *("value_before", "scores_before", "difference", "difference_low", "difference_high", "is_clear"),
)


def make_card_rows(cards: Iterable[Card]) -> list[Sequence[Cell]]:
    """The numbers of the overview's cards: a period beside the one before; intervals at 95 %."""
    rows: list[Sequence[Cell]] = [_CARD]
    for card in cards:
        total, before, change = card.total, card.before, card.change
        interval = None if change is None else change.interval
        rows.append(
            (
                *(card.name, "share" if card.is_share else "average", total.average),
                *(total.count, total.lowest, total.highest),
                *((None, None) if before is None else (before.average, before.count)),
                None if change is None else change.difference,
                *((None, None) if interval is None else (interval.low, interval.high)),
                None if change is None else str(change.is_clear).lower(),
            )
        )
    return rows
