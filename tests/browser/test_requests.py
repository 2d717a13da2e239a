from __future__ import annotations

import asyncio
import json
import re
from urllib.parse import parse_qs, quote, urlsplit

import httpx
from playwright.async_api import Page, expect

from tests.browser.conftest import REQUESTS, AssertAccessible, OpenPage, StartGround
from tests.browser.ground import Ground
from tests.browser.test_review import enter
from tests.browser.watch import Watch


async def state(page: Page) -> dict[str, object]:
    """What the address holds."""
    query = parse_qs(urlsplit(page.url).query)
    return {key: json.loads(query[key][0]) for key in ("filter", "sort") if key in query}


async def apply(page: Page) -> None:
    async with page.expect_navigation():
        await page.get_by_role("button", name="Apply", exact=True).first.click()


async def column(page: Page, name: str) -> list[str]:
    return await page.locator(f'td[data-score="{name}"]').all_inner_texts()


async def test_conditions_and_groups_make_the_filter_of_the_api(
    reviewer: Page, assert_accessible: AssertAccessible
) -> None:
    page = reviewer
    await page.goto("/requests")
    await expect(page.locator("#count")).to_have_text(f"{REQUESTS} requests")
    await page.get_by_role("button", name="+ Condition").click()
    await page.get_by_label("Name of the score").fill("accuracy")
    await page.get_by_label("Comparison").select_option("<")
    await page.get_by_label("Value").fill("80")
    await page.get_by_role("button", name="+ Group of alternatives").click()
    group = page.get_by_role("group", name="Group of conditions")
    await group.get_by_label("Field").select_option("Property")
    await group.get_by_label("Name of the property").fill("variant")
    await group.get_by_label("Value").fill("A")
    await group.get_by_role("button", name="+ Condition").click()
    await group.get_by_label("Field").nth(1).select_option("Model")
    await group.get_by_label("Comparison").nth(1).select_option("contains")
    await group.get_by_label("Value").nth(1).fill("gemini")
    await assert_accessible(page)
    await apply(page)
    assert await state(page) == {
        "filter": {
            "left": {"request_response_rmt": {"scores": {"accuracy": {"lt": 80}}}},
            "operator": "and",
            "right": {
                "left": {"request_response_rmt": {"properties": {"variant": {"equals": "A"}}}},
                "operator": "or",
                "right": {"request_response_rmt": {"model": {"contains": "gemini"}}},
            },
        }
    }
    values = await column(page, "accuracy")
    assert values
    assert all(int(value) < 80 for value in values)
    # The view is the same for whoever is sent the address, and can be changed there.
    await expect(page.get_by_label("Value")).to_have_count(3)
    await page.get_by_label("Combine by").first.select_option("or")
    await page.get_by_role("button", name="Remove group").click()
    await page.get_by_label("Comparison").select_option("is missing")
    await apply(page)
    tree = {"request_response_rmt": {"scores": {"accuracy": {"exists": False}}}}
    assert await state(page) == {"filter": tree}
    assert set(await column(page, "accuracy")) == {"\N{EN DASH}"}


async def test_faults_stand_by_their_fields(
    reviewer: Page, watch: Watch, assert_accessible: AssertAccessible
) -> None:
    page = reviewer
    tree = {"request_response_rmt": {"latency": {"lt": 900}, "scores": {"accuracy": {"gte": "9.5"}}}}
    await page.goto(f"/requests?filter={quote(json.dumps(tree))}")
    watch.expect("status of 400")
    row = page.locator(".builder-row").nth(1)
    await expect(row.locator(".error")).to_have_text('expected an integer or a boolean, got "9.5"')
    await expect(row.get_by_label("Value")).to_have_attribute("aria-invalid", "true")
    await expect(page.locator(".builder-row .error")).to_have_count(1)
    await assert_accessible(page)
    await row.get_by_label("Value").fill("95")
    await apply(page)
    latency, accuracy = {"latency": {"lt": 900}}, {"scores": {"accuracy": {"gte": 95}}}
    assert await state(page) == {
        "filter": {
            "left": {"request_response_rmt": latency},
            "operator": "and",
            "right": {"request_response_rmt": accuracy},
        }
    }
    assert set(map(int, await column(page, "accuracy"))) <= set(range(95, 101))


async def test_a_text_that_is_no_filter_is_mended_by_one_that_is(reviewer: Page, watch: Watch) -> None:
    page = reviewer
    watch.expect("status of 400")
    tree = {"request_response_rmt": {"scores": {"accuracy": {"gte": 95}}}}
    for text in (
        "abc",
        "{",
        "null",
        "[1]",
        '"abc"',
        '{"left": 1}',
        '{"request_response_rmt": {"constructor": {"equals": "a"}}}',
        '{"request_response_rmt": {"model": {"toString": "a"}}}',
        "[" * 10_000 + "]" * 10_000,
    ):
        async with page.expect_response(lambda response: "/request-values" in response.url):
            await page.goto(f"/requests?filter={quote(text)}")
        field = page.get_by_label("Filter", exact=True)
        if not await field.is_visible():
            await page.get_by_text("Filter as JSON").click()
        await field.fill(json.dumps(tree))
        await expect(page.get_by_label("Value")).to_have_value("95")
        await expect(page.locator(".builder-row")).to_have_count(1)


async def test_a_pasted_tree_is_taken_and_what_has_no_rows_is_kept(reviewer: Page) -> None:
    page = reviewer
    await page.goto("/requests")
    await page.get_by_text("Filter as JSON").click()
    kept = {"not": {"request": {"prompt": {"ilike": "%parcel%"}}}}
    tree = {
        "left": {"request_response_rmt": {"scores": {"accuracy": {"gte": 10}}, "status": {"equals": 200}}},
        "operator": "and",
        "right": kept,
    }
    text = page.get_by_label("Filter", exact=True)
    await text.fill(json.dumps(tree))
    await expect(page.locator(".builder-row")).to_have_count(3)
    assert json.loads(await page.locator(".builder-json").inner_text()) == kept
    assert json.loads(await text.input_value()) == tree
    await page.get_by_label("Value").first.fill("20")
    await apply(page)
    changed = (await state(page))["filter"]
    assert isinstance(changed, dict)
    shown = json.dumps(changed)
    assert json.dumps(kept) in shown
    assert '{"accuracy": {"gte": 20}}' in shown
    assert '{"status": {"equals": 200}}' in shown


async def test_the_copied_call_answers_with_what_the_page_shows(open_page: OpenPage, ground: Ground) -> None:
    key = await ground.make_key()
    page = await open_page(permissions=["clipboard-read", "clipboard-write"])
    await enter(page, key)
    tree = {"request_response_rmt": {"properties": {"it's": {"not-equals": "\"'$KEY`"}}}}
    sort = {"scores": {"accuracy": "asc"}}
    await page.goto(f"/requests?filter={quote(json.dumps(tree))}&sort={quote(json.dumps(sort))}")
    await page.get_by_text("Filter as JSON").click()
    await page.get_by_role("button", name="Copy the command").click()
    await expect(page.get_by_text("Copied.")).to_be_visible()
    command = await page.evaluate("navigator.clipboard.readText()")
    process = await asyncio.create_subprocess_exec(
        "sh",
        "-c",
        command.replace("curl ", "curl -sS --max-time 60 ", 1),
        env={"KEY": key, "PATH": "/usr/bin:/bin"},
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    rows = json.loads(output)["data"]
    links = await page.locator("#rows th.what a").evaluate_all("links => links.map(link => link.pathname)")
    assert [f"/requests/{row['request_id']}" for row in rows] == links[:50]
    assert len(rows) == 50


async def test_sorting_and_scrolling_reach_every_request_once(reviewer: Page, ground: Ground) -> None:
    page = reviewer
    await page.goto("/requests")
    await page.get_by_role("link", name="accuracy").click()
    await page.wait_for_url(re.compile("sort="))
    assert await state(page) == {"sort": {"scores": {"accuracy": "asc"}}}
    while await page.locator("#more").count():
        rows = await page.locator("#rows tbody tr").count()
        await page.locator("#more").evaluate("more => more.scrollIntoView()")
        await expect(page.locator("#rows tbody tr").nth(rows)).to_be_attached()
    links = await page.locator("#rows th.what a").evaluate_all("links => links.map(link => link.pathname)")
    async with httpx.AsyncClient(base_url=ground.address, timeout=30) as client:
        headers = {"Authorization": f"Bearer {await ground.make_key()}"}
        body = {"filter": "all", "sort": {"scores": {"accuracy": "asc"}}, "limit": 1000}
        answer = (await client.post("/v1/request/query", json=body, headers=headers)).json()
    assert links == [f"/requests/{row['request_id']}" for row in answer["data"]]
    cells = await page.locator("#rows tbody tr").evaluate_all("rows => rows.map(row => row.cells.length)")
    assert set(cells) == {await page.locator("#rows thead tr > *").count()}
    await expect(page.locator("#pager")).to_have_text("No more requests.")


async def test_chosen_columns_stay_in_the_address(reviewer: Page) -> None:
    page = reviewer
    await page.goto("/requests")
    await page.get_by_text("Columns").click()
    for name in await page.locator(".checks label").all_inner_texts():
        await page.get_by_label(name, exact=True).set_checked(name == "toxicity")
    await page.get_by_role("button", name="Show").click()
    await page.wait_for_url(re.compile("column=toxicity"))
    headings = page.locator("#rows thead th[data-score]")
    assert await headings.all_inner_texts() == ["toxicity"]


async def test_what_is_typed_goes_along_and_names_are_asked_for(reviewer: Page) -> None:
    page = reviewer
    await page.goto("/requests")
    await page.get_by_role("button", name="+ Condition").click()
    await page.get_by_label("Comparison").select_option("is missing")
    await page.get_by_role("button", name="Apply", exact=True).first.click()
    error = page.locator(".builder-row .error")
    await expect(error).to_have_text("give the name of the score")
    name = page.get_by_label("Name of the score")
    await expect(name).to_be_focused()
    await page.get_by_role("link", name="7 days").click()
    await expect(error).to_be_visible()
    await name.fill("accuracy")
    lacking = {"request_response_rmt": {"scores": {"accuracy": {"exists": False}}}}
    await page.get_by_role("link", name="30 days").click()
    await page.wait_for_url(re.compile("range=30d"))
    assert await state(page) == {"filter": lacking}

    await page.get_by_label("Field").select_option("Scores")
    await page.get_by_text("Columns").click()
    await page.get_by_role("button", name="Show").click()
    await page.wait_for_url(re.compile("scores_column"))
    unscored = {"request_response_rmt": {"scores_column": {"equals": "{}"}}}
    assert await state(page) == {"filter": unscored}
    assert "range=30d" in page.url
    await expect(page.get_by_label("Comparison")).to_have_value("missing")


async def test_rows_are_walked_selected_and_changed_by_keys(
    reviewer: Page, assert_accessible: AssertAccessible
) -> None:
    page = reviewer
    await page.goto("/requests")
    await expect(page.locator("#count")).to_have_text(f"{REQUESTS} requests")
    rows = page.locator("#rows tbody tr")
    bar = page.locator("#actions")
    await expect(bar).to_be_hidden()
    await page.keyboard.press("j")
    await page.keyboard.press("j")
    await expect(rows.nth(1).locator(".what a")).to_be_focused()
    await page.keyboard.press("x")
    await page.keyboard.press("k")
    await page.keyboard.press("x")
    which = page.get_by_label("Requests to change")
    await expect(which.locator("option").first).to_have_text("2 requests selected")
    await expect(which.locator("option").last).to_have_text(f"All {REQUESTS} requests that match")
    await assert_accessible(page)

    await page.get_by_label("Property to set").fill("jx?")
    await expect(page.locator("#keys")).to_be_hidden()
    await page.get_by_label("Text of the property").fill("seen")
    await page.get_by_role("button", name="Set property").click()
    await expect(page.get_by_text("The property was set on 2 requests.")).to_be_visible()
    await page.get_by_label("Select all of the page").check()
    await expect(which.locator("option").first).to_have_text("50 requests selected")
    await page.get_by_role("button", name="Delete").click()
    await expect(page.get_by_role("heading", name="Delete 50 requests?")).to_be_visible()
    await assert_accessible(page)
    await page.get_by_role("link", name="Keep them").click()
    await expect(page.locator("#count")).to_have_text(f"{REQUESTS} requests")

    await page.keyboard.press("?")
    await expect(page.get_by_role("heading", name="Keys")).to_be_visible()
    await assert_accessible(page)
    await page.keyboard.press("Escape")
    await page.keyboard.press("j")
    opened = await rows.first.locator(".what a").get_attribute("href")
    assert opened
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"**{opened}")


async def test_the_table_pages_without_script(open_page: OpenPage, ground: Ground) -> None:
    key = await ground.make_key("r")
    page = await open_page(java_script_enabled=False)
    await enter(page, key)
    await page.goto("/requests")
    first = await page.locator("#rows th.what a").first.get_attribute("href")
    await page.get_by_role("link", name="More requests").click()
    await page.wait_for_load_state()
    assert await page.locator("#rows th.what a").first.get_attribute("href") != first
    await page.get_by_text("Filter as JSON").click()
    await page.get_by_label("Filter", exact=True).fill('{"request_response_rmt": {"status": {"gte": 400}}}')
    await page.get_by_role("button", name="Apply").click()
    await page.wait_for_load_state()
    statuses = await page.locator("#rows td .chip.is-bad").count()
    assert statuses == await page.locator("#rows tbody tr").count() > 0


async def test_more_requests_can_be_asked_for_again(
    start_ground: StartGround, open_page: OpenPage, watch: Watch
) -> None:
    ground = await start_ground(60)
    page = await open_page(ground, viewport={"width": 1280, "height": 500})
    await enter(page, await ground.make_key())
    await page.goto("/requests")
    rows = page.locator("#rows tbody tr")
    await expect(rows).to_have_count(50)
    ground.stop()
    watch.expect("ERR_CONNECTION_REFUSED")
    await page.locator("#more").scroll_into_view_if_needed()
    await expect(page.get_by_text("The next requests could not be loaded.")).to_be_visible()
    ground.start()
    await page.get_by_role("button", name="Try again").click()
    await expect(rows).to_have_count(60)
