"""The states of a group, beside a model that looks at the whole series for each period."""

from __future__ import annotations

from datetime import timedelta

import pytest
from heliscore.domain.monitors.monitor_definition import Rule
from heliscore.domain.monitors.monitor_states import GroupState, Outcome, State, advance, find_alert
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.monitors.definitions import MINUTE, NOON

OUTCOMES: list[Outcome] = ["bad", "between", "recovered", "no_data"]

rules = st.builds(
    Rule,
    for_periods=st.integers(1, 4),
    recover_for_periods=st.integers(1, 4),
    no_data=st.sampled_from(["ok", "keep", "no_data", "firing"]),
)


def modelled(rule: Rule, outcomes: list[Outcome]) -> State:
    """The state after a series: what its last part says, searched backwards."""
    if rule.no_data == "keep":
        outcomes = [one for one in outcomes if one != "no_data"]
    if rule.no_data in ("ok", "firing"):
        meaning: Outcome = "recovered" if rule.no_data == "ok" else "bad"
        outcomes = [meaning if one == "no_data" else one for one in outcomes]
    if not outcomes:
        return "ok"
    if outcomes[-1] == "no_data":
        return "no_data"
    gap = max((place for place, one in enumerate(outcomes) if one == "no_data"), default=-1)
    fired = last_run(outcomes[gap + 1 :], "bad", rule.for_periods)
    if fired is None:
        return "ok"
    rest = outcomes[gap + 1 :][fired + 1 :]
    return "firing" if last_run(rest, "recovered", rule.recover_for_periods) is None else "ok"


def last_run(outcomes: list[Outcome], wanted: Outcome, length: int) -> int | None:
    """The place at which the last run ends that is so long."""
    ends = range(len(outcomes), length - 1, -1)
    return next((end - 1 for end in ends if set(outcomes[end - length : end]) == {wanted}), None)


@settings(max_examples=500)
@given(rule=rules, outcomes=st.lists(st.sampled_from(OUTCOMES), max_size=25))
def test_state_is_what_the_whole_series_says(rule: Rule, outcomes: list[Outcome]) -> None:
    state = GroupState(since=NOON, at=NOON)
    states: list[State] = ["ok"]
    since = NOON
    for number, outcome in enumerate(outcomes, 1):
        at = NOON + number * MINUTE
        state = advance(state, outcome, at, rule)
        states.append(state.state)
        if states[-1] != states[-2]:
            since = at
        assert (state.state, state.since) == (modelled(rule, outcomes[:number]), since)


@pytest.mark.parametrize(
    ("before", "now", "notified", "renotify", "alert"),
    [
        ("ok", "firing", None, None, "alert.firing"),
        ("no_data", "firing", None, None, "alert.firing"),
        ("firing", "ok", 60, None, "alert.resolved"),
        ("firing", "no_data", 60, None, "alert.resolved"),
        ("firing", "firing", 60, None, None),
        ("firing", "firing", 59, 60, None),
        ("firing", "firing", 60, 60, "alert.firing"),
        ("ok", "ok", None, 60, None),
        ("ok", "no_data", None, 60, None),
    ],
)
def test_alert_is_of_how_things_stand(
    before: State, now: State, notified: int | None, renotify: int | None, alert: str | None
) -> None:
    state = GroupState(
        state=now,
        since=NOON,
        at=NOON,
        notified_at=None if notified is None else NOON - timedelta(minutes=notified),
    )
    again = None if renotify is None else timedelta(minutes=renotify)
    assert find_alert(before, state, again) == alert
