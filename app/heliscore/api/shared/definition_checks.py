"""Checks scores against the definitions of their names, for all dialects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from heliscore.api.http.field_errors import step
from heliscore.domain.errors import FieldError, InvalidInput
from heliscore.domain.score import Score
from heliscore.domain.score_definition import Breach, find_breaches
from heliscore.observability import metrics
from heliscore.store.definition_cache import Definitions


def check_scores(definitions: Definitions, scores: Mapping[str, Score]) -> list[str]:
    """Return what definitions warn of. Raises InvalidInput with every score that one refuses."""
    if not definitions.enforced or not (breaches := find_breaches(definitions.enforced, scores)):
        return []
    count_breaches(breaches)
    if errors := refused(breaches):
        raise InvalidInput(errors)
    return described(breaches)


def refused(breaches: Iterable[Breach]) -> list[FieldError]:
    """The errors of scores that definitions refuse."""
    return [_field_error(breach) for breach in breaches if breach.enforce == "on"]


def described(breaches: Iterable[Breach]) -> list[str]:
    """Each score's name and what is wrong with it, as an error shows it."""
    return [str(_field_error(breach)) for breach in breaches]


def _field_error(breach: Breach) -> FieldError:
    return FieldError(step("scores", breach.name), breach.message)


def count_breaches(breaches: tuple[Breach, ...]) -> None:
    """Count the scores that definitions refuse, or else those that were stored with a warning."""
    is_refused = any(breach.enforce == "on" for breach in breaches)
    for breach in breaches:
        if breach.enforce == "on" or not is_refused:
            metrics.count_breach(breach.enforce, breach.kind)
