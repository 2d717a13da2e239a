"""Reads the scores that a gate is decided by, all statements in one snapshot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from heliscore.api.http.request_state import Services
from heliscore.api.native.chosen_requests import match_value
from heliscore.api.native.gate_fields import GROUP_BY, GateCall
from heliscore.domain.errors import FieldError, InvalidInput
from heliscore.domain.filter_tree import AllOf, AnyOf, Cases, Everything, Exists, Filter, GroupBy, Not
from heliscore.domain.gate.checks import Case, Check, Evidence, Statistic
from heliscore.domain.statistics.arms import measure_of
from heliscore.domain.statistics.compared import Arm, Measure, Pairs
from heliscore.store import score_groups
from heliscore.store.connections.pool import Connection
from heliscore.store.score_groups import Group, PairedGroup, UnitGroup
from heliscore.store.score_scan import ScoreSelection
from heliscore.store.scores import ScoreNames

_MAX_GROUPS: Final = 100
_MAX_RESULTS: Final = 1000
_MAX_COUNTS: Final = 1_000_000
"""Different pairs of values of all scores and groups together, of which each is counted."""

_ALL: Final = Cases((Everything(),))
_BASE, _CANDIDATE = "0", "1"

_Key = tuple[str | None, str]
"""A group and the name of a score."""


class _Side(msgspec.Struct, frozen=True):
    """The scores of the candidate or the base."""

    groups: Mapping[_Key, Group] = {}
    units: Mapping[_Key, UnitGroup] = {}


class _Found(msgspec.Struct, frozen=True, kw_only=True):
    known: frozenset[str]
    falling: frozenset[str]
    candidate: _Side
    base: _Side
    pairs: Mapping[_Key, PairedGroup]
    groups: Sequence[str | None]


async def read_cases(services: Services, call: GateCall) -> list[Case]:
    """Read what each check is decided by, in each group. Raises InvalidInput for too many groups."""
    definitions = await services.definitions.find(call.selection.organization_id)
    async with (
        services.database.connection() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        found = await _read(connection, services.ids.names, call, definitions.falling)
    checks = [(check, group) for check in call.checks for group in ([None] if check.skip else found.groups)]
    measures = {check.score: _find_measure(found, check.score) for check in call.checks}
    return [
        Case(check, group, _make_evidence(call, found, check, group, measures[check.score]))
        for check, group in checks
    ]


async def _read(connection: Connection, names: ScoreNames, call: GateCall, falling: frozenset[str]) -> _Found:
    scores = tuple(dict.fromkeys(check.score for check in call.checks if not check.skip))
    known = await names.find(connection, call.selection.organization_id, scores)
    candidate = await _read_side(connection, names, call, scores, call.candidate)
    base = _Side()
    pairs: dict[_Key, PairedGroup] = {}
    if call.base is not None:
        base = await _read_side(connection, names, call, scores, _without_candidate(call, call.base))
    groups = _list_groups(call, candidate, base)
    if call.base is not None and call.pair_by is not None:
        max_counts = min(score_groups.MAX_COUNTS, _MAX_COUNTS // (len(groups) * len(scores)))
        for group in groups:
            pairs |= await _read_pairs(connection, names, call, scores, group, max_counts)
    return _Found(
        known=frozenset(known),
        falling=falling,
        candidate=candidate,
        base=base,
        pairs=pairs,
        groups=groups,
    )


def _without_candidate(call: GateCall, base: Filter) -> Filter:
    return AllOf((base, Not(call.candidate)))


def _narrow(selection: ScoreSelection, *parts: Filter) -> ScoreSelection:
    return msgspec.structs.replace(selection, tree=AllOf((selection.tree, *parts)))


async def _read_side(
    connection: Connection, names: ScoreNames, call: GateCall, scores: Sequence[str], requests: Filter
) -> _Side:
    selection = _narrow(call.selection, requests)
    group_by: GroupBy = call.group_by or _ALL
    units: list[UnitGroup] = []
    if call.unit is not None:
        units = await score_groups.compare_units(connection, names, selection, scores, group_by, call.unit)
        selection = _narrow(selection, Exists(call.unit))
    groups = await score_groups.compare(connection, names, selection, scores, group_by)
    return _Side(
        {(_group_of(call, one.value), one.name): one for one in groups},
        {(_group_of(call, one.value), one.name): one for one in units},
    )


def _group_of(call: GateCall, value: str | None) -> str | None:
    return None if call.group_by is None else value


def _list_groups(call: GateCall, candidate: _Side, base: _Side) -> list[str | None]:
    """The groups by value, the requests without one last; where there is none, one without scores."""
    found = {group for side in (candidate, base) for group, _ in (*side.groups, *side.units)}
    if len(found) > _MAX_GROUPS:
        message = f"at most {_MAX_GROUPS} groups, found {len(found)}; narrow the filter"
        raise InvalidInput([FieldError(GROUP_BY.key, message)])
    if len(found) * len(call.checks) > _MAX_RESULTS:
        message = f"at most {_MAX_RESULTS} results, found {len(found)} groups for {len(call.checks)} checks"
        raise InvalidInput([FieldError(GROUP_BY.key, message)])
    return sorted(found, key=lambda group: (group is None, group or "")) or [None]


async def _read_pairs(
    connection: Connection,
    names: ScoreNames,
    call: GateCall,
    scores: Sequence[str],
    group: str | None,
    max_counts: int,
) -> dict[_Key, PairedGroup]:
    """Read the items of one group."""
    if call.base is None or call.pair_by is None:
        return {}
    selection = _narrow(call.selection, AnyOf((call.base, call.candidate)))
    if call.group_by is not None:
        selection = _narrow(selection, match_value(call.group_by, group))
    pairs = await score_groups.compare_pairs(
        connection,
        names,
        selection,
        scores,
        Cases((_without_candidate(call, call.base), call.candidate)),
        call.pair_by,
        base=_BASE,
        other=_CANDIDATE,
        max_counts=max_counts,
        since=selection.end,
    )
    return {(group, one.name): one for one in pairs}


def _find_measure(found: _Found, score: str) -> Measure:
    """A share where all values of all groups are 0 or 1."""
    sides = (found.candidate, found.base)
    return measure_of(
        group.sample for side in sides for (_, name), group in side.groups.items() if name == score
    )


def _make_evidence(
    call: GateCall, found: _Found, check: Check, group: str | None, measure: Measure
) -> Evidence:
    key = group, check.score
    paired = found.pairs.get(key, _NO_PAIRS)
    left_out = paired.left_out if check.is_relative else 0
    for side in (found.candidate, found.base) if check.is_relative else (found.candidate,):
        left_out += side.units[key].left_out if key in side.units else 0
    return Evidence(
        measure=measure,
        direction="down" if check.score in found.falling else "up",
        candidate=_make_arm(found.candidate, key),
        base=_make_arm(found.base, key),
        pairs=None if call.pair_by is None else paired.pairs,
        statistics=_statistics(found.candidate.groups.get(key)),
        left_out=left_out,
        is_known=check.score in found.known,
    )


_NO_PAIRS: Final = PairedGroup("", Pairs(items={}), False, 0, 0)


def _make_arm(side: _Side, key: _Key) -> Arm:
    group, units = side.groups.get(key), side.units.get(key)
    return Arm(
        sample=None if group is None else group.sample,
        units=None if units is None or group is None else units.sums,
    )


def _statistics(group: Group | None) -> dict[Statistic, float]:
    if group is None:
        return {}
    p50, p90, p99 = group.percentiles
    return {"p50": p50, "p90": p90, "p99": p99, "min": group.lowest, "max": group.highest}
