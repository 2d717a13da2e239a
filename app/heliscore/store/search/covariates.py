"""Compile a number of the request that its scores are adjusted by: another score, or a column."""

from __future__ import annotations

from typing import Final

from heliscore.domain.filter_tree import Column, Score
from heliscore.store.search.conditions import ConditionCompiler
from heliscore.store.search.score_conditions import HIDDEN, SAME_REQUEST

Covariate = Column | Score

_JOINED: Final = (
    "\nJOIN score AS x ON x.organization_id = $1 AND x.request_no = v.request_no AND x.name_id = {}"
)
_LOOKED_UP: Final = (
    "\nCROSS JOIN LATERAL (SELECT x.value FROM score AS x "
    f"WHERE {SAME_REQUEST.format('x', 'v')} AND x.name_id{HIDDEN} = {{}} OFFSET 0) AS x"
)


def join_covariate(conditions: ConditionCompiler, covariate: Covariate, *, by_hash: bool) -> tuple[str, str]:
    """Join a covariate to scores, called v: returns the join and the number. Scores of a request without such
    a score are left out; a column may be null."""
    if isinstance(covariate, Column):
        return "", f"{conditions.expression(covariate)}::numeric"
    if covariate.name not in conditions.scores.name_ids:
        return "", "NULL::numeric"
    name = conditions.arguments.add(conditions.scores.name_ids[covariate.name], "integer")
    return (_JOINED if by_hash else _LOOKED_UP).format(name), "x.value::numeric"
