"""What schedules can be made of, when they will run, and how the scheduler does."""

import asyncio
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from db.models import Lease, ScheduledJob, SchedulerJobType, TaskFunction
from runtime.triggers import JOB_TYPES, JobType, PlannedRun, build, next_runs, zone_of
from services.schedules.spec import TICK
from services.schedules.store import moment

_SOON = 10  # schedules that `status` names


@dataclass(frozen=True)
class Kind:
    """A job type: what its `schedule_config` looks like."""

    name: str
    description: str
    config_schema: dict[str, Any]
    example: dict[str, Any]


@dataclass(frozen=True)
class Status:
    """How the scheduler does. `lag`: seconds by which the schedule that is due longest is late."""

    running: bool  # somebody leads
    leader: uuid.UUID | None
    term: int | None
    since: datetime | None
    lag: float
    schedules: int
    enabled: int
    problems: int
    next_runs: list[ScheduledJob]


async def job_types(session: AsyncSession) -> list[Kind]:
    """Those of this process, and those that other processes have registered."""
    rows: dict[str, JobType | SchedulerJobType] = {
        row.name: row for row in await session.scalars(select(SchedulerJobType))
    }
    found = sorted((rows | JOB_TYPES).values(), key=lambda kind: kind.name)
    return [Kind(kind.name, kind.description, kind.config_schema, kind.example) for kind in found]


async def task_functions(session: AsyncSession) -> list[TaskFunction]:
    """Every actor that a worker or a scheduler has declared; `missing_since` is set where none does any more."""
    return list(await session.scalars(select(TaskFunction).order_by(TaskFunction.name)))


async def preview(
    session: AsyncSession,
    job_type: str,
    schedule_config: dict[str, Any],
    time_zone: str = "UTC",
    number: int = 10,
    *,
    start_at: datetime | None = None,
    anchor_at: datetime | None = None,
    not_before: datetime | None = None,
) -> list[PlannedRun]:
    """The next runs of a configuration that need not be a schedule's, none of them before `start_at`, from which
    intervals count unless they have an anchor, or before `not_before`. Raises BadArguments."""
    zone, now = zone_of(time_zone), await moment(session)
    trigger = build(job_type, schedule_config, zone, anchor_at or start_at or now)
    after = max([now, *(begin - TICK for begin in (start_at, not_before) if begin)])
    return await asyncio.to_thread(next_runs, trigger, number, zone, after)  # a combination may have to look for long


def trigger_text(schedule: ScheduledJob) -> str:
    """`cron: 0 9 * * mon-fri (Europe/Berlin)`, `interval: 30 seconds`, for people."""
    config = schedule.schedule_config
    if schedule.job_type == "interval":
        return "interval: " + ", ".join(f"{number} {unit}" for unit, number in config.items())
    if schedule.job_type in ("cron", "date"):
        return f"{schedule.job_type}: {' '.join(map(str, config.values()))} ({schedule.time_zone})"
    return f"{schedule.job_type}: {config} ({schedule.time_zone})"


async def status(session: AsyncSession) -> Status:
    now = await moment(session)
    lease = await session.get(Lease, "scheduling")
    leads = lease is not None and lease.expires_at > now
    due = ScheduledJob.next_run_at
    soon = list(await session.scalars(select(ScheduledJob).where(due.is_not(None)).order_by(due).limit(_SOON)))
    table = ScheduledJob.kind == "table"
    counted = select(func.count(), func.count().filter(ScheduledJob.enabled), func.count(ScheduledJob.problem))
    number, enabled, problems = (await session.execute(counted.where(table))).one()
    late = (now - soon[0].next_run_at).total_seconds() if soon and soon[0].next_run_at else 0.0
    return Status(
        running=leads,
        leader=lease.holder if lease and leads else None,
        term=lease.term if lease else None,
        since=lease.since if lease and leads else None,
        lag=max(0.0, late),
        schedules=number,
        enabled=enabled,
        problems=problems,
        next_runs=soon,
    )
