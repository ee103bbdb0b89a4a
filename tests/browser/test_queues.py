"""Tests of the pages of queues and workers, as an operator uses them."""

from datetime import timedelta

import pytest
from playwright.async_api import expect

from runtime.client import Client
from services import queues
from services.pauses import Span
from tests.browser.axe import assert_shown_usable, assert_usable
from tests.browser.conftest import Visit
from tests.conftest import StartProcess
from tests.web.pages import rows


async def fill(client: Client) -> None:
    await rows.workers(client)
    await rows.live(client, 30)
    await rows.live(client, 5, "running")
    await rows.live(client, 3, queue="nobody", actor="gone")
    await rows.ended(client, 3)
    await rows.ended(client, 2, "failed")
    await rows.attempts(client, "the provider is away")
    async with client.database.connection() as connection:
        await connection.execute("insert into limits (key, concurrency) values ('deliver_webhook:acme', 20)")
    await rows.counted(client, "send_email", "email", 2, 5)
    async with client.session() as session:
        await queues.pause(session, "nobody", who="ana", reason="it is not needed")
        await session.commit()


async def test_queues_and_workers_can_be_used_by_everybody(visit: Visit, client: Client) -> None:
    """Given queues with jobs and workers, one silent, then axe finds no violation on their pages."""
    await fill(client)
    await assert_usable(
        await visit("/queues"),
        "/queues", "/queues/email", "/queues/nobody", "/queues/webhooks", "/queues/email/pause", "/queues/email/purge",
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


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
async def test_an_operator_pauses_a_queue_until_a_moment(visit: Visit, client: Client, script: bool) -> None:
    """Given a queue, when an operator chooses a moment, then the field for it appears, on the reader's clock; one that
    is over is refused there with all that was typed; with one to come, the page says until when."""
    page = await visit("/queues/email/pause", script=script)
    await expect(page.get_by_label("Until", exact=True)).to_be_hidden()
    await page.get_by_label("Reason").fill("their maintenance")
    await page.get_by_label("How long").select_option("until a moment")
    await page.get_by_label("Until", exact=True).fill("2020-05-01T10:30")
    await page.get_by_role("button", name="Pause the queue").click()
    await expect(page.get_by_text("This moment is over already.")).to_be_visible()
    await expect(page.get_by_label("Until", exact=True)).to_have_value("2020-05-01T10:30")
    await expect(page.get_by_label("Reason")).to_have_value("their maintenance")
    if script:
        await assert_shown_usable(page)
    await page.get_by_label("Until", exact=True).fill("2199-05-01T10:30")
    await page.get_by_role("button", name="Pause the queue").click()
    alert = page.get_by_text("Paused by admin")
    await expect(alert).to_contain_text("their maintenance")
    await expect(alert.locator("time").last).to_contain_text("2199")


async def test_a_pause_that_is_over_is_seen_without_loading(
    visit: Visit, client: Client, scheduler: StartProcess
) -> None:
    """Given an open page of a queue that is paused for a time, when that is over, then the page says so by itself."""
    await scheduler()
    async with client.session() as session:
        span = Span(lasts=timedelta(hours=1))
        await queues.pause(session, "email", who="ana", reason="a migration", span=span)
        await session.commit()
    page = await visit("/queues")
    await expect(page.get_by_text("a migration")).to_be_visible()
    async with client.database.connection() as connection:
        await connection.execute("update pauses set until = now()")
    await expect(page.get_by_text("a migration")).to_be_hidden()
    await expect(page.get_by_role("link", name="Pause email", exact=True)).to_be_visible()


async def test_a_pause_is_seen_without_loading(visit: Visit, client: Client) -> None:
    """Given an open page, when somebody else pauses a queue, then the page shows it."""
    page = await visit("/queues")
    row = page.get_by_role("row", name="email", exact=False).first
    await expect(row).to_be_visible()
    async with client.session() as session:
        await queues.pause(session, "email", who="ana", reason="a migration")
        await session.commit()
    await expect(page.get_by_text("a migration")).to_be_visible()


async def test_a_job_is_cancelled_from_its_worker(visit: Visit, client: Client) -> None:
    """Given a worker that runs jobs, when one is cancelled there, then the question is asked and the page says so."""
    await fill(client)
    page = await visit(f"/workers/{rows.BUSY}")
    await page.get_by_role("button", name="Cancel send_email").first.click()
    await page.get_by_role("button", name="Cancel 1 job").click()
    await expect(page.get_by_text("cancelling")).to_be_visible()
