from __future__ import annotations

import gzip
import re
from typing import get_args

import asyncpg
import httpx
import pytest
from heliscore.dashboard import PAGES
from heliscore.dashboard.parts.page_routes import Page
from heliscore.dashboard.parts.session import COOKIE
from heliscore.dashboard.parts.static_files import static_path
from heliscore.domain.api_key import Permissions
from heliscore.endpoint_table import ENDPOINTS

from tests.conftest import Service
from tests.dashboard.conftest import SignIn, csrf_token

PROTECTED = [page for page in PAGES if page.permission is not None]

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def name_of(page: Page) -> str:
    return f"{page.method} {page.path}"


def example_path(page: Page) -> str:
    return re.sub(r"{\w+}", "req_1", page.path)


def test_pages_are_no_part_of_the_api() -> None:
    endpoints = {(endpoint.method, endpoint.path) for endpoint in ENDPOINTS}
    assert not endpoints & {(page.method, page.path) for page in PAGES}


async def test_pages_are_not_in_the_document(visitor: httpx.AsyncClient) -> None:
    document = (await visitor.get("/openapi.json")).json()
    assert not set(document["paths"]) & {page.path for page in PAGES}


def test_only_signing_in_and_the_reference_need_no_session() -> None:
    public = {"GET /sign-in", "POST /sign-in", "GET /join", "POST /join", "GET /docs"}
    assert {name_of(page) for page in PAGES if page.permission is None} == public
    assert {page.permission for page in PROTECTED} <= set(get_args(Permissions))


async def test_every_page_needs_a_session(visitor: httpx.AsyncClient) -> None:
    for page in PROTECTED:
        response = await visitor.request(page.method, example_path(page))
        if page.data:
            assert (response.status_code, response.json()) == (401, {"error": "please sign in"}), page
        else:
            assert response.status_code == 303, page
            assert response.headers["location"].startswith("/sign-in"), page


@pytest.mark.parametrize("lacking", ["r", "w"])
async def test_every_page_needs_its_permission(service: Service, sign_in: SignIn, lacking: str) -> None:
    client = await sign_in()
    token = await csrf_token(client)
    left = "w" if lacking == "r" else "r"
    connection = await asyncpg.connect(service.dsn)
    await connection.execute("UPDATE api_key SET permissions = $1", left)
    await connection.close()
    for page in PROTECTED:
        if lacking in (page.permission or ""):
            path, headers = example_path(page), {"X-CSRF-Token": token}
            response = await client.request(page.method, path, headers=headers)
            assert response.status_code == 403, page
            assert "your API key has permissions" in response.text.replace("Your", "your"), page


async def test_every_page_that_changes_something_needs_the_token(sign_in: SignIn) -> None:
    client = await sign_in()
    changing = [page for page in PROTECTED if page.method != "GET"]
    assert changing
    for page in changing:
        response = await client.request(page.method, example_path(page))
        assert response.status_code == 403, page
        assert "out of date" in response.text, page


async def test_every_page_carries_the_security_headers(sign_in: SignIn) -> None:
    client = await sign_in()
    names = ("content-security-policy", "x-content-type-options", "referrer-policy", "cache-control")
    for path in ("/", "/compare", "/docs", "/sign-in", "/sign-in?next=/docs", "/nonsense"):
        response = await client.get(path, headers={"Accept": "text/html"})
        assert [response.headers[name] for name in names] == [POLICY, "nosniff", "same-origin", "no-store"]


async def test_pages_hold_no_inline_script_or_style(sign_in: SignIn, visitor: httpx.AsyncClient) -> None:
    for page in (await (await sign_in()).get("/"), await visitor.get("/sign-in")):
        assert page.status_code == 200
        assert re.findall(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", page.text) == []


async def test_a_wrong_method_is_told_as_a_page(sign_in: SignIn) -> None:
    response = await (await sign_in()).delete("/")
    assert (response.status_code, response.headers["allow"]) == (405, "GET, HEAD")
    assert response.headers["content-type"] == "text/html; charset=utf-8"


async def test_people_read_a_page_where_nothing_is_and_programs_json(visitor: httpx.AsyncClient) -> None:
    page = await visitor.get("/nonsense?x=1", headers={"Accept": "text/html,*/*;q=0.8"})
    assert page.status_code == 404
    assert "<h1>Page not found</h1>" in page.text
    assert "Try again" not in page.text
    answer = await visitor.get("/nonsense")
    assert answer.json() == {"data": None, "error": "no such endpoint: /nonsense"}
    answer = await visitor.get("/rest/track-score", headers={"Accept": "text/html"})
    assert answer.json()["success"] is False


async def test_a_path_cannot_put_markup_into_a_page(visitor: httpx.AsyncClient) -> None:
    path = '/<script>alert(1)</script>"onload="x'
    page = await visitor.get(path, headers={"Accept": "text/html"})
    assert page.status_code == 404
    assert "<script>alert" not in page.text
    assert '"onload="' not in page.text


async def test_pages_answer_head(sign_in: SignIn) -> None:
    client = await sign_in()
    response = await client.head("/")
    assert (response.status_code, response.content) == (200, b"")


async def test_a_page_without_its_database_says_so_and_offers_to_try_again(
    service: Service, sign_in: SignIn
) -> None:
    client = await sign_in()
    connection = await asyncpg.connect(service.dsn)
    await connection.execute("ALTER TABLE api_key RENAME TO away")
    response = await client.get("/?range=30d")
    await connection.execute("ALTER TABLE away RENAME TO api_key")
    await connection.close()
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    assert "<h1>Temporarily unavailable</h1>" in response.text
    assert 'href="/?range=30d">Try again</a>' in response.text
    assert (await client.get("/")).status_code == 200


async def test_an_empty_installation_says_how_to_begin(service: Service, sign_in: SignIn) -> None:
    page = (await (await sign_in()).get("/")).text
    assert "No scores yet" in page
    assert f"curl {service.address}/v1/request/req_1/score" in page


async def test_the_overview_shows_a_card_per_score_of_its_organization_only(
    service: Service, sign_in: SignIn
) -> None:
    mine, other = await service.client("mine"), await service.client("other")
    scores: tuple[dict[str, object], ...] = (
        {"accuracy": 90, "cited": True, "<b>": 1},
        {"accuracy": 85, "cited": False},
    )
    for number, posted in enumerate(scores):
        (await mine.post(f"/v1/request/r{number}/score", json={"scores": posted})).raise_for_status()
    (await other.post("/v1/request/r0/score", json={"scores": {"secret": 7}})).raise_for_status()
    page = (await (await sign_in("mine")).get("/")).text
    cards = re.findall(
        r'<h2 class="stat-name"><a [^>]*>(.*?)</a></h2>\s*<p class="stat-value"><a [^>]*>(.*?)</a></p>', page
    )
    assert cards == [("&lt;b&gt;", "1"), ("accuracy", "87.5"), ("cited", "50%")]


async def test_files_are_cached_for_ever_under_an_address_of_their_content(
    visitor: httpx.AsyncClient,
) -> None:
    page = (await visitor.get("/sign-in")).text
    addresses = re.findall(r'(?:href|src)="(/static/[^"]+)"', page)
    assert {address.rsplit("/", 1)[1] for address in addresses} == {"icon.svg", "page.js", "style.css"}
    types = {"svg": "image/svg+xml", "js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8"}
    for address in addresses:
        response = await visitor.get(address)
        assert response.status_code == 200
        assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert response.headers["vary"] == "Accept-Encoding"
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["content-type"] == types[address.rsplit(".", 1)[1]]


async def test_files_are_compressed_for_who_accepts_it(visitor: httpx.AsyncClient) -> None:
    for accept, encoding in (
        ("gzip", "gzip"),
        ("br, gzip;q=0.5", "gzip"),
        ("*", "gzip"),
        ("identity", None),
        ("gzip;q=0", None),
    ):
        request = visitor.build_request("GET", static_path("style.css"), headers={"Accept-Encoding": accept})
        response = await visitor.send(request, stream=True)
        raw = b"".join([chunk async for chunk in response.aiter_raw()])
        assert response.headers.get("content-encoding") == encoding
        assert b"--series-1" in (gzip.decompress(raw) if encoding else raw)
        assert len(raw) == int(response.headers["content-length"])


async def test_no_other_file_is_served(visitor: httpx.AsyncClient) -> None:
    digest = static_path("style.css").split("/")[2]
    for path in ("/static/0/style.css", f"/static/{digest}/nothing.css", f"/static/{digest}/..%2fpages.py"):
        response = await visitor.get(path)
        assert (response.status_code, response.headers["cache-control"]) == (404, "no-store")


async def test_a_session_opens_no_door_of_the_api(sign_in: SignIn) -> None:
    client = await sign_in()
    assert COOKIE in client.cookies
    assert (await client.post("/v1/request/query", json={"filter": "all"})).status_code == 401
