"""Write the scores of a page's requests as JSON objects, of the ids of their names and their values.

An object is, byte for byte, the text of the jsonb that PostgreSQL would make of names and values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from operator import itemgetter
from typing import Any

import msgspec

from heliscore.domain.score import FEEDBACK
from heliscore.store.connections.pool import Connection
from heliscore.store.scores import ScoreNames
from heliscore.store.search.found_requests import Scored
from heliscore.store.statements import load

_SQL = load("request")

_NOT_SCORED = Scored(None, None, None)

Found = tuple[str | None, str | None, datetime | None]
"""As the search statement returns it: ids and values, with commas between them, and the feedback's time."""


class _Shape(msgspec.Struct, frozen=True):
    """The object of all requests that have scores of the same names, in the same order."""

    template: str
    """With `%s` for each value."""

    pick: Callable[[list[str]], Any]
    """Takes the values as they were found, returns them in the order of the template."""

    feedback: int | None
    """Where the feedback is among the values."""


class ScoreObjects:
    """Writes the objects of one page."""

    def __init__(self, names: Mapping[int, str]) -> None:
        """`names` are all that the page's scores have, by id."""
        self._names = names
        self._shapes: dict[str, _Shape] = {}

    def write(self, found: Found) -> Scored:
        ids, values, feedback_at = found
        if ids is None or values is None:
            return _NOT_SCORED
        shape = self._shapes.get(ids)
        if shape is None:
            shape = self._shapes[ids] = _make_shape([self._names[int(id_)] for id_ in ids.split(",")])
        each = values.split(",")
        feedback = None if shape.feedback is None else int(each[shape.feedback])
        return Scored((shape.template % shape.pick(each)).encode(), feedback, feedback_at)


async def read_names(
    connection: Connection, names: ScoreNames, organization_id: int, found: Iterable[Found]
) -> Mapping[int, str]:
    """Return the names of a page's scores by id."""
    ids = {int(id_) for several in {ids for ids, _, _ in found if ids} for id_ in several.split(",")}
    remembered = names.known_by_id(organization_id)
    known = {id_: remembered[id_] for id_ in ids if id_ in remembered}
    if missing := [id_ for id_ in ids if id_ not in known]:
        for id_, name in await connection.fetch(_SQL["score_names"], organization_id, missing):
            known[id_] = name
            names.remember(organization_id, name, id_)
    return known


def _make_shape(names: list[str]) -> _Shape:
    order = sorted(range(len(names)), key=lambda place: _jsonb_order(names[place]))
    members = (f"{msgspec.json.encode(names[place]).decode()}: " for place in order)
    return _Shape(
        template="{" + ", ".join(member.replace("%", "%%") + "%s" for member in members) + "}",
        pick=itemgetter(*order),
        feedback=names.index(FEEDBACK) if FEEDBACK in names else None,
    )


def _jsonb_order(name: str) -> tuple[int, bytes]:
    """jsonb has shorter keys first."""
    key = name.encode()
    return len(key), key
