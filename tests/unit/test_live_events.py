"""What waits for listeners is bounded, for each and for all together."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import cast

import pytest
from heliscore.api.http import live_events
from heliscore.api.http.event_frames import make_pieces
from heliscore.api.http.listener import MAX_WAITING_BYTES, TOO_SLOW, Listener, Start
from heliscore.api.http.live_events import LiveEvents
from heliscore.domain.event import EventType
from heliscore.store.connections.database_identity import DatabaseIdentity
from heliscore.store.connections.pool import Database

TYPES = frozenset[EventType](("score.recorded",))


@pytest.fixture
def hub() -> LiveEvents:
    """One that reads nothing."""
    return LiveEvents(cast("Database", None), DatabaseIdentity())


def join(hub: LiveEvents, organization_id: int) -> Listener:
    listener = hub.join(organization_id, TYPES)
    hub._start(listener, Start("00000000", datetime.now(UTC), "1:1:"))
    return listener


async def test_pieces_are_shared_and_none_is_lost() -> None:
    frames = [b"data: %d\n\n" % number for number in range(5000)]
    pieces = make_pieces(frames, "last")
    assert len(pieces) > 1
    assert max(map(len, pieces)) <= 17_000
    assert b"".join(pieces) == b"".join(frames[:-1]) + b"id: last\n" + frames[-1]
    assert make_pieces([], "last") == []


async def test_listener_that_falls_behind_is_ended(hub: LiveEvents) -> None:
    listener = join(hub, 1)
    listener.offer([bytes(MAX_WAITING_BYTES)])
    assert listener.ended is None
    listener.offer([b"x"])
    assert (str(listener.ended), listener.take(), listener.waiting_bytes) == (TOO_SLOW, None, 0)


async def test_those_furthest_behind_are_ended_while_too_much_waits(
    hub: LiveEvents, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_events, "MAX_WAITING_BYTES", 250)
    behind, beside, quick, other = join(hub, 1), join(hub, 1), join(hub, 1), join(hub, 2)
    for listener in (behind, beside):
        listener.offer([bytes(200)])  # the same for both: it counts once
    other.offer([bytes(50)])
    hub._make_room()
    assert [one.ended for one in (behind, beside, quick, other)] == [None] * 4
    other.offer([bytes(50)])
    hub._make_room()
    assert [one.ended for one in (behind, beside, quick, other)] == [TOO_SLOW, TOO_SLOW, None, None]


async def test_listeners_are_forgotten_when_they_leave(hub: LiveEvents) -> None:
    first, second = hub.join(1, TYPES), join(hub, 1)
    for listener in (first, second):
        hub.leave(listener)
    assert (hub._joining, hub._listeners, dict(hub._counts)) == ([], {}, {})
