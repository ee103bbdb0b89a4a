"""Tests of the pages of schedules, as an operator uses them."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import expect

from runtime.client import Client
from services import schedules
from services.pauses import Span
from services.schedules import ScheduleSpec
from tests.browser.axe import assert_usable
from tests.browser.conftest import Visit
from tests.conftest import StartProcess

HISTORY = """
insert into scheduled_job_executions (id, schedule_id, schedule, planned_at, status, reason, job_id, triggered_by,
                                      started_at, ended_at, error)
select gen_random_uuid(), $1, 'Nightly', now() - make_interval(hours => n), status,
       case status when 'skipped' then 'overlap: the last run still goes' end,
       case when status <> 'skipped' then gen_random_uuid() end, 'schedule',
       case when status <> 'skipped' then now() - make_interval(hours => n) end,
       case when status <> 'skipped' then now() - make_interval(hours => n, secs => -2) end,
       case status when 'failed' then '{"type": "ValueError", "message": "no"}'::json end
from generate_series(1, 60) n, lateral (select (array['succeeded', 'failed', 'skipped'])[1 + n % 3] as status) s
"""


SLOW = """
insert into scheduled_job_executions (id, schedule_id, schedule, planned_at, status, triggered_by, started_at, ended_at)
select gen_random_uuid(), $1, 'Slow', t, 'succeeded', 'schedule', t, t + interval '90 s'
from (select now() - make_interval(mins => n) as t from generate_series(1, 30) n) x
"""


async def made(client: Client, name: str = "Nightly", **more: object) -> uuid.UUID:
    fields = {
        "name": name, "task_function": "cleanup_completed_jobs", "job_type": "cron",
        "schedule_config": {"expression": "30 2 * * *"}, "time_zone": "Europe/Berlin",
    }  # fmt: skip
    async with client.session() as session:
        schedule = await schedules.create(session, ScheduleSpec.parse(fields | more), who="ana")
        await session.commit()
    return schedule.id


async def test_schedules_can_be_used_by_everybody(visit: Visit, client: Client) -> None:
    """Given schedules with a history and versions, then axe finds no violation on their pages."""
    nightly = await made(client)
    slow = await made(client, "Every minute", job_type="interval", schedule_config={"minutes": 1}, time_zone="UTC")
    async with client.session() as session:
        await schedules.edit(session, nightly, {"jitter": 5.0}, who="bob")
        await session.commit()
    async with client.database.connection() as connection:
        await connection.execute(HISTORY, nightly)
        await connection.execute(SLOW, slow)
    here = f"/schedules/{nightly}"
    span = "start=2026-03-01T00:00&end=2026-03-05T00:00"
    async with client.session() as session:
        await schedules.turn_off(session, slow, who="bob", reason="a move", span=Span(lasts=timedelta(hours=5)))
        await session.commit()
    paths = (
        "/schedules", "/schedules/calendar", here, f"{here}/edit", f"{here}/run", f"{here}/delete", f"{here}/disable",
        f"{here}/backfill?{span}", f"/schedules/{slow}", f"/schedules/{slow}/edit",
    )  # fmt: skip
    await assert_usable(await visit(here), *paths)


async def test_a_schedule_is_made_and_seen_to_run(
    visit: Visit, client: Client, worker: StartProcess, scheduler: StartProcess
) -> None:
    """Given an operator who types an expression, then its next runs are shown while it is typed; when it is made to run
    every second, then the history shows a run that succeeded."""
    await scheduler()
    await worker("actors")
    page = await visit("/schedules")
    await page.get_by_role("link", name="New schedule").click()
    await page.get_by_label("Name", exact=True).fill("Token cleanup")
    await page.get_by_label("Actor", exact=True).select_option("cleanup_completed_jobs")
    await page.get_by_label("Expression").fill("*/20 * * * *")
    await expect(page.locator("#preview")).to_contain_text("Every 20 minutes")
    await expect(page.locator("#preview tbody tr")).to_have_count(10)
    await page.get_by_label("Expression").fill("*/20 * * *")
    await expect(page.locator("#preview")).to_contain_text("needs five fields")
    await page.get_by_label("Kind").select_option("interval")
    await page.get_by_label("Every", exact=True).fill("1")
    await page.get_by_label("Unit").select_option("seconds")
    await page.get_by_role("button", name="Create the schedule").click()
    await expect(page.get_by_role("status").first).to_contain_text("It is made")
    await expect(page.locator("#history .badge.succeeded").first).to_be_visible(timeout=60_000)


async def test_a_form_that_was_not_touched_changes_nothing(visit: Visit, client: Client) -> None:
    """Given schedules of each kind, then the form of an edit says that nothing would change, and saving makes no
    version; once a field is changed, it says what it was and what it would be."""
    kinds: dict[str, dict[str, object]] = {
        "cron": {"expression": "30 2 * * *"},
        "interval": {"hours": 24},
        "date": {"run_at": "2190-01-01T09:00"},
        "combination": {"any": [{"type": "interval", "days": 2}, {"type": "cron", "expression": "0 0 * * *"}]},
    }
    more = {"jitter": 2.5, "queue": "maintenance", "priority": 3, "task_args": {"retention_days": 30}}
    page = await visit("/schedules")
    for kind, config in kinds.items():
        schedule = await made(client, kind, job_type=kind, schedule_config=config, **more)
        await page.goto(f"/schedules/{schedule}/edit")
        await expect(page.locator("#preview")).to_contain_text("Nothing: the form is as the schedule is.")
        await page.get_by_role("button", name="Save").last.click()
        await expect(page.get_by_role("status").first).to_contain_text("It is saved as version 1")
    await page.goto(f"/schedules/{schedule}/edit")
    await page.get_by_label("Description").fill("Every other day")
    change = page.locator("#preview tr").filter(has_text="description")
    await expect(change).to_contain_text('""')
    await expect(change).to_contain_text('"Every other day"')


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
async def test_mistakes_are_shown_at_their_fields(visit: Visit, client: Client, script: bool) -> None:
    """Given a form with mistakes, with and without script, then each is named at its field, what was typed is kept, and
    a preview can be asked for."""
    page = await visit("/schedules/new?actor=cleanup_completed_jobs", script=script)
    await page.get_by_label("Name", exact=True).fill("Wrong")
    await page.get_by_label("Expression").fill("61 * * * *")
    await page.get_by_label("Time zone").fill("Europe/Berlin")
    await page.get_by_role("button", name="Preview").click()
    await expect(page.locator("#preview")).to_contain_text("is not a cron expression")
    await page.get_by_role("button", name="Create the schedule").click()
    await expect(page.locator("#expression-wrong")).to_contain_text("is not a cron expression")
    await expect(page.get_by_label("Name", exact=True)).to_have_value("Wrong")
    async with client.session() as session:
        assert await schedules.listed(session, kind="table") == []


async def test_clock_changes_are_marked(visit: Visit, client: Client) -> None:
    """Given a run planned within the hour that a clock change leaves out, then the preview says so."""
    page = await visit("/schedules/new", script=False)
    await page.get_by_label("Expression").fill("30 2 28-31 mar sun")
    await page.get_by_label("Time zone").fill("Europe/Berlin")
    await page.get_by_role("button", name="Preview").click()
    await expect(page.locator("#preview")).to_contain_text("DST: the clock jumps here")


async def test_selected_schedules_are_turned_off_after_a_question(visit: Visit, client: Client) -> None:
    """Given three schedules, when two are selected and turned off, then the question names the number; the third is
    turned off by its switch."""
    for name in ("Nightly", "Weekly", "Yearly"):
        await made(client, name)
    page = await visit("/schedules?source=person")
    await page.get_by_label("Select Nightly").check()
    await page.get_by_label("Select Weekly").check()
    await page.get_by_role("button", name="Turn off", exact=True).click()
    await page.get_by_role("button", name="Turn off 2 schedules").click()
    await expect(page.get_by_role("status")).to_contain_text("2 of 2 schedules were turned off")
    await page.get_by_role("switch", name="Yearly").click()
    await expect(page.get_by_role("switch", name="Yearly")).not_to_be_checked()
    async with client.session() as session:
        found = await schedules.listed(session, kind="table")
    assert [schedule.enabled for schedule in found] == [False, False, False]


async def test_a_schedule_is_turned_off_for_a_while(visit: Visit, client: Client) -> None:
    """Given a schedule, when it is turned off until a moment on the reader's clock, then its page and its switch say
    so; by its switch it is on again."""
    here = f"/schedules/{await made(client)}"
    page = await visit(here, zone="Asia/Tokyo")
    await page.get_by_role("link", name="Turn off…").click()
    await page.get_by_label("Reason").fill("a move")
    await expect(page.get_by_label("Until", exact=True)).to_be_hidden()
    await page.get_by_label("How long").select_option("until a moment")
    await page.get_by_label("Until", exact=True).fill("2190-01-01T09:00")
    await page.get_by_role("button", name="Turn it off").click()
    await expect(page.locator("#life")).to_contain_text("until Jan 1, 2190, 9:00:00 AM")
    async with client.session() as session:
        (schedule,) = await schedules.listed(session, kind="table")
    assert schedule.off_until == datetime(2190, 1, 1, tzinfo=UTC)
    await page.goto("/schedules?source=person")
    await expect(page.locator("#rows")).to_contain_text("off until Jan 1, 2190")
    await expect(page.get_by_role("switch", name="Nightly")).not_to_be_checked()
    await page.get_by_role("switch", name="Nightly").click()
    await expect(page.get_by_role("switch", name="Nightly")).to_be_checked()


async def test_ones_own_time_zone_is_a_click_away(visit: Visit) -> None:
    """Given a browser in Tokyo, when its own zone is chosen, then the next runs are on its clock."""
    page = await visit("/schedules/new", zone="Asia/Tokyo")
    await page.get_by_role("button", name="Mine: Asia/Tokyo").click()
    await expect(page.get_by_label("Time zone")).to_have_value("Asia/Tokyo")
    await expect(page.locator("#preview th").first).to_have_text("Asia/Tokyo")


async def test_a_list_follows_what_is_changed(visit: Visit, client: Client) -> None:
    """Given an open list, when somebody makes a schedule, then it is there without loading."""
    page = await visit("/schedules")
    await expect(page.get_by_text("No schedules yet")).to_be_visible()
    await made(client)
    await expect(page.get_by_role("link", name="Nightly")).to_be_visible()
