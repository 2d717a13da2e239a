"""Write every page as people see it into a folder: light, dark, and narrow as on a phone.

    python -m tests.browser.screenshots FOLDER

A new page is a new line of PAGES.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlencode

import msgspec
from heliscore.store.schema import bootstrap
from playwright.async_api import Browser, Page

from tests.browser.chromium import ChromiumMissing, running_browser, sign_in
from tests.browser.ground import DELIVERY, DESTINATION, MONITOR, QUEUE, Ground, fill_demo
from tests.servers import temporary_server

REQUESTS: Final = 2000


Viewer = Literal["nobody", "demo", "beginner"]
"""Who looks: somebody who has not signed in, the demo organization, or one without a score."""


class Shot(msgspec.Struct, frozen=True, kw_only=True):
    """A page to be taken."""

    name: str
    path: str
    viewer: Viewer = "demo"
    prepare: Callable[[Page], Awaitable[None]] | None = None
    """What is done on the page before."""

    @property
    def signed_in(self) -> bool:
        return self.viewer != "nobody"


_FILTER: Final = {
    "left": {"request_response_rmt": {"scores": {"accuracy": {"lt": 90}}}},
    "operator": "and",
    "right": {
        "left": {"request_response_rmt": {"properties": {"variant": {"equals": "A"}}}},
        "operator": "or",
        "right": {"request_response_rmt": {"model": {"contains": "gemini"}}},
    },
}
_FILTERED: Final = urlencode({"filter": json.dumps(_FILTER), "sort": '{"scores": {"accuracy": "asc"}}'})
_OLDEST, _WITH_CITATIONS, _WITH_THUMB = (
    "demo_619bae465894e80e87e8",
    "demo_e076f1334472f305a1e4",
    "demo_1588229e1a0199ca6d61",
)
"""Requests of the demo, whose ids follow from its seed."""


_VERSIONS: Final = "range=30d&by=prompt_version&prompt=support-reply&group=4&group=5"
_JUDGED: Final = urlencode(
    {"range": "30d", "rater": ['["relevance","judge"]', '["relevance","human"]']}, doseq=True
)


async def _open_json(page: Page) -> None:
    await page.get_by_text("Filter as JSON").click()


async def _try_over_the_past(page: Page) -> None:
    await page.get_by_role("button", name="Try it over the past").click()
    await page.get_by_role("heading", name="in the last").wait_for()


async def _show_keys(page: Page) -> None:
    await page.get_by_role("button", name="Keys").click()


async def _open_palette(page: Page) -> None:
    await page.keyboard.press("Control+k")
    await page.get_by_role("option", name="Overview").wait_for()


async def _make_key(page: Page) -> None:
    await page.get_by_label("Name of the new key").fill("Grace")
    await page.get_by_role("button", name="Make key").click()
    await page.get_by_role("heading", name="Copy the new key now").wait_for()


async def _open_menus(page: Page) -> None:
    await page.locator(".account > summary").click()


async def _try_a_read(page: Page) -> None:
    call = page.locator("#list_score_names")
    await call.get_by_role("button", name="Try it").click()
    await call.get_by_role("region", name="Answer", exact=True).wait_for()


async def _ask_to_delete(page: Page) -> None:
    for number in range(3):
        await page.locator("#rows .pick input[name=id]").nth(number).check()
    await page.get_by_role("button", name="Delete").click()
    await page.get_by_role("heading", name="Delete 3 requests?").wait_for()


PAGES: Final = (
    Shot(name="sign-in", path="/sign-in", viewer="nobody"),
    Shot(name="first-run", path="/", viewer="beginner"),
    Shot(name="overview", path="/?range=30d&score=relevance"),
    Shot(name="changes", path="/changes"),
    Shot(name="compare", path="/compare?range=30d&effect=2"),
    Shot(name="requests", path="/requests"),
    Shot(name="requests-filter", path=f"/requests?{_FILTERED}", prepare=_open_json),
    Shot(name="request", path=f"/requests/{_WITH_THUMB}?{_FILTERED}"),
    Shot(name="request-keys", path=f"/requests/{_WITH_CITATIONS}", prepare=_show_keys),
    Shot(name="request-end", path=f"/requests/{_OLDEST}/next"),
    Shot(name="monitors", path="/monitors"),
    Shot(name="monitor", path=f"/monitors/{MONITOR}"),
    Shot(name="monitor-form", path=f"/monitors/form?id={MONITOR}", prepare=_try_over_the_past),
    Shot(name="scores", path="/scores"),
    Shot(name="score-definition", path="/scores/definition?name=relevance"),
    Shot(name="request-deletion", path="/requests", prepare=_ask_to_delete),
    Shot(name="queues", path="/queues"),
    Shot(name="queue", path=f"/queues/{QUEUE}"),
    Shot(name="queue-form", path="/queues/form?filter=%22all%22&from=threshold"),
    Shot(name="queue-start", path=f"/queues/{QUEUE}/work"),
    Shot(name="queue-item", path=f"/queues/{QUEUE}/item?id={_OLDEST}"),
    Shot(name="join", path="/join", viewer="nobody"),
    Shot(name="docs", path="/docs#list_score_names", prepare=_try_a_read),
    Shot(name="palette", path="/compare", prepare=_open_palette),
    Shot(name="account", path="/settings", prepare=_open_menus),
    Shot(name="search", path="/search?q=e"),
    Shot(name="settings", path="/settings/keys", prepare=_make_key),
    Shot(name="settings-key", path="/settings/keys/1"),
    Shot(name="destinations", path="/settings/destinations"),
    Shot(name="destinations-none", path="/settings/destinations", viewer="beginner"),
    Shot(name="destination", path=f"/settings/destinations/{DESTINATION}"),
    Shot(name="destination-form", path=f"/settings/destinations/form?id={DESTINATION}"),
    Shot(name="delivery", path=f"/settings/destinations/{DESTINATION}/deliveries/{DELIVERY}"),
    Shot(name="usage", path="/settings/usage"),
    Shot(name="about", path="/settings/about"),
    Shot(name="compare-cases", path=f"/compare/cases?{_VERSIONS}&pair=user_id&score=relevance"),
    Shot(name="release-check", path=f"/compare/check?{_VERSIONS}&check=relevance&rule=notWorseBy&bound=2"),
    Shot(name="agreement", path="/agreement?range=30d"),
    Shot(name="agreement-requests", path=f"/agreement/requests?{_JUDGED}&a=0&a=100&b=0&b=100"),
)

LOOKS: Final[dict[str, dict[str, Any]]] = {
    "light": {"color_scheme": "light", "viewport": {"width": 1280, "height": 800}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1280, "height": 800}},
    "narrow": {"color_scheme": "light", "viewport": {"width": 380, "height": 800}},
}
"""Options of playwright's `new_context`."""


async def take_screenshots(
    browser: Browser, ground: Ground, keys: dict[Viewer, str | None], folder: Path
) -> None:
    """Write `<page>-<look>.png` for each page and look, the pages in their whole length."""
    for look, options in LOOKS.items():
        context = await browser.new_context(
            base_url=ground.address, reduced_motion="reduce", device_scale_factor=2, **options
        )
        page = await context.new_page()
        for viewer, key in keys.items():
            await context.clear_cookies()
            if key is not None:
                await sign_in(page, key)
            for shot in PAGES:
                if shot.viewer == viewer:
                    await page.goto(shot.path, wait_until="networkidle")
                    if shot.prepare is not None:
                        await shot.prepare(page)
                    path = folder / f"{shot.name}-{look}.png"
                    await page.screenshot(path=path, full_page=True)
                    print(path)
        await context.close()


async def _run(dsn: str, folder: Path) -> None:
    connection = await bootstrap.connect(dsn)
    await bootstrap.migrate(connection)
    key = await fill_demo(connection, REQUESTS, furnished=True)
    await connection.close()
    ground = Ground(dsn)
    ground.start()
    try:
        async with running_browser() as browser:
            keys: dict[Viewer, str | None] = {
                "nobody": None,
                "demo": key,
                "beginner": await ground.make_key(name="Fern & Wold"),
            }
            await take_screenshots(browser, ground, keys, folder)
    finally:
        ground.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description="Take screenshots of every page.")
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with temporary_server() as dsn:
            asyncio.run(_run(dsn, folder))
    except ChromiumMissing as missing:
        parser.exit(1, f"{missing}\n")


if __name__ == "__main__":
    main()
