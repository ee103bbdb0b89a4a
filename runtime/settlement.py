"""Ends runs: first the job's row, many in one statement, then the acknowledgement in Redis."""

import contextlib
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

import asyncpg
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from db import jobs, workflow_jobs
from db.database import Database
from runtime.advance import advancing
from runtime.batch import Batch
from runtime.checkpoints import Checkpoints
from runtime.delivery import Delivery, Ending
from runtime.failure import Failure
from runtime.grants import Grants
from runtime.lease import WorkerLease
from runtime.outbox import Outbox
from runtime.patience import patiently
from runtime.telemetry import Telemetry
from runtime.transport import ACK, ENDED, NACK, WAKE, Keys

log = structlog.get_logger("callboard")

_BEHIND = 2_000  # runs that have ended and are not yet written
_Write = Callable[[asyncpg.Connection, list[Delivery]], Awaitable[None]]
_UNKNOWN = Failure("Unknown", "The run ended without saying how.", "")
_UNWRITABLE = Failure("Unwritable", "How the run ended could not be written; the worker's log says why.", "")


class Settlement:
    """What becomes of a delivery once its run is over. Lives on the worker's event loop."""

    def __init__(
        self,
        database: Database,
        redis: Redis,
        lease: WorkerLease,
        checkpoints: Checkpoints,
        telemetry: Telemetry,
        grants: Grants,
        outbox: Outbox,
        broker_id: str,
    ) -> None:
        self._database, self._redis, self._lease, self._broker_id = database, redis, lease, broker_id
        self._checkpoints, self._telemetry, self._grants = checkpoints, telemetry, grants
        self._outbox = outbox
        self._ack_script = redis.register_script(ACK)
        self._nack_script = redis.register_script(NACK)
        self._unwritten = 0
        self.ended = 0  # runs, however
        self.refused = 0  # runs that had been given up, and could change nothing more
        self._acks: Batch[Delivery] = Batch(self._acknowledge)
        self._writes: dict[Ending, _Write] = {
            Ending.SUCCEEDED: self._succeed,
            Ending.FAILED: self._fail,
            Ending.CANCELLED: self._cancel,
            Ending.RELEASED: self._release,
            Ending.COMMITTED: self._store_results,
            Ending.LOST: self._lose,
        }
        self._endings = {ending: Batch(self._flush(partial(self._end, ending))) for ending in Ending}
        self._steps: Batch[Delivery] = Batch(self._flush(self._end_steps))

    @property
    def is_behind(self) -> bool:
        """Whether more runs have ended than the database keeps up with: then nothing new should be taken."""
        return self._unwritten > _BEHIND

    def settle(self, delivery: Delivery) -> None:
        """End the delivery's run as its `ending` says; acknowledge it once that is committed."""
        self.ended += 1
        self._unwritten += 1
        self._batch_of(delivery).add(delivery)

    def _batch_of(self, delivery: Delivery) -> Batch[Delivery]:
        """Those that end alike are written together; those that belong to workflows, with what follows from it."""
        assert delivery.ending is not None
        return self._endings[delivery.ending] if delivery.workflow_id is None else self._steps

    def drop(self, deliveries: Sequence[Delivery]) -> None:
        """Acknowledge messages that no run belongs to: duplicates, stale ones, those of cancelled jobs."""
        self._acks.add(*deliveries)
        for delivery in deliveries:
            delivery.free_slot()

    async def drain(self) -> None:
        """Wait until everything settled so far is in the database and acknowledged."""
        for batch in (*self._endings.values(), self._steps):
            await batch.drain()
        await self._acks.drain()
        await self._grants.drain()

    def _flush(self, end: Callable[[list[Delivery]], Awaitable[Any]]) -> Callable[[list[Delivery]], Awaitable[None]]:
        async def flush(batch: list[Delivery]) -> None:
            await self._telemetry.write_last(batch)
            try:
                await patiently("ending jobs", lambda: end(batch))
            except Exception:
                # Not a server that is away but a row that cannot be written: it must not take its neighbours along.
                if len(batch) > 1:
                    for delivery in batch:
                        await flush([delivery])
                    return
                log.exception("the end of a run could not be written", job=str(batch[0]))
                if batch[0].failure is not _UNWRITABLE:  # its worker lives, so nobody would rescue it
                    batch[0].ending, batch[0].failure, batch[0].retry_in = Ending.FAILED, _UNWRITABLE, None
                    self._batch_of(batch[0]).add(*batch)
                    return
            self._unwritten -= len(batch)
            self._acks.add(*batch)
            self._telemetry.changes.tell(delivery.job_id for delivery in batch)
            self._grants.freed({d.limit.key for d in batch if d.limit and d.limit.concurrency})
            if any(delivery.ending in (Ending.FAILED, Ending.RELEASED) for delivery in batch):
                await self._wake_relays()

        return flush

    async def _wake_relays(self) -> None:
        with contextlib.suppress(RedisError):  # while Redis is away they cannot send, and then they look by themselves
            await self._redis.publish(WAKE, "queued again")

    async def _end(self, ending: Ending, batch: list[Delivery]) -> None:
        await self._keep(batch)
        async with self._database.connection() as connection:
            await self._writes[ending](connection, batch)

    async def _keep(self, batch: list[Delivery]) -> None:
        """The checkpoints of runs that are to be gone on with."""
        unfinished = [d for d in batch if d.ending in (Ending.FAILED, Ending.RELEASED)]
        if unfinished:
            await self._checkpoints.save_unsaved(unfinished)

    async def _end_steps(self, batch: list[Delivery]) -> None:
        """End jobs of workflows, and in the same transaction release what waited for them."""
        await self._keep(batch)
        held = {delivery.workflow_id for delivery in batch if delivery.workflow_id}
        succeeded = [delivery for delivery in batch if delivery.ending is Ending.SUCCEEDED]
        others = [delivery for delivery in batch if delivery.ending is not Ending.SUCCEEDED]
        async with self._database.connection() as connection, advancing(connection, self._outbox, held) as advance:
            won = await self._succeed_steps(connection, succeeded)
            for ending, write in self._writes.items():
                ended_so = [delivery for delivery in others if delivery.ending is ending]
                if ended_so:
                    await write(connection, ended_so)
            await advance.report([delivery.job_id for delivery in others], won)

    async def _fetch(
        self, connection: asyncpg.Connection, statement: str, batch: list[Delivery], *columns: list[Any]
    ) -> list[asyncpg.Record]:
        """Run a statement over the batch's ids, attempts and columns; say which runs it refused."""
        ids, attempts = [d.job_id for d in batch], [d.attempt for d in batch]
        rows: list[asyncpg.Record] = await connection.fetch(statement, ids, attempts, *columns, self._lease.worker)
        if len(rows) < len(batch):
            won = {row[0] for row in rows}
            self._refuse([delivery for delivery in batch if delivery.job_id not in won])
        return rows

    def _refuse(self, stale: list[Delivery]) -> None:
        """The database has refused what these runs were about to write: they had been given up."""
        self.refused += len(stale)
        log.warning("runs that had been given up were refused", count=len(stale), jobs=[str(d) for d in stale[:10]])

    async def _lose(self, connection: asyncpg.Connection, batch: list[Delivery]) -> None:
        self._refuse(batch)

    async def _succeed(self, connection: asyncpg.Connection, batch: list[Delivery]) -> None:
        await self._fetch(connection, jobs.SUCCEED, batch, _results(batch))

    async def _succeed_steps(self, connection: asyncpg.Connection, batch: list[Delivery]) -> list[asyncpg.Record]:
        if not batch:
            return []
        return await self._fetch(connection, workflow_jobs.SUCCEED, batch, _results(batch))

    async def _fail(self, connection: asyncpg.Connection, batch: list[Delivery]) -> None:
        failures = [d.failure or _UNKNOWN for d in batch]
        await self._fetch(
            connection,
            jobs.FAIL,
            batch,
            [failure.type for failure in failures],
            [failure.message for failure in failures],
            [failure.traceback for failure in failures],
            [d.retry_in for d in batch],
        )

    async def _cancel(self, connection: asyncpg.Connection, batch: list[Delivery]) -> None:
        await self._fetch(connection, jobs.CANCEL_RUNNING, batch, [d.reason for d in batch])

    async def _release(self, connection: asyncpg.Connection, batch: list[Delivery]) -> None:
        await self._fetch(connection, jobs.RELEASE, batch, [d.retry_in or 0.0 for d in batch])

    async def _store_results(self, connection: asyncpg.Connection, batch: list[Delivery]) -> None:
        for delivery in batch:
            if delivery.result is not None:
                await connection.fetch(
                    jobs.STORE_RESULT, delivery.job_id, delivery.attempt, self._lease.worker, delivery.result
                )

    async def _acknowledge(self, batch: list[Delivery]) -> None:
        await patiently("acknowledging messages", lambda: self._acknowledge_once(batch))

    async def _acknowledge_once(self, batch: list[Delivery]) -> None:
        queues: defaultdict[tuple[str, bool], list[str]] = defaultdict(list)
        for delivery in batch:
            queues[delivery.source, delivery.failed].append(delivery.redis_id)
        for (queue, dead), ids in queues.items():
            keys, acks = Keys.of(queue), Keys.acks(self._broker_id, queue)
            if dead:
                dead_letters = Keys.of(queue.removesuffix(".DQ"))
                now = int(time.time() * 1000)
                places = [acks, keys.messages, dead_letters.dead, dead_letters.dead_messages, ENDED]
                await self._nack_script(keys=places, args=[now, *ids])
            else:
                await self._ack_script(keys=[acks, keys.messages, ENDED], args=ids)


def _results(batch: list[Delivery]) -> list[str]:
    """As JSON. None is written, too: a job without any result may be about to get one (OVER in db/jobs.py)."""
    return [delivery.result or "null" for delivery in batch]
