"""Counts what ended, for the charts: by minute for two days, by hour for ninety, by day for two years."""

import asyncpg

from db import statistics
from db.database import Database
from db.statistics import HOUR, KEEP, LAG, STRETCH
from scheduling.leader import Leader

_PERIOD = 5.0  # seconds between two rounds
_BEHIND = 0.1  # and when there is more to count
_AT_ONCE = 5_000  # rows a round that are deleted
_NAME = "ended"


class Statistics:
    """The leader counts; that one does it saves work, that nothing is counted twice is the database's doing."""

    def __init__(self, database: Database, leader: Leader) -> None:
        self._database, self._leader = database, leader

    async def run_once(self) -> float:
        """Count one stretch of time and forget what is old. Returns the seconds until the next round."""
        if not self._leader.leads:
            return _PERIOD
        async with self._database.connection() as connection:
            stretch = await connection.fetchrow(statistics.STRETCH_OF, _NAME, LAG, STRETCH)
            since, until = stretch["since"], stretch["until"]
            async with connection.transaction():
                leading = self._leader.holder, self._leader.term
                if await connection.fetchval(statistics.ADVANCE, _NAME, since, until, *leading) is None:
                    return _PERIOD
                if since is not None:  # else counting begins with what ends from now on
                    await self._count(connection, since, until)
            for span, seconds in KEEP.items():
                await connection.execute(statistics.DELETE_OLD, span, seconds, _AT_ONCE)
            await connection.execute(statistics.DELETE_OLD_ERRORS, KEEP[HOUR], _AT_ONCE)
            await connection.execute(statistics.DELETE_OLD_GROUPS, KEEP[HOUR], _AT_ONCE)
        return _BEHIND if since is not None and (until - since).total_seconds() >= STRETCH else _PERIOD

    async def _count(self, connection: asyncpg.Connection, since: object, until: object) -> None:
        await connection.execute(statistics.COUNT_JOBS, since, until)
        seen = await connection.fetch(statistics.COUNT_ERRORS, since, until)
        if seen:
            columns = [list(column) for column in zip(*seen, strict=True)]
            await connection.execute(statistics.ADD_ERRORS, *columns)
