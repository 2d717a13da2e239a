"""Agreement as answers have it, with the filter that finds the requests of each cell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from heliscore.api.http.json_schema import (
    COUNT,
    NUMBER,
    STRING,
    Schema,
    closed_object,
    named,
    nullable,
    one_of,
    whole_object,
)
from heliscore.api.shared.agreements import MAX_CELL_IDS, Agreement, Pair
from heliscore.api.shared.comparison_answers import INTERVAL, show_interval
from heliscore.api.shared.filter_leaves import GIVEN_BACK, Leaf, both, of_ids, scored_between
from heliscore.domain.rater import Rater
from heliscore.domain.statistics.confusion import Cell
from heliscore.domain.statistics.jackknife import Coefficient
from heliscore.domain.statistics.reference_agreement import ReferenceAgreement
from heliscore.store.ratings import Pattern


class Within(msgspec.Struct, frozen=True):
    """The requests of the call: its filter, and as leaves its time and that they have a unit."""

    raw: Any
    leaves: tuple[Leaf, ...]


class CellFilters:
    """Makes the filters of two raters' cells: of their scores, or of the requests' ids where raters are
    authors, whose opinions no filter finds."""

    def __init__(self, within: Within, ids: Mapping[Pattern, list[str]] | None, a: int, b: int) -> None:
        self._within = within
        self._ids = ids
        self._places = a, b

    def of(self, raters: tuple[Rater, Rater], x: tuple[int, int], y: tuple[int, int]) -> Any:
        """The requests to which the first rater gave from x to x, and the second from y to y."""
        if self._ids is None:
            leaves = (
                scored_between(rater.name, *values) for rater, values in zip(raters, (x, y), strict=True)
            )
            return both(self._within.raw, *self._within.leaves, *leaves)
        a, b = self._places
        found = [
            id_
            for pattern, ids in self._ids.items()
            if _is_in(pattern[a], x) and _is_in(pattern[b], y)
            for id_ in ids
        ]
        return both("all", of_ids(found[:MAX_CELL_IDS]))


def _is_in(value: int | None, bounds: tuple[int, int]) -> bool:
    return value is not None and bounds[0] <= value <= bounds[1]


def _show_pair(pair: Pair, filters: CellFilters) -> dict[str, object]:
    """Two raters."""
    agreement, raters = pair.agreement, (pair.a, pair.b)
    return {
        "a": str(pair.a),
        "b": str(pair.b),
        "pairs": agreement.count,
        "only": {"a": pair.only_a, "b": pair.only_b},
        "coefficients": _show_coefficients(agreement.coefficients),
        "observed": agreement.observed,
        "expected": agreement.expected,
        "prevalence": [{"value": one.value, "a": one.first, "b": one.second} for one in agreement.prevalence],
        "confusion": [_show_cell(cell, raters, filters) for cell in agreement.confusion],
        "disagreements": [
            {
                "a": worst.a,
                "b": worst.b,
                "count": worst.count,
                "filter": filters.of(raters, (worst.a, worst.a), (worst.b, worst.b)),
            }
            for worst in pair.worst
        ],
        "againstReference": None if pair.reference is None else _show_reference(pair.reference),
        "warnings": agreement.warnings,
    }


def _show_cell(cell: Cell, raters: tuple[Rater, Rater], filters: CellFilters) -> dict[str, object]:
    x, y = (cell.x_from, cell.x_to), (cell.y_from, cell.y_to)
    return {"a": x, "b": y, "count": cell.count, "filter": filters.of(raters, x, y)}


def _show_coefficients(coefficients: Mapping[str, Coefficient]) -> dict[str, object]:
    return {name: _show_coefficient(one) for name, one in coefficients.items()}


def _show_coefficient(coefficient: Coefficient) -> dict[str, object]:
    return {
        "value": coefficient.value,
        "interval": show_interval(coefficient.interval),
        "reason": coefficient.reason,
    }


def _show_reference(found: ReferenceAgreement) -> dict[str, object]:
    outcomes = found.outcomes
    return {
        "truePositives": outcomes.true_positives,
        "falsePositives": outcomes.false_positives,
        "falseNegatives": outcomes.false_negatives,
        "trueNegatives": outcomes.true_negatives,
        "coefficients": _show_coefficients(found.coefficients),
        "calibration": [
            {
                "from": one.low,
                "to": one.high,
                "count": one.count,
                "mean": one.mean,
                "share": _show_coefficient(one.share),
            }
            for one in found.calibration
        ],
        "warnings": found.warnings,
    }


def show_agreement(found: Agreement, raters: tuple[Rater, ...], within: Within) -> dict[str, object]:
    """Two raters, or each pair of more raters and all together."""
    places = {rater: place for place, rater in enumerate(raters)}
    pairs = [
        _show_pair(pair, CellFilters(within, found.ids, places[pair.a], places[pair.b]))
        for pair in found.pairs
    ]
    about = {
        "raters": [str(rater) for rater in raters],
        "level": found.level,
        "leftOut": found.left_out,
        "unknownScores": found.unknown_scores,
    }
    if found.together is None:
        return about | pairs[0]
    return {
        **about,
        "requests": found.together.count,
        "complete": found.together.complete,
        "coefficients": _show_coefficients(found.together.coefficients),
        "warnings": found.together.warnings,
        "pairwise": pairs,
    }


_WARNINGS: Final[Schema] = {"type": "array", "items": STRING}
_COEFFICIENT: Final = {
    "value": nullable(NUMBER),
    "interval": nullable(INTERVAL),
    "reason": nullable(STRING),
}
_ONE_COEFFICIENT: Final = whole_object("Coefficient", _COEFFICIENT)
_COEFFICIENTS: Final[Schema] = {"type": "object", "additionalProperties": _ONE_COEFFICIENT}


def _closed(name: str, properties: dict[str, Schema]) -> Schema:
    return named(name, closed_object(properties, required=tuple(properties)))


def _list_of(name: str, **properties: Schema) -> Schema:
    return {"type": "array", "items": _closed(name, properties)}


_INTEGER: Final[Schema] = {"type": "integer"}
_BOUNDS: Final[Schema] = {"type": "array", "items": _INTEGER, "minItems": 2, "maxItems": 2}
_CALIBRATION: Final[dict[str, Schema]] = {
    "from": _INTEGER,
    "to": _INTEGER,
    "count": COUNT,
    "mean": NUMBER,
    "share": _ONE_COEFFICIENT,
}
_OUTCOMES: Final = ("truePositives", "falsePositives", "falseNegatives", "trueNegatives")
_REFERENCE: Final = _closed(
    "ReferenceAgreement",
    {
        **dict.fromkeys(_OUTCOMES, COUNT),
        "coefficients": _COEFFICIENTS,
        "calibration": _list_of("CalibrationBin", **_CALIBRATION),
        "warnings": _WARNINGS,
    },
)
_PAIR: Final[dict[str, Schema]] = {
    "a": STRING,
    "b": STRING,
    "pairs": COUNT,
    "only": _closed("RatedByOne", {"a": COUNT, "b": COUNT}),
    "coefficients": _COEFFICIENTS,
    "observed": nullable(NUMBER),
    "expected": nullable(NUMBER),
    "prevalence": _list_of("Prevalence", value=_INTEGER, a=NUMBER, b=NUMBER),
    "confusion": _list_of("ConfusionCell", a=_BOUNDS, b=_BOUNDS, count=COUNT, filter=GIVEN_BACK),
    "disagreements": _list_of("Disagreement", a=_INTEGER, b=_INTEGER, count=COUNT, filter=GIVEN_BACK),
    "againstReference": nullable(_REFERENCE),
    "warnings": _WARNINGS,
}
_ABOUT: Final[dict[str, Schema]] = {
    "raters": {"type": "array", "items": STRING},
    "level": one_of(("nominal", "ordinal", "interval")),
    "leftOut": COUNT,
    "unknownScores": {"type": "array", "items": STRING},
}
AGREEMENT: Final[Schema] = {
    "anyOf": [
        _closed("AgreementOfTwo", {**_ABOUT, **_PAIR}),
        _closed(
            "AgreementOfMany",
            {
                **_ABOUT,
                "requests": COUNT,
                "complete": COUNT,
                "coefficients": _COEFFICIENTS,
                "warnings": _WARNINGS,
                "pairwise": _list_of("RaterPair", **_PAIR),
            },
        ),
    ]
}
