"""`POST /v1/evals/agreement`: how well raters agree, judges with people or people with each other."""

from __future__ import annotations

import asyncio
from typing import Final, Literal, get_args

from starlette.responses import Response

from heliscore.api.http.body_fields import Values, ValueType, make_body, object_of, optional, required
from heliscore.api.http.endpoints import ApiCall
from heliscore.api.http.field_errors import FieldErrors
from heliscore.api.http.value_types import CONFIDENCE, NAME, choice, integer, list_of
from heliscore.api.native.agreement_answers import AGREEMENT, Within, show_agreement
from heliscore.api.shared import envelope
from heliscore.api.shared.agreements import Study, measure
from heliscore.api.shared.filter_leaves import SENT_FILTER, between, count_repetitions, has
from heliscore.api.shared.group_fields import UNIT
from heliscore.api.shared.score_maps import SCORE_NAME, plain_name
from heliscore.api.shared.score_selection import TIME_RANGE, make_selection, read_times
from heliscore.domain.author import KINDS
from heliscore.domain.errors import FieldError, InvalidInput
from heliscore.domain.rater import Rater
from heliscore.domain.score import MAX_VALUE, MIN_VALUE
from heliscore.domain.statistics.pair_tables import Level

_MAX_RATERS: Final = 10

_KIND: Final = optional("kind", choice(KINDS, name="AuthorKind"))
_AUTHOR_NAME: Final = optional("name", NAME)
_VERSION: Final = optional("version", NAME)


def _check_author(values: Values) -> None:
    parts = (_KIND, _AUTHOR_NAME, _VERSION)
    if all(values.has(part) and values.find(part) is None for part in parts):
        values.errors.add(values.path, "expected a kind, a name or a version")


_AUTHOR: Final = object_of(_KIND, _AUTHOR_NAME, _VERSION, name="RaterAuthor", check=_check_author)
_SCORE: Final = required("name", SCORE_NAME)
_AUTHOR_FIELD: Final = optional(
    "author", _AUTHOR, description="Whose newest opinion counts, of several authors the newest."
)
_BY_AUTHOR: Final = object_of(_SCORE, _AUTHOR_FIELD, name="RaterByAuthor")


def _read_rater(raw: object, path: str, errors: FieldErrors) -> Rater:
    if isinstance(raw, str):
        return Rater(plain_name(SCORE_NAME.read(raw, path, errors)))
    if not isinstance(raw, dict):
        errors.add_unexpected(path, 'a name or {"name": …, "author": …}', raw)
        return Rater("")
    before = errors.count
    values = _BY_AUTHOR.read(raw, path, errors)
    if errors.count > before:
        return Rater("")
    name, author = plain_name(values[_SCORE]), values[_AUTHOR_FIELD]
    if author is None:
        return Rater(name)
    return Rater(name, author[_KIND], author[_AUTHOR_NAME], author[_VERSION])


_RATER: Final = ValueType[Rater]({"anyOf": [NAME.schema, _BY_AUTHOR.schema]}, _read_rater)
_LISTED: Final = list_of(_RATER, of="raters", maximum=_MAX_RATERS)


def _read_raters(raw: object, path: str, errors: FieldErrors) -> tuple[Rater, ...]:
    before = errors.count
    raters = tuple(_LISTED.read(raw, path, errors))
    if errors.count == before and len(raters) < 2:
        errors.add(path, "expected two raters or more")
    if errors.count == before and len(set(raters)) < len(raters):
        errors.add(path, "the raters must differ")
    return raters


_RATERS: Final = required(
    "raters",
    ValueType[tuple[Rater, ...]](_LISTED.schema | {"minItems": 2}, _read_raters),
    description="Score names, or authors of the opinions on one.",
)
_REFERENCE: Final = optional(
    "reference", _RATER, description="One of the raters, that the others are measured by as if it were right."
)
_TIMES: Final = optional("timeFilter", TIME_RANGE)
_LEVELS: Final[tuple[Level | Literal["auto"], ...]] = ("auto", *get_args(Level))
_LEVEL: Final = optional(
    "level",
    choice(_LEVELS, name="ChosenLevel"),
    default="auto",
    description="`auto`: nominal of values that are all 0 or 1, else ordinal.",
)
_THRESHOLD: Final = optional(
    "threshold", integer(MIN_VALUE, MAX_VALUE), description="The least value that passes."
)
_TOLERANCE: Final = optional(
    "tolerance", integer(0, MAX_VALUE), default=0, description="The greatest difference that still agrees."
)
_CONFIDENCE: Final = optional("confidence", CONFIDENCE, default=0.95)
_UNIT: Final = optional(
    "unit", UNIT, description="What counts as one case, where requests of one user or session are alike."
)


def _check(values: Values) -> None:
    reference, raters = values.find(_REFERENCE), values.find(_RATERS)
    if reference is not None and raters is not None and reference not in raters:
        values.reject(_REFERENCE, "is not among the raters")


_BODY: Final = make_body(
    SENT_FILTER,
    _TIMES,
    _RATERS,
    _REFERENCE,
    _LEVEL,
    _THRESHOLD,
    _TOLERANCE,
    _CONFIDENCE,
    _UNIT,
    check=_check,
    is_unique=True,
    example={"filter": "all", "raters": ["accuracy-human", "accuracy"], "reference": "accuracy-human"},
)


async def measure_agreement(call: ApiCall) -> Response:
    """Measure how well raters agree: score names, or authors of one.

    Of each pair of raters: the share of requests on which they agree, kappas, Krippendorff's alpha, rank
    correlations, mean differences, each with an interval or the reason why there is none; the table of their
    values, with the filter that finds the requests of a cell; and against a reference precision, recall and
    what each value of the judge is worth. Raters that are authors give their newest opinions, whether they
    are the score or not.
    """
    body = _BODY.decode(await call.body())
    sent, raters, reference = body[SENT_FILTER], body[_RATERS], body[_REFERENCE]
    organization_id = call.principal.organization_id
    study = Study(
        selection=make_selection(organization_id, sent.tree, body[_TIMES]),
        raters=raters,
        reference=None if reference is None else raters.index(reference),
        level=body[_LEVEL],
        threshold=body[_THRESHOLD],
        tolerance=body[_TOLERANCE],
        confidence=body[_CONFIDENCE],
        unit=body[_UNIT],
    )
    found = await measure(call.services, study)
    if found is None:
        message = "they gave too many different values together; compare two at a time"
        raise InvalidInput([FieldError("raters", message)])
    if found.cells > count_repetitions(sent):
        message = f"too long to be given back with each of {found.cells} cells; compare fewer raters"
        raise InvalidInput([FieldError(SENT_FILTER.key, message)])
    times = body[_TIMES]
    leaves = [] if times is None else [between(*read_times(times))]
    if study.unit is not None:
        leaves.append(has(study.unit))
    within = Within(sent.raw, tuple(leaves))
    # In a thread, as ten raters have 29,000 cells.
    return envelope.answer(await asyncio.to_thread(show_agreement, found, raters, within))


ENDPOINTS: Final = (
    envelope.endpoint(
        "POST",
        "/v1/evals/agreement",
        measure_agreement,
        "r",
        "Evaluation",
        body=_BODY,
        data=AGREEMENT,
    ),
)
