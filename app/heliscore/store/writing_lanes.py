"""Writes score maps in lanes, one for each node of a cluster: each transaction concerns one node, and a node
that is slow or away holds up no other's. On a single PostgreSQL there is one lane.

A lane is a Writer, which writes the posts of one request in order of arrival. So an organization whose shards
have moved changes its lane only while none of its posts is on its way; later posts wait for that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from heliscore.store.cluster.placements import Placements
from heliscore.store.connections.pool import Database
from heliscore.store.idempotent_calls import AnsweredCall
from heliscore.store.scores import ScoreWrite
from heliscore.store.writer import MOST_LANES, Writer


class _Place(msgspec.Struct):
    lane: int
    posts: int = 0
    """On their way."""

    drained: asyncio.Event | None = None
    """Set when none is, for those that wait."""


class WritingLanes:
    """Chooses the lane of each post."""

    def __init__(
        self, open_writer: Callable[[int], Writer], placements: Placements, database: Database | None = None
    ) -> None:
        """`database` is for finding the nodes of organizations on a cluster."""
        self._open_writer = open_writer
        self._placements = placements
        self._database = database
        self._lanes: dict[int, Writer] = {}
        self._places: dict[int, _Place] = {}

    async def record(self, post: ScoreWrite, call: AnsweredCall | None = None) -> bool:
        """Write a score map: see Writer.record()."""
        organization_id = post.organization_id
        if self._placements.is_cluster:
            await self._await_lane(organization_id)
        place = self._places.get(organization_id)
        if place is None:
            place = self._places[organization_id] = _Place(self._lane_of(organization_id))
        place.posts += 1
        try:
            return await self._writer(place.lane).record(post, call)
        finally:
            place.posts -= 1
            if not place.posts:
                del self._places[organization_id]
                if place.drained is not None:
                    place.drained.set()

    async def _await_lane(self, organization_id: int) -> None:
        """Find the organization's node, and wait until its posts to another one are written."""
        if self._placements.node_of(organization_id) is None and self._database is not None:
            await self._placements.learn(self._database, organization_id)
        while (place := self._places.get(organization_id)) and place.lane != self._lane_of(organization_id):
            place.drained = place.drained or asyncio.Event()
            await place.drained.wait()

    def _lane_of(self, organization_id: int) -> int:
        node = self._placements.node_of(organization_id)
        return 0 if node is None else node % MOST_LANES

    def _writer(self, lane: int) -> Writer:
        if lane not in self._lanes:
            self._lanes[lane] = self._open_writer(lane)
        return self._lanes[lane]

    @property
    def lanes(self) -> dict[int, Writer]:
        """Those that are open, by the number of their node (where there are no more than MOST_LANES; 0 is for
        organizations whose node is not known yet, and on a single PostgreSQL for all)."""
        return self._lanes

    @property
    def waiting_scores(self) -> int:
        """How many scores are not written yet."""
        return sum(writer.waiting_scores for writer in self._lanes.values())

    @property
    def disk_is_full(self) -> bool:
        """Whether scores could not be written lately because the server's disk is full."""
        return any(writer.disk_is_full for writer in self._lanes.values())

    async def close(self) -> None:
        """Refuse new score maps, write those that wait, then stop."""
        await asyncio.gather(*(writer.close() for writer in self._lanes.values()))
