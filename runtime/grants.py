"""Hands out the runs that limits allow (db/limits.py says how): to jobs that came, and to those that wait."""

import asyncio
import contextlib
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import astuple

import asyncpg
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from db import jobs, limits
from db.database import Database
from runtime.batch import Batch
from runtime.delivery import Delivery
from runtime.outbox import Outbox
from runtime.patience import patiently, told
from runtime.transport import WAKE, Envelope, sealed

log = structlog.get_logger("callboard")

_KEYS_AT_ONCE = 20


class Grants:
    """Belongs to one event loop: a worker's, or a scheduling process's."""

    def __init__(self, database: Database, redis: Redis, outbox: Outbox) -> None:
        self._database, self._redis, self._outbox = database, redis, outbox
        self._turn = asyncio.Lock()  # one transaction at a time: waiting for a key must not take all connections
        self._freed: Batch[str] = Batch(self._hand_on_freed)

    async def claim(self, deliveries: Sequence[Delivery], worker: uuid.UUID) -> dict[uuid.UUID, asyncpg.Record]:
        """Claim limited jobs, as many as their limits allow. Returns the rows of those that are ours now; of the others
        those wait that can. A claim whose answer was lost is made again, and read once the keys are ours: then nothing
        of the lost one is still under way."""
        ids, attempts = [d.job_id for d in deliveries], [d.attempt for d in deliveries]
        defined = sorted({d.limit for d in deliveries if d.limit}, key=lambda limit: limit.key)
        keys = [d.limit.key for d in deliveries if d.limit]
        columns = [list(column) for column in zip(*map(astuple, defined), strict=True)]
        is_again = False

        async def attempt() -> tuple[list[asyncpg.Record], list[asyncpg.Record]]:
            nonlocal is_again
            reads, is_again = is_again, True
            async with self._turn, self._database.connection() as connection, connection.transaction():
                await connection.execute(limits.DEFINE, *columns)
                await connection.execute(limits.TIDY, columns[0])
                mine = await connection.fetch(jobs.CLAIMED, ids, attempts, worker) if reads else []
                return mine, await connection.fetch(limits.GRANT, columns[0], ids, attempts, keys, worker)

        mine, rows = await patiently("claiming limited jobs", attempt)
        await self._pass_on(rows)
        return {row["id"]: row for row in [*mine, *(row for row in rows if row["state"] == "running")]}

    async def hand_on(self, keys: Iterable[str]) -> None:
        """Give what room these keys have to the jobs that wait for it."""
        listed = sorted(set(keys))
        for start in range(0, len(listed), _KEYS_AT_ONCE):
            some = listed[start : start + _KEYS_AT_ONCE]
            async with self._turn, self._database.connection() as connection, connection.transaction():
                await connection.execute(limits.LOCK, some)
                await connection.execute(limits.TIDY, some)
                rows = await connection.fetch(limits.GRANT, some, [], [], [], None)
            await self._pass_on(rows)

    def freed(self, keys: Iterable[str]) -> None:
        """Runs of these keys have ended, and that is committed: hand on what they leave, in the background."""
        self._freed.add(*keys)

    async def drain(self) -> None:
        """Wait until what was freed so far is handed on."""
        await self._freed.drain()

    async def _hand_on_freed(self, keys: list[str]) -> None:
        async def attempt() -> None:
            async with self._database.connection() as connection:
                rows = await connection.fetch(limits.FREED, list(set(keys)))
            if rows:
                await self.hand_on(row["key"] for row in rows)

        try:
            await patiently("handing on what limited jobs leave", attempt)
        except Exception:  # the limiter does it some seconds later
            log.exception("what limited jobs left could not be handed on", keys=len(keys))

    async def wake_relays(self) -> None:
        """Tell the relays that jobs are queued again."""
        with contextlib.suppress(RedisError):  # they look by themselves every second
            await self._redis.publish(WAKE, "queued again")

    async def _pass_on(self, rows: Sequence[asyncpg.Record]) -> None:
        """Send those that are queued now; tell the limiter that some wait."""
        queues: dict[str, list[Envelope]] = {}
        queued = [row for row in rows if row["state"] == "queued"]
        for row in sorted(queued, key=lambda row: (row["priority"], row["id"])):
            queues.setdefault(row["queue"], []).append(sealed(row))
        try:
            for queue, envelopes in queues.items():
                await self._outbox.push(queue, envelopes, ahead=True)
            if any(row["state"] == "waiting" for row in rows):
                await self._redis.publish(WAKE, "limited")
        except RedisError as error:
            log.debug("jobs that waited could not be sent; the relay will send them", error=told(error))
            unsent = [envelope for envelopes in queues.values() for envelope in envelopes]
            await patiently("marking jobs as not sent", lambda: self._undispatch(unsent))

    async def _undispatch(self, unsent: list[Envelope]) -> None:
        async with self._database.connection() as connection:
            await connection.execute(jobs.UNDISPATCH, [e.job_id for e in unsent], [e.attempt for e in unsent])
