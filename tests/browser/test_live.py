"""Tests of what a live update leaves alone: what its reader has opened, chosen, or walked to."""

import uuid

from playwright.async_api import expect

from runtime.client import Client
from runtime.transport import CHANGED
from tests.browser.conftest import Visit
from tests.support.waiting import wait_for
from tests.web.pages import rows

TRACEBACK = (
    'Traceback (most recent call last):\n  File "/x/site-packages/a.py", line 1, in a\n    b()\n'
    '  File "/app/b.py", line 2, in b\n    raise ValueError\nValueError: order 1\n'
)
ATTEMPT = """
insert into job_attempts (job_id, attempt, worker, started_at, error_type, error_message, traceback)
values ($1, $2, gen_random_uuid(), now() - interval '2 min', 'ValueError', 'order ' || $2::int, $3)
"""

# Tells the page that something has changed; over when it shows this part anew.
REFRESHED = """id => new Promise(done => {
  document.addEventListener("htmx:after:swap", event => { if (event.target.id === id) done(); });
  document.body.dispatchEvent(new CustomEvent("live"));
})"""


async def fails(client: Client, job: uuid.UUID, attempt: int) -> None:
    async with client.database.connection() as connection:
        await connection.execute(ATTEMPT, job, attempt, TRACEBACK)
    await client.redis.publish(CHANGED, "jobs")


async def test_what_is_being_read_stays_open(visit: Visit, client: Client) -> None:
    """Given a job's page whose reader has opened an older attempt and its libraries' frames, and closed the latest,
    when another attempt fails, then these are as the reader left them, and the new one is open."""
    await rows.ended(client, 1, "failed")
    async with client.database.connection() as connection:
        job = await connection.fetchval("select id from jobs")
    for attempt in (1, 2):
        await fails(client, job, attempt)
    page = await visit(f"/jobs/{job}")
    first, second, third = (page.locator(f"#attempt-{number}") for number in (1, 2, 3))
    await first.locator("> summary").click()
    await first.get_by_text("1 frame of libraries").click()
    await second.locator("> summary").click()
    await fails(client, job, 3)
    await expect(page.get_by_role("heading", name="3 failed attempts")).to_be_visible()
    await expect(third).to_have_attribute("open", "")
    await expect(first.get_by_text("b()")).to_be_visible()
    await expect(second).not_to_have_attribute("open", "")


async def test_a_chart_is_drawn_anew_only_when_its_numbers_have_changed(visit: Visit, client: Client) -> None:
    """Given a chart, when the page is told that something has changed, then it is the same drawing as long as its
    numbers are the same."""
    await rows.counted(client, "send_email", "email", 1, 5)
    page = await visit("/actors/send_email")
    await page.evaluate("document.querySelectorAll('.chart canvas').forEach(canvas => { canvas.mark = true; })")
    marked = "[...document.querySelectorAll('.chart canvas')].map(canvas => canvas.mark === true)"
    await page.evaluate(REFRESHED, "charts")
    drawn = await page.evaluate(marked)
    assert drawn
    assert all(drawn)


async def test_times_change_their_clock_at_once(visit: Visit, client: Client) -> None:
    """Given a page in New York, when its reader asks for UTC, then its times are in UTC, and in New York again when
    they ask for that."""
    await rows.ended(client, 1)
    async with client.database.connection() as connection:
        job = await connection.fetchval("update jobs set created_at = '2026-07-01 12:00:00+00' returning id")
    page = await visit(f"/jobs/{job}", zone="America/New_York")
    created = page.locator("dt:text-is('Created') + dd")
    await expect(created).to_contain_text("08:00")
    await page.locator("summary", has_text="View").click()
    await page.get_by_label("Times", exact=True).select_option("utc")
    await expect(created).to_have_text("2026-07-01 12:00:00 UTC")
    await page.get_by_label("Times", exact=True).select_option("local")
    await expect(created).to_contain_text("08:00")


async def test_the_keys_act_on_what_is_selected(visit: Visit, client: Client) -> None:
    """Given a list of jobs, when one is selected and r is pressed, then the question is whether to retry it; . goes to
    the actions."""
    await rows.ended(client, 2, "failed")
    page = await visit("/jobs")
    await page.keyboard.press("r")  # nothing is selected: it does nothing
    await page.keyboard.press("j")
    await page.keyboard.press("x")
    await page.keyboard.press(".")
    await expect(page.get_by_role("button", name="Retry")).to_be_focused()
    await page.keyboard.press("r")
    await expect(page.get_by_role("heading", name="Retry 1 job?")).to_be_visible()


async def test_a_row_stays_under_the_keys(visit: Visit, client: Client) -> None:
    """Given a list in which somebody has walked to a row, when jobs come in above it, then x selects this row, and j
    goes on from it."""
    await rows.ended(client, 3)
    page = await visit("/jobs")
    lines = page.locator("tbody tr")
    names = [await line.get_attribute("id") for line in await lines.all()]
    await page.keyboard.press("j")
    await page.keyboard.press("j")
    await rows.ended(client, 2)
    await client.redis.publish(CHANGED, "jobs")
    await expect(lines).to_have_count(5)
    await page.keyboard.press("x")
    await expect(page.locator(f"#{names[1]} input")).to_be_checked()
    await page.keyboard.press("j")
    await expect(page.locator("tr[aria-current]")).to_have_attribute("id", str(names[2]))


LINES = """
insert into job_logs (job_id, attempt, line, level, logged_at, message)
select $1, 1, n, 20, now(), 'fetched page ' || n from generate_series($2::int, $3::int) n
"""


async def test_a_log_is_followed_until_its_reader_looks_further_up(visit: Visit, client: Client) -> None:
    """Given a running job with a long log, then its end is in view and stays so as lines come; once the reader scrolls
    up it stays where they are, until they want to follow it again."""
    await rows.live(client, 1, "running")
    async with client.database.connection() as connection:
        job = await connection.fetchval("select id from jobs")
        await connection.execute(LINES, job, 1, 100)
    page = await visit(f"/jobs/{job}")

    async def come(first: int, last: int) -> None:
        async with client.database.connection() as connection:
            await connection.execute(LINES, job, first, last)
        await client.redis.publish(CHANGED, f"job:{job}")
        await expect(page.get_by_text(f"fetched page {last}", exact=True)).to_be_attached()

    async def is_at_end() -> bool:
        end = "log => log.scrollHeight - log.scrollTop - log.clientHeight < 8"
        return bool(await page.locator(".log").evaluate(end))

    follow = page.get_by_role("checkbox", name="Follow")
    await expect(follow).to_be_checked()
    assert await is_at_end()
    await come(101, 120)
    await wait_for(is_at_end, what="the log to be followed")
    await page.locator(".log").evaluate("log => { log.scrollTop = 100; }")
    await expect(follow).not_to_be_checked()
    await come(121, 140)
    assert await page.locator(".log").evaluate("log => log.scrollTop") == 100
    await follow.check()
    assert await is_at_end()
