"""`GET /v1/audit`: who did what the data no longer shows."""

from __future__ import annotations

from typing import Any, Final, get_args

from starlette.responses import Response

from heliscore.api.http.body_fields import optional
from heliscore.api.http.endpoints import ApiCall
from heliscore.api.http.json_schema import STRING, Schema, list_of_objects, nullable, one_of
from heliscore.api.http.query_parameters import Query
from heliscore.api.http.value_types import TIME, count
from heliscore.api.shared import envelope
from heliscore.domain.audit import Action, ActorKind, AuditEntry
from heliscore.domain.times import format_time
from heliscore.store.audit_entries import list_entries

_MAX_PAGE: Final = 1000
_MAX_ID: Final = 10**9 - 1

_LIMIT: Final = optional("limit", count(_MAX_PAGE), default=100)
_SINCE: Final = optional("since", TIME, description="Only entries from that time on.")
_BEFORE: Final = optional(
    "before", count(_MAX_ID), description="The id of the last entry of the page before."
)
_QUERY: Final = Query(_LIMIT, _SINCE, _BEFORE)


async def list_audit(call: ApiCall) -> Response:
    """List who made and revoked keys, deleted, took back, restored and defined, the newest first.

    Entries are kept for ever, and hold numbers and names, not what was deleted. A restored database concerns
    all organizations.
    """
    query = _QUERY.read(call.request.query_params)
    async with call.services.database.connection() as connection:
        entries = await list_entries(
            connection,
            call.principal.organization_id,
            before=query[_BEFORE],
            since=query[_SINCE],
            limit=query[_LIMIT],
        )
    return envelope.answer([show_entry(entry) for entry in entries])


def show_entry(entry: AuditEntry) -> dict[str, Any]:
    """An entry as JSON, without its organization."""
    return {
        "id": entry.id,
        "at": format_time(entry.at),
        "actor": entry.actor,
        "key": entry.key_id,
        "person": entry.person,
        "action": entry.action,
        "subject": entry.subject,
        "numbers": entry.numbers,
    }


_ENTRY: Final[dict[str, Schema]] = {
    "id": {"type": "integer"},
    "at": {"type": "string", "format": "date-time"},
    "actor": {
        **one_of(get_args(ActorKind)),
        "description": "An API key, a session of the dashboard, a command, or the service by itself.",
    },
    "key": {
        "type": ["integer", "null"],
        "description": "The id of the call's key, or of the one that opened the session.",
    },
    "person": {**nullable(STRING), "description": "Who the person of a session says to be."},
    "action": one_of(get_args(Action)),
    "subject": {
        "type": "object",
        "description": "A key's id, a score's name, the names of a filter's columns.",
    },
    "numbers": {"type": "object", "additionalProperties": {"type": "integer"}},
}

ENDPOINTS: Final = (
    envelope.endpoint(
        "GET",
        "/v1/audit",
        list_audit,
        "r",
        "Audit",
        query=_QUERY.fields,
        data=list_of_objects(_ENTRY),
    ),
)
