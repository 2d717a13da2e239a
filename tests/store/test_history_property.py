"""Random sequences of writes by several authors, against a plain model: a list of changes for each score.

Batches are written as the service writes them: posts that were gathered, in order of arrival.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

import asyncpg
import msgspec
from heliscore.domain.author import Author, Origin
from heliscore.domain.score import Score
from heliscore.domain.score_changes import find_opinions, newest_shown
from heliscore.domain.times import exactly_now
from heliscore.store import organizations, score_history
from heliscore.store.connections.pool import Connection
from heliscore.store.scores import ScoreIds, ScoreWrite, find_scores, record, remove_score
from hypothesis import given, settings
from hypothesis import strategies as st

EXAMPLES = 30

AUTHORS = (Author("judge", "j", "1"), Author("judge", "j", "2"), Author("human", "ada"))
REQUESTS, NAMES = ("r", "s"), ("a", "b")

Step = tuple[Score | None, Author, str | None]
"""What a change says: the value, None for a removal; its author; its comment."""

Model = dict[tuple[str, str], list[Step]]
"""By request and name, the oldest first."""


class Post(msgspec.Struct, frozen=True):
    """A score map and its comments."""

    request_id: str
    author: Author
    scores: dict[str, tuple[Score, str | None]]


class Removal(msgspec.Struct, frozen=True):
    request_id: str
    author: Author
    name: str


Write = list[Post] | Removal

values = st.builds(Score, st.integers(0, 1), st.booleans())
comments = st.sampled_from([None, None, None, "why", "why not"])
posts = st.builds(
    Post,
    st.sampled_from(REQUESTS),
    st.sampled_from(AUTHORS),
    st.dictionaries(st.sampled_from(NAMES), st.tuples(values, comments), min_size=1),
)
writes = st.lists(
    st.lists(posts, min_size=1, max_size=4)
    | st.builds(Removal, st.sampled_from(REQUESTS), st.sampled_from(AUTHORS), st.sampled_from(NAMES)),
    max_size=8,
)


def add(model: Model, request_id: str, name: str, step: Step) -> None:
    """What says nothing new is no change."""
    steps = model.setdefault((request_id, name), [])
    score, author, comment = step
    if steps:
        former_score, former_author, former_comment = steps[-1]
        if (score, author) == (former_score, former_author) and comment in (None, former_comment):
            return
    steps.append(step)


def present(steps: list[Step]) -> Score | None:
    return steps[-1][0] if steps else None


def opinions(steps: list[Step]) -> dict[Author, Score]:
    newest = {author: score for score, author, _ in steps}
    return {author: score for author, score in newest.items() if score is not None}


class Database:
    """An organization of one example's own."""

    def __init__(self, connection: Connection, organization_id: int) -> None:
        self._connection = connection
        self._organization_id = organization_id
        self._ids = ScoreIds()

    async def write(self, write: Write) -> None:
        if isinstance(write, Removal):
            await remove_score(
                self._connection,
                self._ids,
                self._organization_id,
                write.request_id,
                write.name,
                exactly_now(),
                Origin(write.author, "remove"),
            )
            return
        gathered = [
            ScoreWrite(
                self._organization_id,
                post.request_id,
                {name: score for name, (score, _) in post.scores.items()},
                exactly_now(),
                Origin(post.author, "scores"),
                {name: comment for name, (_, comment) in post.scores.items() if comment is not None},
            )
            for post in write
        ]
        await record(self._connection, self._ids, gathered)

    async def check(self, model: Model) -> None:
        """Compare all that is kept with the model, now and at the time of every change."""
        for request_id in REQUESTS:
            found = await score_history.find_changes(self._connection, self._organization_id, request_id)
            expected = {name: steps for (request, name), steps in model.items() if request == request_id}
            assert {
                name: [(change.score, change.author, change.comment) for change in changes]
                for name, changes in (found or {}).items()
            } == expected
            now = {name: score for name, steps in expected.items() if (score := present(steps))}
            assert await find_scores(self._connection, self._organization_id, request_id) == now
            for name, changes in (found or {}).items():
                steps = expected[name]
                instants = [change.at for change in changes]
                assert instants == sorted(set(instants))
                for number, at in enumerate(instants, 1):
                    shown = newest_shown(changes, at)
                    assert shown is not None
                    assert shown.score == present(steps[:number])
                    then = {opinion.author: opinion.score for opinion in find_opinions(changes, at)}
                    assert then == opinions(steps[:number])
                assert newest_shown(changes, instants[0] - timedelta(microseconds=1)) is None


def test_history_is_what_was_written(dsn: str) -> None:
    with asyncio.Runner() as runner:
        connection = runner.run(asyncpg.connect(dsn))
        number = 0

        @settings(max_examples=EXAMPLES)
        @given(writes=writes)
        def check(writes: list[Write]) -> None:
            nonlocal number
            number += 1
            runner.run(replay(connection, f"example {number}", writes))

        check()
        runner.run(connection.close())


async def replay(connection: Connection, organization: str, writes: list[Write]) -> None:
    database = Database(connection, await organizations.ensure(connection, organization))
    model: Model = {}
    for write in writes:
        await database.write(write)
        if isinstance(write, Removal):
            if present(model.get((write.request_id, write.name), [])) is not None:
                add(model, write.request_id, write.name, (None, write.author, None))
        else:
            for post in write:
                for name, (score, comment) in post.scores.items():
                    add(model, post.request_id, name, (score, post.author, comment))
    await database.check(model)
