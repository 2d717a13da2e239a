"""Every statement that the filter compiler fills names the organization at every table, as
named_organizations.py asks for: so a cluster runs it on one node."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from itertools import product

import pytest
from heliscore.domain.filter_tree import (
    NEWEST_FIRST,
    AllOf,
    AnyOf,
    Cases,
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
    Variable,
)
from heliscore.domain.rater import Rater
from heliscore.store.export_slots import make_columns, make_members
from heliscore.store.search.arguments import Arguments
from heliscore.store.search.author_groups import GroupOf
from heliscore.store.search.compiler import (
    compile_condition,
    compile_count,
    compile_probe,
    compile_requests,
    compile_rows,
    compile_scores,
    compile_search,
    compile_selectivity,
    compile_size,
    compile_words,
)
from heliscore.store.search.count_compiler import compile_counted
from heliscore.store.search.leading_conditions import is_of_several_scores, leading_scores
from heliscore.store.search.page_order import Position
from heliscore.store.search.score_columns import ScoreColumns
from heliscore.store.search.score_compiler import (
    compile_conditions,
    compile_lookups,
    compile_opinions,
    compile_raters,
)
from heliscore.store.search.slots import Compiled
from heliscore.store.statements import fill, load

from tests.store.named_organizations import violations

pytestmark = pytest.mark.slow

NAME_IDS = {"accuracy": 1, "tone": 2, "cited": 3, "helicone-score-feedback": 4}
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)

USER, ENV = Column("user_id"), Property("env")
ACCURATE = Compare(Score("accuracy"), ">=", 90)
POLITE = Compare(Score("tone"), "=", 1)
IN_TIME = Compare(Column("created_at"), ">=", NOON)
OTHERS: tuple[Filter, ...] = (
    Compare(USER, "=", "ada"),
    Compare(Column("response_id"), "=", "x"),
    HasTag("a"),
    Tagged(),
    HasString(Column("request_body"), "equals", "a"),
    Exists(ENV),
    Compare(Variable("a"), "contains", "b"),
)

LEADING_AND_OTHERS = AllOf((ACCURATE, Not(POLITE), *OTHERS))
TREES: tuple[Filter, ...] = (
    Everything(),
    IN_TIME,
    ACCURATE,
    AllOf((ACCURATE, POLITE, IN_TIME)),
    LEADING_AND_OTHERS,
    AllOf((*OTHERS, AnyOf((ACCURATE, POLITE, Scored())))),
    AnyOf((ACCURATE, AllOf((POLITE, IN_TIME)))),
    Not(AnyOf((Scored(), OneOf(Score("cited"), (0, 1)), Compare(FeedbackTime(), ">", NOON)))),
    AllOf(
        (
            Compare(ScorePart("accuracy", "author"), "=", "human:ada"),
            Compare(ScorePart("tone", "label"), "=", "kind"),
            Compare(ScorePart("tone", "changed"), "=", True),
            Exists(ScorePart("cited", "comment")),
        )
    ),
    AnyOf((Compare(ScorePart("tone", "kind"), "=", "human"), Exists(ScorePart("tone", "version")))),
    AnyOf((Exists(ScorePart("tone", "comment")), Compare(ScorePart("cited", "label"), "<>", "kind"))),
    Compare(Score("never used"), "=", 1),
)

SORTS = (NEWEST_FIRST, Sort(None), Sort(USER, descending=False), Sort(ENV, descending=True))
AFTER, AFTER_SCORE = Position("a", NOON, "b"), Position(3, NOON, "b")

CASES = Cases((ACCURATE, Not(AnyOf((POLITE, Scored())))))
PARTS = (ScorePart("accuracy", "author"), ScorePart("tone", "version"), ScorePart("never used", "kind"))
COLUMNS = (
    ScoreColumns(group_by=PARTS[1]),
    *(ScoreColumns(group_by=group) for group in (None, USER, CASES, PARTS[0], PARTS[2])),
    ScoreColumns(groups=(USER, ENV)),
    ScoreColumns(group_by=CASES, unit=ENV),
    ScoreColumns(group_by=USER, covariate=Column("latency_ms")),
    ScoreColumns(group_by=PARTS[0], covariate=Score("cited")),
    ScoreColumns(unit=USER, raters=2),
)
RATERS = (Rater("accuracy"), Rater("tone", kind="human", author="ada"), Rater("tone", kind="judge"))

Made = Iterator[tuple[str, Compiled]]
"""Nouns and verbs of statements, `request.search`, and what fills them."""


def starts(tree: Filter) -> list[tuple[str, ...]]:
    """Where a statement may begin."""
    leading = tuple(name for name in leading_scores(tree) if name in NAME_IDS)
    return [(), leading[:1], leading] if leading else [()]


def searches(tree: Filter) -> Made:
    leading = starts(tree)[-1]
    for start, sort in product(starts(tree), SORTS):
        yield "request.search", compile_search(tree, sort, None, NAME_IDS, 4, start, "previews")
    for name in leading:
        by_score = Sort(Score(name), descending=True)
        yield "request.search", compile_search(tree, by_score, AFTER_SCORE, NAME_IDS, 4, (name,))
    for sort, after in ((NEWEST_FIRST, AFTER), (SORTS[-1], AFTER), (SORTS[-1], None)):
        yield "request.locate", compile_search(tree, sort, after, NAME_IDS, 4, leading[:1])
        yield "request.locate", compile_search(tree, sort, after, NAME_IDS, 4, by_hash=True)
        yield "export.place", compile_search(tree, sort, after, NAME_IDS, 2, leading)
    yield "request.search", compile_rows([1, 2], NEWEST_FIRST, 4, "none")


def counts(tree: Filter) -> Made:
    yield "request.count", compile_count(tree, NAME_IDS, 2, by_hash=True)
    for start in starts(tree):
        yield "request.count", compile_count(tree, NAME_IDS, 2, start)
    if is_of_several_scores(tree):
        yield "request.count_in_words", compile_words(tree, NAME_IDS, 2)
    yield "request.size", compile_size(tree, 3)
    if leading := starts(tree)[-1]:
        yield "request.selectivity", compile_selectivity(tree, NAME_IDS, 3)
        yield "request.probe", compile_probe(tree, Score(leading[0]), NEWEST_FIRST, NAME_IDS, 3)
    for verb in ("delivery.find_matching", "score_revert.find", "score_revert.changes"):
        yield verb, compile_condition(tree, NAME_IDS, 10)


def whole_reads(tree: Filter) -> Made:
    """Samples, coverage, and what is deleted."""
    scores, by_hash = ["accuracy", "cited"], partial(compile_requests, tree, NAME_IDS, 10, by_hash=True)
    for start in starts(tree):
        one_by_one = partial(compile_requests, tree, NAME_IDS, 10, start)
        for compiled in (one_by_one, by_hash) if not start else (one_by_one,):
            yield "deletion.find", compiled()
            yield "sample.spread", compiled(scores=scores)
            yield "coverage.scores", compiled(group_by=CASES, scores=scores)
    for verb in ("sample.strata", "sample.stratified", "coverage.requests"):
        yield verb, by_hash(group_by=CASES)
    yield "sample.random", by_hash(group_by=ENV)
    for name in starts(tree)[-1][:1]:
        for compiled in (by_hash, partial(compile_requests, tree, NAME_IDS, 10, [name])):
            yield "sample.nearest", compiled(value=Score(name))
            yield "sample.leverage", compiled(value=Score(name), group_by=USER)


def score_reads(tree: Filter) -> Made:
    """Statistics of scores: each way to read them in one statement, and one way in each statement."""
    columns = COLUMNS if tree == LEADING_AND_OTHERS else COLUMNS[:1]
    filled = [compile_conditions(tree, NAME_IDS, 14, each, of) for each in columns for of in GroupOf]
    filled += [compile_lookups(tree, NAME_IDS, 14, each, start) for each in columns for start in starts(tree)]
    for by_hash in (False, True):
        filled += [compile_opinions(tree, NAME_IDS, 14, part, by_hash=by_hash) for part in PARTS[:2]]
        filled.append(compile_raters(tree, NAME_IDS, 14, RATERS, USER, by_hash=by_hash))
    for compiled in filled:
        yield "evaluation.measure_percentile", compiled
    for verb, statement in load("evaluation").items() if tree == ACCURATE else ():
        if "/* source */" in statement:
            yield f"evaluation.{verb}", compile_raters(tree, NAME_IDS, 14, RATERS, USER, by_hash=False)
    yield "case.worst", compile_conditions(tree, NAME_IDS, 14, ScoreColumns(group_by=CASES, unit=USER))
    yield "coverage.scores", compile_scores(IN_TIME, NAME_IDS, 6, ["accuracy", "cited"])


MAKERS = (searches, counts, whole_reads, score_reads)


def statement_of(verb: str) -> str:
    noun, name = verb.split(".")
    return load(noun)[name]


@pytest.mark.parametrize("tree", TREES, ids=range(len(TREES)))
@pytest.mark.parametrize("made", MAKERS)
def test_compiled_statement_names_the_organization_everywhere(
    made: Callable[[Filter], Made], tree: Filter
) -> None:
    statements = {compiled.fill(statement_of(verb)): verb for verb, compiled in made(tree)}
    found = {(verb, sql): violations(sql) for sql, verb in statements.items()}
    assert {key: wrong for key, wrong in found.items() if wrong} == {}


def test_every_statement_with_a_filter_is_looked_at() -> None:
    looked_at = {verb for tree in TREES for made in MAKERS for verb, _ in made(tree)}
    nouns = ("request", "sample", "coverage", "evaluation", "case", "export", "deletion", "score_revert")
    with_filter = {
        f"{noun}.{verb}"
        for noun in (*nouns, "delivery")
        for verb, statement in load(noun).items()
        if any(f"/* {slot} */" in statement for slot in ("where", "scores", "counts"))
    }
    assert looked_at == with_filter


@pytest.mark.parametrize("verb", [name for name, sql in load("evaluation").items() if "{ */" in sql])
def test_statement_that_reads_counts_names_the_organization_everywhere(verb: str) -> None:
    of_model = Compare(Column("model"), "=", "m")
    columns = (
        ScoreColumns(),
        ScoreColumns(group_by=Column("model")),
        ScoreColumns(group_by=Cases((of_model, Not(of_model)))),
        ScoreColumns(groups=(Column("model"), Column("prompt_id"), Column("prompt_version"))),
    )
    counted = [
        found
        for tree in (Everything(), of_model)
        for each in columns
        if (found := compile_counted(verb, tree, each, 14)) is not None
    ]
    assert counted
    assert [violations(found.sql) for found in counted] == [[]] * len(counted)


def test_export_names_the_organization_whatever_its_columns() -> None:
    columns = ("request_id", "created_at", "request_body", "tags", "cache_enabled")
    export = load("export")
    statements = [
        fill(export["read_lines"], members=make_members(columns)),
        fill(export["read_columns"], columns=make_columns((*columns, "property:env"), Arguments(3))),
    ]
    assert [violations(sql) for sql in statements] == [[], []]
