"""The headings of the table of requests: each is a link to the same search in another order."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from heliscore.dashboard.parts.request_rows import ScoreScale
from heliscore.dashboard.parts.search_address import SearchAddress, format_sort
from heliscore.dashboard.parts.table_columns import TableColumn
from heliscore.domain.filter_tree import Score, Sort, SortSubject


class SortHeading(msgspec.Struct, frozen=True):
    """The heading of a column by which the table can be sorted."""

    title: str
    address: str
    """Where a click leads: the same search in this column's order."""

    direction: str | None = None
    """`ascending` or `descending` if the table is sorted by this column."""

    name: str = ""
    """The name of the score, if it is one."""


def make_headings(
    search: SearchAddress, sort: Sort | None, columns: Iterable[TableColumn]
) -> dict[str, SortHeading]:
    """Make the headings of those columns that can be sorted by, by their keys. The first click sorts
    descending."""
    return {
        column.key: _make(search, sort, column.title, column.sorted_by, begins_descending=True)
        for column in columns
        if column.sorted_by is not None
    }


def make_score_heading(search: SearchAddress, sort: Sort | None, scale: ScoreScale) -> SortHeading:
    """Make the heading of a score. The first click shows the worst first: the lowest, unless its definition
    says that lower values are better."""
    subject = Score(scale.name)
    heading = _make(search, sort, scale.name, subject, begins_descending=scale.direction == "lower")
    return msgspec.structs.replace(heading, name=scale.name)


def _make(
    search: SearchAddress, sort: Sort | None, title: str, subject: SortSubject, *, begins_descending: bool
) -> SortHeading:
    here = None if sort is None or sort.subject != subject else sort
    descending = begins_descending if here is None else not here.descending
    return SortHeading(
        title,
        search.href(sort=format_sort(subject, descending=descending), cursor=""),
        None if here is None else "descending" if here.descending else "ascending",
    )
