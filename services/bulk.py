"""A verb over a filter: first how many jobs that are, then a job of its own that does it (actors/bulk.py).

That job is found, watched, paused and cancelled like any other; cancelling it leaves what it has done so far.
"""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from actors.bulk import change_jobs
from db.models import Job
from db.search import Count, Filter, count
from errors import BadRequest
from runtime import payload
from runtime.enqueue import Enqueued
from runtime.options import Options
from runtime.verbs import AS_IT_IS, Place, Verb
from services import audit, control
from services.jobs import enqueue_with

__all__ = ["AS_IT_IS", "Place", "Verb", "is_by", "preview", "start"]

_MOST = 1_000_000  # that are counted


async def preview(session: AsyncSession, only: Filter, seconds: float = 1.0) -> Count:
    """How many jobs fit, whether the verb makes sense for them or not, as far as they can be counted within so many
    seconds. Raises BadRequest if all would."""
    _require(only)
    return await count(session, only, most=_MOST, seconds=seconds)


async def start(
    session: AsyncSession,
    verb: Verb,
    only: Filter,
    *,
    who: str,
    reason: str | None = None,
    from_start: bool = False,
    to: Place = AS_IT_IS,
    total: int | None = None,
) -> Enqueued:
    """Enqueue the job that does it. `from_start` is for retries, `to` for moves; `total` is what `preview` has counted,
    for the job's progress. Raises BadRequest if the filter says nothing, BadArguments if there is no such place."""
    _require(only)
    control.check_reason(reason)
    if verb is Verb.MOVE:
        control.check_place(to)
    filtered: dict[str, Any] = only.model_dump(mode="json", exclude_defaults=True)
    options = Options(owner=who, tags=["bulk", verb.value])
    moved = {"to_queue": to.queue, "to_priority": to.priority} if verb is Verb.MOVE else {}
    enqueued = await enqueue_with(
        session, options, change_jobs, verb.value, filtered, who, reason, from_start, total, **moved
    )
    details = {"from_start": from_start, "total": total, **moved}
    audit.note(
        session, who, f"jobs.{verb}", job_id=enqueued.id, target=payload.encode(filtered), reason=reason,
        details=details,
    )  # fmt: skip
    return enqueued


def is_by(who: str, job: Job) -> bool:
    """Whether it is a job of that kind which they started: who may start it may watch it, whatever else they see."""
    return job.actor == change_jobs.actor_name and job.owner == who


def _require(only: Filter) -> None:
    if not only.model_dump(exclude_defaults=True):
        raise BadRequest("Say which jobs are meant, by a state, an actor, a queue, a time …: all of them never are.")
