"""The bodies of PromptLayer's dialect, and the ways in which its tests call it."""

from __future__ import annotations

from typing import Any

import httpx

from tests.conftest import Service

MESSAGE = {"type": "chat", "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]}

LOG = {
    "provider": "openai",
    "model": "gpt-4o",
    "input": MESSAGE,
    "output": MESSAGE,
    "request_start_time": 1767225600.0,
    "request_end_time": 1767225601.25,
}
"""The least that a log call needs."""


def done(message: str, **beside: object) -> dict[str, Any]:
    return {"success": True, "message": message, **beside}


def error_response(message: str) -> dict[str, Any]:
    return {"success": False, "message": message, "error": message}


async def make_client(
    service: Service, organization: str = "default", *, key: str | None = None
) -> httpx.AsyncClient:
    """A client that sends its key as PromptLayer's clients send it in a header."""
    client = await service.client(key="")
    client.headers["X-API-KEY"] = key or await service.make_key(organization)
    return client


async def log(client: httpx.AsyncClient, **fields: object) -> int:
    """Log a request, and return the id that it got."""
    response = await client.post("/log-request", json={**LOG, **fields})
    assert response.status_code == 201, response.text
    request_id: int = response.json()["id"]
    return request_id


async def track(client: httpx.AsyncClient, what: str, **fields: object) -> httpx.Response:
    """Make one of the calls that SDKs make, `what` being a noun, or a path."""
    path = what if what.startswith("/") else f"/library-track-{what}"
    return await client.post(path, json=fields)


async def search(client: httpx.AsyncClient, *conditions: object, **fields: object) -> list[Any]:
    """The ids that a search finds, in its order."""
    group = {"logic": "AND", "filters": list(conditions)}
    response = await client.post("/api/public/v2/requests/search", json={"filter_group": group, **fields})
    assert response.status_code == 200, response.text
    return [item["id"] for item in response.json()["items"]]
