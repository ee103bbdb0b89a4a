"""Tests of the pages of actors, as an operator uses them."""

import re

import pytest
from playwright.async_api import expect

from runtime.client import Client
from tests.browser.axe import assert_usable
from tests.browser.conftest import Visit
from tests.web.pages import rows


async def test_actors_can_be_used_by_everybody(visit: Visit, client: Client) -> None:
    """Given actors with figures, one paused, one unknown here, then axe finds no violation on their pages."""
    await rows.counted(client, "send_email", "email", 2, 5)
    await rows.counted(client, "gone", "email", 1, 5)
    await rows.ended(client, 1, actor="gone")
    async with client.database.connection() as connection:
        await connection.execute("insert into pauses values ('actor', 'send_email', 'a defect', 'ana')")
        await connection.execute("insert into limits (key, rate, per, concurrency) values ('send_email:a', 10, 60, 2)")
    page = await visit("/actors")
    await assert_usable(page, "/actors", "/actors/send_email", "/actors/gone", "/actors/send_email/enqueue")


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
async def test_an_operator_enqueues_a_job_by_a_form(visit: Visit, script: bool) -> None:
    """Given the form of an actor, when a value does not fit, then its field says so; mended, it makes a job."""
    page = await visit("/actors", script=script)
    await page.get_by_role("link", name="Enqueue send_email", exact=True).click()
    await page.get_by_label("to", exact=True).fill("ada@example.com")
    await page.get_by_label("subject", exact=True).fill("Hello")
    await page.get_by_label("headers", exact=True).fill("[1]")
    await page.get_by_label("Delay", exact=True).fill("1d")
    await page.get_by_role("button", name="Enqueue", exact=True).click()
    await expect(page.get_by_text("Nothing was enqueued")).to_be_visible()
    await expect(page.get_by_label("headers", exact=True)).to_have_value("[1]")
    await expect(page.get_by_label("headers", exact=True)).to_have_attribute("aria-invalid", "true")
    await page.get_by_label("headers", exact=True).fill('{"X-Order": "1"}')
    await page.get_by_role("button", name="Enqueue", exact=True).click()
    await expect(page).to_have_url(re.compile("/jobs/[0-9a-f-]{36}$"))
    await expect(page.get_by_role("status").first).to_contain_text("It is enqueued")
    await expect(page.locator(".json").get_by_text("ada@example.com").first).to_be_visible()
