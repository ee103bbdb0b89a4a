"""Backfill: the runs of a span that is past are counted, and made once."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from db.models import ScheduledJob
from errors import BadArguments, Conflict
from runtime.client import Client
from services import schedules
from services.schedules import Backfill, ScheduleSpec
from tests.runtime.observing import fetch, value
from tests.runtime.some_actors import job_of

FIELDS: dict[str, Any] = {
    "name": "Hourly", "task_function": job_of("async", "echo").actor_name, "job_type": "cron",
    "schedule_config": {"expression": "0 * * * *"}, "task_args": {"value": 1}, "overlap": "skip", "repeat": 1,
}  # fmt: skip
DAY = datetime(2026, 3, 1, tzinfo=UTC)
NOON = DAY + timedelta(hours=12)


async def made(client: Client, **fields: Any) -> ScheduledJob:
    async with client.session() as session:
        schedule = await schedules.create(session, ScheduleSpec.parse(FIELDS | fields), who="ada")
        await session.commit()
    return schedule


async def backfill(client: Client, schedule: ScheduledJob, start: datetime, end: datetime, **more: Any) -> Backfill:
    async with client.session() as session:
        done = await schedules.backfill(session, schedule.id, start, end, who="ada", **more)
        await session.commit()
    return done


async def plan(client: Client, schedule: ScheduledJob, start: datetime, end: datetime) -> Backfill:
    async with client.session() as session:
        return await schedules.plan_backfill(session, schedule.id, start, end)


async def record(client: Client, schedule: ScheduledJob, hour: int, status: str, until: int | None = None) -> None:
    await fetch(
        client,
        "insert into scheduled_job_executions (id, schedule_id, schedule, planned_at, planned_until, times, status,"
        " reason, triggered_by) values ($1, $2, 'Hourly', $3, $4, $5, $6, 'misfired', 'schedule')",
        uuid.uuid4(), schedule.id, DAY + timedelta(hours=hour), DAY + timedelta(hours=until) if until else None,
        until - hour + 1 if until else 1, status,
    )  # fmt: skip


async def test_what_was_not_made_is_made_once(client: Client) -> None:
    """Given a span in which one run succeeded, one failed, one was skipped and nothing is known of the others, then a
    backfill makes these and the skipped one, and a second one makes none; the history has one row for each."""
    schedule = await made(client)
    for hour, status in ((1, "succeeded"), (2, "failed"), (3, "skipped")):
        await record(client, schedule, hour, status)
    planned = await plan(client, schedule, DAY, NOON)
    assert (len(planned.planned), len(planned.missing)) == (13, 11)
    assert await value(client, "select count(*) from jobs") == 0

    done = await backfill(client, schedule, DAY, NOON, reason="the outage of March")
    assert list(done.missing) == list(planned.missing)
    assert (await backfill(client, schedule, DAY, NOON)).missing == []
    assert await value(client, "select count(*) from jobs") == 11
    linked = "select count(*) from scheduled_job_executions e join jobs j on j.id = e.job_id where e.status = 'fired'"
    assert await value(client, linked) == 11
    assert await value(client, "select count(*) from scheduled_job_executions") == 13
    assert await value(client, "select reason from audit where action = 'schedule.backfill' order by id") == (
        "the outage of March"
    )


async def test_a_row_for_several_is_taken_only_whole(client: Client) -> None:
    """Given one row that stands for ten skipped runs, then a span with some of them leaves it as it is; one with all
    makes each."""
    schedule = await made(client)
    await record(client, schedule, 1, "skipped", until=10)
    assert DAY + timedelta(hours=1) not in (await plan(client, schedule, DAY, DAY + timedelta(hours=5))).missing
    done = await backfill(client, schedule, DAY + timedelta(hours=1), DAY + timedelta(hours=10))
    assert len(done.missing) == 10
    assert await value(client, "select sum(times) from scheduled_job_executions") == 10


async def test_two_at_once_make_each_run_once(client: Client) -> None:
    schedule = await made(client)
    both = await asyncio.gather(*(backfill(client, schedule, DAY, NOON) for _ in range(2)))
    assert sorted(len(one.missing) for one in both) == [0, 13]
    assert await value(client, "select count(*) from jobs") == 13


async def test_they_can_be_spread(client: Client) -> None:
    """Given runs ten seconds apart, then each is due so much later than the one before."""
    schedule = await made(client)
    await backfill(client, schedule, DAY, DAY + timedelta(hours=3), apart=timedelta(seconds=10))
    rows = await fetch(
        client,
        "select extract(epoch from j.run_at - min(j.run_at) over ())::int as later from jobs j"
        " join scheduled_job_executions e on e.job_id = j.id order by e.planned_at",
    )
    assert [row["later"] for row in rows] == [0, 10, 20, 30]


@pytest.mark.parametrize(
    ("start", "end", "says"),
    [
        (NOON, DAY, "ends before"),
        (DAY, datetime(2100, 1, 1, tzinfo=UTC), "must have passed"),
        (DAY - timedelta(days=60), DAY, "More than 1,000 runs"),
    ],
)
async def test_a_span_that_makes_no_sense_is_refused(client: Client, start: datetime, end: datetime, says: str) -> None:
    schedule = await made(client)
    with pytest.raises(BadArguments, match=says):
        await backfill(client, schedule, start, end)
    assert await value(client, "select count(*) from jobs") == 0


async def test_no_run_is_made_before_a_schedules_start(client: Client) -> None:
    schedule = await made(client, start_at=(DAY + timedelta(hours=10)).isoformat())
    assert len((await plan(client, schedule, DAY, NOON)).planned) == 3


async def test_a_shadow_stays_one(client: Client) -> None:
    schedule = await made(client, shadow=True)
    with pytest.raises(Conflict, match="only records"):
        await backfill(client, schedule, DAY, NOON)
