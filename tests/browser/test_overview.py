from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from playwright.async_api import Page, expect

from tests.browser.chromium import sign_in
from tests.browser.conftest import AssertAccessible, OpenPage, StartGround

CHART = ".chart"


async def plotted(page: Page, chart: str, marks: str) -> list[dict[str, float]]:
    """Where the marks of the first chart of a kind are on the screen, in pixels from the foot of its plot."""
    found: list[dict[str, float]] = (
        await page.locator(f".chart.is-{chart}")
        .first.locator(marks)
        .evaluate_all(
            """(marks) => marks.map((mark) => {
                const { left, right, top, bottom } = mark.getBoundingClientRect();
                const foot = mark.closest("svg.plot").getBoundingClientRect().bottom;
                return { x: (left + right) / 2, y: foot - (top + bottom) / 2, height: bottom - top };
            })"""
        )
    )
    return found


async def tabled(page: Page, chart: str, column: int) -> list[float | None]:
    """The numbers of a column of the table behind it; None where a cell has a dash."""
    rows = page.locator(f".card:has(.chart.is-{chart})").first.locator("tbody tr")
    found: list[str] = await rows.evaluate_all(
        "(rows, column) => rows.map((row) => row.cells[column].textContent)", column
    )
    return [None if text == "\N{EN DASH}" else float(text.replace(",", "").rstrip("%")) for text in found]


def assert_proportional(lengths: list[float], numbers: list[float]) -> None:
    """Fail where lengths on the screen are not as numbers are, within a pixel."""
    longest, largest = max(lengths), max(numbers)
    assert lengths == pytest.approx([number / largest * longest for number in numbers], abs=1)


async def sideways(page: Page) -> int:
    """How many pixels of the page are beyond its right edge."""
    found: int = await page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    return found


def query(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


async def test_charts_show_what_the_tables_say(reviewer: Page, assert_accessible: AssertAccessible) -> None:
    await reviewer.goto("/?range=30d&score=accuracy&score=is_hallucinated")
    tabled_averages = await tabled(reviewer, "trend", 1)
    assert len(tabled_averages) == 31
    averages = [average for average in tabled_averages if average is not None]
    points = await plotted(reviewer, "trend", ".marker")
    assert len(points) == len(averages) > 5
    lowest = min(point["y"] for point in points)
    assert_proportional(
        [point["y"] - lowest for point in points], [average - min(averages) for average in averages]
    )
    for chart, column in (("trend", 2), ("distribution", 1)):
        counts = [count for count in await tabled(reviewer, chart, column) if count]
        bars = await plotted(reviewer, chart, ".box")
        assert len(bars) == len(counts) > 5
        assert_proportional([bar["height"] for bar in bars], counts)
        assert sum(counts) > 100
    assert await reviewer.locator(CHART).count() == 4
    summary = reviewer.get_by_text("As a table").first
    await summary.focus()
    await reviewer.keyboard.press("Enter")
    await expect(reviewer.get_by_role("table").first).to_be_visible()
    await assert_accessible(reviewer)


async def test_a_chart_tells_what_the_pointer_is_at(
    reviewer: Page, assert_accessible: AssertAccessible
) -> None:
    await reviewer.goto("/?range=30d&score=accuracy")
    chart = reviewer.locator(".chart.is-distribution")
    row = reviewer.locator(".card:has(.chart.is-distribution) tbody tr").last
    value, count = await row.locator("th").text_content(), await row.locator("td").text_content()
    tip = chart.locator(".tip")
    await expect(tip).to_be_hidden()
    await chart.locator(".target").last.hover()
    await expect(tip).to_contain_text(f"{value}\n{count} scores, ")
    await assert_accessible(reviewer)
    await reviewer.keyboard.press("Escape")
    await expect(tip).to_be_hidden()
    await chart.locator(".target").first.hover()
    await expect(tip).to_be_visible()
    await reviewer.mouse.move(0, 0)
    await expect(tip).to_be_hidden()
    scores = [count for count in await tabled(reviewer, "trend", 2) if count]
    await reviewer.locator(".chart.is-trend .targets a:has(.target)").last.click()
    await reviewer.wait_for_url("**/requests?**")
    await expect(reviewer.locator("#count")).to_have_text(re.compile(rf"^{scores[-1]:.0f} requests?$"))


async def test_time_score_and_filters_are_chosen_by_hand_and_kept_in_the_address(reviewer: Page) -> None:
    await reviewer.goto("/")
    await reviewer.get_by_role("link", name="30 days").click()
    await reviewer.get_by_role("link", name=re.compile("^relevance")).click()
    await reviewer.get_by_role("link", name="Week", exact=True).click()
    assert query(reviewer) == {"range": ["30d"], "score": ["relevance"], "step": ["week"]}
    await reviewer.get_by_text("Filter", exact=True).click()
    await reviewer.get_by_label("Prompt", exact=True).fill("support-reply")
    await reviewer.get_by_label("Property").fill("variant")
    await reviewer.get_by_label("Value", exact=True).fill("B")
    await reviewer.get_by_role("button", name="Apply").click()
    await reviewer.wait_for_load_state()  # a click waits for no more than the first bytes of its page
    chosen = {"range": ["30d"], "score": ["relevance"], "step": ["week"]}
    assert query(reviewer) == chosen | {"prompt": ["support-reply"], "key": ["variant"], "value": ["B"]}
    filtered = await tabled(reviewer, "distribution", 1)
    await reviewer.get_by_role("link", name=re.compile("variant = B")).click()
    await reviewer.wait_for_load_state()
    assert query(reviewer) == chosen | {"prompt": ["support-reply"]}
    counts = await tabled(reviewer, "distribution", 1)
    assert sum(count or 0 for count in counts) > sum(count or 0 for count in filtered) > 0
    await reviewer.get_by_text("Custom", exact=True).click()
    await reviewer.get_by_label("From").fill("2026-01-01")
    await reviewer.get_by_label("To (inclusive)").fill("2026-01-31")
    await reviewer.get_by_role("button", name="Show").click()
    await expect(reviewer.get_by_role("heading", name="No scores in this period")).to_be_visible()
    assert query(reviewer) == {
        "score": ["relevance"], "prompt": ["support-reply"], "from": ["2026-01-01"], "to": ["2026-01-31"],
    }  # fmt: skip


async def test_charts_follow_the_colour_scheme(reviewer: Page, assert_accessible: AssertAccessible) -> None:
    await reviewer.goto("/?range=30d")
    colour = "getComputedStyle(document.querySelector('.chart text')).fill"
    light = await reviewer.evaluate(colour)
    await reviewer.emulate_media(color_scheme="dark")
    assert await reviewer.evaluate(colour) != light
    await assert_accessible(reviewer)
    await reviewer.emulate_media(color_scheme="light")
    assert await reviewer.evaluate(colour) == light


@pytest.mark.parametrize("path", ["/?range=30d&model=gpt-4.1", "/compare?range=30d"])
async def test_a_narrow_page_scrolls_down_only(reviewer: Page, path: str) -> None:
    await reviewer.set_viewport_size({"width": 380, "height": 800})
    await reviewer.goto(path)
    for text in ("Filter", "Custom"):
        await reviewer.get_by_text(text, exact=True).click()
        assert await sideways(reviewer) == 0
    widths: list[float] = await reviewer.locator(f"{CHART} *").evaluate_all(
        "(parts) => parts.map((part) => part.getBoundingClientRect().right)"
    )
    assert widths
    assert max(widths) <= 380


async def test_without_script_there_are_cards_charts_and_tables(open_page: OpenPage, reviewer: Page) -> None:
    state = await reviewer.context.storage_state()
    page = await open_page(storage_state=state, java_script_enabled=False)
    await page.goto("/?range=30d")
    assert await page.locator(".cards .card").count() == 7
    await expect(page.locator(CHART).first).to_be_visible()
    texts = await page.locator(".chart.is-distribution").first.locator(".target title").all_text_contents()
    assert len(texts) == len(await tabled(page, "distribution", 1)) > 5
    await page.get_by_text("As a table").first.click()
    await expect(page.get_by_role("table").first).to_be_visible()


async def test_the_first_score_turns_the_page_into_the_overview(
    start_ground: StartGround, open_page: OpenPage, assert_accessible: AssertAccessible
) -> None:
    ground = await start_ground()
    key = await ground.make_key()
    page = await open_page(ground)
    await sign_in(page, key)
    await expect(page.get_by_text("Waiting for the first score")).to_be_visible()
    await assert_accessible(page)
    command = await page.locator("code").filter(has_text="curl").inner_text()
    assert command.startswith(f"curl {ground.address}/v1/request/req_1/score ")
    async with httpx.AsyncClient(timeout=30) as client:
        answer = await client.post(
            f"{ground.address}/v1/request/req_1/score",
            headers={"Authorization": f"Bearer {key}"},
            json={"scores": {"accuracy": 95, "has_citations": True}},
        )
    assert answer.status_code == 200
    await expect(page.get_by_role("heading", name="accuracy").first).to_be_visible()
    await expect(page.locator(CHART).first).to_be_visible()


async def test_nobody_waits_for_the_first_score_in_a_hidden_page(
    start_ground: StartGround, open_page: OpenPage
) -> None:
    ground = await start_ground()
    page = await open_page(ground)
    await page.clock.install()
    await sign_in(page, await ground.make_key())
    asked: list[str] = []
    hide = "(hidden) => { Object.defineProperty(document, 'hidden', {value: hidden, configurable: true});"
    hide += "document.dispatchEvent(new Event('visibilitychange')); }"
    await page.evaluate(hide, True)
    page.on("request", lambda request: asked.append(urlsplit(request.url).path))
    await page.clock.run_for(60_000)
    assert "/first-score" not in asked
    await page.evaluate(hide, False)
    async with page.expect_response("**/first-score") as answered:
        await page.clock.run_for(3_000)
    assert (await (await answered.value).json()) == {"arrived": False}


async def test_overview_opens_with_what_changed_and_leads_to_its_requests(
    reviewer: Page, assert_accessible: AssertAccessible
) -> None:
    await reviewer.goto("/")
    changed = reviewer.get_by_role("region", name="What changed")
    first = changed.get_by_role("link").first
    await expect(first).to_have_text(
        re.compile(r"relevance fell \d\d points with support-reply 5, \d+ answers, since \d+ \w{3}")
    )
    await expect(changed).to_contain_text("comparisons with the 7 days before. All that changed")
    unscored = reviewer.locator("#unscored")
    await expect(unscored).to_have_text(re.compile(r"^\d+ of \d+ requests have no score$"))
    await assert_accessible(reviewer)
    await reviewer.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await reviewer.get_by_role("button", name="Copy link").click()
    await expect(reviewer.get_by_text("Link copied.")).to_be_visible()
    assert await reviewer.evaluate("navigator.clipboard.readText()") == reviewer.url
    sentence = await first.inner_text()
    await first.focus()
    await reviewer.keyboard.press("Enter")
    answers = re.search(r"(\d+) answers", sentence)
    assert answers
    await expect(reviewer.locator("#count")).to_have_text(f"{answers[1]} requests")
    values = await reviewer.locator("#rows tbody td[data-score=relevance]").all_inner_texts()
    numbers = [int(value) for value in values]
    assert numbers == sorted(numbers)  # the worst first
    await reviewer.go_back()
    await changed.get_by_role("link", name="All that changed").click()
    await expect(reviewer.get_by_role("heading", name="What changed")).to_be_visible()
    await expect(reviewer.get_by_text(sentence)).to_be_visible()
