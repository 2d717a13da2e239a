"""The state of a request, by which middleware, endpoints and pages share what they know of it.

It is kept in the ASGI scope's `state`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import msgspec
from starlette.types import Scope

from heliscore.api.http.auth import Keyring
from heliscore.api.http.large_work import LargeWork
from heliscore.api.http.live_events import LiveEvents
from heliscore.api.http.memory_budget import MemoryBudget
from heliscore.api.http.rate_limit import Allowance, RateLimiter
from heliscore.outbound.messenger import Messenger
from heliscore.outbound.provider_client import ProviderClient
from heliscore.providers.prices import PriceTable
from heliscore.settings import Settings
from heliscore.store.connections.fair_queue import organization
from heliscore.store.connections.pool import Database
from heliscore.store.definition_cache import DefinitionCache
from heliscore.store.late_log import LateLog
from heliscore.store.scores import ScoreIds
from heliscore.store.signing_secrets import RememberedSecret
from heliscore.store.upload_turns import UploadTurns
from heliscore.store.writing_lanes import WritingLanes

_KEY: Final = "request"
_CLIENT_WENT_AWAY: Final = "client_went_away"
"""Set by the server's protocol (`server.http_protocol`)."""

_END_STREAM: Final = "end_stream"
_STREAM_ENDED: Final = "stream_ended"
"""Called and set by the server's protocol."""

_CUT_OFF: Final = "cut_off"
"""Set by the server's protocol: closes the connection after what was written."""


class Forwarding(msgspec.Struct, frozen=True):
    """The parts of the gateway. What its calls hold is counted apart: they may last for minutes."""

    providers: ProviderClient
    late_log: LateLog
    body_budget: MemoryBudget
    copy_budget: MemoryBudget
    origins: tuple[str, ...]
    keys: Mapping[str, str]
    """Of providers, by origin."""


class Services(msgspec.Struct, frozen=True):
    """The connections and caches that handlers work with, made once a process."""

    settings: Settings
    database: Database
    keyring: Keyring
    ids: ScoreIds
    definitions: DefinitionCache
    writer: WritingLanes
    body_budget: MemoryBudget
    answer_budget: MemoryBudget
    large_work: LargeWork
    body_url_secret: RememberedSecret
    uploads: Database
    """Connections for bulk uploads: a long one must not keep others from reading."""

    exports: Database
    """Connections for exports, which may take an hour."""

    upload_turns: UploadTurns
    quick: Database
    """Connections for short statements: whoever holds one waits for no other."""

    live_events: LiveEvents
    messenger: Messenger
    """Calls out. Nobody holds a connection to the database meanwhile."""

    limiter: RateLimiter | None = None
    prices: PriceTable | None = None
    """None where costs are not computed."""

    forwarding: Forwarding | None = None
    """None where the gateway is off."""


class RequestState(msgspec.Struct):
    """What is known of a request, besides what the client sent."""

    services: Services
    organization_id: int | None = None
    """The organization of the key, once that is known: for the request log."""

    allowance: Allowance | None = None
    """What the rate limit leaves to the key: for the headers of the answer."""

    is_stream: bool = False
    """Whether the answer goes on until the client leaves."""

    def enter(self, organization_id: int) -> None:
        """Note whose key the request has: from here on, what it takes is the organization's."""
        self.organization_id = organization_id
        organization.set(organization_id)


def begin_request(scope: Scope, services: Services) -> RequestState:
    """Make the state of a request."""
    state = scope["state"][_KEY] = RequestState(services)
    return state


def state_of(scope: Scope) -> RequestState:
    """The state of a request that has begun."""
    state: RequestState = scope["state"][_KEY]
    return state


def begin_stream(scope: Scope, end: Callable[[str], None]) -> None:
    """Note that an answer goes on until somebody calls `end` with the reason: the server's protocol does that
    when the client leaves or the service stops, or this does, if it has."""
    state_of(scope).is_stream = True
    scope["state"][_END_STREAM] = end
    if (reason := scope["state"].get(_STREAM_ENDED)) is not None:
        end(reason)


def client_went_away(scope: Scope) -> bool:
    """Whether the client closed the connection before the answer."""
    return _CLIENT_WENT_AWAY in scope["state"]


def cut_off(scope: Scope) -> None:
    """Close the connection of an answer that cannot be completed, so that the client sees that it is not."""
    scope["state"][_CUT_OFF]()
