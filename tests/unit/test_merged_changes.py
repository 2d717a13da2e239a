"""Merging changes by time: in any order, in any parts, the same comes out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from heliscore.domain.author import Author, Origin
from heliscore.domain.merged_changes import Arrival, merge_changes
from heliscore.domain.score import Score
from heliscore.domain.score_changes import RESTORE, Change
from hypothesis import given, settings
from hypothesis import strategies as st

ANN = Author("human", "ann")
JUDGE = Author("judge", "j")
CODE = Author("code", "c")


def change(second: int, value: int | None, author: Author | None = JUDGE, call: str = "score") -> Change:
    at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=second)
    score = None if value is None else Score(value, False)
    return Change(at, score, None if author is None else Origin(author, call))


def merge(
    present: Change | None, past: list[Change], arrived: list[Change], *, human_stays: bool = False
) -> tuple[Change | None, list[Change]]:
    """What is stored then: the score and its past, by time."""
    merged = merge_changes(present, past, map(Arrival, arrived), human_stays=human_stays)
    assert merged.conflicts == []
    past = [*past, *merged.past]
    if merged.is_removed or merged.present is not None:
        past += [present] if present is not None else []
        present = merged.present
    return present, sorted(past, key=lambda one: one.at)


CHANGES = st.lists(
    st.builds(change, st.integers(0, 20), st.none() | st.integers(0, 3), st.sampled_from([ANN, JUDGE, CODE])),
    unique_by=lambda one: one.at,
    max_size=6,
)


@settings(max_examples=50)
@given(CHANGES, st.data())
def test_parts_in_any_order_come_to_the_same(changes: list[Change], data: st.DataObject) -> None:
    together = merge(None, [], changes)
    shuffled = data.draw(st.permutations(changes))
    middle = data.draw(st.integers(0, len(changes)))
    first = merge(None, [], shuffled[:middle])
    assert merge(*first, shuffled[middle:]) == together
    assert merge(*together, shuffled) == together
    newest = max(changes, key=lambda one: one.at, default=None)
    assert together[0] == (None if newest is None or newest.score is None else newest)


@pytest.mark.parametrize(
    ("arrived", "expected"),
    [
        (change(2, 20), (change(1, 80, ANN), [(20, True)])),
        (change(2, None), (change(1, 80, ANN), [(None, True)])),
        (change(2, 20, None), (change(1, 80, ANN), [(20, True)])),
        (change(2, 20, ANN), (change(2, 20, ANN), [(80, False)])),
        (change(2, 20, JUDGE, RESTORE), (change(2, 20, JUDGE, RESTORE), [(80, False)])),
        (change(0, 20), (change(1, 80, ANN), [(20, False)])),
    ],
)
def test_a_humans_value_stays(
    arrived: Change, expected: tuple[Change, list[tuple[int | None, bool]]]
) -> None:
    present, past = merge(change(1, 80, ANN), [], [arrived], human_stays=True)
    shown = [(None if one.score is None else one.score.value, one.is_aside) for one in past]
    assert (present, shown) == expected


def test_a_time_that_is_only_the_latest_adds_nothing_where_the_score_was_that_value() -> None:
    stored = change(5, 9, ANN), [change(1, 7)]
    for second, value, taken in ((3, 7, False), (3, 8, True), (6, 9, False), (6, 7, True), (0, 7, True)):
        arrival = Arrival(change(second, value, CODE), has_time=False)
        merged = merge_changes(*stored, [arrival], human_stays=False)
        assert (bool(merged.past or merged.present), bool(merged.taken)) == (taken, taken)
