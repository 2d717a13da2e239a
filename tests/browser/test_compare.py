from __future__ import annotations

from playwright.async_api import Page, expect

from tests.browser.conftest import AssertAccessible
from tests.browser.test_overview import assert_proportional, plotted, query, tabled


async def test_groups_are_chosen_and_drawn_over_each_other(
    reviewer: Page, assert_accessible: AssertAccessible
) -> None:
    await reviewer.goto("/compare?range=30d")
    await reviewer.get_by_label("Compare", exact=True).select_option(label="variant")
    await reviewer.get_by_role("button", name="Compare").click()
    await reviewer.wait_for_load_state()  # a click waits for no more than the first bytes of its page
    await expect(reviewer.locator(".comparison thead th")).to_have_count(3)  # of versions none is left
    await reviewer.locator(".pick > summary", has_text="Scores").click()
    for name in ("faithfulness", "has_citations", "Feedback", "relevance"):
        await reviewer.get_by_role("checkbox", name=name).uncheck()
    await reviewer.get_by_role("button", name="Compare").click()
    await reviewer.wait_for_load_state()
    first, second = query(reviewer)["group"][:2]
    assert {first, second} == {"A", "B"}
    verdict = reviewer.locator(".verdicts li").first
    box = await verdict.bounding_box()
    assert box
    assert box["y"] + box["height"] < 600  # the answer is in sight without scrolling
    for number in (0, 1):
        counts = [count or 0 for count in await tabled(reviewer, "spread", number + 1)]
        assert sum(counts) > 50
        points = await plotted(reviewer, "spread", f".marker.is-{number + 1}")
        assert len(points) == len(counts)
        assert_proportional([point["y"] for point in points], counts)
    looks: list[list[str]] = await reviewer.locator(".chart.is-spread").first.evaluate(
        """(chart) => [".line", ".marker"].map((kind) => {
            const shapes = [1, 2].map((series) => chart.querySelector(`${kind}.is-${series}`));
            return shapes.map((e) => [getComputedStyle(e).stroke, getComputedStyle(e).strokeDasharray,
              getComputedStyle(e).fill, e.getAttribute("href")]);
        })"""
    )
    (solid, dashed), (round_, square) = looks
    assert solid[0] != dashed[0]
    assert solid[1] != dashed[1]
    assert round_[2] != square[2]
    assert round_[3] != square[3]
    assert await reviewer.locator(".chart.is-shares").first.locator("rect[fill^=url]").count() == 2
    await assert_accessible(reviewer)
    await reviewer.get_by_role("link", name="use as base").click()
    await reviewer.wait_for_load_state()
    assert query(reviewer)["group"] == [second, first]
    head = reviewer.locator(".comparison thead th").nth(1)
    await expect(head).to_contain_text(f"{second} base")


async def test_comparison_follows_the_colour_scheme(
    reviewer: Page, assert_accessible: AssertAccessible
) -> None:
    colour = "getComputedStyle(document.querySelector('.line.is-2')).stroke"
    await reviewer.emulate_media(color_scheme="dark")
    await reviewer.goto("/compare?range=30d")
    await assert_accessible(reviewer)
    dark = await reviewer.evaluate(colour)
    await reviewer.emulate_media(color_scheme="light")
    assert await reviewer.evaluate(colour) != dark
