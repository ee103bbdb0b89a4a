"""Servers and leaders go away while schedules fire: no planned time is lost, and none makes two jobs."""

import asyncio
import signal
from datetime import datetime
from typing import Any

import pytest

from services import schedules
from services.schedules import ScheduleSpec
from tests.faults.conftest import Record
from tests.faults.report import Outcome
from tests.faults.stage import Stage
from tests.support.process import Process

ACTORS = "tests.faults.fault_actors"
SCHEDULES = 20
AWAY = 10  # seconds, longer than what counts as in time
LASTS = 5  # seconds that they fire on after the fault
# Each has a run every second; whatever could not be made in time is made up for.
EVERY_SECOND: dict[str, Any] = {
    "task_function": "work_async", "job_type": "interval", "schedule_config": {"seconds": 1}, "task_args": [0],
    "overlap": "allow", "misfire": "catch_up", "misfire_max": 1_000,
}  # fmt: skip
OURS = "from scheduled_job_executions where schedule like 'fault %'"


async def at_work(stage: Stage) -> Process:
    """Schedules that fire, workers that run what they make. Returns the leader."""
    async with stage.client.session() as session:
        for number in range(SCHEDULES):
            spec = ScheduleSpec.parse({"name": f"fault {number}", **EVERY_SECOND})
            await schedules.create(session, spec, who="ada")
        await session.commit()
    leader = await stage.scheduler(ACTORS)
    await stage.worker()
    await stage.until(f"select count(*) >= {3 * SCHEDULES} {OURS} and job_id is not null")
    return leader


async def outcome_of(stage: Stage, fault: str) -> Outcome:
    """Let them fire on, stop them, and count: the planned times have no gap, and each has one job."""
    stage.strike()
    since: datetime = (await stage.rows("select now()"))[0][0]
    passed = f"select count(distinct schedule_id) = {SCHEDULES} {OURS} and planned_at > $1 + interval '{LASTS} s'"
    await stage.until(passed, since, timeout=120)
    await stage.rows("update scheduled_jobs set enabled = false, next_run_at = null where name like 'fault %'")
    stage.ids = [row["job_id"] for row in await stage.rows(f"select job_id {OURS} and job_id is not null")]
    outcome = await stage.outcome(fault)
    steps = f"select planned_at - lag(planned_at) over (partition by schedule_id order by planned_at) as step {OURS}"
    assert await stage.count(f"select count(*) from ({steps}) s where step <> interval '1 s'") == 0, (
        "planned times lost"
    )
    assert await stage.count(f"select count(*) {OURS}") == len(stage.ids), "planned times without a job"
    assert await stage.count("select count(*) from jobs where actor = 'work_async'") == len(stage.ids), "jobs doubled"
    return outcome


@pytest.mark.fault
async def test_postgresql_is_killed_while_they_fire(stage: Stage, record: Record) -> None:
    await at_work(stage)
    for _ in range(2):
        stage.servers.postgres.kill()
        await stage.servers.postgres.revive()
        await stage.until(f"select count(*) >= {SCHEDULES} {OURS} and recorded_at > now() - interval '1 s'")
    record(await outcome_of(stage, "PostgreSQL kill -9 and restart, twice, while schedules fire"))


@pytest.mark.fault
async def test_postgresql_is_away_while_they_are_due(stage: Stage, record: Record) -> None:
    await at_work(stage)
    stage.servers.postgres.kill(signal.SIGQUIT)
    await asyncio.sleep(AWAY)  # the fault's own length
    await stage.servers.postgres.revive()
    record(await outcome_of(stage, f"PostgreSQL {AWAY} s away while schedules are due"))


@pytest.mark.fault
async def test_redis_is_away_while_they_fire(stage: Stage, record: Record) -> None:
    """They fire all the same; what they made is sent when Redis is back, which has forgotten everything."""
    await at_work(stage)
    stage.servers.valkey.kill()
    await asyncio.sleep(AWAY)  # the fault's own length
    assert await stage.count(f"select count(*) {OURS} and recorded_at > now() - interval '5 s'") >= 3 * SCHEDULES
    stage.servers.forget_messages()
    await stage.servers.valkey.revive()
    record(await outcome_of(stage, f"Redis {AWAY} s away while schedules fire, and restart without its data"))


@pytest.mark.long
@pytest.mark.fault
async def test_the_leader_is_killed_while_they_fire(stage: Stage, record: Record) -> None:
    leader = await at_work(stage)
    await stage.scheduler(ACTORS)
    leader.kill()
    record(await outcome_of(stage, "kill -9 of the leader while schedules fire"))
