"""Jobs: enqueue them in the caller's own transaction, and look at them."""

import inspect
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ParamSpec, TypeVar

from dramatiq import Actor
from sqlalchemy import select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session, defer

from actors import broker
from db import jobs
from db.models import Job, JobAttempt
from errors import BadArguments, BadRequest, NotFound, UnknownActor
from runtime import payload
from runtime.ids import uuid7
from runtime.outbox import Outbox
from runtime.retries import LONGEST_DELAY, MOST_RETRIES
from runtime.transport import Envelope, seal

P = ParamSpec("P")
R = TypeVar("R")

_FARTHEST = timedelta(days=3660)

_SIGNATURES: dict[str, inspect.Signature] = {}


@dataclass(frozen=True, kw_only=True)
class Options:
    """What may be asked for besides the arguments; None leaves it to the actor."""

    queue: str | None = None
    priority: int | None = None  # lower runs first; -32768 to 32767
    delay: timedelta | None = None  # not before this much later
    run_at: datetime | None = None  # not before this moment; with a time zone
    max_retries: int | None = None
    min_backoff: int | None = None  # milliseconds
    max_backoff: int | None = None  # milliseconds
    time_limit: int | None = None  # milliseconds
    unique_key: str | None = None  # while a job with this key has not ended, another is not made
    owner: str | None = None
    tags: Sequence[str] = ()

    def __post_init__(self) -> None:
        self._check_time()
        self._check_numbers()
        self._check_texts()

    def _check_time(self) -> None:
        if self.delay is not None and self.run_at is not None:
            raise BadRequest("Give delay or run_at, not both.")
        if self.run_at is not None and self.run_at.tzinfo is None:
            raise BadRequest("run_at has no time zone. Use datetime.now(UTC) + ... or add tzinfo.")
        wait = self.delay if self.run_at is None else self.run_at - datetime.now(UTC)
        if wait is not None and wait > _FARTHEST:
            raise BadRequest(f"{'delay' if self.run_at is None else 'run_at'} is more than {_FARTHEST.days} days away.")

    def _check_numbers(self) -> None:
        if self.priority is not None and not -32768 <= self.priority <= 32767:
            raise BadRequest(f"priority {self.priority} is not within -32768 and 32767.")
        for name in ("max_retries", "min_backoff", "max_backoff", "time_limit"):
            value = getattr(self, name)
            most = MOST_RETRIES if name == "max_retries" else LONGEST_DELAY
            if value is not None and not 0 <= value <= most:
                raise BadRequest(f"{name} {value} is not within 0 and {most}.")

    def _check_texts(self) -> None:
        for name, text in (("unique_key", self.unique_key), ("owner", self.owner), *(("tags", t) for t in self.tags)):
            if text is not None:
                payload.check(text, name)
                if not 0 < len(text) <= 500:
                    raise BadRequest(f"{name} must have between 1 and 500 characters.")

    def of_message(self) -> dict[str, Any]:
        """Those that travel with the message, for the middleware."""
        names = ("max_retries", "min_backoff", "max_backoff", "time_limit")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}


@dataclass(frozen=True)
class Call:
    """An actor with arguments that fit it. Make it with `call`."""

    actor: Actor[Any, Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


@dataclass(frozen=True)
class Enqueued:
    """A job that exists once the session commits. `created` is False if its unique key found one that lives."""

    id: uuid.UUID
    created: bool


_DEFAULT = Options()


def call(actor: Actor[P, R], *args: P.args, **kwargs: P.kwargs) -> Call:
    """An actor with its arguments, for `enqueue_many`. Raises BadArguments if they do not fit its signature."""
    return _bind(actor, args, kwargs)


async def enqueue(session: AsyncSession, actor: Actor[P, R], *args: P.args, **kwargs: P.kwargs) -> Enqueued:
    """Write a job in the session's transaction; its message is sent when that commits, and never if it does not.

    Raises BadArguments (they do not fit the actor, or are not JSON) or TooLarge (over 256 KiB), nothing written.
    """
    return await _enqueue(session, _DEFAULT, _bind(actor, args, kwargs))


async def enqueue_with(
    session: AsyncSession, options: Options, actor: Actor[P, R], *args: P.args, **kwargs: P.kwargs
) -> Enqueued:
    """`enqueue` with options: `await enqueue_with(session, Options(delay=timedelta(hours=1)), greet, "Ada")`."""
    return await _enqueue(session, options, _bind(actor, args, kwargs))


async def enqueue_by_name(
    session: AsyncSession, name: str, args: Sequence[Any], kwargs: dict[str, Any], options: Options = _DEFAULT
) -> Enqueued:
    """`enqueue_with` for callers that know an actor's name only. Raises UnknownActor."""
    if name not in broker.actors:
        raise UnknownActor(name, list(broker.actors))
    return await _enqueue(session, options, _bind(broker.actors[name], tuple(args), kwargs))


async def enqueue_many(session: AsyncSession, calls: Sequence[Call], options: Options = _DEFAULT) -> list[uuid.UUID]:
    """Write many jobs in one statement; their ids, in order. There is no unique key for many."""
    if options.unique_key is not None:
        raise BadRequest("One unique key cannot make many jobs. Use enqueue_with, one by one, each with its own key.")
    if not calls:
        return []
    rows = _rows(_outbox(session), calls, options)
    await _insert(session, rows)
    return [row.id for row in rows]


async def get(session: AsyncSession, job_id: uuid.UUID) -> Job:
    """One job. Raises NotFound."""
    job = await session.get(Job, job_id)
    if job is None:
        raise NotFound(f"There is no job {job_id}. It may have been deleted after its retention.")
    return job


async def attempts(session: AsyncSession, job_id: uuid.UUID) -> list[JobAttempt]:
    """A job's failed attempts, first to last."""
    statement = select(JobAttempt).where(JobAttempt.job_id == job_id).order_by(JobAttempt.attempt)
    return list(await session.scalars(statement))


async def recent(
    session: AsyncSession,
    limit: int = 50,
    *,
    before: tuple[datetime, uuid.UUID] | None = None,
    state: str | None = None,
    actor: str | None = None,
    queue: str | None = None,
) -> list[Job]:
    """The newest jobs, without what may be large: arguments and result are left behind (`get` has them).

    `before` is `created_at` and `id` of the last one of the page before.
    """
    newest_first = (Job.created_at.desc(), Job.id.desc())
    large = (defer(column, raiseload=True) for column in (Job.args, Job.kwargs, Job.result))
    statement = select(Job).options(*large).order_by(*newest_first).limit(limit)
    if before is not None:
        statement = statement.where(tuple_(Job.created_at, Job.id) < before)
    for column, value in ((Job.state, state), (Job.actor, actor), (Job.queue, queue)):
        if value is not None:
            statement = statement.where(column == value)
    return list(await session.scalars(statement))


@dataclass(frozen=True)
class _Row:
    """A job about to be written, and its message."""

    id: uuid.UUID
    columns: tuple[Any, ...]
    envelope: Envelope | None  # None: the relay will send it


def _outbox(session: AsyncSession) -> Outbox | None:
    """The session's outbox; without one (a session of the caller's own making) the relay sends everything."""
    outbox: Outbox | None = session.info.get("outbox")
    return outbox


async def _enqueue(session: AsyncSession, options: Options, bound: Call) -> Enqueued:
    while True:
        (row,) = _rows(_outbox(session), [bound], options)
        if await _insert(session, [row]):
            return Enqueued(row.id, created=True)
        found = await _by_unique_key(session, options.unique_key)
        if found is not None:
            return Enqueued(found, created=False)


async def _by_unique_key(session: AsyncSession, key: str | None) -> uuid.UUID | None:
    connection = await session.connection()
    found = (await connection.exec_driver_sql(jobs.LIVE_BY_UNIQUE_KEY, (key,))).first()
    return None if found is None else uuid.UUID(str(found[0]))


def _bind(actor: Actor[Any, Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
    signature = _SIGNATURES.get(actor.actor_name)
    if signature is None:
        signature = _SIGNATURES[actor.actor_name] = inspect.signature(actor.fn)
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        raise BadArguments(
            f"{actor.actor_name}{signature} cannot be called so: {error}.", "kwargs" if kwargs else "args"
        ) from None
    return Call(actor, args, kwargs)


def _rows(outbox: Outbox | None, calls: Sequence[Call], options: Options) -> list[_Row]:
    due = options.delay is None and options.run_at is None
    of_message = options.of_message()
    message_options = payload.encode(of_message) if of_message else None
    now = int(time.time() * 1000)
    places = [_place(bound.actor, options) for bound in calls]
    texts = [payload.encode_arguments(bound.args, bound.kwargs) for bound in calls]  # before any room is taken
    room = {place: outbox.admit(*place, count) for place, count in Counter(places).items()} if outbox and due else {}
    rows = []
    for bound, (queue, priority), (args, kwargs) in zip(calls, places, texts, strict=True):
        actor = bound.actor
        job_id = uuid7()
        envelope = None
        if room.get((queue, priority)):
            room[queue, priority] -= 1
            envelope = seal(
                job_id=job_id, actor=actor.actor_name, queue=queue, args=args, kwargs=kwargs, options=message_options,
                priority=priority, attempt=0, created_ms=now,
            )  # fmt: skip
        columns = (
            job_id, actor.actor_name, queue, args, kwargs, message_options, priority,
            broker.retries.max_attempts(actor, of_message),
            options.delay.total_seconds() if options.delay else 0.0, options.run_at, envelope is not None,
            options.unique_key, options.owner, payload.encode(list(options.tags)) if options.tags else None,
        )  # fmt: skip
        rows.append(_Row(job_id, columns, envelope))
    return rows


def _place(actor: Actor[Any, Any], options: Options) -> tuple[str, int]:
    """The queue and the priority of a job."""
    queue = actor.queue_name if options.queue is None else _declared(options.queue)
    return queue, actor.priority if options.priority is None else options.priority


def _declared(queue: str) -> str:
    if queue not in broker.queues:
        raise BadRequest(
            f"No worker listens on the queue {queue!r}. Declared queues: {', '.join(sorted(broker.queues))}; "
            "declare another with broker.declare_queue() in actors/."
        )
    return queue


async def _insert(session: AsyncSession, rows: Sequence[_Row]) -> int:
    """Write the rows and post their messages; how many were written (a living unique key leaves one out)."""
    outbox, written = _outbox(session), 0
    try:
        written = await session.run_sync(_execute_insert, rows)
    finally:
        if outbox is not None and not written:
            outbox.forget(row.envelope for row in rows)
    if outbox is not None and written:
        outbox.post(session, _to_send(rows))
    return written


def _execute_insert(session: Session, rows: Sequence[_Row]) -> int:
    """In one go instead of through AsyncConnection and AsyncResult, which cost more than the statement."""
    connection = session.connection()
    if len(rows) == 1:
        return connection.exec_driver_sql(jobs.INSERT, rows[0].columns).rowcount
    columns = tuple(list(column) for column in zip(*(row.columns for row in rows), strict=True))
    return connection.exec_driver_sql(jobs.INSERT_MANY, columns).rowcount


def _to_send(rows: Sequence[_Row]) -> list[Envelope | None]:
    """The messages, and one None if the relay has something to send."""
    envelopes: list[Envelope | None] = [row.envelope for row in rows if row.envelope is not None]
    if len(envelopes) < len(rows):
        envelopes.append(None)
    return envelopes
