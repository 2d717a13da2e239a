"""Which tables are distributed over the nodes of a cluster: those that grow with what an organization sends.
All rows of an organization lie on one node, in shards that move together.

The others stay on the coordinator. They are small, and no statement reads both kinds. (Reference tables,
copied to every node, would need all nodes for each write.)
"""

from __future__ import annotations

from typing import Final

DISTRIBUTED: Final = (
    "request",
    "score",
    "score_name",
    "score_origin",
    "score_history",
    "score_comment",
    "score_definition",
    "score_hour",
    "score_day",
    "score_group",
    "touched_hour",
    "uncounted_name",
    "waiting_score",
    "promptlayer_log",
    "promptlayer_group",
    "idempotent_call",
    "event",
    "event_interest",
    "review_queue",
    "queue_item",
    "queue_review",
    "carried",
)
"""In the order in which they are distributed: a table comes after those that its foreign keys lead to."""
