"""Random sequences of writes and reverts against a plain model: values, changes, and what is taken back."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator
from datetime import datetime

import asyncpg
import msgspec
from heliscore.domain.author import Author, Origin
from heliscore.domain.revert import Reverted, Wanted
from heliscore.domain.score import Score
from heliscore.domain.score_changes import Change
from heliscore.domain.times import exactly_now
from heliscore.settings import Settings
from heliscore.store import organizations
from heliscore.store.connections.pool import Connection, Database, open_database
from heliscore.store.score_history import find_changes
from heliscore.store.score_reverts import take_back
from heliscore.store.scores import ScoreIds, ScoreWrite, find_scores, record, remove_score
from hypothesis import given, settings
from hypothesis import strategies as st

AUTHORS = (Author("judge", "j", "1"), Author("judge", "j", "2"), Author("human", "ann"))
CALLER = Origin(Author("api", "caller"), "revert")
REQUESTS = ("r1", "r2")
NAMES = ("a", "b")


class Step(msgspec.Struct, frozen=True):
    """A write, of a value or (None) a removal."""

    request: str
    name: str
    author: Author
    value: int | None


class Back(msgspec.Struct, frozen=True):
    """A revert, of the steps from `since` to `until`."""

    author: Author
    since: int
    until: int
    names: tuple[str, ...] | None
    all_versions: bool


class Entry(msgspec.Struct):
    """A change of the model's. `time` is that of the step that gave the value."""

    author: Author
    value: int | None
    time: int
    is_copy: bool = False
    is_writing: bool = True
    is_taken_back: bool = False

    def seen(self) -> tuple[Author, int | None, bool]:
        return self.author, self.value, self.is_taken_back


steps = st.builds(
    Step,
    st.sampled_from((*REQUESTS[:1] * 5, *REQUESTS)),
    st.sampled_from((*NAMES[:1] * 3, *NAMES)),
    st.sampled_from(AUTHORS),
    st.sampled_from((1, 2, 1, 2, None)),
)
backs = st.builds(
    Back,
    st.sampled_from(AUTHORS),
    st.sampled_from((0, 0, 0, 2, 5)),
    st.sampled_from((99, 99, 99, 7, 3)),
    st.sampled_from((None, None, ("a",))),
    st.booleans(),
)


class Model:
    def __init__(self) -> None:
        self.changes: dict[tuple[str, str], list[Entry]] = {
            (request, name): [] for request in REQUESTS for name in NAMES
        }

    def write(self, step: Step, time: int) -> None:
        changes = self.changes[step.request, step.name]
        present = changes[-1] if changes else Entry(CALLER.author, None, -1)
        if step.value is None and present.value is None:
            return
        if (step.author, step.value) == (present.author, present.value) and not present.is_copy:
            return
        changes.append(Entry(step.author, step.value, time))

    def revert(self, back: Back) -> Reverted:
        total, requests = Reverted(), set()
        for (request, name), changes in self.changes.items():
            if back.names is not None and name not in back.names:
                continue
            taken = [entry for entry in changes if self._is_wanted(entry, back)]
            if not taken:
                continue
            requests.add(request)
            before = changes[-1]
            for entry in taken:
                entry.is_taken_back = True
            rest = [entry for entry in changes if not entry.is_taken_back]
            changed = 0
            if before in taken:
                value = rest[-1].value if rest else None
                changed = int(before.value is not None or value is not None)
                if value is not None:
                    changes.append(Entry(rest[-1].author, value, rest[-1].time, is_copy=True))
                elif changed:
                    changes.append(Entry(CALLER.author, None, -1, is_writing=False))
            total += Reverted(0, changed, len(taken))
        return total + Reverted(len(requests), 0, 0)

    def _is_wanted(self, entry: Entry, back: Back) -> bool:
        author = entry.author
        same = author == back.author or (
            back.all_versions and (author.kind, author.name) == (back.author.kind, back.author.name)
        )
        return (
            same and entry.is_writing and not entry.is_taken_back and back.since <= entry.time <= back.until
        )

    def present(self, request: str) -> dict[str, Score]:
        return {
            name: Score(changes[-1].value, False)
            for (of, name), changes in self.changes.items()
            if of == request and changes and changes[-1].value is not None
        }


async def play(connection: Connection, database: Database, ids: ScoreIds, actions: list[Step | Back]) -> None:
    """Do the same to an organization of its own and to a model; all that can be seen must be equal."""
    organization_id = await organizations.ensure(connection, f"organization {uuid.uuid4()}")
    model = Model()
    times: list[datetime] = []
    for number, action in enumerate(actions):
        times.append(exactly_now())
        if isinstance(action, Back):
            since, until = (times[min(place, number)] for place in (action.since, action.until))
            action = msgspec.structs.replace(action, until=min(action.until, number))
            action = msgspec.structs.replace(action, since=min(action.since, number))
            wanted = Wanted(organization_id, action.author, until, since, action.all_versions, action.names)
            dry = await total(take_back(database, ids, wanted, CALLER, is_dry=True))
            expected = model.revert(action)
            assert dry == expected
            assert await total(take_back(database, ids, wanted, CALLER)) == expected
            assert await total(take_back(database, ids, wanted, CALLER)) == Reverted()
        else:
            await write(connection, ids, organization_id, action, times[-1])
            model.write(action, number)
        for request in REQUESTS:
            assert await find_scores(connection, organization_id, request) == model.present(request)
            changes = await find_changes(connection, organization_id, request) or {}
            assert {name: [_seen(change) for change in some] for name, some in changes.items()} == {
                name: [entry.seen() for entry in some]
                for (of, name), some in model.changes.items()
                if of == request and some
            }


async def total(steps: AsyncGenerator[tuple[Reverted, int | None], None]) -> Reverted:
    return sum([taken async for taken, _ in steps], Reverted())


async def write(
    connection: Connection, ids: ScoreIds, organization_id: int, step: Step, at: datetime
) -> None:
    origin = Origin(step.author, "score")
    if step.value is None:
        await remove_score(connection, ids, organization_id, step.request, step.name, at, origin)
    else:
        scores = {step.name: Score(step.value, False)}
        await record(connection, ids, [ScoreWrite(organization_id, step.request, scores, at, origin)])


def _seen(change: Change) -> tuple[Author | None, int | None, bool]:
    value = None if change.score is None else change.score.value
    return change.author, value, change.taken_back_at is not None


def test_reverts_do_what_a_plain_model_does(dsn: str) -> None:
    with asyncio.Runner() as runner:
        connection = runner.run(asyncpg.connect(dsn))
        database = runner.run(open_database(Settings(database_url=dsn)))
        ids = ScoreIds()

        @settings(max_examples=25)
        @given(actions=st.lists(steps | backs, min_size=8, max_size=16))
        def compare(actions: list[Step | Back]) -> None:
            runner.run(play(connection, database, ids, actions))

        try:
            compare()
        finally:
            runner.run(database.close())
            runner.run(connection.close())
