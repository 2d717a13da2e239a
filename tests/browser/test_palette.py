"""What is on every page: the palette, and menus that close."""

from __future__ import annotations

from playwright.async_api import Page, expect


async def test_palette_finds_a_page_by_keyboard_and_menus_close(reviewer: Page) -> None:
    page = reviewer
    await page.goto("/settings/about")
    await page.keyboard.press("Control+k")
    await expect(page.get_by_role("combobox", name="A page")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    find = page.get_by_role("link", name="Search")
    await find.click()
    await page.keyboard.type("usag")
    await expect(page.get_by_role("option")).to_have_text(["Usage"])
    await page.keyboard.press("Escape")
    await expect(find).to_be_focused()

    account = page.locator("details.account")
    await account.locator("summary").click()
    await account.get_by_label("Your name").focus()
    await page.keyboard.press("Escape")
    await expect(account).not_to_have_attribute("open", "")
    await expect(account.locator("summary")).to_be_focused()
    await account.locator("summary").click()
    await page.locator("h1").click()
    await expect(account).not_to_have_attribute("open", "")

    await page.keyboard.press("Control+k")
    await page.keyboard.type("usag")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/settings/usage")


async def test_key_for_a_colleague_takes_four_clicks(reviewer: Page) -> None:
    """Menu, permissions, button, and copying; the name is typed."""
    page = reviewer
    await page.goto("/")
    await page.get_by_role("link", name="Settings").first.click()
    await page.get_by_label("Name of the new key").fill("Hopper")
    await page.get_by_label("May").select_option("rw")
    await page.get_by_role("button", name="Make key").click()
    await expect(page.locator("#secret")).to_contain_text("sk-helicone-")
    await page.get_by_role("button", name="Copy").click()
    await page.reload()
    await expect(page.locator("#secret")).to_have_count(0)
    await expect(page.get_by_role("link", name="Hopper")).to_have_count(1)
