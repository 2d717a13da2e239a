"""A browser before the service, filled with the demo.

All tests of this folder run in the loop of the session, in which the browser lives; async fixtures of theirs
name that loop too. The service runs in a thread: `start_service` would start it in a loop that stands still
meanwhile. At the end of each test, whatever the browser reported as an error fails it, and so does a call of
another host.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from heliscore.domain.api_key import Permissions
from playwright.async_api import Browser, Page, StorageState, expect

from tests.browser import axe
from tests.browser.chromium import ChromiumMissing, running_browser, sign_in
from tests.browser.ground import Ground, drop_database, make_database
from tests.browser.watch import Watch
from tests.conftest import TEMPLATE

REQUESTS = 400
# Not a figure of the product: how long a browser may stand still that shares two processors with three other
# test processes.
TIMEOUT_MS = 60_000
expect.set_options(timeout=TIMEOUT_MS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    in_session_loop = pytest.mark.asyncio(loop_scope="session")
    for item in items:
        if item.path.parent == Path(__file__).parent and pytest_asyncio.is_async_test(item):
            item.add_marker(in_session_loop, append=False)


@pytest.fixture(scope="session")
def ground(server: str) -> Iterator[Ground]:
    """The service with a demo organization, for all tests that leave it as it is."""
    name = f"{TEMPLATE}_browser"
    ground = Ground(asyncio.run(make_database(server, name, REQUESTS, furnished=True)))
    ground.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "heliscore.dashboard.pages.request_list._COUNT_TIMEOUT_S", 60
        )  # what is late is not shown
        yield ground
    ground.stop()
    asyncio.run(drop_database(server, name))


StartGround = Callable[..., Awaitable[Ground]]


@pytest_asyncio.fixture(loop_scope="session")
async def start_ground(server: str) -> AsyncIterator[StartGround]:
    """Start a service for one test that changes it: empty, or with some requests of the demo."""
    async with AsyncExitStack() as stack:

        async def start(requests: int = 0) -> Ground:
            name = f"test_{uuid.uuid4().hex}"
            ground = Ground(await make_database(server, name, requests))
            stack.push_async_callback(drop_database, server, name)
            ground.start()
            stack.callback(ground.stop)
            return ground

        yield start


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    try:
        async with running_browser() as browser:
            yield browser
    except ChromiumMissing as missing:
        pytest.fail(f"the browser tests need Chromium: {missing}")


@pytest.fixture
def watch() -> Watch:
    return Watch()


OpenPage = Callable[..., Awaitable[Page]]


@pytest_asyncio.fixture(loop_scope="session")
async def open_page(browser: Browser, ground: Ground, watch: Watch) -> AsyncIterator[OpenPage]:
    """Open pages, each with cookies of its own: of the shared service or of another, with options of
    playwright's `new_context` such as `color_scheme` or `viewport`."""
    async with AsyncExitStack() as stack:

        async def open_(of: Ground = ground, **options: Any) -> Page:
            context = await browser.new_context(base_url=of.address, reduced_motion="reduce", **options)
            stack.push_async_callback(context.close)
            context.set_default_timeout(TIMEOUT_MS)
            watch.attach(context, of.address)
            return await context.new_page()

        yield open_
    watch.check()


@pytest_asyncio.fixture(loop_scope="session")
async def page(open_page: OpenPage) -> Page:
    """A page of somebody who has not signed in."""
    return await open_page()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def sessions(browser: Browser, ground: Ground) -> dict[Permissions, StorageState]:
    """The cookies of two people who signed in, by what their keys permit."""
    states: dict[Permissions, StorageState] = {}
    for permissions in ("rw", "r"):
        context = await browser.new_context(base_url=ground.address)
        context.set_default_timeout(TIMEOUT_MS)
        await sign_in(await context.new_page(), await ground.make_key(permissions))
        states[permissions] = await context.storage_state()
        await context.close()
    return states


@pytest_asyncio.fixture(loop_scope="session")
async def reviewer(open_page: OpenPage, sessions: dict[Permissions, StorageState]) -> Page:
    """A page of somebody who may score."""
    return await open_page(storage_state=sessions["rw"])


@pytest_asyncio.fixture(loop_scope="session")
async def reader(open_page: OpenPage, sessions: dict[Permissions, StorageState]) -> Page:
    """A page of somebody who may only look."""
    return await open_page(storage_state=sessions["r"])


@pytest.fixture(scope="session")
def axe_source(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The script of axe-core, as npm installs it."""
    return axe.install(tmp_path_factory.mktemp("axe"))


AssertAccessible = Callable[..., Awaitable[None]]


@pytest.fixture
def assert_accessible(axe_source: str) -> AssertAccessible:
    """Fail with what axe finds wrong with a page as it is now, by some rules or all."""

    async def check(page: Page, rules: tuple[str, ...] = ()) -> None:
        assert await axe.find_violations(page, axe_source, rules) == []

    return check
