"""Compile the ratings of raters: rows called v, each a value that one gave to a request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from heliscore.domain.filter_tree import Column, Property
from heliscore.domain.rater import Rater
from heliscore.store.search.author_groups import opinions
from heliscore.store.search.conditions import ConditionCompiler
from heliscore.store.search.matching_rows import MatchingRows
from heliscore.store.search.score_conditions import HIDDEN, SAME_REQUEST, VISIBLE

FOLD_OF_UNIT: Final = "hashtext(max(v.unit))"
"""All ratings of a request are of one unit."""

_COLUMNS: Final = "v.organization_id, v.request_no, v.request_created_at, v.name_id, v.value"

_OF_SCORE: Final = (
    "SELECT s.organization_id, s.request_no, s.request_created_at, s.name_id, s.value, {unit} AS unit, "
    "{rater} AS rater FROM request AS r\n{scores}{joins}\n"
    "WHERE r.organization_id = $1 AND r.created_at >= $2 AND r.created_at < $3 AND {where}"
)
_JOINED: Final = f"JOIN score AS s ON {VISIBLE.format('s')} AND s.name_id = {{}}"
_LOOKED_UP: Final = (
    "CROSS JOIN LATERAL (SELECT s.* FROM score AS s "
    f"WHERE {SAME_REQUEST.format('s', 'r')} AND s.name_id{HIDDEN} = {{}} OFFSET 0) AS s"
)
_OF_AUTHORS: Final = (
    f"(SELECT DISTINCT ON (v.request_no) {_COLUMNS}, v.unit, {{rater}} AS rater FROM {{opinions}} "
    "WHERE v.value IS NOT NULL{authors} ORDER BY v.request_no, v.scored_at DESC)"
)
"""Of several authors the newest opinion."""


_RATED: Final = "max(v.value) FILTER (WHERE v.rater = {})"
_NAME: Final = "($4::integer[])[{}]"


def ratings_of_request(count: int) -> str:
    """The values of the raters of a request, by their numbers; null where one gave none."""
    return f"ARRAY[{', '.join(_RATED.format(number) for number in range(1, count + 1))}]"


def scores_of_request(count: int) -> str:
    """The same of raters that are score names, the ids in $4."""
    return f"ARRAY[{', '.join(_RATED.format(_NAME.format(number)) for number in range(1, count + 1))}]"


def ratings_of(
    conditions: ConditionCompiler,
    rows: MatchingRows,
    raters: Sequence[Rater],
    unit: Column | Property | None,
    *,
    by_hash: bool,
) -> str:
    """The ratings of the requests that match, with their requests' unit and the numbers of their raters, from
    1. The requests' time is from $2 up to and without $3."""
    parts = []
    unit_of = "NULL::text" if unit is None else conditions.expression(unit)
    for number, rater in enumerate(raters, 1):
        if rater.name not in conditions.scores.name_ids:
            continue
        if rater.is_of_authors:
            columns = f"c.scored_at, o.kind, o.name AS author, o.version, {unit_of} AS unit"
            found = opinions(conditions, rows, rater.name, columns, by_hash=by_hash)
            authors = _is_by(conditions, rater)
            parts.append(_OF_AUTHORS.format(rater=number, opinions=found, authors=authors))
        else:
            name = conditions.arguments.add(conditions.scores.name_ids[rater.name], "integer")
            scores = (_JOINED if by_hash else _LOOKED_UP).format(name)
            joins = rows.joins and f"\n{rows.joins}"
            parts.append(
                _OF_SCORE.format(rater=number, unit=unit_of, scores=scores, joins=joins, where=rows.where)
            )
    return f"({' UNION ALL '.join(parts)}) AS v"


def _is_by(conditions: ConditionCompiler, rater: Rater) -> str:
    """Conditions on the author of an opinion."""
    parts = {"kind": rater.kind, "author": rater.author, "version": rater.version}
    return "".join(
        f" AND v.{column} = {conditions.arguments.add(value, 'text')}"
        for column, value in parts.items()
        if value is not None
    )
