"""What became of the runs of schedules, both kinds."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, case, func, literal, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from db.models import Job, ScheduledJobExecution
from errors import BadArguments

STATUSES = (
    "waiting", "queued", "running", "paused", "succeeded", "failed", "cancelled", "unknown", "skipped", "shadow",
)  # fmt: skip


@dataclass(frozen=True)
class Execution:
    """A planned or asked-for run. `status` is its job's state where there is one; `reason` says why none was made."""

    id: uuid.UUID
    schedule_id: uuid.UUID
    schedule: str
    planned_at: datetime
    planned_until: datetime | None
    times: int
    status: str
    job_id: uuid.UUID | None
    triggered_by: str
    reason: str | None
    recorded_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    result: Any
    error: dict[str, Any] | None


async def executions(
    session: AsyncSession,
    *,
    schedule_id: uuid.UUID | None = None,
    status: str | None = None,
    execution_id: uuid.UUID | None = None,
    page: int = 1,
    per_page: int = 50,
) -> list[Execution]:
    """A page of the history, latest planned time first; of a job that has not ended, as it is right now.

    Raises BadArguments for a status that there is not.
    """
    if status is not None and status not in STATUSES:
        raise BadArguments(f"status {status!r} is none of {', '.join(STATUSES)}.", "status")
    row = ScheduledJobExecution
    is_live = row.status == "fired"
    now = case((is_live, func.coalesce(Job.state, "unknown")), else_=row.status).label("now")
    started = case((is_live, Job.started_at), else_=row.started_at)
    ended = case((is_live, Job.finished_at), else_=row.ended_at)
    latest = row.planned_at.desc(), row.id.desc()
    wanted = select(row.id).order_by(*latest).limit(per_page).offset((page - 1) * per_page)  # only these need their job
    if schedule_id is not None:
        wanted = wanted.where(row.schedule_id == schedule_id)
    if execution_id is not None:
        wanted = wanted.where(row.id == execution_id)
    if status is not None:
        wanted = wanted.where(row.id.in_(_of_status(status, schedule_id, page * per_page)))
    statement = (
        select(row, now, started, ended, Job.result, Job.error)
        .outerjoin(Job, is_live & (Job.id == row.job_id))
        .where(row.id.in_(wanted))
        .order_by(*latest)
    )
    return [
        Execution(
            id=found.id, schedule_id=found.schedule_id, schedule=found.schedule, planned_at=found.planned_at,
            planned_until=found.planned_until, times=found.times, status=status_now, job_id=found.job_id,
            triggered_by=found.triggered_by, reason=found.reason, recorded_at=found.recorded_at,
            started_at=started_at, ended_at=ended_at, result=found.result if result is None else result,
            error=found.error if error is None else error,
        )
        for found, status_now, started_at, ended_at, result, error in await session.execute(statement)
    ]  # fmt: skip


def _of_status(status: str, schedule_id: uuid.UUID | None, most: int) -> Select[tuple[uuid.UUID]]:
    """The latest in this state: those whose end has been noted, and of those that go the ones whose job is in it. Both
    are few enough to be looked at, or are found by an index; that of the rare ends sees the state in the statement."""
    row = ScheduledJobExecution
    wanted = select(row.id, row.planned_at).order_by(row.planned_at.desc(), row.id.desc()).limit(most)
    if schedule_id is not None:
        wanted = wanted.where(row.schedule_id == schedule_id)
    ended = wanted.where(row.status == literal(status, literal_execute=True))
    going = wanted.outerjoin(Job, Job.id == row.job_id).where(
        row.status == "fired", func.coalesce(Job.state, "unknown") == status
    )
    return select(union_all(ended.subquery().select(), going.subquery().select()).subquery().c.id)
