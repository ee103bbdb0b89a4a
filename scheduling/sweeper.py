"""Ends what has run out: jobs that did not start in time, windows of unique keys, limits that nobody uses any more,
what worker processes that are gone were told.

All of it is guarded and takes some rows at a time; several sweepers take different rows.
"""

import time

import structlog

from db import jobs, limits, pauses
from db.database import Database

log = structlog.get_logger("callboard")

_PERIOD = 1.0  # seconds
_AT_ONCE = 1_000  # rows
_FORGET_EVERY = 60.0  # seconds between two looks for what can be forgotten


class Sweeper:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._last_key: str | None = None  # of limits: where the next page begins
        self._forgot_at = float("-inf")

    async def run_once(self) -> float:
        """Sweep once. Returns the seconds until the next time; none, if there was more than fits in one."""
        async with self._database.connection() as connection:
            expired = await connection.fetch(jobs.EXPIRE, _AT_ONCE)
            closed = await connection.fetch(jobs.CLOSE_WINDOWS, _AT_ONCE)
            if time.monotonic() - self._forgot_at > _FORGET_EVERY:
                await connection.execute(pauses.FORGET_WORKERS)
                self._last_key = await connection.fetchval(limits.FORGET, self._last_key or "", _AT_ONCE)
                self._forgot_at = time.monotonic()
        if expired:
            log.info("jobs that did not start in time are cancelled", count=len(expired))
        return 0.0 if _AT_ONCE in (len(expired), len(closed)) else _PERIOD
