"""Jobs as programs submit them through the API: one or many, with metadata, and each request once.

A request with an idempotency key is carried out once within a day, however often it is sent: its jobs and the record of
it are one transaction, and whoever sends the same meanwhile waits for that.
"""

import hashlib
import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from actors import broker
from db import submissions
from db.models import Job, JobMetadata
from errors import BadArguments, BadRequest, Conflict, TooLarge, UnknownActor
from runtime import payload
from runtime.access import enqueued_by, require_written_by_people
from services import jobs
from services.callers import Caller
from services.jobs import Call, Enqueued, Options

KEPT = 86_400.0  # seconds an idempotency key is good for


@dataclass(frozen=True)
class Submission:
    """A job to be."""

    actor: str
    args: Sequence[Any]
    kwargs: dict[str, Any]
    options: Options
    metadata: dict[str, Any] | None = None


@dataclass(frozen=True)
class Receipt:
    """The jobs, in order. `is_replay`: an earlier request with this idempotency key made them."""

    jobs: list[Enqueued]
    is_replay: bool = False


async def submit(
    session: AsyncSession, caller: Caller, wanted: Sequence[Submission], *, key: str | None = None, many: bool = False
) -> Receipt:
    """Enqueue all, or none. Raises BadArguments, BadRequest, TooLarge, UnknownActor, Forbidden, or Conflict (another
    caller's job holds a unique key), after which the transaction has to be rolled back.

    Of `many`, errors name the one that is wrong: `jobs[3].kwargs.to`.
    """
    # First what can be wrong with them: an idempotency key is for a request that can be carried out.
    calls = [_located(_call, caller, one, where=_place(number, many)) for number, one in enumerate(wanted)]
    kept = [_located(_kept, one, where=_place(number, many)) for number, one in enumerate(wanted)]
    if key is not None:
        before = await _claim(session, caller, key, wanted)
        if before is not None:
            return Receipt(before, is_replay=True)
    enqueued = await _enqueue(session, wanted, calls)
    await _require_seen(session, caller, enqueued, many)
    await _keep_metadata(session, kept, enqueued)
    if key is not None:
        answer = orjson.dumps([[str(job.id), job.created] for job in enqueued]).decode()
        await _execute(session, submissions.ANSWER, caller.name, key, answer)
        await _execute(session, submissions.SWEEP, KEPT)
    return Receipt(enqueued)


async def metadata(session: AsyncSession, job_id: uuid.UUID) -> dict[str, Any] | None:
    """What was kept beside a job."""
    found = await session.get(JobMetadata, job_id)
    return None if found is None else found.data


async def _claim(
    session: AsyncSession, caller: Caller, key: str, wanted: Sequence[Submission]
) -> list[Enqueued] | None:
    """The jobs of the earlier request with this key; None if there was none. Raises BadRequest for another request."""
    fingerprint = hashlib.sha256(orjson.dumps([_essence(one) for one in wanted], option=orjson.OPT_SORT_KEYS)).digest()
    if await _execute(session, submissions.CLAIM, caller.name, key, fingerprint, KEPT):
        return None
    ((was, answer),) = await _execute(session, submissions.ANSWERED, caller.name, key)
    if bytes(was) != fingerprint:
        raise BadRequest("This Idempotency-Key was used for another request. Use a new one for each request.")
    return [Enqueued(uuid.UUID(job_id), created=created) for job_id, created in answer]


def _essence(one: Submission) -> list[Any]:
    """What makes it this request and no other."""
    options = {name: value for name, value in vars(one.options).items() if value not in (None, ())}
    return [one.actor, list(one.args), one.kwargs, {name: repr(value) for name, value in options.items()}, one.metadata]


def _call(caller: Caller, one: Submission) -> Call:
    """The actor with its arguments, if the caller's key is for it."""
    if one.actor not in broker.actors:
        raise UnknownActor(one.actor, list(broker.actors))
    actor = broker.actors[one.actor]
    require_written_by_people(actor)
    if enqueued_by(actor) == "operators":
        caller.require("operate")
    caller.require_reach(actor=one.actor, queue=one.options.queue or actor.queue_name)
    payload.encode_arguments(tuple(one.args), one.kwargs)
    return jobs.call(actor, *one.args, **one.kwargs)


async def _enqueue(session: AsyncSession, wanted: Sequence[Submission], calls: Sequence[Call]) -> list[Enqueued]:
    """Those with the same options in one statement; those with a unique key one by one."""
    together: defaultdict[Options, list[int]] = defaultdict(list)
    found: dict[int, Enqueued] = {}
    for number, one in enumerate(wanted):
        if one.options.unique_key is None and len(wanted) > 1:
            together[one.options].append(number)
        else:
            found[number] = await jobs.enqueue_by_name(session, one.actor, one.args, one.kwargs, one.options)
    for options, numbers in together.items():
        ids = await jobs.enqueue_many(session, [calls[number] for number in numbers], options)
        found |= {number: Enqueued(job_id, created=True) for number, job_id in zip(numbers, ids, strict=True)}
    return [found[number] for number in range(len(wanted))]


async def _require_seen(session: AsyncSession, caller: Caller, enqueued: Sequence[Enqueued], many: bool) -> None:
    """Of a job that is not there for this caller it is not told the id either."""
    found = [job.id for job in enqueued if not job.created]
    if not found:
        return
    rows = await session.execute(select(Job.id, Job.owner, Job.actor, Job.queue).where(Job.id.in_(found)))
    seen = {row.id for row in rows if caller.sees(owner=row.owner, actor=row.actor, queue=row.queue)}
    for number, job in enumerate(enqueued):
        if not job.created and job.id not in seen:
            raise Conflict(
                f"{_place(number, many)}{': ' if many else ''}Another caller's job holds this unique_key. "
                "Use another one, or send it again when that job has ended."
            )


def _kept(one: Submission) -> str | None:
    """Its metadata as JSON text."""
    return None if one.metadata is None else payload.encode_kept(one.metadata, "metadata")


async def _keep_metadata(session: AsyncSession, kept: Sequence[str | None], enqueued: Sequence[Enqueued]) -> None:
    made = {job.id: data for data, job in zip(kept, enqueued, strict=True) if data is not None and job.created}
    if made:
        await _execute(session, submissions.KEEP_METADATA, list(made), list(made.values()))


def _place(number: int, many: bool) -> str:
    return f"jobs[{number}]" if many else ""


def _located(function: Any, *arguments: Any, where: str) -> Any:
    """Call it; an error says which of many jobs it is about."""
    try:
        return function(*arguments)
    except BadRequest as error:
        if not where:
            raise
        if isinstance(error, TooLarge):
            raise TooLarge(f"{where}: {error.what}", error.size, error.limit) from None
        path = error.path if isinstance(error, BadArguments) else ""
        raise BadArguments(f"{where}: {error}", f"{where}.{path}".rstrip(".")) from None


async def _execute(session: AsyncSession, statement: str, *values: Any) -> list[Any]:
    connection = await session.connection()
    result = await connection.exec_driver_sql(statement, values)
    return list(result) if result.returns_rows else []
