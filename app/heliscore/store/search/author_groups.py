"""Compile groups of scores by the author, kind or version of one score of their requests."""

from __future__ import annotations

from enum import Enum
from typing import Final

from heliscore.domain.filter_tree import ScorePart
from heliscore.store.search.conditions import ConditionCompiler
from heliscore.store.search.matching_rows import MatchingRows
from heliscore.store.search.score_conditions import HIDDEN, SAME_REQUEST, ScoreConditions
from heliscore.store.search.score_parts import ORIGIN_PARTS

_AUTHORS: Final = "\nLEFT JOIN score_origin AS o ON o.organization_id = $1 AND o.id = {}"

_LOOKED_UP: Final = (
    "CASE WHEN v.name_id = {0} THEN v.origin_id ELSE "
    f"(SELECT g.origin_id FROM score AS g WHERE {SAME_REQUEST.format('g', 'v')} "
    f"AND g.name_id{HIDDEN} = {{0}}) END"
)

_JOINED: Final = (
    "\nLEFT JOIN score AS g ON g.organization_id = $1 AND g.request_no = v.request_no AND g.name_id = {}"
)

_CHANGES: Final = (
    "SELECT s.request_no, s.name_id, s.value, s.is_boolean, s.origin_id, s.scored_at, true AS is_present "
    "FROM score AS s WHERE {} "
    "UNION ALL "
    "SELECT h.request_no, h.name_id, h.value, h.is_boolean, h.origin_id, h.scored_at, false "
    "FROM score_history AS h WHERE {} AND h.taken_back_at IS NULL"
)

_OF_NAME: Final = "{0}.organization_id = $1 AND {0}.name_id = {1}"
_OF_REQUEST: Final = f"{SAME_REQUEST.format('{0}', 'r')} AND {{0}}.name_id{HIDDEN} = {{1}}"

_OPINIONS: Final = (
    "(SELECT DISTINCT ON (r.request_no, o.author_no) "
    "r.organization_id, r.request_no, r.created_at AS request_created_at, c.name_id, c.value, c.is_boolean, "
    "{columns}\n"
    "FROM request AS r\n"
    "{changes}\n"
    "JOIN (SELECT o.*, dense_rank() OVER (ORDER BY o.kind, o.name, o.version) AS author_no "
    "FROM score_origin AS o WHERE o.organization_id = $1) AS o ON o.id = c.origin_id{joins}\n"
    "WHERE r.organization_id = $1 AND r.created_at >= $2 AND r.created_at < $3 AND {where}\n"
    "ORDER BY r.request_no, o.author_no, c.is_present DESC, c.scored_at DESC) AS v"
)
"""As find_opinions in domain/score_changes.py: of each author the newest change; without a value it ends the
opinion. From the requests or by hash, because no index finds the history of an organization. Authors are
numbered, because numbers are sorted in a fraction of the time."""


class GroupOf(Enum):
    """How the score is found whose author is the group."""

    OWN = "there are no other scores"
    JOINED = "by hash"
    LOOKED_UP = "score by score"


OWN, JOINED, LOOKED_UP = GroupOf


def join_authors(scores: ScoreConditions, group: ScorePart, of: GroupOf) -> tuple[str, str]:
    """Join the authors to scores, called v: returns the join and the group. A score of another name is in the
    group of its request."""
    if group.name not in scores.name_ids:
        return "", "NULL::text"
    part = ORIGIN_PARTS[group.part]
    if of is OWN:
        return _AUTHORS.format("v.origin_id"), part
    name = scores.arguments.add(scores.name_ids[group.name], "integer")
    if of is JOINED:
        return _JOINED.format(name) + _AUTHORS.format("g.origin_id"), part
    return _AUTHORS.format(_LOOKED_UP.format(name)), part


def grouped_opinions(
    conditions: ConditionCompiler, rows: MatchingRows, group: ScorePart, *, by_hash: bool
) -> str:
    """The opinions on one score, each with its group_value."""
    part = f"{ORIGIN_PARTS[group.part]} AS group_value"
    return opinions(conditions, rows, group.name, part, by_hash=by_hash)


def opinions(
    conditions: ConditionCompiler, rows: MatchingRows, score: str, columns: str, *, by_hash: bool
) -> str:
    """The opinions on one score of the requests that match, called v; rows without a value are none.
    `columns` are of the author o and the change c. The requests' time is from $2 up to and without $3."""
    name = conditions.arguments.add(conditions.scores.name_ids[score], "integer")
    found = _OF_NAME if by_hash else _OF_REQUEST
    changes = _CHANGES.format(found.format("s", name), found.format("h", name))
    return _OPINIONS.format(
        columns=columns,
        changes=(
            f"JOIN ({changes}) AS c ON c.request_no = r.request_no"
            if by_hash
            else f"CROSS JOIN LATERAL ({changes} OFFSET 0) AS c"
        ),
        joins=rows.joins and f"\n{rows.joins}",
        where=rows.where,
    )
