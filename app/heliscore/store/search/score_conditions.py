"""Compile conditions on one score to SQL conditions on a row of the table score, by how the row is found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from heliscore.domain.filter_tree import Compare, Exists, FeedbackTime, Kind, OneOf, Score, ScorePart
from heliscore.store.search.arguments import Arguments
from heliscore.store.search.comparisons import SubjectCondition, compare
from heliscore.store.search.score_parts import compile_part

_COLUMNS: Final[dict[type, str]] = {
    Score: "{}.value",
    # Kept to the microsecond, but shown to the millisecond.
    FeedbackTime: "date_trunc('milliseconds', {}.scored_at)",
}

HIDDEN: Final = " + 0"
"""Hides a column from the planner, so that it uses no index on it.

Rows of an organization, or of a score name, that the statistics do not know are estimated at one. Then an
index that begins with the organization looks as good as the one that begins with the request's number, and
each lookup of a row reads all rows of the organization. So of a statement's tables only the one that it
begins at is found by organization, and all others by the request's number alone. (The name is hidden too:
since version 18, PostgreSQL uses an index without its first column.)

The organization is hidden in another way, as `$1::integer::oid`: the operator is then the one of oid, which
an index of integers does not serve. Citus sees through that, and must: it runs a statement on one node as a
whole only if each of its tables is compared with the organization. (The parameter itself stays an integer.)
"""

SAME_REQUEST: Final = "{0}.request_no = {1}.request_no AND {0}.organization_id = $1::integer::oid"
"""From one row to another of the same request, in the organization, $1, which is hidden."""

VISIBLE: Final = "{0}.organization_id = $1 AND {0}.request_no = r.request_no"
"""The same for statements that are joined by hash (hash_joins.py): each table is read by organization."""

_LOWEST: Final = f"(SELECT '{-(2**63)}'::bigint)"
_HIGHEST: Final = f"(SELECT '{2**63 - 1}'::bigint)"


class ScoreConditions(msgspec.Struct, frozen=True):
    """Compiles the conditions on scores of one statement. Each takes the alias of the table, a score's name
    and the conditions on it, all of which must hold."""

    name_ids: Mapping[str, int]
    """The organization's score names. No request has a score of another name."""

    arguments: Arguments

    def of_request(self, alias: str, row: str, name: str, conditions: Sequence[SubjectCondition]) -> str:
        """The row of that score of the same request as another row, `score AS s WHERE …`."""
        meets = self._meets(alias, name, conditions, hidden_name=HIDDEN)
        return f"score AS {alias} WHERE {SAME_REQUEST.format(alias, row)} AND {meets}"

    def joined(self, alias: str, name: str, conditions: Sequence[SubjectCondition]) -> str:
        """The same of the request r, in a statement that is joined by hash, `score AS s1 ON …`."""
        return f"score AS {alias} ON {VISIBLE.format(alias)} AND {self._meets(alias, name, conditions)}"

    def of_name(self, alias: str, name: str, conditions: Sequence[SubjectCondition]) -> str:
        """A row of that score, in any organization: name ids are of one only."""
        return self._meets(alias, name, conditions)

    def of_organization(
        self, alias: str, name: str, conditions: Sequence[SubjectCondition], *, hidden: str = ""
    ) -> str:
        """A row of that score in the organization, $1. With `hidden`, HIDDEN, no index of values is used."""
        return f"{alias}.organization_id = $1 AND {self._meets(alias, name, conditions, hidden=hidden)}"

    def few(self, alias: str, name: str, conditions: Sequence[SubjectCondition]) -> str:
        """The same where few rows meet the conditions.

        Values of a subquery are unknown to the planner, and of a range between two of them it expects one in
        200 rows: always so few that it uses the index of values, and not all that the histogram of all scores
        may promise.
        """
        parts = [self.of_organization(alias, name, [])]
        for condition in conditions:
            match condition:
                case Compare(ScorePart()) | OneOf(ScorePart()) | Exists(ScorePart()):
                    parts.append(self._met(alias, condition))
                case Compare(_, "=" | ">=" | ">" | "<" | "<=" as operator, value):
                    bound = f"(SELECT {self.arguments.add_value(value, Kind.SCORE)})"
                    lower = bound if operator in ("=", ">=", ">") else _LOWEST
                    upper = bound if operator in ("=", "<=", "<") else _HIGHEST
                    parts.append(f"{alias}.value {'>' if operator == '>' else '>='} {lower}")
                    parts.append(f"{alias}.value {'<' if operator == '<' else '<='} {upper}")
                case OneOf() | Compare():
                    parts.append(compare(f"{alias}.value", condition, self.arguments))
                case Exists():
                    pass
        return " AND ".join(parts)

    def _meets(
        self,
        alias: str,
        name: str,
        conditions: Sequence[SubjectCondition],
        *,
        hidden: str = "",
        hidden_name: str = "",
    ) -> str:
        parts = [
            f"{alias}.name_id{hidden_name} = {self.arguments.add(self.name_ids[name], 'integer')}",
            *(
                self._met(alias, condition, hidden)
                for condition in conditions
                if not isinstance(condition, Exists) or isinstance(condition.subject, ScorePart)
            ),
        ]
        return " AND ".join(parts)

    def _met(self, alias: str, condition: SubjectCondition, hidden: str = "") -> str:
        """One condition on a row of score."""
        if isinstance(condition.subject, ScorePart):
            return compile_part(alias, condition, condition.subject, self.arguments)
        return compare(_COLUMNS[type(condition.subject)].format(alias) + hidden, condition, self.arguments)
