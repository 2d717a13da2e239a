"""That the other tests of this folder would notice what they are there to notice, and that a page of another
origin may rate requests."""

from __future__ import annotations

import socket

import pytest
from playwright.async_api import Browser, Error, Page

from tests.browser.conftest import AssertAccessible, OpenPage, StartGround
from tests.browser.ground import Ground
from tests.browser.watch import Watch


async def test_page_is_shown_without_a_fault(page: Page) -> None:
    response = await page.goto("/sign-in")
    assert response is not None
    assert response.status == 200
    assert await page.get_by_role("heading", name="Sign in").count() == 1


async def test_error_in_the_console_is_a_fault(page: Page, watch: Watch) -> None:
    await page.goto("/sign-in")
    await page.evaluate("console.error('broken')")
    with pytest.raises(AssertionError, match="console: broken"):
        watch.check()
    watch.expect("^console: broken ")


async def test_error_that_is_thrown_is_a_fault(page: Page, watch: Watch) -> None:
    await page.goto("/sign-in")
    async with page.expect_event("pageerror"):
        await page.evaluate("() => { setTimeout(() => { throw new Error('thrown'); }) }")
    watch.expect("^page: .*thrown")


async def test_call_of_another_host_is_a_fault(page: Page, watch: Watch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
    await page.set_content(f"<img src='http://127.0.0.1:{port}/pixel'>")
    watch.expect(f"^host: 127.0.0.1:{port}$")
    watch.expect("^console: .*ERR_CONNECTION_REFUSED")


def test_expected_fault_that_does_not_happen_fails() -> None:
    watch = Watch()
    watch.expect("never")
    with pytest.raises(AssertionError, match="never"):
        watch.check()


async def test_page_that_is_hard_to_use_is_found(page: Page, assert_accessible: AssertAccessible) -> None:
    await page.goto("/sign-in")
    await page.evaluate("document.body.innerHTML = '<main><h1>Form</h1><input></main>'")
    with pytest.raises(AssertionError, match="label: Form elements must have labels"):
        await assert_accessible(page)


async def test_sign_in_is_accessible(page: Page, assert_accessible: AssertAccessible) -> None:
    await page.goto("/sign-in")
    await assert_accessible(page)


async def test_somebody_who_signed_in_stays_so(reviewer: Page, reader: Page) -> None:
    for page in (reviewer, reader):
        await page.goto("/")
        assert page.url.endswith("/")
        await page.locator(".account > summary").click()
        assert await page.get_by_role("button", name="Sign out").count() == 1


async def test_service_of_a_test_can_go_away_and_come_back(
    start_ground: StartGround, open_page: OpenPage
) -> None:
    ground = await start_ground()
    page = await open_page(ground)
    await page.goto("/sign-in")
    ground.stop()
    with pytest.raises(Error, match="ERR_CONNECTION_REFUSED"):
        await page.goto("/sign-in")
    ground.start()
    page = await open_page(ground)
    await page.goto("/sign-in")
    assert await page.get_by_role("heading", name="Sign in").count() == 1


_RATE = """async ([address, key]) => {
    const call = async (path, body, sent) => {
        const headers = {Authorization: `Bearer ${sent}`, "Content-Type": "application/json"};
        const response = await fetch(address + path, {method: "POST", headers, body: JSON.stringify(body)});
        return [response.status, (await response.json()).error, response.headers.has("X-Request-Id")];
    };
    const page = fetch(address + "/sign-in", {credentials: "include"});
    return [
        await call("/v1/request/r/feedback", {rating: true}, key),
        await call("/v1/request/query", {filter: "all"}, key),
        await call("/v1/request/x/feedback", {rating: true}, key + "x"),
        await page.then(() => "read", () => "kept away"),
    ];
}"""


async def test_page_of_another_origin_rates_with_a_feedback_key(browser: Browser, ground: Ground) -> None:
    context = await browser.new_context()
    page = await context.new_page()
    await page.goto(f"{ground.elsewhere}/healthz")
    seen = await page.evaluate(_RATE, [ground.address, await ground.make_key("f", "shop")])
    assert seen == [
        [200, None, True],
        [403, "the API key has permissions 'f', this needs 'r'", True],
        [401, "the API key is not valid", True],
        "kept away",
    ]
    await context.close()
