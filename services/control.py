"""What people and programs do to a job: each verb in the caller's transaction, with its row in the audit.

    pause     waiting, queued: at once; running: at its next checkpoint or pause point
    resume    paused: queued again, from its checkpoint; about to be paused: it goes on
    cancel    waiting, queued, paused: at once and for good; running: interrupted, its `finally` runs
    retry     failed, cancelled: queued again, under the same id
    run_now   queued for later: due now
    move      waiting, queued, paused: in another queue, or with another priority, at once
    delete    ended, and its workflow too: gone, with its attempts, logs and checkpoints
    copy      any: a new job with the same arguments, or others

An action that makes no sense in the state that the job is in raises Conflict, whose message says what does. `who` is a
user's name, an API key's, or "cli:<login name>".
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dramatiq import Actor
from sqlalchemy.ext.asyncio import AsyncSession

from actors import broker
from db import control
from db.models import Job
from errors import BadArguments, Conflict, NotFound, UnknownActor
from runtime import enqueue as intake
from runtime import payload, verbs
from runtime.access import enqueued_by, require_written_by_people
from runtime.enqueue import Enqueued
from runtime.options import Options
from runtime.verbs import AS_IT_IS, Place, Verb
from services import audit
from services.masking import masking

__all__ = [
    "AS_IT_IS", "Arguments", "Place", "Verb", "act", "cancel", "check_place", "copy", "delete", "move", "pause",
    "resume", "retry", "run_now",
]  # fmt: skip

_ADVICE = {
    "waiting": "It waits for something else: it can be paused, moved or cancelled.",
    "queued": "It can be paused, moved or cancelled, or run now if it is queued for later.",
    "running": "It can be paused or cancelled.",
    "paused": "It can be resumed, moved or cancelled.",
    "succeeded": "It is over: `copy` makes a new job of it, `delete` removes it.",
    "failed": "It is over: `retry` runs it again, `copy` makes a new job of it, `delete` removes it.",
    "cancelled": "It is over: `retry` runs it again, `copy` makes a new job of it, `delete` removes it.",
}
_LONGEST_REASON = 1_000
_OPTIONS = {"max_retries", "min_backoff", "max_backoff", "time_limit", "soft_time_limit"}  # that travel with a copy
_TO_BE = {Verb.PAUSE: "paused", Verb.RESUME: "resumed", Verb.CANCEL: "cancelled", Verb.RETRY: "run again",
          Verb.RUN_NOW: "made due now", Verb.MOVE: "moved", Verb.DELETE: "deleted"}  # fmt: skip


@dataclass(frozen=True)
class Arguments:
    """Others than the job was enqueued with."""

    args: Sequence[Any]
    kwargs: dict[str, Any]


async def pause(session: AsyncSession, job_id: uuid.UUID, *, who: str, reason: str | None = None) -> Job:
    """Returns the job as it is now: paused, or running and about to be. Raises NotFound or Conflict."""
    return await _act(session, Verb.PAUSE, job_id, who, reason)


async def resume(session: AsyncSession, job_id: uuid.UUID, *, who: str, reason: str | None = None) -> Job:
    """Returns the job, queued. Raises NotFound or Conflict."""
    return await _act(session, Verb.RESUME, job_id, who, reason)


async def cancel(session: AsyncSession, job_id: uuid.UUID, *, who: str, reason: str | None = None) -> Job:
    """Returns the job as it is now: cancelled, or running and about to be. Raises NotFound or Conflict."""
    return await _act(session, Verb.CANCEL, job_id, who, reason)


async def run_now(session: AsyncSession, job_id: uuid.UUID, *, who: str, reason: str | None = None) -> Job:
    """Returns the job, due. Raises NotFound or Conflict."""
    return await _act(session, Verb.RUN_NOW, job_id, who, reason)


async def move(session: AsyncSession, job_id: uuid.UUID, to: Place, *, who: str, reason: str | None = None) -> Job:
    """Returns the job, in another queue or with another priority: no worker of the old queue starts it any more.

    Raises NotFound, Conflict, or BadArguments if there is no such place.
    """
    check_place(to)
    before = await _get(session, job_id)
    details = {"before": {"queue": before.queue, "priority": before.priority}}
    return await _act(session, Verb.MOVE, job_id, who, reason, to=to, details=details)


async def retry(
    session: AsyncSession,
    job_id: uuid.UUID,
    *,
    who: str,
    reason: str | None = None,
    arguments: Arguments | None = None,
    from_start: bool = False,
) -> Job:
    """Returns the job, queued; it goes on from its checkpoint and keeps its steps' results, unless `from_start`.

    Raises NotFound, Conflict, or BadArguments, TooLarge and Forbidden if other arguments do not fit.
    """
    details: dict[str, Any] = {"from_start": True} if from_start else {}
    if arguments is not None:
        before = await _get(session, job_id)
        texts = _texts(before, arguments)
        args, kwargs = masking().arguments(before.actor, before.args, before.kwargs)
        details["arguments_before"] = {"args": args, "kwargs": kwargs}
    job = await _act(session, Verb.RETRY, job_id, who, reason, from_start=from_start, details=details)
    if arguments is not None:
        connection = await session.connection()
        await connection.exec_driver_sql(control.EDIT, (job_id, *texts))
        job = await _get(session, job_id)
    return job


async def delete(session: AsyncSession, job_id: uuid.UUID, *, who: str, reason: str | None = None) -> None:
    """Raises NotFound or Conflict."""
    check_reason(reason)
    job = await _get(session, job_id)
    if not await verbs.do(session, Verb.DELETE, [job_id], who=who):
        raise Conflict(await _refusal(session, Verb.DELETE, job_id))
    _note(session, Verb.DELETE, job, who, reason, {"actor": job.actor, "state": job.state})
    session.expunge(job)


async def copy(
    session: AsyncSession,
    job_id: uuid.UUID,
    *,
    who: str,
    reason: str | None = None,
    arguments: Arguments | None = None,
) -> Enqueued:
    """A new job, due now, like that one: its actor, queue, priority, options, owner and tags, and its arguments unless
    there are others. It has no unique key. Raises NotFound, UnknownActor, BadArguments, TooLarge or Forbidden."""
    check_reason(reason)
    job = await _get(session, job_id)
    if arguments is not None:
        check_arguments(job, arguments)
    arguments = arguments or Arguments(job.args, job.kwargs)
    options = Options(
        queue=job.queue, priority=job.priority, owner=job.owner, tags=job.tags or (),
        **{name: value for name, value in (job.options or {}).items() if name in _OPTIONS},
    )  # fmt: skip
    call = intake.bind(_actor(job), tuple(arguments.args), arguments.kwargs)
    enqueued = await intake.enqueue(session, options, call)
    audit.note(session, who, "job.copy", job_id=enqueued.id, reason=reason, details={"of": str(job_id)})
    return enqueued


async def act(
    session: AsyncSession,
    verb: Verb,
    job_id: uuid.UUID,
    *,
    who: str,
    reason: str | None = None,
    to: Place = AS_IT_IS,
) -> Job | None:
    """The verb of that name, for callers that get it as a word; `to` is for a move. None after a deletion."""
    if verb is Verb.DELETE:
        await delete(session, job_id, who=who, reason=reason)
        return None
    if verb is Verb.MOVE:
        return await move(session, job_id, to, who=who, reason=reason)
    return await _act(session, verb, job_id, who, reason)


def check_reason(reason: str | None) -> None:
    """Raises BadArguments if it cannot be kept."""
    if reason is not None:
        payload.check(reason, "reason")
        if len(reason) > _LONGEST_REASON:
            raise BadArguments(f"reason has over {_LONGEST_REASON} characters. Say it shorter.", "reason")


def check_place(to: Place) -> None:
    """Raises BadArguments if no job can be moved there: the queue must be one that workers listen on."""
    if to == AS_IT_IS:
        raise BadArguments("Say where to: another queue, another priority, or both.", "to_queue")
    if to.queue is not None and to.queue not in broker.queues:
        known = ", ".join(sorted(broker.queues))
        raise BadArguments(
            f"No worker listens on the queue {to.queue!r}: the jobs would stay there for ever. Queues: {known}.",
            "to_queue",
        )
    if to.priority is not None and not -32768 <= to.priority <= 32767:
        raise BadArguments(f"priority {to.priority} is not within -32768 and 32767.", "to_priority")


async def _act(
    session: AsyncSession,
    verb: Verb,
    job_id: uuid.UUID,
    who: str,
    reason: str | None,
    *,
    from_start: bool = False,
    to: Place = AS_IT_IS,
    details: dict[str, Any] | None = None,
) -> Job:
    check_reason(reason)
    if not await verbs.do(session, verb, [job_id], who=who, reason=reason, from_start=from_start, to=to):
        raise Conflict(await _refusal(session, verb, job_id))
    job = await _get(session, job_id)
    _note(session, verb, job, who, reason, details)
    return job


def _note(
    session: AsyncSession, verb: Verb, job: Job, who: str, reason: str | None, details: dict[str, Any] | None
) -> None:
    audit.note(session, who, f"job.{verb}", job_id=job.id, reason=reason, details=details or None)


async def _get(session: AsyncSession, job_id: uuid.UUID) -> Job:
    job = await session.get(Job, job_id, populate_existing=True)
    if job is None:
        raise NotFound(f"There is no job {job_id}. It may have been deleted after its retention.")
    return job


async def _refusal(session: AsyncSession, verb: Verb, job_id: uuid.UUID) -> str:
    job = await _get(session, job_id)
    if job.control == "cancel":
        return f"Job {job_id} cannot be {_TO_BE[verb]}: it is being cancelled."
    if verb is Verb.PAUSE and job.control == "pause":
        return f"Job {job_id} is being paused already: it is at its next checkpoint or pause point."
    if verb is Verb.RUN_NOW and job.state == "queued":
        return f"Job {job_id} is due already: it starts when a worker of the queue {job.queue!r} has room."
    if verb is Verb.MOVE and job.state in ("waiting", "queued", "paused"):
        return f"Job {job_id} is there already: in the queue {job.queue!r}, with the priority {job.priority}."
    if verb is Verb.RETRY and job.state in ("failed", "cancelled") and job.workflow_id is not None:
        return (
            f"Job {job_id} cannot be run again yet: its step has counted it as {job.state} and goes on with other "
            f"jobs. Wait for that step's end, or for the workflow's: `callboard workflows retry {job.workflow_id}` "
            "then goes on from what failed."
        )
    if verb is Verb.RETRY and job.state in ("failed", "cancelled"):
        return (
            f"Job {job_id} cannot be run again: another job lives that has its unique key {job.unique_key!r}. "
            "Wait for that one, or cancel it."
        )
    if verb is Verb.DELETE and job.outcome is not None and job.workflow_id is not None:
        return (
            f"Job {job_id} cannot be deleted before its workflow {job.workflow_id} has ended, which may still ask for "
            "its result. Wait for that, or cancel the workflow."
        )
    return f"Job {job_id} is {job.state} and cannot be {_TO_BE[verb]}. {_ADVICE[job.state]}"


def takes_arguments(job: Job) -> bool:
    """Whether people may run it with other arguments."""
    return job.actor in broker.actors and enqueued_by(broker.actors[job.actor]) != "services"


def check_arguments(job: Job, arguments: Arguments) -> None:
    """Raises BadArguments, TooLarge, UnknownActor or Forbidden unless the job could be run with these."""
    _texts(job, arguments)


def _texts(job: Job, arguments: Arguments) -> tuple[str, str]:
    """The arguments as JSON, if they fit the job's actor."""
    actor = _actor(job)
    require_written_by_people(actor)
    intake.bind(actor, tuple(arguments.args), arguments.kwargs)
    return payload.encode_arguments(tuple(arguments.args), arguments.kwargs)


def _actor(job: Job) -> Actor[Any, Any]:
    if job.actor not in broker.actors:
        raise UnknownActor(job.actor, list(broker.actors))
    return broker.actors[job.actor]
