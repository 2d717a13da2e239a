"""What pages show, as CSV files that a link without script leads to."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, datetime, timedelta
from html import unescape

import httpx

from tests.conftest import Service
from tests.dashboard.conftest import SignIn
from tests.dashboard.entries import Entry, enter

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
WEEK = "from=2026-03-02&to=2026-03-08"


async def download(client: httpx.AsyncClient, page: str) -> tuple[str, list[list[str]]]:
    """Follow the page's link: the name of the file, and its rows."""
    [address] = re.findall(r'href="([^"]+)" download>Download CSV</a>', (await client.get(page)).text)
    response = await client.get(httpx.URL(page).join(unescape(address)))
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    _, _, name = response.headers["content-disposition"].partition("filename=")
    return name, list(csv.reader(io.StringIO(response.text, newline="")))


def entry(day: int, variant: str, **scores: int | bool) -> Entry:
    return Entry(MONDAY + timedelta(days=day), {**scores}, {}, {"variant": variant})


async def test_pages_can_be_downloaded_as_they_are_seen(service: Service, sign_in: SignIn) -> None:
    before = [entry(-3, "=A", accuracy=value) for value in (10, 30)]
    now = [entry(1, "=A", accuracy=value, ok=value > 50) for value in (40, 60)]
    await enter(service.dsn, [*before, *now, entry(2, "B", accuracy=90)])
    client = await sign_in()

    name, [header, accuracy, ok] = await download(client, f"/?{WEEK}")
    assert name == '"overview.csv"'
    assert dict(zip(header, accuracy, strict=True)) | {"value": ""} == {
        "score": "accuracy",
        "measure": "average",
        "value": "",
        "scores": "3",
        "lowest": "40",
        "highest": "90",
        "value_before": "20.0",
        "scores_before": "2",
        "difference": "43.333333333333336",
        "difference_low": "",
        "difference_high": "",
        "is_clear": "false",
    }
    assert ok == ["ok", "share", "0.5", "2", "0", "1", "", "", "", "", "", ""]

    name, rows = await download(client, f"/compare?{WEEK}&by=property:variant&score=accuracy")
    assert name == '"comparison.csv"'
    assert [row[:7] for row in rows] == [
        ["score", "group", "measure", "value", "deviation", "scores", "difference"],
        ["accuracy", "'=A", "average", "50.0", "14.142135623730951", "2", ""],
        ["accuracy", "B", "average", "90.0", "", "1", "40.0"],
    ]
    assert rows[2][-2] == "too few"

    name, rows = await download(client, '/requests?sort={"scores":{"accuracy":"asc"}}&column=accuracy')
    assert name == '"requests.csv"'
    assert rows[0][:5] == ["created_at", "request_id", "scores.accuracy", "model", "user_id"]
    assert [row[2] for row in rows[1:]] == ["10", "30", "40", "60", "90"]
    assert rows[1][-1] == '{"variant": "=A"}'

    anonymous = httpx.AsyncClient(base_url=service.address)
    async with anonymous:
        assert (await anonymous.get("/requests?download=csv")).status_code == 303
    assert (await client.get("/requests?download=csv&filter=nonsense")).status_code == 400
