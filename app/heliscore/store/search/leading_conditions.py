"""Leading conditions: those on scores that every match must meet, so that a search can begin at the score."""

from __future__ import annotations

from typing import Final

from heliscore.domain.filter_tree import (
    AllOf,
    AnyOf,
    Compare,
    Everything,
    Exists,
    Filter,
    Not,
    OneOf,
    Score,
    ScorePart,
    score_names,
)
from heliscore.store.search.conditions import SubjectCondition

_MAX_LEADING_SCORES: Final = 4
"""Scores beyond these are looked up request by request: planning time grows steeply with joins."""

_MAX_ALTERNATIVES: Final = 4


def leading_scores(tree: Filter) -> list[str]:
    """The names of the scores that a search can begin at."""
    return list(split_leading(tree)[0])


def lacks_score(tree: Filter) -> bool:
    """Whether every match must be without a score, or without one of certain values."""
    return any(isinstance(part, Not) and score_names(part) for part in _conjuncts(tree))


def is_one_score(tree: Filter) -> bool:
    """Whether a filter has conditions on the value of one score, and no others."""
    leading, rest = split_leading(tree)
    return len(leading) == 1 and not rest and leading == value_conditions(tree)


def split_leading(tree: Filter) -> tuple[dict[str, list[SubjectCondition]], list[Filter]]:
    """Split a filter's top level into the leading conditions, by score, and the rest."""
    leading: dict[str, list[SubjectCondition]] = {}
    rest: list[Filter] = []
    for part in _conjuncts(tree):
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
    parts = _conjuncts(tree)
    if leading_scores(tree):
        return []
    for part in parts:
        match part:
            case AnyOf(choices) if len(choices) <= _MAX_ALTERNATIVES and all(map(leading_scores, choices)):
                others = tuple(other for other in parts if other is not part)
                return [AllOf((choice, *others)) for choice in choices]
    return []


def _conjuncts(tree: Filter) -> list[Filter]:
    """The parts that must all hold, through any depth of AllOf."""
    match tree:
        case AllOf(parts):
            return [conjunct for part in parts for conjunct in _conjuncts(part)]
        case Everything():
            return []
        case _:
            return [tree]
