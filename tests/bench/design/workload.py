"""What is written: requests in order of arrival with five scores each, then single scores at random."""

import random
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import msgspec

ORGANIZATION = 1
START = datetime(2026, 11, 1, tzinfo=UTC)
MEDIUM_BOOLEAN, BROAD_BOOLEAN = "flagged", "helpful"
NAMES = ("rare", "medium", "broad", MEDIUM_BOOLEAN, BROAD_BOOLEAN)
# name: lowest value that matches, share of the requests that reach it
BOUNDS = {
    "rare": (90, 0.001),
    "medium": (90, 0.10),
    "broad": (90, 0.60),
    MEDIUM_BOOLEAN: (1, 0.10),
    BROAD_BOOLEAN: (1, 0.60),
}


class ScoreWrite(msgspec.Struct):
    """One call: some scores (name, value) for one request, which arrives at `at`."""

    request: str
    at: datetime
    scores: list[tuple[str, int]]


def value_of(name: str, source: random.Random) -> int:
    """Draw a value: 0 or 1 for a boolean, otherwise 0-100 with the name's share at 90 or above."""
    bound, share = BOUNDS[name]
    reaches = source.random() < share
    if bound == 1:
        return int(reaches)
    return source.randint(90, 100) if reaches else source.randint(0, 89)


def identifiers(count: int) -> list[str]:
    """Return the ids of the requests, the same ones in every run."""
    source = random.Random(1)
    return [str(uuid.UUID(int=source.getrandbits(128), version=4)) for _ in range(count)]


def arrivals(ids: list[str], per_ms: float, batch: int, late: bool) -> Iterator[list[ScoreWrite]]:
    """Yield every request with all five scores, in batches, `per_ms` of them a millisecond.

    Late: first every request without scores, then the scores of all in random order.
    """
    source = random.Random(2)
    order = list(range(len(ids)))
    if late:
        for first in range(0, len(ids), batch):
            yield [
                ScoreWrite(ids[place], arrival(place, per_ms), []) for place in order[first : first + batch]
            ]
        source.shuffle(order)
    for first in range(0, len(ids), batch):
        yield [
            ScoreWrite(ids[place], arrival(place, per_ms), [(name, value_of(name, source)) for name in NAMES])
            for place in order[first : first + batch]
        ]


def arrival(place: int, per_ms: float) -> datetime:
    """Return the time of the request at `place`."""
    return START + timedelta(milliseconds=int(place / per_ms))


def corrections(ids: list[str], posts: int, batch: int, seed: int = 3) -> Iterator[list[ScoreWrite]]:
    """Yield `posts` single scores: a random request, a random name, a new random value."""
    source = random.Random(seed)
    at = START + timedelta(days=10)
    for _ in range(posts // batch):
        chosen = {source.choice(ids): source.choice(NAMES) for _ in range(batch)}
        yield [ScoreWrite(request, at, [(name, value_of(name, source))]) for request, name in chosen.items()]


def arguments(posts: list[ScoreWrite], key: str) -> tuple[list[object], ...]:
    """Return the upsert's arrays for a design whose scores are keyed by `key`: text, computed or number."""
    ordered = sorted(posts, key=lambda post: post.request)
    scores = [(post.request, name, value) for post in ordered for name, value in post.scores]
    requests: tuple[list[object], ...] = (
        [ORGANIZATION] * len(ordered),
        [post.request for post in ordered],
        [post.at for post in ordered],
    )
    values: tuple[list[object], ...] = (
        [value for _, _, value in scores],
        [True if BOUNDS[name][0] == 1 else None for _, name, _ in scores],
    )
    owners: list[object] = [request for request, _, _ in scores]
    if key == "computed":
        computed: dict[object, object] = {post.request: computed_key(post.request) for post in ordered}
        numbers: list[object] = [NAMES.index(name) + 1 for _, name, _ in scores]
        return (*requests, [computed[owner] for owner in owners], numbers, *values, list(computed.values()))
    names: list[object] = [name if key == "text" else NAMES.index(name) + 1 for _, name, _ in scores]
    return (*requests, [ORGANIZATION] * len(scores), owners, names, *values)


def computed_key(request: str) -> uuid.UUID:
    """Return the first 16 bytes of the hash of organization and request id."""
    return uuid.UUID(bytes=sha256(f"{ORGANIZATION}:{request}".encode()).digest()[:16])
