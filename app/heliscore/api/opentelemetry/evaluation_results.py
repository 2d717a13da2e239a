"""Events `gen_ai.evaluation.result`, read: what was judged, how, why, and by whom."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from heliscore.api.opentelemetry.span_requests import REQUEST_ID, span_key
from heliscore.api.opentelemetry.telemetry import Attributes, Source
from heliscore.api.shared.logged_bodies import storable
from heliscore.api.shared.score_maps import read_name, read_value
from heliscore.domain.author import KINDS, Author, AuthorKind, read_author
from heliscore.domain.exact_numbers import read_decimal, scaled
from heliscore.domain.messages import described, find_name_error, shortened
from heliscore.domain.score import MAX_COMMENT_LENGTH, Score
from heliscore.domain.score_definition import ScoreDefinition
from heliscore.providers.span_values import first, first_string

EVENT: Final = "gen_ai.evaluation.result"

_NAME: Final = "gen_ai.evaluation.name"
_VALUE: Final = "gen_ai.evaluation.score.value"
_LABEL: Final = "gen_ai.evaluation.score.label"
_EXPLANATION: Final = "gen_ai.evaluation.explanation"
_EVALUATOR: Final = "gen_ai.evaluation.evaluator"

_DEFAULT_SCALE: Final = 100
"""Of a number from 0 to 1."""

_KINDS: Final = {"llm": "judge", "model": "judge", "annotator": "human", "user": "human", "program": "code"}
_REQUEST_IDS: Final = ("helicone.request.id", REQUEST_ID)


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """One evaluation of an answer, not yet a score: that takes the definition of its name."""

    name: str
    value: Any
    label: str | None
    comment: str | None
    author: Author | None
    """What the event says of its evaluator."""

    scope_author: Author | None
    """The instrumentation scope that sent it."""

    request_id: str | None
    response_id: str | None
    """Where no request id is known."""

    has_doubles_only: bool
    """Whether its SDK tells no integers from doubles: JavaScript's sends 1.0 as the integer 1."""

    @property
    def target(self) -> str:
        """What was judged, as errors name it."""
        return self.request_id or f"response {self.response_id}"


def read_evaluation(
    attributes: Attributes,
    source: Source,
    own_id: str | None,
    own_response_id: str | None = None,
    *,
    from_javascript: bool,
) -> Evaluation | str:
    """Read an event, or return an error message.

    `own_id` is the request that the event's span is, or would be, `own_response_id` that span's response. The
    event's own request id counts first, then its response id: a record's span is often the evaluator's.
    """
    name = first_string(attributes, _NAME)
    if name is None:
        return f"{_NAME}: missing"
    request_id = first_string(attributes, *_REQUEST_IDS)
    response_id = first_string(attributes, "gen_ai.response.id")
    if request_id is None and response_id in (None, own_response_id):
        request_id = own_id
    plain, _ = read_name(name)
    if error := find_name_error(plain) or (find_name_error(request_id) if request_id else None):
        return f"{shortened(name)}: {error}"
    if request_id is None and response_id is None:
        return f"{plain}: names no request: neither {_REQUEST_IDS[0]} nor gen_ai.response.id nor a span"
    explanation = first_string(attributes, _EXPLANATION)
    return Evaluation(
        name=name,
        value=attributes.get(_VALUE),
        label=first_string(attributes, _LABEL),
        comment=storable(explanation[:MAX_COMMENT_LENGTH]) if explanation else None,
        author=_read_evaluator(attributes),
        scope_author=_author("judge", source.scope_name, source.scope_version),
        request_id=request_id,
        response_id=storable(response_id) if request_id is None and response_id else None,
        has_doubles_only=from_javascript or source.is_javascript,
    )


def own_key(trace_id: str, span_id: str) -> str | None:
    """The id of the request that a record's span is, if it belongs to one."""
    return span_key(trace_id, span_id) if trace_id and span_id else None


def _read_evaluator(attributes: Attributes) -> Author | None:
    """`evaluator` may be an author as the API has it, `judge:relevance@2`; else type and version stand beside
    the name."""
    said = first(attributes, _EVALUATOR, f"{_EVALUATOR}.name", f"{_EVALUATOR}.id")
    if not isinstance(said, str):
        return None
    if isinstance(author := read_author(said), Author):
        return author
    type_ = str(attributes.get(f"{_EVALUATOR}.type") or "").lower()
    kind = _KINDS.get(type_, type_)
    version = attributes.get(f"{_EVALUATOR}.version")
    return _author(kind, said, str(version) if isinstance(version, str | int) else "")


def _author(kind: str, name: str, version: str) -> Author | None:
    """None for a name that no author can have. Humans have no version."""
    known: AuthorKind = next((each for each in KINDS if each == kind), "judge")
    if find_name_error(name):
        return None
    return Author(known, name, "" if known == "human" or find_name_error(version) else version)


def make_score(evaluation: Evaluation, definition: ScoreDefinition | None) -> Score | str:
    """The score that an evaluation is by the definition of its name, or an error message."""
    _, is_boolean = read_name(evaluation.name)
    value = evaluation.value
    if value is None:
        return _of_label(evaluation.label, definition)
    if definition is not None and definition.type == "boolean":
        is_boolean = True
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and is_boolean and value in (0, 1):
        return Score(int(value), True)
    if is_boolean or not is_number or (isinstance(value, int) and not evaluation.has_doubles_only):
        return read_value(value, is_boolean)
    return _of_double(value, definition)


def _of_double(value: float, definition: ScoreDefinition | None) -> Score | str:
    """A double by the definition's scale; a category's is one of its values; others go from 0 to 1."""
    scale = None if definition is None else definition.scale
    if definition is not None and definition.type == "category" and scale is None:
        scale = 1 if float(value).is_integer() else None
        if scale is None:
            return f"expected one of the definition's values, got {described(value)}"
    if scale is None and 0 <= value <= 1:
        scale = _DEFAULT_SCALE
    if scale is None:
        return (
            f"expected a number from 0 to 1, got {described(value)}: send an integer, or define the score's "
            "scale, by which doubles are multiplied"
        )
    whole = scaled(read_decimal(repr(value)), scale)
    if whole is None:
        return f"expected at most ±2^53 after multiplying by {scale}, got {described(value)}"
    return Score(whole, False)


def _of_label(label: str | None, definition: ScoreDefinition | None) -> Score | str:
    if label is None:
        return "has neither a value nor a label"
    labels = {} if definition is None else definition.labels
    for compared in (str, str.casefold):
        for value, known in labels.items():
            if compared(known) == compared(label):
                return Score(value, definition is not None and definition.type == "boolean")
    return f"has no value, and its label {described(label)} is none of the definition's"
