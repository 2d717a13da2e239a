"""The definitions of the demo's scores: their ranges, which values are better, and words for booleans."""

from __future__ import annotations

from typing import Final

from heliscore.domain.score import FEEDBACK
from heliscore.domain.score_definition import Direction, ScoreDefinition
from heliscore.store import score_definitions
from heliscore.store.connections.pool import Connection


def _measure(name: str, direction: Direction, description: str) -> ScoreDefinition:
    return ScoreDefinition(name, "integer", 0, 100, direction, None, description, enforce="warn")


def _answer(name: str, direction: Direction, description: str, no: str, yes: str) -> ScoreDefinition:
    labels = {0: no, 1: yes}
    return ScoreDefinition(
        name, "boolean", direction=direction, description=description, labels=labels, enforce="warn"
    )


DEFINITIONS: Final = (
    _measure("accuracy", "higher", "Is what the answer states right? 0: nothing of it, 100: all of it."),
    _measure("relevance", "higher", "Does it answer what was asked? 0: another question, 100: exactly that."),
    _measure("faithfulness", "higher", "Does it state what the passages say? 100: nothing else."),
    _measure("toxicity", "lower", "Would somebody feel insulted? 0: nobody, 100: everybody."),
    _answer("has_citations", "higher", "Does it name its passages, as in [1]?", "no source", "cited"),
    _answer("is_hallucinated", "lower", "Does it state something that no source says?", "sound", "made up"),
    _answer(FEEDBACK, "higher", "The thumb of the customer.", "down", "up"),
)


async def define_scores(connection: Connection, organization_id: int) -> None:
    """Set the definitions of names that have none."""
    known = {found.name for found in await score_definitions.list_definitions(connection, organization_id)}
    for definition in DEFINITIONS:
        if definition.name not in known:
            await score_definitions.set_definition(connection, organization_id, definition)
