"""A release check as an address has it: a rule for each score, and the gate that comes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from starlette.datastructures import QueryParams

from heliscore.api.shared.filter_leaves import both
from heliscore.dashboard.parts.comparison_method import COLUMNS, show_field
from heliscore.dashboard.parts.time_range import TimeRange
from heliscore.domain.errors import FieldError
from heliscore.domain.messages import described
from heliscore.domain.score_definition import ScoreDefinition
from heliscore.domain.times import format_time
from heliscore.store.facets import PROPERTY

RULES: Final = {
    "notWorseBy": "not worse by more than",
    "better": "better, for sure",
    "atLeast": "at least",
    "atMost": "at most",
    "skip": "not checked",
}
_PART_OF_RANGE: Final = 50
"""A fiftieth of a score's range may be lost, unless somebody says otherwise."""

_SHARE: Final = 0.02
LEAST: Final = 30


class ChosenRule(msgspec.Struct, frozen=True):
    """A score's rule."""

    score: str
    rule: str
    bound: str
    """As it was typed."""

    @property
    def is_whole(self) -> bool:
        """Whether it can be decided."""
        return self.rule == "better" or (self.rule != "skip" and self.bound != "")


def read_rules(
    query: QueryParams, scores: Sequence[str], definitions: Mapping[str, ScoreDefinition]
) -> list[ChosenRule]:
    """The rules of an address, `check`, `rule` and `bound` for each; at first none of the scores may become
    much worse, where their range is known."""
    named = [query.getlist(name) for name in ("check", "rule", "bound")]
    given = {
        score: ChosenRule(score, rule if rule in RULES else "skip", bound.strip())
        for score, rule, bound in zip(*named, strict=False)
        if score
    }
    rest = [score for score in scores if score not in given]
    if given:
        return [*given.values(), *(ChosenRule(score, "skip", "") for score in rest)]
    return [ChosenRule(score, "notWorseBy", _usual_bound(definitions.get(score))) for score in rest]


def _usual_bound(definition: ScoreDefinition | None) -> str:
    if definition is None:
        return ""
    if definition.type == "boolean":
        return str(_SHARE)
    if definition.min is None or definition.max is None:
        return ""
    return f"{(definition.max - definition.min) / _PART_OF_RANGE:g}"


def read_least(time_range: TimeRange) -> int | str:
    """The number of scores below which nothing is decided; what was typed, if it is none."""
    text = time_range.one("least")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else text or LEAST


def make_gate(
    time_range: TimeRange,
    by: str,
    groups: tuple[str | None, str | None],
    rules: Sequence[ChosenRule],
    pair: str,
    errors: list[FieldError],
) -> dict[str, Any]:
    """The body of `/v1/evals/gate`."""
    base, candidate = groups
    body: dict[str, Any] = {
        "name": "release",
        "filter": both("all", *time_range.leaves),
        "timeFilter": {"start": format_time(time_range.start), "end": format_time(time_range.end)},
        "candidate": _show_requests(by, candidate),
        "base": _show_requests(by, base),
        "checks": [_make_check(rule, errors) for rule in rules if rule.is_whole],
        "atLeastRequests": read_least(time_range),
        "onTooFew": "inconclusive",
    }
    return body | ({"pairBy": show_field(pair)} if pair else {})


def _show_requests(by: str, group: str | None) -> dict[str, str | None]:
    kind = {"column": by} if by in COLUMNS else {"property": by.removeprefix(PROPERTY)}
    return {**kind, "equals": group}


def _make_check(rule: ChosenRule, errors: list[FieldError]) -> dict[str, Any]:
    if rule.rule == "better":
        return {"score": rule.score, "better": True}
    try:
        bound = float(rule.bound)
    except ValueError:
        errors.append(FieldError("bound", f"expected a number, got {described(rule.bound)}"))
        bound = 0.0
    return {"score": rule.score, rule.rule: int(bound) if bound.is_integer() else bound}
