"""SQL comes from us, values from clients, and the two never mix."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import heliscore
import pytest
from heliscore.api.http.field_errors import FieldErrors
from heliscore.api.promptlayer.search_fields import FIELDS, OPERATORS
from heliscore.api.promptlayer.search_filters import decode_group
from heliscore.api.shared.filter_language import decode_filter
from heliscore.domain.filter_tree import (
    NEWEST_FIRST,
    AllOf,
    AnyOf,
    Cases,
    Column,
    Compare,
    Exists,
    Filter,
    HasString,
    HasTag,
    Not,
    OneOf,
    Property,
    Score,
    Scored,
    ScorePart,
    Sort,
    Variable,
    score_names,
)
from heliscore.domain.rater import Rater
from heliscore.store.search.author_groups import GroupOf
from heliscore.store.search.compiler import (
    compile_count,
    compile_probe,
    compile_requests,
    compile_scores,
    compile_search,
    compile_selectivity,
)
from heliscore.store.search.leading_conditions import leading_scores
from heliscore.store.search.page_order import Position
from heliscore.store.search.score_columns import ScoreColumns
from heliscore.store.search.score_compiler import (
    compile_conditions,
    compile_lookups,
    compile_opinions,
    compile_raters,
)
from heliscore.store.search.slots import Compiled, Slots
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.api.test_query_filters import FILTERS

PACKAGE = Path(heliscore.__file__).parent
RUNNING = {"execute", "executemany", "fetch", "fetchrow", "fetchval", "prepare", "cursor", "copy_from_query"}

# The code


class Module:
    """A module as far as SQL is concerned: which of its names are SQL of ours, and what it runs."""

    def __init__(self, path: Path) -> None:
        self.name = path.relative_to(PACKAGE.parent).as_posix()
        self.tree = ast.parse(path.read_text())
        self.constants = dict(_assigned(self.tree.body))

    def calls(self) -> Iterator[tuple[ast.Call, dict[str, list[ast.expr]]]]:
        """Each call that runs a statement, with what the names in the function around it hold: expressions,
        or an argument's type."""
        functions = [
            node for node in ast.walk(self.tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        ]
        for function in functions:
            local: dict[str, list[ast.expr]] = {
                argument.arg: [argument.annotation] for argument in function.args.args if argument.annotation
            }
            for name, value in _assigned(list(ast.walk(function))):
                local.setdefault(name, []).append(value)
            for node in ast.walk(function):
                if (
                    isinstance(node, ast.Call)
                    and isinstance(node.func, ast.Attribute)
                    and node.func.attr in RUNNING
                ):
                    yield node, local

    def is_fixed(self, sql: ast.expr, local: dict[str, list[ast.expr]]) -> bool:
        """Whether an expression can only be text of ours."""
        match sql:
            case ast.Constant(str()):
                return True
            case ast.JoinedStr(parts):
                return all(
                    isinstance(part, ast.Constant)
                    or (isinstance(part, ast.FormattedValue) and self.is_constant(part.value))
                    for part in parts
                )
            case ast.Subscript(ast.Name(table)):  # a statement of a file, by whatever name
                loaded = self.constants.get(table)
                return isinstance(loaded, ast.Call) and ast.unparse(loaded.func) == "load"
            case ast.Call(ast.Name("fill"), [statement], keywords):
                return not keywords and self.is_fixed(statement, local)
            case ast.Call(ast.Attribute(ast.Name(compiled), "fill"), [statement], []):
                return self.is_fixed(statement, local) and self.is_compiled(compiled, local)
            case ast.Name(name) if name in local:
                return all(self.is_fixed(value, local) for value in local[name])
            case _:
                return self.is_constant(sql)

    def is_constant(self, value: ast.expr) -> bool:
        return isinstance(value, ast.Name) and isinstance(self.constants.get(value.id), ast.Constant)

    def is_compiled(self, name: str, local: dict[str, list[ast.expr]]) -> bool:
        """Whether what the name holds was made by the compiler: here, or by a caller, as its type says."""
        values = local.get(name, [])
        return bool(values) and all(
            ast.unparse(value.func).startswith("compile_")
            if isinstance(value, ast.Call)
            else ast.unparse(value) == "Compiled"
            for value in values
        )


def _assigned(nodes: list[Any]) -> Iterator[tuple[str, ast.expr]]:
    for node in nodes:
        match node:
            case ast.Assign([ast.Name(name)], value) | ast.AnnAssign(
                ast.Name(name), value=ast.expr() as value
            ):
                yield name, value


OURS = {
    # A migration's statements are run as they stand in its file.
    ("heliscore/store/schema/migrations.py", "connection.execute(statement)"),
    # Names that the statements of migrations have, and our own numbers.
    (
        "heliscore/store/schema/migrations.py",
        "connection.execute(f'DROP INDEX CONCURRENTLY IF EXISTS {index}')",
    ),
    (
        "heliscore/store/schema/migrations.py",
        "connection.execute(f'SET LOCAL lock_timeout = {pace.lock_timeout_ms}')",
    ),
    ("heliscore/store/schema/migrations.py", "connection.execute(f'SET lock_timeout = {timeout_ms}')"),
    ("heliscore/store/schema/migrations.py", "connection.execute(f'SET LOCAL {setting}')"),
    ("heliscore/store/schema/migrations.py", "connection.execute(f'SET {_ON_A_CLUSTER[1]}')"),
    ("heliscore/store/schema/table_locks.py", "connection.execute(f'LOCK TABLE {table} IN {mode} MODE')"),
    # A statement of evaluation.sql with one of counted_score.sql in it.
    ("heliscore/store/score_scan.py", "connection.fetch(counted.sql, *fixed, *counted.arguments)"),
    # The form of a statement for a server's version.
    (
        "heliscore/store/imports.py",
        "connection.fetch(_RECORD_REQUESTS.on(connection), *arguments)",
    ),
    # The names of tables, which sql/schema.sql has.
    ("heliscore/postgres/backup.py", "connection.execute(f\"ANALYZE {', '.join(find_tables())}\")"),
    ("heliscore/postgres/backup.py", "connection.fetchval(fill(_SQL['has_rows'], table=table))"),
    # A statement of a search, as it would be sent.
    (
        "heliscore/store/search/search_statements.py",
        "connection.fetch(f'EXPLAIN {sql}', *statement.arguments, *compiled.arguments)",
    ),
    # A search, and the columns of an export: our names of them, clients' names as arguments.
    (
        "heliscore/store/exports.py",
        "self._connection.cursor(sql, *statement.arguments, *statement.compiled.arguments)",
    ),
    ("heliscore/store/exports.py", "self._connection.fetch(statement, *own, *arguments.all())"),
    # Statements that are sent on as they came, and the columns of one that is carried.
    ("heliscore/store/connections/carrying.py", "super().execute(query, *args, timeout=timeout)"),
    ("heliscore/store/connections/carrying.py", "super().fetch(query, *args, **options)"),
    ("heliscore/store/connections/carrying.py", "super().fetchrow(query, *args, **options)"),
    (
        "heliscore/store/connections/carrying.py",
        "super().fetchval(query, *args, column=column, timeout=timeout)",
    ),
    ("heliscore/store/connections/carrying.py", "self.execute(query, *arguments)"),
    ("heliscore/store/connections/carrying.py", "self.prepare(query)"),
    ("heliscore/store/connections/carrying.py", "super().fetch(plan.read, rows)"),
    # The statements of sql/cluster, and names and definitions of sql/schema.sql or of the catalog.
    ("heliscore/store/cluster/distribution.py", "connection.execute(statement)"),
    ("heliscore/store/cluster/distribution.py", "connection.execute(statement[0])"),
    ("heliscore/store/cluster/distribution.py", "connection.execute(row[0])"),
    ("heliscore/store/cluster/bonds.py", "connection.execute(row[0])"),
    ("heliscore/store/cluster/bonds.py", "connection.execute(found[0])"),
    (
        "heliscore/store/cluster/bonds.py",
        "connection.execute(f'ALTER TABLE {table} ADD CONSTRAINT {name} {definition}')",
    ),
    ("heliscore/store/cluster/bonds.py", "connection.execute(fill(_SQL['delete_ownerless'], table=table))"),
    (
        "heliscore/store/cluster/bonds.py",
        "connection.execute(fill(_SQL['advance_sequence'], table=table, column=column), sequence)",
    ),
    (
        "heliscore/store/cluster/distribution.py",
        "connection.execute(f\"COMMENT ON TABLE carried IS '{carried_version()}'\")",
    ),
    # One of the statements above, chosen by a post's form.
    (
        "heliscore/store/scores.py",
        "connection.execute(statement, accept_unknown, str(lock_timeout_ms), *values)",
    ),
    (
        "heliscore/store/scores.py",
        "connection.fetch(statement, accept_unknown, str(lock_timeout_ms), *values)",
    ),
    # A number of rows.
    ("heliscore/store/exports.py", "cursor.fetch(self._step)"),
}
"""What is text of ours although it is put together: each looked at by somebody."""


def test_every_statement_is_text_of_ours() -> None:
    found = 0
    mixed = []
    for path in sorted(path for room in ("store", "postgres") for path in (PACKAGE / room).rglob("*.py")):
        module = Module(path)
        for call, local in module.calls():
            found += 1
            if not (call.args and module.is_fixed(call.args[0], local)):
                mixed.append((module.name, ast.unparse(call)))
    assert found > 40
    assert set(mixed) == OURS


def test_only_the_compilers_make_what_fills_slots() -> None:
    makers = {
        path.name
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("Compiled", "Slots"))
    }
    assert makers == {"compiler.py", "count_compiler.py", "score_compiler.py"}


@pytest.mark.parametrize(
    "line",
    [
        'connection.fetch(f"SELECT {name}")',
        'connection.fetch("SELECT " + name)',
        'connection.fetch("SELECT %s" % name)',
        'connection.fetch("SELECT {}".format(name))',
        "connection.execute(name)",
        'connection.fetchval(_SQL["a"] + name)',
        'connection.fetch(fill(_SQL["a"], where=name))',
        'connection.fetch(fill(_SQL["a"], **name.slots))',
        'connection.fetch(name.fill(_SQL["a"]))',
        'connection.fetch(Compiled(name, ()).fill(_SQL["a"]))',
        'connection.fetch(name["a"])',
    ],
)
def test_statement_of_another_origin_would_be_found(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.store.test_parameters.PACKAGE", tmp_path)
    (tmp_path / "m.py").write_text(f'_SQL = load("a")\nasync def f(connection, name):\n    await {line}\n')
    module = Module(tmp_path / "m.py")
    [(call, local)] = module.calls()
    assert not module.is_fixed(call.args[0], local)


# The compiler

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)

MARK = "\N{SNOWMAN}"
"""In every text of a client, and in no SQL."""

NASTY = [
    "'",
    "''",
    '"',
    ";",
    "--",
    "/*",
    "*/",
    "\\",
    "%",
    "_",
    "$1",
    "$$",
    "{0}",
    "{",
    "}",
    "%s",
    ":x",
    "\n",
    "Ω",
]
texts = st.lists(
    st.sampled_from(NASTY) | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=4),
    max_size=4,
).map(lambda parts: MARK + "".join(parts))
TEXT_OPERATORS = ["=", "<>", "like", "ilike", "contains", "not-contains", "starts-with", "ends-with"]

conditions: st.SearchStrategy[Filter] = (
    st.builds(
        Compare,
        st.builds(Score, texts),
        st.sampled_from(["=", "<>", ">", ">=", "<", "<="]),
        st.integers(0, 9),
    )
    | st.builds(
        Compare,
        st.builds(Property, texts) | st.builds(Variable, texts),
        st.sampled_from(TEXT_OPERATORS),
        texts,
    )
    | st.builds(
        Compare,
        st.sampled_from(
            [Column("user_id"), Column("request_id"), Column("properties"), Column("request_body")]
        ),
        st.sampled_from(TEXT_OPERATORS),
        texts,
    )
    | st.builds(
        Compare,
        st.builds(ScorePart, texts, st.sampled_from(["author", "version", "comment", "label"])),
        st.sampled_from(TEXT_OPERATORS),
        texts,
    )
    | st.builds(OneOf, st.builds(Property, texts), st.lists(texts, max_size=3).map(tuple))
    | st.builds(Exists, st.builds(Property, texts) | st.builds(Score, texts))
    | st.just(Scored())
    | st.builds(HasTag, texts)
    | st.builds(
        HasString,
        st.just(Column("request_body")),
        st.sampled_from(["equals", "starts-with", "ends-with", "contains"]),
        texts,
    )
)
trees = st.recursive(
    conditions,
    lambda inner: (
        st.builds(Not, inner)
        | st.builds(AllOf, st.lists(inner, max_size=4).map(tuple))
        | st.builds(AnyOf, st.lists(inner, max_size=4).map(tuple))
    ),
    max_leaves=8,
)


def compile_all(tree: Filter, sort: Sort, after: Position, group: Property) -> list[Compiled]:
    """Everything that the compiler makes of a filter, all its score names being known."""
    ids = {name: number for number, name in enumerate(sorted(score_names(tree)), 1)}
    return [
        compile_search(tree, NEWEST_FIRST, None, ids, 4),
        compile_search(tree, sort, after, ids, 4),
        compile_conditions(tree, ids, 2, ScoreColumns(group_by=group)),
        *(
            compile_conditions(tree, ids, 2, ScoreColumns(group_by=ScorePart(name, "author")), of)
            for name in ids
            for of in GroupOf
        ),
        *(
            compile_lookups(tree, ids, 2, ScoreColumns(group_by=ScorePart(name, "version")), ())
            for name in ids
        ),
        *(
            compile_opinions(tree, ids, 2, ScorePart(name, "kind"), by_hash=by_hash)
            for name in ids
            for by_hash in (False, True)
        ),
        *(
            compile_conditions(tree, ids, 2, columns, of)
            for columns in _score_columns(tree, group, ids)
            for of in GroupOf
        ),
        *(
            compile_lookups(tree, ids, 2, columns, start)
            for columns in _score_columns(tree, group, ids)
            for start in ((), *((name,) for name in leading_scores(tree)))
        ),
        *(
            compile_raters(tree, ids, 2, _raters(group, ids), unit, by_hash=by_hash)
            for unit in (None, group)
            for by_hash in (False, True)
        ),
        *(
            compile_requests(tree, ids, 2, by_hash=by_hash, group_by=Cases((tree,)))
            for by_hash in (False, True)
        ),
        compile_count(tree, ids, 2),
        *(
            compile_requests(tree, ids, 2, by_hash=by_hash, group_by=group, scores=list(ids), value=value)
            for by_hash in (False, True)
            for value in (None, *map(Score, leading_scores(tree)))
        ),
        *(compile_requests(tree, ids, 2, [name], group_by=group) for name in leading_scores(tree)),
        compile_scores(AllOf(()), ids, 2, list(ids)),
        compile_selectivity(tree, ids, 2),
        *(compile_probe(tree, Score(name), sort, ids, 2) for name in leading_scores(tree)),
    ]


def _score_columns(tree: Filter, unit: Property, ids: dict[str, int]) -> list[ScoreColumns]:
    """The columns that comparisons of groups and raters read."""
    groups = Cases((tree, Not(tree)))
    return [
        ScoreColumns(group_by=groups, unit=unit),
        ScoreColumns(group_by=groups, covariate=Column("latency_ms")),
        *(ScoreColumns(group_by=groups, covariate=Score(name)) for name in ids),
        ScoreColumns(unit=unit, raters=2),
    ]


def _raters(group: Property, ids: dict[str, int]) -> list[Rater]:
    """Of known names and one that is not, with texts of a client."""
    return [
        Rater("never", kind="human", author=group.key),
        *(Rater(name) for name in ids),
        *(Rater(name, author=name, version=name) for name in ids),
    ]


def sql_of(compiled: list[Compiled]) -> list[Slots]:
    return [one.slots for one in compiled]


def renamed(value: Any, names: dict[str, str]) -> Any:
    """The same tree with other texts of clients; those that were alike stay alike."""
    match value:
        case str():
            return names.setdefault(value, f"{MARK}{len(names):06}") if MARK in value else value
        case tuple():
            return tuple(renamed(one, names) for one in value)
        case (
            Compare()
            | OneOf()
            | Exists()
            | HasTag()
            | HasString()
            | Not()
            | AllOf()
            | AnyOf()
            | Score()
            | ScorePart()
            | Property()
            | Variable()
        ):
            fields = (renamed(getattr(value, name), names) for name in value.__struct_fields__)
            return type(value)(*fields)
        case _:
            return value


@settings(max_examples=400)
@given(trees, texts, texts, texts)
def test_no_text_of_a_client_is_in_compiled_sql(tree: Filter, key: str, value: str, id_: str) -> None:
    sort, after = Sort(Property(key)), Position(value, NOON, id_)
    compiled = compile_all(tree, sort, after, Property(key))
    assert MARK not in repr(sql_of(compiled))
    # More than that: other texts in their places make the same SQL: it depends on the shape alone.
    names: dict[str, str] = {}
    other = compile_all(renamed(tree, names), Sort(Property("k")), Position("v", NOON, "i"), Property("k"))
    assert sql_of(other) == sql_of(compiled)


def marked(value: Any, draw: st.DrawFn) -> Any:
    """A body with texts of a client in some places, be they keys, operators, names of columns or values."""
    if isinstance(value, dict):
        return {
            (draw(texts) if draw(st.integers(0, 5)) == 0 else key): marked(one, draw)
            for key, one in value.items()
        }
    if isinstance(value, list):
        return [marked(one, draw) for one in value]
    return draw(texts) if isinstance(value, str) and draw(st.integers(0, 2)) == 0 else value


helicone_filters = st.composite(
    lambda draw: marked(draw(st.sampled_from([raw for raw, _ in FILTERS])), draw)
)()
promptlayer_groups = st.fixed_dictionaries(
    {
        "logic": st.sampled_from(["AND", "OR"]) | texts,
        "filters": st.lists(
            st.fixed_dictionaries(
                {"field": st.sampled_from(FIELDS) | texts, "operator": st.sampled_from(OPERATORS) | texts},
                optional={
                    "value": texts | st.lists(texts, max_size=2) | st.integers(0, 9),
                    "nested_key": texts,
                },
            ),
            max_size=3,
        ),
    }
)


@settings(max_examples=200)
@given(
    helicone_filters.map(lambda raw: (decode_filter, raw))
    | promptlayer_groups.map(lambda raw: (decode_group, raw))
)
def test_no_text_of_a_body_comes_to_be_sql(sent: tuple[Any, Any]) -> None:
    decode, raw = sent
    errors = FieldErrors()
    tree = decode(json.loads(json.dumps(raw)), "filter", errors)
    assume(not errors.found)
    compiled = compile_all(tree, NEWEST_FIRST, Position(NOON, NOON, MARK), Property(MARK))
    assert MARK not in repr(sql_of(compiled))


@settings(max_examples=100)
@given(texts)
def test_operator_and_column_that_are_not_known_are_refused(text: str) -> None:
    for decode, raw in (
        (decode_filter, {"request_response_rmt": {"model": {text: "a"}}}),
        (decode_filter, {"request_response_rmt": {"scores": {"a": {text: 1}}}}),
        (decode_filter, {"request_response_rmt": {text: {"equals": "a"}}}),
        (decode_filter, {text: {"model": {"equals": "a"}}}),
        (decode_filter, {"left": "all", "operator": text, "right": "all"}),
        (decode_group, {"filters": [{"field": "model", "operator": text, "value": "a"}]}),
        (decode_group, {"filters": [{"field": text, "operator": "is", "value": "a"}]}),
        (decode_group, {"logic": text, "filters": []}),
    ):
        errors = FieldErrors()
        decode(raw, "filter", errors)
        assert errors.found
