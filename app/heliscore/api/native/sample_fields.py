"""The fields that say how requests are sampled, and the sample that they ask for."""

from __future__ import annotations

import secrets
from typing import Any, Final, Literal

import msgspec

from heliscore.api.http.body_fields import Field, Values, ValueType, optional, required
from heliscore.api.http.field_errors import FieldErrors
from heliscore.api.http.value_types import NUMBER, choice, integer, list_of
from heliscore.api.shared.group_fields import GROUP_FIELD
from heliscore.api.shared.score_maps import SCORE_NAME, plain_name
from heliscore.api.shared.score_selection import FILTER_FIELD, TIME_RANGE, make_selection
from heliscore.domain.score import MAX_VALUE
from heliscore.store import samples as store
from heliscore.store.connections.pool import Connection
from heliscore.store.samples import Sample
from heliscore.store.scores import ScoreNames

MAX_SIZE: Final = 1000
_DEFAULT_SIZE: Final = 50
_MAX_JUDGES: Final = 10

_DRAWN_SEEDS: Final = 2**53
"""Seeds that are drawn are below this, so that a client whose numbers are doubles can send one back."""

By = Literal["random", "stratified", "threshold", "disagreement", "leverage"]
_KINDS: Final[tuple[By, ...]] = ("random", "stratified", "threshold", "disagreement", "leverage")


def _read_name(raw: object, path: str, errors: FieldErrors) -> str:
    return plain_name(SCORE_NAME.read(raw, path, errors))


def _read_judges(raw: object, path: str, errors: FieldErrors) -> list[str]:
    if isinstance(raw, list) and len(raw) <= _MAX_JUDGES:
        names = list(dict.fromkeys(plain_name(name) for name in _NAMES.read(raw, path, errors)))
        if len(names) >= 2:
            return names
    errors.add(path, f"expected a list of 2 to {_MAX_JUDGES} different names")
    return []


_NAMES: Final = list_of(SCORE_NAME)
TIMES: Final = optional("timeFilter", TIME_RANGE)
BY: Final = required("by", choice(_KINDS))
SEED: Final = optional(
    "seed",
    integer(0, MAX_VALUE),
    description="Of the random order; drawn, and returned, where it is missing.",
)
_ALLOCATIONS: Final[tuple[store.Allocation, ...]] = ("equal", "proportional")
_GROUP_BY: Final[Field[Any]] = GROUP_FIELD
_ALLOCATION: Final[Field[Any]] = optional(
    "allocation",
    choice(_ALLOCATIONS, name="Allocation"),
    description="Of `stratified`: as many of each group, or (the default) in proportion to their sizes.",
)
SCORE: Final[Field[Any]] = optional(
    "score", ValueType(SCORE_NAME.schema, _read_name), description="Of `threshold` and `leverage`."
)
THRESHOLD: Final[Field[Any]] = optional("threshold", NUMBER, description="Of `threshold`.")
_JUDGES: Final[Field[Any]] = optional(
    "scores",
    ValueType(_NAMES.schema | {"minItems": 2, "maxItems": _MAX_JUDGES}, _read_judges),
    description="Of `disagreement`.",
)

_NEEDED: Final[dict[By, tuple[Field[Any], ...]]] = {
    "random": (),
    "stratified": (_GROUP_BY,),
    "threshold": (SCORE, THRESHOLD),
    "disagreement": (_JUDGES,),
    "leverage": (SCORE,),
}
_ALLOWED: Final[dict[By, tuple[Field[Any], ...]]] = {"stratified": (_ALLOCATION,), "leverage": (_GROUP_BY,)}


def size_up_to(maximum: int) -> Field[int]:
    """How many requests are wanted."""
    return optional("size", integer(1, maximum), default=_DEFAULT_SIZE)


_KIND_FIELDS: Final[tuple[Field[Any], ...]] = (_GROUP_BY, _ALLOCATION, SCORE, THRESHOLD, _JUDGES)


def check_kind(values: Values) -> None:
    """Check that the fields are those of the kind of sample."""
    by = values.find(BY)
    if by is None:
        return
    needed = _NEEDED[by]
    for field in _KIND_FIELDS:
        if not values.has(field):
            continue
        if field in needed and values[field] is None:
            values.reject(field, f'missing; a sample by "{by}" needs it')
        elif values[field] is not None and field not in (*needed, *_ALLOWED.get(by, ())):
            values.reject(field, f'a sample by "{by}" does not take it')


def sample_fields(size: Field[int]) -> tuple[Field[Any], ...]:
    """The fields of a body that asks for a sample."""
    return (FILTER_FIELD, TIMES, BY, size, SEED, *_KIND_FIELDS)


class Drawn(msgspec.Struct, frozen=True):
    """A sample, and the seed of its order."""

    seed: int
    sample: Sample


async def draw(
    connection: Connection, names: ScoreNames, organization_id: int, asked: Values, size: Field[int]
) -> Drawn:
    """Draw the sample that the fields ask for."""
    selection = make_selection(organization_id, asked[FILTER_FIELD], asked[TIMES])
    seed = asked[SEED]
    if seed is None:
        seed = secrets.randbelow(_DRAWN_SEEDS)
    wanted = store.Draw(selection, seed, asked[size])
    return Drawn(seed, await _draw(connection, names, wanted, asked))


async def _draw(connection: Connection, names: ScoreNames, draw: store.Draw, body: Values) -> Sample:
    match body[BY]:
        case "random":
            return await store.sample_at_random(connection, names, draw)
        case "stratified":
            allocation: store.Allocation = body[_ALLOCATION] or "proportional"
            return await store.sample_strata(connection, names, draw, body[_GROUP_BY], allocation)
        case "threshold":
            return await store.sample_nearest(connection, names, draw, body[SCORE], body[THRESHOLD])
        case "disagreement":
            return await store.sample_disagreements(connection, names, draw, body[_JUDGES])
        case "leverage":
            return await store.sample_leverage(connection, names, draw, body[SCORE], body[_GROUP_BY])
