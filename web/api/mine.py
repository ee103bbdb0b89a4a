"""What of the jobs a caller sees: its own, or all, and only those that its key is for. The others are not there."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from db.models import Job
from errors import NotFound
from services import bulk, jobs, search
from services.callers import Caller


async def visible(session: AsyncSession, caller: Caller, job_id: UUID) -> Job:
    """The job. Raises NotFound, also for others' jobs."""
    job = await jobs.get(session, job_id)
    if not (caller.sees(owner=job.owner, actor=job.actor, queue=job.queue) or bulk.is_by(caller.name, job)):
        raise NotFound(f"There is no job {job_id}. It may have been deleted after its retention.")
    return job


def narrowed(only: search.Filter, caller: Caller) -> search.Filter | None:
    """The filter, for what this caller sees; None if that is nothing. Raises Forbidden where it asks for more."""
    update: dict[str, object] = {}
    if not caller.sees_all:
        if only.owner not in (None, caller.name):
            return None
        update["owner"] = caller.name
    for field, allowed in (("among_actors", caller.actors), ("among_queues", caller.queues)):
        if allowed is not None:
            asked = getattr(only, field)
            update[field] = tuple(sorted(allowed if asked is None else allowed.intersection(asked)))
    seen = only.model_copy(update=update)
    search.require(seen, caller)
    return seen
