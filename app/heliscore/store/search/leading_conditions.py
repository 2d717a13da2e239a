"""Leading conditions: those on scores that every match must meet, so that a search can begin at the score."""

from __future__ import annotations

from typing import Final

from heliscore.domain.filter_tree import (
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
    Score,
    Scored,
    ScorePart,
    Tagged,
    conjuncts,
)
from heliscore.store.search.comparisons import SubjectCondition

_MAX_LEADING_SCORES: Final = 4
"""Scores beyond these are looked up request by request: planning time grows steeply with joins."""

_MAX_ALTERNATIVES: Final = 4

_INDEXED: Final = (Column("request_id"), Column("created_at"))
_ORDER: Final = ("=", "<", "<=", ">", ">=")


def leading_scores(tree: Filter) -> list[str]:
    """The names of the scores that a search can begin at."""
    return list(split_leading(tree)[0])


def needs_score(tree: Filter) -> bool:
    """Whether every match meets at least one of the filter's conditions on scores."""
    match tree:
        case Compare(subject) | OneOf(subject) | Exists(subject):
            return isinstance(subject, Score | FeedbackTime)
        case AllOf(parts):
            return any(map(needs_score, parts))
        case AnyOf(parts):
            return all(map(needs_score, parts))
        case Not() | Everything() | Scored() | Tagged() | HasTag() | HasString():
            return False


def is_one_score(tree: Filter) -> bool:
    """Whether a filter has conditions on the value of one score, and no others."""
    leading, rest = split_leading(tree)
    return len(leading) == 1 and not rest and leading == value_conditions(tree)


def is_of_several_scores(tree: Filter) -> bool:
    """Whether a filter asks for several scores that a request must have, and else only for the time."""
    leading, rest = split_leading(tree)
    return len(leading) > 1 and is_of_time(AllOf(tuple(rest)))


def is_of_time(tree: Filter) -> bool:
    """Whether a filter has conditions on the time of requests, and no others."""
    return all(isinstance(part, Compare) and part.subject == Column("created_at") for part in conjuncts(tree))


def indexed_conditions(tree: Filter) -> list[Compare]:
    """The conditions that every match must meet and that an index of requests answers."""
    return [
        part
        for part in conjuncts(tree)
        if isinstance(part, Compare) and part.subject in _INDEXED and part.operator in _ORDER
    ]


def split_leading(tree: Filter) -> tuple[dict[str, list[SubjectCondition]], list[Filter]]:
    """Split a filter's top level into the leading conditions, by score, and the rest."""
    leading: dict[str, list[SubjectCondition]] = {}
    rest: list[Filter] = []
    for part in conjuncts(tree):
        match part:
            case (
                Compare(Score(name) | ScorePart(name))
                | OneOf(Score(name) | ScorePart(name))
                | Exists(Score(name) | ScorePart(name))
            ) if name in leading or len(leading) < _MAX_LEADING_SCORES:
                leading.setdefault(name, []).append(part)
            case _:
                rest.append(part)
    return leading, rest


def value_conditions(tree: Filter) -> dict[str, list[SubjectCondition]]:
    """The leading conditions that the index of values answers, by score: those on authors, comments and so on
    are left out, because to count the rows that meet them could take all rows of the score."""
    return {
        name: [part for part in parts if isinstance(part.subject, Score)]
        for name, parts in split_leading(tree)[0].items()
    }


def split_alternatives(tree: Filter) -> list[Filter]:
    """Split a filter into a few that together match the same, each with a leading condition. Empty where the
    filter has a leading condition itself, or cannot be split so."""
    parts = conjuncts(tree)
    if leading_scores(tree):
        return []
    for part in parts:
        match part:
            case AnyOf(choices) if len(choices) <= _MAX_ALTERNATIVES and all(map(leading_scores, choices)):
                others = tuple(other for other in parts if other is not part)
                return [AllOf((choice, *others)) for choice in choices]
    return []
