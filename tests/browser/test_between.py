"""Tests of the time range of the list of jobs, as people choose it."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from playwright.async_api import Page, expect

from runtime.client import Client
from tests.browser.axe import assert_shown_usable
from tests.browser.conftest import Visit
from tests.web.pages import rows

TOKYO = ZoneInfo("Asia/Tokyo")  # its clocks are never changed: each time on them is one moment, whenever this runs


async def old_and_new(client: Client) -> None:
    """Two failures of a moment ago and three of two days ago."""
    await rows.ended(client, 5, "failed")
    async with client.database.connection() as connection:
        await connection.execute(
            "update jobs set created_at = now() - interval '2 d', started_at = now() - interval '2 d',"
            " finished_at = now() - interval '2 d' where id in (select id from jobs limit 3)"
        )


async def choose(page: Page, start: datetime, end: datetime) -> None:
    await page.get_by_text("Any time", exact=False).first.click()
    await page.get_by_label("Jobs that").select_option("ended")
    await page.get_by_label("From").fill(f"{start:%Y-%m-%dT%H:%M}")
    await page.get_by_label("To", exact=True).fill(f"{end:%Y-%m-%dT%H:%M}")
    await page.get_by_role("button", name="Show these").first.click()


@pytest.mark.parametrize("script", [True, False], ids=["with-script", "without"])
async def test_the_last_hours_are_a_link(visit: Visit, client: Client, script: bool) -> None:
    """Given old and new failures, when the last hour is chosen, then the new ones are listed, the search says so, and
    any time is one link away."""
    await old_and_new(client)
    page = await visit("/jobs?q=state:failed", script=script)
    await expect(page.locator("tbody tr")).to_have_count(5)
    await page.get_by_text("Any time").click()
    await page.get_by_role("navigation", name="Ended within the last").get_by_role("link", name="1 h").click()
    await expect(page.locator("tbody tr")).to_have_count(2)
    await expect(page.locator("#search")).to_have_value("state:failed finished:<1h")
    await page.get_by_text("Ended: last 1 h").click()
    await page.get_by_role("link", name="Any time").click()
    await expect(page.locator("tbody tr")).to_have_count(5)


async def test_a_stretch_is_chosen_on_the_readers_clock(visit: Visit, client: Client) -> None:
    """Given a reader in Tokyo, when a stretch of the day before yesterday is chosen, then it is meant on Tokyo's clock,
    and the fields show it again so."""
    await old_and_new(client)
    page = await visit("/jobs?q=state:failed", zone="Asia/Tokyo")
    start, end = (datetime.now(UTC) - timedelta(days=2, hours=hours) for hours in (1, -1))
    await choose(page, start.astimezone(TOKYO), end.astimezone(TOKYO))
    await expect(page.locator("tbody tr")).to_have_count(3)
    await expect(page.locator("#search")).to_have_value(
        f"state:failed finished:{start:%Y-%m-%dT%H:%M}..{end:%Y-%m-%dT%H:%M}"
    )
    await page.get_by_text("Ended: custom").click()
    await expect(page.get_by_text("On the clock of Asia/Tokyo")).to_be_visible()
    await expect(page.get_by_label("From")).to_have_value(f"{start.astimezone(TOKYO):%Y-%m-%dT%H:%M}")
    await assert_shown_usable(page)


async def test_a_stretch_is_chosen_in_utc_without_script(visit: Visit, client: Client) -> None:
    await old_and_new(client)
    page = await visit("/jobs", script=False, zone="Europe/Berlin")
    start, end = (datetime.now(UTC) - timedelta(days=2, hours=hours) for hours in (1, -1))
    await choose(page, start, end)
    await expect(page.locator("tbody tr")).to_have_count(3)
    await expect(page).to_have_url(re.compile(r"q=finished%3A"))
