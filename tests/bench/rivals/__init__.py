"""What the service is measured against: the same route, POST /v1/request/{id}/score, in other ways.

All of them remember the API key and the ids of score names, as ours does, so that what differs is the way to
the database.
"""

from __future__ import annotations
