"""Makes monitors' definitions of JSON, and JSON of definitions: for clients and the database."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from functools import lru_cache
from typing import Any, Final

import msgspec

from heliscore.api.http.body_fields import Body, Values
from heliscore.api.http.json_codec import decode
from heliscore.api.native.monitor_fields import (
    ABOVE,
    AT_LEAST_SCORES,
    BELOW,
    BODY,
    CONDITION,
    CONFIDENCE_FIELD,
    DELAY,
    DESTINATIONS,
    EVERY,
    FILTER,
    FOR_PERIODS,
    GROUP_BY,
    MARGIN,
    NAME_FIELD,
    NO_DATA,
    PAUSED,
    RECOVER_AT,
    RECOVER_FOR_PERIODS,
    RENOTIFY,
    SCORE,
    STATISTIC,
    UNKNOWN_DESTINATION,
    WINDOW,
    WORSE_THAN,
)
from heliscore.api.shared.score_maps import plain_name
from heliscore.domain.errors import FieldError, InvalidInput
from heliscore.domain.filter_tree import Column, Property
from heliscore.domain.monitors.monitor_definition import Bound, Definition, Rule, WorseThan

_REMEMBERED: Final = 2_000
"""Decoded definitions: those of monitors that are evaluated each minute."""

_MAX_BYTES: Final = 16 * 1024
"""Of a definition as JSON: all of an organization's are read at once."""


def read_definition(body: Body, sent: bytes) -> tuple[Definition, Values]:
    """Decode a body of a monitor. Raises InvalidInput with every error."""
    values = body.decode(sent)
    definition = _make_definition(values)
    if len(encode_definition(definition)) > _MAX_BYTES:
        raise InvalidInput([FieldError("", f"a monitor has at most {_MAX_BYTES} bytes of JSON")])
    return definition, values


@lru_cache(_REMEMBERED)
def decode_definition(stored: bytes) -> Definition:
    """Decode what encode_definition has made. Raises InvalidInput if it is no longer understood."""
    return _make_definition(BODY.read(decode(stored)))


def _make_definition(values: Values) -> Definition:
    sent, score = values[FILTER], values[SCORE]
    renotify, destinations = values[RENOTIFY], values[DESTINATIONS]
    return Definition(
        name=values[NAME_FIELD],
        score=None if score is None else plain_name(score),
        statistic=values[STATISTIC],
        filter=sent.raw,
        tree=sent.tree,
        group_by=values[GROUP_BY],
        window=timedelta(minutes=values[WINDOW]),
        every=timedelta(minutes=values[EVERY]),
        delay=timedelta(minutes=values[DELAY]),
        condition=_make_condition(values[CONDITION]),
        at_least_scores=values[AT_LEAST_SCORES],
        rule=Rule(
            for_periods=values[FOR_PERIODS],
            recover_for_periods=values[RECOVER_FOR_PERIODS],
            no_data=values[NO_DATA],
        ),
        recover_at=values[RECOVER_AT],
        renotify=None if renotify is None else timedelta(minutes=renotify),
        destinations=None if destinations is None else tuple(dict.fromkeys(destinations)),
        is_paused=values[PAUSED],
    )


def _make_condition(values: Values) -> Bound | WorseThan:
    base, below, above = values[WORSE_THAN], values[BELOW], values[ABOVE]
    if base is not None:
        return WorseThan(
            "previous" if base == "previous" else "week", values[MARGIN], values[CONFIDENCE_FIELD]
        )
    return Bound(is_below=below is not None, limit=below if below is not None else above or 0)


def show_definition(definition: Definition) -> dict[str, Any]:
    """A definition as the API takes it, with every key."""
    rule, renotify, destinations = definition.rule, definition.renotify, definition.destinations
    return {
        "name": definition.name,
        "score": definition.score,
        "statistic": definition.statistic,
        "filter": definition.filter,
        "groupBy": _show_group_by(definition.group_by),
        "windowMinutes": _minutes(definition.window),
        "everyMinutes": _minutes(definition.every),
        "delayMinutes": _minutes(definition.delay),
        "condition": _show_condition(definition.condition),
        "atLeastScores": definition.at_least_scores,
        "noData": rule.no_data,
        "forPeriods": rule.for_periods,
        "recoverAt": definition.recover_at,
        "recoverForPeriods": rule.recover_for_periods,
        "renotifyMinutes": None if renotify is None else _minutes(renotify),
        "destinations": None if destinations is None else list(destinations),
        "paused": definition.is_paused,
    }


def encode_definition(definition: Definition) -> bytes:
    """A definition as JSON, as it is stored."""
    return msgspec.json.encode(show_definition(definition))


def _minutes(time: timedelta) -> int:
    return time // timedelta(minutes=1)


def _show_group_by(group_by: Column | Property | None) -> object:
    match group_by:
        case Column(name):
            return name
        case Property(key):
            return {"property": key}
        case None:
            return None


def _show_condition(condition: Bound | WorseThan) -> dict[str, Any]:
    match condition:
        case Bound(is_below, limit):
            return {"below" if is_below else "above": limit}
        case WorseThan(base, margin, confidence):
            return {"worseThan": base, "margin": margin, "confidence": confidence}


def reject_unknown(definition: Definition, known: Iterable[str]) -> None:
    """Raise InvalidInput for destinations that are not known."""
    there = set(known)
    errors = [
        FieldError(f"{DESTINATIONS.key}[{place}]", UNKNOWN_DESTINATION)
        for place, id_ in enumerate(definition.destinations or ())
        if id_ not in there
    ]
    if errors:
        raise InvalidInput(errors)
