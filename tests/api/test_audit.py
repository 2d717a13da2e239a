"""The audit has an entry of everything that the data does not show, without what was deleted."""

from __future__ import annotations

from typing import Any

import httpx
from heliscore.domain.audit import COMMAND
from heliscore.store import audit_entries, keys
from heliscore.store.connections.pool import Connection

from tests.api.envelope import faulty, post, scores
from tests.conftest import Service

SECRET = "user-4711"

Entry = tuple[str, str, dict[str, Any], dict[str, int]]


async def entries(client: httpx.AsyncClient, **query: str | int) -> list[dict[str, Any]]:
    response = await client.get("/v1/audit", params=query)
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.json()["data"]
    return found


async def of_client(client: httpx.AsyncClient) -> tuple[int, list[Entry]]:
    """The id of the client's key, and what was noted after it was made, the oldest first."""
    *noted, made = await entries(client)
    key: int = made["subject"]["key"]
    assert (made["actor"], made["action"]) == ("command", "key.made")
    assert all(entry["key"] == key for entry in noted if entry["actor"] == "key")
    assert all(entry["person"] is None for entry in noted)
    return key, [
        (entry["actor"], entry["action"], entry["subject"], entry["numbers"]) for entry in reversed(noted)
    ]


async def send(client: httpx.AsyncClient, method: str, path: str, body: object = None) -> Any:
    response = await client.request(method, path, json=body)
    assert response.is_success, response.text
    return response.json()


async def test_everything_is_noted(client: httpx.AsyncClient) -> None:
    made = (await send(client, "POST", "/v1/api-keys", {"api_key_name": SECRET}))["id"]
    await send(client, "DELETE", f"/v1/api-keys/{made}")
    await send(client, "PUT", "/v1/score-definitions/a", {"type": "integer", "description": SECRET})
    await send(client, "DELETE", "/v1/score-definitions/a")
    for request_id in (SECRET, "r1", "r2"):
        await post(client, request_id, {"a": 1, "b": 2})
    await send(client, "DELETE", f"/v1/request/{SECRET}")
    only_r1 = {"request_response_rmt": {"request_id": {"equals": "r1"}}}
    revert = {"author": "api:test", "names": ["b"], "filter": only_r1}
    await send(client, "POST", "/v1/scores/revert", revert)
    await send(client, "DELETE", "/v1/scores/b?expect=1")
    await send(client, "POST", "/v1/requests/delete", {"filter": scores(a={"equals": 1}), "expect": 2})
    _, noted = await of_client(client)
    assert noted == [
        ("key", "key.made", {"key": made}, {}),
        ("key", "key.revoked", {"key": made}, {}),
        ("key", "definition.set", {"score": "a"}, {}),
        ("key", "definition.removed", {"score": "a"}, {}),
        ("key", "request.deleted", {}, {"requests": 1, "scores": 2, "changes": 0, "comments": 0}),
        (
            "key",
            "scores.reverted",
            {"author": "api:test", "scores": ["b"], "filter": ["request_id"]},
            {"requests": 1, "scores": 1, "takenBack": 1},
        ),
        ("key", "score.deleted", {"score": "b"}, {"requests": 2, "scores": 1, "changes": 2, "comments": 0}),
        (
            "key",
            "requests.deleted",
            {"filter": ["scores.a"]},
            {"requests": 2, "scores": 2, "changes": 0, "comments": 0},
        ),
    ]
    assert SECRET not in str(await entries(client))


async def test_nothing_is_noted_where_nothing_was_done(client: httpx.AsyncClient) -> None:
    await post(client, "r", {"a": 1})
    for method, path, body in (
        ("POST", "/v1/requests/delete", {"filter": "all", "dryRun": True}),
        ("POST", "/v1/requests/delete", {"filter": "all", "expect": 7}),
        ("DELETE", "/v1/scores/a?dryRun=true", None),
        ("DELETE", "/v1/request/none", None),
        ("DELETE", "/v1/score-definitions/a", None),
        ("DELETE", "/v1/api-keys/2147483647", None),
        ("POST", "/v1/scores/revert", {"author": "human:nobody"}),
        ("POST", "/v1/scores/revert", {"author": "api:test", "dryRun": True}),
    ):
        await client.request(method, path, json=body)
    assert (await of_client(client))[1] == []


async def test_command_is_noted_and_a_key_that_was_revoked_is_not_noted_again(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    key = (await send(client, "POST", "/v1/api-keys", {"api_key_name": "k"}))["id"]
    own, _ = await of_client(client)
    await connection.execute("UPDATE api_key SET made_by = $1 WHERE id = $2", own, key)
    assert await keys.revoke(connection, key)
    assert await keys.revoke_with_minted(connection, key) == [key]
    await audit_entries.note(connection, organization_id, COMMAND, "score.deleted", {"score": "a"})
    assert [entry[:3] for entry in (await of_client(client))[1]] == [
        ("key", "key.made", {"key": key}),
        ("command", "key.revoked", {"key": key}),
        ("command", "score.deleted", {"score": "a"}),
    ]


async def test_pages_follow_each_other(client: httpx.AsyncClient) -> None:
    for name in ("a", "b", "c"):
        await send(client, "PUT", f"/v1/score-definitions/{name}", {"type": "integer"})
    found = await entries(client)
    assert len(found) == 4
    first = await entries(client, limit=2)
    assert first == found[:2]
    assert await entries(client, limit=2, before=first[-1]["id"]) == found[2:]
    assert await entries(client, since=found[0]["at"], limit=1) == found[:1]
    assert await entries(client, since="2100-01-01") == []
    response = await client.get("/v1/audit", params={"limit": "x"})
    expected = 'expected an integer from 0 to 1000, got "x"'
    assert (response.status_code, response.json()) == (400, faulty(("limit", expected)))


async def test_what_concerns_all_organizations_is_shown_to_each(
    client: httpx.AsyncClient, connection: Connection, shared: Service, organization: str
) -> None:
    transaction = connection.transaction()
    await transaction.start()
    await audit_entries.note(connection, None, COMMAND, "database.restored")
    seen = await audit_entries.list_entries(connection, 2**31 - 1, limit=1)
    await transaction.rollback()
    assert [(entry.organization, entry.action) for entry in seen] == [(None, "database.restored")]
    stranger = await shared.client(f"not {organization}")
    assert [entry["action"] for entry in await entries(stranger)] == ["key.made"]
    assert [entry["action"] for entry in await entries(client)] == ["key.made"]
