"""Schedules are fired once, by their policies, with a history."""

import asyncio
import uuid
from datetime import timedelta

import pytest

import scheduling.firing
from db import schedules as sql
from runtime.client import Client
from runtime.transport import CHANGED
from scheduling.settler import Settler
from services import schedules
from tests.runtime.observing import fetch, value
from tests.scheduling.stage import (
    ACTOR,
    a_schedule,
    end_jobs,
    firing,
    history,
    leading,
    make_due,
    row,
    statuses,
)

pytestmark = pytest.mark.usefixtures("nobody")
HOUR = timedelta(hours=1)


async def test_a_due_schedule_makes_its_job_and_has_its_next_time(client: Client) -> None:
    """Given one that came due a second ago, then there is one job with its arguments, one execution that names both,
    and the next time is an hour after the planned one."""
    schedule = await a_schedule(client, priority=3, owner="ada")
    await make_due(client, schedule)
    due = (await row(client, schedule))["next_run_at"]
    wait = await firing(client, await leading(client)).run_once()
    (job,) = await fetch(client, "select id, actor, args::text, priority, owner, state from jobs")
    assert tuple(job)[1:] == (ACTOR, '["tick"]', 3, "ada", "queued")
    (execution,) = await history(client, schedule)
    assert (execution.planned_at, execution.job_id, execution.status) == (due, job["id"], "queued")
    after = await row(client, schedule)
    assert (after["next_run_at"], after["runs"], after["last_run_at"]) == (due + HOUR, 1, due)
    assert wait == 5.0


async def test_open_pages_are_told_of_a_run(client: Client) -> None:
    schedule = await a_schedule(client)
    await make_due(client, schedule)
    await client.outbox.drain()  # what was told of its making
    async with client.redis.pubsub() as channel:
        await channel.subscribe(CHANGED)
        await channel.get_message(timeout=10)  # that it is subscribed
        await firing(client, await leading(client)).run_once()
        told = await channel.get_message(timeout=10)
    assert told is not None
    assert told["data"] == b"schedules"


async def test_it_sleeps_until_the_next_one_is_due(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduling.firing, "_POLL", 3_600.0)
    schedule = await a_schedule(client)
    await make_due(client, schedule, seconds_ago=-60)
    assert 0 < await firing(client, await leading(client)).run_once() <= 60
    assert await statuses(client, schedule) == []


async def test_two_who_believe_to_lead_make_each_run_once(client: Client) -> None:
    """Given two that fire for the same term, and 1,000 planned times of ten schedules, then there are 1,000 runs."""
    made = [await a_schedule(client, schedule_config={"seconds": 1}, overlap="allow") for _ in range(10)]
    leader = await leading(client)
    first, second = firing(client, leader), firing(client, leader)
    for tick in range(100):
        await fetch(
            client, "update scheduled_jobs set next_run_at = date_trunc('hour', now()) - $1 * interval '1 s'", tick
        )
        # Set back each time, so that the planned times do not come from the schedule but collide if both fire.
        await fetch(client, "update scheduled_jobs set misfire_grace = 1e8, end_at = next_run_at")
        await asyncio.gather(first.run_once(), second.run_once(), first.run_once(), second.run_once())
    assert await value(client, "select count(*) from jobs") == 1_000
    assert (
        await value(client, "select count(distinct (schedule_id, planned_at)) from scheduled_job_executions") == 1_000
    )
    assert len(made) == 10


async def test_a_planned_time_that_was_made_is_not_made_again(client: Client) -> None:
    """Given a schedule whose next time is set back to one that was made, then that makes no second job."""
    schedule = await a_schedule(client, overlap="allow")
    await make_due(client, schedule)
    fire = firing(client, await leading(client)).run_once
    before = (await row(client, schedule))["next_run_at"]
    await fire()
    await fetch(client, "update scheduled_jobs set next_run_at = $1", before)
    await fire()
    assert await value(client, "select count(*) from jobs") == 1


async def test_who_lost_its_term_fires_nothing(client: Client) -> None:
    schedule = await a_schedule(client)
    await make_due(client, schedule)
    stale = await leading(client)
    await fetch(client, "update leases set expires_at = now()")
    current = await leading(client)
    await firing(client, stale).run_once()
    assert await statuses(client, schedule) == []
    await firing(client, current).run_once()
    assert await statuses(client, schedule) == ["queued"]


async def test_what_is_disabled_is_not_fired(client: Client) -> None:
    schedule = await a_schedule(client, enabled=False)
    assert (await row(client, schedule))["next_run_at"] is None


async def test_a_run_that_is_too_late_follows_the_misfire_policy(client: Client) -> None:
    """Given three that are due each hour and were last looked at 3.5 hours ago, then one makes none of the misses, one
    makes one for all, and one makes the latest two."""
    skip, once, two = [
        await a_schedule(client, misfire=policy, misfire_max=2, overlap="allow")
        for policy in ("skip", "run_once", "catch_up")
    ]
    for schedule in (skip, once, two):
        await make_due(client, schedule, seconds_ago=3.5 * 3600)
    await firing(client, await leading(client)).run_once()
    assert [(e.status, e.times) for e in await history(client, skip)] == [("skipped", 4)]
    assert [(e.status, e.times) for e in await history(client, once)] == [("skipped", 3), ("queued", 1)]
    assert [(e.status, e.times) for e in await history(client, two)] == [
        ("skipped", 2), ("queued", 1), ("queued", 1),
    ]  # fmt: skip
    assert all(e.reason for e in await history(client, skip))


async def test_a_run_is_skipped_while_the_last_one_goes(client: Client) -> None:
    schedule = await a_schedule(client)
    fire = firing(client, await leading(client)).run_once
    for seconds in (3, 2):
        await make_due(client, schedule, seconds)
        await fire()
    assert await statuses(client, schedule) == ["queued", "skipped"]
    assert (await history(client, schedule))[1].reason == "overlap: the last run still goes"
    await end_jobs(client)
    await make_due(client, schedule, 1)
    await fire()
    assert await statuses(client, schedule) == ["succeeded", "skipped", "queued"]


async def test_one_run_waits_for_the_end_of_the_last_one(client: Client) -> None:
    """Given three runs while the first still goes, then the second waits, the third is skipped, and when the first has
    ended the second is made."""
    schedule = await a_schedule(client, overlap="queue_one")
    fire = firing(client, await leading(client)).run_once
    for seconds in (3, 2, 1):
        await make_due(client, schedule, seconds)
        await fire()
    assert await statuses(client, schedule) == ["queued", "waiting", "skipped"]
    await end_jobs(client)
    await fire()
    assert await statuses(client, schedule) == ["succeeded", "queued", "skipped"]
    assert await value(client, "select count(*) from jobs") == 2


async def test_the_last_run_gives_way_to_the_next(client: Client) -> None:
    schedule = await a_schedule(client, overlap="cancel_previous")
    fire = firing(client, await leading(client)).run_once
    for seconds in (2, 1):
        await make_due(client, schedule, seconds)
        await fire()
    assert await statuses(client, schedule) == ["cancelled", "queued"]
    (first, _) = await history(client, schedule)
    assert first.error == {"type": "Cancelled", "message": "the next run is due (by its schedule)"}


async def test_after_so_many_runs_it_is_over(client: Client) -> None:
    schedule = await a_schedule(client, repeat=2, overlap="allow", misfire="catch_up", misfire_max=5)
    await make_due(client, schedule, 5 * 3600)
    await firing(client, await leading(client)).run_once()
    after = await row(client, schedule)
    assert (after["runs"], after["next_run_at"]) == (2, None)
    assert await value(client, "select count(*) from jobs") == 2


async def test_a_shadow_runs_nothing(client: Client) -> None:
    schedule = await a_schedule(client, shadow=True)
    await make_due(client, schedule)
    await firing(client, await leading(client)).run_once()
    assert await statuses(client, schedule) == ["shadow"]
    assert await value(client, "select count(*) from jobs") == 0


async def test_jitter_makes_the_job_later_and_not_the_plan(client: Client) -> None:
    schedule = await a_schedule(client, jitter=3600.0)
    await make_due(client, schedule)
    due = (await row(client, schedule))["next_run_at"]
    await firing(client, await leading(client)).run_once()
    assert (await history(client, schedule))[0].planned_at == due
    assert await value(client, "select run_at > $1 and run_at <= now() + interval '1 h' from jobs", due)


async def test_an_actor_that_this_scheduler_does_not_know_holds_up_only_its_own_schedule(client: Client) -> None:
    """Given one schedule of an actor that only newer code has, then the others are fired, and it says what is wrong;
    when the actor is there its missed run is made."""
    missing, fine = await a_schedule(client), await a_schedule(client)
    await fetch(client, "update scheduled_jobs set task_function = 'of_tomorrow' where id = $1", missing)
    for schedule in (missing, fine):
        await make_due(client, schedule)
    fire = firing(client, await leading(client)).run_once
    await fire()
    assert await statuses(client, fine) == ["queued"]
    assert await statuses(client, missing) == []
    assert "knows no actor 'of_tomorrow'" in (await row(client, missing))["problem"]
    await fetch(
        client, "update scheduled_jobs set task_function = $2, parked_until = now() where id = $1", missing, ACTOR
    )
    await fire()
    assert await statuses(client, missing) == ["queued"]
    assert (await row(client, missing))["problem"] is None


async def test_a_thousand_that_are_due_together_are_all_fired(client: Client) -> None:
    schedule = await a_schedule(client)
    columns = await value(
        client,
        "select string_agg(column_name, ', ') from information_schema.columns"
        " where table_name = 'scheduled_jobs' and column_name not in ('id', 'name')",
    )
    await fetch(
        client,
        f"insert into scheduled_jobs (id, name, {columns}) select gen_random_uuid(), 'copy ' || n, {columns}"
        " from scheduled_jobs, generate_series(1, 999) n",
    )
    await fetch(client, "update scheduled_jobs set next_run_at = now()")
    fire = firing(client, await leading(client)).run_once
    while await fire() == 0:
        pass
    assert await value(client, "select count(*) from jobs") == 1_000
    assert await value(client, "select bool_and(next_run_at > now()) from scheduled_jobs where id <> $1", schedule)


async def test_the_history_outlives_the_job(client: Client) -> None:
    """Given a run whose job has ended and is deleted, then its execution says how it ended."""
    schedule = await a_schedule(client)
    await make_due(client, schedule)
    leader = await leading(client)
    await firing(client, leader).run_once()
    settler = Settler(client.database, leader, retention_days=30)
    await settler.run_once()
    assert await statuses(client, schedule) == ["queued"]
    await end_jobs(client)
    await settler.run_once()
    await fetch(client, "delete from jobs")
    (execution,) = await history(client, schedule)
    assert (execution.status, execution.result, execution.ended_at is not None) == ("succeeded", 42, True)


async def test_old_history_is_dropped(client: Client) -> None:
    schedule = await a_schedule(client)
    await make_due(client, schedule)
    leader = await leading(client)
    await firing(client, leader).run_once()
    await end_jobs(client)
    settler = Settler(client.database, leader, retention_days=30)
    await settler.run_once()
    await fetch(client, "update scheduled_job_executions set planned_at = now() - interval '31 days'")
    await settler.run_once()
    assert await statuses(client, schedule) == []


async def test_run_now_needs_no_scheduler(client: Client) -> None:
    """Given a disabled schedule whose last run still goes, when a person wants a run, then it is made at once."""
    schedule = await a_schedule(client, enabled=False)
    async with client.session() as session:
        await schedules.trigger(session, schedule, who="ada")
        await schedules.trigger(session, schedule, who="grace")
        await session.commit()
    assert [(e.status, e.triggered_by) for e in await history(client, schedule)] == [
        ("queued", "ada"), ("queued", "grace"),
    ]  # fmt: skip
    assert await value(client, "select count(*) from jobs") == 2


async def test_an_idle_tick_reads_no_table_through(client: Client) -> None:
    """Given 20,000 schedules none of which is due, then both statements of a tick use the index of what is due."""
    await fetch(
        client,
        "insert into scheduled_jobs (id, name, task_function, job_type, schedule_config, task_args, created_by,"
        " updated_by, next_run_at)"
        " select gen_random_uuid(), 'n' || n, 'a', 'interval', '{\"hours\": 1}', '{}', 'ada', 'ada',"
        " now() + n * interval '1 min' from generate_series(1, 20000) n",
    )
    await fetch(client, "analyze scheduled_jobs")
    for statement, values in ((sql.NEXT, ()), (sql.DUE, (uuid.uuid4(), 1, 250))):
        plan = await fetch(client, f"explain {statement}", *values)
        text = "\n".join(line[0] for line in plan)
        assert "scheduled_jobs_due" in text, text
        assert "Seq Scan on scheduled_jobs" not in text, text
