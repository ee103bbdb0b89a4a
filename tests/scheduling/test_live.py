"""Real schedulers: changes act within a second, and leaders that are killed miss nothing and double nothing."""

import asyncio
import uuid
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Any

import pytest

from runtime.client import Client
from services import schedules
from services.pauses import Span
from tests.conftest import StartProcess
from tests.runtime.observing import fetch, value
from tests.scheduling.stage import a_schedule, history
from tests.support.process import Process
from tests.support.waiting import wait_for

ACTORS = "tests.runtime.some_actors"
LEADS = "this process leads"
SECOND: dict[str, Any] = {"schedule_config": {"seconds": 1}, "overlap": "allow"}
ALL: dict[str, Any] = {"misfire": "catch_up", "misfire_max": 1000, "misfire_grace": 0}


async def fired(client: Client, schedule: uuid.UUID, number: int, timeout: float = 60) -> None:
    """Wait until so many runs of it are in the history."""

    async def look() -> bool:
        return len(await history(client, schedule)) >= number

    await wait_for(look, timeout, f"{number} runs of {schedule}")


async def now(client: Client) -> datetime:
    found: datetime = await value(client, "select clock_timestamp()")
    return found


async def created(client: Client) -> uuid.UUID:
    return await a_schedule(client, **SECOND)


async def edited(client: Client) -> uuid.UUID:
    schedule = await a_schedule(client)
    async with client.session() as session:
        await schedules.edit(session, schedule, SECOND, who="ada")
        await session.commit()
    return schedule


async def enabled(client: Client) -> uuid.UUID:
    schedule = await a_schedule(client, enabled=False, **SECOND)
    await set_enabled(client, schedule, True)
    return schedule


async def set_enabled(client: Client, schedule: uuid.UUID, is_enabled: bool) -> None:
    async with client.session() as session:
        await schedules.set_enabled(session, schedule, enabled=is_enabled, who="ada")
        await session.commit()


async def test_a_schedule_runs_and_what_becomes_of_it_is_seen(
    client: Client, worker: StartProcess, scheduler: StartProcess
) -> None:
    """Given a schedule of a second, then its jobs run, and the history has their results; those that come too late on
    a machine that stalls are skipped."""
    await worker(ACTORS)
    await scheduler(ACTORS)
    schedule = await a_schedule(client, **SECOND)

    async def succeeded() -> bool:
        return [(e.status, e.result) for e in await history(client, schedule)].count(("succeeded", "tick")) >= 2

    await wait_for(succeeded)


async def test_changes_take_effect_within_a_second(client: Client, scheduler: StartProcess) -> None:
    """Given a running scheduler that has nothing to do for an hour, when schedules are created, edited, enabled and
    disabled, then each takes effect within a second of the commit: two of three, for a busy machine stalls."""
    await (await scheduler(ACTORS)).says(LEADS)
    for change in (created, edited, enabled):
        late = []
        for _ in range(3):
            schedule = await change(client)
            at = await now(client)
            await fired(client, schedule, 1)
            first = (await history(client, schedule))[0]
            assert first.planned_at - at < timedelta(seconds=2)
            late.append((first.recorded_at - first.planned_at).total_seconds())
            await set_enabled(client, schedule, False)
        assert median(late) < 1, (change.__name__, late)

    disabled = await now(client)
    witness = await a_schedule(client, **SECOND)
    await fired(client, witness, 3)
    assert all(run.planned_at <= disabled for run in await history(client, schedule))


async def turned_off(client: Client, schedule: uuid.UUID, seconds: float) -> tuple[datetime, datetime]:
    """When it was turned off for so long, and until when that is."""
    async with client.session() as session:
        found = await schedules.turn_off(session, schedule, who="ada", span=Span(lasts=timedelta(seconds=seconds)))
        await session.commit()
    assert found.off_until is not None
    return await now(client), found.off_until


async def test_what_is_off_for_a_while_goes_on_by_itself(client: Client, scheduler: StartProcess) -> None:
    """Given a schedule of a second that makes up for missed runs, and two schedulers, when it is off for four
    seconds, then no run is planned within them, the first one after them is made, each once, and the audit says once
    that it is on again."""
    first, second = await scheduler(ACTORS), await scheduler(ACTORS)
    await wait_for(lambda: LEADS in first.output or LEADS in second.output)
    schedule = await a_schedule(client, **SECOND, **ALL)
    await fired(client, schedule, 2)
    off, until = await turned_off(client, schedule, 4)

    async def is_on_again() -> bool:
        return (await history(client, schedule))[-1].planned_at > until + timedelta(seconds=2)

    await wait_for(is_on_again)
    planned = [run.planned_at for run in await history(client, schedule)]
    after = [at for at in planned if at > off]
    assert until <= after[0] < until + timedelta(seconds=1)
    assert [later - earlier for earlier, later in pairwise(after)] == [timedelta(seconds=1)] * (len(after) - 1)
    noted = await fetch(client, "select who, action from audit where action <> 'schedule.create' order by id")
    assert [tuple(row) for row in noted] == [("ada", "schedule.disable"), ("scheduling", "schedule.enable")]
    assert await value(client, "select off_until from scheduled_jobs") is None


async def test_an_outage_over_its_end_is_a_misfire_from_the_end_on(client: Client, scheduler: StartProcess) -> None:
    """Given a schedule of a second that makes up for missed runs, when no scheduler runs as its while ends, then those
    that were planned from the end on are made, and none of those before."""
    schedule = await a_schedule(client, **SECOND, **ALL)
    _, until = await turned_off(client, schedule, 1)

    async def has_passed() -> bool:
        return await now(client) > until + timedelta(seconds=3)

    await wait_for(has_passed)
    await scheduler(ACTORS)
    await fired(client, schedule, 4)
    found = await history(client, schedule)
    assert until <= found[0].planned_at < until + timedelta(seconds=1)
    await assert_complete(client, schedule)


async def test_the_standby_goes_on_when_the_leader_stops(client: Client, scheduler: StartProcess) -> None:
    first = await scheduler(ACTORS)
    await first.says(LEADS)
    second = await scheduler(ACTORS)
    schedule = await a_schedule(client, **SECOND)
    await fired(client, schedule, 2)
    first.stop()
    await second.says(LEADS)
    await fired(client, schedule, len(await history(client, schedule)) + 2)
    await assert_complete(client, schedule)


async def assert_complete(client: Client, schedule: uuid.UUID) -> None:
    """From the first planned time to the last each is made, once, or has the reason why it was not."""
    found = await history(client, schedule)
    first, last = found[0].planned_at, found[-1].planned_until or found[-1].planned_at
    assert sum(run.times for run in found) == (last - first).total_seconds() + 1
    assert all(run.job_id or run.reason for run in found)
    jobs = [run.job_id for run in found if run.job_id]
    made = "select count(*) from jobs where created_at <= $1"  # the schedule goes on meanwhile
    assert await value(client, made, found[-1].recorded_at) == len(jobs) == len(set(jobs))


async def leaders_are_killed(client: Client, start: StartProcess, kills: int) -> None:
    """Two schedulers; the one that leads is killed three seconds after it began to, and another started."""
    lease = {"LEADER_LEASE": "5"}
    schedule = await a_schedule(client, **SECOND)
    processes: list[Process] = [await start(ACTORS, **lease), await start(ACTORS, **lease)]
    for _ in range(kills):
        leader = await wait_for(lambda: next((each for each in processes if LEADS in each.output), None))
        await asyncio.sleep(3)  # it leads for so long
        leader.kill()
        processes.remove(leader)
        processes.append(await start(ACTORS, **lease))
    await wait_for(lambda: any(LEADS in each.output for each in processes))
    await fired(client, schedule, len(await history(client, schedule)) + 2)
    await assert_complete(client, schedule)


async def test_leaders_that_are_killed_miss_nothing_and_double_nothing(client: Client, scheduler: StartProcess) -> None:
    await leaders_are_killed(client, scheduler, 2)


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_leaders_that_are_killed_twelve_times(client: Client, scheduler: StartProcess) -> None:
    await leaders_are_killed(client, scheduler, 12)


async def test_it_registers_what_schedules_are_made_of(client: Client, scheduler: StartProcess) -> None:
    process = await scheduler(ACTORS)
    await process.says(LEADS)

    async def registered() -> bool:
        return bool(await fetch(client, "select from task_functions where name = 'echo_async'"))

    await wait_for(registered)
    assert await value(client, "select count(*) from scheduler_job_types") == 4
