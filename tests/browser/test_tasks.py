"""Everyday tasks, each from the page where it begins to its end, with the clicks and keys that it takes.

All are done on one page, of a service that nobody else uses. A list is one click to open and one to choose.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from urllib.parse import unquote

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, expect

from tests.browser.chromium import sign_in
from tests.browser.conftest import TIMEOUT_MS
from tests.browser.ground import Ground, drop_database, make_database
from tests.browser.test_review import listed as queue_of
from tests.browser.test_review import stored
from tests.browser.watch import Watch
from tests.conftest import TEMPLATE

REQUESTS = 400


@pytest.fixture(scope="module")
def shop(server: str) -> Iterator[Ground]:
    """A service for this file, whose tests change scores, keys and requests."""
    name = f"{TEMPLATE}_tasks"
    ground = Ground(asyncio.run(make_database(server, name, REQUESTS, furnished=True)))
    ground.start()
    yield ground
    ground.stop()
    asyncio.run(drop_database(server, name))


class Hand:
    """Does what a person does with mouse and keyboard, and counts it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.clicks = 0
        self.keys = 0

    async def click(self, at: Locator) -> None:
        await at.click()
        self.clicks += 1

    async def choose(self, at: Locator, label: str) -> None:
        await at.select_option(label=label)
        self.clicks += 2

    async def press(self, *keys: str) -> None:
        for key in keys:
            await self.page.keyboard.press(key)
        self.keys += len(keys)

    async def type(self, text: str) -> None:
        await self.page.keyboard.type(text)
        self.keys += len(text)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def signed_in(browser: Browser, shop: Ground) -> AsyncIterator[Page]:
    watch = Watch()
    context = await browser.new_context(
        base_url=shop.address, reduced_motion="reduce", permissions=["clipboard-read", "clipboard-write"]
    )
    context.set_default_timeout(TIMEOUT_MS)
    watch.attach(context, shop.address)
    page = await context.new_page()
    await sign_in(page, await shop.make_key())
    await page.locator("body").evaluate(
        """async (_, name) => {
            const csrf = document.querySelector("meta[name=csrf-token]").content;
            await fetch("/reviewer", {method: "POST", body: new URLSearchParams({csrf, name, next: "/"})});
        }""",
        "grace",
    )
    yield page
    await context.close()
    watch.check()


@pytest_asyncio.fixture(loop_scope="session")
async def hand(signed_in: Page) -> Hand:
    """At the overview, from which most tasks begin."""
    await signed_in.goto("/")
    return Hand(signed_in)


async def listed(page: Page, score: str) -> list[int]:
    """The values of a score in the table, from above."""
    cells = page.locator(f"#rows tbody td[data-score={score}]")
    await expect(cells.first).to_be_visible()
    return [int(text) for text in await cells.all_inner_texts()]


def scored_rows(page: Page) -> Locator:
    return page.locator("#rows tbody tr", has=page.locator(".level"))


async def test_ten_worst_answers_of_the_week_take_a_click(hand: Hand) -> None:
    card = hand.page.locator(".stat", has=hand.page.get_by_role("link", name="relevance", exact=True))
    await hand.click(card.locator(".stat-value a"))
    values = await listed(hand.page, "relevance")
    assert len(values) > 10
    assert values == sorted(values)
    assert "range=7d" in hand.page.url
    assert hand.clicks == 1


async def test_why_a_release_is_worse_takes_two_clicks(hand: Hand) -> None:
    changed = hand.page.get_by_role("region", name="What changed")
    await hand.click(changed.get_by_role("link", name=re.compile("relevance fell .* with support-reply 5")))
    await hand.click(hand.page.locator("#rows tbody th a").first)
    await expect(hand.page.locator(".turn.is-answer")).to_contain_text(re.compile(" Club|Club "))
    assert hand.clicks == 2


async def test_two_variants_are_compared_with_a_verdict_in_four_clicks(hand: Hand) -> None:
    await hand.click(hand.page.get_by_role("link", name="Compare").first)
    await hand.choose(hand.page.get_by_label("Compare", exact=True), "variant")
    await hand.click(hand.page.get_by_role("button", name="Compare"))
    verdicts = hand.page.get_by_role("region", name="Verdicts")
    await expect(verdicts).to_contain_text(re.compile("sure; "))
    assert hand.clicks == 4


async def test_twenty_requests_are_scored_by_a_click_and_sixty_keys(hand: Hand, shop: Ground) -> None:
    await hand.page.goto("/requests?range=7d")
    await hand.click(hand.page.locator("#rows tbody th a").first)
    await expect(hand.page.locator("#save-next")).to_be_visible()
    for value in range(40, 60):
        await hand.press(*str(value), "Enter")
    await expect(hand.page.locator(".place").first).to_contain_text("Request 21")
    assert (hand.clicks, hand.keys) == (1, 60)
    after = await stored(shop)
    ids = (await queue_of(hand.page))[:20]
    assert [after[id_]["accuracy"] for id_ in ids] == [(value, False) for value in range(40, 60)]


async def test_a_view_is_shared_by_a_click(hand: Hand) -> None:
    await hand.click(hand.page.get_by_role("button", name="Copy link"))
    await expect(hand.page.get_by_text("Link copied.")).to_be_visible()
    assert await hand.page.evaluate("navigator.clipboard.readText()") == hand.page.url
    assert hand.clicks == 1


async def test_a_table_is_exported_by_a_click(hand: Hand) -> None:
    await hand.page.goto("/requests?range=7d")
    async with hand.page.expect_download() as download:
        await hand.click(hand.page.get_by_role("link", name="Download CSV"))
    path = await (await download.value).path()
    lines = path.read_text("utf-8-sig").splitlines()
    shown = await hand.page.locator("#count").inner_text()
    assert len(lines) > int(shown.split()[0])
    assert "relevance" in lines[0]
    assert hand.clicks == 1


async def test_where_judge_is_high_and_human_low_takes_two_clicks(hand: Hand) -> None:
    await hand.click(hand.page.get_by_role("link", name="Agreement").first)
    apart = hand.page.get_by_role("region", name="Disagreements").locator("tbody tr")
    kind = apart.filter(has=hand.page.get_by_role("cell", name=re.compile(r"^\+\d\d$"))).first
    judge, human = [int(text) for text in (await kind.locator("td").all_inner_texts())[:2]]
    await hand.click(kind.locator(".ids a").first)
    about = hand.page.locator("form.score .score-about", has_text=f"{human} by human:")
    await expect(about).to_contain_text(f"{judge} by judge:")
    assert human < judge
    assert hand.clicks == 2


async def test_who_scored_and_when_takes_a_click(hand: Hand) -> None:
    await hand.page.goto("/requests?range=30d")
    await hand.click(
        hand.page.locator("#rows tbody tr", has=hand.page.locator(".level")).last.locator("th a")
    )
    about = hand.page.locator('form[data-name="relevance"] .score-about > p', has_text=" by ")
    await expect(about).to_have_text(
        re.compile(r"^\d+ by (judge:relevance-judge@[12]|human:(ada|bob)), .+ ago$")
    )
    assert hand.clicks == 1


async def test_a_change_is_undone_by_a_click(hand: Hand) -> None:
    await hand.page.goto("/requests?range=30d")
    await scored_rows(hand.page).last.locator("th a").click()
    field = hand.page.get_by_label("relevance", exact=True)
    before = await field.input_value()
    await field.fill("11")
    await field.press("Control+Enter")
    form = hand.page.locator('form[data-name="relevance"]')
    await expect(form.locator(".score-about > p").nth(2)).to_contain_text("11 by human:grace")
    await hand.click(form.get_by_role("button", name="Undo"))
    await expect(field).to_have_value(before)
    assert hand.clicks == 1


async def test_an_alert_takes_four_clicks(hand: Hand) -> None:
    page = hand.page
    await hand.click(page.get_by_role("link", name="Monitors").first)
    await hand.click(page.get_by_role("link", name="New monitor"))
    await hand.click(page.get_by_label("Name", exact=True))
    await hand.type("Accuracy")
    await hand.press("Tab", "Tab")
    await hand.type("accuracy")
    await hand.press("Tab", "Tab", "Tab")
    await hand.type("5")
    await hand.click(page.get_by_role("button", name="Save"))
    await expect(page.get_by_role("heading", name="Accuracy")).to_be_visible()
    assert hand.clicks == 4


async def test_a_key_for_a_colleague_takes_four_clicks(hand: Hand) -> None:
    page = hand.page
    await hand.click(page.get_by_role("link", name="Settings").first)
    await hand.click(page.get_by_label("Name of the new key"))
    await hand.type("Ada")
    await hand.click(page.get_by_role("button", name="Make key"))
    await hand.click(page.get_by_role("button", name="Copy"))
    secret = await page.locator("#secret").inner_text()
    assert await page.evaluate("navigator.clipboard.readText()") == secret
    assert hand.clicks == 4


async def test_what_is_unscored_takes_a_click(hand: Hand) -> None:
    unscored = hand.page.locator("#unscored a")
    await expect(unscored).to_contain_text("have no score")
    number = (await unscored.inner_text()).split()[0]
    await hand.click(unscored)
    await expect(hand.page.locator("#count")).to_have_text(f"{number} requests")
    assert await hand.page.locator("#rows .level").count() == 0
    assert hand.clicks == 1


async def test_data_of_a_user_is_deleted_in_five_clicks(hand: Hand) -> None:
    page = hand.page
    await page.goto("/requests?range=30d")
    await hand.click(page.locator("#rows tbody th a").first)
    user = page.locator(".facts div", has=page.get_by_text("User", exact=True)).get_by_role("link")
    name = await user.inner_text()
    await hand.click(user)
    await hand.click(page.get_by_label("Select all of the page"))
    await hand.click(page.get_by_role("button", name="Delete"))
    await hand.click(page.get_by_role("button", name="Delete"))
    await expect(page.get_by_text(re.compile(r"^\d+ requests? w\w+ deleted\.$"))).to_be_visible()
    await expect(page.get_by_role("heading", name="No request matches")).to_be_visible()
    assert name in unquote(page.url)
    assert hand.clicks == 5
