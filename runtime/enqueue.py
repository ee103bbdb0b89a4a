"""Writes jobs in a caller's transaction, and posts their messages for after its commit."""

import inspect
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from dramatiq import Actor
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from db import jobs
from errors import BadArguments, BadRequest
from runtime import collector, payload
from runtime.ids import uuid7
from runtime.options import Options
from runtime.outbox import Outbox, Posted
from runtime.transport import WAKE, Envelope, Notice, seal

if TYPE_CHECKING:
    from runtime.broker import Broker
    from runtime.client import Client


class _Signature(NamedTuple):
    """What an actor takes; so many positional arguments alone fit it without a closer look."""

    whole: inspect.Signature
    least: int
    most: int

    @classmethod
    def of(cls, actor: Actor[Any, Any]) -> "_Signature":
        whole = inspect.signature(actor.fn)
        needed = [one for one in whole.parameters.values() if one.default is one.empty]
        named = any(one.kind is one.KEYWORD_ONLY for one in needed)
        positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        most = -1 if named else sum(one.kind in positional for one in whole.parameters.values())
        return cls(whole, sum(one.kind in positional for one in needed), most)


_SIGNATURES: dict[str, _Signature] = {}


@dataclass(frozen=True)
class Call:
    """An actor with arguments that fit it. Make it with `call`."""

    actor: Actor[Any, Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    id: uuid.UUID | None = None  # what the job's id is to be, where it must be known before: new, from `uuid7`


@dataclass(frozen=True)
class Enqueued:
    """A job that exists once the session commits. `created` is False if its unique key found one that was there."""

    id: uuid.UUID
    created: bool


class _Kind(NamedTuple):
    """What jobs that are enqueued together mostly share, in the order in which the statements take it."""

    actor: str
    queue: str
    options: str | None
    priority: int
    max_attempts: int | None
    delay: float
    run_at: datetime | None
    unique_key: str | None
    owner: str | None
    tags: str | None
    parent_id: uuid.UUID | None
    expires: float | None
    is_free_at_start: bool | None


class _Row(NamedTuple):
    """A job about to be written, and its message."""

    id: uuid.UUID
    args: str
    kwargs: str
    kind: _Kind
    envelope: Envelope | None  # None: the relay will send it


def _outbox(session: AsyncSession) -> Outbox | None:
    """The session's outbox; without one (a session of the caller's own making) the relay sends everything."""
    outbox: Outbox | None = session.info.get("outbox")
    return outbox


def bind(actor: Actor[Any, Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
    """An actor with its arguments. Raises BadArguments if they do not fit its signature."""
    signature = _SIGNATURES.get(actor.actor_name)
    if signature is None:
        signature = _SIGNATURES[actor.actor_name] = _Signature.of(actor)
    if not kwargs and signature.least <= len(args) <= signature.most:
        return Call(actor, args, kwargs)
    try:
        signature.whole.bind(*args, **kwargs)
    except TypeError as error:
        raise BadArguments(
            f"{actor.actor_name}{signature.whole} cannot be called so: {error}.", "kwargs" if kwargs else "args"
        ) from None
    return Call(actor, args, kwargs)


async def enqueue(session: AsyncSession, options: Options, bound: Call) -> Enqueued:
    """Write one job. Raises BadArguments or TooLarge, nothing written."""
    if isinstance(options.unique_until, timedelta):
        return await _enqueue_in_window(session, options, bound, options.unique_until)
    while True:
        (row,) = _rows(_outbox(session), [bound], options)
        if await _insert(session, [row]):
            return Enqueued(row.id, created=True)
        found = await _debounce(session, row, options) if options.debounce else None
        found = found or await _value(session, jobs.LIVE_BY_UNIQUE_KEY, options.unique_key)
        if found is not None:
            return Enqueued(found, created=False)


async def enqueue_alone(client: "Client", options: Options, bound: Call) -> Enqueued:
    """Write one job in a transaction of its own: one statement and one round trip, where a session takes three. Raises
    BadArguments or TooLarge, nothing written."""
    if options.unique_key is not None:  # what becomes of it may take more than one statement
        async with client.session() as session:
            enqueued = await enqueue(session, options, bound)
            await session.commit()
        return enqueued
    (row,) = _rows(client.outbox, [bound], options)
    try:
        async with client.database.connection() as connection:
            await connection.execute(jobs.INSERT, *_columns(row))
    except BaseException:
        # If only the answer was lost the job is there all the same, and the reconciler has it sent.
        client.outbox.forget([row.envelope])
        raise
    client.outbox.send(_to_send([row]))
    return Enqueued(row.id, created=True)


async def _enqueue_in_window(session: AsyncSession, options: Options, bound: Call, window: timedelta) -> Enqueued:
    """Write the job if its unique key has made none for so long."""
    outbox = _outbox(session)
    (row,) = _rows(outbox, [bound], replace(options, unique_key=None, unique_until="finished"))
    key, seconds = options.unique_key, window.total_seconds()
    if await _value(session, jobs.OPEN_WINDOW, key, row.id, seconds) is not None:
        await _insert(session, [row])
        return Enqueued(row.id, created=True)
    if outbox is not None and row.envelope is not None:
        outbox.forget([row.envelope])
    found = await _value(session, jobs.BY_WINDOW, key)
    # None: the window closed, and was swept, between the two statements.
    return Enqueued(found, created=False) if found else await _enqueue_in_window(session, options, bound, window)


async def _debounce(session: AsyncSession, row: _Row, options: Options) -> uuid.UUID | None:
    """The job that was there and has the latest arguments now. None: it is on its way, and its key is free for another
    (unless a job that is not debounced has it)."""
    assert options.debounce is not None
    key, quiet = options.unique_key, options.debounce.total_seconds()
    found = await _value(session, jobs.DEBOUNCE, key, row.args, row.kwargs, quiet, row.kind.expires)
    if found is None:
        await _value(session, jobs.LET_GO, key)
    return found


async def enqueue_many(session: AsyncSession, options: Options, calls: Sequence[Call]) -> list[uuid.UUID]:
    """Write many jobs in one statement; their ids, in order."""
    if options.unique_key is not None:
        raise BadRequest("One unique key cannot make many jobs. Use enqueue_with, one by one, each with its own key.")
    if not calls:
        return []
    with collector.at_rest():
        rows = _rows(_outbox(session), calls, options)
    await _insert(session, rows)
    return [row.id for row in rows]


async def enqueue_each(session: AsyncSession, wanted: Sequence[tuple[Call, Options]]) -> list[uuid.UUID]:
    """Write many jobs, each with options of its own, in one statement; their ids, in order. None has a unique key."""
    outbox = _outbox(session)
    rows: list[_Row] = []
    try:
        with collector.at_rest():
            for bound, options in wanted:
                rows += _rows(outbox, [bound], options)
    except BadRequest:
        if outbox is not None:
            outbox.forget(row.envelope for row in rows if row.envelope is not None)
        raise
    if rows:
        await _insert(session, rows)
    return [row.id for row in rows]


async def _value(session: AsyncSession, statement: str, *values: Any) -> uuid.UUID | None:
    """The job's id that the statement returns, if it returns one."""
    connection = await session.connection()
    found = (await connection.exec_driver_sql(statement, values)).first()
    return None if found is None else uuid.UUID(str(found[0]))


def _rows(outbox: Outbox | None, calls: Sequence[Call], options: Options) -> list[_Row]:
    due = not options.delay and options.debounce is None and options.run_at is None  # no delay, or one of no time
    texts = [payload.encode_arguments(bound.args, bound.kwargs) for bound in calls]  # before any room is taken
    kinds: dict[str, _Kind] = {}
    for bound in calls:
        if bound.actor.actor_name not in kinds:
            kinds[bound.actor.actor_name] = _kind(bound.actor, options)
        _broker(bound.actor).limits.check(bound.actor, bound.args, bound.kwargs)
    room = _room(outbox, [kinds[bound.actor.actor_name] for bound in calls]) if outbox and due else {}
    now = int(time.time() * 1000)
    rows = []
    for bound, (args, kwargs) in zip(calls, texts, strict=True):
        kind = kinds[bound.actor.actor_name]
        job_id = bound.id or uuid7()
        envelope = None
        if room.get((kind.queue, kind.priority)):
            room[kind.queue, kind.priority] -= 1
            envelope = seal(
                job_id=job_id, actor=kind.actor, queue=kind.queue, args=args, kwargs=kwargs, options=kind.options,
                priority=kind.priority, attempt=0, created_ms=now,
            )  # fmt: skip
        rows.append(_Row(job_id, args, kwargs, kind, envelope))
    return rows


def _kind(actor: Actor[Any, Any], options: Options) -> _Kind:
    delay = options.delay or options.debounce
    of_message = options.of_message()
    queue, priority = place(actor, options)
    return _Kind(
        actor=actor.actor_name,
        queue=queue,
        options=payload.encode(of_message) if of_message else None,
        priority=priority,
        max_attempts=_broker(actor).retries.max_attempts(actor, of_message),
        delay=delay.total_seconds() if delay else 0.0,
        run_at=options.run_at,
        unique_key=options.unique_key,
        owner=options.owner,
        tags=payload.encode(list(options.tags)) if options.tags else None,
        parent_id=options.parent_id,
        expires=_broker(actor).limits.expires(actor, options.expires),
        is_free_at_start=options.unique_until == "started" or options.debounce is not None or None,
    )


def _room(outbox: Outbox, kinds: Sequence[_Kind]) -> dict[tuple[str, int], int]:
    """How many jobs of each queue and priority may go to Redis at once."""
    places = Counter((kind.queue, kind.priority) for kind in kinds)
    return {place: outbox.admit(*place, count) for place, count in places.items()}


def _broker(actor: Actor[Any, Any]) -> "Broker":
    return cast("Broker", actor.broker)


def place(actor: Actor[Any, Any], options: Options) -> tuple[str, int]:
    """The queue and the priority of a job."""
    queue = actor.queue_name if options.queue is None else _declared(_broker(actor), options.queue)
    return queue, actor.priority if options.priority is None else options.priority


def _declared(broker: "Broker", queue: str) -> str:
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
        one = jobs.INSERT if rows[0].kind.unique_key is None else jobs.INSERT_UNIQUE
        return connection.exec_driver_sql(one, _columns(rows[0])).rowcount
    numbers: dict[_Kind, int] = {}
    of_rows = (
        [row.id for row in rows], [row.args for row in rows], [row.kwargs for row in rows],
        [row.envelope is not None for row in rows],
        [numbers.setdefault(row.kind, len(numbers) + 1) for row in rows],
    )  # fmt: skip
    of_kinds = (list(column) for column in zip(*numbers, strict=True))
    return connection.exec_driver_sql(jobs.INSERT_MANY, (*of_rows, *of_kinds)).rowcount


def _columns(row: _Row) -> tuple[Any, ...]:
    return (row.id, row.args, row.kwargs, row.envelope is not None, *row.kind)


def _to_send(rows: Sequence[_Row]) -> list[Posted]:
    """The messages, and a word to the relays if there is something for them to send."""
    posted: list[Posted] = [row.envelope for row in rows if row.envelope is not None]
    if len(posted) < len(rows):
        posted.append(Notice(WAKE, "enqueued"))
    return posted
