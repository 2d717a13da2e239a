"""Names what a filter asks about, without the values that it asks for."""

from __future__ import annotations

from typing import assert_never

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
    Property,
    Score,
    Scored,
    ScorePart,
    Subject,
    Tagged,
    Variable,
)


def name_subjects(tree: Filter) -> list[str]:
    """Return the names of a filter's columns, scores and properties, sorted; none for all requests."""
    return sorted(_find(tree))


def _find(tree: Filter) -> frozenset[str]:
    match tree:
        case Not(part):
            return _find(part)
        case AllOf(parts) | AnyOf(parts):
            return frozenset[str]().union(*map(_find, parts))
        case Compare(subject) | OneOf(subject) | Exists(subject):
            return frozenset((_name(subject),))
        case HasString(body):
            return frozenset((body.name,))
        case Tagged() | HasTag():
            return frozenset(("tags",))
        case Scored():
            return frozenset(("scores",))
        case Everything():
            return frozenset()
        case _:
            assert_never(tree)


def _name(subject: Subject) -> str:
    match subject:
        case Column(name):
            return name
        case Score(name) | ScorePart(name):
            return f"scores.{name}"
        case Property(key):
            return f"properties.{key}"
        case Variable(key):
            return f"prompt_variables.{key}"
        case FeedbackTime():
            return "feedback_created_at"
        case _:
            assert_never(subject)
