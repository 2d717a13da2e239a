"""Groups come, go and are chosen; alerts follow what changed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from heliscore.domain.filter_tree import Column
from heliscore.domain.monitors.monitor_definition import MAX_GROUPS, Definition, Rule
from heliscore.domain.monitors.monitor_judgement import Measured
from heliscore.domain.monitors.monitor_periods import Period, Reading, Stand, evaluate, find_alerts

from tests.unit.monitors.definitions import HOUR, NOON, define

BY_MODEL = define(group_by=Column("model"))
DAY = timedelta(days=1)


def read(groups: Mapping[str | None, tuple[float, int]], total: int | None = None) -> Reading:
    measured = [Measured(group=group, value=value, count=count) for group, (value, count) in groups.items()]
    return Reading(measured, (), len(measured) if total is None else total)


def run(definition: Definition, *readings: Reading, step: timedelta = HOUR) -> list[Period]:
    periods: list[Period] = []
    for number, reading in enumerate(readings):
        stand = periods[-1].stand if periods else Stand()
        periods.append(evaluate(definition, "up", stand, reading, NOON + number * step))
    return periods


def states(period: Period) -> dict[str | None, str]:
    return {state.group: state.state for state in period.stand.states}


def test_each_group_has_its_state() -> None:
    periods = run(
        BY_MODEL,
        read({"a": (80, 5), "b": (60, 4), None: (90, 3)}),
        read({"a": (60, 5), None: (90, 3)}),
        read({"a": (60, 5), "b": (80, 4)}),
    )
    assert [states(period) for period in periods] == [
        {"a": "ok", "b": "firing", None: "ok"},
        {"b": "no_data", "a": "firing", None: "ok"},
        {"a": "firing", "b": "ok", None: "no_data"},
    ]
    assert [(one.group, one.previous_state, one.state, one.value) for one in periods[1].changes] == [
        ("b", "firing", "no_data", None),
        ("a", "ok", "firing", 60),
    ]


def test_without_groups_silence_is_no_data() -> None:
    [period] = run(define(), Reading([]))
    assert states(period) == {None: "no_data"}
    assert [change.reason for change in period.changes] == [
        "relevance average has too little data: 0 scores, 11:00 to 12:00 UTC"
    ]


def test_largest_groups_are_watched_and_those_that_fire() -> None:
    many: dict[str | None, tuple[float, int]] = {
        f"g{number:03}": (80.0, 1000 - number) for number in range(MAX_GROUPS + 20)
    }
    first, second = run(
        BY_MODEL,
        read({"small": (60, 1), "good": (90, 1)}),
        read({**many, "small": (61, 1), "good": (90, 1)}),
    )
    assert states(first) == {"small": "firing", "good": "ok"}
    chosen = states(second)
    assert len(chosen) == MAX_GROUPS
    assert chosen["small"] == "firing"
    assert "good" not in chosen
    assert f"g{MAX_GROUPS - 2:03}" in chosen
    assert second.stand.groups_left_out == 22


def test_group_without_data_is_forgotten_after_a_week() -> None:
    definition = define(group_by=Column("model"), rule=Rule(no_data="keep"))
    periods = run(definition, read({"a": (60, 5)}), *[read({})] * 9, step=DAY)
    assert [states(period) for period in periods] == [
        *[{"a": "firing"}] * 8,
        {"a": "ok"},
        {},
    ]
    stand, alerts = find_alerts(definition, periods[7].stand, periods[8])
    assert [(one.type, one.sentence) for one in alerts] == [
        ("alert.resolved", "relevance average had no data with model a for 7 days")
    ]
    assert [state.notified_at for state in stand.states] == [None]


def test_alerts_are_of_how_things_stand_after_catching_up() -> None:
    definition = define(renotify=3 * HOUR)
    low, high = Reading([Measured(value=60, count=9)]), Reading([Measured(value=80, count=9)])
    stand, number = Stand(), 0
    told = []
    for readings in ([high], [low], [high, low], [low], [low, low], [high]):
        before = stand
        for reading in readings:
            period = evaluate(definition, "up", stand, reading, NOON + number * HOUR)
            stand, number = period.stand, number + 1
        stand, alerts = find_alerts(definition, before, period)
        told.append([(one.type, one.previous_state, one.state.since) for one in alerts])
    # Between the second and the third look it was well for one period, which nobody hears of.
    assert told == [
        [],
        [("alert.firing", "ok", NOON + HOUR)],
        [],
        [("alert.firing", "firing", NOON + 3 * HOUR)],
        [],
        [("alert.resolved", "firing", NOON + 7 * HOUR)],
    ]
