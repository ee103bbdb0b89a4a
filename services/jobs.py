"""Jobs: enqueue them in the caller's own transaction, and look at them."""

import asyncio
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, ParamSpec, TypeVar

import orjson
from dramatiq import Actor
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from actors import broker
from db.models import Job, JobAttempt
from errors import JobCancelled, JobFailed, NotEnded, NotFound, UnknownActor
from runtime import enqueue as intake
from runtime import payload
from runtime.client import Client
from runtime.enqueue import Call, Enqueued
from runtime.options import Options
from runtime.transport import seal

__all__ = [
    "ATTEMPTS", "Call", "Enqueued", "Options", "attempts", "call", "enqueue", "enqueue_alone", "enqueue_at",
    "enqueue_by_name", "enqueue_in", "enqueue_many", "enqueue_with", "get", "message", "result", "wait",
]  # fmt: skip

P = ParamSpec("P")
R = TypeVar("R")

ATTEMPTS = 50  # that are read at once: a job may have a million, and each a long traceback

_DEFAULT = Options()


def call(actor: Actor[P, R], *args: P.args, **kwargs: P.kwargs) -> Call:
    """An actor with its arguments, for `enqueue_many`. Raises BadArguments if they do not fit its signature."""
    return intake.bind(actor, args, kwargs)


async def enqueue(session: AsyncSession, actor: Actor[P, R], *args: P.args, **kwargs: P.kwargs) -> Enqueued:
    """Write a job in the session's transaction; its message is sent when that commits, and never if it does not.

    Raises BadArguments (they do not fit the actor, or are not JSON) or TooLarge (over 256 KiB), nothing written.
    """
    return await intake.enqueue(session, _DEFAULT, intake.bind(actor, args, kwargs))


async def enqueue_with(
    session: AsyncSession, options: Options, actor: Actor[P, R], *args: P.args, **kwargs: P.kwargs
) -> Enqueued:
    """`enqueue` with options: `await enqueue_with(session, Options(delay=timedelta(hours=1)), greet, "Ada")`."""
    return await intake.enqueue(session, options, intake.bind(actor, args, kwargs))


async def enqueue_alone(client: Client, actor: Actor[P, R], *args: P.args, **kwargs: P.kwargs) -> Enqueued:
    """`enqueue` for callers that have nothing else to commit: the job is there when this returns, for a third of the
    cost."""
    return await intake.enqueue_alone(client, _DEFAULT, intake.bind(actor, args, kwargs))


async def enqueue_at(
    session: AsyncSession, moment: datetime, actor: Actor[P, R], *args: P.args, **kwargs: P.kwargs
) -> Enqueued:
    """`enqueue`, to run at that moment, which has a time zone, or as soon after it as a worker is free."""
    return await intake.enqueue(session, Options(run_at=moment), intake.bind(actor, args, kwargs))


async def enqueue_in(
    session: AsyncSession, delay: timedelta, actor: Actor[P, R], *args: P.args, **kwargs: P.kwargs
) -> Enqueued:
    """`enqueue`, to run so much later."""
    return await intake.enqueue(session, Options(delay=delay), intake.bind(actor, args, kwargs))


async def enqueue_by_name(
    session: AsyncSession, name: str, args: Sequence[Any], kwargs: dict[str, Any], options: Options = _DEFAULT
) -> Enqueued:
    """`enqueue_with` for callers that know an actor's name only. Raises UnknownActor."""
    if name not in broker.actors:
        raise UnknownActor(name, list(broker.actors))
    return await intake.enqueue(session, options, intake.bind(broker.actors[name], tuple(args), kwargs))


async def enqueue_many(session: AsyncSession, calls: Sequence[Call], options: Options = _DEFAULT) -> list[uuid.UUID]:
    """Write many jobs in one statement; their ids, in order. There is no unique key for many."""
    return await intake.enqueue_many(session, options, calls)


async def get(session: AsyncSession, job_id: uuid.UUID) -> Job:
    """One job. Raises NotFound."""
    job = await session.get(Job, job_id)
    if job is None:
        raise NotFound(f"There is no job {job_id}. It may have been deleted after its retention.")
    return job


async def result(session: AsyncSession, job_id: uuid.UUID) -> Any:
    """What the job's actor returned. Raises NotFound, JobFailed, JobCancelled, or NotEnded if it has not ended yet."""
    return _result(await get(session, job_id))


async def wait(client: Client, job_id: uuid.UUID, timeout: float | None = None) -> Any:  # noqa: ASYNC109 (it is told)
    """Wait until the job has ended, however often it is retried or paused before. Returns what its actor returned.

    Raises NotFound, JobFailed or JobCancelled, and NotEnded after `timeout` seconds; the job goes on then. Who waits is
    told at once; the end of a job whose worker died, or of another program's, is noticed within some two seconds.
    """
    try:
        async with asyncio.timeout(timeout):
            await client.endings.wait(job_id)
    except TimeoutError:
        raise NotEnded(f"Job {job_id} has not ended within {timeout:g} s; it goes on.", job_id) from None
    async with client.session() as session:
        return await result(session, job_id)


def _result(job: Job) -> Any:
    error = job.error or {}
    if job.state == "failed":
        raise JobFailed(job.id, str(error.get("type")), str(error.get("message")))
    if job.state == "cancelled":
        raise JobCancelled(job.id, str(error.get("message") or ""))
    if job.state != "succeeded":
        raise NotEnded(f"Job {job.id} is {job.state}: it has no result yet. Wait for it.", job.id)
    return job.result


def message(job: Job) -> dict[str, Any]:
    """Its Dramatiq message as it lies in Redis, or would; of one that a worker has taken the one it was taken by."""
    sent = job.attempt if job.worker is None else job.attempt - 1
    envelope = seal(
        job_id=job.id, actor=job.actor, queue=job.queue, args=payload.encode(job.args),
        kwargs=payload.encode(job.kwargs), options=payload.encode(job.options) if job.options else None,
        priority=job.priority, attempt=sent, created_ms=int(job.created_at.timestamp() * 1000),
    )  # fmt: skip
    found: dict[str, Any] = orjson.loads(envelope.data)
    return found


async def attempts(
    session: AsyncSession, job_id: uuid.UUID, *, before: int | None = None, most: int = ATTEMPTS
) -> list[JobAttempt]:
    """A job's latest failed attempts, or those `before` that one, first to last."""
    latest = select(JobAttempt).where(JobAttempt.job_id == job_id).order_by(JobAttempt.attempt.desc()).limit(most)
    if before is not None:
        latest = latest.where(JobAttempt.attempt < before)
    return list(await session.scalars(latest))[::-1]
