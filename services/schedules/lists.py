"""Schedules as people look for them: searched, a page at a time, with their last runs."""

import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import mean, median
from typing import Any, Literal, get_args

from sqlalchemy import ColumnElement, false, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from db import schedule_views
from db.models import ScheduledJob, ScheduledJobExecution
from runtime.triggers import PlannedRun

Show = Literal["all", "enabled", "disabled", "late", "failing", "broken"]
Source = Literal["all", "person", "code"]
SHOWS: tuple[Show, ...] = get_args(Show)
SOURCES: tuple[Source, ...] = get_args(Source)
MOST_COLLIDING = 1_000  # schedules that are counted of a minute
LATE = timedelta(seconds=10)  # a run that is still to be made so long after its time


@dataclass(frozen=True)
class Run:
    """One of the last runs of a schedule. `status` is its job's state where there is one."""

    planned_at: datetime
    status: str
    job_id: uuid.UUID | None
    reason: str | None
    times: int
    started_at: datetime | None
    ended_at: datetime | None
    is_planned: bool  # and nobody has asked for it


@dataclass(frozen=True)
class Pace:
    """How long the last runs of a schedule took, and how far apart they were."""

    takes: float | None  # seconds, on average
    apart: float | None  # seconds between two that were planned, as a rule: the median

    @property
    def is_slow(self) -> bool:
        """The next run is due before the last one is over."""
        return self.takes is not None and self.apart is not None and self.takes > self.apart


@dataclass(frozen=True)
class Collision:
    """Other schedules whose next run is in the same minute as a run."""

    run: PlannedRun  # the first one of that minute
    schedules: int  # at most MOST_COLLIDING are counted
    names: tuple[str, ...]  # the first of them


async def page(
    session: AsyncSession,
    *,
    text: str = "",
    show: Show = "all",
    source: Source = "all",
    after: str | None = None,
    limit: int = 50,
) -> list[ScheduledJob]:
    """By name, from the one after `after`. `text` is part of a name, an actor's name or a description."""
    statement = select(ScheduledJob).order_by(ScheduledJob.name).limit(limit)
    if after is not None:
        statement = statement.where(ScheduledJob.name > after)
    if text:
        columns = (ScheduledJob.name, ScheduledJob.task_function, ScheduledJob.description)
        statement = statement.where(or_(*(column.icontains(text, autoescape=True) for column in columns)))
    if source != "all":
        statement = statement.where(_made_by(source))
    if show != "all":
        statement = statement.where(_SHOWN[show])
    return list(await session.scalars(statement))


async def some(session: AsyncSession, ids: Sequence[uuid.UUID]) -> list[ScheduledJob]:
    """Those of these that there are, by name."""
    return list(await session.scalars(select(ScheduledJob).where(ScheduledJob.id.in_(ids)).order_by(ScheduledJob.name)))


async def latest(session: AsyncSession, ids: Sequence[uuid.UUID], most: int = 20) -> dict[uuid.UUID, list[Run]]:
    """The last runs of each of these, newest first."""
    connection = await session.connection()
    rows = (await connection.exec_driver_sql(schedule_views.LATEST, (list(ids), most))).mappings()
    found: dict[uuid.UUID, list[Run]] = defaultdict(list)
    for row in rows:
        values: dict[str, Any] = dict(row)
        found[uuid.UUID(str(values.pop("schedule_id")))].append(Run(**values))
    return found


def pace(runs: Sequence[Run]) -> Pace:
    """Of the last runs, newest first."""
    took = [(run.ended_at - run.started_at).total_seconds() for run in runs if run.started_at and run.ended_at]
    planned = [run.planned_at for run in runs if run.is_planned]
    apart = [(later - earlier).total_seconds() for later, earlier in pairwise(planned)]
    return Pace(mean(took) if took else None, median(apart) if apart else None)


async def collisions(
    session: AsyncSession, runs: Sequence[PlannedRun], but: uuid.UUID | None = None, most: int = 5
) -> list[Collision]:
    """With which other schedules' next runs these collide, the earliest first."""
    minutes: dict[datetime, PlannedRun] = {}
    for run in runs:
        minutes.setdefault(run.at.replace(second=0, microsecond=0), run)
    connection = await session.connection()
    values = (list(minutes), but, most, MOST_COLLIDING)
    rows = (await connection.exec_driver_sql(schedule_views.COLLIDING, values)).all()
    return [Collision(minutes[row.minute], row.schedules, tuple(row.names)) for row in rows]


async def of_job(session: AsyncSession, job_id: uuid.UUID) -> ScheduledJob | None:
    """The schedule that made a job, unless it was deleted since."""
    made = select(ScheduledJobExecution.schedule_id).where(ScheduledJobExecution.job_id == job_id)
    found: ScheduledJob | None = await session.scalar(select(ScheduledJob).where(ScheduledJob.id.in_(made)))
    return found


def _made_by(source: Source) -> ColumnElement[bool]:
    is_code = or_(ScheduledJob.kind == "code", ScheduledJob.managed_by == "code")
    return is_code if source == "code" else ~is_code


_LAST_STATUS = (
    select(ScheduledJobExecution.status)
    .where(
        ScheduledJobExecution.schedule_id == ScheduledJob.id,
        ScheduledJobExecution.status.in_(("succeeded", "failed", "cancelled")),
    )
    .order_by(ScheduledJobExecution.planned_at.desc())
    .limit(1)
    .scalar_subquery()
)
_IS_OFF_FOR_A_WHILE = func.coalesce(ScheduledJob.off_until > func.now(), false())
_SHOWN: dict[str, ColumnElement[bool]] = {
    "enabled": ScheduledJob.enabled & ~_IS_OFF_FOR_A_WHILE,
    "disabled": ~ScheduledJob.enabled | _IS_OFF_FOR_A_WHILE,
    "late": ScheduledJob.next_run_at < func.now() - LATE,
    "failing": _LAST_STATUS == "failed",
    "broken": ScheduledJob.problem.is_not(None),
}
