"""Tests of the pages of settings, as an administrator uses them."""

import pytest
from playwright.async_api import expect

from runtime.client import Client
from services import audit
from tests.browser.axe import assert_usable, violations
from tests.browser.conftest import Visit

PATHS = (
    "users", "users/admin", "sessions", "keys", "keys/tests", "values", "retention", "alerts", "masking", "audit",
    "about",
)  # fmt: skip


async def test_settings_can_be_used_by_everybody(visit: Visit, client: Client) -> None:
    """Given settings with something on each page, then axe finds no violation."""
    async with client.session() as session:
        audit.note(session, "ana", "queue.pause", target="email", reason="a test", details={"a": 1})
        await session.commit()
    await assert_usable(await visit("/settings"), *(f"/settings/{path}" for path in PATHS))


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
async def test_an_administrator_lets_somebody_in_and_out(visit: Visit, script: bool) -> None:
    """Given no such user, when one is made, then it is there; disabling it asks first."""
    page = await visit("/settings", script=script)
    await page.get_by_label("Name").fill("vera")
    await page.get_by_label("Role").select_option("operator")
    await page.get_by_label("Password").fill("short")
    await page.get_by_role("button", name="Create the user").click()
    await expect(page.get_by_text("A password has between")).to_be_visible()
    await expect(page.get_by_label("Name")).to_have_value("vera")
    await page.get_by_label("Password").fill("correct-horse-battery")
    await page.get_by_role("button", name="Create the user").click()
    await expect(page.get_by_role("heading", name="vera", exact=True)).to_be_visible()
    await page.get_by_text("Disable…").click()
    await expect(page.get_by_text("who cannot sign in any more")).to_be_visible()
    await page.get_by_role("button", name="Disable", exact=True).click()
    await expect(page.get_by_role("status").first).to_contain_text("vera is shut out")


async def test_a_key_is_made_and_revoked(visit: Visit) -> None:
    """Given a new key, then it is shown; revoking it asks first."""
    page = await visit("/settings/keys")
    await page.get_by_label("Name").fill("ci")
    await page.get_by_label("enqueue makes jobs").check()
    await page.get_by_role("button", name="Make the key").click()
    await expect(page.locator("#the-key")).to_contain_text("cb_")
    assert await violations(page) == []
    await page.get_by_text("Revoke…").click()
    await page.get_by_role("button", name="Revoke", exact=True).click()
    await expect(page.get_by_role("row", name="ci", exact=False).first).to_contain_text("revoked")


async def test_masking_is_shown_while_it_is_typed(visit: Visit) -> None:
    """Given the test box, when somebody types, then what is shown follows without a click."""
    page = await visit("/settings/masking")
    await page.get_by_label("Value").fill("password=hunter2 and more")
    await expect(page.locator("#masked")).to_have_text("password=******** and more")


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
async def test_the_audit_is_taken_away(visit: Visit, client: Client, script: bool) -> None:
    """Given deeds, when those of one person are filtered and exported, then the file has them alone."""
    async with client.session() as session:
        audit.note(session, "ana", "queue.pause", target="email")
        audit.note(session, "bob", "queue.pause", target="default")
        await session.commit()
    page = await visit("/settings/audit", script=script)
    await page.get_by_label("Who").fill("ana")
    await page.get_by_label("From").fill("2020-01-01T00:00")
    await page.get_by_role("button", name="Filter").click()
    await expect(page.get_by_role("row", name="queue.pause")).to_have_count(1)
    async with page.expect_download() as download:
        await page.get_by_role("link", name="Export as CSV").click()
    made = await (await download.value).path()
    text = made.read_text()
    assert "email" in text
    assert "default" not in text
