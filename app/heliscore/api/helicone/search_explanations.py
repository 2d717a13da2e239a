"""The explanation beside the answer of a search, as JSON."""

from __future__ import annotations

from typing import Any, Final

from heliscore.api.http.json_schema import COUNT, NUMBER, STRING, Schema, closed_object, named, nullable
from heliscore.store.search.search_explanation import MAX_CONDITIONS, Alternative, Condition, Explanation


def encode_explanation(explanation: Explanation) -> dict[str, Any]:
    return {
        "filter": explanation.filter,
        "matches": explanation.matches,
        "conditions": [_encode_condition(condition) for condition in explanation.conditions],
        "plan": explanation.plan.lines,
        "cost": explanation.plan.cost,
        "rows": explanation.plan.rows,
    }


def _encode_condition(condition: Condition) -> dict[str, Any]:
    encoded: dict[str, Any] = {
        "words": condition.words,
        "matches": condition.matches,
        "together": condition.together,
        **_note(condition),
    }
    if condition.alternatives:
        encoded["alternatives"] = [
            {"words": one.words, "matches": one.matches, **_note(one)} for one in condition.alternatives
        ]
    return encoded


def _note(part: Condition | Alternative) -> dict[str, str]:
    return {"note": "; ".join(part.notes)} if part.notes else {}


_MATCHES: Final[dict[str, Schema]] = {
    "words": STRING,
    "matches": nullable(COUNT) | {"description": "Requests that meet this alone; null if it took too long."},
    "note": {
        "type": "string",
        "description": "`no score has this name`, or that a count `took too long`; left out without.",
    },
}
_CONDITION: Final = named(
    "ExplainedCondition",
    closed_object(
        {
            **_MATCHES,
            "together": nullable(COUNT)
            | {"description": "Requests that meet this and all before; null if it took too long."},
            "alternatives": {
                "type": "array",
                "maxItems": MAX_CONDITIONS,
                "description": "Of an OR, its parts.",
                "items": named("ExplainedAlternative", closed_object(_MATCHES, ("words", "matches"))),
            },
        },
        ("words", "matches", "together"),
    ),
)
EXPLANATION: Final[Schema] = named(
    "SearchExplanation",
    closed_object(
        {
            "filter": {"type": "string", "description": "The filter in words."},
            "matches": nullable(COUNT)
            | {"description": "Requests that match; null if counting took too long."},
            "conditions": {
                "type": "array",
                "maxItems": MAX_CONDITIONS,
                "description": "The parts that must all hold; of more, the last one stands for the rest.",
                "items": _CONDITION,
            },
            "plan": {
                "type": "array",
                "items": STRING,
                "description": "The first lines of PostgreSQL's plan; empty where nothing can match.",
            },
            "cost": NUMBER | {"description": "PostgreSQL's estimate of the cost, in its own unit."},
            "rows": COUNT | {"description": "How many rows PostgreSQL expects."},
        },
        ("filter", "matches", "conditions", "plan", "cost", "rows"),
    ),
) | {"description": "Only with `explain`."}
