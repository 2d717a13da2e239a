from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from heliscore.api.helicone.query_bodies import Query, decode_query
from heliscore.api.http.field_errors import FieldErrors
from heliscore.api.shared.filter_columns import UNRECORDED
from heliscore.api.shared.filter_language import decode_filter
from heliscore.api.shared.sort_fields import encode_cursor
from heliscore.domain.errors import FieldError, InvalidInput
from heliscore.domain.filter_tree import (
    NEWEST_FIRST,
    PARTS,
    AllOf,
    AnyOf,
    Column,
    Compare,
    Everything,
    Exists,
    FeedbackTime,
    Filter,
    Kind,
    Not,
    OneOf,
    Property,
    Score,
    Scored,
    ScorePart,
    Sort,
    Subject,
    Variable,
    kind_of,
)
from heliscore.domain.score import FEEDBACK, MAX_VALUE, MIN_VALUE
from heliscore.store.search.page_order import Position
from hypothesis import given
from hypothesis import strategies as st

from tests.ways_out import MULTIPLY, NO_POINT

RMT = "request_response_rmt"
MARCH = datetime(2026, 3, 1, tzinfo=UTC)


def decoded(raw: object) -> Filter:
    errors = FieldErrors()
    tree = decode_filter(raw, "filter", errors)
    errors.raise_any()
    return tree


def conditions(tree: Filter) -> list[Filter]:
    """The parts of a leaf; how its tables and columns nest is of no importance."""
    if isinstance(tree, AllOf):
        return [condition for part in tree.parts for condition in conditions(part)]
    return [tree]


def leaf(*path: str, **operators: object) -> dict[str, Any]:
    """`{table: {column: {operator: value}}}`, an operator's `-` written `_`."""
    node: dict[str, Any] = {operator.replace("_", "-"): value for operator, value in operators.items()}
    for key in reversed(path):
        node = {key: node}
    return node


def errors(raw: object) -> list[FieldError]:
    with pytest.raises(InvalidInput) as raised:
        decoded(raw)
    return list(raised.value.errors)


def query(**body: object) -> Query:
    return decode_query(msgspec.json.encode({"filter": "all"} | body))


def query_errors(body: dict[str, object] | bytes) -> list[FieldError]:
    with pytest.raises(InvalidInput) as raised:
        decode_query(body if isinstance(body, bytes) else msgspec.json.encode(body))
    return list(raised.value.errors)


# Columns

COLUMNS: list[tuple[str, str, str, Kind]] = [
    *(
        (RMT, name, name, Kind.TEXT)
        for name in (
            "provider",
            "model",
            "user_id",
            "organization_id",
            "request_id",
            "target_url",
            "request_body",
            "response_body",
            "prompt_id",
            "response_id",
            "prompt_version",
        )
    ),
    *(
        (RMT, name, name, Kind.NUMBER)
        for name in (
            "status",
            "total_tokens",
            "prompt_tokens",
            "completion_tokens",
            "prompt_cache_read_tokens",
            "prompt_cache_write_tokens",
            "reasoning_tokens",
        )
    ),
    (RMT, "latency", "latency_ms", Kind.NUMBER),
    (RMT, "time_to_first_token", "time_to_first_token_ms", Kind.NUMBER),
    (RMT, "cost", "cost_usd", Kind.NUMBER),
    (RMT, "request_created_at", "created_at", Kind.TIMESTAMP),
    (RMT, "response_created_at", "response_created_at", Kind.TIMESTAMP),
    (RMT, "updated_at", "updated_at", Kind.TIMESTAMP),
    (RMT, "threat", "threat", Kind.BOOLEAN),
    (RMT, "cache_enabled", "cache_enabled", Kind.BOOLEAN),
    (RMT, "is_passthrough_billing", "is_passthrough_billing", Kind.BOOLEAN),
    (RMT, "cached", "cached", Kind.BOOLEAN),
    ("request", "id", "request_id", Kind.TEXT),
    ("request", "created_at", "created_at", Kind.TIMESTAMP),
    ("request", "user_id", "user_id", Kind.TEXT),
    ("request", "prompt", "request_body", Kind.TEXT),
    ("request", "path", "request_path", Kind.TEXT),
    ("request", "prompt_id", "prompt_id", Kind.TEXT),
    ("request", "org_id", "organization_id", Kind.TEXT),
    ("request", "model", "request_model", Kind.TEXT),
    ("request", "modelOverride", "model_override", Kind.TEXT),
    ("response", "model", "response_model", Kind.TEXT),
    ("response", "body_model", "model", Kind.TEXT),
    ("response", "body_completion", "response_body", Kind.TEXT),
    ("response", "body_tokens", "completion_tokens", Kind.NUMBER),
    ("response", "status", "status", Kind.NUMBER),
]

OTHER_SUBJECTS: list[tuple[tuple[str, ...], Subject]] = [
    ((RMT, "scores", "accuracy"), Score("accuracy")),
    ((RMT, "scores", "accuracy-hcone-bool"), Score("accuracy")),
    ((RMT, "properties", "Env"), Property("Env")),
    ((RMT, "search_properties", "Env"), Property("Env")),
    (("properties", "Env"), Property("Env")),
    (("values", "topic"), Variable("topic")),
    (("sessions_request_response_rmt", "session_session_id"), Property("Helicone-Session-Id")),
    (("sessions_request_response_rmt", "session_session_name"), Property("Helicone-Session-Name")),
    (("sessions_request_response_rmt", "session_tag"), Property("Helicone-Session-Path")),
    (("feedback", "created_at"), FeedbackTime()),
    (("score", "accuracy", "value"), Score("accuracy")),
    (("score", "accuracy-hcone-bool", "value"), Score("accuracy")),
    *((("score", "accuracy", part), ScorePart("accuracy", part)) for part in PARTS),
]

SUBJECTS: list[tuple[tuple[str, ...], Subject]] = [
    *(((table, column), Column(name)) for table, column, name, _ in COLUMNS),
    *OTHER_SUBJECTS,
]

VALUES: dict[Kind, tuple[object, object]] = {
    Kind.TEXT: ("x", "x"),
    Kind.NUMBER: (1.5, 1.5),
    Kind.TIMESTAMP: ("2026-03-01", MARCH),
    Kind.BOOLEAN: (True, True),
    Kind.SCORE: (7, 7),
    Kind.AUTHOR: ("x", "x"),
    Kind.AUTHOR_KIND: ("judge", "judge"),
}
"""A value of each kind, on the wire and in the tree."""

ORDERED = {"equals": "=", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
OPERATORS: dict[Kind, dict[str, str]] = {
    Kind.TEXT: {
        "equals": "=",
        "not-equals": "<>",
        "like": "like",
        "ilike": "ilike",
        "contains": "contains",
        "not-contains": "not-contains",
    },
    Kind.NUMBER: ORDERED | {"not-equals": "<>"},
    Kind.TIMESTAMP: ORDERED,
    Kind.BOOLEAN: {"equals": "="},
    Kind.SCORE: ORDERED | {"not-equals": "<>"},
    Kind.AUTHOR_KIND: {"equals": "=", "not-equals": "<>"},
}
OPERATORS[Kind.AUTHOR] = OPERATORS[Kind.TEXT] | {"starts-with": "starts-with"}
SCORE_PARTS = "value, label, author, kind, version, scored_at, comment or changed"
ALL_OPERATORS = {operator for known in OPERATORS.values() for operator in known}


@pytest.mark.parametrize(("table", "column", "name", "kind"), COLUMNS)
def test_column_has_the_kind_of_the_contract(table: str, column: str, name: str, kind: Kind) -> None:
    assert (*conditions(decoded(leaf(table, column, exists=True))), kind_of(Column(name))) == (
        Exists(Column(name)),
        kind,
    )


@pytest.mark.parametrize(
    ("table", "column"),
    [(table, column) for table, columns in UNRECORDED.items() for column in sorted(columns)],
)
def test_column_that_is_not_recorded_is_refused(table: str, column: str) -> None:
    assert errors({"not": leaf(table, column, exists=True)}) == [
        FieldError(f"filter.not.{table}.{column}", "Heliscore does not record this column")
    ]


@pytest.mark.parametrize("name", ["", "-hcone-bool"])
@pytest.mark.parametrize("path", [(RMT, "scores"), ("score",)])
def test_empty_name_of_a_score_is_refused(name: str, path: tuple[str, ...]) -> None:
    assert errors(leaf(*path, name, **{} if path == ("score",) else {"gte": 80})) == [
        FieldError(".".join(("filter", *path, name)), "the name must not be empty")
    ]


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        (leaf("score", "a", "by", equals="x"), ("score.a.by", f"unknown; expected {SCORE_PARTS}")),
        (leaf("score", "a", equals=1), ("score.a.equals", f"unknown; expected {SCORE_PARTS}")),
        (leaf("score", "a\0", "value", equals=1), ("score.a\\u0000", "must not contain NUL")),
        (leaf("score", a=95), ("score.a", "expected an object, got 95")),
        (leaf("score", "a", value=95), ("score.a.value", "expected an object, got 95")),
        (
            leaf("score", "a", "value", lt="x"),
            ("score.a.value.lt", 'expected an integer or a boolean, got "x"'),
        ),
        (
            leaf("score", "a", "kind", **{"in": ["judge", "robot"]}),
            ("score.a.kind.in[1]", 'expected human, judge, code or api, got "robot"'),
        ),
        (
            leaf("score", "a", "kind", equals=[]),
            ("score.a.kind.equals", "expected human, judge, code or api, got an array"),
        ),
        (leaf("score", "a", "author", equals=1), ("score.a.author.equals", "expected a string, got 1")),
        (
            leaf("score", "a", "scored_at", gte="soon"),
            ("score.a.scored_at.gte", 'expected an ISO 8601 date or date-time, got "soon"'),
        ),
        (
            leaf("score", "a", "changed", equals=1),
            ("score.a.changed.equals", "expected true or false, got 1"),
        ),
        (
            leaf("score", "a", "comment", like="\\"),
            ("score.a.comment.like", "the pattern ends in a backslash that escapes nothing"),
        ),
    ],
)
def test_wrong_condition_on_a_part_of_a_score_is_named(raw: object, error: tuple[str, str]) -> None:
    path, message = error
    assert errors({"not": raw}) == [FieldError(f"filter.not.{path}", message)]


@pytest.mark.parametrize(("path", "subject"), SUBJECTS)
def test_every_operator_of_a_subject_is_decoded(path: tuple[str, ...], subject: Subject) -> None:
    kind = kind_of(subject)
    sent, value = VALUES[kind]
    raw = dict.fromkeys(OPERATORS[kind], sent) | {"in": [sent], "exists": True}
    assert conditions(decoded(leaf(*path, **raw))) == [
        *(Compare(subject, operator, value) for operator in OPERATORS[kind].values()),  # type: ignore[arg-type]
        OneOf(subject, (value,)),  # type: ignore[arg-type]
        Exists(subject),
    ]


@pytest.mark.parametrize(("path", "subject"), SUBJECTS)
def test_other_operators_of_a_subject_are_refused(path: tuple[str, ...], subject: Subject) -> None:
    kind = kind_of(subject)
    foreign = [*sorted(ALL_OPERATORS - OPERATORS[kind].keys()), "Equals", ""]
    known = ", ".join(sorted(OPERATORS[kind]))
    api_errors = errors(leaf(*path, **dict.fromkeys(foreign, VALUES[kind][0])))
    assert [error.path for error in api_errors] == [".".join(("filter", *path, one)) for one in foreign]
    for error in api_errors:
        text, _, listed = error.message.partition("; known are ")
        assert (text, sorted(listed.split(", "))) == (
            "unknown operator",
            sorted([*known.split(", "), "in", "exists"]),
        )


@pytest.mark.parametrize(
    ("raw", "tree"),
    [
        ({"exists": False}, [Not(Exists(Score(FEEDBACK)))]),
        ({"exists": "true"}, [Exists(Score(FEEDBACK))]),
        ({"equals": True}, [Compare(Score(FEEDBACK), "=", True)]),
        ({"equals": "false"}, [Compare(Score(FEEDBACK), "=", False)]),
        ({"in": [True, "false"]}, [OneOf(Score(FEEDBACK), (True, False))]),
    ],
)
@pytest.mark.parametrize("path", [(RMT, "helicone-score-feedback"), ("feedback", "rating")])
def test_feedback_is_a_boolean(path: tuple[str, ...], raw: dict[str, object], tree: list[Filter]) -> None:
    assert conditions(decoded(leaf(*path, **raw))) == tree


@pytest.mark.parametrize(
    ("raw", "tree"),
    [
        (leaf(RMT, "scores_column", equals="{}"), Not(Scored())),
        (leaf(RMT, "scores_column", not_equals="{}"), Scored()),
        (leaf(RMT, "property_key", equals="Env"), Exists(Property("Env"))),
    ],
)
def test_special_column_is_decoded(raw: object, tree: Filter) -> None:
    assert conditions(decoded(raw)) == [tree]


# Values

TOO_LONG = "an integer of more than 64 bits"


@pytest.mark.parametrize(
    ("operator", "value", "tree"),
    [
        ("equals", "null", Not(Exists(Column("user_id")))),
        ("not-equals", "null", Exists(Column("user_id"))),
        ("equals", "__empty__", Compare(Column("user_id"), "=", "")),
        ("not-equals", "__empty__", Compare(Column("user_id"), "<>", "")),
        ("equals", "", Compare(Column("user_id"), "=", "")),
        ("like", "null", Compare(Column("user_id"), "like", "null")),
        ("contains", "__empty__", Compare(Column("user_id"), "contains", "__empty__")),
        ("in", ["null", "__empty__"], OneOf(Column("user_id"), ("null", "__empty__"))),
        ("in", [], OneOf(Column("user_id"), ())),
        ("like", r"100\%\\", Compare(Column("user_id"), "like", r"100\%\\")),
        ("contains", "50%_\\", Compare(Column("user_id"), "contains", "50%_\\")),
    ],
)
def test_text_on_a_column_is_decoded(operator: str, value: object, tree: Filter) -> None:
    assert conditions(decoded(leaf(RMT, "user_id", **{operator: value}))) == [tree]


@pytest.mark.parametrize("value", ["null", "__empty__"])
@pytest.mark.parametrize("operator", ["equals", "not-equals"])
def test_text_on_a_property_stands_for_itself(operator: str, value: str) -> None:
    assert conditions(decoded(leaf("properties", "Env", **{operator: value}))) == [
        Compare(Property("Env"), "=" if operator == "equals" else "<>", value)
    ]


@pytest.mark.parametrize(
    ("sent", "value"),
    [
        (200, 200),
        (-1, -1),
        (0.25, 0.25),
        ("200", 200),
        ("-0.5", -0.5),
        ("+7", 7),
        ("1e3", 1000.0),
        ("1.", 1.0),
        (10**40, 10**40),
        ("1" + "0" * 40, 10**40),
    ],
)
def test_number_is_decoded(sent: object, value: float) -> None:
    assert conditions(decoded(leaf(RMT, "latency", gte=sent))) == [Compare(Column("latency_ms"), ">=", value)]


@pytest.mark.parametrize(
    ("sent", "time"),
    [
        ("2026-03-01", MARCH),
        ("2026-03-01T00:00:00", MARCH),
        ("2026-03-01 00:00", MARCH),
        ("2026-03-01T00:00:00Z", MARCH),
        ("2026-03-01T02:00:00+02:00", MARCH),
        ("2026-02-28T18:30:00-05:30", MARCH),
        ("2026-03-01T00:00:00.123Z", MARCH + timedelta(milliseconds=123)),
        ("0001-01-01", datetime(1, 1, 1, tzinfo=UTC)),
        ("9999-12-31T23:59:59.999Z", datetime(9999, 12, 31, 23, 59, 59, 999000, UTC)),
    ],
)
def test_timestamp_is_decoded(sent: str, time: datetime) -> None:
    assert conditions(decoded(leaf("request", "created_at", gt=sent))) == [
        Compare(Column("created_at"), ">", time)
    ]


@pytest.mark.parametrize(("sent", "value"), [(True, True), (False, False), ("true", True), ("false", False)])
def test_boolean_is_decoded(sent: object, value: bool) -> None:
    assert conditions(decoded(leaf(RMT, "threat", equals=sent))) == [Compare(Column("threat"), "=", value)]


@pytest.mark.parametrize(
    ("sent", "value"),
    [
        (92, 92),
        ("92", 92),
        ("-3", -3),
        (True, 1),
        (False, 0),
        ("true", 1),
        ("false", 0),
        (MAX_VALUE, MAX_VALUE),
        (str(MIN_VALUE), MIN_VALUE),
    ],
)
def test_score_is_decoded(sent: object, value: int) -> None:
    assert conditions(decoded(leaf(RMT, "scores", "accuracy", equals=sent))) == [
        Compare(Score("accuracy"), "=", value)
    ]


@pytest.mark.parametrize(
    ("path", "operator", "value", "message"),
    [
        ((RMT, "user_id"), "equals", 5, "expected a string, got 5"),
        ((RMT, "user_id"), "contains", None, "expected a string, got null"),
        ((RMT, "user_id"), "equals", "a\0", "must not contain NUL"),
        ((RMT, "user_id"), "like", "50\\", "the pattern ends in a backslash that escapes nothing"),
        ((RMT, "user_id"), "ilike", "a\\\\\\", "the pattern ends in a backslash that escapes nothing"),
        (("values", "topic"), "like", "\\", "the pattern ends in a backslash that escapes nothing"),
        (("properties", "Env"), "equals", True, "expected a string, got true"),
        ((RMT, "latency"), "gt", "fast", 'expected a number, got "fast"'),
        ((RMT, "latency"), "gt", "", 'expected a number, got ""'),
        ((RMT, "latency"), "gt", "0x10", 'expected a number, got "0x10"'),
        ((RMT, "latency"), "gt", "nan", 'expected a number, got "nan"'),
        ((RMT, "latency"), "gt", "1e999", 'expected a number, got "1e999"'),
        ((RMT, "latency"), "gt", 10**400, f"expected a number, got {TOO_LONG}"),
        ((RMT, "latency"), "gt", "٣", 'expected a number, got "٣"'),
        ((RMT, "latency"), "gt", " 1", 'expected a number, got " 1"'),
        ((RMT, "latency"), "gt", True, "expected a number, got true"),
        ((RMT, "latency"), "gt", [1], "expected a number, got an array"),
        ((RMT, "threat"), "equals", 1, "expected true or false, got 1"),
        ((RMT, "threat"), "equals", 0.0, "expected true or false, got 0.0"),
        ((RMT, "threat"), "equals", "yes", 'expected true or false, got "yes"'),
        ((RMT, "threat"), "exists", "yes", 'expected true or false, got "yes"'),
        (
            (RMT, "scores", "a"),
            "gte",
            89.5,
            f"expected an integer or a boolean, got 89.5; {MULTIPLY}",
        ),
        (
            (RMT, "scores", "a"),
            "gte",
            89.0,
            f"expected an integer or a boolean, got 89.0; {NO_POINT}",
        ),
        ((RMT, "scores", "a"), "equals", "high", 'expected an integer or a boolean, got "high"'),
        ((RMT, "scores", "a"), "equals", "null", 'expected an integer or a boolean, got "null"'),
        ((RMT, "scores", "a"), "lt", 2**63, f"expected an integer or a boolean, got {TOO_LONG}"),
        ((RMT, "scores", "a"), "lt", {}, "expected an integer or a boolean, got an object"),
        ((RMT, "helicone-score-feedback"), "equals", 1, "expected true or false, got 1"),
        ((RMT, "user_id"), "in", "x", 'expected a list of values, got "x"'),
        ((RMT, "scores", "a"), "in", {"0": 1}, "expected a list of values, got an object"),
        ((RMT, "scores_column"), "equals", "[]", 'expected equals "{}" or not-equals "{}"'),
        ((RMT, "scores_column"), "equals", {}, 'expected equals "{}" or not-equals "{}"'),
        ((RMT, "scores_column"), "like", "{}", 'expected equals "{}" or not-equals "{}"'),
        ((RMT, "property_key"), "equals", 1, "expected a string, got 1"),
        ((RMT, "property_key"), "like", "E%", "unknown operator; expected equals a key"),
    ],
)
def test_value_is_refused(path: tuple[str, ...], operator: str, value: object, message: str) -> None:
    assert errors(leaf(*path, **{operator: value})) == [
        FieldError(".".join(("filter", *path, operator)), message)
    ]


@pytest.mark.parametrize(
    "value",
    [
        "",
        "now",
        "2026-02-30",
        "2026-03-01T25:00",
        "1772323200",
        "9999-12-31T23:59:59-01:00",
        1772323200,
        None,
    ],
)
def test_timestamp_is_refused(value: object) -> None:
    [error] = errors(leaf(RMT, "request_created_at", gte=value))
    assert (error.path, error.message.partition(", got ")[0]) == (
        f"filter.{RMT}.request_created_at.gte",
        "expected an ISO 8601 date or date-time",
    )


def test_faults_in_a_list_are_named_by_their_place() -> None:
    assert errors(leaf(RMT, "scores", "a", **{"in": [1, 2.5, "3", None]})) == [
        FieldError(
            f"filter.{RMT}.scores.a.in[1]",
            f"expected an integer or a boolean, got 2.5; {MULTIPLY}",
        ),
        FieldError(f"filter.{RMT}.scores.a.in[3]", "expected an integer or a boolean, got null"),
    ]


@pytest.mark.parametrize("path", [(RMT, "scores"), (RMT, "properties"), ("properties",), ("values",)])
def test_key_with_nul_is_refused(path: tuple[str, ...]) -> None:
    assert errors(leaf(*path, "a\0", exists=True)) == [
        FieldError(".".join(("filter", *path, r"a\u0000")), "must not contain NUL")
    ]


# Nodes

SLOW = {RMT: {"latency": {"gt": 1000}}}
IS_SLOW = Compare(Column("latency_ms"), ">", 1000)
GOOD = {RMT: {"scores": {"accuracy": {"gte": 90}}}}
IS_GOOD = Compare(Score("accuracy"), ">=", 90)


def plain(tree: Filter) -> Filter:
    """The tree without the AllOf of a single part that leaves are made of."""
    match tree:
        case AllOf((part,)):
            return plain(part)
        case AllOf(parts):
            return AllOf(tuple(map(plain, parts)))
        case AnyOf(parts):
            return AnyOf(tuple(map(plain, parts)))
        case Not(part):
            return Not(plain(part))
        case _:
            return tree


@pytest.mark.parametrize(
    ("raw", "tree"),
    [
        ("all", Everything()),
        ({}, Everything()),
        (SLOW, IS_SLOW),
        ({"left": SLOW, "operator": "and", "right": GOOD}, AllOf((IS_SLOW, IS_GOOD))),
        ({"right": GOOD, "operator": "or", "left": SLOW}, AnyOf((IS_SLOW, IS_GOOD))),
        ({"not": SLOW}, Not(IS_SLOW)),
        ({"not": {"not": "all"}}, Not(Not(Everything()))),
        (
            {"left": {"not": {}}, "operator": "or", "right": {"left": {}, "operator": "and", "right": SLOW}},
            AnyOf((Not(Everything()), AllOf((Everything(), IS_SLOW)))),
        ),
    ],
)
def test_node_is_decoded(raw: object, tree: Filter) -> None:
    assert plain(decoded(raw)) == tree


def test_every_condition_of_a_leaf_counts() -> None:
    raw = {
        RMT: {
            "latency": {"gte": 80, "lt": 90},
            "model": {"equals": "gpt-4o"},
            "scores": {"a": {"gte": 1}, "b": {"lt": 2, "not-equals": 0}},
        },
        "properties": {"Env": {"equals": "prod"}, "env": {"exists": False}},
        "response": {"status": {"equals": 200}},
    }
    assert conditions(decoded(raw)) == [
        Compare(Column("latency_ms"), ">=", 80),
        Compare(Column("latency_ms"), "<", 90),
        Compare(Column("model"), "=", "gpt-4o"),
        Compare(Score("a"), ">=", 1),
        Compare(Score("b"), "<", 2),
        Compare(Score("b"), "<>", 0),
        Compare(Property("Env"), "=", "prod"),
        Not(Exists(Property("env"))),
        Compare(Column("status"), "=", 200),
    ]


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        (None, FieldError("filter", 'expected "all" or a filter object, got null')),
        ("none", FieldError("filter", 'expected "all" or a filter object, got "none"')),
        ([], FieldError("filter", 'expected "all" or a filter object, got an array')),
        (
            {"left": "all", "operator": "and", "right": 1},
            FieldError("filter.right", 'expected "all" or a filter object, got 1'),
        ),
        ({"left": "all", "operator": "and"}, FieldError("filter.right", "missing")),
        ({"operator": "and", "right": "all"}, FieldError("filter.left", "missing")),
        (
            {"left": "all", "operator": "xor", "right": "all"},
            FieldError("filter.operator", 'expected "and" or "or", got "xor"'),
        ),
        (
            {"left": "all", "operator": "AND", "right": "all"},
            FieldError("filter.operator", 'expected "and" or "or", got "AND"'),
        ),
        (
            {"left": "all", "operator": "or", "right": "all", "middle": "all"},
            FieldError("filter.middle", "unknown key beside left, operator and right"),
        ),
        ({"not": "all", "left": "all"}, FieldError("filter", 'expected nothing beside "not"')),
        ({"not": None}, FieldError("filter.not", 'expected "all" or a filter object, got null')),
        ({RMT: None}, FieldError(f"filter.{RMT}", "expected an object, got null")),
        ({RMT: {"bogus": {}}}, FieldError(f"filter.{RMT}.bogus", "unknown column")),
        ({RMT: {"Model": {"equals": "a"}}}, FieldError(f"filter.{RMT}.Model", "unknown column")),
        ({"request": {"latency": {"gt": 1}}}, FieldError("filter.request.latency", "unknown column")),
        ({RMT: {"model": "gpt-4o"}}, FieldError(f"filter.{RMT}.model", 'expected an object, got "gpt-4o"')),
        ({RMT: {"scores": 90}}, FieldError(f"filter.{RMT}.scores", "expected an object, got 90")),
        ({RMT: {"scores": {"a": 90}}}, FieldError(f"filter.{RMT}.scores.a", "expected an object, got 90")),
        ({"properties": ["Env"]}, FieldError("filter.properties", "expected an object, got an array")),
        (
            {RMT: {"x" * 100: {}}},
            FieldError(f"filter.{RMT}.{'x' * 80}…", "unknown column"),
        ),
        (
            {"left": {RMT: {"bogus": {"equals": 1}}}, "operator": "and", "right": "all"},
            FieldError(f"filter.left.{RMT}.bogus", "unknown column"),
        ),
    ],
)
def test_node_is_refused(raw: object, error: FieldError) -> None:
    assert errors(raw) == [error]


def test_unknown_table_is_refused_with_those_that_are_known() -> None:
    assert errors({"score_v3": {"a": {"equals": 1}}}) == [
        FieldError(
            "filter.score_v3",
            "unknown table; known are request_response_rmt, request, response, feedback, properties, "
            "values, sessions_request_response_rmt, score",
        )
    ]


def test_missing_operator_is_refused() -> None:
    [error] = errors({"left": "all", "right": "all"})
    assert error.path == "filter.operator"


def test_every_fault_is_listed() -> None:
    raw = {
        "left": {RMT: {"latency": {"gt": "x", "above": 1}, "bogus": {}}},
        "operator": "nor",
        "right": {"not": {"properties": {"Env": {"equals": 1}}}},
    }
    assert sorted(error.path for error in errors(raw)) == [
        f"filter.left.{RMT}.bogus",
        f"filter.left.{RMT}.latency.above",
        f"filter.left.{RMT}.latency.gt",
        "filter.operator",
        "filter.right.not.properties.Env.equals",
    ]


# Limits


def nested(depth: int) -> object:
    """A leaf at that depth, the root being 1."""
    node: object = SLOW
    for level in range(depth - 1):
        node = {"not": node} if level % 2 else {"left": "all", "operator": "or", "right": node}
    return node


def test_50_levels_are_accepted() -> None:
    assert isinstance(decoded(nested(50)), AnyOf)


def test_51_levels_are_refused() -> None:
    [error] = errors(nested(51))
    assert (error.path.count(".right") + error.path.count(".not"), error.message) == (
        50,
        "nested more than 50 levels deep",
    )


def test_nesting_far_too_deep_is_refused() -> None:
    [error] = errors(nested(900))
    assert error.message == "nested more than 50 levels deep"


def many(count: int) -> object:
    """As many conditions, spread over the kinds of column that there are."""
    scores = {str(n): {"gte": 1, "lt": 9} for n in range(count // 2 - 2)}
    special = {"scores_column": {"not-equals": "{}"}, "property_key": {"equals": "a"}, "cost": {"lt": 1}}
    columns = special | {"scores": scores | {"last": {"exists": True}}}
    return {RMT: columns | ({"threat": {"equals": True}} if count % 2 else {})}


def test_500_conditions_are_accepted() -> None:
    assert len(conditions(decoded(many(500)))) == 500


def test_501_conditions_are_refused() -> None:
    assert errors(many(501)) == [FieldError(f"filter.{RMT}.threat.equals", "more than 500 conditions")]


def test_conditions_are_counted_over_all_branches() -> None:
    raw = {"left": many(250), "operator": "or", "right": {"not": many(251)}}
    assert [error.message for error in errors(raw)] == ["more than 500 conditions"]


# The body of a query


def test_query_has_the_defaults_of_the_contract() -> None:
    assert query() == Query(Everything(), NEWEST_FIRST, None, 0, 10)


def test_null_counts_as_not_sent() -> None:
    absent = dict.fromkeys(
        (
            "offset",
            "limit",
            "sort",
            "cursor",
            "isScored",
            "isCached",
            "includeInputs",
            "isPartOfExperiment",
            "explain",
        )
    )
    assert query(**absent) == query()


@pytest.mark.parametrize("flag", ["includeInputs", "isPartOfExperiment"])
@pytest.mark.parametrize("value", [True, False])
def test_flag_without_effect_is_accepted(flag: str, value: bool) -> None:
    assert query(**{flag: value}) == query()


@pytest.mark.parametrize(("value", "condition"), [(True, Scored()), (False, Not(Scored()))])
def test_is_scored_is_a_further_condition(value: bool, condition: Filter) -> None:
    assert conditions(query(filter=SLOW, isScored=value).filter) == [IS_SLOW, condition]


@pytest.mark.parametrize("value", [True, False])
def test_is_cached_is_a_further_condition(value: bool) -> None:
    assert conditions(query(filter=SLOW, isCached=value).filter) == [
        IS_SLOW,
        Compare(Column("cached"), "=", value),
    ]


@pytest.mark.parametrize(
    ("sent", "offset", "limit"),
    [
        ({"limit": 0}, 0, 0),
        ({"limit": 1000}, 0, 1000),
        ({"limit": "10"}, 0, 10),
        ({"offset": 10000, "limit": 1}, 10000, 1),
        ({"offset": "20", "limit": "5"}, 20, 5),
    ],
)
def test_page_is_decoded(sent: dict[str, object], offset: int, limit: int) -> None:
    page = query(**sent)
    assert (page.offset, page.limit) == (offset, limit)


COLUMN_SORTS: list[tuple[str, str]] = [
    ("created_at", "created_at"),
    ("latency", "latency_ms"),
    ("total_tokens", "total_tokens"),
    ("completion_tokens", "completion_tokens"),
    ("prompt_tokens", "prompt_tokens"),
    ("cost", "cost_usd"),
    ("cost_usd", "cost_usd"),
    ("time_to_first_token", "time_to_first_token_ms"),
    ("user_id", "user_id"),
    ("body_model", "model"),
    ("is_cached", "cached"),
    ("request_prompt", "request_body"),
    ("response_text", "response_body"),
]

SORTS: list[tuple[dict[str, Any], Sort]] = [
    *[({key: "asc"}, Sort(Column(name), descending=False)) for key, name in COLUMN_SORTS],
    *[({key: "desc"}, Sort(Column(name), descending=True)) for key, name in COLUMN_SORTS],
    ({"scores": {"accuracy": "desc"}}, Sort(Score("accuracy"))),
    ({"scores": {"accuracy-hcone-bool": "asc"}}, Sort(Score("accuracy"), descending=False)),
    ({"properties": {"Env": "asc"}}, Sort(Property("Env"), descending=False)),
    ({"values": {"topic": "desc"}}, Sort(Variable("topic"))),
    ({"random": True}, Sort(None)),
    ({}, NEWEST_FIRST),
]


@pytest.mark.parametrize(("sent", "sort"), SORTS)
def test_sort_is_decoded(sent: dict[str, object], sort: Sort) -> None:
    assert query(sort=sent).sort == sort


COUNT_ERRORS = [
    ("limit", -1, "1000, got -1"),
    ("limit", 1001, "1000, got 1001"),
    ("limit", "1001", "1000, got 1001"),
    ("limit", 10.0, "1000, got 10.0"),
    ("limit", "ten", '1000, got "ten"'),
    ("limit", "٣", '1000, got "٣"'),
    ("limit", True, "1000, got true"),
    ("limit", 10**40, f"1000, got {TOO_LONG}"),
    ("offset", -1, "10000 (beyond, use the cursor), got -1"),
    ("offset", 10001, "10000 (beyond, use the cursor), got 10001"),
]


@pytest.mark.parametrize(("key", "value", "message"), COUNT_ERRORS)
def test_page_is_refused(key: str, value: object, message: str) -> None:
    assert query_errors({"filter": "all", key: value}) == [
        FieldError(key, f"expected an integer from 0 to {message}")
    ]


@pytest.mark.parametrize("flag", ["isScored", "isCached", "includeInputs", "isPartOfExperiment"])
@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "0"), (1, "1"), (0.0, "0.0"), ("true", '"true"'), ([], "an array"), ({}, "an object")],
)
def test_flag_is_refused(flag: str, value: object, shown: str) -> None:
    assert query_errors({"filter": "all", flag: value}) == [
        FieldError(flag, f"expected true or false, got {shown}")
    ]


ONE_KEY = "expected an object of one key"
DIRECTION = 'expected "asc" or "desc"'


@pytest.mark.parametrize(
    ("sort", "error"),
    [
        ("desc", FieldError("sort", f'{ONE_KEY}, got "desc"')),
        ([], FieldError("sort", f"{ONE_KEY}, got an array")),
        ({"cost": "asc", "latency": "asc"}, FieldError("sort", f"{ONE_KEY}, got 2 keys")),
        ({"cost": "up"}, FieldError("sort.cost", f'{DIRECTION}, got "up"')),
        ({"cost": ["asc"]}, FieldError("sort.cost", f"{DIRECTION}, got an array")),
        ({"random": "asc"}, FieldError("sort.random", 'expected true, got "asc"')),
        ({"random": 1}, FieldError("sort.random", "expected true, got 1")),
        ({"scores": {"a": 1}}, FieldError("sort.scores.a", f"{DIRECTION}, got 1")),
        ({"scores": {"a\0": "asc"}}, FieldError(r"sort.scores.a\u0000", "must not contain NUL")),
        ({"scores": "asc"}, FieldError("sort.scores", f'{ONE_KEY} and "asc" or "desc", got "asc"')),
        ({"values": {}}, FieldError("sort.values", f'{ONE_KEY} and "asc" or "desc", got 0 keys')),
        (
            {"properties": {"a": "asc", "b": "asc"}},
            FieldError("sort.properties", f'{ONE_KEY} and "asc" or "desc", got 2 keys'),
        ),
        (
            {"speed": "asc"},
            FieldError(
                "sort.speed",
                "cannot be sorted by; known are created_at, latency, total_tokens, completion_tokens, "
                "prompt_tokens, cost, cost_usd, time_to_first_token, user_id, body_model, is_cached, "
                "request_prompt, response_text, scores, properties, values, random",
            ),
        ),
    ],
)
def test_sort_is_refused(sort: object, error: FieldError) -> None:
    assert query_errors({"filter": "all", "sort": sort}) == [error]


def test_query_without_a_filter_is_refused() -> None:
    assert query_errors({}) == [FieldError("filter", 'missing; "all" for every request')]


def test_unknown_key_of_a_query_is_refused() -> None:
    assert query_errors({"filter": "all", "limits": 3}) == [
        FieldError(
            "limits",
            "unknown key; known are cursor, explain, filter, include, includeInputs, isCached, "
            "isPartOfExperiment, isScored, limit, offset, sort",
        )
    ]


def test_every_fault_of_a_query_is_listed() -> None:
    body = {
        "filter": {RMT: {"bogus": {}}},
        "limit": -1,
        "offset": "x",
        "isScored": 2,
        "sort": {"x": 1},
        "y": 0,
    }
    assert sorted(error.path for error in query_errors(body)) == [
        f"filter.{RMT}.bogus",
        "isScored",
        "limit",
        "offset",
        "sort.x",
        "y",
    ]


# Cursors

TIMES = st.datetimes(timezones=st.just(UTC)).map(
    lambda t: t.replace(microsecond=t.microsecond // 1000 * 1000)
)
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
SORT_VALUES: dict[Kind, st.SearchStrategy[Any]] = {
    Kind.TEXT: TEXTS,
    Kind.NUMBER: st.integers(MIN_VALUE, MAX_VALUE) | st.floats(allow_nan=False, allow_infinity=False),
    Kind.TIMESTAMP: TIMES,
    Kind.BOOLEAN: st.booleans(),
    Kind.SCORE: st.integers(MIN_VALUE, MAX_VALUE),
}


@st.composite
def continued_queries(draw: st.DrawFn) -> tuple[dict[str, object], Sort, Position]:
    sent, sort = draw(st.sampled_from([(sent, sort) for sent, sort in SORTS if sort.subject]))
    assert sort.subject
    kind = kind_of(sort.subject)
    value = draw(SORT_VALUES[kind] if kind is Kind.BOOLEAN else st.none() | SORT_VALUES[kind])
    return sent, sort, Position(value, draw(TIMES), draw(TEXTS))


@given(continued_queries())
def test_cursor_leads_back_to_its_position(case: tuple[dict[str, object], Sort, Position]) -> None:
    sent, sort, position = case
    assert query(sort=sent, cursor=encode_cursor(sort, position)).after == position


CURSOR = encode_cursor(NEWEST_FIRST, Position(MARCH, MARCH, "r-1"))
NOT_A_CURSOR = FieldError("cursor", "not a cursor of a query with this sort")


@pytest.mark.parametrize(
    "sort",
    [
        {"created_at": "asc"},
        {"cost": "desc"},
        {"scores": {"created_at": "desc"}},
        {"properties": {"created_at": "desc"}},
    ],
)
def test_cursor_of_another_sort_is_refused(sort: dict[str, object]) -> None:
    assert query_errors({"filter": "all", "sort": sort, "cursor": CURSOR}) == [NOT_A_CURSOR]


def test_cursor_of_a_random_order_is_refused() -> None:
    cursor = encode_cursor(Sort(None), Position(None, MARCH, "r-1"))
    assert query_errors({"filter": "all", "sort": {"random": True}, "cursor": cursor}) == [NOT_A_CURSOR]


def forged(value: object, created_at: object, request_id: object, *, sort: Sort) -> str:
    """A cursor that claims to belong to the sort."""
    [order, *_] = msgspec.json.decode(
        base64.urlsafe_b64decode(encode_cursor(sort, Position(None, MARCH, "")))
    )
    return base64.urlsafe_b64encode(msgspec.json.encode([order, value, created_at, request_id])).decode()


BY_COST, BY_SCORE, BY_USER, BY_CACHED = (
    Sort(Column("cost_usd")),
    Sort(Score("accuracy")),
    Sort(Column("user_id")),
    Sort(Column("cached")),
)
SENT = {
    sort: next(sent for sent, known in SORTS if known == sort)
    for sort in (NEWEST_FIRST, BY_COST, BY_SCORE, BY_USER, BY_CACHED)
}
NOW = "2026-03-01T00:00:00.000Z"


@pytest.mark.parametrize(
    ("sort", "value", "created_at", "request_id"),
    [
        (NEWEST_FIRST, "x", NOW, "r"),
        (NEWEST_FIRST, NOW, "2026-03-01T00:00:00", "r"),
        (NEWEST_FIRST, NOW, "yesterday", "r"),
        (NEWEST_FIRST, NOW, "0001-01-01T00:00:00+14:00", "r"),
        (NEWEST_FIRST, NOW, "9999-12-31T23:59:59-14:00", "r"),
        (NEWEST_FIRST, NOW, 1772323200, "r"),
        (NEWEST_FIRST, NOW, NOW, None),
        (NEWEST_FIRST, NOW, NOW, "r\0"),
        (BY_COST, "1", NOW, "r"),
        (BY_COST, True, NOW, "r"),
        (BY_COST, 2**63, NOW, "r"),
        (BY_SCORE, 0.5, NOW, "r"),
        (BY_SCORE, 2**63, NOW, "r"),
        (BY_SCORE, 10**40, NOW, "r"),
        (BY_USER, 1, NOW, "r"),
        (BY_USER, "a\0", NOW, "r"),
        (BY_CACHED, 1, NOW, "r"),
        (BY_CACHED, {}, NOW, "r"),
        (BY_CACHED, None, NOW, "r"),
    ],
)
def test_forged_cursor_is_refused(sort: Sort, value: object, created_at: object, request_id: object) -> None:
    cursor = forged(value, created_at, request_id, sort=sort)
    assert query_errors({"filter": "all", "sort": SENT[sort], "cursor": cursor}) == [NOT_A_CURSOR]


@pytest.mark.parametrize(
    "cursor",
    ["", "x", "====", "é", "null", CURSOR[1:], CURSOR[:-8], CURSOR[::-1], "W10=", 5, True, [], {}],
)
def test_garbage_cursor_is_refused(cursor: object) -> None:
    assert query_errors({"filter": "all", "cursor": cursor}) == [NOT_A_CURSOR]


@given(st.text() | st.binary().map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
def test_any_garbage_cursor_is_refused(cursor: str) -> None:
    body = msgspec.json.encode({"filter": "all", "cursor": cursor})
    with pytest.raises(InvalidInput):
        decode_query(body)


def test_cursor_with_an_offset_is_refused() -> None:
    assert query_errors({"filter": "all", "cursor": CURSOR, "offset": 1}) == [
        FieldError("offset", "cannot be combined with a cursor")
    ]


def test_cursor_keeps_the_time_zone() -> None:
    there = timezone(timedelta(hours=2))
    position = Position(None, MARCH.astimezone(there), "r")
    assert query(cursor=encode_cursor(NEWEST_FIRST, position)).after == position
