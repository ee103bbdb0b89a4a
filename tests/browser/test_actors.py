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
        await connection.execute(
            "insert into limits (key, concurrency, declared_concurrency, set_by, set_at, set_reason)"
            " values ('send_email', 5, 2, 'ana', now(), 'a bigger plan')"
        )
    page = await visit("/actors")
    await assert_usable(
        page, "/actors", "/actors/send_email", "/actors/gone", "/actors/send_email/enqueue", "/actors/send_email/limit"
    )


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
async def test_an_operator_sets_a_limit_and_resets_it(visit: Visit, client: Client, script: bool) -> None:
    """Given a key that is in use, when an operator allows more at once, then the actor's page says so, who and why."""
    async with client.database.connection() as connection:
        await connection.execute("insert into limits (key, concurrency) values ('send_email:a', 2)")
    page = await visit("/actors/send_email", script=script)
    await page.get_by_role("link", name="Change the limit of send_email:a").click()
    await page.get_by_label("At once", exact=True).fill("9")
    await page.get_by_label("Reason", exact=True).fill("a bigger plan")
    await page.get_by_role("button", name="Set the limit").click()
    limits = page.get_by_role("region", name="Limits in use")
    await expect(limits).to_contain_text("0 / 9")
    await expect(limits).to_contain_text("a bigger plan")
    await page.get_by_role("link", name="Change the limit of send_email:a").click()
    await page.get_by_role("button", name="Reset to the code's").click()
    await expect(limits).to_contain_text("as the code has it")


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
