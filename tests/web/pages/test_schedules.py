"""Tests of the pages of schedules, without a browser."""

import uuid
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from runtime.client import Client
from services import schedules
from services.schedules import ScheduleSpec, calendar, lists, words
from settings import Settings
from tests.web.callers import caller, user

HTML = {"Accept": "text/html"}
FORM = {
    "name": "Nightly", "task_function": "cleanup_completed_jobs", "job_type": "cron", "expression": "30 2 * * *",
    "time_zone": "Europe/Berlin", "overlap": "skip", "misfire": "run_once", "enabled": "true",
}  # fmt: skip
# Each of them runs once an hour.
MANY = """
insert into scheduled_jobs (id, name, task_function, job_type, schedule_config, task_args, time_zone, managed_by,
                            created_by, updated_by, anchor_at, next_run_at)
select gen_random_uuid(), 'Hourly ' || n, 'cleanup_completed_jobs', 'cron',
       json_build_object('expression', n % 60 || ' * * * *'), '{}', 'UTC', 'person', 'ada', 'ada', now(), now()
from generate_series(1, 3000) n
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


async def test_a_form_makes_a_schedule_and_changes_it(person: httpx.AsyncClient, client: Client) -> None:
    """Given a filled-in form, then the schedule is as it says; the form of an edit shows it so, and saves a version."""
    created = await person.post("/schedules/new", data=FORM | {"jitter": "2.5", "start_at": "2027-01-01T00:00"})
    assert created.status_code == 303, created.text
    here = created.headers["location"]
    async with client.session() as session:
        schedule = await schedules.get(session, uuid.UUID(here.rpartition("/")[2]))
    assert schedule.jitter == 2.5
    assert schedule.start_at == datetime(2026, 12, 31, 23, tzinfo=UTC)  # midnight in Berlin
    form = (await person.get(f"{here}/edit")).text
    assert 'value="30 2 * * *"' in form
    assert 'value="2027-01-01T00:00:00"' in form
    edited = await person.post(f"{here}/edit", data=FORM | {"job_type": "interval", "every": "90", "unit": "minutes"})
    assert edited.status_code == 303, edited.text
    async with client.session() as session:
        schedule = await schedules.get(session, schedule.id)
    assert (schedule.schedule_config, schedule.version) == ({"minutes": 90}, 2)
    page = (await person.get(here)).text
    assert "Every 90 minutes" in page
    assert "Restore version 1" in page
    assert (await person.post(f"{here}/restore", data={"version": "1"})).status_code == 303
    async with client.session() as session:
        schedule = await schedules.get(session, schedule.id)
    assert (schedule.schedule_config, schedule.version) == ({"expression": "30 2 * * *"}, 3)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": "Taken"}, "name"),
        ({"task_function": ""}, "task_function"),
        ({"task_function": "gone"}, "task_function"),
        ({"expression": "never"}, "expression"),
        ({"job_type": "interval", "every": "often"}, "every"),
        ({"job_type": "interval", "every": "0", "unit": "seconds"}, "every"),
        ({"job_type": "date", "run_at": "soon"}, "run_at"),
        ({"job_type": "combination", "config": "{"}, "config"),
        ({"time_zone": "Europe/Nowhere"}, "time_zone"),
        ({"start_at": "soon"}, "start_at"),
        ({"repeat": "many"}, "repeat"),
        ({"priority": "100000"}, "priority"),
        ({"args_as": "json", "task_args": "["}, "task_args"),
        ({"args_as": "json", "task_args": '{"no_such": 1}'}, "task_args"),
    ],
)
async def test_a_mistake_is_named_at_its_field(
    person: httpx.AsyncClient, client: Client, change: dict[str, str], field: str
) -> None:
    """Given a form with one mistake, then it is shown again with it, and nothing is saved."""
    await made(client, "Taken")
    refused = await person.post("/schedules/new", data=FORM | change)
    assert refused.status_code == 422
    assert f'id="{field}-wrong"' in refused.text, refused.text
    async with client.session() as session:
        assert [one.name for one in await schedules.listed(session, kind="table")] == ["Taken"]


RUNS = """
insert into scheduled_job_executions (id, schedule_id, schedule, planned_at, status, triggered_by, started_at, ended_at)
select gen_random_uuid(), $1, 'x', t, case when n = 2 then 'failed' else 'succeeded' end,
       case when n = 4 then 'bob' else 'schedule' end, t + interval '3 s', t + make_interval(secs => 3 + $3::float8)
from (select n, now() - make_interval(secs => n * $2::float8) as t from generate_series(1, 10) n) x
"""


async def test_how_long_its_runs_take_and_how_far_apart_they_are(person: httpx.AsyncClient, client: Client) -> None:
    """Given a schedule whose runs take longer than they are apart, and one whose do not, then the list and the first
    one's page say so; its page has both charts, with their numbers as tables; one that never ran has neither."""
    slow, quick, never = [await made(client, name) for name in ("Slow", "Quick", "Never")]
    async with client.database.connection() as connection:
        await connection.execute(RUNS, slow, 60.0, 90.0)
        await connection.execute(RUNS, quick, 3600.0, 90.0)
    async with client.session() as session:
        latest = await lists.latest(session, [slow, quick, never])
    pace = lists.pace(latest[slow])
    assert pace.takes == pytest.approx(90)
    assert pace.apart == pytest.approx(60)
    assert pace.is_slow
    assert not lists.pace(latest[quick]).is_slow
    assert lists.pace(latest.get(never, [])) == lists.Pace(None, None)
    page = (await person.get("/schedules")).text
    assert page.count("over 1.0 min") == 1
    assert page.count("of 1.0 h") == 1
    page = (await person.get(f"/schedules/{slow}")).text
    assert "take longer than they are apart" in page
    assert page.count("Show as table") == 2
    assert page.count('<td class="number">90.000</td>') == 11  # the one that failed stands in two columns
    assert "take longer than" not in (await person.get(f"/schedules/{quick}")).text
    assert "No run has started" in (await person.get(f"/schedules/{never}")).text


async def test_what_would_change_is_shown_before_it_is_saved(person: httpx.AsyncClient, client: Client) -> None:
    """Given a form of an edit, when fields are changed, then its preview lists each with what it was and what it would
    be; what looks like a secret is masked; nothing is saved by it."""
    schedule = await made(client)
    typed = FORM | {"expression": "45 3 * * *", "arg.retention_days": "7", "intent": "preview"}
    page = (await person.post(f"/schedules/{schedule}/edit", data=typed)).text
    assert "What would change" in page
    for old, new in (("30 2 * * *", "45 3 * * *"), ("{}", "retention_days")):
        _, _, after = page.partition("What would change")[2].partition("</table>")[0].partition(old)
        assert new in after
    assert "What would change" not in (await person.post("/schedules/new", data=typed)).text
    wrong = (await person.post(f"/schedules/{schedule}/edit", data=typed | {"repeat": "many"})).text
    assert "What would change" not in wrong
    async with client.session() as session:
        assert (await schedules.get(session, schedule)).version == 1


async def test_the_preview_names_those_whose_next_run_is_then_too(person: httpx.AsyncClient, client: Client) -> None:
    """Given seven schedules that run at the same time, then the preview of another one then says how many there are,
    and the form and the page of one of them do not count itself."""
    ids = [await made(client, f"At night {n}") for n in range(7)]
    page = (await person.post("/schedules/preview", data=FORM)).text
    assert "02:30: the next run of 7 other schedules: At night 0," in page
    assert "At night 5" not in page
    for path in (f"/schedules/{ids[0]}/edit", f"/schedules/{ids[0]}"):
        assert "6 other schedules: At night 1," in (await person.get(path)).text
    alone = (await person.post("/schedules/preview", data=FORM | {"expression": "31 2 * * *"})).text
    assert "other schedule" not in alone


async def test_each_of_the_next_ten_runs_is_looked_at(person: httpx.AsyncClient, client: Client) -> None:
    """Given an hourly schedule, and others that run next within the minute of its second run, of its tenth and of its
    eleventh, then its form and its page name the first two moments, and the others then."""
    hourly = await made(client, "Hourly", time_zone="UTC", schedule_config={"expression": "0 * * * *"})
    async with client.session() as session:
        first = (await schedules.get(session, hourly)).next_run_at
    assert first is not None
    for name, run in (("Second", 1), ("Tenth", 9), ("Eleventh", 10)):
        at = first + timedelta(hours=run, seconds=59)
        await made(client, name, job_type="date", schedule_config={"run_at": at.isoformat()})
    for path in (f"/schedules/{hourly}/edit", f"/schedules/{hourly}"):
        page = (await person.get(path)).text
        for name, run in (("Second", 1), ("Tenth", 9)):
            at = first + timedelta(hours=run)
            assert f"{at:%a %d %b %Y %H:%M}: the next run of 1 other schedule: {name}<" in page
        assert "Eleventh" not in page


async def test_of_very_many_only_so_many_are_counted(client: Client) -> None:
    """Given more schedules that run in a minute than are counted, then it is said that there are so many."""
    async with client.session() as session:
        await session.execute(text(MANY))
        await session.flush()
        runs = await schedules.preview(session, "cron", {"expression": "* * * * *"}, number=1)
        await session.execute(text("update scheduled_jobs set next_run_at = :at"), {"at": runs[0].at})
        (found,) = await lists.collisions(session, runs)
    assert (found.schedules, len(found.names)) == (lists.MOST_COLLIDING, 5)


async def test_what_was_changed_meanwhile_is_not_overwritten(person: httpx.AsyncClient, client: Client) -> None:
    """Given a form that was opened before somebody else saved, then it is refused and keeps what was typed."""
    schedule = await made(client)
    async with client.session() as session:
        await schedules.edit(session, schedule, {"jitter": 1.0}, who="bob")
        await session.commit()
    late = await person.post(f"/schedules/{schedule}/edit", data=FORM | {"version": "1", "description": "Mine"})
    assert late.status_code == 422
    assert "changed by bob" in late.text
    assert "Mine" in late.text


async def test_what_the_code_declares_says_what_becomes_of_an_edit(
    person: httpx.AsyncClient, client: Client, settings: Settings
) -> None:
    """Given a schedule that the code declares, then its pages say that an edit is kept and a deletion too; edited, it
    is said to be as that person left it, and a deploy does not change it. One of periodiq is edited nowhere."""

    async def deployed(minutes: int) -> schedules.ScheduleSpec:
        default = schedules.Default("Tidy", "", "cleanup_completed_jobs", "interval", {"minutes": minutes})
        async with client.session() as session:
            await schedules.seed(session, [default], settings)
            await session.commit()
            return schedules.spec_of(await schedules.find(session, "Tidy"))

    await deployed(5)
    async with client.session() as session:
        here = f"/schedules/{(await schedules.find(session, 'Tidy')).id}"
    assert "until somebody changes it here" in (await person.get(here)).text
    assert "no deploy overwrites it" in (await person.get(f"{here}/edit")).text
    assert "does not make it again" in (await person.get(f"{here}/delete")).text
    assert "stays the code's" in (await person.get(f"{here}/disable")).text
    typed = FORM | {"name": "Tidy", "job_type": "interval", "every": "7", "unit": "minutes"}
    assert (await person.post(f"{here}/edit", data=typed)).status_code == 303
    assert (await deployed(6)).schedule_config == {"minutes": 7}
    page = (await person.get(here)).text
    assert "what the code says does not reach it any more" in page
    assert "no deploy overwrites" not in (await person.get(f"{here}/edit")).text

    async with client.database.connection() as connection:
        await connection.execute("update scheduled_jobs set kind = 'code', next_run_at = null")
    for path in (f"{here}/edit", f"{here}/disable"):
        refused = await person.get(path, headers=HTML)
        assert refused.status_code == 409
        assert "Change `periodic` of the actor" in refused.text


async def test_a_run_with_other_arguments(person: httpx.AsyncClient, client: Client) -> None:
    """Given a schedule, when it is run with arguments that its actor does not take, then the form says so; run as it
    is, it leads to the job."""
    schedule = await made(client)
    refused = await person.post(f"/schedules/{schedule}/run", data={"task_args": '{"no_such": 1}'})
    assert refused.status_code == 422
    assert "no_such" in refused.text
    done = await person.post(f"/schedules/{schedule}/run", data={"task_args": "{}"})
    assert done.status_code == 303
    assert done.headers["location"].startswith("/jobs/")


async def test_a_schedule_is_deleted_after_a_question(person: httpx.AsyncClient, client: Client) -> None:
    schedule = await made(client)
    assert "1 schedule" in (await person.get(f"/schedules/{schedule}/delete")).text
    assert (await person.post(f"/schedules/{schedule}/delete")).status_code == 303
    assert (await person.get(f"/schedules/{schedule}", headers=HTML)).status_code == 404


async def test_schedules_are_found(person: httpx.AsyncClient, client: Client) -> None:
    """Given schedules on and off, late and failing, then each filter shows those that it means, a page at a time."""
    late, failing = await made(client, "Late"), await made(client, "Failing 100%")
    await made(client, "Off", enabled=False)
    async with client.database.connection() as connection:
        await connection.execute("update scheduled_jobs set next_run_at = now() - interval '1 min' where id = $1", late)
        await connection.execute(
            "insert into scheduled_job_executions (id, schedule_id, schedule, planned_at, status, triggered_by)"
            " values (gen_random_uuid(), $1, 'Failing', now(), 'failed', 'schedule')", failing,
        )  # fmt: skip
    async with client.session() as session:
        found = {
            show: [one.name for one in await lists.page(session, show=show, source="person")] for show in lists.SHOWS
        }
        assert [one.name for one in await lists.page(session, text="100%")] == ["Failing 100%"]
        assert [one.name for one in await lists.page(session, source="person", after="Late")] == ["Off"]
    assert found == {
        "all": ["Failing 100%", "Late", "Off"], "enabled": ["Failing 100%", "Late"], "disabled": ["Off"],
        "late": ["Late"], "failing": ["Failing 100%"], "broken": [],
    }  # fmt: skip
    page = (await person.get("/schedules")).text
    assert "At 02:30" in page
    assert "The last 1 runs: 1 failed" in page


async def test_a_schedule_is_off_until_a_moment(person: httpx.AsyncClient, client: Client) -> None:
    """Given a form that says until when, on the reader's clock, and why, then the schedule is off until then, and its
    pages say so; a moment that is over, or none, is refused at its field with what was typed. Turned on, it is on."""
    here = f"/schedules/{await made(client)}"
    assert "until somebody turns it on" in (await person.get(f"{here}/disable")).text
    typed = {"reason": "a move", "lasts": "moment", "zone": "America/New_York"}
    for until, said in (("2001-01-01T00:00", "This moment is over already."), ("soon", "This is no time.")):
        refused = await person.post(f"{here}/disable", data=typed | {"until": until})
        assert refused.status_code == 422
        assert said in refused.text
        assert 'value="a move"' in refused.text
    assert (await person.post(f"{here}/disable", data=typed | {"lasts": "7"})).status_code == 422
    assert (await person.post(f"{here}/disable", data=typed | {"until": "2190-07-01T00:00"})).status_code == 303
    async with client.session() as session:
        (schedule,) = await schedules.listed(session, kind="table")
    assert (schedule.off_until, schedule.off_reason) == (datetime(2190, 7, 1, 4, tzinfo=UTC), "a move")
    for path in ("/schedules", here, f"{here}/edit"):
        page = (await person.get(path)).text
        assert "2190-07-01" in page, path
    page = (await person.get(here)).text
    assert "a move" in page
    assert "Thu 01 Jul 2190" not in page
    assert "Fri 02 Jul 2190 02:30:00" in page  # the first run that is not before, in Berlin
    assert 'aria-checked="false"' in (await person.get("/schedules")).text
    saved = await person.post(f"{here}/edit", data=FORM | {"description": "x", "version": "1"})
    assert saved.status_code == 303, saved.text
    assert "until <time" in (await person.get(here)).text
    assert (await person.post(f"{here}/enable")).status_code == 303
    assert "2190-07-01" not in (await person.get(here)).text


async def test_selected_schedules_are_off_for_a_while(person: httpx.AsyncClient, client: Client) -> None:
    """Given three selected schedules, of which one is off with no end, then the two others are off for as long as is
    typed, and the answer says why the third is not; what makes no sense is refused with what was typed."""
    ids = [str(await made(client, name)) for name in ("Nightly", "Weekly")]
    ids.append(str(await made(client, "Yearly", enabled=False)))
    asked = (await person.post("/schedules/selected", data={"verb": "disable", "schedule": ids})).text
    assert "until somebody turns it on" in asked
    typed = {"verb": "disable", "schedule": ids, "reason": "a move", "lasts": "7"}
    wrong = await person.post("/schedules/act", data=typed)
    assert wrong.status_code == 422
    assert 'value="a move"' in wrong.text
    done = await person.post("/schedules/act", data=typed | {"lasts": "3600"})
    assert done.status_code == 303
    assert "2%20of%203%20schedules" in done.headers["set-cookie"]
    async with client.session() as session:
        found = await schedules.listed(session, kind="table")
    assert [bool(one.off_until) for one in found] == [True, True, False]
    assert {one.off_reason for one in found} == {"a move", None}


async def test_a_viewer_looks_and_does_nothing(app: FastAPI, client: Client) -> None:
    schedule = await made(client)
    async with caller(app, httpx.Headers(HTML), await user("vera", "the-session-of-vera", "viewer")) as viewer:
        for path in ("/schedules", "/schedules/calendar", f"/schedules/{schedule}"):
            page = await viewer.get(path)
            assert page.status_code == 200
            assert "Run now" not in page.text
        here = f"/schedules/{schedule}"
        for path in ("/schedules/new", f"{here}/edit", f"{here}/run", f"{here}/disable"):
            assert (await viewer.get(path)).status_code == 403
            assert (await viewer.post(path)).status_code == 403
        assert (await viewer.post(f"{here}/enable")).status_code == 403


@pytest.mark.parametrize(
    ("kind", "config", "said"),
    [
        ("cron", {"expression": "0 9 * * mon-fri"}, "At 09:00, Monday through Friday"),
        ("cron", {"expression": "@weekly"}, "At 00:00, only on Sunday"),
        ("interval", {"hours": 1}, "Every hour"),
        ("interval", {"hours": 1, "minutes": 30}, "Every 1 hour, 30 minutes"),
        ("date", {"run_at": "2027-01-01T09:00"}, "Once, 2027-01-01T09:00"),
        ("combination", {"any": [{"type": "interval", "days": 2}, {"type": "cron", "expression": "0 0 * * *"}]},
         "Every 2 days; or: At 00:00"),
        ("own", {}, "own"),
    ],
)  # fmt: skip
def test_when_in_words(kind: str, config: dict[str, object], said: str) -> None:
    assert words.in_words(kind, config) == said


async def test_the_week_ahead_is_counted(client: Client) -> None:
    """Given a daily, an hourly and a frequent schedule, then each hour of the week has its runs."""
    await made(client, "Daily", time_zone="UTC")
    await made(client, "Hourly", time_zone="UTC", schedule_config={"expression": "15 * * * *"})
    start = datetime(2026, 11, 25, 12, 30, tzinfo=UTC)
    async with client.session() as session:
        found = await calendar.week(session, start)
    assert (found.counted, found.schedules, found.capped) == (2, 2, ())
    by_hour = {hour.starts_at.hour: hour.runs for hour in found.hours}
    assert by_hour == {hour: 2 if hour == 2 else 1 for hour in range(24)}
    assert found.hours[14].names == ("Hourly", "Daily")
    # And when one is changed, it is counted anew
    async with client.session() as session:
        hourly = await schedules.find(session, "Hourly")
        await schedules.set_enabled(session, hourly.id, False, who="ada")
        assert sum(hour.runs for hour in (await calendar.week(session, start)).hours) == 7
    assert await calendar.a_day("interval", {"seconds": 1}, "UTC", start) == pytest.approx(86_400)


async def test_a_week_that_takes_long_is_counted_to_its_end(client: Client) -> None:
    """Given more schedules than a request has time to count, when it is asked for again, then it goes on from where it
    was, and in the end all are counted, each once."""
    async with client.session() as session:
        await session.execute(text(MANY))
        await session.commit()
    start, counted = datetime(2026, 11, 25, 12, 30, tzinfo=UTC), [0]
    while counted[-1] < 3_000:
        async with client.session() as session:
            found = await calendar.week(session, start)
        assert found.counted > counted[-1]
        counted.append(found.counted)
    assert len(counted) > 2
    assert [hour.runs for hour in found.hours] == [3_000] * calendar.HOURS
    assert all(len(hour.names) == 5 for hour in found.hours)
    async with client.session() as session:
        assert await calendar.week(session, start) == found


async def test_a_backfill_is_counted_and_then_made(person: httpx.AsyncClient, client: Client) -> None:
    """Given a daily schedule, when a span is typed on its clock, then the page says how many runs it would make and
    makes them; mistakes are named at their fields."""
    here = f"/schedules/{await made(client)}/backfill"
    assert "Count them" in (await person.get(here)).text
    wrong = await person.get(f"{here}?start=tomorrow&end=2026-03-05T00:00")
    assert wrong.status_code == 422
    assert 'id="start-wrong"' in wrong.text
    assert 'value="2026-03-05T00:00"' in wrong.text
    span = {"start": "2026-03-01T02:30", "end": "2026-03-05T02:30", "apart": "0"}
    counted = (await person.get(here, params=span)).text
    assert "Make 5 runs of Nightly?" in counted
    assert "Sun 01 Mar 2026 02:30:00" in counted
    refused = await person.post(here, data=span | {"apart": "-1"})
    assert refused.status_code == 422
    assert 'id="apart-wrong"' in refused.text
    done = await person.post(here, data=span | {"reason": "an outage"})
    assert (done.status_code, done.headers["location"]) == (303, here.removesuffix("/backfill"))
    async with client.database.connection() as connection:
        assert await connection.fetchval("select count(*) from jobs") == 5
    assert "all of them were made" in (await person.get(here, params=span)).text


async def test_a_viewer_makes_no_backfill(app: FastAPI, client: Client) -> None:
    here = f"/schedules/{await made(client)}"
    async with caller(app, httpx.Headers(HTML), await user("vera", "the-session-of-vera", "viewer")) as viewer:
        assert "Backfill" not in (await viewer.get(here)).text
        assert (await viewer.get(f"{here}/backfill")).status_code == 403
        assert (await viewer.post(f"{here}/backfill", data={"start": "", "end": ""})).status_code == 403


async def test_a_time_beyond_the_calendar_is_a_mistake_at_its_field(person: httpx.AsyncClient, client: Client) -> None:
    """Given a time that no clock in UTC shows, then it is named as a mistake where it was typed."""
    here = f"/schedules/{await made(client)}/backfill?start=0001-01-01T00:00&end=2026-03-05T00:00"
    assert 'id="start-wrong"' in (await person.get(here)).text
    form = await person.post("/schedules/new", data=FORM | {"start_at": "0001-01-01T00:00"})
    assert 'id="start_at-wrong"' in form.text
