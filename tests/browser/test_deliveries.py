"""Tests of the pages of e-mails and webhooks, as an operator uses them."""

import pytest
from playwright.async_api import expect

from runtime.client import Client
from tests.browser.axe import assert_usable
from tests.browser.conftest import Visit
from tests.web.pages import mail


async def test_deliveries_can_be_used_by_everybody(visit: Visit, client: Client) -> None:
    """Given mails and webhooks that failed, then axe finds no violation on their pages, and nothing leaves a phone."""
    made = await mail.fill(client)
    email, delivery = f"/deliveries/emails/{made.unknown}", f"/deliveries/webhooks/{made.delivery}"
    endpoint = f"/deliveries/endpoints/{made.endpoint}"
    paths = (
        "/deliveries", email, f"{email}/resend", "/deliveries/suppressions", "/deliveries/templates",
        "/deliveries/webhooks", delivery, f"{delivery}/replay", "/deliveries/webhooks/replay", f"{delivery}/try",
        f"{delivery}/verify", "/deliveries/emails?status=unknown", "/deliveries/emails/resend?status=unknown",
        "/deliveries/endpoints", endpoint, f"{endpoint}/edit", f"{endpoint}/rotate", f"{endpoint}/disable",
        f"{endpoint}/delete",
    )  # fmt: skip
    await assert_usable(await visit("/deliveries"), *paths)


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
async def test_an_operator_sends_a_mail_again(visit: Visit, client: Client, script: bool) -> None:
    """Given a mail of which nobody knows, when an operator has read it and sends it again, then it waits to leave."""
    await mail.fill(client)
    page = await visit("/deliveries?status=unknown", script=script)
    await page.get_by_role("link", name="The reset").click()
    await expect(page.get_by_text("mailbox full")).to_be_visible()
    await expect(page.frame_locator("iframe.mail").get_by_role("heading", name="Curtain")).to_be_visible()
    await page.get_by_role("link", name="Send again").click()
    await expect(page.get_by_text("may get it twice")).to_be_visible()
    await page.get_by_label("Reason").fill("the provider's log has nothing")
    await page.get_by_role("button", name="Send it again").click()
    await expect(page.get_by_role("status").first).to_contain_text("on its way again")
    await expect(page.locator(".head .badge")).to_contain_text("queued")


async def test_an_operator_sends_a_webhook_again(visit: Visit, client: Client) -> None:
    """Given a delivery that failed for good, when an operator has read the answer and replays it, then a new one is on
    its way, and what remains to be replayed is nothing."""
    await mail.fill(client)
    page = await visit("/deliveries/webhooks")
    await page.get_by_role("link", name="webhook.test").click()
    await expect(page.get_by_text("<b>it broke</b>").first).to_be_visible()
    await page.get_by_role("link", name="Send again").click()
    await page.get_by_role("button", name="Send it again").click()
    await expect(page.get_by_role("status").first).to_contain_text("on its way again")
    await page.goto("/deliveries/webhooks/replay")
    await expect(page.get_by_role("heading", name="Send 0 deliveries again?")).to_be_visible()
    await expect(page.get_by_role("button", name="Send 0 deliveries again")).to_be_disabled()


async def test_a_delivery_is_tried_and_verified(visit: Visit, client: Client) -> None:
    """Given a delivery, when it is tried at a test URL, mistyped first, then it is on its way there; what is no secret
    is refused, and not shown again."""
    made = await mail.fill(client)
    page = await visit(f"/deliveries/webhooks/{made.delivery}")
    await page.get_by_role("link", name="Send to a test URL…").click()
    await page.get_by_label("Test URL").fill("ftp://example.com/")
    await page.get_by_role("button", name="Send it there").click()
    await expect(page.locator("#url-wrong")).to_contain_text("OUTGOING_SCHEMES")
    await expect(page.get_by_label("Test URL")).to_have_value("ftp://example.com/")
    await page.get_by_label("Test URL").fill("https://inspect.example.com/x")
    await page.get_by_role("button", name="Send it there").click()
    await expect(page.get_by_role("status").first).to_contain_text("It is on its way, once")
    await page.get_by_role("link", name=str(made.delivery)).click()
    await page.get_by_role("link", name="Verify…").click()
    await page.get_by_label("Secret").fill("nonsense")
    await page.get_by_role("button", name="Look").click()
    await expect(page.locator("#secret-wrong, #signature-wrong").first).to_be_visible()
    await expect(page.get_by_label("Secret")).to_have_value("")
