"""The fields and columns that PromptLayer's two log calls share."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any, Final

import msgspec
from msgspec import Raw

from heliscore.api.http.body_fields import Body, Values, optional
from heliscore.api.http.value_types import STRING, choice
from heliscore.api.promptlayer.field_types import METADATA as METADATA_TYPE
from heliscore.api.promptlayer.field_types import MOMENT, VARIABLES, decode_raw
from heliscore.api.promptlayer.field_types import PROMPT_ID as PROMPT_ID_TYPE
from heliscore.api.promptlayer.field_types import TAGS as TAGS_TYPE
from heliscore.api.shared.logged_bodies import decode_logged, storable_json
from heliscore.domain.times import now
from heliscore.store.request_log import Outcome

OUTCOMES: Final[tuple[Outcome, ...]] = ("SUCCESS", "WARNING", "ERROR")

TAGS: Final = optional("tags", TAGS_TYPE)
METADATA: Final = optional("metadata", METADATA_TYPE)
PROMPT_ID: Final = optional("prompt_id", PROMPT_ID_TYPE)
STATUS: Final = optional(
    "status",
    choice(OUTCOMES, "SUCCESS, WARNING or ERROR", name="Outcome"),
    description="SUCCESS if it is missing",
)
ERROR_TYPE: Final = optional("error_type", STRING)
ERROR_MESSAGE: Final = optional("error_message", STRING)
LOGGED_FIELDS: Final = (TAGS, METADATA, VARIABLES, PROMPT_ID, STATUS, ERROR_TYPE, ERROR_MESSAGE)

START_KEY: Final = "request_start_time"
END_KEY: Final = "request_end_time"


STARTED_AT: Final = optional(START_KEY, MOMENT)
ENDED_AT: Final = optional(END_KEY, MOMENT)

NULL_JSON: Final = Raw(b"null")
_EMPTY: Final = (b"null", b'""', b"{}", b"[]")


def decode_log_call(declared: Body, body: bytes) -> tuple[Values, dict[str, Raw]]:
    """The values, and the JSON that was sent. Raises InvalidInput with every error."""
    raw, body = decode_logged(body)
    return declared.read(raw), decode_raw(body)


def hash_of(noun: bytes, sent: dict[str, Raw]) -> bytes:
    return hashlib.sha256(noun + b"\n" + msgspec.json.encode(sent)).digest()


def time_columns(body: Values) -> dict[str, Any]:
    """The four columns of times. A request without times was made just now. Clocks step back: one that ended
    before it began took no time."""
    started_at = body[STARTED_AT] or body[ENDED_AT] or now()
    ended_at = max(started_at, body[ENDED_AT] or started_at)
    return {
        "created_at": started_at,
        "updated_at": now(),
        "response_created_at": ended_at,
        "latency_ms": (ended_at - started_at) // timedelta(milliseconds=1),
    }


def prompt_columns(
    body: Values, sent: dict[str, Raw], name: str | None, version: int | None
) -> dict[str, Any]:
    """The four columns of the prompt. One without a name is known by its id."""
    return {
        "prompt_id": name or body[PROMPT_ID],
        "prompt_version": None if version is None else str(version),
        "prompt_version_number": version,
        "prompt_variables": storable_json(sent[VARIABLES.key]) if body[VARIABLES] else None,
    }


def encoded(properties: dict[str, str]) -> str:
    return msgspec.json.encode(properties).decode()


def kept_json(sent: dict[str, Raw], keys: tuple[str, ...]) -> str | None:
    """The keys that have no column, as JSON text."""
    kept = {key: sent[key] for key in keys if key in sent and bytes(sent[key]) not in _EMPTY}
    return storable_json(Raw(msgspec.json.encode(kept))) if kept else None
