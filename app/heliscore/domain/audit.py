"""The audit: who did what the data no longer shows."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, Literal

import msgspec

ActorKind = Literal["key", "session", "command", "service"]

Action = Literal[
    "key.made",
    "key.revoked",
    "requests.deleted",
    "request.deleted",
    "score.deleted",
    "scores.reverted",
    "definition.set",
    "definition.removed",
    "database.restored",
    "database.distributed",
]


class Actor(msgspec.Struct, frozen=True):
    """Who does something."""

    kind: ActorKind
    key_id: int | None = None
    """The key of the call, or the one that opened the session."""

    person: str | None = None
    """Who the person of a session says to be, an author."""


COMMAND: Final = Actor("command")
"""Somebody at the command line."""

SERVICE: Final = Actor("service")


class AuditEntry(msgspec.Struct, frozen=True):
    """Something that was done, without the values that it was done to."""

    id: int
    at: datetime
    organization: str | None
    """None: it concerns all of them, or one that is gone."""

    actor: ActorKind
    key_id: int | None
    person: str | None
    action: Action
    subject: dict[str, Any]
    numbers: dict[str, int]
