"""Maps Helicone's tables and columns to what we filter by: all its tables are views of the same requests."""

from __future__ import annotations

from enum import Enum
from typing import Final

from heliscore.domain.filter_tree import Column, FeedbackTime, Property, Score, Subject, Variable


class Keyed(Enum):
    """A column whose keys clients choose."""

    SCORES = Score
    PROPERTIES = Property
    VARIABLES = Variable

    def subject(self, key: str) -> Score | Property | Variable:
        subject: Score | Property | Variable = self.value(key)
        return subject


class Special(Enum):
    """A column with special operators."""

    FEEDBACK_RATING = "equals true or false, exists"
    SCORES_COLUMN = 'equals "{}" or not-equals "{}"'
    PROPERTY_KEY = "equals a key"
    SCORE = "value, label, author, kind, version, scored_at, comment or changed"


Target = Subject | Keyed | Special
Table = dict[str, Target] | Keyed | Special

REQUEST_RESPONSE: Final[dict[str, Target]] = {
    "provider": Column("provider"),
    "model": Column("model"),
    "user_id": Column("user_id"),
    "organization_id": Column("organization_id"),
    "request_id": Column("request_id"),
    "target_url": Column("target_url"),
    "request_body": Column("request_body"),
    "response_body": Column("response_body"),
    "prompt_id": Column("prompt_id"),
    "prompt_version": Column("prompt_version"),
    "response_id": Column("response_id"),
    "status": Column("status"),
    "latency": Column("latency_ms"),
    "time_to_first_token": Column("time_to_first_token_ms"),
    "total_tokens": Column("total_tokens"),
    "prompt_tokens": Column("prompt_tokens"),
    "completion_tokens": Column("completion_tokens"),
    "prompt_cache_read_tokens": Column("prompt_cache_read_tokens"),
    "prompt_cache_write_tokens": Column("prompt_cache_write_tokens"),
    "reasoning_tokens": Column("reasoning_tokens"),
    "cost": Column("cost_usd"),
    "request_created_at": Column("created_at"),
    "response_created_at": Column("response_created_at"),
    "updated_at": Column("updated_at"),
    "threat": Column("threat"),
    "cache_enabled": Column("cache_enabled"),
    "is_passthrough_billing": Column("is_passthrough_billing"),
    "cached": Column("cached"),
    "helicone-score-feedback": Special.FEEDBACK_RATING,
    "scores": Keyed.SCORES,
    "scores_column": Special.SCORES_COLUMN,
    "properties": Keyed.PROPERTIES,
    "property_key": Special.PROPERTY_KEY,
    "search_properties": Keyed.PROPERTIES,
}

TABLES: Final[dict[str, Table]] = {
    "request_response_rmt": REQUEST_RESPONSE,
    "request": {
        "id": Column("request_id"),
        "created_at": Column("created_at"),
        "user_id": Column("user_id"),
        "prompt": Column("request_body"),
        "path": Column("request_path"),
        "prompt_id": Column("prompt_id"),
        "org_id": Column("organization_id"),
        "model": Column("request_model"),
        "modelOverride": Column("model_override"),
    },
    "response": {
        "model": Column("response_model"),
        "body_model": Column("model"),
        "body_completion": Column("response_body"),
        "body_tokens": Column("completion_tokens"),
        "status": Column("status"),
    },
    "feedback": {"rating": Special.FEEDBACK_RATING, "created_at": FeedbackTime()},
    "properties": Keyed.PROPERTIES,
    "values": Keyed.VARIABLES,
    "sessions_request_response_rmt": {
        "session_session_id": Property("Helicone-Session-Id"),
        "session_session_name": Property("Helicone-Session-Name"),
        "session_tag": Property("Helicone-Session-Path"),
    },
    "score": Special.SCORE,
}

UNRECORDED: Final[dict[str, frozenset[str]]] = {
    "request_response_rmt": frozenset(
        ("country_code", "cache_reference_id", "request_referrer", "node_id", "job_id", "assets")
    ),
    "request": frozenset(("country_code", "auth_hash", "node_id")),
}
"""Helicone's columns that no call fills here: a condition on one is an error, for it could match nothing."""

SORTABLE: Final[dict[str, Column]] = {
    "created_at": Column("created_at"),
    "latency": Column("latency_ms"),
    "total_tokens": Column("total_tokens"),
    "completion_tokens": Column("completion_tokens"),
    "prompt_tokens": Column("prompt_tokens"),
    "cost": Column("cost_usd"),
    "cost_usd": Column("cost_usd"),
    "time_to_first_token": Column("time_to_first_token_ms"),
    "user_id": Column("user_id"),
    "body_model": Column("model"),
    "is_cached": Column("cached"),
    "request_prompt": Column("request_body"),
    "response_text": Column("response_body"),
}

SORTABLE_BY_KEY: Final[dict[str, Keyed]] = {
    "scores": Keyed.SCORES,
    "properties": Keyed.PROPERTIES,
    "values": Keyed.VARIABLES,
}
