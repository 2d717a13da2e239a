"""The system's Chromium, as tests and screenshots drive it."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from playwright.async_api import Browser, Page, async_playwright

_NAMES: Final = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
"""The first takes a fifth as much of a processor for a page as the others, which are a whole browser."""

_ARGUMENTS: Final = (
    "--no-sandbox",  # there is none for root, and CI is root
    "--disable-gpu",
    # It is to talk to the service and to nobody else.
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


class ChromiumMissing(Exception):
    """No browser to drive."""

    def __init__(self) -> None:
        super().__init__(f"no {' or '.join(_NAMES)} on the PATH: apt-get install chromium")


@asynccontextmanager
async def running_browser() -> AsyncIterator[Browser]:
    """Start the browser, headless. Raises ChromiumMissing."""
    path = next((path for name in _NAMES if (path := shutil.which(name))), None)
    if path is None:
        raise ChromiumMissing
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=list(_ARGUMENTS))
        yield browser
        await browser.close()


async def sign_in(page: Page, key: str) -> None:
    """Sign in by the form, and arrive wherever that leads."""
    await page.goto("/sign-in")
    await page.get_by_label("API key").fill(key)
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url(lambda url: "/sign-in" not in url)
