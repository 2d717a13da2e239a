from __future__ import annotations

from datetime import datetime, timedelta

from heliscore.domain.author import Author, Origin
from heliscore.domain.score import Score
from heliscore.domain.score_changes import Change, find_taken_back
from heliscore.domain.times import EPOCH

JUDGE = Author("judge", "j")
HUMAN = Author("human", "ann")


def at(minute: int) -> datetime:
    return EPOCH + timedelta(minutes=minute)


def change(minute: int, author: Author, value: int, call: str = "score", taken: int | None = None) -> Change:
    taken_back_at = None if taken is None else at(taken)
    return Change(at(minute), Score(value, False), Origin(author, call), None, taken_back_at)


def test_value_came_back_from_the_newest_equal_change_that_stood_then() -> None:
    first, human, second = change(1, JUDGE, 5), change(2, HUMAN, 6), change(3, JUDGE, 5, taken=4)
    copy = change(4, JUDGE, 5, "revert")
    changes = [first, human, second, copy]

    def taken(since: int, until: int) -> list[Change]:
        return find_taken_back(changes, lambda one: one.author == JUDGE and at(since) <= one.at <= at(until))

    assert taken(1, 1) == [first, copy]
    assert taken(3, 9) == []
    assert taken(4, 9) == []


def test_value_that_was_restored_after_all_its_changes_were_taken_back_stays() -> None:
    changes = [change(1, JUDGE, 5, taken=2), change(3, JUDGE, 5, "restore")]
    assert find_taken_back(changes, lambda _: True) == []


def test_restored_value_without_its_change_counts_by_its_own_time() -> None:
    restored, reverted = change(3, JUDGE, 5, "restore"), change(4, JUDGE, 6, "revert")
    assert find_taken_back([restored, reverted], lambda _: True) == [restored]
