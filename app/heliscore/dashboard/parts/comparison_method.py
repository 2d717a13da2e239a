"""How the comparison page compares: its parameters, and the same question as a command."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from heliscore.api.shared.filter_leaves import both
from heliscore.dashboard.parts.commands import make_curl
from heliscore.dashboard.parts.time_range import TimeRange
from heliscore.domain.errors import FieldError
from heliscore.domain.filter_tree import Column, Property
from heliscore.domain.messages import described
from heliscore.domain.times import format_time
from heliscore.store.facets import PROPERTY

COLUMNS: Final = {
    "model": "Model",
    "provider": "Provider",
    "prompt_id": "Prompt",
    "prompt_version": "Prompt version",
    "user_id": "User",
}
"""The columns by which requests can be grouped. Properties are possible, too."""

FIELDS: Final = f"one of {', '.join(COLUMNS)} or {PROPERTY}<key>"


class Selection(msgspec.Struct, frozen=True):
    """The groups and scores to compare. The first group is the base."""

    by: str
    """A facet's field."""

    groups: list[str | None]
    """None is the group of the requests without a value."""

    scores: list[str]


class Method(msgspec.Struct, frozen=True):
    """How groups are compared."""

    pair: str | None = None
    """The facet's field that two requests of a pair have in common."""

    unit: str | None = None
    """The facet's field that makes requests one case; None: each request is one."""

    repeats: bool = False
    """Whether people look more than once."""

    effect: float | None = None
    """The difference that must not be missed, in the scores' own units."""

    @property
    def is_chosen(self) -> bool:
        """Whether it is not the usual one."""
        return self != Method()


def is_field(name: str) -> bool:
    """Whether requests can be grouped by that."""
    return name in COLUMNS or (name.startswith(PROPERTY) and name != PROPERTY)


def subject_of(field: str) -> Column | Property:
    return Column(field) if field in COLUMNS else Property(field.removeprefix(PROPERTY))


def keys_of(*fields: str | None) -> list[str]:
    """The keys of the properties among the fields."""
    return [field.removeprefix(PROPERTY) for field in fields if field and field not in COLUMNS]


def read_method(time_range: TimeRange) -> tuple[Method, list[FieldError]]:
    """Read the page's parameters `pair`, `unit`, `looks` and `effect`."""
    errors = []
    pair, unit = time_range.one("pair") or None, time_range.one("unit") or None
    for name, field in (("pair", pair), ("unit", unit)):
        if field is not None and not is_field(field):
            errors.append(FieldError(name, f"expected {FIELDS}, got {described(field)}"))
    if pair and unit:
        errors.append(FieldError("unit", "cannot be combined with pair"))
    text, effect = time_range.one("effect"), None
    if text:
        try:
            effect = float(text)
        except ValueError:
            effect = None
        if effect is None or not 0 < effect < _MAX_EFFECT:
            errors.append(FieldError("effect", f"expected a number above 0, got {described(text)}"))
            effect = None
    return Method(pair, unit, bool(time_range.one("looks")), effect), errors


_MAX_EFFECT: Final = 1e18


def make_command(time_range: TimeRange, selection: Selection, how: Method) -> str:
    """The page's question to the API, for a shell."""
    base, *others = selection.groups
    body: dict[str, Any] = {
        "filter": both("all", *time_range.leaves),
        "timeFilter": {"start": format_time(time_range.start), "end": format_time(time_range.end)},
        "scores": selection.scores,
        "arms": {"by": show_field(selection.by), "base": base, "others": others},
    }
    if how.pair is not None:
        body["pairBy"] = show_field(how.pair)
    if how.unit is not None:
        body["unit"] = show_field(how.unit)
    if how.repeats:
        body["sequential"] = True
    if how.effect is not None:
        body["minimumEffect"] = dict.fromkeys(selection.scores, how.effect)
    return make_curl("/v1/evals/ab", body)


def show_field(field: str) -> str | dict[str, str]:
    return field if field in COLUMNS else {"property": field.removeprefix(PROPERTY)}
