"""Finds jobs whose message got lost on the way, and has them sent again. Three rules, from the surest to the slowest:

emptied    Redis has lost our mark: it was flushed, or replaced. Every message that is not there is sent again at once.
vanished   A message should have been in Redis for some seconds, and is not.
stranded   It is there, but nobody will ever be given it: for half a minute now it has been out of the list, and no
           worker has claimed the job (the answer to a worker's fetch was lost). How long it lay in the list before
           says nothing: in a long queue every message is an old one when its turn comes, and is out of the list while
           it is claimed.

All of it is harmless when wrong: the job is still queued, and a message more of it is refused by the claim.
"""

import time
from collections.abc import Callable

import asyncpg
import redis.asyncio
import structlog

from db import jobs
from db.database import Database
from runtime.transport import MARK, Keys, redis_id

log = structlog.get_logger("callboard")

_PERIOD = 2.0  # seconds between two rounds
_ON_ITS_WAY = 3.0  # seconds a message may take from its row's commit to Redis
_STRANDED = 30.0  # seconds within which a fetched message should have been claimed
_AT_ONCE = 5_000  # rows a queue and round: what else there is comes next, and Redis is not stormed


class Reconciler:
    def __init__(
        self, database: Database, redis: redis.asyncio.Redis, window: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`window` is how many messages of a queue are kept in Redis; `clock` counts seconds, from whenever."""
        self._database, self._redis, self._window, self._clock = database, redis, window, clock
        self._fetched: dict[str, dict[str, float]] = {}  # by queue: messages out of its list, and since when

    async def run_once(self) -> float:
        """Make the rows of lost messages undispatched, so that the relay sends them again."""
        emptied = await self._redis.set(MARK, 1, nx=True)
        async with self._database.connection() as connection:
            queues = {row["queue"] for row in await connection.fetch(jobs.LEVELS)}
        self._fetched = {queue: fetched for queue, fetched in self._fetched.items() if queue in queues}
        for queue in queues:
            await self._look_at(queue, 0.0 if emptied else _ON_ITS_WAY)
        return _PERIOD

    async def _look_at(self, queue: str, age: float) -> None:
        ids = await self._unclaimed(queue, age)
        waiting = set(await self._redis.lrange(Keys.of(queue).waiting, 0, -1)) if ids else set()
        out = [name for name in ids if name.encode() not in waiting]
        found = await self._redis.hmget(Keys.of(queue).messages, out) if out else []
        vanished = [name for name, data in zip(out, found, strict=True) if not data]
        await self._send_again(queue, "vanished", [ids[name] for name in vanished])
        now, before = self._clock(), self._fetched.get(queue, {})
        since = {name: before.get(name, now) for name, data in zip(out, found, strict=True) if data}
        stranded = [name for name, seen in since.items() if now - seen >= _STRANDED]
        await self._send_again(queue, "stranded", [ids[name] for name in stranded])
        self._fetched[queue] = {name: seen for name, seen in since.items() if now - seen < _STRANDED}

    async def _unclaimed(self, queue: str, age: float) -> dict[str, asyncpg.Record]:
        """Queued jobs whose message was sent longer ago, by the message's id in Redis."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(jobs.UNCLAIMED, queue, age, _AT_ONCE, 2 * self._window)
        return {redis_id(row["priority"], row["attempt"], row["id"]): row for row in rows}

    async def _send_again(self, queue: str, reason: str, rows: list[asyncpg.Record]) -> None:
        if rows:
            async with self._database.connection() as connection:
                lost = [row["id"] for row in rows], [row["attempt"] for row in rows]
                again = await connection.fetch(jobs.UNDISPATCH, *lost)
            if again:  # else they were claimed meanwhile
                log.warning("lost messages are sent again", queue=queue, reason=reason, count=len(again))
