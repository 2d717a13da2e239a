"""What holds for every page of the dashboard, as `make screenshots` takes it."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest
from heliscore.dashboard import PAGES
from heliscore.domain.api_key import Permissions
from playwright.async_api import StorageState

from tests.browser import screenshots
from tests.browser.axe import CONTRAST, OF_WIDTH
from tests.browser.conftest import AssertAccessible, OpenPage
from tests.browser.screenshots import LOOKS, Shot


def test_every_page_of_the_dashboard_is_taken() -> None:
    paths = {page.path for page in PAGES if page.method == "GET" and not page.data}
    taken = {
        path
        for path in paths
        for shot in screenshots.PAGES
        if re.fullmatch(re.sub(r"{\w+}", "[^/]+", path), urlsplit(shot.path).path)
    }
    assert taken == paths


@pytest.mark.parametrize("look", ["light", "narrow"])
@pytest.mark.parametrize("shot", screenshots.PAGES, ids=lambda shot: shot.name)
async def test_page_is_accessible_and_fits_its_width(
    shot: Shot,
    look: str,
    open_page: OpenPage,
    sessions: dict[Permissions, StorageState],
    assert_accessible: AssertAccessible,
) -> None:
    page = await open_page(storage_state=sessions["rw"] if shot.signed_in else None, **LOOKS[look])
    await page.goto(shot.path)
    if shot.prepare is not None:
        await shot.prepare(page)
    await assert_accessible(page, OF_WIDTH if look == "narrow" else ())
    width = await page.evaluate("document.documentElement.scrollWidth")
    assert width == LOOKS[look]["viewport"]["width"]
    if look == "light":
        await page.emulate_media(color_scheme="dark", reduced_motion="reduce")
        await assert_accessible(page, CONTRAST)
