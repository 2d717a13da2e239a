"""Have a cluster's node run a statement as a whole, as a single PostgreSQL would.

Where the tables are distributed with Citus, a statement with CTEs that write would run piece by piece, each
with a snapshot of its own. A statement that must not says so in a comment, `-- runs on the node of $1`, which
names the parameter with the organization's id, or with an array of ids of one shard. It is then sent as a row
of the table `carried`: Citus plans and routes the INSERT like any other, and a trigger runs the statement on
the node, on the shards that lie beside this row's (`sql/cluster`). On a single PostgreSQL it runs as it is.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any, Final

import asyncpg
import msgspec

from heliscore.store.cluster.tables import DISTRIBUTED
from heliscore.store.statements import fill, load

if TYPE_CHECKING:
    Base = asyncpg.Connection[asyncpg.Record]
else:
    Base = asyncpg.Connection

_SQL = load("carrying", "cluster/queries")
_CONNECTION_SQL = load("connection")

_MARK: Final = re.compile(r"^-- runs on the node of \$(\d+)$", re.MULTILINE)
_COMMENT: Final = re.compile(r"^\s*--.*\n", re.MULTILINE)

_NAMES: Final = "|".join(sorted(DISTRIBUTED, key=len, reverse=True))
_TABLE: Final = re.compile(rf"\b(FROM|JOIN|INTO|UPDATE|USING|ONLY)(\s+)({_NAMES})\b")
_CONSTRAINT: Final = re.compile(rf"\bON CONSTRAINT (({_NAMES})_\w+)")

_VOID: Final = "void"


class _Plan(msgspec.Struct, frozen=True):
    """How a statement is carried."""

    name: str
    organization: int
    """The place of the parameter with the organization."""

    text: str
    tables: list[str]
    types: str
    read: str
    """The statement that makes rows of the JSON that comes back."""


_plans: dict[str, _Plan] = {}
"""By marked statement: these are few, while the texts of searches have no end."""


class CarryingConnection(Base):
    """A connection on which marked statements are carried, where it leads to a cluster."""

    carries = False
    """Whether it leads to a cluster: set once it is open, by find_cluster()."""

    known_groups: tuple[dict[int, int], float] = ({}, 0.0)
    """By shard, the group (cluster/groups.py); and until when that is believed."""

    async def execute(self, query: str, *args: Any, timeout: float | None = None) -> str:  # noqa: ASYNC109
        if args and self.carries and (plan := await self._plan(query)):
            return await self._carry(plan, args, timeout)
        return await super().execute(query, *args, timeout=timeout)

    async def fetch(self, query: str, *args: Any, **options: Any) -> list[Any]:
        if args and self.carries and (plan := await self._plan(query)):
            return await self._fetch_carried(plan, args, options.get("timeout"))
        rows: list[Any] = await super().fetch(query, *args, **options)
        return rows

    async def fetchrow(self, query: str, *args: Any, **options: Any) -> Any:
        if args and self.carries and (plan := await self._plan(query)):
            rows = await self._fetch_carried(plan, args, options.get("timeout"))
            return rows[0] if rows else None
        return await super().fetchrow(query, *args, **options)

    async def fetchval(self, query: str, *args: Any, column: int = 0, timeout: float | None = None) -> Any:  # noqa: ASYNC109
        if args and self.carries and (plan := await self._plan(query)):
            rows = await self._fetch_carried(plan, args, timeout)
            return rows[0][column] if rows else None
        return await super().fetchval(query, *args, column=column, timeout=timeout)

    async def execute_each(self, query: str, argument_lists: Sequence[tuple[Any, ...]]) -> None:
        """Run a marked statement for each list of arguments, in one transaction. Where it is carried, each
        list must be of organizations of one shard."""
        plan = await self._plan(query) if self.carries else None
        if plan is None or len(argument_lists) == 1:
            for arguments in argument_lists:
                await self.execute(query, *arguments)
            return
        rows = [_row(plan, arguments) for arguments in argument_lists]
        organizations = [_as_text(row[1]) for row in rows]
        await super().execute(_SQL["carry_each"], organizations, *rows[0][2:-1], [row[-1] for row in rows])

    async def _plan(self, query: str) -> _Plan | None:
        if (plan := _plans.get(query)) is None and (mark := _MARK.search(query)):
            plan = _plans[query] = await self._make_plan(query, int(mark[1]) - 1)
        return plan

    async def _make_plan(self, query: str, organization: int) -> _Plan:
        prepared = await self.prepare(query)
        columns = ", ".join(
            f'"{column.name}" {"text" if column.type.name == _VOID else column.type.name}'
            for column in prepared.get_attributes()
        )
        text = _COMMENT.sub("", query)
        tables = sorted({found[3] for found in _TABLE.finditer(text)})
        text = _TABLE.sub(r"\1\2\3@\3@", text)
        return _Plan(
            hashlib.blake2b(query.encode(), digest_size=6).hexdigest(),
            organization,
            _CONSTRAINT.sub(r"ON CONSTRAINT \1@\2@", text),
            tables,
            ", ".join(parameter.name for parameter in prepared.get_parameters()),
            fill(_SQL["read_rows"], columns=columns),
        )

    async def _carry(self, plan: _Plan, args: tuple[Any, ...], timeout: float | None) -> str:  # noqa: ASYNC109
        if not (row := _row(plan, args)):
            return ""
        return await super().execute(_SQL["carry"], *row, timeout=timeout)

    async def _fetch_carried(self, plan: _Plan, args: tuple[Any, ...], timeout: float | None) -> list[Any]:  # noqa: ASYNC109
        if not (row := _row(plan, args)):
            return []
        rows = await super().fetchval(_SQL["carry_and_return"], *row, timeout=timeout)
        found: list[Any] = await super().fetch(plan.read, rows)
        return found


def carries(connection: object) -> bool:
    """Whether a connection leads to a cluster."""
    return isinstance(connection, CarryingConnection) and connection.carries


class Unfinished(asyncpg.ObjectNotInPrerequisiteStateError):
    """The tables are being distributed, or that was interrupted: nothing can be read or written until it is
    done."""

    def __init__(self) -> None:
        super().__init__(
            "its tables are being distributed; if that was interrupted, run heliscore distribute"
        )


async def find_cluster(
    connection: asyncpg.Connection[asyncpg.Record], *, even_unfinished: bool = False
) -> bool:
    """Whether a new connection leads to a cluster; then its statements are all planned for their parameters,
    without which Citus cannot choose the node. Raises Unfinished."""
    row = await connection.fetchrow(_CONNECTION_SQL["find_cluster"])
    plans, is_unfinished = row or (None, None)
    if is_unfinished and not even_unfinished:
        raise Unfinished
    return plans is not None


def _row(plan: _Plan, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """The row that carries a statement; empty where it is about no organization, and so about nothing."""
    given = args[plan.organization]
    organizations = list(set(given)) if isinstance(given, list) else [given]
    if not organizations:
        return ()
    arguments = ", ".join(map(_literal, args))
    return organizations[0], organizations, plan.name, plan.types, plan.tables, plan.text, arguments


def _literal(value: Any) -> str:
    """A value as SQL. The parameters of the statement have types, so that all but NULL is a string."""
    if value is None:
        return "NULL"
    text = _as_text(value)
    quoted = text.replace("'", "''")
    return f"E'{quoted}'".replace("\\", "\\\\") if "\\" in text else f"'{quoted}'"


def _as_text(value: Any) -> str:
    """A value as PostgreSQL reads it."""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return f"\\x{value.hex()}"
    if isinstance(value, date):  # and datetime
        return value.isoformat()
    if isinstance(value, list | tuple):
        return f"{{{','.join(map(_as_item, value))}}}"
    return str(value)


def _as_item(value: Any) -> str:
    """An item of an array."""
    if value is None:
        return "NULL"
    if isinstance(value, int):
        return str(value)
    text = _as_text(value).replace("\\", "\\\\").replace('"', '\\"')
    return text if isinstance(value, list | tuple) else f'"{text}"'
