"""Lists the raters that can be compared: score names, and the authors who gave values under them."""

from __future__ import annotations

from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Final

import msgspec

from heliscore.domain.author import Author
from heliscore.store.connections.pool import Connection
from heliscore.store.statements import load

_SQL = load("known_rater")

_SCORES: Final = 400
"""The newest of each name are looked at; rarer authors can be typed."""

_NAMES: Final = 40


class RatedName(msgspec.Struct, frozen=True):
    """A score name, as its newest scores have it."""

    name: str
    lowest: int
    highest: int
    pairs: int
    """How many requests both a human and a judge or code rated."""

    authors: tuple[Author, ...]
    """Those who gave values, sorted."""


async def list_rated_names(
    connection: Connection, organization_id: int, start: datetime, end: datetime
) -> list[RatedName]:
    """Return the names that have scores in the time, the first of many, sorted."""
    rows = await connection.fetch(_SQL["list"], organization_id, start, end, _SCORES, _NAMES)
    names = []
    for name, group in groupby(map(tuple, rows), itemgetter(0)):
        of_name = list(group)
        _, pairs, lowest, highest, *_ = of_name[0]
        authors = tuple(
            Author(kind, author, version) for *_, kind, author, version, _ in of_name if kind is not None
        )
        names.append(RatedName(name, lowest, highest, pairs, authors))
    return names
