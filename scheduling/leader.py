"""Which of several scheduling processes leads.

Any number of `python -m scheduling` may run; one of them leads. Leadership saves work, it is not what correctness
rests on: whatever a leader does is a guarded statement, so two who both believe to lead would step on nobody's toes.

There is one row in `leases`, with a holder, a term and a time until which it holds. Whoever finds it run out takes it,
which makes the term one higher. The holder renews it at half its life. All times in it are the database's, so no
clock of ours takes part; a holder that was stopped, or cut off, notices by its own stopwatch that it may no longer
trust its lease, a good while before anybody else can take it. Should it be so slow that it acts all the same, its
statements name its term, and the database finds that the term has passed.

A leader that stops gives its lease up, and another takes it within half a second. One that is killed leaves it to run
out. It is a row and not a session's advisory lock because behind a pooler a session is not one's own: there, two
processes were seen to hold the same advisory lock.
"""

import time
import uuid

import structlog

from db import leases
from db.database import Database
from runtime.ids import uuid7

log = structlog.get_logger("callboard")

NAME = "scheduling"
_MARGIN = 2.0  # seconds before its end from which on a lease is no longer trusted
_STANDBY = 0.5  # seconds between a standby's looks


class Leader:
    """One process's part in it."""

    def __init__(self, database: Database, lease: float) -> None:
        self._database, self._lease = database, lease
        self.holder: uuid.UUID = uuid7()
        self.term = 0
        self._trusted_until = float("-inf")  # on this process's stopwatch

    @property
    def leads(self) -> bool:
        """Whether this process may act as the leader right now."""
        return time.monotonic() < self._trusted_until

    async def run_once(self) -> float:
        """Renew the lease, or try to take it. Returns the seconds until the next try."""
        asked = time.monotonic()  # before asking: the lease runs from when the database answers, which is later
        async with self._database.connection() as connection:
            if self.leads:
                term = await connection.fetchval(leases.RENEW, NAME, self.holder, self.term, self._lease)
            else:
                term = await connection.fetchval(leases.ACQUIRE, NAME, self.holder, self._lease)
        if term is None:
            if self.leads:
                log.warning("leadership was lost", term=self.term)
            self._trusted_until = float("-inf")
            return _STANDBY
        if term != self.term:
            log.info("this process leads", term=term)
        self.term, self._trusted_until = term, asked + self._lease - _MARGIN
        return self._lease / 2

    async def resign(self) -> None:
        """Give the lease up."""
        if self.leads:
            self._trusted_until = float("-inf")
            async with self._database.connection() as connection:
                await connection.execute(leases.RESIGN, NAME, self.holder, self.term)
