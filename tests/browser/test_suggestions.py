"""Tests of the search box: it is completed from the keyboard alone, and a plain box without script."""

import re

from playwright.async_api import expect

from runtime.client import Client
from tests.browser.axe import assert_shown_usable
from tests.browser.conftest import Visit
from tests.web.pages import rows


async def test_a_search_is_completed_from_the_keyboard(visit: Visit, client: Client) -> None:
    """Given failed jobs, when / and some letters are pressed, then what they may become is listed; arrows go through
    it, Tab and Enter take it, and Enter then searches."""
    await rows.ended(client, 2, "failed")
    page = await visit("/")
    box, listed = page.get_by_role("combobox", name="Search jobs"), page.get_by_role("listbox", name="Suggestions")
    await page.keyboard.press("/")
    await expect(box).to_be_focused()
    await expect(listed.get_by_role("option")).not_to_have_count(0)
    await expect(box).to_have_attribute("aria-expanded", "true")
    await page.keyboard.type("sta")
    await expect(listed).to_contain_text("state:stalled")
    await page.keyboard.press("ArrowDown")
    await expect(listed.get_by_role("option", selected=True)).to_contain_text("state:")
    await expect(box).to_have_attribute("aria-activedescendant", "suggestion-1")
    await page.keyboard.press("Tab")
    await expect(box).to_have_value("state:")
    await expect(listed).to_contain_text("state:waiting")
    await page.keyboard.type("fa")
    await expect(listed.get_by_role("option")).to_have_text(["state:failed"])
    await page.keyboard.press("ArrowUp")
    await page.keyboard.press("Enter")
    await expect(box).to_have_value("state:failed ")
    await expect(listed).to_be_hidden()
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(re.compile(r"/jobs\?q=state%3Afailed"))
    await expect(page.locator("tbody tr")).to_have_count(2)


async def test_the_list_is_left_as_it_was_opened(visit: Visit) -> None:
    """Given the list of suggestions, when Escape is pressed, then it is closed and what was typed stays; Enter without
    a choice searches for what was typed; a suggestion in the middle leaves what stands after it."""
    page = await visit("/jobs")
    box, listed = page.get_by_role("combobox", name="Search jobs"), page.get_by_role("listbox", name="Suggestions")
    await box.fill("state:fai queue:email")
    await box.evaluate("box => box.setSelectionRange(9, 9)")
    await page.keyboard.press("ArrowDown")
    await expect(listed.get_by_role("option", selected=True)).to_have_text(["state:failed"])
    await page.keyboard.press("End")
    await expect(listed.get_by_role("option").first).to_have_text("queue:email")
    await page.keyboard.press("Home")
    for _ in range(9):
        await page.keyboard.press("ArrowRight")
    await expect(listed.get_by_role("option")).to_have_text(["state:failed"])
    await listed.get_by_role("option").click()
    await expect(box).to_have_value("state:failed queue:email")
    await expect(box).to_be_focused()
    await box.fill("que")
    await expect(listed).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(listed).to_be_hidden()
    await expect(box).to_have_value("que")
    await expect(box).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(re.compile(r"/jobs\?q=que$"))


async def test_the_open_list_can_be_used_by_everybody(visit: Visit) -> None:
    """Given the open list with one chosen, then axe finds no violation, light or dark, at a desk or on a phone."""
    page = await visit("/")
    await page.keyboard.press("/")
    await page.keyboard.press("ArrowDown")
    await expect(page.get_by_role("listbox").get_by_role("option", selected=True)).to_be_visible()
    await assert_shown_usable(page)


async def test_the_box_is_a_plain_one_without_script(visit: Visit) -> None:
    page = await visit("/jobs", script=False)
    await page.get_by_role("searchbox", name="Search jobs").fill("state:failed")
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(re.compile(r"/jobs\?q=state%3Afailed"))
