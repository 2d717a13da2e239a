"""What a query reads from, and which of its columns are parameters: see named_organizations.py."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, TypeVar

from pglast import ast
from pglast.enums import A_Expr_Kind, BoolExprType, JoinType

N = TypeVar("N", bound=ast.Node)

Column = tuple[str | None, str]
"""A name of a table or query, None where it is left out, and that of a column."""


def walk(node: Any, kind: type[N], below: tuple[type[ast.Node], ...] = ()) -> Iterator[N]:
    """The nodes of a kind below a node; what is in nodes of the kinds `below` is left out."""
    parts = node if isinstance(node, tuple) else [getattr(node, name) for name in node or ()]
    for part in parts:
        if isinstance(part, kind):
            yield part
        if isinstance(part, tuple | ast.Node) and not isinstance(part, below):
            yield from walk(part, kind, below)


def _bare(expression: Any) -> Any:
    """Without casts."""
    return _bare(expression.arg) if isinstance(expression, ast.TypeCast) else expression


def _summed(expression: Any) -> Any:
    """Without `+ 0`."""
    is_sum = isinstance(expression, ast.A_Expr) and expression.name[-1].sval == "+"
    if (
        is_sum
        and isinstance(expression.rexpr, ast.A_Const)
        and getattr(expression.rexpr.val, "ival", None) == 0
    ):
        return expression.lexpr
    return expression


def direct_parameter(expression: Any) -> int | None:
    """The number of a parameter."""
    bare = _bare(expression)
    return bare.number if isinstance(bare, ast.ParamRef) else None


def named_column(expression: Any) -> Column | None:
    """The table and the name of a column."""
    bare = _bare(expression)
    if not isinstance(bare, ast.ColumnRef) or not isinstance(bare.fields[-1], ast.String):
        return None
    return (bare.fields[0].sval if len(bare.fields) > 1 else None), bare.fields[-1].sval


class Sources:
    """The tables, functions and queries that one query reads from, in those around it."""

    def __init__(self, outer: Sources | None) -> None:
        self.queries: dict[str, dict[str, int]] = {}
        """WITH: by name, which columns are which parameters."""

        self.columns: dict[str, dict[str, int]] = {}
        """By alias, the same."""

        self.subqueries: list[tuple[str, Any]] = []
        self.equalities: list[tuple[Any, Any, set[str] | None]] = []
        """Two sides, and the aliases that the condition restricts (None: all)."""

        self._outer = outer
        self._tables: dict[str, str] = {}

    def add(self, item: Any, distributed: Collection[str]) -> set[str]:
        """Add an item of FROM. Returns its aliases."""
        if isinstance(item, ast.JoinExpr):
            left, right = self.add(item.larg, distributed), self.add(item.rarg, distributed)
            restricted = {
                JoinType.JOIN_INNER: left | right,
                JoinType.JOIN_LEFT: right,
                JoinType.JOIN_RIGHT: left,
            }.get(item.jointype, set())
            self.equalities += self.equal(item.quals, restricted)
            return left | right
        alias = item.alias.aliasname if item.alias else getattr(item, "relname", "")
        self.columns[alias] = {}
        if isinstance(item, ast.RangeVar):
            known = self._query(item.relname)
            if known is not None:
                self.columns[alias] |= known
            elif item.relname in distributed:
                self._tables[alias] = item.relname
        elif isinstance(item, ast.RangeSubselect):
            self.subqueries.append((alias, item.subquery))
        elif isinstance(item, ast.RangeFunction):
            self.columns[alias] |= _function_columns(item)
        return {alias}

    def equal(self, condition: Any, restricted: set[str] | None) -> list[tuple[Any, Any, set[str] | None]]:
        """The equalities that all rows fulfil."""
        if isinstance(condition, ast.BoolExpr) and condition.boolop == BoolExprType.AND_EXPR:
            return [found for part in condition.args for found in self.equal(part, restricted)]
        if (
            isinstance(condition, ast.A_Expr)
            and condition.kind in (A_Expr_Kind.AEXPR_OP, A_Expr_Kind.AEXPR_OP_ANY)
            and condition.name[-1].sval == "="
        ):
            return [(condition.lexpr, condition.rexpr, restricted)]
        return []

    def bind(self, *, from_rows: bool) -> None:
        """Find the tables that are bound to a parameter, with `from_rows` also through other sources."""
        for _ in self._tables:
            for left, right, restricted in self.equalities:
                for one, other in ((left, right), (right, left)):
                    alias = self._bindable(_summed(one) if from_rows else one)
                    if alias is None or not (restricted is None or alias in restricted):
                        continue
                    given = self.resolve(other) if from_rows else direct_parameter(other)
                    if given is not None:
                        self.columns[alias]["organization_id"] = given

    def _bindable(self, expression: Any) -> str | None:
        """The table whose organization an expression is."""
        column = named_column(expression)
        if column is None or column[1] != "organization_id":
            return None
        if column[0] is None:
            return next(iter(self._tables)) if len(self._tables) == 1 else None
        return column[0] if column[0] in self._tables else None

    def given(self) -> list[int]:
        """The parameters that the tables are bound to."""
        return [self.columns[alias]["organization_id"] for alias in self._tables if self.columns[alias]]

    def unbound(self) -> list[tuple[str, str]]:
        """Aliases and names of the tables that are bound to none."""
        return [(alias, table) for alias, table in self._tables.items() if not self.columns[alias]]

    def resolve(self, expression: Any) -> int | None:
        """Which parameter an expression is."""
        if (given := direct_parameter(expression)) is not None:
            return given
        column = named_column(expression)
        return None if column is None else self._column(*column)

    def _column(self, alias: str | None, name: str) -> int | None:
        if alias is not None and alias in self.columns:
            return self.columns[alias].get(name)
        if alias is None and (found := {known[name] for known in self.columns.values() if name in known}):
            return found.pop() if len(found) == 1 else None
        return self._outer._column(alias, name) if self._outer else None

    def _query(self, name: str) -> dict[str, int] | None:
        if name in self.queries:
            return self.queries[name]
        return self._outer._query(name) if self._outer else None


def _function_columns(item: ast.RangeFunction) -> dict[str, int]:
    """Which columns of unnest() come from which parameters."""
    call = item.functions[0][0]
    if not isinstance(call, ast.FuncCall) or call.funcname[-1].sval != "unnest" or not item.alias:
        return {}
    names = [name.sval for name in item.alias.colnames or ()]
    given = ((name, direct_parameter(argument)) for name, argument in zip(names, call.args, strict=False))
    return {name: number for name, number in given if number is not None}
