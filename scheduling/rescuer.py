"""Gives the jobs of dead workers back to the queue.

A worker is dead when nothing has been heard of it for WORKER_LEASE seconds. Its row is removed and its jobs are queued
again, or failed if that was their last attempt, in one transaction: so a job that kills its worker ends as failed. A
worker that was only cut off finds that its row is gone, stops what it ran, and whatever that still writes is refused.

When PostgreSQL was away, everybody's heartbeat is old, and so it is when its clock has leapt (another machine has
taken over, say): after a pause in its own rounds, or if that clock and its own stopwatch disagree, the rescuer first
gives the workers time to be heard of.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence

import asyncpg
import redis.asyncio
import structlog
from redis.exceptions import RedisError

from db import limits, workers
from db.database import Database
from runtime.patience import told
from runtime.transport import WAKE
from scheduling.leader import Leader

log = structlog.get_logger("callboard")

_PERIOD = 1.0
_PAUSE = 5.0  # seconds without a round of ours, or that the database's clock gained on ours: heartbeats are worthless
_HEARING = 10.0  # seconds workers get to be heard of again


class Rescuer:
    def __init__(
        self,
        database: Database,
        redis: redis.asyncio.Redis,
        leader: Leader,
        lease: float,
        stopwatch: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database, self._redis, self._leader, self._lease = database, redis, leader, lease
        self._stopwatch = stopwatch
        self._last_round = float("-inf")
        self._ahead = 0.0  # what the database's clock showed then, less what the stopwatch did
        self._wait_until = float("-inf")

    async def run_once(self) -> float:
        """Rescue the jobs of workers whose lease has run out. Returns the seconds until the next look."""
        async with self._database.connection() as connection:
            clock = await connection.fetchval(workers.CLOCK)  # fails while PostgreSQL is away: then no round is counted
            now = self._stopwatch()
            if now - self._last_round > _PAUSE or clock - now - self._ahead > _PAUSE:
                self._wait_until = now + _HEARING
            self._last_round, self._ahead = now, clock - now
            if not self._leader.leads or now < self._wait_until:
                return _PERIOD
            async with connection.transaction():
                leader = self._leader.holder, self._leader.term
                dead = await connection.fetch(workers.BURY, self._lease, *leader)
                rescued = await _rescue(connection, dead) if dead else []
            if rescued:
                await connection.execute(limits.LOOK_AGAIN, [row["id"] for row in rescued])
        for row in dead:
            log.warning("a worker died", worker=str(row["id"]), host=row["host"], pid=row["pid"])
        if dead:
            failed = sum(row["state"] == "failed" for row in rescued)
            log.warning("jobs of dead workers rescued", queued=len(rescued) - failed, failed=failed)
            await self._wake_relays()
        return _PERIOD

    async def _wake_relays(self) -> None:
        try:
            await self._redis.publish(WAKE, "rescued")
        except RedisError as error:
            log.debug("the relays were not told; they look by themselves every second", error=told(error))


async def _rescue(connection: asyncpg.Connection, dead: Sequence[asyncpg.Record]) -> list[asyncpg.Record]:
    """The jobs that they ran; what became of them is noted."""
    rescued = await connection.fetch(workers.RESCUE, [row["id"] for row in dead])
    became = Counter((row["worker"], row["state"]) for row in rescued)
    await connection.execute(
        workers.NOTE_DEATHS,
        workers.DIED,
        *([row[name] for row in dead] for name in ("id", "host", "pid", "heartbeat_at")),
        *([became[row["id"], state] for row in dead] for state in ("queued", "failed")),
    )
    return list(rescued)
