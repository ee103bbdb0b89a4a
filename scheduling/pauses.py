"""Ends pauses that were to last until now, and turns on schedules that were off until now.

By then nobody minds them any more: whoever asks what is paused asks for how long, and no run of a schedule is planned
while it is off. This tells workers, relays and open pages, so that what waits flows at once and not at their next look,
and writes it down. Several of these are harmless: each ends once.
"""

import contextlib

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from db import pauses, schedules
from db.database import Database
from runtime.transport import CHANGED, CONTROL, WAKE

log = structlog.get_logger("callboard")

_PERIOD = 1.0  # seconds


class Pauses:
    def __init__(self, database: Database, redis: Redis) -> None:
        self._database, self._redis = database, redis

    async def run_once(self) -> float:
        """End those that are over. Returns the seconds until the next is, a second at most."""
        async with self._database.connection() as connection:
            over = await connection.fetch(pauses.END)
            on_again = await connection.fetch(schedules.GO_ON)
            wait = await connection.fetchval(pauses.NEXT_END)
        for row in over:
            log.info("a pause is over", kind=row["kind"], name=row["name"])
        for row in on_again:
            log.info("a schedule is on again", name=row["name"])
        notices = [(CONTROL, "resume"), (WAKE, "resume"), (CHANGED, "queues")] if over else []
        notices += [(CHANGED, "schedules")] if on_again else []
        with contextlib.suppress(RedisError):  # they look by themselves every second
            for channel, what in notices:
                await self._redis.publish(channel, what)
        return _PERIOD if wait is None else min(_PERIOD, max(0.0, wait))
