from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from functools import partial

import msgspec
import pytest
from heliscore.domain.filter_tree import (
    COLUMNS,
    NEWEST_FIRST,
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
    Not,
    OneOf,
    Property,
    Score,
    Scored,
    ScorePart,
    Sort,
    Tagged,
    Value,
    Variable,
)
from heliscore.domain.score import FEEDBACK
from heliscore.store.like_patterns import escape_like
from heliscore.store.search.comparisons import SubjectCondition
from heliscore.store.search.compiler import (
    compile_count,
    compile_probe,
    compile_search,
    compile_selectivity,
    compile_words,
)
from heliscore.store.search.leading_conditions import is_of_several_scores, leading_scores
from heliscore.store.search.page_order import Position
from heliscore.store.search.score_columns import ScoreColumns
from heliscore.store.search.score_compiler import (
    compile_conditions,
)
from heliscore.store.search.slots import Compiled, Slots

NAME_IDS = {"accuracy": 71, "relevance": 72, "tone": 73, "length": 74, "cited": 75, FEEDBACK: 76}
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)

USER, LATENCY, CREATED = Column("user_id"), Column("latency_ms"), Column("created_at")
BODY = Column("response_body")
ACCURATE = Compare(Score("accuracy"), ">=", 90)
CITED = Compare(Score("cited"), "=", True)
UNKNOWN = Compare(Score("unheard-of"), "=", 1)


OUTCOME = (
    "coalesce(r.outcome, CASE WHEN r.status BETWEEN 200 AND 399 THEN 'SUCCESS' "
    "WHEN r.status IS NOT NULL THEN 'ERROR' END)"
)

HAS_STRING = (
    "(r.response_body::text ILIKE ANY($4::text[]) AND EXISTS (SELECT FROM jsonb_array_elements_text("
    "jsonb_path_query_array(r.response_body, 'strict $.** ? (@.type() == \"string\")')) AS s (s) "
    "WHERE s.s ILIKE $5::text))"
)


def of_request(alias: str, row: str = "r") -> str:
    return f"{alias}.request_no = {row}.request_no AND {alias}.organization_id = $1::integer::oid"


def joined(alias: str) -> str:
    return f"JOIN score AS {alias} ON {alias}.organization_id = $1 AND {alias}.request_no = r.request_no"


def look_up(number: int, conditions: str, row: str | None = None) -> str:
    return (
        "\nCROSS JOIN LATERAL (SELECT s.organization_id, s.request_no, s.value FROM score AS s "
        f"WHERE {of_request('s', row or f's{number - 1}')} AND {conditions} OFFSET 0) AS s{number}"
    )


def visit(row: str, conditions: str = "") -> str:
    return (
        f"\nCROSS JOIN LATERAL (SELECT r.* FROM request AS r WHERE {of_request('r', row)}{conditions} "
        "OFFSET 0) AS r"
    )


def search(tree: Filter, sort: Sort = NEWEST_FIRST, after: Position | None = None) -> Compiled:
    return compile_search(tree, sort, after, NAME_IDS, first_parameter=4)


@pytest.mark.parametrize(
    ("tree", "where", "arguments"),
    [
        (Everything(), "true", ()),
        (AllOf(()), "true", ()),
        (AnyOf(()), "false", ()),
        (Not(Everything()), "(true) IS NOT TRUE", ()),
        (Compare(USER, "=", "x' OR true --"), "r.user_id = $4::text", ("x' OR true --",)),
        (Compare(USER, "<>", "ada"), "r.user_id <> $4::text", ("ada",)),
        (Compare(USER, "like", "a%_"), "r.user_id LIKE $4::text", ("a%_",)),
        (Compare(USER, "ilike", "a%_"), "r.user_id ILIKE $4::text", ("a%_",)),
        (Compare(USER, "contains", r"50%_\x"), "r.user_id ILIKE $4::text", (r"%50\%\_\\x%",)),
        (Compare(USER, "not-contains", "a"), "r.user_id NOT ILIKE $4::text", ("%a%",)),
        (OneOf(USER, ("ada", "bob")), "r.user_id = ANY($4::text[])", (["ada", "bob"],)),
        (
            Compare(Column("response_id"), "=", "x"),
            "(hashtextextended(r.response_id, 0) = hashtextextended($4::text, 0) "
            "AND r.response_id = $4::text)",
            ("x",),
        ),
        (
            OneOf(Column("response_id"), ("x", "y")),
            "(hashtextextended(r.response_id, 0) = ANY(ARRAY(SELECT hashtextextended(h.string, 0) "
            "FROM unnest($4::text[]) AS h (string))) AND r.response_id = ANY($4::text[]))",
            (["x", "y"],),
        ),
        (Exists(Column("response_id")), "r.response_id IS NOT NULL", ()),
        (OneOf(USER, ()), "r.user_id = ANY($4::text[])", ([],)),
        (Exists(USER), "r.user_id IS NOT NULL", ()),
        (Compare(LATENCY, ">", 100), "r.latency_ms > $4::numeric", (Decimal(100),)),
        (Compare(LATENCY, ">=", 0.1), "r.latency_ms >= $4::numeric", (Decimal("0.1"),)),
        (Compare(LATENCY, "<", Decimal("1.5")), "r.latency_ms < $4::numeric", (Decimal("1.5"),)),
        (Compare(LATENCY, "<=", 10**40), "r.latency_ms <= $4::numeric", (Decimal(10**40),)),
        (OneOf(LATENCY, (1, 2.5)), "r.latency_ms = ANY($4::numeric[])", ([Decimal(1), Decimal("2.5")],)),
        (Compare(CREATED, ">=", NOON), "r.created_at >= $4::timestamptz", (NOON,)),
        (Compare(Column("threat"), "=", False), "coalesce(r.threat, false) = $4::boolean", (False,)),
        (Compare(Property("Env"), "=", "p"), "(r.properties ->> $4::text) = $5::text", ("Env", "p")),
        (
            Compare(Property("Env"), "<>", "p"),
            "coalesce((r.properties ->> $4::text), '') <> $5::text",
            ("Env", "p"),
        ),
        (
            Compare(Property("Env"), "not-contains", "p"),
            "coalesce((r.properties ->> $4::text), '') NOT ILIKE $5::text",
            ("Env", "%p%"),
        ),
        (Exists(Property("Env")), "(r.properties ->> $4::text) IS NOT NULL", ("Env",)),
        (
            Compare(Variable("topic"), "ilike", "a%"),
            "(r.prompt_variables ->> $4::text) ILIKE $5::text",
            ("topic", "a%"),
        ),
        (
            Compare(Variable("topic"), "<>", "a"),
            "coalesce((r.prompt_variables ->> $4::text), '') <> $5::text",
            ("topic", "a"),
        ),
        (Scored(), f"EXISTS (SELECT FROM score AS s WHERE {of_request('s')} OFFSET 0)", ()),
        (
            Compare(FeedbackTime(), ">", NOON),
            f"EXISTS (SELECT FROM score AS s WHERE {of_request('s')} AND s.name_id + 0 = $4::integer "
            "AND date_trunc('milliseconds', s.scored_at) > $5::timestamptz OFFSET 0)",
            (76, NOON),
        ),
        (Compare(USER, "starts-with", "a_"), "r.user_id ILIKE $4::text", (r"a\_%",)),
        (Compare(USER, "ends-with", "a_"), "r.user_id ILIKE $4::text", (r"%a\_",)),
        (Tagged(), "cardinality(r.tags) > 0", ()),
        (HasTag("a%"), "$4::text = ANY(r.tags)", ("a%",)),
        (Not(HasTag("a%")), "($4::text = ANY(r.tags)) IS NOT TRUE", ("a%",)),
        (
            HasString(BODY, "equals", 'a"_'),
            HAS_STRING,
            ([r'"a\\"\_"%', r'%["a\\"\_"%', r'%{"a\\"\_"%', r'% "a\\"\_"%'], r'a"\_'),
        ),
        (
            HasString(BODY, "starts-with", "a"),
            HAS_STRING,
            (['"a%', '%["a%', '%{"a%', '% "a%'], "a%"),
        ),
        (HasString(BODY, "ends-with", "a"), HAS_STRING, (['%a"%'], "%a")),
        (HasString(BODY, "contains", "a"), "r.response_body::text ILIKE ANY($4::text[])", (["%a%"],)),
        (UNKNOWN, "false", ()),
        (Not(UNKNOWN), "NOT false", ()),
        (Not(Scored()), f"NOT EXISTS (SELECT FROM score AS s WHERE {of_request('s')} OFFSET 0)", ()),
        (
            Not(CITED),
            f"NOT EXISTS (SELECT FROM score AS s WHERE {of_request('s')} AND s.name_id + 0 = $4::integer "
            "AND s.value = $5::bigint OFFSET 0)",
            (75, 1),
        ),
        (
            AllOf((Compare(USER, "=", "ada"), AllOf((Exists(LATENCY), Everything())))),
            "r.user_id = $4::text AND r.latency_ms IS NOT NULL",
            ("ada",),
        ),
        (
            AnyOf((Compare(USER, "=", "ada"), AllOf((Exists(LATENCY), Compare(USER, "=", "bob"))))),
            "(r.user_id = $4::text OR (r.latency_ms IS NOT NULL AND r.user_id = $5::text))",
            ("ada", "bob"),
        ),
    ],
)
def test_filter_is_compiled(tree: Filter, where: str, arguments: tuple[object, ...]) -> None:
    assert search(tree) == Compiled(
        Slots(
            joins="",
            where=where,
            order="r.created_at DESC, r.request_id",
            outcome=OUTCOME,
            sort_value="r.created_at",
        ),
        arguments,
    )


ORIGIN = "s.origin_id = ANY(ARRAY(SELECT o.id FROM score_origin AS o WHERE o.organization_id = $1 AND {}))"
SAME_SCORE = "{0}.request_no = s.request_no AND {0}.name_id = s.name_id AND {0}.organization_id = $1"
COMMENT = (
    f"(SELECT m.comment FROM score_comment AS m WHERE {SAME_SCORE.format('m')} AND m.scored_at = s.scored_at)"
)
CHANGED = (
    f"EXISTS (SELECT FROM score_history AS h WHERE {SAME_SCORE.format('h')} AND h.is_aside IS NULL OFFSET 0)"
)
AUTHOR = "(o.kind || ':' || o.name || coalesce('@' || nullif(o.version, ''), '')) COLLATE \"default\""
VERSION = "nullif(o.version, '') COLLATE \"default\""
TONE = partial(ScorePart, "tone")


@pytest.mark.parametrize(
    ("tree", "condition", "arguments"),
    [
        (Compare(TONE("kind"), "<>", "api"), ORIGIN.format("o.kind <> $5::text"), ("api",)),
        (
            OneOf(TONE("kind"), ("human", "api")),
            ORIGIN.format("o.kind = ANY($5::text[])"),
            (["human", "api"],),
        ),
        (Compare(TONE("author"), "=", "judge:a"), ORIGIN.format(f"{AUTHOR} = $5::text"), ("judge:a",)),
        (Compare(TONE("author"), "starts-with", "a"), ORIGIN.format(f"{AUTHOR} ILIKE $5::text"), ("a%",)),
        (Exists(TONE("version")), ORIGIN.format(f"{VERSION} IS NOT NULL"), ()),
        (
            Compare(TONE("label"), "=", "wrong"),
            "s.value + 0 = ANY(ARRAY(SELECT l.value::bigint "
            "FROM score_definition AS d CROSS JOIN jsonb_each_text(d.labels) AS l (value, label) "
            "WHERE d.organization_id = $1 AND d.name = $5::text AND l.label = $6::text))",
            ("tone", "wrong"),
        ),
        (Compare(TONE("comment"), "contains", "a_"), f"{COMMENT} ILIKE $5::text", (r"%a\_%",)),
        (Exists(TONE("comment")), f"{COMMENT} IS NOT NULL", ()),
        (Compare(TONE("changed"), "=", True), f"{CHANGED} = $5::boolean", (True,)),
        (Compare(TONE("scored_at"), "<", NOON), "s.scored_at < $5::timestamptz", (NOON,)),
    ],
)
def test_part_of_a_score_is_compiled(
    tree: SubjectCondition, condition: str, arguments: tuple[object, ...]
) -> None:
    compiled = search(AnyOf((tree,)))
    assert (compiled.slots.where, compiled.arguments) == (
        f"(EXISTS (SELECT FROM score AS s WHERE {of_request('s')} AND s.name_id + 0 = $4::integer "
        f"AND {condition} OFFSET 0))",
        (73, *arguments),
    )


def test_part_of_an_unknown_score_matches_nothing() -> None:
    assert search(AnyOf((Exists(ScorePart("unheard-of", "author")),))).slots.where == "(false)"


JUDGED = AllOf((ACCURATE, Compare(ScorePart("accuracy", "kind"), "=", "judge")))


def test_value_and_parts_of_a_score_are_conditions_on_one_row() -> None:
    walked, begun = search(JUDGED), compile_search(JUDGED, NEWEST_FIRST, None, NAME_IDS, 4, ["accuracy"])
    judged = ORIGIN.format("o.kind = ${}::text")
    assert (walked.slots.organization, walked.arguments) == (
        "s1.organization_id = $1 AND s1.name_id = $4::integer AND s1.value + 0 >= $5::bigint AND "
        + judged.format(6).replace("s.", "s1."),
        (71, 90, "judge"),
    )
    assert judged.format(6) in (begun.slots.source or "")


def test_only_values_are_counted_and_walked() -> None:
    """There is no index of authors or comments: to count what meets a condition on them could read all."""
    of_name = "s.organization_id = $1 AND s.name_id = $2::integer AND s.value >= $3::bigint"
    counted = compile_selectivity(JUDGED, NAME_IDS, first_parameter=2)
    probed = compile_probe(JUDGED, Score("accuracy"), Sort(Score("accuracy")), NAME_IDS, first_parameter=2)
    assert (counted.slots.counts, counted.arguments) == (
        f"(SELECT count(*) FROM (SELECT FROM score AS s WHERE {of_name} LIMIT $2) AS first)",
        (71, 90),
    )
    assert (probed.slots.scores, probed.arguments) == (f"score AS s WHERE {of_name}", (71, 90))


MADE = [
    ("organization_id", "r.organization_id::text"),
    ("request_body", "r.request_body::text"),
    ("response_body", "r.response_body::text"),
    ("request_model", "coalesce(r.request_model, r.response_model)"),
    ("response_model", "coalesce(r.response_model, r.request_model)"),
    ("properties", "nullif(r.properties, '{}')::text"),
    ("numeric_id", "CASE WHEN r.request_id ~ '^[0-9]+$' THEN r.request_id::numeric END"),
    ("outcome", OUTCOME),
    ("cached", "coalesce(r.cached, false)"),
    ("cache_enabled", "coalesce(r.cache_enabled, false)"),
    ("threat", "coalesce(r.threat, false)"),
    ("is_passthrough_billing", "coalesce(r.is_passthrough_billing, false)"),
]


@pytest.mark.parametrize(("name", "sql"), MADE)
def test_column_is_made_of_others(name: str, sql: str) -> None:
    assert search(Exists(Column(name))).slots.where == f"{sql} IS NOT NULL"


@pytest.mark.parametrize("name", sorted(COLUMNS.keys() - {name for name, _ in MADE}))
def test_column_is_compared_as_it_is(name: str) -> None:
    assert search(Exists(Column(name))).slots.where == f"r.{name} IS NOT NULL"


@pytest.mark.parametrize(
    ("tree", "walked", "joins", "arguments"),
    [
        (ACCURATE, "s1.name_id = $4::integer AND s1.value + 0 >= $5::bigint", visit("s1"), (71, 90)),
        (
            AllOf((ACCURATE, Compare(USER, "=", "ada"), AllOf((Compare(Score("accuracy"), "<", 95), CITED)))),
            "s1.name_id = $4::integer AND s1.value + 0 >= $5::bigint AND s1.value + 0 < $6::bigint",
            look_up(2, "s.name_id + 0 = $7::integer AND s.value = $8::bigint")
            + visit("s2", " AND r.user_id = $9::text"),
            (71, 90, 95, 75, 1, "ada"),
        ),
        (
            AllOf((Exists(Score("accuracy")), OneOf(Score("accuracy"), (1, True)))),
            "s1.name_id = $4::integer AND s1.value + 0 = ANY($5::bigint[])",
            visit("s1"),
            (71, [1, 1]),
        ),
        (
            AllOf(tuple(Exists(Score(name)) for name in NAME_IDS if name != FEEDBACK)),
            "s1.name_id = $4::integer",
            "".join(look_up(n, f"s.name_id + 0 = ${n + 3}::integer") for n in (2, 3, 4))
            + visit(
                "s4",
                f" AND EXISTS (SELECT FROM score AS s WHERE {of_request('s')} "
                "AND s.name_id + 0 = $8::integer OFFSET 0)",
            ),
            (71, 72, 73, 74, 75),
        ),
    ],
)
def test_first_score_that_must_be_there_is_walked_and_the_others_looked_up(
    tree: Filter, walked: str, joins: str, arguments: tuple[object, ...]
) -> None:
    """The other scores before the request, which is larger."""
    assert search(tree) == Compiled(
        Slots(
            source="score AS s1",
            organization=f"s1.organization_id = $1 AND {walked}",
            joins=joins,
            where="true",
            order="s1.request_created_at DESC, r.request_id",
            outcome=OUTCOME,
            sort_value="s1.request_created_at",
        ),
        arguments,
    )


def test_scores_that_must_be_there_are_joined_where_time_is_not_the_order() -> None:
    tree = AllOf((ACCURATE, Compare(USER, "=", "ada"), AllOf((Compare(Score("accuracy"), "<", 95), CITED))))
    assert search(tree, Sort(LATENCY)) == Compiled(
        Slots(
            joins=(
                f"{joined('s1')} AND s1.name_id = $4::integer "
                "AND s1.value >= $5::bigint AND s1.value < $6::bigint\n"
                f"{joined('s2')} AND s2.name_id = $7::integer AND s2.value = $8::bigint"
            ),
            where="r.user_id = $9::text",
            order="r.latency_ms DESC NULLS LAST, s1.request_created_at DESC, r.request_id",
            outcome=OUTCOME,
            sort_value="r.latency_ms",
        ),
        (71, 90, 95, 75, 1, "ada"),
    )


def test_score_in_a_disjunction_is_not_joined() -> None:
    compiled = search(AnyOf((ACCURATE, CITED)))
    assert (compiled.slots.joins, (compiled.slots.where or "").count("EXISTS")) == ("", 2)


def test_unknown_score_among_conditions_that_must_hold_matches_nothing() -> None:
    assert search(AllOf((ACCURATE, UNKNOWN, Exists(USER)))).slots.where == "false"


TIES = "r.created_at DESC, r.request_id"


@pytest.mark.parametrize(
    ("sort", "by", "order", "arguments"),
    [
        (Sort(CREATED), "r.created_at", "r.created_at DESC, r.request_id", ()),
        (Sort(CREATED, descending=False), "r.created_at", "r.created_at ASC, r.request_id", ()),
        (Sort(LATENCY), "r.latency_ms", f"r.latency_ms DESC NULLS LAST, {TIES}", ()),
        (
            Sort(Column("request_body"), descending=False),
            "r.request_body::text",
            f"r.request_body::text ASC NULLS LAST, {TIES}",
            (),
        ),
        (
            Sort(Property("Env"), descending=False),
            "(r.properties ->> $4::text)",
            f"(r.properties ->> $4::text) ASC NULLS LAST, {TIES}",
            ("Env",),
        ),
        (
            Sort(Variable("topic")),
            "(r.prompt_variables ->> $4::text)",
            f"(r.prompt_variables ->> $4::text) DESC NULLS LAST, {TIES}",
            ("topic",),
        ),
        (Sort(None), "NULL", "random()", ()),
    ],
)
def test_sort_is_compiled(sort: Sort, by: str, order: str, arguments: tuple[object, ...]) -> None:
    assert search(Everything(), sort) == Compiled(
        Slots(joins="", where="true", order=order, outcome=OUTCOME, sort_value=by), arguments
    )


@pytest.mark.parametrize(("name", "by"), [("accuracy", "s1.value"), ("cited", "s2.value")])
@pytest.mark.parametrize(("descending", "direction"), [(True, "DESC"), (False, "ASC")])
def test_sort_uses_the_join_of_the_filter(name: str, by: str, descending: bool, direction: str) -> None:
    """Without NULLS LAST: the score is never missing, and an index can be read in that order."""
    slots = search(AllOf((ACCURATE, CITED)), Sort(Score(name), descending)).slots
    assert ((slots.joins or "").count("JOIN"), slots.sort_value, slots.order) == (
        2,
        by,
        f"{by} {direction}, s1.request_created_at DESC, r.request_id",
    )


def later(n: int) -> str:
    """Behind the position's time, parameter n, or of that time and behind its id."""
    time = f"${n}::timestamptz"
    return f"(r.created_at < {time} OR (r.created_at = {time} AND r.request_id > ${n + 1}::text))"


@pytest.mark.parametrize(
    ("sort", "value", "where", "arguments"),
    [
        (
            Sort(CREATED),
            NOON,
            "r.created_at <= $4::timestamptz AND (r.created_at < $4::timestamptz OR r.request_id > $5::text)",
            (NOON, "r-9"),
        ),
        (
            Sort(CREATED, descending=False),
            NOON,
            "r.created_at >= $4::timestamptz AND (r.created_at > $4::timestamptz OR r.request_id > $5::text)",
            (NOON, "r-9"),
        ),
        (
            Sort(LATENCY),
            250,
            "(r.latency_ms < $6::numeric OR r.latency_ms IS NULL OR (r.latency_ms = $6::numeric AND "
            f"{later(4)}))",
            (NOON, "r-9", Decimal(250)),
        ),
        (
            Sort(LATENCY, descending=False),
            None,
            f"r.latency_ms IS NULL AND {later(4)}",
            (NOON, "r-9"),
        ),
        (
            Sort(Property("Env"), descending=False),
            "prod",
            "((r.properties ->> $4::text) > $7::text OR (r.properties ->> $4::text) IS NULL OR "
            "((r.properties ->> $4::text) = $7::text AND "
            f"{later(5)}))",
            ("Env", NOON, "r-9", "prod"),
        ),
    ],
)
def test_position_is_compiled(
    sort: Sort, value: Value | None, where: str, arguments: tuple[object, ...]
) -> None:
    compiled = search(Everything(), sort, Position(value, NOON, "r-9"))
    assert (compiled.slots.where, compiled.arguments) == (f"true AND {where}", arguments)


def test_random_order_has_no_position() -> None:
    assert search(Everything(), Sort(None), Position(None, NOON, "r-9")).slots.where == "true"


SELECTIVE_TREE = AllOf((ACCURATE, Exists(USER), AllOf((CITED, Not(Scored())))))


def test_leading_scores_are_those_that_every_match_must_have() -> None:
    tree = AllOf(
        (CITED, SELECTIVE_TREE, AnyOf((UNKNOWN, Exists(USER))), Not(UNKNOWN), OneOf(Score("tone"), ()))
    )
    assert leading_scores(tree) == ["cited", "accuracy", "tone"]


def test_matches_of_each_leading_score_are_counted_up_to_a_limit() -> None:
    counts = [
        f"(SELECT count(*) FROM (SELECT FROM score AS s WHERE s.organization_id = $1 AND {conditions} "
        "LIMIT $2) AS first)"
        for conditions in (
            "s.name_id = $2::integer AND s.value >= $3::bigint",
            "s.name_id = $4::integer AND s.value = $5::bigint",
        )
    ]
    compiled = compile_selectivity(SELECTIVE_TREE, NAME_IDS, first_parameter=2)
    assert compiled == Compiled(Slots(counts=", ".join(counts)), (71, 90, 75, 1))


@pytest.mark.parametrize(("descending", "direction"), [(True, "DESC"), (False, "ASC")])
def test_probe_walks_the_values_that_meet_the_conditions(descending: bool, direction: str) -> None:
    score = Score("accuracy")
    compiled = compile_probe(SELECTIVE_TREE, score, Sort(score, descending), NAME_IDS, first_parameter=3)
    rows = "score AS s WHERE s.organization_id = $1 AND s.name_id = $3::integer AND s.value >= $4::bigint"
    assert compiled == Compiled(Slots(scores=rows, direction=direction), (71, 90))


def few(name: int, value: int, columns: str = "") -> str:
    return (
        f"SELECT s.organization_id, s.request_no, s.request_created_at{columns} FROM score AS s "
        f"WHERE s.organization_id = $1 AND s.name_id = ${name}::integer AND "
        f"s.value >= (SELECT ${value}::bigint) AND s.value <= (SELECT ${value}::bigint)"
    )


def test_search_begins_at_the_score_that_was_chosen() -> None:
    compiled = compile_search(SELECTIVE_TREE, Sort(Score("accuracy")), None, NAME_IDS, 4, ["cited"])
    assert compiled == Compiled(
        Slots(
            source=f"({few(4, 5, ', s.value')} OFFSET 0) AS s1",
            joins=look_up(2, "s.name_id + 0 = $6::integer AND s.value >= $7::bigint")
            + visit(
                "s2",
                " AND r.user_id IS NOT NULL AND "
                f"NOT EXISTS (SELECT FROM score AS s WHERE {of_request('s')} OFFSET 0)",
            ),
            where="true",
            order="s2.value DESC, s1.request_created_at DESC, r.request_id",
            outcome=OUTCOME,
            sort_value="s2.value",
        ),
        (75, 1, 71, 90),
    )


def test_search_begins_at_the_requests_that_have_all_scores_that_were_chosen() -> None:
    tree = AllOf((Compare(Score("accuracy"), "=", 90), Exists(USER), CITED))
    compiled = compile_search(tree, Sort(LATENCY), None, NAME_IDS, 4, ["cited", "accuracy"])
    assert compiled == Compiled(
        Slots(
            source=f"({few(4, 5)} INTERSECT {few(6, 7)} OFFSET 0) AS s1",
            joins=visit("s1", " AND r.user_id IS NOT NULL"),
            where="true",
            order="r.latency_ms DESC NULLS LAST, s1.request_created_at DESC, r.request_id",
            outcome=OUTCOME,
            sort_value="r.latency_ms",
        ),
        (75, 1, 71, 90),
    )


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        (NEWEST_FIRST, " ORDER BY s.request_created_at DESC"),
        (Sort(Column("created_at"), descending=False), " ORDER BY s.request_created_at ASC"),
        (Sort(Column("latency_ms")), ""),
        (Sort(None), ""),
    ],
)
def test_rows_of_that_score_are_visited_in_order_of_time_if_asked_for(sort: Sort, order: str) -> None:
    slots = compile_search(CITED, sort, None, NAME_IDS, 4, ["cited"]).slots
    assert slots.source == f"({few(4, 5, ', s.value')}{order} OFFSET 0) AS s1"


def test_conditions_alone_fill_where_and_joins() -> None:
    join = f"{joined('s1')} AND s1.name_id = $2::integer AND s1.value >= $3::bigint"
    compiled = compile_conditions(AllOf((ACCURATE, Exists(USER))), NAME_IDS, first_parameter=2)
    assert compiled == Compiled(Slots(where="r.user_id IS NOT NULL", joins=join), (71, 90))


@pytest.mark.parametrize(
    ("tree", "omitted"),
    [(Everything(), True), (AllOf((Everything(),)), True), (ACCURATE, False), (Exists(USER), False)],
)
def test_request_is_left_out_where_no_condition_needs_it(tree: Filter, omitted: bool) -> None:
    slots = compile_conditions(tree, NAME_IDS, first_parameter=2).slots
    assert (slots.request == "") is omitted


def test_rows_of_a_score_are_counted_where_they_know_all_that_is_asked() -> None:
    tree = AllOf((ACCURATE, CITED, Not(UNKNOWN), Compare(CREATED, "<", NOON)))
    assert compile_count(tree, NAME_IDS, first_parameter=2) == Compiled(
        Slots(
            source=(
                "(SELECT s.organization_id, s.request_no, s.request_created_at AS created_at FROM score AS s "
                "WHERE s.organization_id = $1 AND s.name_id = $2::integer AND s.value >= $3::bigint) AS r"
            ),
            joins=f"{joined('s1')} AND s1.name_id = $4::integer AND s1.value = $5::bigint",
            where="NOT false AND r.created_at < $6::timestamptz",
        ),
        (71, 90, 75, 1, NOON),
    )


def test_several_scores_of_many_requests_are_counted_in_one_pass() -> None:
    tree = AllOf((ACCURATE, CITED, Compare(CREATED, "<", NOON)))
    accurate = "s.name_id = $2::integer AND s.value >= $3::bigint"
    cited = "s.name_id = $4::integer AND s.value = $5::bigint"
    bit = "bit_or(1::bigint << (s.request_no & 63)::integer)"
    assert is_of_several_scores(tree)
    assert compile_words(tree, NAME_IDS, first_parameter=2) == Compiled(
        Slots(
            bits=f"{bit} FILTER (WHERE {accurate}) AS b1,\n        {bit} FILTER (WHERE {cited}) AS b2",
            words="b1 & b2",
            where=f"(({accurate}) OR ({cited})) AND s.request_created_at < $6::timestamptz",
        ),
        (71, 90, 75, 1, NOON),
    )


@pytest.mark.parametrize(
    "tree", [ACCURATE, AllOf((ACCURATE, ACCURATE)), AllOf((ACCURATE, CITED, Not(Exists(USER)))), Everything()]
)
def test_other_filters_are_not_counted_in_words(tree: Filter) -> None:
    assert not is_of_several_scores(tree)


@pytest.mark.parametrize(
    "tree",
    [
        Everything(),
        Scored(),
        AnyOf((ACCURATE, Exists(USER))),
        AnyOf((ACCURATE, Not(CITED))),
        AllOf((ACCURATE, Exists(USER))),
        AllOf((ACCURATE, Not(Compare(Property("env"), "=", "prod")))),
        AllOf((ACCURATE, UNKNOWN)),
    ],
)
def test_requests_are_counted_where_a_score_is_not_enough(tree: Filter) -> None:
    counted = compile_count(tree, NAME_IDS, first_parameter=2, by_hash=True)
    conditions = compile_conditions(tree, NAME_IDS, first_parameter=2)
    slots = msgspec.structs.replace(conditions.slots, request=None)
    assert counted == msgspec.structs.replace(conditions, slots=slots)


def score_table(*conditions: str) -> str:
    met = ", ".join(f"({condition}) AS c{n}" for n, condition in enumerate(conditions, 1))
    return (
        f"SELECT s.organization_id, s.request_no, s.request_created_at AS created_at, {met} "
        "FROM score AS s WHERE s.organization_id = $1 AND "
        f"({' OR '.join(f'({condition})' for condition in conditions)})"
    )


M = " ON m.organization_id = $1 AND m.request_no = r.request_no"


def test_score_is_a_column_of_one_table_where_many_requests_are_read() -> None:
    compiled = compile_count(Not(CITED), NAME_IDS, first_parameter=2, by_hash=True)
    scores = score_table("s.name_id = $2::integer AND s.value = $3::bigint")
    slots = Slots(joins=f"\nLEFT JOIN ({scores}) AS m{M}", where="NOT (m.c1 IS TRUE)")
    assert compiled == Compiled(slots, (75, 1))


@pytest.mark.parametrize(
    ("tree", "conditions", "where", "arguments"),
    [
        (
            AnyOf((CITED, UNKNOWN, AllOf((ACCURATE, Not(CITED))))),
            (
                "s.name_id = $2::integer AND s.value = $3::bigint",
                "s.name_id = $4::integer AND s.value >= $5::bigint",
                "s.name_id = $6::integer AND s.value = $7::bigint",
            ),
            "((m.c1 IS TRUE) OR false OR ((m.c2 IS TRUE) AND NOT (m.c3 IS TRUE)))",
            (75, 1, 71, 90, 75, 1),
        ),
        (
            AllOf((AnyOf((CITED, Compare(FeedbackTime(), ">", NOON))), Compare(CREATED, "<", NOON))),
            (
                "s.name_id = $2::integer AND s.value = $3::bigint",
                "s.name_id = $4::integer AND date_trunc('milliseconds', s.scored_at) > $5::timestamptz",
            ),
            "((m.c1 IS TRUE) OR (m.c2 IS TRUE)) AND m.created_at < $6::timestamptz",
            (75, 1, 76, NOON, NOON),
        ),
    ],
)
def test_that_table_alone_is_counted_where_every_match_is_in_it(
    tree: Filter, conditions: tuple[str, ...], where: str, arguments: tuple[object, ...]
) -> None:
    compiled = compile_count(tree, NAME_IDS, first_parameter=2, by_hash=True)
    met = ", ".join(f"bool_or(s.c{n}) AS c{n}" for n in range(1, len(conditions) + 1))
    source = (
        f"(SELECT s.organization_id, s.request_no, s.created_at, {met} "
        f"FROM ({score_table(*conditions)} ORDER BY 1, 2, 3 OFFSET 0) AS s GROUP BY 1, 2, 3) AS m"
    )
    slots = Slots(source=source, organization="m.organization_id = $1", joins="", where=where)
    assert compiled == Compiled(slots, arguments)


def test_nothing_is_counted_where_the_organization_has_none_of_the_scores() -> None:
    tree = AllOf((AnyOf((UNKNOWN, UNKNOWN)), Compare(CREATED, "<", NOON)))
    where = "(false OR false) AND m.created_at < $2::timestamptz"
    assert compile_count(tree, NAME_IDS, first_parameter=2, by_hash=True) == Compiled(
        Slots(source="request AS m", organization="m.organization_id = $1", joins="", where=where), (NOON,)
    )


@pytest.mark.parametrize(
    ("group_by", "group", "where", "arguments"),
    [
        (Column("model"), "r.model", "r.user_id = $2::text", ("ada",)),
        (Property("Env"), "(r.properties ->> $2::text)", "r.user_id = $3::text", ("Env", "ada")),
    ],
)
def test_group_is_compiled(
    group_by: Column | Property, group: str, where: str, arguments: tuple[object, ...]
) -> None:
    compiled = compile_conditions(Compare(USER, "=", "ada"), NAME_IDS, 2, ScoreColumns(group_by=group_by))
    assert compiled == Compiled(Slots(where=where, joins="", group=group), arguments)


@pytest.mark.parametrize(
    ("text", "pattern"),
    [("plain", "plain"), (r"100%", r"100\%"), ("a_b", r"a\_b"), ("\\", r"\\"), (r"\%", r"\\\%")],
)
def test_text_is_escaped_to_stand_for_itself(text: str, pattern: str) -> None:
    assert escape_like(text) == pattern
