from __future__ import annotations

import pytest
from heliscore.domain.errors import InvalidInput
from heliscore.domain.saved_view import SavedView, Search
from heliscore.store import organizations, saved_views
from heliscore.store.connections.pool import Connection

LOW = Search(filter='{"request_response_rmt": {"latency": {"lt": 1.50}}}', range="7d", columns=("model",))
BY_SCORE = Search(
    sort='{"scores":{"a":"asc"}}', scores=("a", "ü"), first_day="2026-01-31", zone="Asia/Kolkata"
)


async def test_views_are_listed_by_name_as_they_were_saved(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = [await organizations.ensure(connection, name) for name in ("ours", "theirs")]
    first = await saved_views.add_view(connection, ours, "b", LOW)
    second = await saved_views.add_view(connection, ours, "A", BY_SCORE)
    assert (first, second) == (SavedView(first.id, "b", LOW), SavedView(second.id, "A", BY_SCORE))
    assert await saved_views.list_views(connection, ours) == [second, first]
    assert await saved_views.list_views(connection, theirs) == []

    assert await saved_views.rename_view(connection, theirs, first.id, "c") is None
    renamed = SavedView(first.id, "c", LOW)
    assert await saved_views.rename_view(connection, ours, first.id, "c") == renamed
    for taking in (
        saved_views.add_view(connection, ours, "c", LOW),
        saved_views.rename_view(connection, ours, second.id, "c"),
    ):
        with pytest.raises(InvalidInput, match="there is a view of that name"):
            await taking
    await saved_views.add_view(connection, theirs, "c", LOW)

    monkeypatch.setattr(saved_views, "MAX_VIEWS", 2)
    with pytest.raises(InvalidInput, match="at most 2 views"):
        await saved_views.add_view(connection, ours, "d", LOW)

    assert not await saved_views.remove_view(connection, theirs, first.id)
    assert await saved_views.remove_view(connection, ours, first.id)
    assert await saved_views.list_views(connection, ours) == [second]
    await organizations.remove(connection, ours)
