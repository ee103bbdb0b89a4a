"""What a job keeps between its attempts, for people to look at."""

import uuid

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from db.models import JobCheckpoint, JobStep

_MOST = 200


async def checkpoint(session: AsyncSession, job_id: uuid.UUID) -> JobCheckpoint | None:
    """Where it would go on from."""
    return await session.get(JobCheckpoint, job_id)


async def steps(session: AsyncSession, job_id: uuid.UUID) -> list[JobStep]:
    """Its steps that are done, the items of loops left out; at most 200."""
    statement = (
        select(JobStep)
        .where(JobStep.job_id == job_id, ~JobStep.name.startswith("["))
        .order_by(JobStep.done_at)
        .limit(_MOST)
    )
    return list(await session.scalars(statement))
