"""Lets jobs go on that wait: for a limit, when a period is over or nobody else did (db/limits.py); for an actor that
was paused.

Several limiters are harmless: the row of a key is locked by one of them at a time.
"""

from db import limits, pauses
from db.database import Database
from runtime.grants import Grants

_POLL = 1.0  # seconds: it looks by itself if nobody tells it
_AT_ONCE = 200  # keys
_JOBS_AT_ONCE = 1_000  # of an actor that goes on


class Limiter:
    def __init__(self, database: Database, grants: Grants) -> None:
        self._database, self._grants = database, grants

    async def run_once(self) -> float:
        """Hand on what room the keys have that are due. Returns the seconds until the next is."""
        if await self._go_on():
            return 0.0
        async with self._database.connection() as connection:
            due = await connection.fetch(limits.DUE, _AT_ONCE)
        await self._grants.hand_on(row["key"] for row in due)
        async with self._database.connection() as connection:
            wait = await connection.fetchval(limits.NEXT_DUE)
        return _POLL if wait is None else min(_POLL, max(0.0, wait))

    async def _go_on(self) -> bool:
        """Queue jobs whose actors are not paused any more. Returns whether there may be others."""
        went_on = 0
        async with self._database.connection() as connection:
            for row in await connection.fetch(pauses.GOING_ON):
                went_on += len(await connection.fetch(pauses.GO_ON, row["actor"], _JOBS_AT_ONCE))
        if went_on:
            await self._grants.wake_relays()
        return went_on >= _JOBS_AT_ONCE
