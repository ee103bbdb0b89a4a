"""Writes into the history how the jobs of schedules ended, so that it outlives them, and drops what is past keeping.

Nothing waits for it: whoever looks at the history sees the jobs' own rows as long as they are there.
"""

import uuid

from db import schedules
from db.database import Database
from scheduling.leader import Leader

_PERIOD = 2.0  # seconds
_AT_ONCE = 1_000  # rows a round
_DAY = 86_400.0


class Settler:
    def __init__(self, database: Database, leader: Leader, retention_days: float) -> None:
        self._database, self._leader, self._retention = database, leader, retention_days * _DAY
        self._after = uuid.UUID(int=0)

    async def run_once(self) -> float:
        """Look at the next executions whose job had not ended. Returns the seconds until the next round."""
        if not self._leader.leads:
            return _PERIOD
        async with self._database.connection() as connection:
            looked, last = await connection.fetchrow(schedules.SETTLE, self._after, _AT_ONCE)
            self._after = last if looked == _AT_ONCE else uuid.UUID(int=0)
            deleted = await connection.execute(schedules.DELETE_OLD, self._retention, _AT_ONCE)
        return 0.1 if deleted == f"DELETE {_AT_ONCE}" else _PERIOD
