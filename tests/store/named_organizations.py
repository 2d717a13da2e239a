"""Whether a statement can run where organizations are spread over several servers.

It is one server's as a whole, and any SQL is allowed in it, if each table of organizations names the
organization in each query: `alias.organization_id = $n`, or `= $n::integer::oid` where no index is to be used
by the organization.

A statement with the line `-- runs on the node of $n` is taken to the server of the organization $n, or of the
array $n of it. There it runs as plain SQL, and the organization may come from the rows of other queries.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from heliscore.store.cluster.tables import DISTRIBUTED as TABLES
from pglast import ast, parse_sql

from tests.store.query_sources import Sources, direct_parameter, named_column, walk

DISTRIBUTED: Final = frozenset(TABLES)

_IDENTITIES: Final = {
    "request": "request_no",
    "score_name": "id",
    "score_origin": "id",
    "waiting_score": "id",
    "promptlayer_log": "request_id",
    "promptlayer_group": "id",
    "event": "id",
    "touched_hour": "id",
    "score_definition": "version",
}
"""The columns that number rows: on the servers that hold the rows, nothing gives them."""

_CHANGING: Final = frozenset(("now", "statement_timestamp", "current_setting"))
_VOLATILE: Final = frozenset(("clock_timestamp", "nextval", "random", "gen_random_uuid"))
"""Functions that are refused in DO UPDATE, and in UPDATE: servers might disagree on what they return."""

_OF_A_SESSION: Final = frozenset(
    ("set_config", "pg_advisory_xact_lock", "pg_advisory_xact_lock_shared", "pg_try_advisory_xact_lock")
)
"""Functions that do nothing to the sessions of other servers."""

_RUNS_ON = re.compile(r"^-- runs on the node of \$(\d+)$", re.MULTILINE)

_WRITES: Final = ast.InsertStmt | ast.UpdateStmt | ast.DeleteStmt


def violations(sql: str) -> list[str]:
    """What keeps a statement from running there, in its order."""
    carried = _RUNS_ON.search(sql)
    node = int(carried[1]) if carried else None
    found = []
    for raw in parse_sql(sql):
        check = _Check(node)
        check.query(raw.stmt, Sources(None))
        found += check.found
        found += _mixing(raw, carried=node is not None)
        found += [] if node is not None else _form(raw)
        found += check.parameters(_tables(raw))
    return found


def _tables(statement: ast.Node) -> set[str]:
    """The tables of a statement. (FOR UPDATE OF names aliases.)"""
    names = {cte.ctename for cte in walk(statement, ast.CommonTableExpr)}
    return {table.relname for table in walk(statement, ast.RangeVar, below=(ast.LockingClause,))} - names


def _mixing(statement: ast.Node, *, carried: bool) -> Iterator[str]:
    tables = _tables(statement)
    others = tables - DISTRIBUTED
    if others and (carried or tables & DISTRIBUTED):
        yield f"uses {', '.join(sorted(others))} together with tables of organizations"


def _form(statement: ast.Node) -> Iterator[str]:
    """What is only taken where a statement is carried to one server."""
    if not _tables(statement) & DISTRIBUTED:
        return
    for cte in walk(statement, ast.CommonTableExpr):
        if isinstance(cte.ctequery, _WRITES):
            yield f"{cte.ctename} writes, but the statement does not say on whose node"
    if any(clause.recursive for clause in walk(statement, ast.WithClause)):
        yield "is recursive, but does not say on whose node"
    if called := _called(statement) & _OF_A_SESSION:
        yield f"calls {', '.join(sorted(called))}, but does not say on whose node"
    for conflict in walk(statement, ast.OnConflictClause):
        if called := _called(conflict) & (_CHANGING | _VOLATILE):
            yield f"calls {', '.join(sorted(called))} in DO UPDATE"
        if any(walk(conflict, ast.SubLink)):
            yield "has a subquery in DO UPDATE"
    for update in walk(statement, ast.UpdateStmt):
        if called := _called(update) & _VOLATILE:
            yield f"calls {', '.join(sorted(called))} in UPDATE"
    for select in walk(statement, ast.SelectStmt):
        if any(isinstance(target.val, ast.RowExpr) for target in select.targetList or ()):
            yield "returns an anonymous row"


def _called(part: ast.Node) -> set[str]:
    return {call.funcname[-1].sval for call in walk(part, ast.FuncCall)}


class _Check:
    """Goes through the queries of one statement."""

    def __init__(self, node: int | None) -> None:
        self.node = node
        self.found: list[str] = []
        self._given: list[int] = []

    def parameters(self, tables: set[str]) -> Iterator[str]:
        """What is wrong with the parameters that were found to be the organization in these tables."""
        given = sorted(set(self._given))
        if not given and not tables:
            return
        if self.node is not None and given != [self.node]:
            yield f"says that it runs on the node of ${self.node}, but the organization is {_dollars(given)}"
        elif len(given) > 1:
            yield f"names several organizations: {_dollars(given)}"

    def query(self, query: Any, outer: Sources) -> dict[str, int]:
        """Check a query with those in it. Returns which of its columns are which parameters."""
        if not isinstance(query, ast.SelectStmt | _WRITES):
            return {}
        scope = Sources(outer)
        for cte in query.withClause.ctes if query.withClause else ():
            # A recursive one is seen from itself; what its first part returns is what it has.
            scope.queries[cte.ctename] = {}
            scope.queries[cte.ctename] = self.query(cte.ctequery, scope)
        if isinstance(query, ast.SelectStmt) and query.larg:
            first, second = self.query(query.larg, scope), self.query(query.rarg, scope)
            for link in walk(query.sortClause, ast.SubLink):
                self.query(link.subselect, scope)
            return {name: given for name, given in first.items() if second.get(name, given) == given}
        if isinstance(query, ast.InsertStmt):
            return self._insert(query, scope)
        return self._level(query, scope)

    def _level(self, query: Any, scope: Sources) -> dict[str, int]:
        is_select = isinstance(query, ast.SelectStmt)
        items = [*((query.usingClause if isinstance(query, ast.DeleteStmt) else query.fromClause) or ())]
        if not is_select:
            items.insert(0, query.relation)
        for item in items:
            scope.add(item, DISTRIBUTED)
        scope.equalities += scope.equal(query.whereClause, None)
        scope.bind(from_rows=self.node is not None)
        for alias, subquery in scope.subqueries:
            scope.columns[alias] |= self.query(subquery, scope)
            scope.bind(from_rows=self.node is not None)
        self._given += scope.given()
        for alias, table in scope.unbound():
            self.found.append(
                f"{alias or table} names no organization" + ("" if is_select else ", and is written")
            )
        self._links(query, scope)
        return self._outputs(query.targetList if is_select else query.returningClause, scope)

    def _links(self, query: Any, scope: Sources) -> None:
        """Check the subqueries of expressions."""
        for link in walk(query, ast.SubLink, below=(ast.SubLink, ast.RangeSubselect, ast.WithClause)):
            self.query(link.subselect, scope)

    def _outputs(self, targets: Any, scope: Sources) -> dict[str, int]:
        outputs: dict[str, int] = {}
        for target in getattr(targets, "exprs", targets) or ():
            given = scope.resolve(target.val)
            column = named_column(target.val)
            name = target.name or (column[1] if column else None)
            if given is not None and name:
                outputs[name] = given
        return outputs

    def _insert(self, query: ast.InsertStmt, scope: Sources) -> dict[str, int]:
        table = query.relation.relname
        columns = [column.name for column in query.cols or ()]
        if table in DISTRIBUTED and "organization_id" not in columns:
            self.found.append(f"{table} gets no organization")
            return {}
        place = columns.index("organization_id") if table in DISTRIBUTED else 0
        given = self._inserted(query.selectStmt, place, scope)
        target = Sources(scope)
        target.add(query.relation, frozenset())
        target.columns["excluded"] = {}
        if table in DISTRIBUTED:
            identity = _IDENTITIES.get(table)
            if self.node is not None and identity and identity not in columns:
                self.found.append(f"{table} gets no {identity}")
            if given is None:
                self.found.append(f"{table} gets an organization that is no parameter")
            else:
                self._given.append(given)
                for columns_of in target.columns.values():
                    columns_of["organization_id"] = given
        for link in walk(query.onConflictClause, ast.SubLink, below=(ast.SubLink,)):
            self.query(link.subselect, target)
        return self._outputs(query.returningClause, target)

    def _inserted(self, source: ast.SelectStmt, place: int, scope: Sources) -> int | None:
        """Which parameter the column at a place of the rows to be inserted is."""
        if source.valuesLists:
            given = {direct_parameter(row[place]) for row in source.valuesLists}
            return given.pop() if len(given) == 1 else None
        inner = Sources(scope)
        for cte in source.withClause.ctes if source.withClause else ():
            inner.queries[cte.ctename] = self.query(cte.ctequery, inner)
        if source.larg:
            places = [self._inserted(part, place, inner) for part in (source.larg, source.rarg)]
            return places[0] if places[0] == places[1] else None
        self._level(source, inner)
        value = source.targetList[place].val
        return direct_parameter(value) if self.node is None else inner.resolve(value)


def _dollars(numbers: list[int]) -> str:
    return ", ".join(f"${number}" for number in numbers) or "no parameter"
