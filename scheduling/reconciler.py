"""Finds jobs whose message got lost on the way: the row says it is in Redis, and Redis does not have it."""

import redis.asyncio
import structlog

from db import jobs
from db.database import Database
from runtime.transport import Keys, redis_id

log = structlog.get_logger("callboard")

_PERIOD = 5.0  # seconds; also how long a message may be on its way
_AT_ONCE = 5_000


class Reconciler:
    def __init__(self, database: Database, redis: redis.asyncio.Redis) -> None:
        self._database, self._redis = database, redis

    async def run_once(self) -> float:
        """Make the rows of vanished messages undispatched, so that the relay sends them again."""
        async with self._database.connection() as connection:
            queues = {row["queue"] for row in await connection.fetch(jobs.LEVELS)}
        for queue in queues:
            await self._reconcile(queue)
        return _PERIOD

    async def _reconcile(self, queue: str) -> None:
        async with self._database.connection() as connection:
            rows = await connection.fetch(jobs.UNCLAIMED, queue, _PERIOD, _AT_ONCE)
        if not rows:
            return
        ids = [redis_id(row["priority"], row["attempt"], row["id"]) for row in rows]
        found = await self._redis.hmget(Keys.of(queue).messages, ids)
        vanished = [row for row, message in zip(rows, found, strict=True) if message is None]
        if vanished:
            async with self._database.connection() as connection:
                lost = [row["id"] for row in vanished], [row["attempt"] for row in vanished]
                again = await connection.fetch(jobs.UNDISPATCH, *lost)
            log.warning("messages had vanished from Redis; they are sent again", queue=queue, count=len(again))
