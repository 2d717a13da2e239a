"""The ways to write one search, so that they can be raced: the same rows, different plans.

$1 is the organization; each condition takes two parameters, its name and its lowest value.
"""

from __future__ import annotations

import msgspec

from .workload import NAMES, ORGANIZATION

LIMIT = 100
# A probe that finds more rows than this calls the score common and walks it by time instead.
COMMON = 3000


class Condition(msgspec.Struct, frozen=True):
    """A score called `name` of at least `bound`."""

    name: str
    bound: int


SHAPES: dict[str, tuple[Condition, ...]] = {
    "0.1 %": (Condition("rare", 90),),
    "10 %": (Condition("medium", 90),),
    "60 %": (Condition("broad", 90),),
    "absent": (Condition("broad", 1000),),
    "0.1 & 60": (Condition("rare", 90), Condition("helpful", 1)),
    "60 & 0.1": (Condition("helpful", 1), Condition("rare", 90)),
    "10 & 10": (Condition("medium", 90), Condition("flagged", 1)),
    "60 & 60": (Condition("broad", 90), Condition("helpful", 1)),
    "60 & absent": (Condition("helpful", 1), Condition("broad", 1000)),
}


class Columns(msgspec.Struct, frozen=True):
    """How a design names a score's request, and the score itself."""

    request: tuple[str, ...]
    name: str
    name_type: str
    tenant: str

    def same(self, left: str, right: str) -> str:
        """Join two relations on the request."""
        return " AND ".join(f"{left}.{column} = {right}.{column}" for column in self.request)

    def joins(self, count: int, driver: str) -> str:
        """Join the scores of every condition but the first to the driver."""
        return "".join(
            f" JOIN score s{i} ON {self.same(f's{i}', driver)} AND {self.where(f's{i}', i)}"
            for i in range(1, count)
        )

    def selected(self, alias: str) -> str:
        """List the request's columns."""
        return ", ".join(f"{alias}.{column}" for column in self.request)

    def where(self, alias: str, place: int) -> str:
        """Render condition `place` on a score."""
        first = 2 * place + 2
        return (
            f"{alias}.{self.tenant} = $1::int AND " if self.tenant else "$1::int IS NOT NULL AND "
        ) + f"{alias}.{self.name} = ${first}::{self.name_type} AND {alias}.value >= ${first + 1}::bigint"


COLUMNS = {
    "text": Columns(("organization_id", "request_id"), "name", "text", "organization_id"),
    "computed": Columns(("request_key",), "name_id", "int", ""),
    "number": Columns(("organization_id", "request_no"), "name_id", "int", "organization_id"),
}


def exists(columns: Columns, count: int) -> str:
    """Walk the requests, newest first, and probe each condition."""
    probes = " AND ".join(
        f"EXISTS (SELECT FROM score s{i} WHERE {columns.same(f's{i}', 'r')} AND {columns.where(f's{i}', i)})"
        for i in range(count)
    )
    return (
        f"SELECT r.request_id, r.created_at, {columns.selected('r')} FROM request r"
        f" WHERE r.organization_id = $1 AND {probes} ORDER BY r.created_at DESC, r.request_id LIMIT {LIMIT}"
    )


def scores(columns: Columns, count: int) -> str:
    """Render FROM and WHERE: the first condition's scores, joined to those of the others."""
    return f"score s0{columns.joins(count, 's0')} WHERE {columns.where('s0', 0)}"


def joined(columns: Columns, count: int) -> str:
    """Drive from the first condition's scores, ordered by the time they carry."""
    request = f" JOIN request r ON {columns.same('r', 's0')} WHERE "
    body = scores(columns, count).replace(" WHERE ", request, 1)
    return (
        f"SELECT r.request_id, r.created_at, {columns.selected('r')} FROM {body}"
        f" ORDER BY s0.request_created_at DESC, r.request_id LIMIT {LIMIT}"
    )


def page(columns: Columns, body: str, alias: str = "s0") -> str:
    """Find the page among scores alone; only its rows (and ties with the last) see the request table."""
    return (
        f"SELECT r.request_id, r.created_at, {columns.selected('r')} FROM ("
        f"SELECT {columns.selected(alias)}, {alias}.request_created_at FROM {body}"
        f" ORDER BY {alias}.request_created_at DESC FETCH FIRST {LIMIT} ROWS WITH TIES) AS page"
        f" JOIN request r ON {columns.same('r', 'page')}"
        f" ORDER BY page.request_created_at DESC, r.request_id LIMIT {LIMIT}"
    )


def ties(columns: Columns, count: int) -> str:
    """Drive from the first condition's scores and join the request after the page is cut."""
    return page(columns, scores(columns, count))


def few(columns: Columns, count: int) -> str:
    """Collect the first condition's scores by value, then cut the page: for one that few scores meet."""
    return (
        f"WITH few AS MATERIALIZED (SELECT {columns.selected('s')}, s.request_created_at FROM score s"
        f" WHERE {columns.where('s', 0)} LIMIT {COMMON}) "
        + page(columns, f"few{columns.joins(count, 'few')}", "few")
    )


def rarity(columns: Columns, count: int) -> str:
    """Count each condition's scores, no further than `COMMON`: what chooses the driver, and few or ties."""
    return "SELECT " + ", ".join(
        f"(SELECT count(*) FROM (SELECT FROM score s WHERE {columns.where('s', i)} LIMIT {COMMON}) AS found)"
        for i in range(count)
    )


def probed(columns: Columns, count: int) -> str:
    """Collect the first condition's scores by value while they are few; walk them by time otherwise."""
    keys, keyed = columns.selected("s"), columns.selected("few")
    walk = scores(columns, count)
    return (
        "WITH found AS MATERIALIZED ("
        f"SELECT {keys}, s.request_created_at FROM score s WHERE {columns.where('s', 0)} LIMIT {COMMON + 1}"
        "), rare AS MATERIALIZED ("
        f"SELECT count(*) <= {COMMON} AS rare FROM found"
        "), page AS ("
        f"(SELECT {keyed}, few.request_created_at FROM found few{columns.joins(count, 'few')}"
        " WHERE (SELECT rare FROM rare)"
        f" ORDER BY few.request_created_at DESC FETCH FIRST {LIMIT} ROWS WITH TIES)"
        " UNION ALL "
        f"(SELECT {columns.selected('s0')}, s0.request_created_at FROM {walk} AND NOT (SELECT rare FROM rare)"
        f" ORDER BY s0.request_created_at DESC FETCH FIRST {LIMIT} ROWS WITH TIES))"
        f" SELECT r.request_id, r.created_at, {columns.selected('r')} FROM page"
        f" JOIN request r ON {columns.same('r', 'page')}"
        f" ORDER BY page.request_created_at DESC, r.request_id LIMIT {LIMIT}"
    )


def counted(columns: Columns, count: int) -> str:
    """Count the requests that match."""
    return f"SELECT count(*) FROM {scores(columns, count)}"


def counted_distinctly(columns: Columns, count: int) -> str:
    """Count the requests that match, written as EXISTS."""
    return (
        exists(columns, count)
        .replace(f"SELECT r.request_id, r.created_at, {columns.selected('r')}", "SELECT count(*)")
        .replace(f" ORDER BY r.created_at DESC, r.request_id LIMIT {LIMIT}", "")
    )


def counted_together(columns: Columns, count: int) -> str:
    """Count the requests that match: gather every condition's scores by value, keep requests found by all."""
    either = " OR ".join(f"({columns.where('s', i)})" for i in range(count))
    keys = columns.selected("s")
    return (
        f"SELECT count(*) FROM (SELECT FROM score s WHERE {either} GROUP BY {keys}"
        f" HAVING count(*) = {count}) AS found"
    )


def by_score(columns: Columns, count: int) -> str:
    """The highest scores first, the newest of equals first."""
    return (
        f"SELECT r.request_id, r.created_at FROM {scores(columns, count)}".replace(
            " WHERE ", f" JOIN request r ON {columns.same('r', 's0')} WHERE ", 1
        )
        + f" ORDER BY s0.value DESC, s0.request_created_at DESC, r.request_id LIMIT {LIMIT}"
    )


def by_score_loosely(columns: Columns, count: int) -> str:
    """The highest scores first, equals in any order."""
    return (
        f"SELECT r.request_id, r.created_at FROM (SELECT {columns.selected('s0')}, s0.value"
        f" FROM {scores(columns, count)} ORDER BY s0.value DESC LIMIT {LIMIT}) page"
        f" JOIN request r ON {columns.same('r', 'page')} ORDER BY page.value DESC, r.request_id"
    )


def by_score_in_two_steps(columns: Columns, count: int) -> str:
    """As by_score: find the page's lowest value first, then walk its equals by time."""
    keys, body = columns.selected("s0"), scores(columns, count)
    return (
        f"WITH cut AS MATERIALIZED (SELECT min(top.value) AS value FROM (SELECT s0.value FROM {body}"
        f" ORDER BY s0.value DESC LIMIT {LIMIT}) AS top), page AS ("
        f"(SELECT {keys}, s0.request_created_at, s0.value FROM {body} AND s0.value > (SELECT value FROM cut)"
        f" ORDER BY s0.value DESC LIMIT {LIMIT})"
        " UNION ALL "
        f"(SELECT {keys}, s0.request_created_at, s0.value FROM {body} AND s0.value = (SELECT value FROM cut)"
        f" ORDER BY s0.request_created_at DESC FETCH FIRST {LIMIT} ROWS WITH TIES))"
        " SELECT r.request_id, r.created_at, page.value FROM page"
        f" JOIN request r ON {columns.same('r', 'page')}"
        f" ORDER BY page.value DESC, page.request_created_at DESC, r.request_id LIMIT {LIMIT}"
    )


FORMS = {
    "exists": exists,
    "join": joined,
    "ties": ties,
    "few": few,
    "probe": probed,
    "rarity": rarity,
    "count": counted,
    "count together": counted_together,
    "count exists": counted_distinctly,
    "sort by score": by_score,
    "sort by score, two steps": by_score_in_two_steps,
    "sort by score, loose": by_score_loosely,
}


def maps(columns: Columns) -> str:
    """The second query: the score maps of one page of requests."""
    last = columns.request[-1]
    kind = {"request_id": "text", "request_key": "uuid", "request_no": "bigint"}[last]
    tenant = f"s.{columns.tenant} = $1::int AND " if columns.tenant else "$1::int IS NOT NULL AND "
    return (
        f"SELECT s.{last}, jsonb_object_agg(s.{columns.name},"
        " CASE WHEN s.is_boolean THEN to_jsonb(s.value <> 0) ELSE to_jsonb(s.value) END)"
        f" FROM score s WHERE {tenant}s.{last} = ANY($2::{kind}[]) GROUP BY s.{last}"
    )


def sent(columns: Columns, conditions: tuple[Condition, ...]) -> tuple[object, ...]:
    """Return the parameters of a search."""
    found: list[object] = [ORGANIZATION]
    for condition in conditions:
        name: object = condition.name if columns.name == "name" else NAMES.index(condition.name) + 1
        found += [name, condition.bound]
    return tuple(found)
