"""What a browser is told about every page: whose script runs in it, and in whose frame it may be."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import httpx
import pytest
from heliscore.api.http.html import HEADERS
from heliscore.dashboard import PAGES
from heliscore.dashboard.parts.page_routes import Page

from tests.conftest import Service

SHOWN = [page.path for page in PAGES if page.method == "GET" and "{" not in page.path]
PROTECTED = [page for page in PAGES if page.permission is not None]

CLOSED = {
    "default-src": ["'none'"],
    "script-src": ["'self'"],
    "connect-src": ["'self'"],
    "form-action": ["'self'"],
    "base-uri": ["'none'"],
    "frame-ancestors": ["'none'"],
}


class Elements(HTMLParser):
    """A page's elements with their attributes, its inline scripts and its styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.attributes: list[tuple[str, str, str]] = []
        self.inline: dict[str, list[str]] = {"script": [], "style": []}
        self.within = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self.within = tag

    def handle_data(self, data: str) -> None:
        if self.within in self.inline and data.strip():
            self.inline[self.within].append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == self.within:
            self.within = ""


@pytest.fixture
async def visitor(shared: Service) -> httpx.AsyncClient:
    """A browser in which nobody is signed in."""
    return await shared.client(key="")


def policy_of(response: httpx.Response) -> dict[str, list[str]]:
    parts = [part.split() for part in response.headers["content-security-policy"].split(";")]
    return {name: sources for name, *sources in parts}


@pytest.mark.parametrize("path", SHOWN)
async def test_page_has_the_security_headers(visitor: httpx.AsyncClient, path: str) -> None:
    response = await visitor.get(path)
    assert response.status_code in (200, 303, 401)
    others = HEADERS.keys() - {"Content-Security-Policy"}
    assert {name: response.headers.get(name) for name in others} == {name: HEADERS[name] for name in others}
    policy = policy_of(response)
    assert {name: policy.get(name) for name in CLOSED} == CLOSED


def test_headers_are_those_that_browsers_need() -> None:
    assert {name: value for name, value in HEADERS.items() if name.startswith(("X-", "Ref"))} == {
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "same-origin",
    }


@pytest.mark.parametrize("path", ["/docs", "/sign-in"])
async def test_page_has_no_inline_script(visitor: httpx.AsyncClient, path: str) -> None:
    response = await visitor.get(path)
    elements = Elements(response.text)
    assert response.status_code == 200
    assert elements.inline["script"] == []
    assert [a for a in elements.attributes if a[1].startswith("on") or a[1] == "style"] == []
    assert [a for a in elements.attributes if a[2].strip().lower().startswith("javascript:")] == []


async def test_docs_have_no_inline_style(visitor: httpx.AsyncClient) -> None:
    response = await visitor.get("/docs")
    assert Elements(response.text).inline["style"] == []
    assert policy_of(response)["style-src"] == ["'self'"]


@pytest.mark.parametrize("page", PROTECTED, ids=lambda page: f"{page.method} {page.path}")
async def test_page_shows_nothing_to_who_is_not_signed_in(visitor: httpx.AsyncClient, page: Page) -> None:
    response = await visitor.request(page.method, re.sub(r"{\w+}", "x", page.path))
    if page.data:
        assert (response.status_code, response.json().keys()) == (401, {"error"})
    else:
        assert (response.status_code, response.content) == (303, b"")
        assert response.headers["location"].startswith("/sign-in")
