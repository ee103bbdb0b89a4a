"""Tests of saved views and the export, as a person uses them."""

import pytest
from playwright.async_api import expect

from runtime.client import Client
from tests.browser.axe import assert_shown_usable, assert_usable
from tests.browser.conftest import PHONE, Visit
from tests.web.pages import rows


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
async def test_a_search_is_kept_under_a_name(visit: Visit, client: Client, script: bool) -> None:
    """Given a search, when it is saved, then it is found again under its name; and the jobs are to be had as a file."""
    await rows.ended(client, 2, "failed")
    page = await visit("/jobs?q=state:failed", script=script)
    await page.get_by_text("Views").click()
    await page.get_by_label("Save this search as").fill("What failed")
    await page.get_by_role("button", name="Save", exact=True).click()
    await expect(page.get_by_role("status").first).to_contain_text("It is saved as What failed")
    await page.goto("/jobs")
    await page.get_by_text("Views").click()
    await page.get_by_role("link", name="What failed").click()
    await expect(page.locator("#search")).to_have_value("state:failed")
    async with page.expect_download() as download:
        await page.get_by_role("link", name="Export CSV").click()
    assert (await download.value).suggested_filename.endswith("-2.csv")


async def test_views_can_be_used_by_everybody(visit: Visit) -> None:
    """Given a saved search, then axe finds no violation where it is chosen and where it is removed, and on a phone what
    pops up stays on the screen."""
    page = await visit("/jobs", viewport=PHONE)
    await page.get_by_text("Views").click()
    box = await page.get_by_label("Save this search as").bounding_box()
    assert box
    assert box["x"] >= 0
    await page.get_by_label("Save this search as").fill("All")
    await page.get_by_role("button", name="Save", exact=True).click()
    await page.get_by_text("Views").click()
    await assert_shown_usable(page)
    await assert_usable(page, "/jobs/views")
