"""Compile conditions on authors, comments and other parts of scores to SQL conditions on a row of score."""

from __future__ import annotations

from typing import Final

from heliscore.domain.filter_tree import Part, ScorePart
from heliscore.store.search.arguments import Arguments
from heliscore.store.search.comparisons import SubjectCondition, compare

ORIGIN_PARTS: Final[dict[Part, str]] = {
    "author": "(o.kind || ':' || o.name || coalesce('@' || nullif(o.version, ''), '')) COLLATE \"default\"",
    "kind": "o.kind",
    "version": "nullif(o.version, '') COLLATE \"default\"",
}
"""Of a row of score_origin, called o. Names are kept in collation C, in which ILIKE knows the case of ASCII
only."""

_ROW_PARTS: Final[dict[Part, str]] = {
    "scored_at": "{0}.scored_at",
    "comment": "(SELECT m.comment FROM score_comment AS m WHERE {1})",
    "changed": "EXISTS (SELECT FROM score_history AS h WHERE {2} AND h.is_aside IS NULL OFFSET 0)",
}

_SAME_SCORE: Final = (
    "{1}.request_no = {0}.request_no AND {1}.name_id = {0}.name_id AND {1}.organization_id = $1"
)

_ORIGINS: Final = "ARRAY(SELECT o.id FROM score_origin AS o WHERE o.organization_id = $1 AND {})"
"""An array, which is made once for the statement: the planner cannot join the origins and begin at them."""


_LABELLED: Final = (
    "{}.value + 0 = ANY(ARRAY(SELECT l.value::bigint "
    "FROM score_definition AS d CROSS JOIN jsonb_each_text(d.labels) AS l (value, label) "
    "WHERE d.organization_id = $1 AND d.name = {} AND {}))"
)
"""The same for the values that have a label; + 0, so that no index of values is used."""


def compile_part(alias: str, condition: SubjectCondition, subject: ScorePart, arguments: Arguments) -> str:
    """Compile a condition on a row of score. $1 must be the organization."""
    if subject.part in ORIGIN_PARTS:
        meets = compare(ORIGIN_PARTS[subject.part], condition, arguments)
        return f"{alias}.origin_id = ANY({_ORIGINS.format(meets)})"
    if subject.part == "label":
        name = arguments.add(subject.name, "text")
        return _LABELLED.format(alias, name, compare("l.label", condition, arguments))
    same_comment = f"{_SAME_SCORE.format(alias, 'm')} AND m.scored_at = {alias}.scored_at"
    same_score = _SAME_SCORE.format(alias, "h")
    expression = _ROW_PARTS[subject.part].format(alias, same_comment, same_score)
    return compare(expression, condition, arguments)
