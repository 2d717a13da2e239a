"""Say in plain English which requests a filter finds: `accuracy is at least 90 and model is gpt-4o`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final, assert_never

import msgspec

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
    Kind,
    Not,
    OneOf,
    Operator,
    Part,
    Property,
    Score,
    Scored,
    ScorePart,
    StringMatch,
    Subject,
    Tagged,
    Value,
    Variable,
    conjuncts,
    kind_of,
    score_names,
)
from heliscore.domain.messages import shortened
from heliscore.domain.score import FEEDBACK
from heliscore.domain.times import format_time

_MAX_VALUES: Final = 10
"""More values, or parts, are counted instead of named."""

_PLAIN: Final = re.compile(r"[\w.:/@+#%$-]+")
_OUR_WORDS: Final = frozenset(("and", "or", "not", "no", "is", "missing", "present", "above", "below"))

_COLUMN_WORDS: Final[dict[str, str]] = {
    "request_id": "request id",
    "organization_id": "organization",
    "user_id": "user",
    "prompt_id": "prompt",
    "target_url": "target URL",
    "numeric_id": "request id as a number",
    "latency_ms": "latency in ms",
    "time_to_first_token_ms": "time to first token in ms",
    "cost_usd": "cost in USD",
    "created_at": "time",
    "response_id": "response id",
    "response_created_at": "time of the response",
    "updated_at": "time of the last change",
}
_SUBJECT_OF_COLUMN: Final = {name: _COLUMN_WORDS.get(name, name.replace("_", " ")) for name in COLUMNS}
_TAKEN: Final = frozenset((*_SUBJECT_OF_COLUMN.values(), *COLUMNS, "feedback"))
"""What a score or a property of that name must be told from."""

_PARTS: Final[dict[Part, str]] = {
    "label": "label of {}",
    "author": "author of {}",
    "kind": "kind of author of {}",
    "version": "version of author of {}",
    "scored_at": "time of {}",
    "comment": "comment on {}",
    "changed": "change of {}",
}

_COMPARISONS: Final[dict[Operator, str]] = {
    "=": "is",
    "<>": "is not",
    ">": "is above",
    ">=": "is at least",
    "<": "is below",
    "<=": "is at most",
    "like": "matches the pattern",
    "ilike": "matches, in any case, the pattern",
    "contains": "contains",
    "not-contains": "does not contain",
    "starts-with": "starts with",
    "ends-with": "ends with",
}
_TIMES: Final[dict[Operator, str]] = {
    ">": "is after",
    ">=": "is at or after",
    "<": "is before",
    "<=": "is at or before",
}
_STRINGS: Final[dict[StringMatch, str]] = {
    "equals": "is",
    "starts-with": "starts with",
    "ends-with": "ends with",
    "contains": "contains",
}


def describe_filter(tree: Filter) -> str:
    """Say which requests a filter finds. Long lists are cut, and so are long values."""
    return _Speaker(score_names(tree)).say(tree)


class _Speaker(msgspec.Struct, frozen=True):
    scores: frozenset[str]
    """The filter's score names, which properties of the same name are told from."""

    def say(self, tree: Filter) -> str:
        match tree:
            case Everything():
                return "all requests"
            case Not(part):
                return self._negated(part)
            case AllOf():
                parts = [self._in_parentheses(part) for part in conjuncts(tree)]
                return _joined(parts, " and ", "conditions") or "all requests"
            case AnyOf(parts):
                said = [self.say(part) for part in parts]
                comma = "," if any(len(conjuncts(part)) > 1 for part in parts) else ""
                return _joined(said, f"{comma} or ", "alternatives") or "no request"
            case Scored():
                return "a score is present"
            case Tagged():
                return "a tag is present"
            case HasTag(tag):
                return f"the tag {_quoted(tag)} is present"
            case HasString():
                return _of_body(tree, negated=False)
            case Exists(subject):
                return f"{self._subject(subject)} is present"
            case OneOf(subject, values):
                return f"{self._subject(subject)} {_one_of(values)}"
            case Compare():
                return self._compared(tree)
            case _:
                assert_never(tree)

    def _negated(self, part: Filter) -> str:
        """The complement, which has the requests without the subject too."""
        match part:
            case Everything() | AllOf(()):
                return "no request"
            case AnyOf(()):
                return "all requests"
            case Not(inner):
                return self.say(inner)
            case Scored():
                return "no score is present"
            case Tagged():
                return "no tag is present"
            case HasTag(tag):
                return f"the tag {_quoted(tag)} is missing"
            case HasString():
                return _of_body(part, negated=True)
            case Exists(subject):
                return f"{self._subject(subject)} is missing"
            case _:
                return f"not ({self.say(part)})"

    def _in_parentheses(self, part: Filter) -> str:
        match part:
            case AnyOf(parts) if len(parts) > 1:
                return f"({self.say(part)})"
            case _:
                return self.say(part)

    def _compared(self, condition: Compare) -> str:
        subject, operator, value = condition.subject, condition.operator, condition.value
        if isinstance(subject, ScorePart) and subject.part == "changed":
            return f"{self._name(subject.name)} was {'' if value else 'not '}changed"
        words = _COMPARISONS | (_TIMES if kind_of(subject) is Kind.TIMESTAMP else {})
        return f"{self._subject(subject)} {words[operator]} {_value(value)}"

    def _subject(self, subject: Subject) -> str:
        match subject:
            case Column(name):
                return _SUBJECT_OF_COLUMN[name]
            case Score(name):
                return self._name(name)
            case ScorePart(name, part):
                return _PARTS[part].format(self._name(name))
            case Property(key):
                is_taken = key in _TAKEN or key in self.scores
                return f"property {_quoted(key)}" if is_taken else _quoted(key)
            case Variable(key):
                return f"prompt variable {_quoted(key)}"
            case FeedbackTime():
                return "time of feedback"
            case _:
                assert_never(subject)

    def _name(self, name: str) -> str:
        if name == FEEDBACK:
            return "feedback"
        return f"score {_quoted(name)}" if name in _TAKEN else _quoted(name)


def _of_body(condition: HasString, *, negated: bool) -> str:
    body, verb = _SUBJECT_OF_COLUMN[condition.body.name], _STRINGS[condition.match]
    if condition.match == "contains":
        verb = "does not contain" if negated else verb
        return f"{body} {verb} {_quoted(condition.string)}"
    return f"{'no' if negated else 'a'} string of the {body} {verb} {_quoted(condition.string)}"


def _one_of(values: tuple[Value, ...]) -> str:
    if not values:
        return "is one of no values"
    shown = [_value(value) for value in values[:_MAX_VALUES]]
    if len(shown) < len(values):
        return f"is one of {', '.join(shown)} and {len(values) - len(shown):,} more"
    *others, last = shown
    return f"is {', '.join(others)} or {last}" if others else f"is {last}"


def _joined(parts: Sequence[str], connective: str, noun: str) -> str:
    more = len(parts) - 2 * _MAX_VALUES
    if more > 0:
        parts = [*parts[: 2 * _MAX_VALUES], f"{more:,} more {noun}"]
    return connective.join(parts)


def _value(value: Value) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return _quoted(value)
        case datetime():
            return _time(value)
        case int() | float() | Decimal():
            return shortened(str(value))


def _time(time: datetime) -> str:
    """In UTC: `2026-03-01`, `2026-03-01T12:30:00Z`, with milliseconds where there are any."""
    text = format_time(time.astimezone(UTC))
    if text.endswith("T00:00:00.000Z"):
        return text.removesuffix("T00:00:00.000Z")
    return f"{text.removesuffix('.000Z')}Z" if text.endswith(".000Z") else text


def _quoted(text: str) -> str:
    """In quotes where it is not plainly one word."""
    if _PLAIN.fullmatch(text) and text.lower() not in _OUR_WORDS:
        return shortened(text)
    return f'"{shortened(text)}"'
