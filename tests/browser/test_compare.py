from __future__ import annotations

from playwright.async_api import Page, expect

from tests.browser.conftest import AssertAccessible
from tests.browser.test_overview import drawn, plotted, query, tabled


async def test_groups_are_chosen_and_drawn_over_each_other(
    reviewer: Page, assert_accessible: AssertAccessible
) -> None:
    await reviewer.goto("/compare?range=30d")
    await reviewer.get_by_label("Group requests by").select_option(label="variant")
    await reviewer.get_by_role("button", name="Group", exact=True).click()
    assert query(reviewer) == {"range": ["30d"], "by": ["property:variant"]}
    for name in ("faithfulness", "has_citations", "Feedback", "relevance"):
        await reviewer.get_by_role("checkbox", name=name).uncheck()
    await reviewer.get_by_role("button", name="Compare").click()
    await drawn(reviewer)
    first, second = query(reviewer)["group"][:2]
    assert {first, second} == {"A", "B"}
    for number in (0, 1):
        counts = [int(value or 0) for value in await tabled(reviewer, "spread", number + 1)]
        assert sum(counts) > 50
        assert await plotted(reviewer, "spread", "y", number) == [count / sum(counts) for count in counts]
    lines = await reviewer.locator("[data-chart=spread]").evaluate(
        "(chart) => chart.data.map(({line, marker}) => [line.color, line.dash, marker.symbol])"
    )
    assert all(len(set(marks)) == 2 for marks in zip(*lines, strict=True))
    assert await reviewer.locator("[data-chart=shares] svg .point").count() == 2
    await assert_accessible(reviewer)
    await reviewer.get_by_role("link", name="put first").click()
    await drawn(reviewer)
    assert query(reviewer)["group"] == [second, first]
    head = reviewer.locator(".comparison thead th").nth(1)
    await expect(head).to_contain_text(f"{second} base")


async def test_comparison_follows_the_colour_scheme(
    reviewer: Page, assert_accessible: AssertAccessible
) -> None:
    await reviewer.emulate_media(color_scheme="dark")
    await reviewer.goto("/compare?range=30d")
    await drawn(reviewer, "dark")
    await assert_accessible(reviewer)
    await reviewer.emulate_media(color_scheme="light")
    await drawn(reviewer)
