"""Lets jobs go on that wait for a limit, when a period is over or nobody else did (db/limits.py).

Several limiters are harmless: the row of a key is locked by one of them at a time.
"""

from db import limits
from db.database import Database
from runtime.grants import Grants

_POLL = 1.0  # seconds: it looks by itself if nobody tells it
_AT_ONCE = 200  # keys


class Limiter:
    def __init__(self, database: Database, grants: Grants) -> None:
        self._database, self._grants = database, grants

    async def run_once(self) -> float:
        """Hand on what room the keys have that are due. Returns the seconds until the next is."""
        async with self._database.connection() as connection:
            due = await connection.fetch(limits.DUE, _AT_ONCE)
        await self._grants.hand_on(row["key"] for row in due)
        async with self._database.connection() as connection:
            wait = await connection.fetchval(limits.NEXT_DUE)
        return _POLL if wait is None else min(_POLL, max(0.0, wait))
