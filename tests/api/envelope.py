"""The bodies of Helicone's dialect, whole, and the ways in which tests write and read scores."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import httpx
from heliscore.store.connections.pool import Connection

DONE = {"data": None, "error": None}

QUERY = "/v1/request/query"
COUNT = "/v1/request/count/query"
RMT = "request_response_rmt"


def faulty(*errors: tuple[str, str], found: int | None = None) -> dict[str, Any]:
    """The body of a 400 with those (path, message) faults and no others, or the first of so many."""
    path, message = errors[0]
    error = f"{path}: {message}" if path else message
    if (found or len(errors)) > 1:
        error += f" (and {(found or len(errors)) - 1} more)"
    return {"data": None, "error": error, "details": [{"path": p, "message": m} for p, m in errors]}


def encoded(text: str) -> str:
    """Percent-encode every byte, so that no client or server takes any of it for syntax."""
    return "".join(f"%{byte:02X}" for byte in text.encode())


def one(request_id: str) -> dict[str, Any]:
    """The filter that finds one request."""
    return {"request_response_rmt": {"request_id": {"equals": request_id}}}


def scores(**conditions: object) -> dict[str, Any]:
    """The filter that compares scores by name."""
    return {RMT: {"scores": conditions}}


async def post(client: httpx.AsyncClient, request_id: str, scores: object) -> None:
    """Post scores that must be taken."""
    response = await client.post(f"/v1/request/{encoded(request_id)}/score", json={"scores": scores})
    assert (response.status_code, response.json()) == (200, DONE)


async def read(client: httpx.AsyncClient, request_id: str) -> dict[str, Any] | None:
    """The request's row, which both ways of reading must show alike; None when neither has it. Without the
    address of its bodies, which may be another in the next hour."""
    got = await client.get(f"/v1/request/{encoded(request_id)}")
    found = await client.post("/v1/request/query", json={"filter": one(request_id)})
    assert found.status_code == 200
    if got.status_code == 404:
        assert found.json() == {"data": [], "error": None}
        return None
    assert got.status_code == 200
    row: dict[str, Any] = got.json()["data"]
    answer = found.json()
    for address in (row.pop("signed_body_url"), answer["data"][0].pop("signed_body_url")):
        assert address.startswith(f"{str(client.base_url).rstrip('/')}/v1/signed-body/")
    assert answer == {"data": [row], "error": None}
    return row


async def scores_of(client: httpx.AsyncClient, request_id: str) -> dict[str, int] | None:
    row = await read(client, request_id)
    return None if row is None else row["scores"]


async def ids(client: httpx.AsyncClient, filter_: object = "all", **body: object) -> list[str]:
    """The ids that a query finds, in its order."""
    response = await client.post("/v1/request/query", json={"filter": filter_, **body})
    assert response.status_code == 200, response.text
    return [row["request_id"] for row in response.json()["data"]]


async def log(
    connection: Connection, organization_id: int, request_id: str, created_at: str, **columns: object
) -> None:
    """Put a request into the database as logging it will; JSON columns are given as JSON text."""
    time = datetime.fromisoformat(created_at)
    given = {
        "organization_id": organization_id,
        "request_id": request_id,
        "created_at": time,
        "updated_at": time,
        **columns,
    }
    places = ", ".join(f"${number}" for number in range(1, len(given) + 1))
    statement = f"INSERT INTO request ({', '.join(given)}) VALUES ({places})"
    await connection.execute(statement, *given.values())


async def log_dozen(connection: Connection, organization_id: int) -> list[str]:
    """Twelve requests, a minute apart; returns their ids, newest first."""
    for minute in range(12):
        await log(connection, organization_id, f"r{minute}", f"2026-01-01T00:{minute:02}:00Z")
    return [f"r{minute}" for minute in reversed(range(12))]
