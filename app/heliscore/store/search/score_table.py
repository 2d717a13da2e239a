"""The conditions on scores that a statement asks of many requests, answered by one pass over the scores.

To look the scores up would take an index for each request and condition; a join for each condition, a pass
for each. Here the scores that meet any of them are grouped by request: a row for each request, called m, with
a column for each condition.
"""

from __future__ import annotations

from heliscore.store.search.score_conditions import VISIBLE


class ScoreTable:
    """The table of one statement, which must be joined by hash (hash_joins.py)."""

    def __init__(self) -> None:
        self._conditions: list[str] = []
        self._of_any_name = False

    def __bool__(self) -> bool:
        return bool(self._conditions)

    def add(self, condition: str) -> str:
        """Add a condition on a row s of score, of one name; returns the one on the request."""
        self._conditions.append(condition)
        return f"(m.c{len(self._conditions)} IS TRUE)"

    def add_any(self) -> str:
        """Add the condition that there is a score."""
        self._of_any_name = True
        return self.add("true")

    def source(self) -> str:
        """The table, as FROM takes it: only requests that meet at least one condition."""
        any_met = " OR ".join(f"({condition})" for condition in self._conditions)
        met = ", ".join(f"({condition}) AS c{n}" for n, condition in enumerate(self._conditions, 1))
        scores = (
            f"SELECT s.organization_id, s.request_no, s.request_created_at AS created_at, {met} "
            f"FROM score AS s WHERE s.organization_id = $1 AND ({any_met})"
        )
        if len(self._conditions) == 1 and not self._of_any_name:  # a request has one score of a name
            return f"({scores}) AS m"
        # Sorted: the scores come nearly in order of their requests, and a hash table of them all would not
        # fit into memory. OFFSET 0 keeps the order from being lost.
        keys = "s.organization_id, s.request_no, s.created_at"
        all_met = ", ".join(f"bool_or(s.c{n}) AS c{n}" for n in range(1, len(self._conditions) + 1))
        return (
            f"(SELECT {keys}, {all_met} FROM ({scores} ORDER BY 1, 2, 3 OFFSET 0) AS s GROUP BY 1, 2, 3) AS m"
        )

    def join(self) -> str:
        """Join the table to the requests r; nothing without a condition."""
        return f"\nLEFT JOIN {self.source()} ON {VISIBLE.format('m')}" if self else ""
