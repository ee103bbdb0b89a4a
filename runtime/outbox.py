"""Sends the messages of committed jobs to Redis, many at a time, behind the caller.

A job's row says from the start that its message is dispatched, if it is due and its queue in Redis is shallow: that
saves a statement. Should the push fail, the row is corrected; should the process die in between, the reconciler finds
the row. Everything else waits for the relay.
"""

import asyncio
import time
import uuid
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session, SessionTransaction

from db import jobs
from db.database import Database
from runtime.batch import Batch
from runtime.patience import Seldom, patiently, told
from runtime.transport import MOST, PUSH, PUSH_AHEAD, Envelope, Keys, Notice

log = structlog.get_logger("callboard")

Posted = Envelope | Notice

_PAUSE = 0.003  # seconds between two pushes, so that commits in quick succession share one
_ESTIMATE_AGE = 0.1  # seconds after which a queue's known length is asked for again


@dataclass
class _Depth:
    """What is known of a queue in Redis."""

    length: int = 0
    least_urgent: int = 0
    at: float = float("-inf")
    unsent: int = 0  # admitted and not yet pushed


class Outbox:
    """Belongs to one event loop; make it where the database's pool is made."""

    def __init__(self, database: Database, redis: Redis, window: int) -> None:
        self._database, self._redis, self._window = database, redis, window
        self._push_script = redis.register_script(PUSH)
        self._push_ahead_script = redis.register_script(PUSH_AHEAD)
        self._depths: defaultdict[str, _Depth] = defaultdict(_Depth)
        self._looks: dict[str, asyncio.Task[None]] = {}
        self._cannot_send = Seldom()
        self._batch: Batch[Posted] = Batch(self._flush, most=MOST, pause=_PAUSE)

    def session(self) -> AsyncSession:
        """A session whose commit sends the messages posted in it; a rollback, also to a savepoint, forgets them."""
        return AsyncSession(
            self._database.engine, sync_session_class=_PostingSession, expire_on_commit=False, info={"outbox": self}
        )

    def admit(self, queue: str, priority: int, count: int) -> int:
        """How many of `count` due jobs may go to Redis at once; the others wait for the relay.

        A job more urgent than all that waits there goes in front of it, so it may enter a full queue, within bounds. A
        length that is old is asked for in the background: for so long the last one holds.
        """
        depth = self._depths[queue]
        if depth.length and time.monotonic() - depth.at > _ESTIMATE_AGE and queue not in self._looks:
            self._looks[queue] = asyncio.create_task(self._look(queue))
        limit = self._window * 2 if priority < depth.least_urgent else self._window
        admitted = max(0, min(count, limit - depth.length - depth.unsent))
        depth.unsent += admitted
        return admitted

    def forget(self, posted: Iterable[Posted | None]) -> None:
        """These were admitted and will not be sent: their jobs do not exist after all."""
        for envelope in posted:
            if isinstance(envelope, Envelope):
                self._depths[envelope.queue].unsent -= 1

    def post(self, session: AsyncSession, posted: Iterable[Posted]) -> None:
        """Send these after the session's commit."""
        nested = session.sync_session.get_nested_transaction()
        session.info.setdefault("posted", []).append((nested, list(posted)))

    def send(self, posted: Iterable[Posted]) -> None:
        """Send these now, in the background."""
        self._batch.add(*posted)

    async def depth(self, queue: str) -> tuple[int, int]:
        """How many messages wait in Redis, and the priority of the last one. Raises RedisError."""
        async with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.llen(Keys.of(queue).waiting)
            pipeline.lindex(Keys.of(queue).waiting, -1)
            length, last = await pipeline.execute()
        priority = (last or b"0:").partition(b":")[0]
        least_urgent = int(priority) if priority.lstrip(b"-").isdigit() else 0
        self._note(queue, length, least_urgent)
        return length, least_urgent

    async def drain(self, timeout: float = 10) -> None:  # noqa: ASYNC109 (a bound on what is left, not a cancellation)
        """Wait until what was sent so far is in Redis; what is not by then is the reconciler's."""
        await asyncio.wait([asyncio.ensure_future(self._batch.drain()), *self._looks.values()], timeout=timeout)

    async def push(self, queue: str, envelopes: list[Envelope], *, ahead: bool = False) -> None:
        """Put messages of one queue into Redis, behind those as urgent or ahead of them. Raises RedisError."""
        script = self._push_ahead_script if ahead else self._push_script
        keys = Keys.of(queue)
        pairs = [part for envelope in envelopes for part in (envelope.id, envelope.data)]
        length, least_urgent = await script(keys=[keys.waiting, keys.messages], args=pairs)
        self._note(queue, length, int(least_urgent))

    def _note(self, queue: str, length: int, least_urgent: int) -> None:
        depth = self._depths[queue]
        depth.length, depth.least_urgent, depth.at = length, least_urgent, time.monotonic()

    async def _look(self, queue: str) -> None:
        try:
            await self.depth(queue)
        except RedisError as error:  # what is not admitted goes by the relay
            log.debug("a queue's length could not be read", queue=queue, error=told(error))
        finally:
            del self._looks[queue]

    async def _flush(self, batch: list[Posted]) -> None:
        queues: defaultdict[str, list[Envelope]] = defaultdict(list)
        for envelope in batch:
            if isinstance(envelope, Envelope):
                queues[envelope.queue].append(envelope)
        self.forget(batch)
        await self._tell({notice for notice in batch if isinstance(notice, Notice)})
        for queue, envelopes in queues.items():
            try:
                await self.push(queue, envelopes)
            except RedisError as error:
                if self._cannot_send():
                    log.warning("messages could not be sent; the relay will send them", error=told(error))
                await patiently("marking jobs as not sent", partial(self._undispatch, envelopes))

    async def _undispatch(self, envelopes: list[Envelope]) -> None:
        ids: list[uuid.UUID] = [e.job_id for e in envelopes]
        async with self._database.connection() as connection:
            await connection.execute(jobs.UNDISPATCH, ids, [e.attempt for e in envelopes])

    async def _tell(self, notices: set[Notice]) -> None:
        try:
            for channel, text in notices:
                await self._redis.publish(channel, text)
        except RedisError as error:
            log.debug("nobody was told; all look by themselves every second", error=told(error))


class _PostingSession(Session):
    """A session that remembers what to send once it is committed."""


@event.listens_for(_PostingSession, "after_commit")
def _send_posted(session: Session) -> None:
    if not session.in_nested_transaction():
        outbox: Outbox = session.info["outbox"]
        for _, posted in session.info.pop("posted", []):
            outbox.send(posted)


@event.listens_for(_PostingSession, "after_soft_rollback")
def _forget_savepoint(session: Session, rolled_back: SessionTransaction) -> None:
    if rolled_back.nested:
        posted = session.info.get("posted", [])
        _forget(session, [entry for entry in posted if _is_within(entry[0], rolled_back)])
        posted[:] = [entry for entry in posted if not _is_within(entry[0], rolled_back)]


@event.listens_for(_PostingSession, "after_transaction_end")
def _forget_posted(session: Session, ended: SessionTransaction) -> None:
    if ended.parent is None:
        _forget(session, session.info.pop("posted", []))


def _forget(session: Session, posted: list[tuple[SessionTransaction | None, list[Posted]]]) -> None:
    for _, unsent in posted:
        session.info["outbox"].forget(unsent)


def _is_within(transaction: SessionTransaction | None, outer: SessionTransaction) -> bool:
    while transaction is not None:
        if transaction is outer:
            return True
        transaction = transaction.parent
    return False
