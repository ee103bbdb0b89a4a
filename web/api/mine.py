"""What of the jobs a caller sees: its own, or all, and only those that its key is for. The others are not there."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from db.models import Job
from errors import Conflict, NotFound
from services import jobs, search
from services.callers import Caller
from services.jobs import Enqueued


async def visible(session: AsyncSession, caller: Caller, job_id: UUID) -> Job:
    """The job. Raises NotFound, also for others' jobs."""
    job = await jobs.get(session, job_id)
    if not caller.sees(owner=job.owner, actor=job.actor, queue=job.queue):
        raise NotFound(f"There is no job {job_id}. It may have been deleted after its retention.")
    return job


async def require_own(session: AsyncSession, caller: Caller, enqueued: Sequence[Enqueued]) -> None:
    """Raises Conflict where a unique key has found a job that is not there for this caller."""
    found = [job.id for job in enqueued if not job.created]
    if not found:
        return
    rows = await session.execute(select(Job.id, Job.owner, Job.actor, Job.queue).where(Job.id.in_(found)))
    hidden = {row.id for row in rows if not caller.sees(owner=row.owner, actor=row.actor, queue=row.queue)}
    for number, job in enumerate(enqueued):
        if job.id in hidden:
            where = f"jobs[{number}]: " if len(enqueued) > 1 else ""
            raise Conflict(
                f"{where}Another caller's job holds this unique key. Use another, or wait for that job's end."
            )


def narrowed(only: search.Filter, caller: Caller) -> search.Filter | None:
    """The filter, for what this caller sees; None if that is nothing."""
    update: dict[str, object] = {}
    if not caller.sees_all:
        if only.owner not in (None, caller.name):
            return None
        update["owner"] = caller.name
    for field, allowed in (("among_actors", caller.actors), ("among_queues", caller.queues)):
        if allowed is not None:
            asked = getattr(only, field)
            update[field] = tuple(sorted(allowed if asked is None else allowed.intersection(asked)))
    return only.model_copy(update=update)
