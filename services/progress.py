"""How far jobs have come, as people want to see it: percent, rate, time left."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from db.models import Job, JobProgress


@dataclass(frozen=True)
class Progress:
    """What a job last said of itself, in the attempt that said it."""

    job_id: uuid.UUID
    attempt: int
    current: float
    total: float | None
    message: str | None
    extra: dict[str, Any]
    percent: float | None  # 0 to 100; None without a total
    rate: float | None  # a second, over this attempt; None while nothing has been counted
    eta: float | None  # seconds left; None where that is unknown, or the job does not run
    started_at: datetime  # when this attempt began to count
    updated_at: datetime


async def get(session: AsyncSession, job_id: uuid.UUID) -> Progress | None:
    """A job's progress, None if it has never told any."""
    return (await of_jobs(session, [job_id])).get(job_id)


async def of_jobs(session: AsyncSession, job_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, Progress]:
    """The progress of those that have told any, in one question: for lists."""
    statement = (
        select(JobProgress, Job.state, func.extract("epoch", func.now() - JobProgress.updated_at))
        .join(Job, Job.id == JobProgress.job_id)
        .where(JobProgress.job_id.in_(list(job_ids)))
    )
    rows = await session.execute(statement)
    return {row.job_id: _progress(row, state == "running", float(age)) for row, state, age in rows}


def _progress(row: JobProgress, is_running: bool, age: float) -> Progress:
    rate = _rate(row)
    return Progress(
        job_id=row.job_id,
        attempt=row.attempt,
        current=row.current,
        total=row.total,
        message=row.message,
        extra=row.extra or {},
        percent=_percent(row.current, row.total),
        rate=rate,
        eta=_eta(row, rate, age) if is_running else None,
        started_at=row.started_at,
        updated_at=row.updated_at,
    )


def _percent(current: float, total: float | None) -> float | None:
    if total is None:
        return None
    return 100.0 if current >= total else 100 * current / total


def _rate(row: JobProgress) -> float | None:
    seconds = (row.updated_at - row.started_at).total_seconds()
    done = row.current - row.started_current  # what earlier attempts have done was not done in this time
    return done / seconds if seconds > 0 and done > 0 else None


def _eta(row: JobProgress, rate: float | None, age: float) -> float | None:
    if row.total is None or rate is None:
        return None
    return max(0.0, (row.total - row.current) / rate - age)
