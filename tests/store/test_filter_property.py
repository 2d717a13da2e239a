"""Random filters and orders on random requests: the database against a plain interpreter of the tree."""

from __future__ import annotations

import asyncio
import json
import operator
import random
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import asyncpg
import msgspec
import pytest
from heliscore.domain.author import KINDS, Author, Origin
from heliscore.domain.filter_tree import (
    COLUMNS,
    PARTS,
    AllOf,
    AnyOf,
    Column,
    Compare,
    Everything,
    Exists,
    FeedbackTime,
    Filter,
    HasString,
    HasTag,
    Kind,
    Not,
    OneOf,
    Operator,
    Part,
    Property,
    Score,
    Scored,
    ScorePart,
    Sort,
    StringMatch,
    Subject,
    Tagged,
    Value,
    Variable,
    conjuncts,
    kind_of,
    score_names,
)
from heliscore.domain.score import FEEDBACK
from heliscore.domain.score import Score as ScoreValue
from heliscore.domain.score_definition import ScoreDefinition
from heliscore.store import exports, organizations
from heliscore.store.connections.pool import Connection
from heliscore.store.score_definitions import set_definition
from heliscore.store.scores import NO_COMMENTS, ScoreIds, ScoreNames, ScoreWrite, record
from heliscore.store.search import request_search, search_explanation, selectivity
from heliscore.store.search.found_requests import Page
from heliscore.store.search.page_order import Position
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.origins import ORIGIN

REQUESTS = 120
EXAMPLES = 100  # of each way to search

# Few values of everything, so that conditions match and orders have ties.

ALPHABET = "aAbB%_\\'\" ,éÉжЖ"
TEXTS = [
    "",
    "a",
    "A",
    "ab",
    "Ab",
    "a%",
    "a_b",
    "\\",
    "it's",
    '"A"',
    "é",
    "Éa",
    "жЖ",
    "A,b",
    "a\\%b",
    "SUCCESS",
]
BODIES = [
    *({"text": text} for text in TEXTS),
    *TEXTS,
    *([text, 1, {text: [None, "b"]}] for text in TEXTS),
    [],
    200,
]
KEYS = ["Env", "env", "a%", "it's \\", "é"]
NAMES = ["accuracy", "relevance", "tone", "length", 'größe "%_\\', FEEDBACK]
INTEGERS = [-1, 0, 1, 2, 200, 2**53 + 1]
COSTS = [-0.5, 0.0, 0.1, 0.3, 1e-9, 2.0, 1e300]
DAY = timedelta(days=1)
TIMES = [datetime(2026, 3, 1, tzinfo=UTC) + timedelta(milliseconds=n) for n in (0, 1, 500, 86_400_000)]
LABELS = {"tone": {-1: "a", 1: "Éa", 2: "a%", 200: "A"}, FEEDBACK: {0: "A", 1: "ab"}}
ORIGINS = [
    Origin(Author("human", "Éa"), "score"),
    Origin(Author("judge", "a", "2"), "score"),
    Origin(Author("judge", "a", "2"), "scores", "human:Éa"),
    Origin(Author("judge", "a%", "A"), "score"),
    None,
]
POOLS: dict[Kind, list[Any]] = {
    Kind.TEXT: TEXTS,
    Kind.NUMBER: INTEGERS,
    Kind.TIMESTAMP: TIMES,
    Kind.BOOLEAN: [True, False],
}


class Row(msgspec.Struct, frozen=True):
    """A request as the interpreter sees it."""

    columns: dict[str, Any]
    properties: dict[str, str]
    variables: dict[str, str] | None
    scores: dict[str, int]
    scored_at: datetime
    origin: Origin | None
    comments: dict[str, str]
    changed: frozenset[str]
    """The names of the scores that had another value before."""

    def part(self, name: str, part: Part) -> Any:
        author = None if self.origin is None else self.origin.author
        match part:
            case "label":
                return LABELS.get(name, {}).get(self.scores[name])
            case "author":
                return author and str(author)
            case "kind":
                return author and author.kind
            case "version":
                return (author and author.version) or None
            case "scored_at":
                return self.scored_at
            case "comment":
                return self.comments.get(name)
            case "changed":
                return name in self.changed

    def value(self, subject: Subject) -> Any:
        match subject:
            case Column(name):
                return self.columns[name]
            case Score(name):
                return self.scores.get(name)
            case ScorePart(name, part):
                return self.part(name, part) if name in self.scores else None
            case Property(key):
                return self.properties.get(key)
            case Variable(key):
                return (self.variables or {}).get(key)
            case FeedbackTime():
                return self.scored_at if FEEDBACK in self.scores else None


# The interpreter


def matches(row: Row, tree: Filter) -> bool:
    match tree:
        case Everything():
            return True
        case Not(part):
            return not matches(row, part)
        case AllOf(parts):
            return all(matches(row, part) for part in parts)
        case AnyOf(parts):
            return any(matches(row, part) for part in parts)
        case Scored():
            return bool(row.scores)
        case Tagged():
            return bool(row.columns["tags"])
        case HasTag(tag):
            return tag in (row.columns["tags"] or ())
        case HasString(body, match, string):
            return has_string(row.value(body), match, string.lower())
        case Exists(subject):
            return row.value(subject) is not None
        case OneOf(subject, values):
            return any(holds("=", row.value(subject), value) for value in values)
        case Compare(subject, relation, value):
            mine = row.value(subject)
            if (
                mine is None
                and relation in ("<>", "not-contains")
                and isinstance(subject, Property | Variable)
            ):
                mine = ""
            return holds(relation, mine, value)


RELATIONS: dict[Operator, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<>": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "like": lambda text, pattern: like(text, pattern),
    "ilike": lambda text, pattern: like(text.lower(), pattern.lower()),
    "contains": lambda text, part: part.lower() in text.lower(),
    "not-contains": lambda text, part: part.lower() not in text.lower(),
    "starts-with": lambda text, part: text.lower().startswith(part.lower()),
    "ends-with": lambda text, part: text.lower().endswith(part.lower()),
}


def has_string(body: str | None, match: StringMatch, string: str) -> bool:
    if body is None:
        return False
    if match == "contains":
        return json.dumps(string, ensure_ascii=False)[1:-1] in body.lower()
    relations: dict[StringMatch, Operator] = {
        "equals": "=",
        "starts-with": "starts-with",
        "ends-with": "ends-with",
    }
    fits = RELATIONS[relations[match]]
    return any(fits(one.lower(), string) for one in strings_in(json.loads(body)))


def strings_in(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for part in value.values():
                yield from strings_in(part)
        case list():
            for part in value:
                yield from strings_in(part)


def holds(relation: Operator, mine: Any, value: Value) -> bool:
    if mine is None:
        return False
    if isinstance(mine, float):
        value = float(value)  # type: ignore[arg-type]
    return RELATIONS[relation](mine, value)


def like(text: str, pattern: str) -> bool:
    parts = re.findall(r"\\(.)|(.)", pattern, re.DOTALL)
    wild = {"%": ".*", "_": "."}
    expression = "".join(wild.get(plain) or re.escape(escaped or plain) for escaped, plain in parts)
    return re.fullmatch(expression, text, re.DOTALL) is not None


def ordered(rows: list[Row], sort: Sort, text_order: dict[str, int]) -> list[Row]:
    subject = sort.subject
    assert subject

    def rank(row: Row) -> Any:
        value = row.value(subject)
        return text_order[value] if isinstance(value, str) and subject != Column("request_id") else value

    rows = sorted(rows, key=lambda row: str(row.columns["request_id"]))
    rows.sort(key=lambda row: row.columns["created_at"], reverse=True)
    there = [row for row in rows if row.value(subject) is not None]
    there.sort(key=rank, reverse=sort.descending)
    return there + [row for row in rows if row.value(subject) is None]


# Random requests


def random_row(rng: random.Random, number: int, organization_id: int) -> Row:
    def maybe(values: list[Any]) -> Any:
        return rng.choice(values) if rng.random() < 0.7 else None

    def texts() -> dict[str, str]:
        return {key: rng.choice(TEXTS) for key in KEYS if rng.random() < 0.5}

    columns = {name: maybe(POOLS[kind]) for name, kind in COLUMNS.items()}
    for name in ("request_body", "response_body"):  # one key each: PostgreSQL sorts keys in a way of its own
        columns[name] = maybe([json.dumps(body, ensure_ascii=False) for body in BODIES])
    columns["request_id"] = rng.choice(TEXTS) + str(number)
    columns["organization_id"] = str(organization_id)
    columns["tags"] = maybe([[], ["a"], ["A", "b"]])
    columns["status"] = maybe([0, 200, 399, 500])
    columns["outcome"] = maybe(["SUCCESS", "WARNING"])
    columns["cost_usd"] = maybe(COSTS)
    columns["created_at"], columns["updated_at"] = rng.choice(TIMES), rng.choice(TIMES)
    scores = {
        name: rng.choice([0, 1] if name == FEEDBACK else INTEGERS) for name in NAMES if rng.random() < 0.7
    }
    scores = rng.choice([{}, scores, scores])
    return Row(
        columns=columns,
        properties=texts(),
        variables=rng.choice([None, texts()]),
        scores=scores,
        scored_at=rng.choice(TIMES),
        origin=rng.choice(ORIGINS),
        comments={name: rng.choice(TEXTS[1:]) for name in scores if rng.random() < 0.4},
        changed=frozenset(name for name in scores if rng.random() < 0.3),
    )


async def insert(connection: Connection, rows: list[Row]) -> list[Row]:
    """Insert requests and scores; returns the rows with what the database makes of them."""
    values = [
        row.columns
        | {name: json.loads(row.columns[name] or "null") for name in ("request_body", "response_body")}
        | {"properties": row.properties, "prompt_variables": row.variables}
        for row in rows
    ]
    for value in values:
        del value["model"], value["numeric_id"]
    columns = ", ".join(values[0])
    await connection.execute(
        f"INSERT INTO request ({columns}) "
        f"SELECT {columns} FROM jsonb_populate_recordset(NULL::request, $1::text::jsonb)",
        msgspec.json.encode(values).decode(),
    )
    await insert_scores(connection, rows)
    return [msgspec.structs.replace(row, columns=row.columns | made(row)) for row in rows]


async def insert_scores(connection: Connection, rows: list[Row]) -> None:
    before = [write(row, {name: row.scores[name] - 1 for name in row.changed}) for row in rows if row.changed]
    posts = [write(row, row.scores, row.comments) for row in rows if row.scores]
    ids, organization_id = ScoreIds(), int(rows[0].columns["organization_id"])
    await record(connection, ids, [msgspec.structs.replace(one, posted_at=TIMES[0] - DAY) for one in before])
    await record(connection, ids, posts)
    # Scores from before origins were kept, and opinions that never were the score.
    async with connection.transaction():
        await connection.execute("SET LOCAL session_replication_role = replica")  # without the trigger
        await connection.execute(
            "UPDATE score AS s SET origin_id = NULL FROM request AS r "
            "WHERE r.request_no = s.request_no AND r.organization_id = $1 AND r.request_id = ANY($2)",
            organization_id,
            [row.columns["request_id"] for row in rows if row.origin is None],
        )
    await connection.execute(
        "INSERT INTO score_history (value, request_no, scored_at, organization_id, name_id, is_aside) "
        "SELECT 7, s.request_no, '2020-01-01', s.organization_id, s.name_id, true "
        "FROM score AS s JOIN request AS r USING (request_no) "
        "WHERE r.organization_id = $1 AND r.request_id = ANY($2)",
        organization_id,
        [row.columns["request_id"] for row in rows[::2]],
    )


def write(row: Row, scores: dict[str, int], comments: Mapping[str, str] = NO_COMMENTS) -> ScoreWrite:
    return ScoreWrite(
        int(row.columns["organization_id"]),
        row.columns["request_id"],
        {name: ScoreValue(value, False) for name, value in scores.items()},
        row.scored_at,
        row.origin or ORIGIN,
        comments,
    )


def made(row: Row) -> dict[str, Any]:
    """The columns that the database makes of others, or changes with the first score."""
    columns = row.columns
    asked, answered = columns["request_model"], columns["response_model"]
    models = (columns["model_override"], answered, asked)
    sorted_keys = sorted(row.properties, key=lambda key: (len(key.encode()), key.encode()))
    properties = {key: row.properties[key] for key in sorted_keys}
    outcome = None if columns["status"] is None else "SUCCESS" if columns["status"] in (200, 399) else "ERROR"
    booleans = {name: bool(columns[name]) for name, kind in COLUMNS.items() if kind is Kind.BOOLEAN}
    return booleans | {
        "model": next((model for model in models if model is not None), None),
        "request_model": answered if asked is None else asked,
        "response_model": asked if answered is None else answered,
        "properties": json.dumps(properties, ensure_ascii=False) if properties else None,
        "outcome": columns["outcome"] or outcome,
        "numeric_id": int(columns["request_id"]) if columns["request_id"].isdecimal() else None,
        "updated_at": max(columns["updated_at"], row.scored_at) if row.scores else columns["updated_at"],
    }


async def order_of_texts(connection: Connection, rows: list[Row]) -> dict[str, int]:
    """The place of every text in the database's own order."""
    texts = {value for row in rows for value in row.columns.values() if isinstance(value, str)} | {*TEXTS}
    sorted_texts = await connection.fetch("SELECT t FROM unnest($1::text[]) AS t ORDER BY t", list(texts))
    return {text: place for place, (text,) in enumerate(sorted_texts)}


# Random filters and orders

columns = st.sampled_from(sorted(COLUMNS)).map(Column)
scores = st.sampled_from([*NAMES, "never used"]).map(Score)
keys_ = st.sampled_from([*KEYS, "unknown"])
score_parts = st.builds(ScorePart, st.sampled_from([*NAMES, "never used"]), st.sampled_from([*PARTS]))
sort_subjects = columns | scores | keys_.map(Property) | keys_.map(Variable)
subjects: st.SearchStrategy[Subject] = sort_subjects | st.just(FeedbackTime()) | score_parts
sorts = st.builds(Sort, scores | sort_subjects, st.booleans())

bodies = st.sampled_from(["request_body", "response_body"]).map(Column)
matchings: st.SearchStrategy[StringMatch] = st.sampled_from(
    ["equals", "starts-with", "ends-with", "contains"]
)
texts = st.sampled_from(TEXTS) | st.text(ALPHABET, max_size=3)
patterns = texts.filter(lambda text: re.fullmatch(r"(\\.|[^\\])*", text) is not None)
equality: list[Operator] = ["=", "<>"]
order: list[Operator] = [*equality, ">", ">=", "<", "<="]
operators: dict[Kind, list[Operator]] = {
    Kind.TEXT: [*equality, "like", "ilike", "contains", "not-contains", "starts-with", "ends-with"],
    Kind.NUMBER: order,
    Kind.TIMESTAMP: order,
    Kind.BOOLEAN: equality,
    Kind.SCORE: order,
    Kind.AUTHOR: [*equality, "like", "ilike", "contains", "not-contains", "starts-with"],
    Kind.AUTHOR_KIND: equality,
}
values: dict[Kind, st.SearchStrategy[Any]] = {
    Kind.TEXT: texts,
    Kind.NUMBER: st.sampled_from([*INTEGERS, *COSTS, 10**40, Decimal("0.1"), Decimal("1.5")]),
    Kind.TIMESTAMP: st.sampled_from([*TIMES, TIMES[1] + timedelta(microseconds=1)]),
    Kind.BOOLEAN: st.booleans(),
    Kind.SCORE: st.sampled_from([*INTEGERS, True, False]),
    Kind.AUTHOR: st.sampled_from(["human:Éa", "judge:a@2", "judge:a", "%:a\\%@A", "é", "@", "judge:a%@a"]),
    Kind.AUTHOR_KIND: st.sampled_from(KINDS),
}


@st.composite
def conditions(draw: st.DrawFn, about: st.SearchStrategy[Subject] = subjects) -> Filter:
    subject = draw(about)
    kind = kind_of(subject)
    match draw(
        st.sampled_from(
            ["compare", "compare", "compare", "one of", "exists", "scored", "tag", "string", "everything"]
        )
    ):
        case "compare":
            relation = draw(st.sampled_from(operators[kind]))
            value = draw(patterns if relation in ("like", "ilike") else values[kind])
            return Compare(subject, relation, value)
        case "one of":
            return OneOf(subject, tuple(draw(st.lists(values[kind], max_size=3))))
        case "exists":
            return Exists(subject)
        case "scored":
            return Scored()
        case "tag":
            return draw(st.just(Tagged()) | st.builds(HasTag, st.sampled_from(["a", "A", "b", "%"])))
        case "string":
            return HasString(draw(bodies), draw(matchings), draw(texts))
        case _:
            return Everything()


def nodes(parts: st.SearchStrategy[Filter]) -> st.SearchStrategy[Filter]:
    several = st.lists(parts, max_size=4).map(tuple)
    return parts.map(Not) | several.map(AllOf) | several.map(AnyOf)


filters = st.recursive(conditions(), nodes, max_leaves=8)
several_scores = st.lists(conditions(scores), max_size=6).map(tuple).map(AllOf)
one_score = st.sampled_from(NAMES).flatmap(
    lambda name: st.lists(
        conditions(st.just(Score(name)) | st.sampled_from([*PARTS]).map(partial(ScorePart, name))), max_size=4
    )
)
leaves = one_score.map(tuple).map(AllOf)
trees = filters | st.tuples(several_scores | leaves | leaves.map(Not), filters).map(AllOf)


@pytest.mark.parametrize(
    "threshold", [1, selectivity.MIN_THRESHOLD], ids=["walking in order", "beginning at few scores"]
)
def test_search_finds_what_the_tree_means(dsn: str, monkeypatch: pytest.MonkeyPatch, threshold: int) -> None:
    monkeypatch.setattr(selectivity, "MIN_THRESHOLD", threshold)
    monkeypatch.setattr(selectivity, "MAX_THRESHOLD", threshold)
    with asyncio.Runner() as runner:
        connection = runner.run(asyncpg.connect(dsn))
        names = ScoreNames()
        organization_id, rows, text_order = runner.run(prepare(connection))

        @settings(max_examples=EXAMPLES)
        @given(tree=trees, sort=sorts, limit=st.integers(1, 3), offset=st.integers(0, 30))
        def check(tree: Filter, sort: Sort, limit: int, offset: int) -> None:
            expected = ordered([row for row in rows if matches(row, tree)], sort, text_order)
            expected_ids = [row.columns["request_id"] for row in expected]
            limit = max(limit, len(expected_ids) // 8)
            found = runner.run(search(connection, names, organization_id, tree, sort, limit, offset))
            assert found == Found(
                len(expected_ids),
                expected_ids,
                expected_ids,
                expected_ids[offset : offset + limit],
                expected_ids[limit:] or expected_ids,
            )

        try:
            check()
        finally:
            runner.run(connection.close())


def test_explanation_counts_what_each_part_of_the_tree_means(dsn: str) -> None:
    with asyncio.Runner() as runner:
        connection = runner.run(asyncpg.connect(dsn))
        names = ScoreNames()
        organization_id, rows, _ = runner.run(prepare(connection))

        def count(tree: Filter) -> int:
            return sum(matches(row, tree) for row in rows)

        @settings(max_examples=EXAMPLES)
        @given(tree=trees, sort=sorts)
        def check(tree: Filter, sort: Sort) -> None:
            explain = search_explanation.explain_search
            explained = runner.run(explain(connection, names, organization_id, tree, sort=sort, limit=3))
            parts = conjuncts(tree)
            assert explained.matches == count(tree)
            assert [condition.matches for condition in explained.conditions] == [*map(count, parts)]
            assert [condition.together for condition in explained.conditions] == [
                count(AllOf(tuple(parts[: number + 1]))) for number in range(len(parts))
            ]
            for condition, part in zip(explained.conditions, parts, strict=True):
                choices = part.parts if isinstance(part, AnyOf) else ()
                assert [one.matches for one in condition.alternatives] == [*map(count, choices)]
                unknown = [*score_names(part)] == ["never used"]
                assert ("no score has this name" in condition.notes) is unknown
            assert explained.plan.lines or not explained.matches

        try:
            check()
        finally:
            runner.run(connection.close())


async def define(connection: Connection, organization_id: int, labels: dict[str, dict[int, str]]) -> None:
    for name, words in labels.items():
        definition = ScoreDefinition(name, "integer", labels=words)
        assert await set_definition(connection, organization_id, definition)


async def prepare(connection: Connection) -> tuple[int, list[Row], dict[str, int]]:
    rng = random.Random(1)
    ours, theirs = [await organizations.ensure(connection, name) for name in ("ours", "theirs")]
    rows = [random_row(rng, number, ours) for number in range(REQUESTS)]
    others = [random_row(rng, number, theirs) for number in range(REQUESTS)]
    await define(connection, ours, LABELS)
    await define(connection, theirs, {"tone": {0: "a"}, "accuracy": {1: "b"}})
    rows, others = await insert(connection, rows), await insert(connection, others)
    return ours, rows, await order_of_texts(connection, rows)


class Found(msgspec.Struct, frozen=True):
    """What the database says: a number, and ids in order."""

    count: int
    whole: list[str]
    pages: list[str]
    part: list[str]
    """What lies behind an offset."""

    exported: list[str]
    """What an export gives that goes on behind the first page; where there is no other page, a whole one."""


async def search(
    connection: Connection,
    names: ScoreNames,
    organization_id: int,
    tree: Filter,
    sort: Sort,
    limit: int,
    offset: int,
) -> Found:
    find = partial(request_search.search, connection, names, organization_id, tree, sort=sort)
    pages = [await find(limit=limit)]
    while pages[-1].next is not None and len(pages) <= REQUESTS:  # a broken cursor must end too
        pages.append(await find(limit=limit, after=pages[-1].next))
    return Found(
        count=await request_search.count(connection, names, organization_id, tree),
        whole=ids(await find(limit=REQUESTS)),
        pages=ids(*pages),
        part=ids(await find(limit=limit, offset=offset)),
        exported=await export(connection, names, organization_id, tree, sort, pages[0].next),
    )


async def export(
    connection: Connection,
    names: ScoreNames,
    organization_id: int,
    tree: Filter,
    sort: Sort,
    after: Position | None,
) -> list[str]:
    """The ids that an export gives behind a position."""
    selection = exports.Selection(
        organization_id=organization_id,
        tree=tree,
        sort=sort,
        after=after,
        columns=("request_id",),
        as_lines=False,
    )
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        batches = exports.Export(connection, names, selection).read()
        return [id_ async for batch in batches for (id_,) in batch.requests]


def ids(*pages: Page) -> list[str]:
    return [request.request_id for page in pages for request in page.requests]
