"""Schedules under test: made by the services, made due by hand, fired by a leader in this process."""

import asyncio
import uuid
from typing import Any

import asyncpg

from actors import broker
from runtime.client import Client
from scheduling.firing import Firing
from scheduling.leader import Leader
from services import schedules
from services.schedules import Execution, ScheduleSpec
from tests.runtime.observing import fetch
from tests.runtime.some_actors import job_of

ACTOR = job_of("async", "echo").actor_name


async def leading(client: Client, lease: float = 60.0) -> Leader:
    leader = Leader(client.database, lease)
    await leader.run_once()
    assert leader.leads
    return leader


def firing(client: Client, leader: Leader) -> Firing:
    return Firing(client, broker, leader, asyncio.Event())


async def a_schedule(client: Client, **fields: Any) -> uuid.UUID:
    """Every hour unless said otherwise, far from due."""
    spec = ScheduleSpec.parse(
        {"name": f"schedule {uuid.uuid4()}", "task_function": ACTOR, "job_type": "interval",
         "schedule_config": {"hours": 1}, "task_args": ["tick"], **fields}
    )  # fmt: skip
    async with client.session() as session:
        schedule = await schedules.create(session, spec, who="ada")
        await session.commit()
    return schedule.id


async def make_due(client: Client, schedule: uuid.UUID, seconds_ago: float = 1) -> None:
    """As if its next run had been planned for then. For an interval: as if it had counted from there."""
    await fetch(
        client,
        "update scheduled_jobs set next_run_at = now() - make_interval(secs => $2),"
        " anchor_at = now() - make_interval(secs => $2) where id = $1",
        schedule,
        seconds_ago,
    )


async def row(client: Client, schedule: uuid.UUID) -> asyncpg.Record:
    return (await fetch(client, "select * from scheduled_jobs where id = $1", schedule))[0]


async def history(client: Client, schedule: uuid.UUID) -> list[Execution]:
    """Earliest first."""
    async with client.session() as session:
        found = await schedules.executions(session, schedule_id=schedule, per_page=10_000)
    return found[::-1]


async def statuses(client: Client, schedule: uuid.UUID) -> list[str]:
    return [execution.status for execution in await history(client, schedule)]


async def end_jobs(client: Client, state: str = "succeeded") -> None:
    """As if workers had run all that there is."""
    await fetch(
        client,
        "update jobs set state = $1, outcome = case $1 when 'succeeded' then 1 else 2 end, finished_at = now(),"
        " started_at = now(), worker = gen_random_uuid(), result = '42' where outcome is null",
        state,
    )
