from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from heliscore.domain.filter_tree import (
    COLUMNS,
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
    Tagged,
    Variable,
)
from heliscore.domain.filter_words import describe_filter
from heliscore.domain.score import FEEDBACK

GOOD = Compare(Score("accuracy"), ">=", 90)
GPT = Compare(Column("model"), "=", "gpt-4o")
VARIANT_B = Compare(Property("variant"), "=", "B")
MARCH = datetime(2026, 3, 1, tzinfo=UTC)
BODY = Column("response_body")

WORDS: list[tuple[Filter, str]] = [
    (Everything(), "all requests"),
    (AllOf(()), "all requests"),
    (AnyOf(()), "no request"),
    (Not(Everything()), "no request"),
    (Not(AllOf(())), "no request"),
    (Not(AnyOf(())), "all requests"),
    (GOOD, "accuracy is at least 90"),
    (AnyOf((AllOf((GOOD, GPT)), VARIANT_B)), "accuracy is at least 90 and model is gpt-4o, or variant is B"),
    (AllOf((GOOD, AnyOf((GPT, VARIANT_B)))), "accuracy is at least 90 and (model is gpt-4o or variant is B)"),
    (AllOf((AllOf((GOOD,)), AllOf((AnyOf((GPT,)),)))), "accuracy is at least 90 and model is gpt-4o"),
    (AllOf((Everything(), GOOD)), "accuracy is at least 90"),
    (Not(GOOD), "not (accuracy is at least 90)"),
    (Not(Not(GOOD)), "accuracy is at least 90"),
    (Not(AllOf((GOOD, GPT))), "not (accuracy is at least 90 and model is gpt-4o)"),
    (
        AllOf((GPT, Not(AnyOf((GOOD, VARIANT_B))))),
        "model is gpt-4o and not (accuracy is at least 90 or variant is B)",
    ),
    (Compare(Score("a"), "=", 1), "a is 1"),
    (Compare(Score("a"), "<>", -1), "a is not -1"),
    (Compare(Score("a"), ">", 1), "a is above 1"),
    (Compare(Score("a"), "<", 1), "a is below 1"),
    (Compare(Score("a"), "<=", 1), "a is at most 1"),
    (Compare(Column("user_id"), "like", "a%_"), 'user matches the pattern a%_'),
    (Compare(Column("user_id"), "ilike", "a b%"), 'user matches, in any case, the pattern "a b%"'),
    (Compare(Column("user_id"), "contains", "ann"), "user contains ann"),
    (Compare(Column("user_id"), "not-contains", "ann"), "user does not contain ann"),
    (Compare(Column("user_id"), "starts-with", "ann"), "user starts with ann"),
    (Compare(Column("user_id"), "ends-with", "ann"), "user ends with ann"),
    (Compare(Column("cost_usd"), "<", Decimal("0.10")), "cost in USD is below 0.10"),
    (Compare(Column("latency_ms"), ">=", 1e300), "latency in ms is at least 1e+300"),
    (Compare(Column("cached"), "=", False), "cached is false"),
    (Compare(Column("created_at"), ">=", MARCH), "time is at or after 2026-03-01"),
    (Compare(Column("created_at"), ">", MARCH.replace(hour=12)), "time is after 2026-03-01T12:00:00Z"),
    (Compare(Column("created_at"), "<=", MARCH.replace(microsecond=5000)),
     "time is at or before 2026-03-01T00:00:00.005Z"),
    (Compare(Column("created_at"), "<", MARCH), "time is before 2026-03-01"),
    (Compare(Column("updated_at"), "=", MARCH), "time of the last change is 2026-03-01"),
    (Compare(FeedbackTime(), "<", MARCH), "time of feedback is before 2026-03-01"),
    (Compare(Score(FEEDBACK), "=", 1), "feedback is 1"),
    (OneOf(Column("model"), ("gpt-4o", "o1", "it's")), 'model is gpt-4o, o1 or "it\'s"'),
    (OneOf(Column("model"), ("gpt-4o",)), "model is gpt-4o"),
    (OneOf(Column("model"), ()), "model is one of no values"),
    (OneOf(Score("a"), tuple(range(1010))), "a is one of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 1,000 more"),
    (Not(OneOf(Score("a"), (1, 2))), "not (a is 1 or 2)"),
    (Exists(Score("a")), "a is present"),
    (Not(Exists(Property("variant"))), "variant is missing"),
    (Scored(), "a score is present"),
    (Not(Scored()), "no score is present"),
    (Tagged(), "a tag is present"),
    (Not(Tagged()), "no tag is present"),
    (HasTag("a b"), 'the tag "a b" is present'),
    (Not(HasTag("x")), "the tag x is missing"),
    (HasString(BODY, "equals", "yes"), "a string of the response body is yes"),
    (HasString(BODY, "starts-with", "yes"), "a string of the response body starts with yes"),
    (HasString(BODY, "ends-with", "yes"), "a string of the response body ends with yes"),
    (HasString(BODY, "contains", "yes"), "response body contains yes"),
    (Not(HasString(BODY, "equals", "yes")), "no string of the response body is yes"),
    (Not(HasString(BODY, "contains", "yes")), "response body does not contain yes"),
    (Compare(ScorePart("a", "label"), "=", "good"), "label of a is good"),
    (Compare(ScorePart("a", "author"), "=", "human:ada"), "author of a is human:ada"),
    (Compare(ScorePart("a", "kind"), "<>", "judge"), "kind of author of a is not judge"),
    (Compare(ScorePart("a", "version"), "=", "2"), "version of author of a is 2"),
    (Compare(ScorePart("a", "scored_at"), "<", MARCH), "time of a is before 2026-03-01"),
    (Exists(ScorePart("a", "comment")), "comment on a is present"),
    (Compare(ScorePart("a", "changed"), "=", True), "a was changed"),
    (Compare(ScorePart("a", "changed"), "=", False), "a was not changed"),
    (Compare(Variable("topic"), "=", "cats"), "prompt variable topic is cats"),
    # told apart, and quoted where they must be
    (Compare(Property("model"), "=", "x"), "property model is x"),
    (Compare(Score("model"), "=", 1), "score model is 1"),
    (AllOf((Exists(Score("a")), Exists(Property("a")))), "a is present and property a is present"),
    (Compare(Score("my score"), "=", 1), '"my score" is 1'),
    (Compare(Property("or"), "=", ""), '"or" is ""'),
    (Compare(Property("k"), "=", "missing"), 'k is "missing"'),
    (Compare(Property("k"), "=", "a\nb"), 'k is "a\\u000ab"'),
    (Compare(Property("k"), "=", "x" * 100), f"k is {'x' * 80}…"),
    (AnyOf((GOOD,) * 25), " or ".join(["accuracy is at least 90"] * 20) + " or 5 more alternatives"),
]  # fmt: skip


@pytest.mark.parametrize(("tree", "words"), WORDS, ids=[words[:40] for _, words in WORDS])
def test_filter_in_words(tree: Filter, words: str) -> None:
    assert describe_filter(tree) == words


def test_every_column_has_words() -> None:
    words = {describe_filter(Exists(Column(name))) for name in COLUMNS}
    assert len(words) == len(COLUMNS)
    assert not any("_" in one for one in words)
