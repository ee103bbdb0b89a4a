"""Tests of the pages of queues and workers, as an operator uses them."""

import pytest
from playwright.async_api import expect

from runtime.client import Client
from services import queues
from tests.browser.axe import assert_usable
from tests.browser.conftest import Visit
from tests.web.pages import rows


async def fill(client: Client) -> None:
    await rows.workers(client)
    await rows.live(client, 30)
    await rows.live(client, 5, "running")
    await rows.live(client, 3, queue="nobody", actor="gone")
    await rows.ended(client, 3)
    await rows.counted(client, "send_email", "email", 2, 5)
    async with client.session() as session:
        await queues.pause(session, "nobody", who="ana", reason="it is not needed")
        await session.commit()


async def test_queues_and_workers_can_be_used_by_everybody(visit: Visit, client: Client) -> None:
    """Given queues with jobs and workers, one silent, then axe finds no violation on their pages."""
    await fill(client)
    await assert_usable(
        await visit("/queues"),
        "/queues", "/queues/email", "/queues/nobody", "/queues/email/pause", "/queues/email/purge",
        f"/workers/{rows.BUSY}", f"/workers/{rows.BUSY}/drain", f"/workers/{rows.SILENT}",
    )  # fmt: skip


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
async def test_an_operator_pauses_a_queue_and_resumes_it(visit: Visit, client: Client, script: bool) -> None:
    """Given a queue, when an operator pauses it for a reason, then everybody reads who and why; then it is resumed."""
    await fill(client)
    page = await visit("/queues", script=script)
    await page.get_by_role("link", name="Pause email", exact=True).click()
    await expect(page.get_by_text("30 jobs will wait")).to_be_visible()
    await page.get_by_label("Reason").fill("the provider is down")
    await page.get_by_role("button", name="Pause the queue").click()
    await expect(page.get_by_text("Paused by admin")).to_contain_text("the provider is down")
    await page.get_by_role("link", name="Queues", exact=True).first.click()
    await page.get_by_role("button", name="Resume email", exact=True).click()
    await expect(page.get_by_role("status").first).to_contain_text("It goes on")


async def test_a_pause_is_seen_without_loading(visit: Visit, client: Client) -> None:
    """Given an open page, when somebody else pauses a queue, then the page shows it."""
    page = await visit("/queues")
    row = page.get_by_role("row", name="email", exact=False).first
    await expect(row).to_be_visible()
    async with client.session() as session:
        await queues.pause(session, "email", who="ana", reason="a migration")
        await session.commit()
    await expect(page.get_by_text("a migration")).to_be_visible(timeout=20_000)


async def test_a_job_is_cancelled_from_its_worker(visit: Visit, client: Client) -> None:
    """Given a worker that runs jobs, when one is cancelled there, then the question is asked and the page says so."""
    await fill(client)
    page = await visit(f"/workers/{rows.BUSY}")
    await page.get_by_role("button", name="Cancel send_email").first.click()
    await page.get_by_role("button", name="Cancel 1 job").click()
    await expect(page.get_by_text("cancelling")).to_be_visible()
