"""Tests of who comes in, and what they find there."""

import re

from playwright.async_api import expect

from runtime.client import Client
from services import users
from tests.browser.conftest import Visit
from tests.web.pages import rows

PASSWORD = "correct horse battery staple"


async def test_a_viewer_signs_in_and_looks_without_being_offered_to_act(visit: Visit, client: Client) -> None:
    """Given a viewer who opens a job's page without a session, when they sign in with their password, a wrong one
    first, then they are on that page, which offers nothing that they may not do; signed out, they are out."""
    await rows.ended(client, 1, "failed")
    async with client.session() as session:
        await users.create(session, "ana", "vera", "viewer", PASSWORD)
        await session.commit()
    async with client.database.connection() as connection:
        job = await connection.fetchval("select id from jobs")
    page = await visit("/", but="the server responded with a status of 401")
    await page.context.clear_cookies()
    await page.goto(f"/jobs/{job}")
    await page.get_by_label("Name").fill("vera")
    await page.get_by_label("Password").fill("a wrong password")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("alert")).to_be_visible()
    await page.get_by_label("Name").fill("vera")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page).to_have_url(re.compile(f"/jobs/{job}$"))
    await expect(page.get_by_role("heading", name="send_email")).to_be_visible()
    for verb in ("Retry", "Delete…"):
        await expect(page.get_by_role("button", name=verb)).to_have_count(0)
    await expect(page.get_by_role("link", name="Settings")).to_have_count(0)
    await page.locator("summary", has_text="vera").click()
    await page.get_by_role("button", name="Sign out").click()
    await page.goto("/jobs")
    await expect(page).to_have_url(re.compile("/login"))
