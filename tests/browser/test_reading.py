"""Tests of a list that somebody reads: it is kept up to date, and nothing is pushed under their eyes."""

import uuid

from playwright.async_api import Page, expect

from runtime.client import Client
from runtime.transport import CHANGED
from tests.browser.axe import assert_shown_usable
from tests.browser.conftest import PHONE, Visit
from tests.web.pages import rows

UNDER_WAY = """
with run as (
    insert into jobs (id, actor, queue, args, kwargs, state, attempt, worker, started_at)
    values (gen_random_uuid(), 'sync_crm', 'q', '[]', '{}', 'running', 1, gen_random_uuid(), now()) returning id
), told as (
    insert into job_progress (job_id, attempt, current, total, message, started_current, started_at)
    select id, 1, 340, 1000, 'page 34 of 100', 0, now() - interval '1 min' from run
), said as (
    insert into job_logs (job_id, attempt, line, level, logged_at, message)
    select id, 1, n, 20, now(), 'fetched page ' || n from run, generate_series(1, 3) n
)
select id from run
"""
FAILED = """
update jobs set error = '{"type": "ConnectionError", "message": "no answer"}', state = 'queued', worker = null,
    run_at = now() + interval '1 h'
"""


async def comes(client: Client) -> None:
    """A job more, and the pages are told."""
    await rows.ended(client, 1)
    await client.redis.publish(CHANGED, "jobs")


async def names(page: Page) -> list[str | None]:
    return [await row.get_attribute("id") for row in await page.locator("tbody tr").all()]


async def test_new_rows_are_counted_while_a_selection_is_made(visit: Visit, client: Client) -> None:
    """Given a selected row, when a job comes in above it, then the rows stand as they did and the row is selected; a
    marker says that there is one more and leads to it; once nothing is selected the list goes on by itself."""
    await rows.ended(client, 3)
    page = await visit("/jobs")
    before = await names(page)
    await page.locator("tbody input").first.check()
    await comes(client)
    marker = page.get_by_role("link", name="1 new")
    await expect(marker).to_be_visible()
    assert await names(page) == before
    await expect(page.locator("tbody input").first).to_be_checked()
    await assert_shown_usable(page)
    await page.locator("tbody input").first.uncheck()
    await comes(client)
    await expect(page.locator("tbody tr")).to_have_count(5)
    await expect(marker).to_have_count(0)


async def test_new_rows_are_counted_while_somebody_has_scrolled(visit: Visit, client: Client) -> None:
    """Given a list that is scrolled down, when jobs come in one after the other, then the marker counts them where its
    reader is, and the rows stand as they did; it leads to the newest."""
    await rows.ended(client, 60)
    page = await visit("/jobs")
    before = await names(page)
    await page.locator("tbody tr").nth(45).scroll_into_view_if_needed()
    await comes(client)
    await expect(page.get_by_role("link", name="1 new")).to_be_in_viewport()
    await comes(client)
    marker = page.get_by_role("link", name="2 new")
    await expect(marker).to_be_in_viewport()
    assert await names(page) == before
    await marker.click()
    await expect(page.locator("tbody tr").first).not_to_have_attribute("id", str(before[0]))


async def test_an_older_page_says_what_is_new(visit: Visit, client: Client) -> None:
    """Given an older page, when more jobs come in, then it says how many, up to a limit, and goes on showing the same
    ones."""
    await rows.ended(client, 60, "failed")
    page = await visit("/jobs?q=actor:send_email")
    await page.get_by_role("link", name="Older").click()
    await expect(page.locator("tbody tr")).to_have_count(10)
    before = await names(page)
    await rows.ended(client, 120)
    await client.redis.publish(CHANGED, "jobs")
    await expect(page.get_by_role("link", name="99+ new")).to_have_attribute("href", "/jobs?q=actor%3Asend_email")
    assert await names(page) == before


async def test_a_row_is_unfolded_and_stays_so(visit: Visit, client: Client) -> None:
    """Given a running job, when its row is unfolded, then it says how far it is and what it last logged, is kept up to
    date, and everybody can use it; it is folded and unfolded by keys too, and leads to the job without a script."""
    async with client.database.connection() as connection:
        job: uuid.UUID = await connection.fetchval(UNDER_WAY)
    page = await visit("/jobs")
    more = page.get_by_role("link", name=f"More of sync_crm {job}")
    await more.click()
    glance = page.locator("tr.glance")
    await expect(glance).to_contain_text("340 of 1,000 · page 34 of 100")
    await expect(glance).to_contain_text("fetched page 3")
    await expect(more).to_have_attribute("aria-expanded", "true")
    await assert_shown_usable(page)
    async with client.database.connection() as connection:
        await connection.execute(FAILED)
    await client.redis.publish(CHANGED, "jobs")
    await expect(glance).to_contain_text("ConnectionError no answer")
    await expect(glance).to_contain_text("Next attempt")
    await more.click()
    await expect(glance).to_have_count(0)
    await expect(more).to_have_attribute("aria-expanded", "false")
    await page.keyboard.press("j")
    await page.keyboard.press("ArrowRight")
    await expect(glance).to_have_count(1)
    await page.keyboard.press("h")
    await expect(glance).to_have_count(0)

    phone = await visit("/jobs", viewport=PHONE)
    await phone.get_by_role("link", name="More of").click()
    await expect(phone.locator("tr.glance")).to_contain_text("no answer")
    await assert_shown_usable(phone)
    plain = await visit("/jobs", script=False)
    await expect(plain.get_by_role("link", name="More of")).to_have_attribute("href", f"/jobs/{job}")
