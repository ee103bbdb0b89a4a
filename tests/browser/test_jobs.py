"""Tests of the pages of jobs and errors, as an operator uses them."""

import json
import re
import uuid
from datetime import timedelta

import pytest
from playwright.async_api import expect

from runtime.client import Client
from runtime.transport import CHANGED
from services import jobs
from tests.browser.axe import assert_shown_usable, assert_usable
from tests.browser.conftest import Visit
from tests.conftest import StartProcess
from tests.support.waiting import wait_for
from web.pages.source import ROOT

MANY = """
insert into jobs (id, actor, queue, args, kwargs, state, outcome, attempt, started_at, finished_at, error)
select gen_random_uuid(), 'send_email', 'email', '[]', json_build_object('to', 'user' || n || '@example.com'),
       'failed', 2, 1, now() - interval '2 min', now() - interval '1 min',
       json_build_object('type', 'ValueError', 'message', 'order ' || n)
from generate_series(1, $1::int) n
returning id
"""


async def failed(client: Client, count: int) -> list[uuid.UUID]:
    async with client.database.connection() as connection:
        return [row["id"] for row in await connection.fetch(MANY, count)]


async def test_lists_and_details_can_be_used_by_everybody(visit: Visit, client: Client) -> None:
    """Given jobs with attempts, logs, progress and children, then axe finds no violation on their pages."""
    (job, *_) = await failed(client, 30)
    async with client.database.connection() as connection:
        await connection.execute(
            "insert into job_attempts (job_id, attempt, worker, started_at, error_type, error_message, traceback)"
            " values ($1, 1, gen_random_uuid(), now() - interval '2 min', 'ValueError', 'order 1', $2)",
            job,
            'Traceback (most recent call last):\n  File "/x/site-packages/a.py", line 1, in a\n    b()\n'
            '  File "/app/b.py", line 2, in b\n    raise ValueError\nValueError: order 1\n',
        )
        await connection.execute("update jobs set parent_id = $1, state = 'cancelled', outcome = 3 where id <> $1", job)
        await connection.execute(
            "insert into job_logs (job_id, attempt, line, level, logged_at, message)"
            " values ($1, 1, 1, 30, now(), 'hm')",
            job,
        )
    page = await visit("/jobs")
    await assert_usable(page, "/jobs", f"/jobs/{job}", f"/jobs/{job}/edit", "/jobs/bulk?q=state:failed")


async def test_what_has_to_do_with_a_job_can_be_used_by_everybody(visit: Visit, client: Client) -> None:
    """Given a job among others of its parent, with a message to be looked at, then axe finds no violation."""
    (job, *_) = await failed(client, 9)
    async with client.database.connection() as connection:
        await connection.execute("update jobs set parent_id = gen_random_uuid(), unique_key = 'k' where id = $1", job)
        await connection.execute("update jobs set parent_id = (select parent_id from jobs where id = $1)", job)
    page = await visit(f"/jobs/{job}")
    await expect(page.get_by_role("heading", name="Related")).to_be_visible()
    await page.locator("#message > summary").click()
    await expect(page.get_by_text("redis_message_id", exact=True)).to_be_visible()
    await assert_shown_usable(page)


async def test_the_lines_around_a_failure_are_read_under_its_frame(visit: Visit, client: Client) -> None:
    """Given a job that failed in a file of the project, then the lines around the failing one are there when they are
    asked for, that one is marked, they stay open while the page is refreshed, and everybody can use them."""
    file = ROOT / "errors.py"
    number, line = next((n, line) for n, line in enumerate(file.read_text().split("\n"), 1) if line.startswith("class"))
    (job,) = await failed(client, 1)
    async with client.database.connection() as connection:
        await connection.execute(
            "insert into job_attempts (job_id, attempt, worker, started_at, error_type, error_message, traceback)"
            " values ($1, 1, gen_random_uuid(), now() - interval '2 min', 'ValueError', 'no', $2)",
            job,
            f'Traceback (most recent call last):\n  File "{file}", line {number}, in <module>\n    {line}\n'
            "ValueError: no\n",
        )
    page = await visit(f"/jobs/{job}")
    mark = page.locator(".traceback mark")
    await expect(mark).not_to_be_visible()
    await page.get_by_text("Around it in errors.py").click()
    await expect(mark).to_contain_text(line)
    await assert_shown_usable(page)
    async with client.database.connection() as connection:
        await connection.execute("update jobs set control_reason = 'seen again'")
    await client.redis.publish(CHANGED, "jobs")
    await expect(page.get_by_text("seen again")).to_be_visible()
    await expect(mark).to_be_visible()


@pytest.mark.parametrize("verb", ["Retry", "Move…", "Delete"])
async def test_the_question_about_selected_jobs_can_be_used_by_everybody(
    visit: Visit, client: Client, verb: str
) -> None:
    """Given selected jobs, when a button under the list is pressed, then axe finds no violation in the question."""
    await failed(client, 8)
    page = await visit("/jobs")
    await page.get_by_role("checkbox", name="Select all on this page").check()
    await page.get_by_role("button", name=verb, exact=True).click()
    await expect(page).to_have_url(re.compile("/jobs/selected$"))
    await assert_shown_usable(page)


async def test_an_operator_finds_a_failure_mends_its_arguments_and_sees_it_succeed(
    visit: Visit, client: Client, worker: StartProcess, scheduler: StartProcess
) -> None:
    """Given a mail to no address that has failed among others, when an operator searches for the text of its error,
    reads its traceback, corrects the address and runs it again, then it succeeds before their eyes."""
    await failed(client, 20)
    async with client.session() as session:
        wrong = {"to": "nobody", "subject": "Hello", "text": "Hello."}
        made = await jobs.enqueue_by_name(session, "send_email", [], wrong)
        await session.commit()
    await scheduler()
    await worker("actors")
    await wait_for(lambda: is_in(client, made.id, "failed"))

    page = await visit("/jobs")
    await page.get_by_role("combobox", name="Search jobs").fill("state:failed type:BadArguments")
    await page.keyboard.press("Enter")
    await page.get_by_role("table").get_by_role("link", name="send_email", exact=True).click()
    await expect(page.get_by_role("region", name="Traceback of attempt 1")).to_contain_text("BadArguments")
    await page.get_by_role("link", name="Edit and run…").click()
    await page.get_by_label("Keyword arguments").fill(json.dumps({**wrong, "to": "ada@example.com"}))
    await page.get_by_role("button", name="Show what changes").click()
    await expect(page.get_by_text('+  "to": "ada@example.com"')).to_be_visible()
    await page.get_by_role("button", name="Run it again").click()
    await expect(page.get_by_role("status")).to_contain_text("queued again")
    await expect(page.locator("#life .badge").first).to_contain_text("succeeded")


async def is_in(client: Client, job: uuid.UUID, state: str) -> bool:
    async with client.session() as session:
        return (await jobs.get(session, job)).state == state


async def test_selected_jobs_are_cancelled_after_a_question(visit: Visit, client: Client) -> None:
    """Given three jobs for later, when two are selected and cancelled with a reason, then the question names the
    number, these two are cancelled, and the audit says who and why."""
    async with client.database.connection() as connection:
        await connection.execute(
            "insert into jobs (id, actor, queue, args, kwargs, run_at)"
            " select gen_random_uuid(), 'send_email', 'email', '[]', '{}', now() + interval '1 day'"
            " from generate_series(1, 3)"
        )
    page = await visit("/jobs?q=state:scheduled")
    boxes = page.locator("tbody input[type=checkbox]")
    await expect(boxes).to_have_count(3)
    await boxes.nth(0).check()
    await boxes.nth(2).check()
    await page.get_by_role("button", name="Cancel", exact=True).click()
    await page.get_by_label("Reason").fill("the customer is gone")
    await page.get_by_role("button", name="Cancel 2 jobs").click()
    await expect(page.get_by_role("status")).to_contain_text("2 of 2 jobs were cancelled")
    async with client.database.connection() as connection:
        notes = await connection.fetch("select action, reason from audit where job_id is not null")
        states = await connection.fetch("select state, count(*)::int from jobs group by state order by state")
    assert [tuple(note) for note in notes] == [("job.cancel", "the customer is gone")] * 2
    assert [tuple(state) for state in states] == [("cancelled", 2), ("queued", 1)]


async def test_an_operator_retries_all_that_have_failed_by_the_text_of_their_error(
    visit: Visit, client: Client, worker: StartProcess, scheduler: StartProcess
) -> None:
    """Given 300 failures of an actor, when an operator finds yesterday's by the text of its error, and then retries all
    of them, then the job that does it is watched to its end, and all are queued again."""
    await failed(client, 300)
    async with client.database.connection() as connection:
        await connection.execute(
            "update jobs set created_at = now() - interval '25 h', started_at = now() - interval '25 h',"
            " finished_at = now() - interval '24 h' where error->>'message' = 'order 77'"
        )
    await scheduler()
    await worker("actors", "--queues", "maintenance")
    page = await visit("/jobs")
    await page.get_by_role("combobox", name="Search jobs").fill(
        'state:failed actor:send_email error:"order 77" finished:>20h'
    )
    await page.keyboard.press("Enter")
    await expect(page.locator("tbody tr")).to_have_count(1)
    await page.get_by_role("combobox", name="Search jobs").fill("state:failed actor:send_email")
    await page.keyboard.press("Enter")
    await page.get_by_role("link", name="Act on everything that fits").click()
    await page.get_by_role("button", name="Retry 300 jobs").click()
    await expect(page.get_by_role("heading", name="change_jobs")).to_be_visible()
    await expect(page.locator("#life .badge").first).to_contain_text("succeeded")
    async with client.database.connection() as connection:
        states = await connection.fetch("select state, count(*)::int from jobs where queue = 'email' group by state")
    assert [tuple(state) for state in states] == [("queued", 300)]


async def test_the_keyboard_is_enough(visit: Visit, client: Client) -> None:
    """Given a list, when j, x, and Enter are pressed, then a row is selected and opened."""
    await failed(client, 3)
    page = await visit("/jobs")
    await page.keyboard.press("j")
    await page.keyboard.press("j")
    await page.keyboard.press("x")
    await expect(page.locator("[data-selection]")).to_contain_text("1 selected")
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(re.compile("/jobs/[0-9a-f-]{36}$"))
    await page.keyboard.press("g")
    await page.keyboard.press("e")
    await expect(page.get_by_role("heading", name="Errors", exact=True)).to_be_visible()


@pytest.mark.parametrize("script", [True, False], ids=["with-script", "without"])
async def test_a_job_is_cancelled_and_deleted_from_its_page(visit: Visit, client: Client, script: bool) -> None:
    """Given a job for later, when somebody cancels it on its page and then deletes it, each after a question, then it
    is gone, also in a browser without JavaScript."""
    async with client.session() as session:
        later = jobs.Options(delay=timedelta(hours=1))
        made = await jobs.enqueue_by_name(session, "send_email", [], {"subject": "Hello", "text": "Hello."}, later)
        await session.commit()
    page = await visit(f"/jobs/{made.id}", script=script)
    await page.get_by_role("button", name="Cancel…").click()
    await page.get_by_role("textbox", name="Reason").fill("the customer is gone")
    await page.get_by_role("button", name="Cancel the job" if script else "Cancel 1 job").click()
    await expect(page.get_by_role("status")).to_contain_text("cancelled")
    await expect(page).to_have_url(re.compile(f"/jobs/{made.id}$"))
    await page.get_by_role("button", name="Delete…").click()
    await page.get_by_role("button", name="Delete the job" if script else "Delete 1 job").click()
    await expect(page.get_by_role("status")).to_contain_text("deleted")
    async with client.database.connection() as connection:
        notes = await connection.fetch("select action, reason from audit order by done_at")
        assert await connection.fetchval("select count(*) from jobs") == 0
    assert [tuple(note) for note in notes] == [("job.cancel", "the customer is gone"), ("job.delete", None)]


async def test_what_is_selected_can_be_copied_or_become_all_that_fits(visit: Visit, client: Client) -> None:
    """Given two of many failures selected, when their ids are copied, then the clipboard has them, a line each; a link
    beside their number leads to the question about all of them."""
    await failed(client, 60)
    page = await visit("/jobs?q=state:failed")
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    boxes = page.locator("tbody input[type=checkbox]")
    await boxes.nth(0).check()
    await boxes.nth(1).check()
    await page.get_by_role("button", name="Copy ids").click()
    await expect(page.get_by_role("button", name="Copied")).to_be_visible()
    copied = await page.evaluate("navigator.clipboard.readText()")
    assert copied.split() == [await boxes.nth(place).get_attribute("value") for place in (0, 1)]
    await page.get_by_role("link", name="all that fit…").click()
    await expect(page.get_by_role("button", name="Retry 60 jobs")).to_be_visible()


async def test_selected_jobs_are_moved_to_another_queue(visit: Visit, client: Client) -> None:
    """Given two jobs for later, when they are selected to be moved, then it is asked where to, what is wrong is said at
    its field and what was typed is kept; then both are there."""
    async with client.database.connection() as connection:
        await connection.execute(
            "insert into jobs (id, actor, queue, args, kwargs, run_at)"
            " select gen_random_uuid(), 'send_email', 'email', '[]', '{}', now() + interval '1 day'"
            " from generate_series(1, 2)"
        )
    page = await visit("/jobs")
    await page.get_by_role("checkbox", name="Select all on this page").check()
    await page.get_by_role("button", name="Move…").click()
    await page.get_by_label("Reason").fill("it is slow")
    await page.get_by_role("button", name="Move 2 jobs").click()
    await expect(page.get_by_text("Say where to")).to_be_visible()
    await page.get_by_label("Queue").select_option("maintenance")
    await page.get_by_label("Priority").fill("soon")
    await page.get_by_role("button", name="Move 2 jobs").click()
    await expect(page.get_by_text("'soon' is not a whole number.")).to_be_visible()
    await expect(page.get_by_label("Queue")).to_have_value("maintenance")
    await expect(page.get_by_label("Reason")).to_have_value("it is slow")
    await assert_shown_usable(page)
    await page.get_by_label("Priority").fill("7")
    await page.get_by_role("button", name="Move 2 jobs").click()
    await expect(page.get_by_role("status")).to_have_text("2 of 2 jobs were moved.")
    async with client.database.connection() as connection:
        found = await connection.fetch("select distinct queue, priority from jobs")
    assert [tuple(row) for row in found] == [("maintenance", 7)]
