"""The saved views of the demo."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from heliscore.domain.saved_view import Search
from heliscore.domain.score import FEEDBACK
from heliscore.store import saved_views
from heliscore.store.connections.pool import Connection


def _encode(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _score(name: str, **condition: Any) -> dict[str, Any]:
    return {"request_response_rmt": {"scores": {name: condition}}}


VIEWS: Final = {
    "Worst answers of the week": Search(
        sort=_encode({"scores": {"relevance": "asc"}}),
        scores=("relevance", "accuracy"),
        columns=("time", "answer", "prompt", "model"),
        range="7d",
    ),
    "The judge is content, the customer is not": Search(
        filter=_encode(
            {"left": _score("relevance", gte=80), "operator": "and", "right": _score(FEEDBACK, equals=False)}
        ),
        scores=("relevance", FEEDBACK),
        columns=("time", "answer", "user", "model"),
        range="30d",
    ),
}


async def save_views(connection: Connection, organization_id: int) -> None:
    """Save the views whose names are free."""
    known = {view.name for view in await saved_views.list_views(connection, organization_id)}
    for name, search in VIEWS.items():
        if name not in known:
            await saved_views.add_view(connection, organization_id, name, search)
