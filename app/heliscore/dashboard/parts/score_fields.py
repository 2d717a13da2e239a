"""The scores of a request as the fields of its page: which have one, in what order, in which groups."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Final

import msgspec

from heliscore.dashboard.parts.provenance import Provenance, describe_provenance
from heliscore.domain.author import Author
from heliscore.domain.score import FEEDBACK, Score
from heliscore.domain.score_changes import Change, newest_shown
from heliscore.store.definition_cache import Definitions

FEW_NAMES: Final = 12
"""If an organization has at most this many score names, each request has a field for all of them. More are
searched and grouped."""

_PREFIX: Final = re.compile(r"[^./:]+[./:](?=.)")


class ScoreSheet(msgspec.Struct, frozen=True):
    """Everything that is known of the scores of a request."""

    changes: dict[str, list[Change]]
    """By name, the oldest first."""

    kinds: dict[str, bool]
    """The organization's score names, and whether each is used for booleans."""

    definitions: Definitions

    @property
    def given(self) -> dict[str, Score]:
        """The present scores."""
        newest = {name: newest_shown(some) for name, some in self.changes.items()}
        return {name: change.score for name, change in newest.items() if change and change.score}


class ScoreField(msgspec.Struct, frozen=True):
    """The form of one score."""

    name: str
    is_boolean: bool
    value: str = ""
    """Formatted by `value_string`; empty if the request does not have the score."""

    entered: str | None = None
    """An input that could not be saved, for the reason in `error`."""

    comment: str = ""
    """The comment that was entered with it."""

    error: str = ""
    provenance: Provenance = Provenance()


class FieldGroup(msgspec.Struct, frozen=True):
    """Fields of names that begin alike."""

    prefix: str
    """With the `.`, `/` or `:` that ends it; empty if they share none."""

    fields: Sequence[ScoreField]


def value_string(score: Score) -> str:
    """Format a value for forms and scripts."""
    return ("false", "true")[score.value] if score.is_boolean else str(score.value)


def name_order(name: str) -> tuple[bool, str, str]:
    """A key to sort names as people look for them: without regard to case and accents, the thumbs last."""
    letters = (letter for letter in unicodedata.normalize("NFKD", name) if not unicodedata.combining(letter))
    return name == FEEDBACK, "".join(letters).casefold(), name


def make_fields(
    sheet: ScoreSheet, asked_for: Iterable[str], reviewer: Author, error: ScoreField | None = None
) -> list[ScoreField]:
    """Make a field for each score that the request has, had, or that is asked for; for all if they are few.
    `error` is the one that could not be saved."""
    kinds, given = sheet.kinds, sheet.given
    names = {FEEDBACK, *sheet.changes, *asked_for, *(kinds if len(kinds) <= FEW_NAMES else ())}
    fields = []
    for name in sorted(names, key=name_order):
        score = given.get(name)
        is_boolean = name == FEEDBACK or (kinds.get(name, False) if score is None else score.is_boolean)
        provenance = describe_provenance(
            name, sheet.changes.get(name, []), sheet.definitions.by_name.get(name), reviewer
        )
        value = "" if score is None else value_string(score)
        field = ScoreField(name, is_boolean, value, provenance=provenance)
        if error is not None and error.name == name:
            changed = {"entered": error.entered, "comment": error.comment, "error": error.error}
            field = msgspec.structs.replace(field, **changed)
        fields.append(field)
    return fields


def group_fields(fields: Sequence[ScoreField]) -> list[FieldGroup]:
    """Group many fields by the prefixes that names share; the others come first, and few stay together."""
    prefixes = [find_prefix(field.name) for field in fields]
    shared = {prefix for prefix in prefixes if len(fields) > FEW_NAMES and prefixes.count(prefix) > 1}

    def side(field: ScoreField) -> str:
        prefix = find_prefix(field.name)
        return prefix if prefix in shared else ""

    ordered = sorted(fields, key=lambda field: (side(field), name_order(field.name)))
    return [FieldGroup(prefix, list(some)) for prefix, some in groupby(ordered, side)]


def find_prefix(name: str) -> str:
    """The beginning of a name up to its first `.`, `/` or `:`; empty without one."""
    found = _PREFIX.match(name)
    return "" if found is None else found[0]
